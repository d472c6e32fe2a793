"""What is known of a price: section 2 of docs/liquidation.md."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Status(IntEnum):
    """A price's status, as in IOracleRouter.sol."""

    FRESH = 0
    DEGRADED = 1
    MISSING = 2


@dataclass(frozen=True, slots=True)
class Quote:
    """An asset's prices, WAD per whole token.

    `collateral_wad` and `debt_wad` decide what an account is; amounts are exchanged at `exchange_wad` (missing: 0).
    """

    status: Status
    collateral_wad: int
    debt_wad: int
    exchange_wad: int

    @classmethod
    def fresh(cls, price_wad: int) -> Quote:
        """Nothing is in doubt."""
        return cls(Status.FRESH, price_wad, price_wad, price_wad)

    @classmethod
    def degraded(cls, low_wad: int, high_wad: int, primary_wad: int) -> Quote:
        """In doubt from `low_wad` to `high_wad`, exchanged at the primary source's figure between the two."""
        return cls(Status.DEGRADED, high_wad, low_wad, primary_wad)

    @classmethod
    def missing(cls, last_good_wad: int, cut_wad: int | None = None) -> Quote:
        """No price. `cut_wad`: what is left of the last good one of a collateral; None: all of it."""
        return cls(Status.MISSING, last_good_wad if cut_wad is None else cut_wad, last_good_wad, 0)

    @property
    def is_fresh(self) -> bool:
        """Nothing is in doubt."""
        return self.status is Status.FRESH
