"""Pools with liquidity at the oracle's prices, a FlashLiquidator, and a searcher who has nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final

from closeout.chain.uniswap import TICK_SPACINGS, Uniswap, deploy_uniswap, encode_path, uniswap_artifacts
from tests.support.node import Deployed, Node, Receipt, actor
from tests.support.world import EVERYTHING, NEVER, Asset, Result, World, wad
from tests.unit.periphery.pool_math import Pool, Pools

__all__ = ["BUY_MISSING", "SELL_ALL", "Flash", "Profit", "Sale", "Trading", "one_and_one", "to_liquidator"]

BUY_MISSING, SELL_ALL = range(2)
GAS: Final = 10_000_000
PROVIDER: Final = actor("liquidity provider")
# Value on each side of a pool, USD: a sale of 10 000 moves its price by 0.1 %.
DEPTH: Final = 20_000_000


@dataclass(frozen=True)
class Sale:
    """One sale along assets (or bare tokens), through pools of these fees."""

    kind: int
    along: Sequence[Asset | Deployed]
    fees: Sequence[int]
    part: int = wad(1)

    @property
    def tokens(self) -> list[str]:
        return [_address(item) for item in self.along]

    def encoded(self) -> tuple[int, bytes, int]:
        return self.kind, encode_path(self.tokens, self.fees), self.part


def _address(item: Asset | Deployed) -> str:
    return item.address if isinstance(item, Deployed) else item.token.address


@dataclass(frozen=True)
class Profit:
    """The least of a token that the searcher wants."""

    of: Asset
    least: int = 0


class _Provider:
    """The `Provider` of `deploy_uniswap` on a node."""

    address = PROVIDER

    def __init__(self, node: Node) -> None:
        self._node = node

    def deploy(self, name: str, *arguments: Any) -> str:
        return self._node.deploy(name, *arguments, sender=PROVIDER).address

    def transact(self, name: str, address: str, function: str, *arguments: Any) -> None:
        # not by Node.transact: a position is an NFT, whose Transfer has the topic of a token's and another layout
        data = getattr(self._node.at(name, address), function).data(*arguments)
        self._node.call(PROVIDER, address, data, f"{name}.{function}")
        transaction = {"from": PROVIDER, "to": address, "data": "0x" + data.hex(), "gas": hex(GAS), "gasPrice": "0x0"}
        self._node.rpc.call("eth_sendTransaction", transaction)
        self._node.set_time(self._node.now)

    def read(self, name: str, address: str, function: str, *arguments: Any) -> Any:
        return getattr(self._node.at(name, address), function).ask(*arguments)


class Trading:
    """Uniswap V3 beside a world: a pool per pair, full-range liquidity at the oracle's prices."""

    def __init__(self, world: World) -> None:
        world.node.artifacts |= uniswap_artifacts()
        self.node = world.node
        self.uniswap: Uniswap = deploy_uniswap(_Provider(world.node))

    def open_pool(self, world: World, base: Asset, quote: Asset, fee: int = 3_000, depth: int = DEPTH) -> Deployed:
        """A pool of two assets at the prices that the world has now."""
        price = Fraction(world.prices[base.id], world.prices[quote.id]) * Fraction(10) ** (
            quote.decimals - base.decimals
        )
        amounts = {}
        for asset in (base, quote):
            amounts[_address(asset)] = depth * 10 ** (18 + asset.decimals) // world.prices[asset.id]
        return self.open_bare_pool(amounts, fee, price, base=_address(base))

    def open_bare_pool(
        self, amounts: dict[str, int], fee: int, price: Fraction, *, base: str, reach: int | None = None
    ) -> Deployed:
        """A pool of two tokens anyone may mint: `price` units of the other for one of `base`.

        With a `reach`, its liquidity ends so many tick spacings away from that price.
        """
        (quote,) = amounts.keys() - {base}
        for address, amount in amounts.items():
            token = self.node.at("TestToken", address)
            token.mint(PROVIDER, amount, sender=PROVIDER)
            if token.allowance(PROVIDER, self.uniswap.positions) == 0:
                self.uniswap.approve(address)
        pool = self.node.at("UniswapV3Pool", self.uniswap.create_pool(base, quote, fee, price))
        ticks = None
        if reach:
            spacing = TICK_SPACINGS[fee]
            nearest = pool.slot0()[1] // spacing
            ticks = (nearest - reach) * spacing, (nearest + reach) * spacing
        self.uniswap.add_liquidity(amounts, fee, ticks)
        return pool

    def state(self, *pools: Deployed) -> Pools:
        """The pools as they are now, for computing what sales in them come to."""
        return Pools(
            [
                Pool(
                    pool.token0(),
                    pool.token1(),
                    pool.fee(),
                    TICK_SPACINGS[pool.fee()],
                    pool.slot0()[0],
                    pool.liquidity(),
                )
                for pool in pools
            ]
        )


@dataclass
class Flash:
    """The standard world with pools, and a searcher without any capital."""

    world: World
    trading: Trading
    contract: Deployed
    pools: dict[str, Deployed] = field(default_factory=dict)
    searcher: str = actor("searcher")

    @classmethod
    def standard(cls, world: World) -> Flash:
        """WETH against both debts, WBTC against WETH, and the two stablecoins against each other."""
        trading = Trading(world)
        flash = cls(
            world, trading, world.node.deploy("FlashLiquidator", world.vault, trading.uniswap.factory, sender=PROVIDER)
        )
        flash.pools = {
            "WETH/USDC": trading.open_pool(world, world.weth, world.usdc),
            "WETH/DAI": trading.open_pool(world, world.weth, world.dai),
            "WBTC/WETH": trading.open_pool(world, world.wbtc, world.weth),
            "USDC/DAI": trading.open_pool(world, world.usdc, world.dai, 500),
        }
        return flash

    def order(
        self,
        account: int,
        sales: Sequence[Sale],
        profits: Sequence[Profit],
        *,
        collaterals: int = EVERYTHING,
        debts: int = EVERYTHING,
        fill: int = wad(1),
        deadline: int = NEVER,
    ) -> tuple[Any, ...]:
        """A FlashCloseOut."""
        encoded = [sale.encoded() for sale in sales]
        wanted = [(_address(profit.of), profit.least) for profit in profits]
        return (account, collaterals, debts, fill, deadline, encoded, wanted)

    def close_out(self, account: int, sales: Sequence[Sale], profits: Sequence[Profit], **changes: Any) -> Receipt:
        """The searcher closes out; see `order`."""
        return self.contract.closeOut(self.order(account, sales, profits, **changes), sender=self.searcher)

    def expect(self, account: int, sales: Sequence[Sale], profits: Sequence[Profit], **changes: Any) -> list[int]:
        """The profits that the call would return."""
        order = self.order(account, sales, profits, **changes)
        return list(self.contract.closeOut.ask(order, sender=self.searcher))

    def state(self) -> Pools:
        return self.trading.state(*self.pools.values())

    def purse(self) -> dict[str, int]:
        """What the searcher has, by symbol, without zeros."""
        balances = {asset.symbol: self.world.balance(asset, self.searcher) for asset in self.world.assets}
        return {symbol: balance for symbol, balance in balances.items() if balance}

    def assert_empty(self) -> None:
        """The contract holds no token, no claim and no supply share, and the Vault may take nothing of it."""
        for asset in self.world.assets:
            assert asset.token.balanceOf(self.contract) == 0, asset.symbol
            assert asset.token.allowance(self.contract, self.world.vault) == 0, asset.symbol
            assert self.world.vault.claimOf(self.contract, asset.id) == 0, asset.symbol
            assert self.world.vault.supplySharesOf(asset.id, self.contract) == 0, asset.symbol


def one_and_one(world: World) -> int:
    """10 WETH at 1 500 against 13 000 USDC: restorative."""
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 13_000})
    world.set_price(world.weth, 1500)
    return account


def to_liquidator(result: Result, asset: Asset) -> int:
    """What a liquidator gets of a collateral."""
    seized, to_protocol, to_insurance = result.seized[asset.id]
    return seized - to_protocol - to_insurance
