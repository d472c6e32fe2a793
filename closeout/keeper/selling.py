"""Turns a seized basket into what is owed, through pools, as FlashLiquidator will carry it out sale by sale.

Largest collateral first: it buys exactly what is missing of a debt where it suffices, and is sold whole towards it
where it does not; a leg is shared out over several pools where that earns more than the gas of another swap. The
figures are the contract's own, to the unit, against the pools as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from closeout.keeper.ports import Sale, SaleKind
from closeout.keeper.routes import Depth, Route, Share
from closeout.model import mul_div_down, mul_div_up
from closeout.units import WAD, WAD_DECIMALS

__all__ = ["Basket", "Seller", "Worth"]

_MOST_ROUTES = 24
"""Of a pair, shortest first: beyond them are detours through ever thinner pools."""
_QUOTED = 6
"""Of them, those whose next unit is cheapest are quoted for the whole amount, and every one of a single hop."""
_SHARED = 4
"""Routes that one leg is shared out over at most: each costs the gas of a swap."""


@dataclass(frozen=True, slots=True)
class Worth:
    """What tokens are worth, by address: exchange price (WAD per whole token), decimals. Others are worth nothing."""

    prices: Mapping[str, tuple[int, int]]

    def of(self, token: str, units: int) -> int:
        """WAD USD, rounded down."""
        price, decimals = self.prices.get(token, (0, 0))
        return units * price // int(10**decimals)

    def unit(self, token: str) -> float:
        """USD per token unit, for a first look."""
        price, decimals = self.prices.get(token, (0, 0))
        return float(price) / float(10 ** (decimals + WAD_DECIMALS))

    def of_all(self, units: Mapping[str, int]) -> int:
        """WAD USD."""
        return sum(self.of(token, amount) for token, amount in units.items())


@dataclass(slots=True)
class Basket:
    """Sales that settle a close-out, the pools after them, and the token units left over."""

    sales: list[Sale]
    held: dict[str, int]
    depth: Depth
    hops: int = 0
    left: dict[str, int] = field(default_factory=dict)


class Seller:
    """Quotes baskets. `hop_cost_wad`: gas of one more swap, USD.

    `unsold_discount_wad`: the part by which a seized token that is kept is worth less than the oracle says: it is still
    to be sold.
    """

    def __init__(
        self, worth: Worth, hop_cost_wad: int, *, most_hops: int = 3, slices: int = 8, unsold_discount_wad: int = 0
    ) -> None:
        self._worth, self._hop_cost = worth, hop_cost_wad
        self._most_hops, self._slices, self._discount = most_hops, slices, unsold_discount_wad
        self._routes: dict[tuple[str, str], list[Route]] = {}

    def settle(self, depth: Depth, seized: Mapping[str, int], owed: Mapping[str, int]) -> Basket | None:
        """The better of keeping and of selling what is not needed; None where the pools do not carry it."""
        kept, sold = (self._settled(depth, seized, owed, sells_rest=choice) for choice in (False, True))
        if kept is None or sold is None:
            return kept or sold
        return kept if self.value(kept, owed) > self.value(sold, owed) else sold

    def value(self, basket: Basket, owed: Mapping[str, int]) -> int:
        """What a basket leaves over, less the gas of its swaps, WAD USD."""
        kept = {token: units for token, units in basket.left.items() if token not in owed}
        discount = mul_div_up(self._worth.of_all(kept), self._discount, WAD)
        return self._worth.of_all(basket.left) - discount - basket.hops * self._hop_cost

    def routes(self, depth: Depth, sold: str, bought: str) -> list[Route]:
        """Ways between two tokens; the pools there are do not change while a block is planned."""
        known = self._routes.get((sold, bought))
        if known is None:
            known = depth.routes(sold, bought, self._most_hops)[:_MOST_ROUTES]
            self._routes[sold, bought] = known
        return known

    def best_rate(self, depth: Depth, seized: Mapping[str, int], owed: Mapping[str, int]) -> float:
        """The most that a dollar of what is seized can bring of what is owed, at the oracle's prices.

        The next unit of a pool is its cheapest, so no sale does better on the average: where this times what is seized
        is less than what is owed, no fill can be settled from it.
        """
        best = 0.0
        for token in seized:
            for target in owed:
                price_in, price_out = self._worth.unit(token), self._worth.unit(target)
                for route in self.routes(depth, token, target) if price_in else ():
                    best = max(best, depth.rate(route) * price_out / price_in)
        return best

    def _quoted(self, depth: Depth, sold: str, bought: str) -> list[Route]:
        routes = self.routes(depth, sold, bought)
        if len(routes) <= _QUOTED:
            return routes
        cheapest = sorted(routes, key=lambda route: -depth.rate(route))[:_QUOTED]
        return cheapest + [route for route in routes if route.hops == 1 and route not in cheapest]

    # --------------------------------------------------------------------------------------------------------- basket

    def _settled(
        self, depth: Depth, seized: Mapping[str, int], owed: Mapping[str, int], *, sells_rest: bool
    ) -> Basket | None:
        basket = Basket([], dict(seized), depth)
        for token in sorted(seized, key=lambda one: (-self._worth.of(one, seized[one]), one)):
            self._spend(basket, token, owed, sells_rest=sells_rest)
        # what one debt's token has too much may buy another's
        for token in owed:
            for target in self._missing(basket, owed):
                if basket.held.get(token, 0) > owed[token]:
                    self._buy(basket, token, target, basket.held[token] - owed[token], owed)
        if self._missing(basket, owed):
            return None
        basket.left = {token: rest for token, units in basket.held.items() if (rest := units - owed.get(token, 0)) > 0}
        return basket

    def _missing(self, basket: Basket, owed: Mapping[str, int]) -> list[str]:
        """Debts that are not covered yet, the largest first."""
        short = {token: units - basket.held.get(token, 0) for token, units in owed.items()}
        return sorted(
            (token for token, units in short.items() if units > 0),
            key=lambda token: (-self._worth.of(token, short[token]), token),
        )

    def _spend(self, basket: Basket, token: str, owed: Mapping[str, int], *, sells_rest: bool) -> None:
        """One collateral, towards whatever is missing."""
        missing = self._missing(basket, owed)
        for place, target in enumerate(missing):
            prefers_sale = sells_rest and place == len(missing) - 1
            if prefers_sale and self._sell(basket, token, target):
                return
            if self._buy(basket, token, target, basket.held[token], owed):
                continue
            if not prefers_sale and self._sell(basket, token, target):
                return
        if sells_rest and not missing and owed:
            target = max(owed, key=lambda one: self._worth.of(one, owed[one]))
            if self._worth.of(token, basket.held[token]) > self._hop_cost:
                self._sell(basket, token, target)

    # ----------------------------------------------------------------------------------------------------------- legs

    def _buy(self, basket: Basket, token: str, target: str, most: int, owed: Mapping[str, int]) -> bool:
        """Buys all that is missing of a debt, for at most so much of a token; False where that is not enough."""
        missing = owed[target] - basket.held.get(target, 0)
        routes = self._quoted(basket.depth, token, target)
        if not routes or missing <= 0 or most <= 0:
            return False
        single = basket.depth.best_purchase(routes, missing)
        found = self._better(basket.depth, token, routes, missing, single, is_sale=False)
        if found is None or sum(share.sold for share in found[0]) > most:
            return False
        shares, basket.depth = found
        _book(basket, SaleKind.BUY_MISSING, shares)
        basket.held[token] -= sum(share.sold for share in shares)
        basket.held[target] = owed[target]
        return True

    def _sell(self, basket: Basket, token: str, target: str) -> bool:
        """Sells all of a collateral towards a debt; False where the pools do not carry it."""
        amount = basket.held[token]
        routes = self._quoted(basket.depth, token, target)
        if not routes or amount <= 0:
            return False
        single = basket.depth.best_sale(routes, amount)
        found = self._better(basket.depth, target, routes, amount, single, is_sale=True)
        if found is None:
            return False
        shares, basket.depth = found
        _book(basket, SaleKind.SELL_ALL, shares)
        basket.held[token] = 0
        basket.held[target] = basket.held.get(target, 0) + sum(share.bought for share in shares)
        return True

    def _better(
        self,
        depth: Depth,
        paid_in: str,
        routes: Sequence[Route],
        amount: int,
        single: tuple[Share, Depth] | None,
        *,
        is_sale: bool,
    ) -> tuple[list[Share], Depth] | None:
        """One route, or several where they earn more than their gas; `paid_in`: the token of what is compared."""
        if single is not None and len(routes) == 1:
            return [single[0]], single[1]
        if single is not None and not self._may_pay(depth, paid_in, single[0], amount, is_sale=is_sale):
            return [single[0]], single[1]
        best = self._best_routes(depth, routes, amount, is_sale=is_sale)
        share = depth.share_sale if is_sale else depth.share_purchase
        shared = share(best, amount, self._slices)
        if shared is not None:
            exact = self._as_carried_out(depth, shared[0], amount, is_sale=is_sale)
            shared = exact or None
        if shared is None or single is None:
            return shared or (None if single is None else ([single[0]], single[1]))
        more_hops = sum(one.route.hops for one in shared[0]) - single[0].route.hops
        if is_sale:
            gain = self._worth.of(paid_in, sum(one.bought for one in shared[0]) - single[0].bought)
        else:
            gain = self._worth.of(paid_in, single[0].sold - sum(one.sold for one in shared[0]))
        return shared if gain > more_hops * self._hop_cost else ([single[0]], single[1])

    def _may_pay(self, depth: Depth, paid_in: str, single: Share, amount: int, *, is_sale: bool) -> bool:
        """Whether the price impact on one route is worth more than a swap: no sharing can save more than all of it."""
        part = amount // self._slices
        if not part:
            return False
        if is_sale:
            bought, _ = depth.sell(single.route, part)
            impact = bought * self._slices - single.bought
        else:
            sold, _ = depth.buy(single.route, part)
            impact = single.sold - sold * self._slices
        return self._worth.of(paid_in, max(0, impact)) > self._hop_cost

    def _best_routes(self, depth: Depth, routes: Sequence[Route], amount: int, *, is_sale: bool) -> list[Route]:
        """The few that are best for one slice."""
        part = max(1, amount // self._slices)
        quotes = []
        for route in routes:
            found = depth.best_sale([route], part) if is_sale else depth.best_purchase([route], part)
            if found is not None:
                quotes.append((-found[0].bought if is_sale else found[0].sold, route))
        return [route for _, route in sorted(quotes, key=lambda item: item[0])[:_SHARED]]

    def _as_carried_out(
        self, depth: Depth, shares: Sequence[Share], amount: int, *, is_sale: bool
    ) -> tuple[list[Share], Depth] | None:
        """The shares with the amounts that the contract makes of their parts."""
        exact, left = [], amount
        for place, share in enumerate(shares):
            wanted = share.sold if is_sale else share.bought
            part = WAD if place == len(shares) - 1 else mul_div_down(wanted, WAD, left)
            taken = mul_div_down(left, part, WAD) if is_sale else mul_div_up(left, part, WAD)
            found = depth.best_sale([share.route], taken) if is_sale else depth.best_purchase([share.route], taken)
            if found is None:
                return None
            one, depth = found
            exact.append(replace(one, part_wad=part))
            left -= taken
        return exact, depth


def _book(basket: Basket, kind: SaleKind, shares: Sequence[Share]) -> None:
    for share in shares:
        basket.sales.append(Sale(kind, share.route.path, share.part_wad))
        basket.hops += share.route.hops
