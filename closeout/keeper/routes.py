"""Ways from one token to another through pools, and what they come to when taken one after the other.

A `Depth` is what all pools look like; a swap gives the depth after it, so that whoever plans several sales quotes each
against what the ones before it left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from closeout.keeper.pools import LiquidityExhausted, Pool
from closeout.keeper.ports import PoolState
from closeout.units import WAD

__all__ = ["Depth", "Route", "Share", "encode_path"]

_FEE_BYTES = 3


def encode_path(tokens: Sequence[str], fees: Sequence[int]) -> bytes:
    """A path as FlashLiquidator and Uniswap's exact-input functions take it: sold, fee, token, ..., bought."""
    path = bytes.fromhex(tokens[0][2:])
    for fee, token in zip(fees, tokens[1:], strict=True):
        path += fee.to_bytes(_FEE_BYTES, "big") + bytes.fromhex(token[2:])
    return path


@dataclass(frozen=True, slots=True)
class Route:
    """Tokens from the one sold to the one bought, and the pool of each hop; no pool twice."""

    tokens: tuple[str, ...]
    pools: tuple[str, ...]
    fees: tuple[int, ...]

    @property
    def hops(self) -> int:
        return len(self.pools)

    @property
    def path(self) -> bytes:
        return encode_path(self.tokens, self.fees)


@dataclass(frozen=True, slots=True)
class Share:
    """An amount over one route: what goes in and what comes out; the part of what the shares before it leave."""

    route: Route
    sold: int
    bought: int
    part_wad: int = WAD


class Depth:
    """All pools at one point of a plan. Never changed: a swap makes another."""

    __slots__ = ("_beside", "_pools")

    def __init__(self, pools: Mapping[str, Pool], beside: Mapping[str, Sequence[Pool]]) -> None:
        self._pools, self._beside = pools, beside

    @classmethod
    def of(cls, states: Iterable[PoolState]) -> Depth:
        pools = {state.address: Pool.of(state) for state in states}
        beside: dict[str, list[Pool]] = {}
        for pool in pools.values():
            for token in pool.tokens:
                beside.setdefault(token, []).append(pool)
        return cls(pools, beside)

    # --------------------------------------------------------------------------------------------------------- routes

    def routes(self, sold: str, bought: str, most_hops: int) -> list[Route]:
        """Every way between two tokens that visits no token twice, shortest first."""
        return sorted(self._ways((sold,), (), (), bought, most_hops), key=lambda route: route.hops)

    def _ways(
        self, tokens: tuple[str, ...], pools: tuple[str, ...], fees: tuple[int, ...], bought: str, left: int
    ) -> Iterator[Route]:
        if tokens[-1] == bought:
            yield Route(tokens, pools, fees)
            return
        for pool in self._beside.get(tokens[-1], ()) if left else ():
            token = pool.other(tokens[-1])
            if token not in tokens and (left > 1 or token == bought):
                state = pool.state
                yield from self._ways((*tokens, token), (*pools, state.address), (*fees, state.fee), bought, left - 1)

    def rate(self, route: Route) -> float:
        """What the next unit sold along a route brings, in units: more than any amount does on the average."""
        rate = 1.0
        for address, token in zip(route.pools, route.tokens, strict=False):
            rate *= self._pools[address].rate(token)
        return rate

    # ---------------------------------------------------------------------------------------------------------- swaps

    def sell(self, route: Route, amount: int) -> tuple[int, Depth]:
        """What selling exactly `amount` along a route brings. Raises LiquidityExhausted."""
        after = dict(self._pools)
        for address, token in zip(route.pools, route.tokens, strict=False):
            swap = after[address].sell(token, amount)
            after[address], amount = swap.pool, swap.bought
        return amount, Depth(after, self._beside)

    def buy(self, route: Route, amount: int) -> tuple[int, Depth]:
        """What buying exactly `amount` along a route costs: from its end backwards. Raises LiquidityExhausted."""
        after = dict(self._pools)
        for address, token in zip(reversed(route.pools), reversed(route.tokens), strict=False):
            swap = after[address].buy(token, amount)
            after[address], amount = swap.pool, swap.sold
        return amount, Depth(after, self._beside)

    # -------------------------------------------------------------------------------------------------------- sharing

    def share_sale(self, routes: Sequence[Route], amount: int, slices: int) -> tuple[list[Share], Depth] | None:
        """The amount in slices, each where it brings most by then; None where the routes do not carry it."""
        return self._share(routes, amount, slices, is_sale=True)

    def share_purchase(self, routes: Sequence[Route], amount: int, slices: int) -> tuple[list[Share], Depth] | None:
        """The amount in slices, each where it costs least by then; None where the routes do not carry it."""
        return self._share(routes, amount, slices, is_sale=False)

    def _share(
        self, routes: Sequence[Route], amount: int, slices: int, *, is_sale: bool
    ) -> tuple[list[Share], Depth] | None:
        taken: dict[Route, int] = {}
        depth, left = self, amount
        for place in range(slices, 0, -1):
            part = left // place
            if not part:
                continue
            best: tuple[int, Route, Depth] | None = None
            for route in routes:
                quote = depth._quote(route, part, is_sale)
                if quote is None:
                    continue
                other, after = quote
                if best is None or (other > best[0] if is_sale else other < best[0]):
                    best = other, route, after
            if best is None:
                return None
            _, route, depth = best
            taken[route] = taken.get(route, 0) + part
            left -= part
        return self._settled(taken, is_sale)

    def _settled(self, taken: Mapping[Route, int], is_sale: bool) -> tuple[list[Share], Depth] | None:
        """What the routes come to with their parts in one piece, one route after the other, the largest part first."""
        depth, shares = self, []
        for route, part in sorted(taken.items(), key=lambda item: -item[1]):
            quote = depth._quote(route, part, is_sale)
            if quote is None:
                return None
            other, depth = quote
            shares.append(Share(route, part, other) if is_sale else Share(route, other, part))
        return shares, depth

    def _quote(self, route: Route, amount: int, is_sale: bool) -> tuple[int, Depth] | None:
        try:
            return self.sell(route, amount) if is_sale else self.buy(route, amount)
        except LiquidityExhausted:
            return None

    def best_sale(self, routes: Sequence[Route], amount: int) -> tuple[Share, Depth] | None:
        """The route that brings most for all of it; None where none carries it."""
        quotes = [(quote, route) for route in routes if (quote := self._quote(route, amount, True))]
        if not quotes:
            return None
        (bought, depth), route = max(quotes, key=lambda item: item[0][0])
        return Share(route, amount, bought), depth

    def best_purchase(self, routes: Sequence[Route], amount: int) -> tuple[Share, Depth] | None:
        """The route that costs least for all of it; None where none carries it."""
        quotes = [(quote, route) for route in routes if (quote := self._quote(route, amount, False))]
        if not quotes:
            return None
        (sold, depth), route = min(quotes, key=lambda item: item[0][0])
        return Share(route, sold, amount), depth
