"""Balances and what they are worth: sections 1 and 2 of docs/liquidation.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from closeout.model._quotes import Status
from closeout.model._rounding import MAX_UINT256, mul_div_down, mul_div_up
from closeout.units import WAD

INDEX_ONE = 10**17
"""Debt index at the start: 17 decimals."""

MAX_INDEX = 2**72 - 1
SHARES_PER_UNIT_AT_ONE = 100
_SHARE_SCALE = INDEX_ONE * SHARES_PER_UNIT_AT_ONE
_VALUE_PER_WAD = 10**9
_WEIGHT = 10**14
"""WAD over bps: turns a weighted value over a value into WAD."""

_POWERS: tuple[int, ...] = tuple(10**n for n in range(64))


@dataclass(frozen=True, slots=True)
class CollateralPosition:
    """One collateral of one account, at the price that decides (WAD per whole token).

    `exchange_wad`: what it is exchanged at where its price is degraded.
    """

    asset_id: int
    amount: int
    price_wad: int
    decimals: int
    threshold_bps: int
    max_bonus_bps: int
    status: Status = Status.FRESH
    exchange_wad: int = 0

    @property
    def value(self) -> int:
        """RAY, rounded down."""
        return units_value(self.amount, self.price_wad, self.decimals)

    @property
    def exchanged(self) -> CollateralPosition:
        """The same at the price that amounts are exchanged at."""
        return self if self.status is Status.FRESH else replace(self, price_wad=self.exchange_wad)


@dataclass(frozen=True, slots=True)
class DebtPosition:
    """One debt of one account, at one index (17 decimals) and the price that decides (WAD per whole token).

    `exchange_wad`: what it is exchanged at where its price is degraded.
    """

    asset_id: int
    shares: int
    index: int
    price_wad: int
    decimals: int
    status: Status = Status.FRESH
    exchange_wad: int = 0

    @property
    def value(self) -> int:
        """RAY, rounded up: from the shares, exactly."""
        return -(-self.shares * self.index * self.price_wad // _POWERS[self.decimals + 10])

    @property
    def units(self) -> int:
        """Token units, rounded up."""
        return debt_units_up(self.shares, self.index)

    @property
    def exchanged(self) -> DebtPosition:
        """The same at the price that amounts are exchanged at."""
        return self if self.status is Status.FRESH else replace(self, price_wad=self.exchange_wad)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Sums over one account, over its collateral that has a price, and over the sets of a request.

    Values in RAY, weighted values in RAY times bps.
    """

    collateral_value: int
    weighted_collateral: int
    debt_value: int
    priced_collateral_value: int
    priced_weighted_collateral: int
    priced_bonus_weighted_collateral: int
    set_collateral_value: int
    set_weighted_collateral: int
    set_bonus_weighted_collateral: int
    set_debt_value: int

    @property
    def is_whole_collateral(self) -> bool:
        """The set holds all the value that has a price: collateral without value is in no set."""
        return self.set_collateral_value == self.priced_collateral_value

    @property
    def health_factor_wad(self) -> int:
        """Of the whole account, WAD, rounded down; the largest uint256 without debt."""
        return health_factor(self.weighted_collateral, self.debt_value)


@dataclass(frozen=True, slots=True)
class Decided:
    """What an account, and the sets of a request, are worth at the prices that decide; RAY."""

    collateral_value: int
    debt_value: int
    set_collateral_value: int
    set_debt_value: int

    def cover(self, bonus_floor_wad: int) -> int:
        """What there is beyond the debt and the smallest penalty on it, RAY times WAD; below 0: insolvent."""
        return self.collateral_value * WAD - self.debt_value * (WAD + bonus_floor_wad)


def units_value(units: int, price_wad: int, decimals: int) -> int:
    """What token units are worth, RAY, rounded down."""
    return units * price_wad * _VALUE_PER_WAD // _POWERS[decimals]


def debt_units_up(shares: int, index: int) -> int:
    """What `shares` of a debt are in token units, rounded up: against the borrower."""
    return -(-shares * index // _SHARE_SCALE)


def debt_units_down(shares: int, index: int) -> int:
    """What `shares` of a debt are in token units, rounded down."""
    return shares * index // _SHARE_SCALE


def debt_part_up(shares: int, index: int, part: int, whole: int) -> int:
    """Of what `shares` of a debt are, the fraction `part / whole` in token units, rounded up once."""
    return mul_div_up(shares * index, part, whole * _SHARE_SCALE)


def debt_part_down(shares: int, index: int, part: int, whole: int) -> int:
    """Of what `shares` of a debt are, the fraction `part / whole` in token units, rounded down once."""
    return mul_div_down(shares * index, part, whole * _SHARE_SCALE)


def debt_shares_up(units: int, index: int) -> int:
    """Shares minted for `units` borrowed, rounded up: against the borrower."""
    return -(-units * _SHARE_SCALE // index)


def debt_shares_down(units: int, index: int) -> int:
    """Shares burnt for `units` repaid, rounded down: against the borrower."""
    return units * _SHARE_SCALE // index


def health_factor(weighted_collateral: int, debt_value: int) -> int:
    """WAD, rounded down; the largest uint256 without debt. `weighted_collateral` in RAY times bps, debt in RAY."""
    return weighted_collateral * _WEIGHT // debt_value if debt_value else MAX_UINT256


def is_unhealthy(health_factor_wad: int) -> bool:
    """Below the maintenance margin."""
    return health_factor_wad < WAD


def take_snapshot(
    collaterals: Iterable[CollateralPosition],
    debts: Iterable[DebtPosition],
    collateral_set: frozenset[int] | None = None,
    debt_set: frozenset[int] | None = None,
) -> Snapshot:
    """Sums over an account's positions; sets are asset ids, None meaning all.

    What is in a set counts at the price it is exchanged at, everything else at the price that decides. Exact sums, so
    the order of the positions cannot matter.
    """
    value = weighted = priced_value = priced_weighted = priced_bonus_weighted = 0
    set_value = set_weighted = set_bonus_weighted = 0
    for collateral in collaterals:
        has_price = collateral.status is not Status.MISSING
        taken = collateral.exchanged.value if has_price else 0
        is_taken = taken > 0 and (collateral_set is None or collateral.asset_id in collateral_set)
        worth = taken if is_taken else collateral.value
        value += worth
        weighted += worth * collateral.threshold_bps
        if has_price:
            priced_value += worth
            priced_weighted += worth * collateral.threshold_bps
            priced_bonus_weighted += worth * collateral.max_bonus_bps
        if is_taken:
            set_value += worth
            set_weighted += worth * collateral.threshold_bps
            set_bonus_weighted += worth * collateral.max_bonus_bps
    owed = set_owed = 0
    for debt in debts:
        is_taken = debt.status is not Status.MISSING and (debt_set is None or debt.asset_id in debt_set)
        worth = debt.exchanged.value if is_taken else debt.value
        owed += worth
        if is_taken:
            set_owed += worth
    return Snapshot(
        collateral_value=value,
        weighted_collateral=weighted,
        debt_value=owed,
        priced_collateral_value=priced_value,
        priced_weighted_collateral=priced_weighted,
        priced_bonus_weighted_collateral=priced_bonus_weighted,
        set_collateral_value=set_value,
        set_weighted_collateral=set_weighted,
        set_bonus_weighted_collateral=set_bonus_weighted,
        set_debt_value=set_owed,
    )


def take_decided(
    collaterals: Iterable[CollateralPosition],
    debts: Iterable[DebtPosition],
    collateral_set: frozenset[int] | None = None,
    debt_set: frozenset[int] | None = None,
) -> Decided:
    """Values of an account's positions and of its sets, all at the prices that decide."""
    held, owed = list(collaterals), list(debts)
    seizable = {c.asset_id for c in selected_collaterals(held, collateral_set)}
    repayable = {debt.asset_id for debt in selected_debts(owed, debt_set)}
    return Decided(
        collateral_value=sum(c.value for c in held),
        debt_value=sum(debt.value for debt in owed),
        set_collateral_value=sum(c.value for c in held if c.asset_id in seizable),
        set_debt_value=sum(debt.value for debt in owed if debt.asset_id in repayable),
    )


def selected_collaterals(
    collaterals: Iterable[CollateralPosition], collateral_set: frozenset[int] | None
) -> list[CollateralPosition]:
    """The positions that a set holds, at exchange prices: named, with a price, and worth something at it."""
    named = (c.exchanged for c in collaterals if collateral_set is None or c.asset_id in collateral_set)
    return [c for c in named if c.status is not Status.MISSING and c.value]


def selected_debts(debts: Iterable[DebtPosition], debt_set: frozenset[int] | None) -> list[DebtPosition]:
    """The debts that a set holds, at exchange prices: named, and with a price."""
    named = (d.exchanged for d in debts if debt_set is None or d.asset_id in debt_set)
    return [d for d in named if d.status is not Status.MISSING]
