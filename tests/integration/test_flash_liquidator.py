"""Random accounts, random crashes, real pools: a searcher without capital gets what the reference model and the pools'
arithmetic say, or is refused as they predict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

import pytest

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.support.expected import expected_close_out
from tests.support.node import Node, Reverted
from tests.support.world import GENESIS, NO_DEBT, Asset, Result, World, collateral, wad
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Flash, Profit, Sale, to_liquidator

FEE = 3_000
SEEDS = 60
REGIMES = ("healthy", "restorative", "capped", "terminal")


@pytest.fixture(scope="module")
def stage() -> Iterator[Flash]:
    """Two collaterals beside the standard ones, each with a pool against ether, the hub of every route."""
    with Anvil() as anvil:
        world = World.standard(Node(anvil.rpc, load(), GENESIS))
        flash = Flash.standard(world)
        for symbol, decimals, price in (("LINK", 18, 20), ("GUSD", 2, 1)):
            asset = world.list_asset(symbol, decimals, price, collateral(7800, 900))
            flash.pools[f"{symbol}/WETH"] = flash.trading.open_pool(world, asset, world.weth)
        yield flash


@pytest.fixture
def flash(stage: Flash) -> Iterator[Flash]:
    with stage.world.node.rolled_back():
        yield replace(stage, world=stage.world.fork(), pools=dict(stage.pools))


# collateral over debt after the crash, in per mille: terminal, capped, restorative, healthy
AIMS = [(800, 1004), (1010, 1060), (1060, 1120), (1120, 1250), (1350, 1500)]


def crashed_account(flash: Flash, random: Random) -> int:
    """An account opened at twice the price; now the oracle is within 1.5 % of what the pools say."""
    world = flash.world
    pool_prices = dict(world.prices)
    held = random.sample([world.weth, world.wbtc, *world.assets[4:]], random.randint(1, 4))
    owed = random.sample([world.usdc, world.dai], random.randint(1, 2))
    for asset in held:
        set_wad(world, asset, pool_prices[asset.id] * 2)
    account = world.open_account({asset: whole(world, asset, random.randint(4_000, 40_000)) for asset in held})
    collateral_value = world.vault.healthOf(account)[0] // 2
    debt_value = collateral_value * 1000 // random.randint(*random.choice(AIMS))
    for share, asset in zip((60, 40) if len(owed) == 2 else (100,), owed, strict=True):
        units = debt_value * share * 10**asset.decimals // 100 // world.prices[asset.id]
        world.vault.borrow(account, asset.id, units, world.borrower, sender=world.borrower)
    world.warp(1)
    for asset in held:
        set_wad(world, asset, pool_prices[asset.id] * random.randint(985, 1015) // 1000)
    return account


def set_wad(world: World, asset: Asset, price: int) -> None:
    asset.feed.publish(price, sender=world.governor)
    world.prices[asset.id] = price


def whole(world: World, asset: Asset, usd: int) -> str:
    """An amount worth so many dollars, in whole tokens."""
    units = usd * 10 ** (18 + asset.decimals) // world.prices[asset.id]
    return (
        f"{units // 10**asset.decimals}.{units % 10**asset.decimals:0{asset.decimals}}"
        if asset.decimals
        else str(units)
    )


@dataclass
class Outcome:
    """What a flash close-out along `sales` comes to: ether left over, or the error."""

    sales: list[Sale]
    profit: int
    error: tuple[str, tuple[object, ...]] | None


def predict(flash: Flash, result: Result) -> Outcome:
    """Everything is sold for ether, then the debts are bought in the order in which the account holds them."""
    world, pools = flash.world, flash.state()
    ether, error = 0, None
    sales = []
    for asset_id in result.seized:
        asset = world.assets[asset_id]
        if asset == world.weth:
            ether += to_liquidator(result, asset)
            continue
        sales.append(Sale(SELL_ALL, [asset, world.weth], [FEE]))
        if amount := to_liquidator(result, asset):
            ether += pools.sell(sales[-1].tokens, [FEE], amount)
    for asset_id, (repaid, _, _) in result.repaid.items():
        sale = Sale(BUY_MISSING, [world.weth, world.assets[asset_id]], [FEE])
        sales.append(sale)
        if repaid and error is None:
            cost = pools.buy(sale.tokens, [FEE], repaid)
            if cost > ether:
                error = "SaleTooLarge", (world.weth.token.address, ether, cost)
            ether -= cost
    return Outcome(sales, ether, error)


SEEN: Counter[str] = Counter()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_account__yields_the_predicted_profit__or_the_predicted_refusal(flash: Flash, seed: int) -> None:
    world, random = flash.world, Random(seed)
    account = crashed_account(flash, random)
    if world.health(account) >= wad(1):
        SEEN["healthy"] += 1
        with pytest.raises(Reverted, match="AccountHealthy"):
            flash.close_out(account, [], [])
        return
    fill = random.choice([wad(1), wad(1), wad("0.37")])
    result, _, _ = expected_close_out(world, account, fill=fill)
    SEEN[REGIMES[result.regime]] += 1
    outcome = predict(flash, result)
    if outcome.error is not None:
        SEEN["refused"] += 1
        with pytest.raises(Reverted) as caught:
            flash.close_out(account, outcome.sales, [], fill=fill)
        assert (caught.value.name, caught.value.arguments) == outcome.error
        flash.assert_empty()
        return
    with world.node.rolled_back(), pytest.raises(Reverted, match="ProfitTooSmall"):
        flash.close_out(account, outcome.sales, [Profit(world.weth, outcome.profit + 1)], fill=fill)

    receipt = flash.close_out(account, outcome.sales, [Profit(world.weth, outcome.profit)], fill=fill)

    assert world.result(receipt) == result
    assert flash.purse() == ({"WETH": outcome.profit} if outcome.profit else {})
    flash.assert_empty()


def test_random_accounts__were_of_every_regime__and_some_did_not_pay() -> None:
    """Runs after the seeds above; says what they were."""
    if sum(SEEN[name] for name in REGIMES) < SEEDS:
        pytest.skip("only some of the seeds ran")
    assert min(SEEN[name] for name in (*REGIMES, "refused")) >= 3, SEEN


def test_crash__one_searcher_with_nothing_closes_out_everybody(flash: Flash) -> None:
    """Pools sink with every sale; whoever trades them back to the oracle's price is not the searcher."""
    world = flash.world
    accounts = []
    world.set_price(world.weth, 2000)
    for index, (ether, debts) in enumerate(
        [
            (10, {world.usdc: 13_000}),
            (40, {world.usdc: 30_000, world.dai: 22_000}),
            (7, {world.dai: 10_300}),
            (100, {world.usdc: 131_000}),
            (3, {world.usdc: 4_000}),
        ]
    ):
        accounts.append(world.open_account({world.weth: ether}, debts, index=index))
    world.set_price(world.weth, 1500)
    assert all(world.health(account) < wad(1) for account in accounts)
    pools = [flash.pools["WETH/USDC"], flash.pools["WETH/DAI"]]
    opening = [pool.slot0()[0] for pool in pools]

    earned = 0
    for account in accounts:
        result, _, _ = expected_close_out(world, account)
        outcome = predict(flash, result)
        assert outcome.error is None
        flash.close_out(account, outcome.sales, [Profit(world.weth, outcome.profit)])
        earned += outcome.profit
        assert world.health(account) >= wad("1.1") or world.health(account) == NO_DEBT

    assert flash.purse() == {"WETH": earned}
    assert all(pool.slot0()[0] != before for pool, before in zip(pools, opening, strict=True))
    assert {error for _, error, _ in world.lens.closeOutsOf(accounts)} != {b""}
    assert not any(possible for possible, _, _ in world.lens.closeOutsOf(accounts))
    flash.assert_empty()
    # no lender lost a unit: all were restorative
    assert world.lender_assets(world.usdc) >= world.usdc.units(1_000_000) - 1
    assert world.lender_assets(world.dai) >= world.dai.units(1_000_000) - 1
