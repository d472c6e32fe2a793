"""What changed since the last block, with what was there before: to store it, and to take it back."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from enum import IntEnum
from typing import Generic, TypeVar

from closeout.indexer import AccountBalances

__all__ = ["Entry", "Journal", "JournaledBalances", "JournaledTable", "Kind"]

Key = TypeVar("Key")
Value = TypeVar("Value")


class Kind(IntEnum):
    """What an entry of the database is about. Never renumbered."""

    COLLATERAL = 0
    DEBT_SHARES = 1
    SUPPLY_SHARES = 2
    CLAIM = 3
    MARKET = 4
    RESERVE = 5
    PENALTY = 6
    DELEVERAGE = 7


Entry = tuple[Kind, object]
"""A kind and the key of its table."""


class Journal:
    """The first old value of everything written since the last `take`; None: there was nothing."""

    def __init__(self) -> None:
        self._old: dict[Entry, object | None] = {}

    def note(self, kind: Kind, key: object, old: object | None) -> None:
        self._old.setdefault((kind, key), old)

    def take(self) -> dict[Entry, object | None]:
        """The old values, and forgets them."""
        old, self._old = self._old, {}
        return old


class JournaledTable(MutableMapping[Key, Value], Generic[Key, Value]):
    """A dictionary whose writes are noted."""

    def __init__(self, kind: Kind, journal: Journal) -> None:
        self._kind, self._journal = kind, journal
        self._items: dict[Key, Value] = {}

    def __getitem__(self, key: Key) -> Value:
        return self._items[key]

    def __setitem__(self, key: Key, value: Value) -> None:
        self._journal.note(self._kind, key, self._items.get(key))
        self._items[key] = value

    def __delitem__(self, key: Key) -> None:
        self._journal.note(self._kind, key, self._items[key])
        del self._items[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def restore(self, key: Key, value: Value | None) -> None:
        """Writes without a note; None removes."""
        if value is None:
            self._items.pop(key, None)
        else:
            self._items[key] = value


class JournaledBalances:
    """Balances of accounts whose writes are noted; keys of the notes are (account, asset id)."""

    def __init__(self, kind: Kind, journal: Journal, balances: AccountBalances) -> None:
        self._kind, self._journal, self._balances = kind, journal, balances
        self.get, self.row, self.accounts = balances.get, balances.row, balances.accounts

    def put(self, account: int, asset_id: int, amount: int) -> None:
        self._journal.note(self._kind, (account, asset_id), self._balances.get(account, asset_id) or None)
        self._balances.put(account, asset_id, amount)

    def restore(self, key: tuple[int, int], value: int | None) -> None:
        """Writes without a note; None removes."""
        self._balances.put(*key, value or 0)
