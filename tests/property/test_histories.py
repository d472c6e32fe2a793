"""Properties between any two transactions: random histories of many users, looked at through the Vault's own views."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from closeout.model import AccountId
from closeout.units import WAD
from tests.differential.pairs import Pair
from tests.differential.plays import ACCOUNTS, HOLDERS, USERS, Move, Play
from tests.differential.settings import SETTINGS
from tests.differential.sizes import least, seeded, sized
from tests.property.looks import AssetLook, Look, Moment, history
from tests.support.node import Node

HISTORIES = sized(12)
STEPS = 80


@pytest.fixture(scope="module")
def pairs(node: Node) -> list[Pair]:
    return [Pair.of(setting, node) for setting in SETTINGS]


def moments_of(pairs: list[Pair]) -> Iterator[Moment]:
    for pair in pairs:
        for number in range(HISTORIES):
            play = Play(pair.setting, seeded(f"history {pair.setting.name}", number), STEPS)
            yield from history(pair, play, f"history {number} of '{pair.setting.name}'")


@pytest.fixture(scope="module")
def moments(pairs: list[Pair]) -> list[Moment]:
    return list(moments_of(pairs))


# ------------------------------------------------------------------------------------------------------------------- P1


def test_p1_the_vault_holds_what_it_owes(moments: list[Moment]) -> None:
    for moment in moments:
        covers_everything(moment.after, moment.place)
    assert len(moments) >= least(4 * 12 * STEPS)


def covers_everything(look: Look, place: str) -> None:
    """Collateral, claims, and supply less what is lent. To the unit: nobody sent tokens uncalled."""
    for n, asset in enumerate(look.assets):
        collateral = sum(account.collateral[n] for account in look.accounts.values())
        assert asset.vault_balance == collateral + sum(asset.claims_of) + asset.idle, f"{place}: asset {n}"


# ------------------------------------------------------------------------------------------------------------------- P3


def test_p3_no_borrow_or_withdrawal_leaves_less_than_the_initial_margin(moments: list[Moment]) -> None:
    assert sum(keeps_its_margin(moment) for moment in moments) >= least(150)


MARGINED = {"borrow", "borrow shares", "withdraw collateral", "rebalance"}


def keeps_its_margin(moment: Moment) -> bool:
    if not moment.is_done or moment.step.move.name not in MARGINED:
        return False
    look = moment.after.accounts[moment.step.move.arguments[0]]
    # both figures leave the Vault rounded, power down and debt up
    assert look.debt_value <= look.borrowing_power + 1 or not any(look.debt), moment.place
    return any(look.debt)


# ------------------------------------------------------------------------------------------------------------------- P7


def test_p7_only_unhealthy_accounts_lose_anything_to_a_close_out(moments: list[Moment]) -> None:
    assert sum(leaves_the_healthy_alone(moment) for moment in moments) >= least(150)


AGAINST = {"close out", "close out and call back", "flash close out", "margin call", "write off"}


def leaves_the_healthy_alone(moment: Moment) -> bool:
    """Of an account at or above 1 that did not opt in, nobody takes anything; it can be put on call at most."""
    if moment.step.move.name not in AGAINST:
        return False
    subject = moment.step.move.arguments[0]
    account = getattr(subject, "account", subject)
    before, after = moment.before.accounts[account], moment.after.accounts[account]
    if before.health_factor < WAD or any(before.deleverage):
        return False
    assert (before.collateral, before.debt) == (after.collateral, after.debt), moment.place
    assert not moment.is_done or moment.step.move.name == "margin call", moment.place
    return True


# ------------------------------------------------------------------------------------------------------------------ P10


def test_p10_a_supply_share_falls_only_by_bad_debt_and_an_index_never(moments: list[Moment]) -> None:
    fallen = sum(keeps_share_values(moment) for moment in moments)
    assert fallen >= least(20), "no bad debt was ever the lenders'"


def keeps_share_values(moment: Moment) -> bool:
    has_bad_debt = moment.is_done and moment.step.move.name in AGAINST
    has_fallen = False
    for n, (before, after) in enumerate(zip(moment.before.assets, moment.after.assets, strict=True)):
        assert after.index >= before.index, f"{moment.place}: index {n}"
        if _worth_after(before, after) < before.share_value:
            assert has_bad_debt, f"{moment.place}: a share of asset {n} is worth less"
            has_fallen = True
    return has_fallen


def _worth_after(before: AssetLook, after: AssetLook) -> Fraction:
    """What a share is worth, with the unit by which the total debt is rounded down counted in."""
    return Fraction(after.idle + after.debt + 2, after.supply_shares + 10**6)


# ------------------------------------------------------------------------------------------------------------------- P2


def test_p2_at_fixed_prices_nobody_loses_anything_to_somebody_elses_call(pairs: list[Pair]) -> None:
    """So no set of users takes out more than it put in: what one gains another must lose. Without interest."""
    told = 0
    for pair in pairs:
        if "interest" in pair.setting.name or pair.setting.name == "all":
            continue
        for number in range(HISTORIES):
            play = Play(pair.setting, seeded(f"still {pair.setting.name}", number), STEPS, is_still=True)
            for moment in history(pair, play, f"history {number} of '{pair.setting.name}', still"):
                told += takes_from_nobody(moment, [asset.decimals for asset in pair.setting.assets])
    assert told >= least(400)


def takes_from_nobody(moment: Moment, decimals: list[int]) -> bool:
    if not moment.is_done or moment.step.move.name == "prices":
        return False
    for user in set(USERS) - concerned_by(moment.step.move):
        before, after = moment.before.equity(user, decimals), moment.after.equity(user, decimals)
        assert after >= before - _rounding(moment, decimals), f"{moment.place}: {user} loses {float(before - after)}"
    return True


def concerned_by(move: Move) -> set[str]:
    """Who may lose by a move: its caller, an owner for whom his operator acts, and one whose penalty is stated."""
    concerned = {move.caller}
    subject = move.arguments[0] if move.arguments else None
    account = getattr(subject, "account", subject)
    if isinstance(account, AccountId):
        concerned.add(account.owner)
    return concerned


def _rounding(moment: Moment, decimals: list[int]) -> Fraction:
    """USD: two units of each token."""
    prices = zip(moment.before.prices, decimals, strict=True)
    return sum((Fraction(2 * price, WAD * 10**d) for price, d in prices), Fraction(0))


# ------------------------------------------------------------------------------------------------------- broken Vaults


def _with_asset(look: Look, n: int, **changes: object) -> Look:
    assets = list(look.assets)
    assets[n] = replace(assets[n], **changes)
    return replace(look, assets=tuple(assets))


def _one_unit_gone(moment: Moment) -> Moment:
    balance = moment.after.assets[0].vault_balance
    return replace(moment, after=_with_asset(moment.after, 0, vault_balance=balance - 1))


def _share_diluted(moment: Moment) -> Moment:
    shares = moment.after.assets[0].supply_shares
    return replace(moment, after=_with_asset(moment.after, 0, supply_shares=shares + shares // 10**4 + 10))


def _index_falls(moment: Moment) -> Moment:
    return replace(moment, after=_with_asset(moment.after, 0, index=moment.before.assets[0].index - 1))


def _margin_ignored(moment: Moment) -> Moment:
    accounts = {
        account: replace(look, borrowing_power=look.borrowing_power * 9 // 10 - 10)
        for account, look in moment.after.accounts.items()
    }
    return replace(moment, is_done=True, after=replace(moment.after, accounts=accounts))


def _healthy_sold(moment: Moment) -> Moment:
    accounts = {
        account: replace(look, collateral=tuple(units // 2 for units in look.collateral))
        for account, look in moment.after.accounts.items()
    }
    return replace(moment, after=replace(moment.after, accounts=accounts))


def _somebody_robbed(moment: Moment) -> Moment:
    wallets = list(moment.after.assets[0].wallets)
    for user in range(len(USERS)):
        wallets[user] -= 10**18
    return replace(moment, is_done=True, after=_with_asset(moment.after, 0, wallets=tuple(wallets)))


BROKEN: dict[str, tuple[Callable[[Moment], Moment], Callable[[Moment], object]]] = {
    "p1: a unit is gone": (_one_unit_gone, lambda moment: covers_everything(moment.after, moment.place)),
    "p2: somebody is robbed": (_somebody_robbed, lambda moment: takes_from_nobody(moment, [18, 8, 6, 0, 27, 2, 18])),
    "p3: the margin is ignored": (_margin_ignored, keeps_its_margin),
    "p7: a healthy account is sold": (_healthy_sold, leaves_the_healthy_alone),
    "p10: shares out of nothing": (_share_diluted, keeps_share_values),
    "p10: an index falls": (_index_falls, keeps_share_values),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_vault__is_caught(moments: list[Moment], name: str) -> None:
    change, check = BROKEN[name]
    with pytest.raises(AssertionError):
        for moment in moments:
            if moment.before.accounts[ACCOUNTS[0]].collateral_value:
                check(change(moment))


def test_holders__are_all_who_can_have_a_share_or_a_claim(moments: list[Moment]) -> None:
    """What P1 adds up is complete: shares of all holders are the market's, but for what nobody collected yet."""
    for moment in moments:
        for n, asset in enumerate(moment.after.assets):
            assert sum(asset.shares_of) == asset.supply_shares, f"{moment.place}: asset {n}"
            assert len(asset.claims_of) == len(HOLDERS)
