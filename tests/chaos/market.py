"""A crash with many accounts and real pools, on a chain whose blocks come by the second."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

from closeout.chain.rpc import RpcError
from closeout.chain.uniswap import encode_path
from closeout.toolchain.artifacts import load
from tests.chaos.node import ChaosNode
from tests.support.node import Deployed, Node, Reverted
from tests.support.world import EVERYTHING, NEVER, Asset, World, account_of, wad
from tests.unit.periphery.stage import BUY_MISSING, PROVIDER, SELL_ALL, Flash, Sale

__all__ = ["GWEI", "Market", "prepare"]

GWEI = 10**9
Q96 = 2**96
WETH_PRICE, WBTC_PRICE = 2_000, 40_000
RIVAL = "0x" + "51" * 20
GAS = 3_000_000
# Preparing takes no chain time; what comes later is later.
PREPARING_SECONDS = 3_600
FEE = 3_000
# Fills that the check at the end tries: what the whole does not carry, a part may.
FILLS = ("1", "0.5", "0.2", "0.05")


@dataclass
class Prepared:
    """A chain at rest: its state, and what is on it."""

    state: Path
    flash: Flash
    accounts: list[int]
    last_block: int


def prepare(folder: Path, count: int, seed: int = 7) -> Prepared:
    """Protocol, pools at the oracle's prices, and accounts of health 1.02 to 1.5; written down to be started again."""
    genesis = int(time.time()) - PREPARING_SECONDS
    node = ChaosNode(folder, block_seconds=0, genesis=genesis)
    node.start()
    try:
        world = World.standard(Node(node.rpc, load(log=None), genesis))
        for asset, price in ((world.weth, WETH_PRICE), (world.wbtc, WBTC_PRICE)):
            world.set_price(asset, price)
        for asset, amount in ((world.usdc, 20_000_000), (world.dai, 20_000_000)):
            world.supply(asset, amount)
        flash = Flash.standard(world)
        random = Random(seed)
        accounts = [_open(world, random, index) for index in range(count)]
        last_block = int(node.call("eth_blockNumber"), 16)
    finally:
        node.stop()
    return Prepared(node.state, flash, accounts, last_block)


def _open(world: World, random: Random, index: int) -> int:
    """A third of ether, a third of bitcoin, a third of both; one debt or two."""
    value = random.randint(2_000, 60_000)
    holdings: dict[Asset, str] = {}
    kind = index % 3
    if kind != 1:
        holdings[world.weth] = f"{value / (2 if kind == 2 else 1) / WETH_PRICE:.6f}"
    if kind != 0:
        holdings[world.wbtc] = f"{value / (2 if kind == 2 else 1) / WBTC_PRICE:.6f}"
    account = account_of(world.borrower, index)
    for asset, amount in holdings.items():
        world.vault.depositCollateral(
            account, asset.id, world.fund_party(world.borrower, asset, amount), sender=world.borrower
        )
    _, power, maintenance, *_ = world.vault.healthOf(account)
    owed = min(Fraction(maintenance, 10**18) / Fraction(random.randint(1_060, 1_500), 1_000), Fraction(power, 10**18))
    parts = {world.usdc: owed} if random.random() < 0.6 else {world.dai: owed / 2, world.usdc: owed / 2}
    for asset, part in parts.items():
        units = int(part * Fraction(999, 1000) * 10**asset.decimals)
        world.vault.borrow(account, asset.id, units, world.borrower, sender=world.borrower)
    return account


class Market:
    """The prepared world on a running chain: prices fall, pools follow, rivals come."""

    def __init__(self, prepared: Prepared, node: ChaosNode) -> None:
        self.prepared, self.node, self.flash = prepared, node, prepared.flash
        self.world, self.accounts = prepared.flash.world, prepared.accounts
        self.factor = 1.0
        self.attach()
        for party in (self.world.governor, PROVIDER, RIVAL):
            node.call("anvil_setBalance", party, hex(10**24))

    def attach(self) -> None:
        """After the node was started, or started again."""
        self.world.node.rpc = self.node.rpc

    # -------------------------------------------------------------------------------------------------- what happens

    def send(self, sender: str, contract: Deployed, function: str, *arguments: Any, tip: int = GWEI) -> str:
        """A transaction into the pool; its hash."""
        data = "0x" + contract.methods[function].data(*arguments).hex()
        return self.send_data(sender, contract.address, data, tip)

    def send_data(self, sender: str, to: str, data: str, tip: int = GWEI) -> str:
        fee = {"maxFeePerGas": hex(10_000 * GWEI), "maxPriorityFeePerGas": hex(tip)}
        request = {"from": sender, "to": to, "data": data, "gas": hex(GAS)} | fee
        return str(self.node.call("eth_sendTransaction", request))

    def fall(self, factor: float, *, with_pools: bool = True) -> None:
        """Ether and bitcoin fall to this part of their first prices; in the pools too, in the same block."""
        self.factor = factor
        world = self.world
        for asset, first in ((world.weth, WETH_PRICE), (world.wbtc, WBTC_PRICE)):
            price = wad(f"{first * factor:.6f}")
            world.prices[asset.id] = price
            self.send(world.governor, asset.feed, "publish", price)
        if with_pools:
            self.refill()

    def trade(self, name: str, price: float) -> None:
        """An arbitrageur moves a pool to a price of its first asset in its second."""
        pool = self.flash.pools[name]
        base, quote = (next(item for item in self.world.assets if item.symbol == part) for part in name.split("/"))
        is_first = int(base.token.address, 16) < int(quote.token.address, 16)
        scale = price * 10.0 ** (quote.decimals - base.decimals)
        wanted = int(math.sqrt(scale if is_first else 1 / scale) * Q96)
        now, liquidity = pool.slot0()[0], pool.liquidity()
        if abs(wanted - now) * 1_000 < now:
            return
        sells_first = wanted < now
        if sells_first:
            amount = liquidity * Q96 * (now - wanted) // (now * wanted)
        else:
            amount = liquidity * (wanted - now) // Q96
        sold, bought = (base, quote) if sells_first == is_first else (quote, base)
        amount = amount * 1_000_000 // (1_000_000 - FEE)
        self.send(PROVIDER, sold.token, "mint", PROVIDER, amount)
        order = (encode_path([sold.token.address, bought.token.address], [FEE]), PROVIDER, NEVER, amount, 0)
        router = self.world.node.at("SwapRouter", self.flash.trading.uniswap.router)
        self.send(PROVIDER, router, "exactInput", order)

    def drain(self) -> None:
        """Ether's pools are worth a tenth: nothing can be sold at a profit."""
        for quote in ("USDC", "DAI"):
            self.trade(f"WETH/{quote}", self.factor * WETH_PRICE / 10)

    def refill(self) -> None:
        """Arbitrageurs bring the pools to the oracle's prices."""
        for quote in ("USDC", "DAI"):
            self.trade(f"WETH/{quote}", self.factor * WETH_PRICE)
        self.trade("WBTC/WETH", WBTC_PRICE / WETH_PRICE)

    def arm_rival(self) -> None:
        world = self.world
        for asset in (world.usdc, world.dai):
            self.send(world.governor, asset.token, "mint", RIVAL, asset.units(10_000_000))
            self.send(RIVAL, asset.token, "approve", world.vault, NEVER)

    def rival_closes_out(self, accounts: Sequence[int], tip: int = 50 * GWEI) -> None:
        """From capital, at a tip that goes before the keeper's."""
        for account in accounts:
            request = self.world.request(account, receiver=RIVAL)
            self.send(RIVAL, self.world.vault, "closeOut", request, b"", tip=tip)

    def wait_blocks(self, count: int) -> None:
        until = self.block_number() + count
        while self.block_number() < until:
            time.sleep(0.1)

    def transactions_of(self, owner: str) -> int:
        return int(self.node.call("eth_getTransactionCount", owner, "latest"), 16)

    def block_number(self) -> int:
        return int(self.node.call("eth_blockNumber"), 16)

    # --------------------------------------------------------------------------------------------------------- views

    def unhealthy(self) -> list[int]:
        found = []
        for start in range(0, len(self.accounts), 100):
            part = self.accounts[start : start + 100]
            for account, view in zip(part, self.world.lens.accountsOf(part), strict=True):
                if view[8] < 10**18:
                    found.append(account)
        return found

    def best_profit(self, account: int, base_fee: int) -> int:
        """WAD USD that the simplest close-outs of an account would earn now, after gas; the planner is not asked."""
        best = -(10**30)
        world = self.world
        held, owed = world.position(account)
        for fill in FILLS:
            order = self._order(held, owed, account, wad(fill))
            data = self.flash.contract.methods["closeOut"].data(order)
            request = {"from": self.flash.searcher, "to": self.flash.contract.address, "data": "0x" + data.hex()}
            try:
                answer = world.node.call(self.flash.searcher, self.flash.contract.address, data)
                gas = int(self.node.call("eth_estimateGas", request), 16)
            except (Reverted, RpcError):
                # also where it was closed out between the two questions
                continue
            ether = int.from_bytes(answer[64:96], "big") - gas * base_fee
            best = max(best, ether * world.prices[world.weth.id] // 10**18)
        return best

    def _order(self, held: dict[int, int], owed: dict[int, int], account: int, fill: int) -> tuple[Any, ...]:
        world = self.world
        sales = [
            Sale(SELL_ALL, [world.assets[asset], world.weth], [FEE]).encoded()
            for asset in held
            if asset != world.weth.id
        ]
        sales += [Sale(BUY_MISSING, [world.weth, world.assets[asset]], [FEE]).encoded() for asset in owed]
        wanted = [(world.weth.token.address, 0)]
        return account, EVERYTHING, EVERYTHING, fill, NEVER, sales, wanted
