"""Self-deleverage: what an owner may opt in to, what anyone may then do, and that it ends where he said."""

from __future__ import annotations

import pytest

from closeout.units import BPS
from tests.support.accounts import restorative_account
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import CAPPED, World, account_of, collateral, set_of, wad

TRIGGER, TARGET, PENALTY = wad("1.2"), wad("1.5"), wad("0.01")
TERMS = (TRIGGER, TARGET, PENALTY)
OFF = (0, 0, 0)


def opted_in(world: World, terms: tuple[int, int, int] = TERMS) -> int:
    """10 WETH and 0.5 WBTC against 18 000 USDC, H = 24 000 / 18 000 = 1.333…; opted in."""
    account = world.open_account({world.weth: 10, world.wbtc: "0.5"}, {world.usdc: 18_000})
    world.vault.setDeleverage(account, terms, sender=world.borrower)
    world.arm()
    return account


# ------------------------------------------------------------------------------------------------- setDeleverage


def test_set_deleverage__by_the_owner__is_kept_and_announced_and_can_be_revoked(world: World):
    account = world.open_account({world.weth: 10})
    receipt = world.vault.setDeleverage(account, TERMS, sender=world.borrower)
    assert receipt.event("DeleverageSet") == {"account": account, "terms": TERMS}
    assert world.vault.deleverageOf(account) == TERMS
    receipt = world.vault.setDeleverage(account, OFF, sender=world.borrower)
    assert receipt.event("DeleverageSet") == {"account": account, "terms": OFF}
    assert world.vault.deleverageOf(account) == OFF
    assert world.position(account)[0] == {world.weth.id: world.weth.units(10)}


@pytest.mark.parametrize("who", ["operator", "stranger", "governor", "guardian"])
def test_t75_set_deleverage__by_anyone_but_the_owner__is_refused_operators_included(world: World, who: str):
    account = world.open_account({world.weth: 10})
    world.vault.setOperator(world.operator, True, sender=world.borrower)
    caller = getattr(world, who)
    with reverts("NotAuthorized", world.borrower, caller):
        world.vault.setDeleverage(account, TERMS, sender=caller)


@pytest.mark.parametrize(
    ("trigger", "target", "penalty", "is_allowed"),
    [
        ("1", "1.5", "0.01", False),
        ("1.000000000000000001", "1.5", "0.01", True),
        ("1.2", "1.2", "0.01", False),
        ("1.2", "1.200000000000000001", "0.01", True),
        ("1.999999999999999999", "2", "0.01", True),
        # a trigger of 2 has no target above it within the Vault's own bound of 2
        ("2", "2", "0.01", False),
        ("1.2", "2.000000000000000001", "0.01", False),
        ("1.2", "1.5", "0.004999999999999999", False),
        ("1.2", "1.5", "0.005", True),
        ("1.2", "1.5", "0.2", True),
        ("1.2", "1.5", "0.200000000000000001", False),
        ("0", "1.5", "0.01", False),
        ("1.2", "0", "0.01", False),
        ("0", "0", "0.01", False),
    ],
)
def test_set_deleverage__at_the_edges_of_what_is_allowed__is_taken_or_refused_with_its_figures(
    world: World, trigger: str, target: str, penalty: str, is_allowed: bool
):
    terms = (wad(trigger), wad(target), wad(penalty))
    account = account_of(world.borrower)
    if is_allowed:
        world.vault.setDeleverage(account, terms, sender=world.borrower)
    else:
        with reverts("DeleverageOutOfRange", *terms):
            world.vault.setDeleverage(account, terms, sender=world.borrower)


def test_set_deleverage__keeps_what_the_account_holds_and_its_clocks(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    world.set_price(world.weth, 1400)
    world.vault.marginCall(account, sender=world.stranger)
    before = (world.position(account), world.vault.timesOf(account))
    world.vault.setDeleverage(account, TERMS, sender=world.borrower)
    world.vault.setDeleverage(account, OFF, sender=world.borrower)
    assert (world.position(account), world.vault.timesOf(account)) == before


# ---------------------------------------------------------------------------------------------------- the close-out


def test_close_out__above_the_owners_trigger__is_refused(world: World):
    account = opted_in(world)
    with reverts("AccountHealthy", 1_333_333_333_333_333_333):
        world.close_out(account)


@pytest.mark.parametrize(("price", "is_open"), [("1352.941176470588235294", False), ("1300", True)])
def test_close_out__under_the_owners_trigger__ends_at_his_target_at_his_price(world: World, price: str, is_open: bool):
    """H = (10 p 0.85 + 11 250) / 18 000: the trigger of 1.2 is met at p = 1 217.6…"""
    account = opted_in(world)
    world.set_price(world.weth, "1217.647058823529411765" if not is_open else "1200")
    if not is_open:
        with reverts("AccountHealthy", wad("1.2")):
            world.close_out(account)
        return
    expected, plan, _ = expected_close_out(
        world, account, target_health_factor_wad=TARGET, fixed_penalty_wad=PENALTY, fee_share=0
    )
    receipt = world.close_out(account)
    result = world.result(receipt)
    assert result == expected
    assert result.penalty_rate == plan.penalty_rate_wad == PENALTY
    # the whole penalty is the liquidator's
    assert all(leg[1] == leg[2] == 0 for leg in result.seized.values())
    assert TARGET <= world.health(account) <= TARGET + 10**12


def test_close_out__of_who_opted_out_again__is_refused(world: World):
    account = opted_in(world)
    world.set_price(world.weth, 1200)
    with world.node.rolled_back():
        world.close_out(account)
    world.vault.setDeleverage(account, OFF, sender=world.borrower)
    with reverts("AccountHealthy", world.health(account)):
        world.close_out(account)


def test_close_out__of_another_account_of_the_same_owner__is_not_opted_in(world: World):
    opted_in(world)
    other = world.open_account({world.weth: 10}, {world.usdc: 10_000}, index=1)
    world.set_price(world.weth, 1200)
    with reverts("AccountHealthy", wad("1.02")):
        world.close_out(other)


def test_close_out__on_the_owners_terms__knows_no_grace(world: World):
    world.set_protocol(grace_period=3600)
    account = opted_in(world)
    world.set_price(world.weth, 1200)
    assert world.result(world.close_out(account)).is_executed


def test_close_out__on_the_owners_terms__knows_no_bucket_and_takes_nothing_from_it(world: World):
    with_bucket = collateral(8500, 800, bucket_capacity=wad(1000), bucket_refill=0)
    world.set_asset(world.weth, with_bucket, world.listings[world.weth.id][1])
    account = opted_in(world)
    world.set_price(world.weth, 1200)
    result = world.result(world.close_out(account))
    assert result.seized[world.weth.id][0] * 1200 // 10**18 > 1000
    # what a liquidation may take is still the whole bucket
    second = world.open_account({world.weth: 10}, {world.usdc: 9_600}, index=1)
    world.set_price(world.weth, 1100)
    expected, *_ = expected_close_out(world, second, max_seized_value=wad(1000) * 10**9)
    assert world.result(world.close_out(second)) == expected


@pytest.mark.parametrize("after", [0, 1])
def test_close_out__on_the_owners_terms__still_waits_for_the_next_second(world: World, after: int):
    account = opted_in(world)
    world.vault.borrow(account, world.usdc.id, 1, world.borrower, sender=world.borrower)
    world.set_price(world.weth, 1200)
    if after:
        world.warp(after)
        world.close_out(account)
    else:
        with reverts("AccountActedNow", world.now):
            world.close_out(account)


def test_close_out__on_the_owners_terms__holds_sets_to_the_same_rule(world: World):
    account = opted_in(world)
    world.set_price(world.weth, 1200)
    with reverts("SetSellsTooMuch", ...):
        world.close_out(account, collaterals=set_of(world.weth))
    expected, *_ = expected_close_out(
        world,
        account,
        collaterals=world.wbtc.bit,
        target_health_factor_wad=TARGET,
        fixed_penalty_wad=PENALTY,
        fee_share=0,
    )
    assert world.result(world.close_out(account, collaterals=world.wbtc.bit)) == expected


def test_close_out__on_the_owners_terms__never_pays_more_than_there_is_beyond_the_debt(world: World):
    """C = 14 280, B = 12 000: of the 20 % he offered only 19 % are there. The health factor stays at 1.0115."""
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    world.vault.setDeleverage(account, (wad("1.2"), wad("1.5"), wad("0.2")), sender=world.borrower)
    world.set_price(world.weth, 1428)
    world.arm()
    result = world.result(world.close_out(account, fill=wad("0.5")))
    assert (result.regime, result.penalty_rate) == (CAPPED, wad("0.19"))
    assert result.seized == {world.weth.id: (world.weth.units(5), 0, 0)}
    assert result.repaid == {world.usdc.id: (world.usdc.units(6_000), 0, 0)}
    assert result.health_before == result.health_after == wad("1.0115")


def test_close_out__below_one__is_by_the_ordinary_rules_whoever_opted_in(world: World):
    account = restorative_account(world)
    world.vault.setDeleverage(account, (wad("1.2"), wad("1.5"), wad("0.2")), sender=world.borrower)
    world.arm()
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected


def test_close_out__on_the_owners_terms__that_would_leave_dust__takes_all_or_leaves_the_least_debt(world: World):
    account = world.open_account({world.weth: 1}, {world.usdc: 900})
    world.vault.setDeleverage(account, (wad("1.45"), wad(2), wad("0.05")), sender=world.borrower)
    world.set_protocol(min_debt_value=wad(600), bucket_minimum=0)
    world.arm()
    # H = 1 275 / 900 = 1.41…; R* for H' = 2 is 475.…, which would leave less than 600
    expected, *_ = expected_close_out(
        world, account, target_health_factor_wad=wad(2), fixed_penalty_wad=wad("0.05"), fee_share=0
    )
    result = world.result(world.close_out(account))
    assert result == expected
    assert world.position(account)[1] == {}
    assert result.seized[world.weth.id][0] * 1500 // 10**18 == 900 * 105 // 100
    assert result.seized[world.weth.id][0] * 1500 * BPS <= 945 * 10**18 * BPS
