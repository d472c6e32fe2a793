"""Vault.closeOut and previewCloseOut: the worked examples of docs/liquidation.md, then every regime, set and fill."""

from __future__ import annotations

import pytest

from closeout.model import ModelRevert
from tests.support.accounts import ACCOUNTS, capped_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import CAPPED, NO_DEBT, RESTORATIVE, TERMINAL, Result, World, set_of, wad

# ------------------------------------------------------------------------------------------------- worked examples


def test_close_out__of_the_restorative_example__moves_the_amounts_of_the_document(world: World):
    account = restorative_account(world)
    assert world.health(account) == 979_591_836_734_693_877
    world.arm()
    before = world.balance(world.usdc, world.liquidator)
    result = world.result(world.close_out(account))

    # lambda and beta as the document has them
    beta, rate = 32_693_877_551_020_408, 26_155_102_040_816_327
    seized_weth, seized_wbtc, repaid = 3_708_238_935_590_929_865, 18_541_194, 10_772_521_315
    to_protocol = [seized * (beta - rate) // (wad(1) + beta) for seized in (seized_weth, seized_wbtc)]
    assert result == Result(
        RESTORATIVE,
        True,
        beta,
        979_591_836_734_693_877,
        1_100_000_011_190_806_989,
        {world.weth.id: (seized_weth, to_protocol[0], 0), world.wbtc.id: (seized_wbtc, to_protocol[1], 0)},
        {world.usdc.id: (repaid, 0, 0)},
    )
    assert before - world.balance(world.usdc, world.liquidator) == repaid
    assert world.balance(world.weth, world.liquidator) == 10_000_000 * 10**18 + seized_weth - to_protocol[0]
    assert world.balance(world.wbtc, world.liquidator) == seized_wbtc - to_protocol[1]
    assert world.vault.claimOf(world.splitter, world.weth.id) == to_protocol[0]
    assert world.vault.claimOf(world.splitter, world.wbtc.id) == to_protocol[1]
    assert world.position(account) == (
        {world.weth.id: 10**19 - seized_weth, world.wbtc.id: 50_000_000 - seized_wbtc},
        {world.usdc.id: 24_500_000_000 - repaid},
    )
    assert world.health(account) == 1_100_000_011_190_806_989


def test_close_out__of_the_capped_example__leaves_neither_debt_nor_collateral(world: World):
    account = capped_account(world)
    world.arm()
    result = world.result(world.close_out(account))
    # beta = 15 000 / 14 500 - 1, rounded down; lambda = 0.8 beta, rounded up
    beta = 34_482_758_620_689_655
    rate = 27_586_206_896_551_724
    to_protocol = 10**19 * (beta - rate) // (wad(1) + beta)
    assert result == Result(
        CAPPED,
        True,
        beta,
        879_310_344_827_586_206,
        NO_DEBT,
        {world.weth.id: (10**19, to_protocol, 0)},
        {world.usdc.id: (14_500_000_000, 0, 0)},
    )
    assert world.position(account) == ({}, {})
    assert world.health(account) == NO_DEBT


def test_close_out__of_half_the_capped_example__keeps_the_health_factor_to_the_last_digit(world: World):
    account = capped_account(world)
    world.arm()
    result = world.result(world.close_out(account, fill=wad("0.5")))
    assert result.seized[world.weth.id][0] == world.weth.units(5)
    assert result.repaid == {world.usdc.id: (7_250_000_000, 0, 0)}
    assert result.health_before == result.health_after == world.health(account) == 879_310_344_827_586_206


def test_close_out__of_the_terminal_example__books_the_same_fraction_of_each_debt_as_bad(world: World):
    account = terminal_account(world)
    world.arm()
    receipt = world.close_out(account)
    result = world.result(receipt)
    bad_usdc, bad_dai = 604_477_611, 470_149_253_731_343_283_582
    assert result == Result(
        TERMINAL,
        True,
        wad("0.005"),
        # 12 750 / 16 000
        796_875_000_000_000_000,
        NO_DEBT,
        # the liquidator's rate is the floor, so nothing is the protocol's
        {world.weth.id: (10**19, 0, 0)},
        {
            world.usdc.id: (8_395_522_389, bad_usdc, 0),
            world.dai.id: (6_529_850_746_268_656_716_418, bad_dai, 0),
        },
    )
    assert receipt.events("BadDebt") == [
        {"account": account, "assetId": world.usdc.id, "amount": bad_usdc, "covered": 0},
        {"account": account, "assetId": world.dai.id, "amount": bad_dai, "covered": 0},
    ]
    assert world.position(account) == ({}, {})
    # the lenders of each asset bear its bad debt, to the unit: nobody else is in these markets
    idle, debt, *_ = world.vault.marketOf(world.usdc.id)
    assert (idle, debt) == (1_000_000 * 10**6 - bad_usdc, 0)
    idle, debt, *_ = world.vault.marketOf(world.dai.id)
    assert (idle, debt) == (1_000_000 * 10**18 - bad_dai, 0)


# ------------------------------------------------------------------------------------ against the model, to the unit


@pytest.mark.parametrize("regime", ACCOUNTS)
@pytest.mark.parametrize("fill", ["1", "0.75", "0.333333333333333333", "0.000000000000000001"])
def test_close_out__of_any_fill__is_what_the_model_says(world: World, regime: str, fill: str):
    account = ACCOUNTS[regime](world)
    world.arm()
    expected, *_ = expected_close_out(world, account, fill=wad(fill))
    assert world.result(world.close_out(account, fill=wad(fill))) == expected
    assert world.health(account) == expected.health_after


@pytest.mark.parametrize("regime", ACCOUNTS)
def test_close_out__previewed_in_the_same_second__does_what_the_preview_said(world: World, regime: str):
    account = ACCOUNTS[regime](world)
    world.arm()
    for fill in (wad("0.4"), wad(1)):
        preview = world.preview(account, fill=fill)
        with world.node.rolled_back():
            assert world.result(world.close_out(account, fill=fill)) == preview


def test_close_out__returns_what_its_event_says(world: World):
    account = restorative_account(world)
    world.arm()
    answer = world.vault.closeOut.ask(world.request(account), b"", sender=world.liquidator)
    assert Result.of(answer) == world.result(world.close_out(account))


def test_close_out__names_account_and_liquidator_in_its_event(world: World):
    account = restorative_account(world)
    world.arm(world.stranger)
    event = world.close_out(account, sender=world.stranger).event("CloseOut")
    assert (event["account"], event["liquidator"]) == (account, world.stranger)


# ----------------------------------------------------------------------------------------------------------- sets


def test_t77_close_out__of_sets_with_strangers_to_the_account__ignores_them(world: World):
    account = capped_account(world)
    world.arm()
    only, *_ = expected_close_out(world, account)
    unlisted = 1 << 127
    both = set_of(world.weth, world.wbtc) | unlisted
    result = world.result(world.close_out(account, collaterals=both, debts=set_of(world.usdc, world.dai) | unlisted))
    assert result == only


@pytest.mark.parametrize("sets", [{"collaterals": 0}, {"debts": 0}, {"collaterals": 1 << 1}, {"debts": 1 << 3}])
def test_close_out__of_a_set_of_nothing_that_the_account_holds__is_refused(world: World, sets: dict[str, int]):
    account = capped_account(world)
    with reverts("EmptySet"):
        world.preview(account, **sets)
    with reverts("EmptySet"):
        world.close_out(account, **sets)


def test_close_out__of_an_asset_named_on_the_wrong_side__is_refused(world: World):
    """The account's debt named as collateral, and its collateral as debt."""
    account = capped_account(world)
    with reverts("EmptySet"):
        world.close_out(account, collaterals=set_of(world.usdc), debts=set_of(world.weth))


def test_close_out__of_the_best_collateral_alone__is_refused_with_both_figures(world: World):
    """WETH (t = 0.85) out of WETH and WBTC (t = 0.75): it would sell more than the whole account."""
    account = restorative_account(world)
    with pytest.raises(ModelRevert) as refusal:
        expected_close_out(world, account, collaterals=set_of(world.weth))
    assert refusal.value.name == "SetSellsTooMuch"
    with reverts("SetSellsTooMuch", *refusal.value.values):
        world.close_out(account, collaterals=set_of(world.weth))


def test_close_out__of_a_set_that_would_have_to_pay_less_than_the_floor__is_refused_with_both_rates(world: World):
    """C / B - 1 = 0.51 %: so that WETH alone cost no more in total, it could pay 0.43 %, and the floor is 0.5 %."""
    world.set_price(world.weth, 2500)
    world.set_price(world.wbtc, 50_000)
    account = world.open_account({world.weth: 10, world.wbtc: "0.5"}, {world.usdc: "29847.77"})
    world.set_price(world.weth, 1500)
    world.set_price(world.wbtc, 30_000)
    with pytest.raises(ModelRevert) as refusal:
        expected_close_out(world, account, collaterals=set_of(world.weth))
    assert refusal.value.name == "PenaltyBelowFloor"
    with reverts("PenaltyBelowFloor", *refusal.value.values):
        world.close_out(account, collaterals=set_of(world.weth))
    rate, floor = refusal.value.values
    assert wad("0.0042") < rate < wad("0.0043") < floor == wad("0.005")


# -------------------------------------------------------------------------------------------------------- refusals


def test_close_out__of_a_healthy_account__is_refused_with_its_health_factor(world: World):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    with reverts("AccountHealthy", wad("1.275")):
        world.close_out(account)
    with reverts("AccountHealthy", wad("1.275")):
        world.preview(account)


def test_close_out__of_one_debt_where_both_are_just_the_smallest__is_refused_for_it_would_leave_too_little(
    world: World,
):
    account = world.open_account({world.weth: "0.2"}, {world.usdc: 120, world.dai: 80})
    for debt, half in ((world.usdc, 60), (world.dai, 40)):
        world.fund_party(world.borrower, debt, half)
        world.vault.repay(account, debt.id, debt.units(half), sender=world.borrower)
    world.warp(1)
    world.set_price(world.weth, 575)
    world.arm()
    for debt in (world.usdc, world.dai):
        with reverts("NothingToClose"):
            world.close_out(account, debts=set_of(debt))
    assert world.result(world.close_out(account)).repaid.keys() == {world.usdc.id, world.dai.id}
    assert world.position(account)[1] == {}


def test_close_out__of_an_account_without_debt__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("AccountHealthy", NO_DEBT):
        world.close_out(account)


def test_close_out__of_an_account_that_does_not_exist__is_refused(world: World):
    with reverts("AccountHealthy", NO_DEBT):
        world.close_out(12345)


@pytest.mark.parametrize(("price", "is_refused"), [("1000", True), ("999.999999999999999999", False)])
def test_t05_close_out__at_a_health_factor_of_exactly_one__is_refused_and_a_hair_below_is_not(
    world: World, price: str, is_refused: bool
):
    account = world.open_account({world.weth: 10}, {world.usdc: 8_500})
    world.arm()
    world.set_price(world.weth, price)
    if is_refused:
        assert world.health(account) == wad(1)
        with reverts("AccountHealthy", wad(1)):
            world.close_out(account)
    else:
        assert world.health(account) == wad(1) - 1
        assert world.result(world.close_out(account)).health_after >= wad("1.1")


def test_close_out__twice__is_refused_the_second_time(world: World):
    """P22."""
    account = restorative_account(world)
    world.arm()
    after = world.result(world.close_out(account)).health_after
    with reverts("AccountHealthy", after):
        world.close_out(account)


@pytest.mark.parametrize("fill", [0, wad(1) + 1, 2**256 - 1])
def test_close_out__of_a_fill_outside_zero_to_one__is_refused(world: World, fill: int):
    account = capped_account(world)
    with reverts("FillOutOfRange", fill):
        world.close_out(account, fill=fill)


def test_close_out__by_who_cannot_pay__is_refused_and_nothing_moves(world: World):
    account = capped_account(world)
    held = world.position(account)
    with reverts("TransferFromFailed"):
        world.close_out(account)
    assert world.position(account) == held
    assert world.balance(world.weth, world.liquidator) == 0


def test_close_out__of_an_account_below_the_dust_floor__that_cannot_reach_the_target__takes_all_it_can(world: World):
    """B below minDebtValue: the most that balances allow, and nothing is refused."""
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: "0.1"}, {world.usdc: 130})
    world.fund_party(world.stranger, world.usdc, 40)
    world.vault.repay(account, world.usdc.id, world.usdc.units(40), sender=world.stranger)
    world.set_price(world.weth, 1000)
    world.arm()
    # C = 100, B = 90, W = 85: restorative (C / B - 1 = 0.11 > 0.08), but all of it goes
    expected, *_ = expected_close_out(world, account)
    result = world.result(world.close_out(account))
    assert result == expected
    assert result.repaid == {world.usdc.id: (90_000_000, 0, 0)}
    assert result.health_after == NO_DEBT


def test_close_out__whose_fill_would_leave_dust__is_refused_with_both_values(world: World):
    account = capped_account(world)
    world.arm()
    with reverts("FillLeavesDust", ...):
        world.close_out(account, fill=wad("0.995"))
    # 0.5 % of 14 500 USD would be left, in RAY
    with reverts("FillLeavesDust", 72_500_000_000_000_000_000_000_000_000, 10**29):
        world.preview(account, fill=wad("0.995"))
