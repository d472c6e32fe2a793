"""The twin's storage: tables of immutable rows with an undo log, so that an action happens wholly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from closeout.model._interest import Market

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, order=True)
class AccountId:
    """An account: the owner's name and an index of his choice."""

    owner: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What an account holds, in ascending asset ids, and its times (seconds; 0: never)."""

    collateral_ids: tuple[int, ...] = ()
    debt_ids: tuple[int, ...] = ()
    called_at: int = 0
    acted_at: int = 0


@dataclass(frozen=True, slots=True)
class BucketState:
    """Value taken out of a size bucket and not refilled by `at`, WAD."""

    used_wad: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Deleverage:
    """An owner's opt-in to being closed out early; WAD."""

    trigger_health_factor_wad: int
    target_health_factor_wad: int
    penalty_wad: int


@dataclass(slots=True)
class Ledger:
    """All that the Vault stores. Every write goes through `put` or `add`."""

    headers: dict[AccountId, Header] = field(default_factory=dict)
    collateral: dict[tuple[AccountId, int], int] = field(default_factory=dict)
    debt_shares: dict[tuple[AccountId, int], int] = field(default_factory=dict)
    markets: dict[int, Market] = field(default_factory=dict)
    supply_shares: dict[tuple[str, int], int] = field(default_factory=dict)
    claims: dict[tuple[str, int], int] = field(default_factory=dict)
    balances: dict[int, int] = field(default_factory=dict)
    wallets: dict[tuple[str, int], int] = field(default_factory=dict)
    buckets: dict[int, BucketState] = field(default_factory=dict)
    deleverages: dict[AccountId, Deleverage] = field(default_factory=dict)
    operators: dict[tuple[str, str], bool] = field(default_factory=dict)
    noted_losses: dict[tuple[AccountId, int], int] = field(default_factory=dict)
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def put(self, table: dict[K, V], key: K, value: V | None) -> None:
        """Writes a row; None removes it."""
        if key in table:
            old = table[key]
            self._undo.append(lambda: table.__setitem__(key, old))
        elif value is None:
            return
        else:
            self._undo.append(lambda: table.__delitem__(key))
        if value is None:
            del table[key]
        else:
            table[key] = value

    def add(self, table: dict[K, int], key: K, amount: int) -> None:
        """Adds to a number; a row that comes to 0 is removed."""
        total = table.get(key, 0) + amount
        self.put(table, key, total or None)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Takes back every write where an exception leaves the block."""
        self._undo.clear()
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo.clear()
