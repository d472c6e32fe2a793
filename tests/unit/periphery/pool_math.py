"""What a swap in a Uniswap V3 pool comes to, computed without Uniswap: one range of liquidity, no tick crossed.

From the whitepaper (section 6.2.3) and the roundings of its SwapMath: what goes in is rounded up, what comes out down,
the price moves by no more than what went in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import log

Q96 = 2**96
FEE_SCALE = 10**6
# The pool looks for the next tick in words of 256: a swap that leaves its word is rounded twice.
TICKS_PER_WORD = 256


def div_up(a: int, b: int) -> int:
    return -(-a // b)


@dataclass(frozen=True)
class Pool:
    """A pool's state; `fee` in hundredths of a bip."""

    token0: str
    token1: str
    fee: int
    spacing: int
    sqrt_price: int
    liquidity: int

    def sell(self, token: str, amount: int) -> tuple[int, Pool]:
        """What exactly `amount` of a token brings, and the pool after."""
        net = amount * (FEE_SCALE - self.fee) // FEE_SCALE
        if token == self.token0:
            after = div_up(self.liquidity * Q96 * self.sqrt_price, self.liquidity * Q96 + net * self.sqrt_price)
        else:
            after = self.sqrt_price + net * Q96 // self.liquidity
        return self._paid_out(token, after), self._moved(after)

    def buy(self, token: str, amount: int) -> tuple[int, Pool]:
        """What exactly `amount` of a token costs, and the pool after."""
        if token == self.token1:
            after = self.sqrt_price - div_up(amount * Q96, self.liquidity)
            net = div_up(div_up(self.liquidity * Q96 * (self.sqrt_price - after), self.sqrt_price), after)
        else:
            after = div_up(self.liquidity * Q96 * self.sqrt_price, self.liquidity * Q96 - amount * self.sqrt_price)
            net = div_up(self.liquidity * (after - self.sqrt_price), Q96)
        return net + div_up(net * self.fee, FEE_SCALE - self.fee), self._moved(after)

    def _paid_out(self, sold: str, after: int) -> int:
        low, high = sorted((self.sqrt_price, after))
        if sold == self.token0:
            return self.liquidity * (high - low) // Q96
        return self.liquidity * Q96 * (high - low) // high // low

    def _moved(self, after: int) -> Pool:
        moved = replace(self, sqrt_price=after)
        assert moved._word == self._word, "the swap leaves the word of ticks in which this arithmetic holds"
        return moved

    @property
    def _word(self) -> int:
        tick = 2 * log(self.sqrt_price / Q96) / log(1.0001)
        return int(tick // self.spacing // TICKS_PER_WORD)

    def price(self, token: str) -> Fraction:
        """Units of the other token for one unit of `token`."""
        ratio = Fraction(self.sqrt_price, Q96) ** 2
        return ratio if token == self.token0 else 1 / ratio


class Pools:
    """Pools by their tokens and fee; paths run through them and move them."""

    def __init__(self, pools: list[Pool]) -> None:
        self._pools = {(frozenset((pool.token0, pool.token1)), pool.fee): pool for pool in pools}

    def sell(self, tokens: list[str], fees: list[int], amount: int) -> int:
        for sold, bought, fee in zip(tokens, tokens[1:], fees, strict=False):
            place = frozenset((sold, bought)), fee
            amount, self._pools[place] = self._pools[place].sell(sold, amount)
        return amount

    def buy(self, tokens: list[str], fees: list[int], amount: int) -> int:
        for sold, bought, fee in reversed(list(zip(tokens, tokens[1:], fees, strict=False))):
            place = frozenset((sold, bought)), fee
            amount, self._pools[place] = self._pools[place].buy(bought, amount)
        return amount
