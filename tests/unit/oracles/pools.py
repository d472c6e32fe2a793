"""Real Uniswap V3 pools of a token of 18 decimals against a dollar of 6, moved by real swaps."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, getcontext
from math import isqrt

from tests.support.node import Deployed
from tests.unit.oracles.stage import DAY, STRANGER, Stage

__all__ = ["BLOCK", "Pool", "create_pool", "tick_ratio"]

getcontext().prec = 80

BLOCK = 12
Q96 = 2**96
MAX_TICK = 887_272
SPACINGS = {500: 10, 3_000: 60, 10_000: 200}


def tick_ratio(tick: int) -> Decimal:
    """1.0001 to the power of a tick."""
    return Decimal("1.0001") ** tick


@dataclass(frozen=True)
class Pool:
    """A pool and its only provider and trader, who mints what he pays with. Prices: dollars per base token."""

    stage: Stage
    pool: Deployed
    base: Deployed
    dollar: Deployed
    actor: Deployed
    base_decimals: int
    dollar_decimals: int
    spacing: int

    @property
    def is_base_token0(self) -> bool:
        return int(self.base.address, 16) < int(self.dollar.address, 16)

    @property
    def tick(self) -> int:
        return int(self.pool.slot0()[1])

    def sqrt_price(self, usd: Decimal) -> int:
        raw = usd * 10**self.dollar_decimals / 10**self.base_decimals
        raw = raw if self.is_base_token0 else 1 / raw
        return isqrt(int(raw * Q96 * Q96))

    def usd_of(self, tick: Decimal | int) -> Decimal:
        """The price at a tick, or at a mean of ticks."""
        ratio = Decimal("1.0001") ** tick
        ratio = ratio if self.is_base_token0 else 1 / ratio
        return ratio * 10**self.base_decimals / 10**self.dollar_decimals

    def move_to(self, usd: Decimal | int) -> None:
        """Swaps until that is the price."""
        self.actor.swapTo(self.pool, self.sqrt_price(Decimal(usd)), sender=STRANGER)

    def provide(self, liquidity: int, ticks: tuple[int, int] | None = None) -> None:
        lower, upper = ticks or (-(MAX_TICK // self.spacing) * self.spacing, MAX_TICK // self.spacing * self.spacing)
        self.actor.addLiquidity(self.pool, lower, upper, liquidity, sender=STRANGER)

    def withdraw(self, liquidity: int, ticks: tuple[int, int] | None = None) -> None:
        lower, upper = ticks or (-(MAX_TICK // self.spacing) * self.spacing, MAX_TICK // self.spacing * self.spacing)
        self.actor.removeLiquidity(self.pool, lower, upper, liquidity, sender=STRANGER)

    def liquidity_of(self, value: int, usd: int) -> int:
        """The full-range liquidity whose two sides are worth that many dollars together, at that price."""
        # each side is worth liquidity x the square root of the price, in raw units of both tokens
        base = Decimal(value) / 2 / usd * 10**self.base_decimals
        dollars = Decimal(value) / 2 * 10**self.dollar_decimals
        return int((base * dollars).sqrt())

    def won(self, usd: int) -> Decimal:
        """What the actor's swaps have won so far, in dollars at that price; negative where they cost."""
        base = Decimal(self.actor.balance(self.base)) / 10**self.base_decimals
        dollars = Decimal(self.actor.balance(self.dollar)) / 10**self.dollar_decimals
        return base * usd + dollars

    def twap(
        self, dollar_adapter: Deployed, *, window: int = 1_800, safe: int = 2, least: int = 1, block: int = BLOCK
    ) -> Deployed:
        return self.stage.deploy(
            "UniswapV3TwapAdapter", self.pool, self.base, dollar_adapter, (window, block, safe, least)
        )


def create_pool(
    stage: Stage,
    usd: int = 2_000,
    *,
    fee: int = 3_000,
    is_base_token0: bool | None = None,
    decimals: tuple[int, int] = (18, 6),
    cardinality: int = 160,
    age: int = DAY,
) -> Pool:
    """A pool that has existed for a day, at `usd` dollars for a base token, without liquidity."""
    factory = stage.deploy("UniswapV3Factory")
    base, dollar = stage.token(decimals[0]), stage.token(decimals[1])
    while is_base_token0 is not None and is_base_token0 != (int(base.address, 16) < int(dollar.address, 16)):
        base = stage.token(decimals[0])
    factory.createPool(base, dollar, fee, sender=STRANGER)
    contract = stage.node.at("UniswapV3Pool", factory.getPool(base, dollar, fee))
    pool = Pool(stage, contract, base, dollar, stage.deploy("PoolActor"), *decimals, SPACINGS[fee])
    contract.initialize(pool.sqrt_price(Decimal(usd)), sender=STRANGER)
    if cardinality > 1:
        contract.increaseObservationCardinalityNext(cardinality, sender=STRANGER)
    if age:
        stage.wait(age)
    return pool
