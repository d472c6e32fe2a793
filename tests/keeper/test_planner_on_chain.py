"""Plans carried out by the real contracts on real pools: what was expected is what happens, to the unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest

from closeout.chain.pools import PoolReader
from closeout.chain.reader import NodeReader
from closeout.errors import NodeError
from closeout.keeper.brain import BrainSettings, Keeper
from closeout.keeper.planner import PlannerSettings
from closeout.keeper.ports import Action, Block, Decision, Funding, Intent, PriceStatus, Reason
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList
from closeout.units import WAD
from tests.support.accounts import three_and_two
from tests.support.node import Receipt, Reverted
from tests.support.world import Asset, World, account_of, wad
from tests.unit.lending.stage import KINKED, set_borrowing
from tests.unit.periphery.stage import Flash, one_and_one

GWEI = 10**9


@dataclass
class Keeping:
    """A keeper on the test's chain, and a searcher who carries out what it wants."""

    flash: Flash
    keeper: Keeper
    reader: NodeReader

    @classmethod
    def at(cls, flash: Flash, **changes: Any) -> Keeping:
        world = flash.world
        pools = PoolReader(world.node.rpc, flash.trading.uniswap.factory)
        pools.find([asset.token.address for asset in world.assets])
        reader = NodeReader(world.node.rpc, world.node.artifacts, world.vault.address, world.lens.address, pools)
        planner = PlannerSettings(native_token=world.weth.token.address, priority_fee=20 * GWEI, lead_seconds=0)
        watch = WatchList(reader, Store(None, world.vault.address, 31337))
        settings = BrainSettings(planner=replace(planner, **changes), verify_blocks=1, seed=1)
        return cls(flash, Keeper(reader, watch, settings), reader)

    def decide(self) -> Decision:
        return self.keeper.on_block(self.reader.head())

    def only_intent(self) -> Intent:
        decision = self.decide()
        assert len(decision.intents) == 1, decision.refusals
        return decision.intents[0]

    def carry_out(self, intent: Intent) -> Receipt:
        """As a sender does: the same request, the stated limits, in a block of the same time."""
        sets = [sum(1 << asset_id for asset_id in ids) for ids in (intent.collaterals, intent.debts)]
        if intent.funding is Funding.FLASH:
            sales = [(int(sale.kind), sale.path, sale.part_wad) for sale in intent.sales]
            least = list(intent.least_profits.items())
            order = (intent.account, *sets, intent.fill_wad, intent.deadline, sales, least)
            return self.flash.contract.closeOut(order, sender=self.flash.searcher)
        return self.flash.world.close_out(
            intent.account,
            sender=self.flash.searcher,
            collaterals=sets[0],
            debts=sets[1],
            fill=intent.fill_wad,
            deadline=intent.deadline,
            receiver=self.flash.searcher,
            least_seized=list(intent.least_seized.items()),
            most_repaid=list(intent.most_repaid.items()),
        )

    def value(self, purse: dict[str, int]) -> int:
        """WAD USD at the oracle's prices."""
        by_symbol = {asset.symbol: asset for asset in self.flash.world.assets}
        prices = self.flash.world.prices
        return sum(
            units * prices[by_symbol[symbol].id] // 10 ** by_symbol[symbol].decimals for symbol, units in purse.items()
        )


def legs(intent: Intent) -> tuple[dict[int, int], dict[int, int]]:
    return (
        {leg.asset_id: leg.amount for leg in intent.expected_seized},
        {leg.asset_id: leg.amount for leg in intent.expected_repaid},
    )


def done(world: World, receipt: Receipt) -> tuple[dict[int, int], dict[int, int]]:
    result = world.result(receipt)
    return (
        {n: seized - to_protocol - to_fund for n, (seized, to_protocol, to_fund) in result.seized.items()},
        {n: repaid for n, (repaid, _, _) in result.repaid.items()},
    )


def assert_as_expected(keeping: Keeping, intent: Intent) -> Receipt:
    """Legs, profit and gas are what the plan said they would be."""
    assert keeping.flash.purse() == {}
    receipt = keeping.carry_out(intent)
    assert done(keeping.flash.world, receipt) == legs(intent)
    won = keeping.value(keeping.flash.purse())
    # a token that is kept counts a part less in the plan; rounding is a unit of each token
    expected = intent.expected_profit_wad + intent.expected_gas_cost_wad
    assert expected - wad("0.000002") <= won <= expected * 102 // 100 + wad("0.000002")
    assert receipt.gas <= intent.gas_limit
    keeping.flash.assert_empty()
    return receipt


@pytest.fixture
def busy(flash: Flash) -> Iterator[Flash]:
    """Interest on every debt."""
    for asset in (flash.world.weth, flash.world.usdc, flash.world.dai):
        set_borrowing(flash.world, asset, reserve_factor=2_000, flash_fee=9, **KINKED)
        flash.world.supply(asset, 1)
    yield flash


def test_flash_intent__one_and_one__is_carried_out_to_the_unit(flash: Flash):
    account = one_and_one(flash.world)
    keeping = Keeping.at(flash)
    intent = keeping.only_intent()
    assert (intent.account, intent.action, intent.funding) == (account, Action.CLOSE_OUT, Funding.FLASH)
    assert_as_expected(keeping, intent)
    assert flash.world.health(account) >= wad("1.1")
    # and then there is nothing left to do
    assert keeping.decide().candidates == ()


def test_flash_intent__three_and_two_with_interest__is_carried_out_to_the_unit(busy: Flash):
    world = busy.world
    account = three_and_two(world)
    busy.trading.open_pool(world, world.assets[-1], world.weth)
    world.warp(86_400)
    keeping = Keeping.at(busy)
    intent = keeping.only_intent()
    assert (len(intent.collaterals), len(intent.debts)) == (3, 2)
    assert len(intent.sales) >= 3
    receipt = assert_as_expected(keeping, intent)
    # the estimate covers what it took, and by no more than what first touches cost
    estimated = intent.gas_limit * 100 // 150
    assert receipt.gas <= estimated <= 2 * receipt.gas
    assert world.health(account) >= WAD


def test_gas_estimate__of_one_and_one__covers_what_it_took(flash: Flash):
    one_and_one(flash.world)
    keeping = Keeping.at(flash)
    intent = keeping.only_intent()
    receipt = keeping.carry_out(intent)
    assert receipt.gas <= intent.gas_limit * 100 // 150 <= 2 * receipt.gas


def test_inventory_intent__is_carried_out_to_the_unit__within_its_limits(flash: Flash):
    world = flash.world
    account = one_and_one(world)
    keeping = Keeping.at(flash, with_flash=False)
    assert [one.reason for one in keeping.decide().refusals] == [Reason.NO_INVENTORY]
    held = world.give(flash.searcher, world.usdc, world.usdc.units(50_000))
    keeping.keeper.inventory = {world.usdc.id: held}
    world.warp(1)
    intent = keeping.only_intent()
    assert intent.funding is Funding.INVENTORY
    receipt = keeping.carry_out(intent)
    assert done(world, receipt) == legs(intent)
    assert receipt.gas <= intent.gas_limit
    assert world.health(account) >= wad("1.1")


def test_pools_that_do_not_carry_the_whole__are_given_a_part__shared_out_over_them(flash: Flash):
    """An account too large for the pools: a part of it, over all of them, and still a profit to the unit."""
    world = flash.world
    world.supply(world.usdc, 40_000_000)
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 20_000}, {world.usdc: 26_000_000})
    world.set_price(world.weth, 1_500)
    for fee in (500, 10_000):
        flash.trading.open_pool(world, world.weth, world.usdc, fee, depth=5_000_000)
    keeping = Keeping.at(flash)
    intent = keeping.only_intent()
    assert 0 < intent.fill_wad < WAD
    assert len(intent.sales) > 1
    assert intent.expected_slippage_wad > 0
    assert_as_expected(keeping, intent)
    # the whole at once would not have paid
    whole = replace(intent, fill_wad=WAD, least_profits={})
    with pytest.raises(Reverted):
        keeping.carry_out(whole)
    assert world.health(account) < wad("1.1")


def test_gas_dearer_than_the_penalty__is_refused_with_both_figures(flash: Flash):
    one_and_one(flash.world)
    keeping = Keeping.at(flash, priority_fee=2_000_000 * GWEI)
    [refusal] = keeping.decide().refusals
    assert refusal.reason is Reason.TOO_DEAR
    assert refusal.earns_wad is not None and refusal.costs_wad is not None
    assert 0 < refusal.earns_wad < refusal.costs_wad


def test_no_pool_that_leads_there__is_refused_by_that_name(world: World, standard_flash: Flash):
    flash = replace(standard_flash, world=world)
    one_and_one(world)
    keeping = Keeping.at(flash)
    keeping.reader._pools._places.clear()  # type: ignore[union-attr]
    assert [one.reason for one in keeping.decide().refusals] == [Reason.NO_ROUTE]


def test_grace_period__is_started__waited_for__and_then_used(flash: Flash):
    world = flash.world
    world.set_protocol(grace_period=3_600)
    account = one_and_one(world)
    keeping = Keeping.at(flash)
    intent = keeping.only_intent()
    assert (intent.action, intent.account) == (Action.MARGIN_CALL, account)
    assert intent.expected_profit_wad < 0
    world.vault.marginCall(account, sender=flash.searcher)
    decision = keeping.decide()
    assert decision.margin_called == (account,)
    assert [one.reason for one in decision.refusals] == [Reason.NOT_YET]
    world.warp(3_600)
    assert_as_expected(keeping, keeping.only_intent())


def test_self_deleverage__is_found_above_one__and_carried_out(flash: Flash):
    world = flash.world
    account = world.open_account({world.weth: 10}, {world.usdc: 9_000})
    world.vault.setDeleverage(account, (wad("1.5"), wad("1.6"), wad("0.02")), sender=world.borrower)
    keeping = Keeping.at(flash)
    intent = keeping.only_intent()
    assert intent.account == account
    assert_as_expected(keeping, intent)
    assert world.health(account) >= wad("1.6")


def test_terminal_account__earns_the_floor__and_books_its_bad_debt(flash: Flash):
    world = flash.world
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_000})
    world.set_price(world.weth, 1_200)
    flash.trading.open_pool(world, world.weth, world.usdc, 500, depth=50_000_000)
    keeping = Keeping.at(flash)
    intent = keeping.only_intent()
    keeping.carry_out(intent)
    assert keeping.decide().bad_debt.keys() == {world.usdc.id}
    assert world.position(account) == ({}, {})


def test_largest_penalty__goes_first__and_the_second_meets_the_pools_it_left(flash: Flash):
    world = flash.world
    world.set_price(world.weth, 2_000)
    small = world.open_account({world.weth: 5}, {world.usdc: 6_600})
    large = world.open_account({world.weth: 40}, {world.usdc: 52_800}, index=1)
    world.set_price(world.weth, 1_500)
    keeping = Keeping.at(flash)
    decision = keeping.decide()
    assert [one.account for one in decision.intents] == [large, small]
    purse_before = 0
    for intent in decision.intents:
        receipt = keeping.carry_out(intent)
        assert done(world, receipt) == legs(intent)
        won = keeping.value(flash.purse())
        assert abs(won - purse_before - intent.expected_profit_wad - intent.expected_gas_cost_wad) < wad("0.00001")
        purse_before = won


def test_random_accounts__whatever_the_plan_wants__comes_out_as_it_said(busy: Flash):
    """Baskets, debts, prices and pools at random: no plan reverts, and none earns less than it said."""
    world, random = busy.world, Random(11)
    carried: list[Intent] = []
    for index in range(16):
        with world.node.rolled_back():
            world.set_price(world.weth, 1_500)
            world.set_price(world.wbtc, 30_000)
            held: dict[Asset, int] = {world.weth: random.randint(1, 100), world.wbtc: random.randint(1, 5)}
            if index % 3 == 0:
                del held[random.choice(list(held))]
            worth = sum(units * (1_500 if asset is world.weth else 30_000) for asset, units in held.items())
            debts = random.sample([world.usdc, world.dai], random.randint(1, 2))
            owed = {asset: int(worth * random.uniform(0.60, 0.68) / len(debts)) for asset in debts}
            account = world.open_account(held, owed, owner=f"0x{0xFACE00 + index:040x}")
            factor = random.uniform(0.6, 0.85)
            for asset in (world.weth, world.wbtc):
                world.set_price(asset, int(world.prices[asset.id] // WAD * factor))
            # what markets do too: pools of all depths at about the new prices
            for base, quote in ((world.weth, world.usdc), (world.wbtc, world.usdc), (world.wbtc, world.weth)):
                busy.trading.open_pool(world, base, quote, 500, depth=random.choice([50_000, 500_000, 20_000_000]))
            world.warp(random.randint(1, 10**6))
            keeping = Keeping.at(busy)
            decision = keeping.decide()
            assert {one.account for one in (*decision.intents, *decision.refusals)} == (
                {account} if world.health(account) < WAD else set()
            )
            for intent in decision.intents:
                assert_as_expected(keeping, intent)
                carried.append(intent)
    assert len(carried) >= 8
    assert any(len(intent.debts) > 1 for intent in carried)
    assert any(len(intent.collaterals) > 1 for intent in carried)


def test_price_in_doubt__throttles_the_plan__and_it_comes_out_to_the_unit(flash: Flash):
    """The guardian holds a price at the last good one: degraded for a day."""
    world = flash.world
    account = one_and_one(world)
    world.warp(3_600)
    world.router.poke(world.weth.token, sender=world.stranger)
    world.router.freeze(world.weth.token, sender=world.guardian)
    keeping = Keeping.at(flash)
    decision = keeping.decide()
    assert decision.prices[world.weth.id].status is PriceStatus.DEGRADED
    [intent] = decision.intents
    assert_as_expected(keeping, intent)
    assert WAD <= world.health(account) < wad("1.001")


def test_collateral_without_a_price__is_left_out__and_the_rest_comes_out_to_the_unit(flash: Flash):
    world = flash.world
    account = three_and_two(world)
    world.warp(3_600)
    for asset in world.assets:
        world.router.poke(asset.token, sender=world.stranger)
    world.wbtc.feed.publish(0, sender=world.governor)
    flash.trading.open_pool(world, world.assets[-1], world.weth)
    keeping = Keeping.at(flash)
    decision = keeping.decide()
    assert decision.prices[world.wbtc.id].status is PriceStatus.MISSING
    assert [one.is_unpriced for one in decision.candidates] == [True]
    for intent in decision.intents:
        assert world.wbtc.id not in intent.collaterals
        assert_as_expected(keeping, intent)
    assert len(decision.intents) == 1
    assert account == decision.intents[0].account


def test_prices__of_every_asset__are_the_routers_with_their_times(flash: Flash):
    world = flash.world
    reader = Keeping.at(flash).reader
    for asset, price in zip(world.assets, reader.prices(reader.head()), strict=True):
        assert world.router.readPrice(asset.token) == (
            int(price.status),
            price.collateral_wad,
            price.debt_wad,
            price.exchange_wad,
            price.time,
        )


def test_every_account_of_the_chain__is_known_to_the_unit(busy: Flash):
    world = busy.world
    for index in range(6):
        world.open_account({world.weth: 3 + index}, {world.usdc: 2_000, world.dai: 500}, index=index)
    keeping = Keeping.at(busy)
    decision = keeping.decide()
    assert decision.workload.verified == 6
    assert decision.workload.differing == 0
    accounts = [account_of(world.borrower, index) for index in range(6)]
    said = keeping.reader.confirm(accounts, keeping.reader.head())
    assert [(dict(one.collateral), dict(one.debts)) for one in said] == [world.position(one) for one in accounts]


def test_block_that_is_not_there__is_a_node_error(flash: Flash):
    keeping = Keeping.at(flash)
    head = keeping.reader.head()
    gone = Block(head.number, "0x" + "77" * 32, head.parent_hash, head.timestamp)
    for ask in (keeping.reader.prices, keeping.reader.pools, lambda at: keeping.reader.logs(at.number, at)):
        with pytest.raises(NodeError):
            ask(gone)
