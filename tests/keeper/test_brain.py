"""The brain on a chain in memory: what it asks, whom it leaves alone, and what it does when things do not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from closeout.errors import NodeError
from closeout.keeper.brain import BrainSettings, Keeper
from closeout.keeper.fakes import VAULT, FakeReader
from closeout.keeper.planner import PlannerSettings
from closeout.keeper.ports import Block, Confirmation, Decision, Price, PriceStatus, Reason
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList
from closeout.model import debt_units_up, take_snapshot
from tests.keeper.markets import CONFIGURATION, DAI, NOW, PRICES, USDC, WETH, shares, token, valuation, wad
from tests.keeper.pools import full_range

SAFE, RISKY, OTHER = ((0xBEEF + n) << 96 for n in range(3))


class Chain(FakeReader):
    """Answers `confirm` from its own logs: what the Lens would say."""

    def __init__(self) -> None:
        super().__init__(timestamp=NOW)
        self.settings = CONFIGURATION
        self.lies: dict[int, Confirmation] = {}
        self.asked: list[list[int]] = []

    def confirm(self, accounts: Sequence[int], at: Block) -> Sequence[Confirmation]:
        self._called()
        self.asked.append(list(accounts))
        return [self.lies.get(account) or self.truth(account, at) for account in accounts]

    def truth(self, account: int, at: Block) -> Confirmation:
        held, owed = self.position(account, at)
        now = valuation(prices=tuple(self._prices[at.number]), now=at.timestamp)
        health = take_snapshot(now.collaterals(held), now.debts(owed)).health_factor_wad
        debts = {asset: debt_units_up(owing, 10**17) for asset, owing in owed.items()}
        return Confirmation(account, held, debts, health, 0, 0, is_possible=True)

    def position(self, account: int, at: Block) -> tuple[dict[int, int], dict[int, int]]:
        held: dict[int, int] = {}
        owed: dict[int, int] = {}
        sides = {
            "CollateralDeposited": (held, "amount", 1),
            "CollateralWithdrawn": (held, "amount", -1),
            "Borrowed": (owed, "shares", 1),
        }
        for log in self.logs(0, at):
            if log.values.get("account") == account and log.name in sides:
                side, figure, sign = sides[log.name]
                side[log.values["assetId"]] = side.get(log.values["assetId"], 0) + sign * log.values[figure]
        return {n: units for n, units in held.items() if units}, owed


def opened(account: int, weth: int, usdc: int) -> list[tuple[str, dict[str, Any]]]:
    """Logs of an account with whole tokens of both."""
    return [
        ("CollateralDeposited", {"account": account, "assetId": WETH, "amount": weth * 10**18}),
        (
            "Borrowed",
            {"account": account, "assetId": USDC, "amount": usdc * 10**6, "shares": shares(usdc * 10**6)},
        ),
    ]


def at_price(weth: int) -> list[Price]:
    return [Price.fresh(wad(weth), NOW), *PRICES[1:]]


@pytest.fixture
def chain() -> Chain:
    """Two accounts at 2 000 USD a WETH, one of them near the margin; pools at the prices to come."""
    chain = Chain()
    chain.pool_states = (full_range(WETH, USDC, at_price(1_500)), full_range(WETH, DAI, at_price(1_500)))
    chain.mine([*opened(SAFE, 10, 5_000), *opened(RISKY, 10, 13_000)], at_price(2_000))
    return chain


def keeper(chain: Chain, **changes: Any) -> Keeper:
    planner = PlannerSettings(native_token=token(WETH), priority_fee=10**10)
    settings = replace(BrainSettings(planner=planner, verify_blocks=0, seed=3), **changes)
    return Keeper(chain, WatchList(chain, Store(None, VAULT, 1)), settings)


def decide(chain: Chain, brain: Keeper) -> Decision:
    return brain.on_block(chain.head())


def test_on_block__price_that_falls__wants_the_one_account_closed_out_in_that_block(chain: Chain):
    brain = keeper(chain)
    assert decide(chain, brain).candidates == ()
    chain.mine(prices=at_price(1_500))
    decision = decide(chain, brain)
    assert [one.account for one in decision.candidates] == [RISKY]
    assert [one.account for one in decision.intents] == [RISKY]
    assert chain.asked == [[RISKY]]
    assert (decision.workload.accounts, decision.workload.touched) == (2, 2)


def test_on_block__nobody_unhealthy__asks_for_logs_and_prices_and_nothing_else(chain: Chain):
    brain = keeper(chain)
    decide(chain, brain)
    head = chain.mine()
    before = chain.calls
    decision = brain.on_block(head)
    assert chain.calls - before == 3
    # of a node: logs; the Lens; when each price was observed
    assert decision.workload.node_calls == 3


def test_on_block__account_that_the_chain_calls_healthy__is_let_be(chain: Chain):
    chain.mine(prices=at_price(1_500))
    chain.lies[RISKY] = replace(chain.truth(RISKY, chain.head()), health_factor_wad=wad("1.01"))
    decision = decide(chain, keeper(chain))
    assert decision.intents == ()
    assert [(one.account, one.reason) for one in decision.refusals] == [(RISKY, Reason.HEALTHY)]


def test_on_block__report_that_the_lens_could_not_make__is_said_with_its_reason(chain: Chain):
    chain.mine(prices=at_price(1_500))
    chain.lies[RISKY] = replace(chain.truth(RISKY, chain.head()), failure="PriceStale")
    [refusal] = decide(chain, keeper(chain)).refusals
    assert (refusal.reason, refusal.detail) == (Reason.UNPRICED, "PriceStale")


def test_on_block__collateral_without_a_price__is_in_no_set(chain: Chain):
    missing = Price(PriceStatus.MISSING, wad(1_200), wad(1_200), 0, NOW)
    chain.mine(prices=[missing, *PRICES[1:]])
    decision = decide(chain, keeper(chain))
    assert [one.is_unpriced for one in decision.candidates] == [True]
    assert decision.intents == ()
    [refusal] = decision.refusals
    assert (refusal.account, refusal.reason) == (RISKY, Reason.REFUSED)
    assert "nothing that has a price on both sides" in refusal.detail


def test_on_block__collateral_in_doubt__is_planned_at_what_it_is_exchanged_at(chain: Chain):
    doubt = Price(PriceStatus.DEGRADED, wad(1_500), wad(1_400), wad(1_450), NOW)
    chain.mine(prices=[doubt, *PRICES[1:]])
    [intent] = decide(chain, keeper(chain)).intents
    worth = intent.expected_seized[0].amount * 1_450 // 10**12
    assert intent.expected_repaid[0].amount < worth < intent.expected_repaid[0].amount * 106 // 100
    # throttled: no further than to the margin
    chain.mine(prices=at_price(1_450))
    [fresh] = decide(chain, keeper(chain)).intents
    assert intent.expected_repaid[0].amount < fresh.expected_repaid[0].amount


def test_on_block__reorganisation_that_takes_the_fall_back__takes_the_intent_back(chain: Chain):
    brain = keeper(chain)
    decide(chain, brain)
    chain.mine(prices=at_price(1_500))
    assert len(decide(chain, brain).intents) == 1
    chain.drop(1)
    chain.mine(prices=at_price(2_000))
    chain.mine()
    decision = decide(chain, brain)
    assert decision.intents == ()
    assert decision.workload.reorged_blocks == 1


def test_on_block__older_block__decides_nothing(chain: Chain):
    brain = keeper(chain)
    old = chain.head()
    brain.on_block(old)
    brain.on_block(chain.mine(prices=at_price(1_500)))
    assert brain.on_block(old) == Decision(old)


def test_on_block__node_that_fails__can_be_asked_again(chain: Chain):
    brain = keeper(chain)
    chain.mine(prices=at_price(1_500))
    for _ in range(12):
        chain.failures = [NodeError("429")] if chain.calls % 2 else []
        try:
            decision = decide(chain, brain)
            break
        except NodeError:
            chain.failures = []
    assert [one.account for one in decision.intents] == [RISKY]


def test_on_block__two_workers__share_the_accounts_and_each_is_one_workers(chain: Chain):
    many = [n << 96 | 7 for n in range(1, 41)]
    chain.mine([log for account in many for log in opened(account, 10, 13_000)])
    chain.mine(prices=at_price(1_500))
    taken: list[set[int]] = []
    for worker in range(3):
        decision = decide(chain, keeper(chain, worker=worker, workers=3))
        others = {one.account for one in decision.refusals if one.reason is Reason.NOT_OURS}
        taken.append({one.account for one in decision.candidates} - others)
    assert set.union(*taken) == {*many, RISKY}
    assert sum(map(len, taken)) == len(many) + 1
    assert all(taken)


def test_on_block__sample_that_differs__is_counted_and_everything_read_anew(chain: Chain):
    brain = keeper(chain, verify_blocks=1, verify_accounts=2)
    read = chain.logs

    def incomplete(first: int, last: Block) -> Any:
        return [log for log in read(first, last) if log.values.get("account") != SAFE or log.name != "Borrowed"]

    truth = chain.truth
    chain.logs = incomplete  # type: ignore[method-assign]
    chain.truth = lambda account, at: _with_logs(chain, read, truth, account, at)  # type: ignore[method-assign]
    decision = decide(chain, brain)
    assert (decision.workload.verified, decision.workload.differing) == (2, 1)
    chain.logs = read  # type: ignore[method-assign]
    chain.mine()
    assert decide(chain, brain).workload.differing == 0


def _with_logs(chain: Chain, read: Any, truth: Any, account: int, at: Block) -> Confirmation:
    kept, chain.logs = chain.logs, read  # type: ignore[method-assign]
    try:
        return truth(account, at)
    finally:
        chain.logs = kept  # type: ignore[method-assign]


def test_on_block__logs_that_do_not_fit_together__are_read_anew_from_the_first(chain: Chain):
    brain = keeper(chain)
    read, hidden = chain.logs, chain.mine(opened(OTHER, 5, 100))

    def losing(first: int, last: Block) -> Any:
        return [log for log in read(first, last) if log.block_number != hidden.number]

    chain.logs = losing  # type: ignore[method-assign]
    decide(chain, brain)
    chain.logs = read  # type: ignore[method-assign]
    withdrawn = {"account": OTHER, "assetId": WETH, "amount": 5 * 10**18}
    chain.mine([("CollateralWithdrawn", withdrawn)])
    decide(chain, brain)
    assert brain._watch.collateral_of(OTHER) == {}
    assert brain._watch.debts_of(OTHER, NOW) == {USDC: 100 * 10**6}


def test_on_block__alerts__tell_margin_calls_and_bad_debt_of_this_block_alone(chain: Chain):
    brain = keeper(chain)
    decide(chain, brain)
    bad = {"account": SAFE, "assetId": DAI, "amount": 7, "covered": 3}
    chain.mine([("MarginCalled", {"account": SAFE}), ("BadDebt", bad), ("BadDebt", bad)])
    decision = decide(chain, brain)
    assert decision.margin_called == (SAFE,)
    assert decision.bad_debt == {DAI: 14}
    chain.mine()
    assert decide(chain, brain).margin_called == ()


def test_on_block__more_candidates_than_one_block_may_plan__takes_the_largest_debts(chain: Chain):
    chain.mine([*opened(SAFE + 1, 100, 130_000), *opened(SAFE + 2, 50, 65_000)])
    chain.mine(prices=at_price(1_500))
    decision = decide(chain, keeper(chain, most_plans=2))
    assert chain.asked == [[SAFE + 1, SAFE + 2]]
    assert len(decision.candidates) == 3
    assert {one.account for one in decision.intents} == {SAFE + 1, SAFE + 2}


def test_on_block__accounts_that_never_pay__keep_nobody_waiting(chain: Chain):
    chain.mine([*opened(SAFE + 1, 100, 130_000), *opened(SAFE + 2, 50, 65_000)])
    brain = keeper(chain, most_plans=2)
    chain.pool_states = ()
    for _ in range(3):
        chain.mine(prices=at_price(1_500))
        decide(chain, brain)
    assert chain.asked == [[SAFE + 1, SAFE + 2], [RISKY, SAFE + 1], [SAFE + 2, SAFE + 1]]


def test_nearest__of_the_last_block__comes_in_order(chain: Chain):
    brain = keeper(chain)
    decide(chain, brain)
    assert [line.account for line in brain.nearest(5)] == [RISKY, SAFE]
    assert brain.nearest(1)[0].collateral_value_wad == wad(20_000)


def test_on_block__unknown_asset_in_no_price__is_not_guessed(chain: Chain):
    deposit = ("CollateralDeposited", {"account": SAFE, "assetId": 9, "amount": 1})
    chain.mine([deposit])
    with pytest.raises(IndexError):
        decide(chain, keeper(chain))
