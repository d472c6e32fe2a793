"""What a swap in a Uniswap V3 pool comes to, to the unit: its own integer arithmetic, tick by tick.

As v3-core computes it, every rounding included: TickMath, TickBitmap, SqrtPriceMath, SwapMath and the loop of
UniswapV3Pool.swap. What goes in is rounded up, what comes out down; a step ends at the next initialised tick, or at
the end of the bitmap word that it is in, where the amounts so far are rounded once more.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from math import floor, log

from closeout.errors import CloseoutError
from closeout.keeper.ports import PoolState
from closeout.model import div_up, mul_div_down, mul_div_up

__all__ = ["MAX_TICK", "LiquidityExhausted", "Pool", "Swap", "sqrt_price_at", "tick_at"]

MAX_TICK = 887_272
_FEE_SCALE = 10**6
_Q96 = 2**96
_WORD_BITS = 8
_WORD = 2**_WORD_BITS
_MAX_UINT256 = 2**256 - 1
# the outermost prices that a pool accepts as limits, as FlashLiquidator gives them
_LEAST_PRICE = 4_295_128_740
_MOST_PRICE = 1_461_446_703_485_210_103_287_273_052_203_988_822_378_723_970_341

# 2^128 / sqrt(1.0001)^(2^n), rounded as TickMath has it
_FACTORS = (
    0xFFFCB933BD6FAD37AA2D162D1A594001,
    0xFFF97272373D413259A46990580E213A,
    0xFFF2E50F5F656932EF12357CF3C7FDCC,
    0xFFE5CACA7E10E4E61C3624EAA0941CD0,
    0xFFCB9843D60F6159C9DB58835C926644,
    0xFF973B41FA98C081472E6896DFB254C0,
    0xFF2EA16466C96A3843EC78B326B52861,
    0xFE5DEE046A99A2A811C461F1969C3053,
    0xFCBE86C7900A88AEDCFFC83B479AA3A4,
    0xF987A7253AC413176F2B074CF7815E54,
    0xF3392B0822B70005940C7A398E4B70F3,
    0xE7159475A2C29B7443B29C7FA6E889D9,
    0xD097F3BDFD2022B8845AD8F792AA5825,
    0xA9F746462D870FDF8A65DC1F90E061E5,
    0x70D869A156D2A1B890BB3DF62BAF32F7,
    0x31BE135F97D08FD981231505542FCFA6,
    0x9AA508B5B7A84E1C677DE54F3E99BC9,
    0x5D6AF8DEDB81196699C329225EE604,
    0x2216E584F5FA1EA926041BEDFE98,
    0x48A170391F7DC42444E8FA2,
)


class LiquidityExhausted(CloseoutError):
    """The pool does not carry the whole amount, or it is not known far enough to say."""


# what a plan asks for are the ends of words and the initialised ticks about a price, again and again
@lru_cache(maxsize=1 << 16)
def sqrt_price_at(tick: int) -> int:
    """sqrt(1.0001^tick) as Q64.96, rounded up as TickMath does."""
    ratio, rest = 2**128, abs(tick)
    for place, factor in enumerate(_FACTORS):
        if rest >> place & 1:
            ratio = ratio * factor >> 128
    if tick > 0:
        ratio = _MAX_UINT256 // ratio
    return div_up(ratio, 2**32)


def tick_at(sqrt_price_x96: int) -> int:
    """The greatest tick whose price is not above this one."""
    tick = floor(2 * log(sqrt_price_x96 / _Q96) / log(1.0001))
    while sqrt_price_at(tick) > sqrt_price_x96:
        tick -= 1
    while tick < MAX_TICK and sqrt_price_at(tick + 1) <= sqrt_price_x96:
        tick += 1
    return tick


@dataclass(frozen=True, slots=True)
class Swap:
    """Token units that went in and came out, and the pool after."""

    sold: int
    bought: int
    pool: Pool


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool for quoting: as it was read, and where swaps have moved it since.

    `ticks` are the initialised ones in order; `state.net_liquidity` has their figures. `tick` None: not worked out yet.
    """

    state: PoolState
    ticks: tuple[int, ...]
    price: int
    tick: int | None
    liquidity: int

    @classmethod
    def of(cls, state: PoolState) -> Pool:
        return cls(state, tuple(sorted(state.net_liquidity)), state.sqrt_price_x96, state.tick, state.liquidity)

    @property
    def now(self) -> PoolState:
        """The state after the swaps."""
        tick = tick_at(self.price) if self.tick is None else self.tick
        return replace(self.state, sqrt_price_x96=self.price, tick=tick, liquidity=self.liquidity)

    def rate(self, token: str) -> float:
        """What the next unit of a token brings of the other, after the fee: for a first look, not for money."""
        ratio = (self.price / _Q96) ** 2
        return (ratio if token == self.state.token0 else 1 / ratio) * (1 - self.state.fee / _FEE_SCALE)

    @property
    def tokens(self) -> tuple[str, str]:
        return self.state.token0, self.state.token1

    def other(self, token: str) -> str:
        """The token on the other side."""
        return self.state.token1 if token == self.state.token0 else self.state.token0

    def sell(self, token: str, amount: int) -> Swap:
        """Sells exactly `amount` of a token. Raises LiquidityExhausted."""
        return self._swap(token == self.state.token0, amount, is_exact_in=True)

    def buy(self, token: str, amount: int) -> Swap:
        """Buys exactly `amount` of a token. Raises LiquidityExhausted."""
        return self._swap(token == self.state.token1, amount, is_exact_in=False)

    # ------------------------------------------------------------------------------------------------------------ loop

    def _swap(self, is_zero_for_one: bool, amount: int, *, is_exact_in: bool) -> Swap:
        state, price, liquidity = self.state, self.price, self.liquidity
        tick = tick_at(price) if self.tick is None else self.tick
        is_between = self.tick is None
        limit = _LEAST_PRICE if is_zero_for_one else _MOST_PRICE
        left, other = amount, 0
        while left and price != limit:
            next_tick, is_initialised = self._next_tick(tick, is_zero_for_one)
            next_price = sqrt_price_at(next_tick)
            target = max(next_price, limit) if is_zero_for_one else min(next_price, limit)
            before = price
            price, paid, got, fee = _step(price, target, liquidity, left, state.fee, is_exact_in)
            left -= paid + fee if is_exact_in else got
            other += got if is_exact_in else paid + fee
            if price == next_price:
                if is_initialised:
                    net = state.net_liquidity[next_tick]
                    liquidity += -net if is_zero_for_one else net
                tick, is_between = next_tick - 1 if is_zero_for_one else next_tick, False
            elif price != before:
                is_between = True
        if left:
            raise LiquidityExhausted(f"{state.address}: {amount - left} of {amount} goes through")
        moved = Pool(state, self.ticks, price, None if is_between else tick, liquidity)
        return Swap(amount, other, moved) if is_exact_in else Swap(other, amount, moved)

    def _next_tick(self, tick: int, is_downwards: bool) -> tuple[int, bool]:
        """The next initialised tick within the word of the bitmap, or its end; as TickBitmap."""
        spacing = self.state.tick_spacing
        place = tick // spacing
        if is_downwards:
            edge = place >> _WORD_BITS << _WORD_BITS
            at = bisect_right(self.ticks, place * spacing)
            found = self.ticks[at - 1] if at and self.ticks[at - 1] >= edge * spacing else None
        else:
            place += 1
            edge = (place >> _WORD_BITS << _WORD_BITS) + _WORD - 1
            at = bisect_left(self.ticks, place * spacing)
            found = self.ticks[at] if at < len(self.ticks) and self.ticks[at] <= edge * spacing else None
        reached = edge * spacing if found is None else found
        low, high = self.state.known
        if not low <= reached <= high:
            raise LiquidityExhausted(f"{self.state.address}: not known beyond the ticks {low} and {high}")
        return max(-MAX_TICK, min(MAX_TICK, reached)), found is not None


# ------------------------------------------------------------------------------------------------------------- one step


def _step(price: int, target: int, liquidity: int, left: int, fee: int, is_exact_in: bool) -> tuple[int, int, int, int]:
    """Price after, in, out and fee of a swap towards `target`; SwapMath.computeSwapStep."""
    is_zero_for_one = price >= target
    if is_exact_in:
        net = mul_div_down(left, _FEE_SCALE - fee, _FEE_SCALE)
        whole = _amount_in(price, target, liquidity, is_zero_for_one)
        after = target if net >= whole else _after_input(price, liquidity, net, is_zero_for_one)
    else:
        whole = _amount_out(price, target, liquidity, is_zero_for_one)
        after = target if left >= whole else _after_output(price, liquidity, left, is_zero_for_one)
    paid = _amount_in(price, after, liquidity, is_zero_for_one)
    got = _amount_out(price, after, liquidity, is_zero_for_one)
    if is_exact_in:
        if after != target:
            return after, paid, got, left - paid
    else:
        got = min(got, left)
    return after, paid, got, mul_div_up(paid, fee, _FEE_SCALE - fee)


def _amount_in(price: int, after: int, liquidity: int, is_zero_for_one: bool) -> int:
    if is_zero_for_one:
        return div_up(mul_div_up(liquidity << 96, price - after, price), after)
    return mul_div_up(liquidity, after - price, _Q96)


def _amount_out(price: int, after: int, liquidity: int, is_zero_for_one: bool) -> int:
    if is_zero_for_one:
        return mul_div_down(liquidity, price - after, _Q96)
    return mul_div_down(liquidity << 96, after - price, after) // price


def _after_input(price: int, liquidity: int, amount: int, is_zero_for_one: bool) -> int:
    if not is_zero_for_one:
        return price + amount * _Q96 // liquidity
    if not amount:
        return price
    scaled = liquidity << 96
    if amount * price <= _MAX_UINT256 and scaled + amount * price <= _MAX_UINT256:
        return mul_div_up(scaled, price, scaled + amount * price)
    # beyond 256 bits the contract rounds twice
    return div_up(scaled, scaled // price + amount)


def _after_output(price: int, liquidity: int, amount: int, is_zero_for_one: bool) -> int:
    if is_zero_for_one:
        return price - mul_div_up(amount, _Q96, liquidity)
    scaled = liquidity << 96
    return mul_div_up(scaled, price, scaled - amount * price)
