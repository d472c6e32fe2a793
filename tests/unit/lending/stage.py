"""What the lending tests build on the standard world: markets with interest, and exact totals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from closeout.chain.parameters import BorrowParameters, CollateralParameters
from tests.support.node import Deployed, Reverted
from tests.support.world import Asset, World

__all__ = [
    "INDEX_ONE",
    "KINKED",
    "MAX_INDEX",
    "MAX_RATE",
    "YEAR",
    "Books",
    "books",
    "check_books",
    "exponential",
    "parameters_of",
    "set_borrowing",
    "set_collateral",
    "with_interest",
]

YEAR = 31_536_000
INDEX_ONE = 10**17
MAX_INDEX = 2**72 - 1
MAX_RATE = 2**32 - 1
RATE = 10**9
VIRTUAL_SHARES = 10**6

# 1 % + 4 % up to 80 % utilisation, 75 % above it
KINKED = {"base": RATE // 100, "slope1": RATE // 25, "slope2": 3 * RATE // 4, "kink": 8 * 10**17}


def parameters_of(world: World, asset: Asset) -> BorrowParameters:
    return world.listings[asset.id][1]


def set_borrowing(world: World, asset: Asset, **changes: Any) -> None:
    """Changes parameters of an asset as something to borrow; those as collateral stay."""
    as_collateral, borrowing = world.listings[asset.id]
    _set_asset(world, asset, as_collateral, replace(borrowing, **changes), 0)


def set_collateral(world: World, asset: Asset, *, ramp: int = 0, **changes: Any) -> None:
    """Changes parameters of an asset as collateral; those as something to borrow stay."""
    as_collateral, borrowing = world.listings[asset.id]
    _set_asset(world, asset, replace(as_collateral, **changes), borrowing, ramp)


def _set_asset(
    world: World, asset: Asset, as_collateral: CollateralParameters, borrowing: BorrowParameters, ramp: int
) -> None:
    before = world.listings[asset.id]
    try:
        world.set_asset(asset, as_collateral, borrowing, ramp=ramp)
    except Reverted:
        world.listings[asset.id] = before
        raise


def with_interest(world: World, *assets: Asset, reserve_factor: int = 1000, **rates: int) -> World:
    """Switches interest on, at the kinked rates unless others are given."""
    for asset in assets:
        set_borrowing(world, asset, reserve_factor=reserve_factor, **(rates or KINKED))
    return world


@dataclass(frozen=True)
class Books:
    """What the Vault says of one asset, now."""

    idle: int
    debt: int
    shares: int
    index: int
    rate: int
    held: int

    @property
    def supply_assets(self) -> int:
        return self.idle + self.debt

    @property
    def share_price(self) -> Fraction:
        """What a share is worth with the virtual ones counted, exact."""
        return Fraction(self.supply_assets + 1, self.shares + VIRTUAL_SHARES)


def books(world: World, asset: Asset) -> Books:
    return Books(*world.vault.marketOf(asset.id), world.balance(asset, world.vault))


def check_books(world: World, accounts: list[int], holders: list[str | Deployed]) -> None:
    """P1, and that the parts add up: supply shares to the unit, debts to what rounding up leaves."""
    everybody = [*holders, world.treasury, world.fund, world.splitter]
    positions = [world.position(account) for account in accounts]
    for asset in world.assets:
        now = books(world, asset)
        collateral = sum(held.get(asset.id, 0) for held, _ in positions)
        owed = [owed[asset.id] for _, owed in positions if asset.id in owed]
        claims = sum(world.vault.claimOf(holder, asset.id) for holder in everybody)
        assert now.held >= now.idle + collateral + claims, f"P1: {asset.symbol}"
        assert sum(world.vault.supplySharesOf(asset.id, holder) for holder in everybody) == now.shares
        assert now.debt <= sum(owed) <= now.debt + len(owed) + now.index // 10**19


def exponential(x: Fraction, digits: int = 60) -> Fraction:
    """e^x for 0 <= x, right to 40 digits and more: a Taylor series of x / 2^k, squared k times."""
    halvings = max(0, int(x).bit_length() + 4)
    y = x / 2**halvings
    term = total = Fraction(1)
    for n in range(1, 60):
        term = term * y / n
        total += term
    for _ in range(halvings):
        total = Fraction(round(total * total * 10**digits), 10**digits)
    return total
