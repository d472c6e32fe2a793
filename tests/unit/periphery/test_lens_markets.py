"""What the Lens says about markets, lenders and the protocol's parameters: computed, or proved by doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, replace
from fractions import Fraction

import pytest

from closeout.chain.parameters import BorrowParameters, CollateralParameters
from tests.support.accounts import terminal_account
from tests.support.node import Reverted, reverts
from tests.support.world import HEARTBEAT, NEVER, Asset, World, collateral, wad
from tests.unit.periphery.views import Lender, Market, market

YEAR = 365 * 86_400

NOBODY = "0x" + "00" * 20


def market_of(world: World, asset: Asset) -> Market:
    return market(world.lens.marketOf(asset.id))


@pytest.fixture
def lent(world: World) -> Asset:
    """An asset with interest, caps and a fee, 60 % of it borrowed, a year ago."""
    borrowing = BorrowParameters(
        base=10_000_000,
        slope1=40_000_000,
        slope2=600_000_000,
        kink=wad("0.8"),
        reserve_factor=1_500,
        supply_cap=200_000 * 10**6,
        borrow_cap=90_000 * 10**6,
        flash_fee=9,
    )
    terms = CollateralParameters(8000, 8500, 500, cap=50_000 * 10**6, bucket_capacity=wad(10_000), bucket_refill=wad(1))
    asset = world.list_asset("LENT", 6, 1, terms, borrowing)
    world.supply(asset, 100_000)
    world.open_account({world.weth: 100}, {asset: 60_000})
    world.fund_party(world.stranger, asset, 1_234)
    world.vault.depositCollateral(int(world.stranger, 16) << 96, asset.id, asset.units(1_234), sender=world.stranger)
    world.warp(YEAR)
    return asset


class TestMarket:
    def test_totals__are_the_vaults__accrued_to_now(self, world: World, lent: Asset) -> None:
        idle, debt, shares, index, rate = world.vault.marketOf(lent.id)
        found = market_of(world, lent)
        assert (found.totals.idle, found.totals.debt, found.totals.supply_shares) == (idle, debt, shares)
        assert found.totals.supply_assets == idle + debt
        assert (found.rates.debt_index, found.rates.borrow_rate) == (index, rate)
        assert debt > lent.units(62_000)

    def test_identity__is_token_decimals_and_erc4626_face(self, world: World, lent: Asset) -> None:
        found = market_of(world, lent)
        assert (found.asset_id, found.token, found.decimals) == (lent.id, lent.token.address, 6)
        face = world.node.at("SupplyToken", found.supply_token)
        assert face.asset() == lent.token.address
        assert face.totalAssets() == found.totals.supply_assets
        assert face.convertToAssets(10 ** face.decimals()) == found.totals.assets_per_share

    def test_share_price__has_grown_by_the_lenders_part_of_the_interest(self, world: World, lent: Asset) -> None:
        totals = market_of(world, lent).totals
        interest = Fraction(totals.debt - lent.units(60_000), lent.units(100_000))
        grown = Fraction(totals.assets_per_share, 10**6) - 1
        assert abs(grown - interest * Fraction(85, 100)) < Fraction(2, 10**6)

    def test_rates__follow_utilisation_and_reserve_factor(self, world: World, lent: Asset) -> None:
        found = market_of(world, lent)
        totals, rates = found.totals, found.rates
        utilisation = Fraction(totals.debt, totals.supply_assets)
        assert rates.utilisation == utilisation * 10**18 // 1
        # 1 % + 4 % * 0.6 / 0.8, latched when it was borrowed
        assert rates.borrow_rate == 40_000_000
        assert rates.supply_rate == Fraction(40_000_000 * rates.utilisation * 8500, 10**18 * 10**4) // 1
        assert (rates.reserve_factor, rates.flash_fee) == (1_500, 9)

    def test_collateral_held__is_what_was_deposited__and_what_was_sent_by_mistake(
        self, world: World, lent: Asset
    ) -> None:
        assert market_of(world, lent).totals.collateral_held == lent.units(1_234)
        lent.token.mint(world.vault, 5, sender=world.stranger)
        assert market_of(world, lent).totals.collateral_held == lent.units(1_234) + 5

    def test_terms__are_those_it_was_listed_with(self, world: World, lent: Asset) -> None:
        terms, borrowing = world.listings[lent.id]
        found = market_of(world, lent)
        assert found.collateral._replace(room=0) == (
            True,
            terms.ltv,
            terms.liquidation_threshold,
            terms.liquidation_threshold,
            terms.max_bonus,
            terms.cap,
            0,
            terms.bucket_capacity,
            terms.bucket_refill,
            terms.most_target,
        )
        assert (found.borrowing.is_enabled, found.borrowing.supply_cap) == (True, borrowing.supply_cap)
        assert found.borrowing.borrow_cap == borrowing.borrow_cap
        dai, wbtc = market_of(world, world.dai), market_of(world, world.wbtc)
        assert (dai.collateral.is_enabled, dai.borrowing.is_enabled) == (False, True)
        assert (wbtc.collateral.is_enabled, wbtc.borrowing.is_enabled) == (True, False)

    def test_threshold_on_a_ramp__is_todays_and_where_it_leads(self, world: World) -> None:
        old, borrowing = world.listings[world.weth.id]
        world.set_asset(world.weth, collateral(6500, 800), borrowing, ramp=4 * 86_400)
        world.warp(86_400)
        found = market_of(world, world.weth).collateral
        assert (found.threshold, found.target_threshold) == (8000, 6500)
        assert old.liquidation_threshold == 8500

    def test_price__with_its_status__and_what_it_counts_at(self, world: World) -> None:
        fresh = (wad(1500), 0, wad(1500), wad(1500), b"")
        assert market_of(world, world.weth)[4:9] == fresh
        world.weth.feed.publishAt(wad(1400), world.now - HEARTBEAT - 1, sender=world.governor)
        assert market_of(world, world.weth)[4:9] == (wad(1400), 1, wad(1400), wad(1400), b"")
        world.weth.feed.publish(0, sender=world.governor)
        assert market_of(world, world.weth)[4:9] == (0, 2, wad(1500), wad(1500), b"")
        world.node.rpc.call("anvil_setCode", world.router.address, "0x")
        assert market_of(world, world.weth).price_failure
        assert market_of(world, world.usdc)[4:9] == (wad(1), 0, wad(1), wad(1), b"")

    @pytest.mark.usefixtures("lent")
    def test_all_markets__come_in_the_order_of_their_ids__also_with_a_dead_feed(self, world: World) -> None:
        world.wbtc.feed.publish(0, sender=world.governor)
        found = [market(values) for values in world.lens.markets()]
        assert [entry.asset_id for entry in found] == list(range(5))
        assert found == [market_of(world, asset) for asset in world.assets]

    def test_asset_that_is_not_listed__is_refused(self, world: World) -> None:
        with reverts("AssetNotListed", 4):
            world.lens.marketOf(4)


class TestRooms:
    """Each room is what can be done, and no more."""

    def test_supply_room(self, world: World, lent: Asset) -> None:
        room = market_of(world, lent).borrowing.supply_room
        world.give(world.lender, lent, room + 1)
        self.exactly(room, lambda units: world.vault.supply(lent.id, units, world.lender, sender=world.lender))
        assert market_of(world, lent).borrowing.supply_room == 0

    def test_borrow_room__within_the_cap(self, world: World, lent: Asset) -> None:
        world.supply(lent, 50_000)
        account = self.another_borrower(world, lent)
        found = market_of(world, lent)
        assert found.borrowing.borrow_room < found.totals.idle
        self.borrow_exactly(world, lent, account, found.borrowing.borrow_room)

    def test_borrow_room__within_what_is_idle(self, world: World, lent: Asset) -> None:
        terms, borrowing = world.listings[lent.id]
        world.set_asset(lent, terms, replace(borrowing, borrow_cap=10**12))
        account = self.another_borrower(world, lent)
        found = market_of(world, lent)
        assert found.borrowing.borrow_room == found.totals.idle
        self.borrow_exactly(world, lent, account, found.borrowing.borrow_room)

    def test_collateral_room(self, world: World, lent: Asset) -> None:
        room = market_of(world, lent).collateral.room
        assert room == lent.units(50_000 - 1_234)
        world.give(world.operator, lent, room + 1)
        account = int(world.operator, 16) << 96
        deposit = world.vault.depositCollateral
        self.exactly(room, lambda units: deposit(account, lent.id, units, sender=world.operator))
        assert market_of(world, lent).collateral.room == 0

    def another_borrower(self, world: World, lent: Asset) -> int:
        """The feeds have been silent for a year."""
        world.set_price(world.weth, 1500)
        world.set_price(lent, 1)
        return world.open_account({world.weth: 200}, owner=world.operator)

    def borrow_exactly(self, world: World, lent: Asset, account: int, room: int) -> None:
        borrow = world.vault.borrow
        self.exactly(room, lambda units: borrow(account, lent.id, units, world.operator, sender=world.operator))
        assert market_of(world, lent).borrowing.borrow_room == 0

    def exactly(self, room: int, act: Callable[[int], object]) -> None:
        assert room > 0
        with pytest.raises(Reverted) as caught:
            act(room + 1)
        assert caught.value.name in ("CapExceeded", "InsufficientLiquidity")
        act(room)


class TestLender:
    def test_withdrawable__is_all_where_enough_is_idle(self, world: World, lent: Asset) -> None:
        world.supply(lent, 10, world.stranger)
        found = Lender(*world.lens.lenderOf(lent.id, world.stranger))
        assert found.assets == found.withdrawable == lent.units(10) - 1
        assert found.assets == world.lens.supplyAssetsOf(lent.id, world.stranger)
        assert found.shares == world.vault.supplySharesOf(lent.id, world.stranger)

    def test_withdrawable__is_what_is_idle_where_less_is(self, world: World, lent: Asset) -> None:
        found = Lender(*world.lens.lenderOf(lent.id, world.lender))
        assert found.withdrawable == found.idle == lent.units(40_000)
        assert found.assets > found.idle
        assert found.utilisation == market_of(world, lent).rates.utilisation
        withdraw = world.vault.withdraw
        with reverts("InsufficientLiquidity", found.idle, found.idle + 1):
            withdraw(lent.id, found.idle + 1, world.lender, world.lender, sender=world.lender)
        withdraw(lent.id, found.withdrawable, world.lender, world.lender, sender=world.lender)
        assert Lender(*world.lens.lenderOf(lent.id, world.lender)).withdrawable == 0

    def test_treasury__is_a_lender_by_its_part_of_the_interest(self, world: World, lent: Asset) -> None:
        interest = market_of(world, lent).totals.debt - lent.units(60_000)
        found = Lender(*world.lens.lenderOf(lent.id, world.treasury))
        assert abs(found.assets - interest * 15 // 100) <= 1

    def test_exit__while_a_loss_is_noted__is_what_leaving_pays(self, world: World) -> None:
        account = terminal_account(world)
        world.credit(world.fund, world.usdc, 100)
        before = Lender(*world.lens.lenderOf(world.usdc.id, world.lender))
        assert before.exit_assets == before.assets
        world.vault.noteInsolvency(account, sender=world.stranger)
        totals = market_of(world, world.usdc).totals
        assert totals.expected_loss == world.vault.notedLossOf(account, world.usdc.id)
        assert totals.uncovered_loss == totals.expected_loss - world.usdc.units(100)
        found = Lender(*world.lens.lenderOf(world.usdc.id, world.lender))
        assert found.assets == before.assets
        assert 0 <= found.assets - found.exit_assets - totals.uncovered_loss <= 1
        assert found.withdrawable == min(found.exit_assets, found.idle)
        # all of it, once what is lent out is back
        world.arm(world.stranger)
        world.vault.supply(world.usdc.id, world.usdc.units(50_000), world.stranger, sender=world.stranger)
        found = Lender(*world.lens.lenderOf(world.usdc.id, world.lender))
        purse = world.balance(world.usdc, world.lender)
        world.vault.redeem(world.usdc.id, found.shares, world.lender, world.lender, sender=world.lender)
        assert world.balance(world.usdc, world.lender) - purse == found.exit_assets == found.withdrawable

    def test_stranger__has_nothing(self, world: World, lent: Asset) -> None:
        assert world.lens.lenderOf(lent.id, world.stranger)[:4] == (0, 0, 0, 0)
        assert world.lens.supplyAssetsOf(lent.id, world.stranger) == 0


class TestProtocol:
    def test_parameters__are_those_that_were_set(self, world: World) -> None:
        world.set_protocol(steepness=wad(3), grace_period=600, min_debt_per_asset=wad(7))
        modules, curve, limits = world.lens.protocol()
        places = (world.engine, world.fund, world.splitter)
        rest = (world.treasury, world.router.address, NOBODY, NOBODY, 0)
        assert modules == (*(module.address for module in places), *rest)
        assert curve == astuple(world.parameters.curve)
        assert limits == astuple(world.parameters.limits)
        assert world.node.at("IVault", world.lens.VAULT()).address == world.vault.address
        assert NEVER not in curve
