"""Balances of all accounts as arrays: exact integers, and beside each the nearest float for the vectorised screen.

An account is a row; a balance is a slot, chained to the other slots of its row. A slot is never given up, only set to
0, so a row never has more of them than there are assets. Rows and slots are counted, never searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "Side"]

_LOW = 2**64 - 1
_NONE = -1
_FIRST_CAPACITY = 64

Floats = NDArray[np.float64]


class Rows:
    """The row of each account, in the order in which they were first seen."""

    def __init__(self) -> None:
        self._row_of: dict[int, int] = {}
        self._accounts: list[int] = []

    def __len__(self) -> int:
        return len(self._accounts)

    def account(self, row: int) -> int:
        return self._accounts[row]

    def find(self, account: int) -> int | None:
        return self._row_of.get(account)

    def add(self, account: int) -> int:
        """Its row; a new one where it has none."""
        row = self._row_of.get(account)
        if row is None:
            row = self._row_of[account] = len(self._accounts)
            self._accounts.append(account)
        return row


class Side:
    """One side of all accounts, collateral or debt shares: `closeout.indexer.AccountBalances` in arrays."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._count = 0
        self._row = np.zeros(_FIRST_CAPACITY, np.intp)
        self._asset = np.zeros(_FIRST_CAPACITY, np.uint8)
        self._next = np.full(_FIRST_CAPACITY, _NONE, np.int32)
        self._high = np.zeros(_FIRST_CAPACITY, np.uint64)
        self._low = np.zeros(_FIRST_CAPACITY, np.uint64)
        self._float = np.zeros(_FIRST_CAPACITY, np.float64)
        self._head = np.full(_FIRST_CAPACITY, _NONE, np.int32)

    # ------------------------------------------------------------------------------------------------------ balances

    def get(self, account: int, asset_id: int) -> int:
        row = self._rows.find(account)
        slot = _NONE if row is None else self._find(row, asset_id)
        return 0 if slot == _NONE else self._amount(slot)

    def put(self, account: int, asset_id: int, amount: int) -> None:
        row = self._rows.add(account)
        slot = self._find(row, asset_id)
        if slot == _NONE:
            if not amount:
                return
            slot = self._new_slot(row, asset_id)
        self._high[slot], self._low[slot] = amount >> 64, amount & _LOW
        self._float[slot] = float(amount)

    def row(self, account: int) -> dict[int, int]:
        row = self._rows.find(account)
        if row is None:
            return {}
        return {int(self._asset[slot]): amount for slot in self._slots(row) if (amount := self._amount(slot))}

    def accounts(self) -> Iterator[int]:
        held = np.unique(self._row[: self._count][self._float[: self._count] != 0])
        return (self._rows.account(int(row)) for row in held)

    def load(self, entries: Iterable[tuple[int, int, int]]) -> None:
        """Many balances at once, (account, asset id, amount), each account and asset once, into an empty side."""
        if self._count:
            raise ValueError("load: found balances, expected none")
        rows, assets, amounts = [], [], []
        for account, asset_id, amount in entries:
            rows.append(self._rows.add(account))
            assets.append(asset_id)
            amounts.append(amount)
        if not rows:
            return
        row = np.array(rows, np.intp)
        order = np.argsort(row, kind="stable")
        self._count = len(rows)
        self._row = row[order]
        self._asset = np.array(assets, np.uint8)[order]
        self._high = np.fromiter((amount >> 64 for amount in amounts), np.uint64, self._count)[order]
        self._low = np.fromiter((amount & _LOW for amount in amounts), np.uint64, self._count)[order]
        self._float = np.fromiter(map(float, amounts), np.float64, self._count)[order]
        # slots of one row lie side by side: each leads to the one after it, but for the row's last
        is_last = np.append(self._row[1:] != self._row[:-1], True)
        self._next = np.where(is_last, _NONE, np.arange(1, self._count + 1)).astype(np.int32)
        self._head = np.full(len(self._rows), _NONE, np.int32)
        is_first = np.append(True, is_last[:-1])
        self._head[self._row[is_first]] = np.flatnonzero(is_first)

    # ----------------------------------------------------------------------------------------------------------- sums

    def sums(self, weights: Floats) -> Floats:
        """By row, the float balances times the weight of their asset. `weights` by asset id, as many as there are.

        With n balances in a row a sum is within (n + 1) 2^-53 of the exact one, relatively: a balance and a product
        are rounded once each, and so is every addition after the first; nothing is ever taken away.
        """
        count = self._count
        worth = weights[self._asset[:count]]
        worth *= self._float[:count]
        totals: Floats = np.bincount(self._row[:count], worth, len(self._rows)).astype(np.float64, copy=False)
        return totals

    def holders(self, asset_ids: Iterable[int]) -> NDArray[np.intp]:
        """Rows that hold one of these assets."""
        wanted = np.zeros(256, bool)
        wanted[list(asset_ids)] = True
        count = self._count
        found: NDArray[np.intp] = np.unique(self._row[:count][wanted[self._asset[:count]] & (self._float[:count] != 0)])
        return found

    # ---------------------------------------------------------------------------------------------------------- slots

    def _amount(self, slot: int) -> int:
        return int(self._high[slot]) << 64 | int(self._low[slot])

    def _slots(self, row: int) -> Iterator[int]:
        slot = int(self._head[row]) if row < len(self._head) else _NONE
        while slot != _NONE:
            yield slot
            slot = int(self._next[slot])

    def _find(self, row: int, asset_id: int) -> int:
        for slot in self._slots(row):
            if self._asset[slot] == asset_id:
                return slot
        return _NONE

    def _new_slot(self, row: int, asset_id: int) -> int:
        slot = self._count
        if slot == len(self._row):
            for name in ("_row", "_asset", "_next", "_high", "_low", "_float"):
                old = getattr(self, name)
                setattr(self, name, _grown(old, 2 * len(old)))
        if row >= len(self._head):
            grown = _grown(self._head, max(2 * len(self._head), row + 1))
            grown[len(self._head) :] = _NONE
            self._head = grown
        self._count += 1
        self._row[slot], self._asset[slot] = row, asset_id
        self._next[slot], self._head[row] = self._head[row], slot
        return slot


def _grown(old: NDArray[Any], size: int) -> NDArray[Any]:
    grown: NDArray[Any] = np.zeros(size, old.dtype)
    grown[: len(old)] = old
    return grown
