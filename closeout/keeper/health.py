"""Which accounts may be unhealthy: one vectorised step over all, then exact integers for the few it leaves.

The screen misses none. Let u = 2^-53. A weight is one correctly rounded quotient of integers; with at most n = 10
balances a side, a float sum is within (n + 2) u of the exact one, relatively, and a comparison of two such sums, each
widened by one more product, within 2 (n + 4) u = 28 u < 2^-48. The integers of docs/liquidation.md round each
collateral down and each debt up by less than 1e-27 USD: 10 and 5 of them are within 16e-27. So whatever is above its
level by more than 2^-48 and 16e-27 USD is above it in exact integers too; everything else is a suspect and is asked in
integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from closeout.keeper.book import Floats, Rows, Side
from closeout.keeper.ports import AccountLine, Candidate, Configuration, Price, PriceStatus
from closeout.model import CollateralPosition, DebtPosition, Snapshot, div_up, take_snapshot
from closeout.units import BPS, RAY, WAD

__all__ = ["Screen", "Valuation"]

_RELATIVE = 2.0**-48
_ABSOLUTE_USD = 16e-27
_RAY_PER_WAD = 10**9


@dataclass(frozen=True, slots=True)
class Valuation:
    """What balances are worth at one block: prices, configuration, debt indices, all by asset id."""

    configuration: Configuration
    prices: tuple[Price, ...]
    indices: tuple[int, ...]
    now: int

    def collateral_weights(self) -> Floats:
        """USD of maintenance value per token unit, by asset id."""
        return np.array(
            [
                price.collateral_wad * asset.threshold_bps(self.now) / (10**asset.parameters.decimals * BPS * WAD)
                for asset, price in zip(self.configuration.assets, self.prices, strict=True)
            ],
            np.float64,
        )

    def debt_weights(self) -> Floats:
        """USD per debt share, by asset id."""
        return np.array(
            [
                index * price.debt_wad / (10 ** (asset.parameters.decimals + 10) * RAY)
                for asset, price, index in zip(self.configuration.assets, self.prices, self.indices, strict=True)
            ],
            np.float64,
        )

    def collaterals(self, row: Mapping[int, int]) -> list[CollateralPosition]:
        """Balances in token units as the model takes them, at deciding prices."""
        positions = []
        for asset_id, amount in sorted(row.items()):
            asset = self.configuration.assets[asset_id]
            positions.append(
                CollateralPosition(
                    asset_id,
                    amount,
                    self.prices[asset_id].collateral_wad,
                    asset.parameters.decimals,
                    asset.threshold_bps(self.now),
                    asset.parameters.max_bonus_bps,
                )
            )
        return positions

    def debts(self, row: Mapping[int, int]) -> list[DebtPosition]:
        """Debt shares as the model takes them, at deciding prices."""
        return [
            DebtPosition(
                asset_id,
                shares,
                self.indices[asset_id],
                self.prices[asset_id].debt_wad,
                self.configuration.assets[asset_id].parameters.decimals,
            )
            for asset_id, shares in sorted(row.items())
        ]

    def is_unpriced(self, assets: Sequence[int]) -> bool:
        """Whether one of these assets has no price."""
        return any(self.prices[asset_id].status is PriceStatus.MISSING for asset_id in assets)


class Screen:
    """All accounts' health at the last valuation. Levels are health factors below which an account is a candidate."""

    def __init__(self, rows: Rows, collateral: Side, debt_shares: Side) -> None:
        self._rows, self._collateral, self._debt_shares = rows, collateral, debt_shares
        self._maintenance: Floats = np.zeros(0)
        self._debt: Floats = np.zeros(0)
        self._valuation: Valuation | None = None

    def revalue(self, valuation: Valuation) -> None:
        """Every account anew: interest moves every debt in every block, so nothing is kept from the one before."""
        self._valuation = valuation
        self._maintenance = self._collateral.sums(valuation.collateral_weights())
        self._debt = self._debt_shares.sums(valuation.debt_weights())

    def suspects(self, level_wad: int = WAD, levels_wad: Mapping[int, int] | None = None) -> list[int]:
        """Accounts with debt that may be below `level_wad`, or their own level in `levels_wad`: never one too few."""
        level: Floats | float = level_wad / WAD
        if levels_wad:
            level = np.full(len(self._debt), level)
            for account, own in levels_wad.items():
                row = self._rows.find(account)
                if row is not None and row < len(level):
                    level[row] = max(level_wad, own) / WAD
        most = self._debt * (1 + _RELATIVE) + _ABSOLUTE_USD
        most *= level
        least = self._maintenance * (1 - _RELATIVE) - _ABSOLUTE_USD
        rows: NDArray[np.intp] = np.flatnonzero((least < most) & (self._debt > 0))
        return [self._rows.account(int(row)) for row in rows]

    def candidates(self, level_wad: int = WAD, levels_wad: Mapping[int, int] | None = None) -> list[Candidate]:
        """Accounts below their level in exact integers, lowest health factor first, then by account."""
        own = levels_wad or {}
        found = []
        for account in self.suspects(level_wad, levels_wad):
            candidate = self.exact(account)
            if candidate.health_factor_wad < max(level_wad, own.get(account, 0)):
                found.append(candidate)
        return sorted(found, key=lambda one: (one.health_factor_wad, one.account))

    def exact(self, account: int) -> Candidate:
        """One account in the model's integers."""
        valuation = self._known()
        held, owed = self._collateral.row(account), self._debt_shares.row(account)
        snapshot: Snapshot = take_snapshot(valuation.collaterals(held), valuation.debts(owed))
        return Candidate(
            account=account,
            health_factor_wad=snapshot.health_factor_wad,
            debt_value_wad=div_up(snapshot.debt_value, _RAY_PER_WAD),
            collateral_value_wad=snapshot.collateral_value // _RAY_PER_WAD,
            is_unpriced=valuation.is_unpriced([*held, *owed]),
        )

    def nearest(self, count: int) -> list[AccountLine]:
        """The accounts with debt of the lowest health factors, in order."""
        rows = np.flatnonzero(self._debt > 0)
        ratio = self._maintenance[rows] / self._debt[rows]
        if count < len(rows):
            rows = rows[np.argpartition(ratio, count)[:count]] if count else rows[:0]
        lines = []
        for row in rows:
            one = self.exact(self._rows.account(int(row)))
            lines.append(AccountLine(one.account, one.health_factor_wad, one.collateral_value_wad, one.debt_value_wad))
        return sorted(lines, key=lambda line: (line.health_factor_wad, line.account))

    @property
    def touched(self) -> int:
        """Accounts with debt at the last valuation."""
        return int(np.count_nonzero(self._debt))

    def _known(self) -> Valuation:
        if self._valuation is None:
            raise ValueError("revalue first")
        return self._valuation
