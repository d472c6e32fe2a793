"""Bad debt: insurance first, then the lenders pro rata; write-off of what is left; nothing written off too early."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.support.accounts import capped_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import NO_DEBT, TERMINAL, World, account_of, collateral, set_of, wad

BAD_USDC, BAD_DAI = 604_477_611, 470_149_253_731_343_283_582


def insure(world: World, **amounts: int) -> None:
    for symbol, units in amounts.items():
        asset = getattr(world, symbol)
        world.give(world.stranger, asset, units)
        world.vault.creditClaim(asset.id, units, world.fund, sender=world.stranger)


# ------------------------------------------------------------------------------------------------------ insurance


@pytest.mark.parametrize(
    ("insured", "covered"),
    [(0, 0), (1, 1), (BAD_USDC - 1, BAD_USDC - 1), (BAD_USDC, BAD_USDC), (BAD_USDC + 1, BAD_USDC)],
)
def test_bad_debt__with_an_insurance_fund__is_covered_from_it_first_and_by_the_lenders_after(
    world: World, insured: int, covered: int
):
    account = terminal_account(world)
    world.arm()
    if insured:
        insure(world, usdc=insured)
    preview = world.preview(account)
    receipt = world.close_out(account)
    result = world.result(receipt)
    assert result == preview
    assert result.repaid[world.usdc.id] == (8_395_522_389, BAD_USDC, covered)
    assert result.repaid[world.dai.id][1:] == (BAD_DAI, 0)
    assert receipt.events("BadDebt")[0] == {
        "account": account,
        "assetId": world.usdc.id,
        "amount": BAD_USDC,
        "covered": covered,
    }
    assert world.vault.claimOf(world.fund, world.usdc.id) == insured - covered
    assert world.vault.marketOf(world.usdc.id)[:2] == (10**12 - BAD_USDC + covered, 0)


def test_bad_debt__with_insurance_in_another_asset__is_not_covered_from_it(world: World):
    account = terminal_account(world)
    world.arm()
    insure(world, weth=10**20)
    result = world.result(world.close_out(account))
    assert all(covered == 0 for _, _, covered in result.repaid.values())
    assert world.vault.claimOf(world.fund, world.weth.id) == 10**20


def test_bad_debt__uncovered__is_every_lenders_in_proportion(world: World):
    account = terminal_account(world)
    world.supply(world.usdc, 500_000, lender=world.stranger)
    world.arm()
    world.close_out(account)
    total = Fraction(1_500_000 * 10**6 - BAD_USDC)
    for lender, supplied in ((world.lender, 1_000_000), (world.stranger, 500_000)):
        exact = total * supplied / 1_500_000
        assert 0 <= exact - world.lender_assets(world.usdc, lender) < 2


def test_t50_bad_debt__with_any_debts_named__falls_on_lenders_pro_rata(world: World):
    """P21. Two fills over different sets, then the rest: each debt ends as by one whole close-out."""
    account = terminal_account(world)
    world.arm()
    with world.node.rolled_back():
        whole = world.result(world.close_out(account)).repaid
    paid = {world.usdc.id: [0, 0], world.dai.id: [0, 0]}
    for sets in ({"debts": world.dai.bit}, {"fill": wad("0.4")}, {"debts": world.usdc.bit}, {}):
        try:
            legs = world.result(world.close_out(account, **sets)).repaid
        except Exception as refusal:
            assert refusal.name in ("AccountHealthy", "EmptySet")
            continue
        for asset_id, (repaid, bad, _) in legs.items():
            paid[asset_id][0] += repaid
            paid[asset_id][1] += bad
    assert world.position(account) == ({}, {})
    for asset_id, (repaid, bad, _) in whole.items():
        unit = 10**12 if asset_id == world.dai.id else 1
        # a micro-dollar per step
        assert abs(paid[asset_id][0] - repaid) <= 4 * unit
        assert abs(paid[asset_id][1] - bad) <= 4 * unit


def test_p12_close_out__of_a_part_of_a_terminal_account__keeps_collateral_over_debt(world: World):
    account = terminal_account(world)
    world.arm()
    before = world.vault.healthOf(account)
    for fill in ("0.3", "0.5", "0.000001"):
        result = world.result(world.close_out(account, fill=wad(fill)))
        assert result.regime == TERMINAL
        after = world.vault.healthOf(account)
        # C / B = 0.9375, to a micro-dollar of 15 000
        assert abs(Fraction(after[0], after[3]) - Fraction(before[0], before[3])) < Fraction(1, 10**9)


def test_p10_lenders__of_an_account_that_is_closed_out_solvent__lose_nothing(world: World):
    account = capped_account(world)
    world.arm()
    before = world.lender_assets(world.usdc)
    world.close_out(account)
    assert world.lender_assets(world.usdc) == before


def test_close_out__of_a_terminal_account_with_sets_of_one_collateral__takes_no_more_than_the_debts_part(world: World):
    """Two collaterals of 7 500 USD, two debts of 8 000: one debt's part of all collateral is one collateral's worth."""
    world.set_price(world.weth, 2500)
    world.set_price(world.wbtc, 50_000)
    account = world.open_account({world.weth: 5, world.wbtc: "0.25"}, {world.usdc: 8_000, world.dai: 8_000})
    world.set_price(world.weth, 1500)
    world.set_price(world.wbtc, 30_000)
    world.arm()
    for sets in (
        {"collaterals": set_of(world.weth), "debts": set_of(world.usdc)},
        {"collaterals": set_of(world.wbtc), "debts": set_of(world.usdc, world.dai)},
    ):
        with world.node.rolled_back():
            expected, *_ = expected_close_out(world, account, **sets)
            result = world.result(world.close_out(account, **sets))
            assert result == expected
            seized = sum(seized for seized, _, _ in result.seized.values())
            assert seized in (world.weth.units(5), world.wbtc.units("0.25"))


# -------------------------------------------------------------------------------------------------------- writeOff


def worthless(world: World, price: str = "0.9", collaterals: int = 1) -> int:
    """10 WETH whose price is all but gone (9 USD in all), against 12 000 USDC and 3 000 DAI."""
    holdings = {world.weth: 10}
    if collaterals > 1:
        holdings[world.wbtc] = "0.5"
        world.set_price(world.wbtc, 60_000)
    world.set_price(world.weth, 2500)
    account = world.open_account(holdings, {world.usdc: 12_000, world.dai: 3_000})
    world.set_price(world.weth, price)
    world.set_price(world.wbtc, price)
    return account


def test_write_off__of_an_account_with_next_to_no_collateral__gives_tokens_to_the_fund_and_ends_all_debt(world: World):
    account = worthless(world)
    insure(world, usdc=2_000_000_000)
    receipt = world.vault.writeOff(account, sender=world.stranger)
    units = world.weth.units(10)
    event = receipt.event("WrittenOff")
    assert event["account"] == account
    assert event["collateral"] == ((world.weth.id, units, 0, units),)
    assert event["debts"] == (
        (world.usdc.id, 0, 12_000_000_000, 2_000_000_000),
        (world.dai.id, 0, 3_000 * 10**18, 0),
    )
    assert receipt.events("BadDebt") == [
        {"account": account, "assetId": world.usdc.id, "amount": 12_000_000_000, "covered": 2_000_000_000},
        {"account": account, "assetId": world.dai.id, "amount": 3_000 * 10**18, "covered": 0},
    ]
    assert world.position(account) == ({}, {})
    assert world.vault.claimOf(world.fund, world.weth.id) == units
    assert world.balance(world.weth, world.stranger) == world.vault.claimOf(world.stranger, world.weth.id) == 0
    assert world.vault.marketOf(world.usdc.id)[:2] == (10**12 - 10_000_000_000, 0)
    assert world.vault.marketOf(world.dai.id)[:2] == (997_000 * 10**18, 0)


def test_t23_write_off__with_dust_in_a_second_collateral__takes_that_too(world: World):
    account = worthless(world, collaterals=2)
    receipt = world.vault.writeOff(account, sender=world.stranger)
    legs = receipt.event("WrittenOff")["collateral"]
    assert legs == (
        (world.weth.id, world.weth.units(10), 0, world.weth.units(10)),
        (world.wbtc.id, 50_000_000, 0, 50_000_000),
    )
    assert world.position(account) == ({}, {})


def test_t24_write_off__with_a_collateral_worth_nothing__takes_its_tokens_too(world: World):
    """Its value rounds to nothing: it is part of no set, and must not keep the loss from being booked."""
    junk = world.list_asset("JUNK", 27, 1, collateral(8500, 800))
    world.set_price(world.weth, 2500)
    unit = "0.000000000000000000000000001"
    account = world.open_account({world.weth: 10, junk: unit}, {world.usdc: 12_000})
    world.set_price(world.weth, "0.9")
    world.set_price(junk, "0.000000000000000001")
    receipt = world.vault.writeOff(account, sender=world.stranger)
    assert {leg[0] for leg in receipt.event("WrittenOff")["collateral"]} == {world.weth.id, junk.id}
    assert world.vault.claimOf(world.fund, junk.id) == 1
    assert world.position(account) == ({}, {})


@pytest.mark.parametrize(
    ("price", "is_dust"), [("1", False), ("0.999999999999999999", True), ("0.000000000000000001", True)]
)
def test_write_off__at_the_dust_value_and_below__is_refused_and_passes(world: World, price: str, is_dust: bool):
    """10 WETH against dustValue = 10 USD."""
    account = worthless(world, price)
    if is_dust:
        world.vault.writeOff(account, sender=world.stranger)
    else:
        with reverts("CollateralNotDust", wad(10), wad(10)):
            world.vault.writeOff(account, sender=world.stranger)


def test_p12_write_off__of_an_account_that_is_not_insolvent__is_refused_with_both_values(world: World):
    """A tiny account: 9 USD against 8.90, C >= 1.005 B. Its collateral is dust, and still it is not written off."""
    world.set_protocol(min_debt_value=0, bucket_minimum=0)
    account = world.open_account({world.weth: "0.01"}, {world.usdc: "8.9"})
    world.set_price(world.weth, 900)
    with reverts("AccountNotInsolvent", wad(9), wad("8.9")):
        world.vault.writeOff(account, sender=world.stranger)
    # at 8.9445 = 1.005 * 8.90 it is solvent still, a hair below it is not
    world.set_price(world.weth, "894.45")
    with reverts("AccountNotInsolvent", wad("8.9445"), wad("8.9")):
        world.vault.writeOff(account, sender=world.stranger)
    world.set_price(world.weth, "894.449999999999999999")
    world.vault.writeOff(account, sender=world.stranger)


@pytest.mark.parametrize("debts", [False, True])
def test_write_off__of_a_healthy_or_empty_account__is_refused(world: World, debts: bool):
    if debts:
        account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
        figures = (wad(15_000), wad(10_000))
    else:
        account, figures = 4711, (0, 0)
    with reverts("AccountNotInsolvent", *figures):
        world.vault.writeOff(account, sender=world.stranger)


def test_write_off__clears_a_margin_call(world: World):
    account = worthless(world)
    world.vault.marginCall(account, sender=world.stranger)
    receipt = world.vault.writeOff(account, sender=world.stranger)
    assert receipt.event("MarginCallCleared") == {"account": account, "healthFactor": NO_DEBT}
    assert world.vault.timesOf(account)[0] == 0


def test_t30_write_off__twice__forgives_nothing_more(world: World):
    account = worthless(world)
    world.vault.writeOff(account, sender=world.stranger)
    with reverts("AccountNotInsolvent", 0, 0):
        world.vault.writeOff(account, sender=world.stranger)


# ------------------------------------------------------------------------- what a terminal close-out writes off itself


def test_t22_close_out__of_a_terminal_account_that_leaves_dust__writes_the_rest_off_by_itself(world: World):
    """A fill that leaves 7.50 of 15 000 USD."""
    account = terminal_account(world)
    world.arm()
    fill = wad("0.9995")
    partial, *_ = expected_close_out(world, account, fill=fill)
    result = world.result(world.close_out(account, fill=fill))
    seized, _, to_insurance = result.seized[world.weth.id]
    assert seized == world.weth.units(10)
    assert to_insurance == seized - partial.seized[world.weth.id][0]
    assert 7 * 10**18 < to_insurance * 1500 < 8 * 10**18
    for asset, owed in ((world.usdc, 9_000), (world.dai, 7_000)):
        repaid, bad, _ = result.repaid[asset.id]
        assert repaid == partial.repaid[asset.id][0]
        assert repaid + bad == asset.units(owed)
    assert result.health_after == NO_DEBT
    assert world.position(account) == ({}, {})
    assert world.vault.claimOf(world.fund, world.weth.id) == to_insurance
    assert world.balance(world.weth, world.liquidator) == 10_000_000 * 10**18 + seized - to_insurance


@pytest.mark.parametrize(("fill", "is_written_off"), [("0.9993", False), ("0.99934", True)])
def test_close_out__of_a_terminal_account__around_the_dust_value__writes_off_below_it_only(
    world: World, fill: str, is_written_off: bool
):
    """0.9993 leaves 10.50 USD of collateral, 0.99934 leaves 9.90; dustValue is 10."""
    account = terminal_account(world)
    world.arm()
    world.close_out(account, fill=wad(fill))
    assert (world.position(account) == ({}, {})) is is_written_off


def test_t22_close_out__of_a_terminal_accounts_debts_one_by_one__writes_off_what_the_last_leaves(world: World):
    """The collateral set leaves out a dust collateral: it goes to the fund with the last of the debt."""
    world.set_price(world.weth, 2500)
    account = world.open_account({world.weth: 10, world.wbtc: "0.0001"}, {world.usdc: 9_000, world.dai: 7_000})
    world.set_price(world.weth, 1500)
    world.arm()
    receipt = world.close_out(account, collaterals=set_of(world.weth))
    result = world.result(receipt)
    # 3 USD of WBTC were not in the set, and are less than dustValue
    assert result.seized[world.wbtc.id] == (10_000, 0, 10_000)
    assert world.position(account) == ({}, {})
    assert sum(event["amount"] > 0 for event in receipt.events("BadDebt")) == 2


def test_close_out__of_a_solvent_account_that_leaves_dust__writes_nothing_off(world: World):
    account = restorative_account(world)
    world.set_protocol(dust_value=wad(10**9))
    world.arm()
    receipt = world.close_out(account)
    assert receipt.events("BadDebt") == []
    assert world.position(account)[1] != {}


def test_p12_write_off__of_an_account_whose_collateral_is_worth_nothing__needs_no_dust_value(world: World):
    """Nothing at all is less than any dust, also than none."""
    world.set_protocol(dust_value=0, min_debt_value=0)
    atoms = world.list_asset("ATOM", 27, 10**12, collateral(8000, 800))
    account = account_of(world.borrower)
    world.give(world.borrower, atoms, 10**9)
    world.vault.depositCollateral(account, atoms.id, 10**9, sender=world.borrower)
    world.vault.borrow(account, world.dai.id, 5 * 10**11, world.borrower, sender=world.borrower)
    world.warp(1)
    with reverts("AccountNotInsolvent", ...):
        world.vault.writeOff(account, sender=world.stranger)
    world.set_price(atoms, "0.000000000000000001")
    world.vault.writeOff(account, sender=world.stranger)
    assert world.position(account) == ({}, {})
    assert world.vault.claimOf(world.fund, atoms.id) == 10**9
