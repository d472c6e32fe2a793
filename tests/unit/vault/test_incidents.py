"""What went wrong elsewhere (threats), each as a test with its story: sizing, dust, denial of service, self-dealing.

Threats that have a home of their own are tested there: grep for their number.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from closeout.chain.parameters import BorrowParameters, CollateralParameters
from tests.support.accounts import capped_account, largest_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out, positions_of
from tests.support.node import Reverted, reverts
from tests.support.world import BORROWABLE, NOT_COLLATERAL, UNLIMITED, World, collateral, set_of, wad


def value(world: World, amounts: dict[int, int]) -> Fraction:
    """USD of token units by asset id, at the prices that the test set."""
    return sum(
        (Fraction(units * world.prices[n], 10 ** (18 + world.assets[n].decimals)) for n, units in amounts.items()),
        Fraction(0),
    )


def equity(world: World, account: int) -> Fraction:
    held, owed = world.position(account)
    return value(world, held) - value(world, owed)


# ------------------------------------------------------------------------------------------------- sizing and health


def test_t03_close_out__of_two_collaterals_of_different_quality__lands_on_the_target_not_beside_it(world: World):
    """A formula that assumes pro rata and an execution of one pair: the health factor ended at anything."""
    account = restorative_account(world)
    world.arm()
    world.close_out(account)
    # a satoshi of WBTC, 3e-4 of 13 700 USD of debt, is the most it may be above
    assert wad("1.1") <= world.health(account) <= wad("1.1") + 3 * 10**10


@pytest.mark.parametrize("fee_share", ["0", "0.5"])
@pytest.mark.parametrize("steepness", ["0", "20"])
@pytest.mark.parametrize("floor", ["0.001", "0.05"])
def test_t11_target__with_every_penalty_knob_on__is_met_exactly(
    world: World, fee_share: str, steepness: str, floor: str
):
    """One peer's solver left the protocol's fee out and ended at 1.0436 instead of 1.05."""
    world.set_protocol(fee_share=wad(fee_share), steepness=wad(steepness), bonus_floor=wad(floor))
    account = restorative_account(world)
    world.arm()
    expected, *_ = expected_close_out(world, account)
    assert world.result(world.close_out(account)) == expected
    assert wad("1.1") <= world.health(account) <= wad("1.1") + 3 * 10**10


@pytest.mark.parametrize("cents", [50, 60, 90, 99, 100, 101, 103, 104, 105, 107, 108, 110, 117])
def test_t04__t09_unhealthy_account__at_any_ratio_of_collateral_to_debt__can_be_closed_out(world: World, cents: int):
    """'Health must strictly improve' made accounts around C / B = 1 + b untouchable; others underflowed below 1."""
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.set_price(world.weth, str(10 * cents))
    assert world.health(account) < wad(1)
    world.arm()
    for fill in ("0.01", "1"):
        with world.node.rolled_back():
            result = world.result(world.close_out(account, fill=wad(fill)))
            assert result.health_after >= result.health_before or cents < 101
            assert sum(repaid for repaid, _, _ in result.repaid.values()) > 0


@pytest.mark.parametrize("percent", [1, 2, 5, 10, 25, 50, 99, 100])
def test_t06_liquidator__with_any_budget__can_do_his_part(world: World, percent: int):
    """'The position must be healthy afterwards' made partial close-outs practically impossible."""
    account = restorative_account(world)
    whole, *_ = expected_close_out(world, account)
    budget = whole.repaid[world.usdc.id][0] * percent // 100
    world.give(world.liquidator, world.usdc, budget + 1)
    result = world.result(world.close_out(account, fill=wad(1) * percent // 100))
    assert result.repaid[world.usdc.id][0] <= budget + 1


@pytest.mark.parametrize("slices", [2, 5, 10])
def test_t08_close_out__in_slices__pays_the_liquidator_no_more_than_at_once(world: World, slices: int):
    """A penalty that grows while health falls paid for slicing; here every slice raises health."""
    account = restorative_account(world)
    world.arm()

    def profit(fills: list[int]) -> Fraction:
        total = Fraction(0)
        with world.node.rolled_back():
            for fill in fills:
                try:
                    result = world.result(world.close_out(account, fill=fill))
                except Reverted as refusal:
                    assert refusal.name in ("AccountHealthy", "FillLeavesDust")
                    break
                gained = {n: seized - fee for n, (seized, fee, _) in result.seized.items()}
                total += value(world, gained) - value(world, {n: leg[0] for n, leg in result.repaid.items()})
        return total

    # slice n of what is left: 1/slices of the whole each
    sliced = profit([wad(1) // (slices - n) for n in range(slices)])
    # a unit of each token per slice
    assert sliced <= profit([wad(1)]) + slices * Fraction(31, 10**5)


def test_t10_liquidator__after_the_protocols_part__still_earns_the_floor(world: World):
    """A fee taken from what was seized, not from the penalty, left liquidators with a loss."""
    world.set_protocol(fee_share=wad("0.5"))
    for make in (restorative_account, capped_account):
        with world.node.rolled_back():
            account = make(world)
            world.arm()
            result = world.result(world.close_out(account))
            gained = value(world, {n: seized - fee for n, (seized, fee, _) in result.seized.items()})
            paid = value(world, {n: leg[0] for n, leg in result.repaid.items()})
            # less one unit of each token
            assert gained >= paid * Fraction(1005, 1000) - Fraction(31, 10**5)


@pytest.mark.parametrize("make", [restorative_account, capped_account])
def test_t18_close_out__of_the_smallest_fill_a_hundred_times__earns_nothing_by_rounding(world: World, make: object):
    """Seized rounded up made many tiny close-outs pay."""
    account = make(world)
    world.arm()
    whole = world.preview(account).penalty_rate
    paid: dict[int, int] = {}
    gained: dict[int, int] = {}
    for _ in range(100):
        result = world.result(world.close_out(account, fill=1))
        for n, (seized, fee, _) in result.seized.items():
            gained[n] = gained.get(n, 0) + seized - fee
        for n, (repaid, _, _) in result.repaid.items():
            assert repaid >= 1
            paid[n] = paid.get(n, 0) + repaid
    assert value(world, gained) <= value(world, paid) * (1 + Fraction(whole, wad(1)))
    # a micro-dollar each time, for next to nothing
    assert value(world, gained) < value(world, paid) / 1000


def test_t19_close_out__whose_seizure_rounds_to_nothing__does_not_revert_and_costs_a_unit(world: World):
    """Rounded down to 0, a seizure reverted the whole call elsewhere."""
    account = capped_account(world)
    world.arm()
    result = world.result(world.close_out(account, fill=1))
    assert result.repaid == {world.usdc.id: (1, 0, 0)}
    # 1e-18 of 14 500 USD: 10 units of 1e-18 WETH
    assert result.seized[world.weth.id][0] <= 10


def test_t20_close_out__of_everything_after_interest__repays_the_debt_and_not_a_unit_more(world: World):
    """Elsewhere the value to repay, computed again, exceeded the debt."""
    borrowing = BorrowParameters(base=10**8, kink=wad(1), supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 100_000)
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {asset: 14_500})
    world.warp(100 * 86_400)
    owed = world.position(account)[1][asset.id]
    assert owed > asset.units(14_800)
    world.set_price(world.weth, 1550)
    world.fund_party(world.liquidator, asset, 100_000)
    result = world.result(world.close_out(account))
    assert result.repaid == {asset.id: (owed, 0, 0)}
    assert world.position(account)[1] == {}


# ----------------------------------------------------------------------------------------------- dust and bad debt


def test_t25_close_out__of_everything__leaves_no_wei_behind(world: World):
    """Leftovers of a few wei hid that nothing was left, and stranded debt went on accruing."""
    for make in (capped_account, terminal_account):
        with world.node.rolled_back():
            account = make(world)
            world.arm()
            world.close_out(account)
            assert world.position(account) == ({}, {})


def test_t26_bad_debt__in_a_market_whose_lenders_have_all_but_left__is_booked_and_the_market_goes_on(world: World):
    """Socialising on a near-empty vault made a share worth next to nothing, or next to everything."""
    asset = world.list_asset("TINY", 6, 1, NOT_COLLATERAL, BORROWABLE)
    world.supply(asset, 10_000)
    world.set_price(world.weth, 2500)
    account = world.open_account({world.weth: 10}, {asset: 10_000})
    world.set_price(world.weth, "0.5")
    world.vault.writeOff(account, sender=world.stranger)
    assert world.vault.marketOf(asset.id)[:2] == (0, 0)
    assert world.lender_assets(asset) == 0
    # a new lender gets what he put in, to the unit of the virtual share
    units = world.fund_party(world.stranger, asset, 1_000)
    world.vault.supply(asset.id, units, world.stranger, sender=world.stranger)
    assert units - 10**3 <= world.lender_assets(asset, world.stranger) <= units


def test_t28_lenders__of_an_account_under_water__lose_no_more_than_what_its_collateral_did_not_pay(world: World):
    """Collateral went to the owner while the lenders took the loss: 120 M gone elsewhere."""
    account = terminal_account(world)
    world.arm()
    before = world.lender_assets(world.usdc) * 10**12 + world.lender_assets(world.dai)
    world.close_out(account)
    lost = before - world.lender_assets(world.usdc) * 10**12 - world.lender_assets(world.dai)
    # D - C / (1 + bonusFloor)
    most = Fraction(16_000) - Fraction(15_000) * 1000 / 1005
    assert abs(Fraction(lost, 10**18) - most) < Fraction(3, 10**6)
    assert world.balance(world.weth, world.borrower) == 0


def test_t45_fill__that_would_leave_what_nobody_closes_out__is_refused(world: World):
    """A partially filled auction left a remainder below every minimum."""
    account = capped_account(world)
    world.arm()
    for fill in ("0.9999", "0.994"):
        with reverts("FillLeavesDust", ...):
            world.close_out(account, fill=wad(fill))
    world.close_out(account, fill=wad("0.993"))
    assert world.position(account)[1][world.usdc.id] >= world.usdc.units(100)


@pytest.mark.parametrize("make", [restorative_account, capped_account, terminal_account])
def test_t51_close_out__settled_in_claims__leaves_exactly_what_one_in_tokens_leaves(world: World, make: object):
    """Receiving shares instead of tokens had rules of its own for dust, elsewhere."""
    account = make(world)
    world.arm()
    outcomes = []
    for as_claims in (0, set_of(world.weth, world.wbtc)):
        with world.node.rolled_back():
            result = world.result(world.close_out(account, as_claims=as_claims, fill=wad("0.7")))
            outcomes.append((result, world.position(account)))
    assert outcomes[0] == outcomes[1]


# ----------------------------------------------------------------------------------------------- denial of service


@pytest.mark.parametrize("make", [restorative_account, capped_account, terminal_account])
def test_t39_close_out__under_every_pause_and_cap__goes_on(world: World, make: object):
    """A reserve cap, or a pause of the debt asset, blocked repayment and with it liquidation."""
    account = make(world)
    world.arm()
    expected, *_ = expected_close_out(world, account)
    world.vault.setPauses(2**128 - 1, 2**128 - 1, sender=world.guardian)
    for asset, bonus in ((world.weth, 800), (world.wbtc, 1000)):
        kept = world.listings[asset.id][0]
        world.set_asset(asset, collateral(kept.liquidation_threshold, bonus, cap=0), BorrowParameters())
    for asset in (world.usdc, world.dai):
        no_more = CollateralParameters(max_bonus=500) if asset is world.usdc else NOT_COLLATERAL
        world.set_asset(asset, no_more, ramp=86_400)
    assert world.result(world.close_out(account)) == expected


def test_t41_repay__that_a_close_out_overtook__is_clamped_and_passes(world: World):
    """The borrower's repayment of all, sent before, mined after a close-out of part."""
    account = restorative_account(world)
    world.arm()
    owed = world.position(account)[1][world.usdc.id]
    world.fund_party(world.borrower, world.usdc, 30_000)
    world.close_out(account)
    world.vault.repay(account, world.usdc.id, owed, sender=world.borrower)
    assert world.position(account)[1] == {}


def test_t78_largest_account__of_ten_and_five__is_closed_out_within_a_twelfth_of_a_block(world: World):
    """30 million gas to a block; with every token sent, and every repayment pulled."""
    account = largest_account(world)
    for asset in world.assets:
        world.fund_party(world.liquidator, asset, 10_000)
    expected, *_ = expected_close_out(world, account)
    receipt = world.close_out(account)
    assert world.result(receipt) == expected
    assert receipt.gas < 2_500_000


# ---------------------------------------------------------------------------------------------------- self-dealing


@pytest.mark.parametrize("price", ["1400", "1300", "1200", "1100", "900"])
def test_t46_borrower__who_closes_himself_out__is_no_richer_than_who_did_not(world: World, price: str):
    """Borrow, let the price move, take one's own bonus, from a second account or the same."""
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    world.set_price(world.weth, price)
    if world.health(account) >= wad(1):
        return
    world.arm(world.borrower)
    assets = (world.weth, world.usdc)

    def wealth() -> Fraction:
        return equity(world, account) + value(world, {a.id: world.balance(a, world.borrower) for a in assets})

    before = wealth()
    positions = positions_of(world, account)
    world.close_out(account, sender=world.borrower, receiver=world.borrower)
    solvent = sum(c.value for c in positions.collaterals) >= sum(d.value for d in positions.debts) * 1005 // 1000
    lost_by_lenders = (
        world.usdc.units(1_000_000)
        - world.vault.marketOf(world.usdc.id)[0]
        - sum(world.vault.marketOf(world.usdc.id)[1:2])
    )
    if solvent:
        assert wealth() <= before
        assert lost_by_lenders == 0
    else:
        # under water his debt was worth no more than his collateral: the floor is all he gets of it
        assert wealth() - before <= value(world, {world.usdc.id: lost_by_lenders})


def test_t48_collateral__given_away__is_gone_only_where_the_account_stays_in_order(world: World):
    """Euler v1: a donation without a health check made an account insolvent on purpose. Every way out is checked."""
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    for action in (
        lambda: world.vault.withdrawCollateral(account, world.weth.id, 1, world.fund, sender=world.borrower),
        lambda: world.vault.rebalance(
            account, ([(world.weth.id, 1)], [], [], []), world.fund, b"", sender=world.borrower
        ),
    ):
        with reverts("BelowInitialMargin", ...):
            action()
