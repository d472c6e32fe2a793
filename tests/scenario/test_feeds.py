"""`feed` steps: prices that stand still, or are gone, and what the protocol still does with them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from closeout.scenario import ScenarioResult, StepRecord
from closeout.scenario.accounting import account_costs, parties
from closeout.units import WAD

Tree = dict[str, Any]
Played = Callable[..., ScenarioResult]
DAY = 86_400


def feed(asset: str, status: str) -> Tree:
    return {"feed": {"asset": asset, "status": status}}


def prices(**usd: str) -> Tree:
    return {"prices": usd}


def wait(seconds: int) -> Tree:
    return {"wait": str(seconds)}


def last(played: Played, tree: Tree, *steps: Tree) -> StepRecord:
    tree["steps"] = list(steps)
    return played(tree).steps[-1]


def health(step: StepRecord, account: str = "careful") -> int:
    found = step.accounts[account].health_wad
    assert found is not None
    return found


KEEPER: Tree = {"keeper": {}}
BORROW: Tree = {"borrow": {"account": "careful", "asset": "USDC", "amount": "1"}}


def test_a_stale_feed__stands_at_the_price_of_that_moment(tree: Tree, played: Played) -> None:
    tree["steps"] = [prices(WETH="1900"), feed("WETH", "stale"), prices(WETH="1000"), wait(10 * DAY)]
    result = played(tree)
    assert [step.prices_wad["WETH"] // WAD for step in result.steps] == [1900, 1900, 1000, 1000]
    assert {health(step) for step in result.steps} == {10 * 1900 * 85 * WAD // (100 * 8000)}
    assert [step.kind for step in result.steps] == ["prices", "feed", "prices", "wait"]


def test_a_feed_that_is_back__says_the_current_price_at_once(tree: Tree, played: Played) -> None:
    step = last(played, tree, feed("WETH", "stale"), prices(WETH="1500"), feed("WETH", "fresh"))
    assert health(step) == 10 * 1500 * 85 * WAD // (100 * 8000)


@pytest.mark.parametrize("status", ["stale", "dead"])
@pytest.mark.parametrize("asset", ["WETH", "USDC"])
def test_an_account_with_a_price_that_is_not_fresh__cannot_borrow_or_withdraw_but_repays(
    asset: str, status: str, tree: Tree, played: Played
) -> None:
    def move(kind: str, asset: str) -> Tree:
        return {kind: {"account": "careful", "asset": asset, "amount": "1"}}

    tree["steps"] = [
        feed(asset, status),
        BORROW,
        move("withdraw", "WETH"),
        move("repay", "USDC"),
        move("deposit", "WETH"),
        feed(asset, "fresh"),
        BORROW,
    ]
    errors = [step.error for step in played(tree).steps]
    assert errors == [None, "PriceNotFresh", "PriceNotFresh", None, None, None, None]


def test_the_keeper__closes_out_at_a_stale_price__to_one_and_not_to_the_target(tree: Tree, played: Played) -> None:
    step = last(played, tree, prices(WETH="930"), feed("WETH", "stale"), KEEPER)
    [record] = [record for record in step.close_outs if record.account == "careful"]
    assert record.regime == "restorative"
    assert record.health_after_wad is not None and WAD <= record.health_after_wad < WAD + WAD // 10**6


def test_a_price_that_fell_while_its_feed_stood__closes_out_nobody(tree: Tree, played: Played) -> None:
    step = last(played, tree, feed("WETH", "stale"), prices(WETH="500"), KEEPER)
    assert not step.close_outs


def test_a_dead_feed__is_in_no_close_out__and_counts_at_the_last_good_price(tree: Tree, played: Played) -> None:
    tree["steps"] = [wait(3600), prices(WETH="1990"), feed("WETH", "dead"), prices(WBTC="1"), KEEPER, KEEPER]
    result = played(tree)
    assert health(result.steps[-1]) == 10 * 2000 * 85 * WAD // (100 * 8000)  # 1 990 came within the hour
    close_outs = [record for step in result.steps for record in step.close_outs]
    assert {record.account for record in close_outs} == {"leveraged"}
    assert all("WETH" not in record.seized for record in close_outs)


def test_the_last_good_price__is_the_newest_that_may_be_recorded(tree: Tree, played: Played) -> None:
    def recorded(*steps: Tree) -> Decimal:
        step = last(played, tree, *steps, feed("WETH", "dead"))
        return Decimal(health(step) * 100 * 8000) / (10 * 85 * WAD)

    assert recorded(prices(WETH="1900"), wait(3597)) == 2000
    assert recorded(prices(WETH="1900"), wait(3598)) == 1900
    # more than 20 % away: seen twice, an hour apart
    assert recorded(prices(WETH="1500"), wait(3599), wait(3598)) == 2000
    assert recorded(prices(WETH="1500"), wait(3599), wait(3599)) == 1500
    # what stands is no good price
    assert recorded(prices(WETH="1900"), feed("WETH", "stale"), wait(7200)) == 2000


def test_a_market_that_is_dead_for_good__is_worth_less_and_less__until_nothing_is_left(
    tree: Tree, played: Played
) -> None:
    # an outage runs from the step after which somebody noted it
    outage = [wait(1), wait(7 * DAY), wait(15 * DAY), wait(15 * DAY - 1), wait(1)]
    tree["steps"] = [feed("WETH", "dead"), *outage]
    whole = 10 * 2000 * 85 * WAD // (100 * 8000)
    after = [health(step) for step in played(tree).steps]
    assert after[:4] == [whole, whole, whole, whole // 2]
    assert 0 < after[4] < whole // 10**6
    assert after[5] == 0


def test_a_market_that_is_back__is_worth_what_it_says__and_its_outage_starts_anew(tree: Tree, played: Played) -> None:
    twice = [feed("WETH", "dead"), wait(1), wait(20 * DAY), feed("WETH", "fresh"), wait(1)]
    tree["steps"] = [*twice, feed("WETH", "dead"), wait(1), wait(7 * DAY)]
    whole = 10 * 2000 * 85 * WAD // (100 * 8000)
    after = [health(step) for step in played(tree).steps]
    assert after[2] < whole
    assert {after[n] for n in (0, 1, 3, 4, 5, 6, 7)} == {whole}


@pytest.mark.parametrize("status", ["stale", "dead"])
def test_what_parties_gain_and_lose__adds_up_to_nothing__whatever_the_feeds_say(
    status: str, tree: Tree, played: Played
) -> None:
    tree["steps"] = [
        prices(WETH="1200", WBTC="20000"),
        feed("WBTC", status),
        prices(WBTC="40000"),
        KEEPER,
        prices(WETH="600"),
        KEEPER,
    ]
    result = played(tree)
    assert result.summary.close_outs
    assert parties(result).total.amount == 0
    for cost in account_costs(result):
        assert cost.whole.regime in ("restorative", "capped", "terminal", "refused")


def test_a_whole_close_out__that_the_feeds_would_not_have_allowed__is_told_as_refused(
    tree: Tree, played: Played
) -> None:
    """The router's last good price is older than what the dead feed said last, at which the account was healthy."""
    tree["accounts"] = {"half": {"collateral": {"WETH": "10", "WBTC": "0.5"}, "debt": {"USDC": "20000"}}}
    # H = (0.85 * 10 * 2 000 + 0.75 * 0.5 * 7 000) / 20 000 = 0.98, and 1.15 at 2 400
    tree["steps"] = [prices(WETH="2400"), feed("WETH", "dead"), prices(WBTC="7000"), KEEPER]
    result = played(tree)
    [cost] = account_costs(result)
    assert cost.whole.regime == "refused"
    assert cost.whole.penalty.amount == 0
    assert cost.repaid.amount > 0
