"""The write-ahead journal of what is sent: SQLite through SQLAlchemy, in the watch-list's file or one of its own.

| table | holds |
| --- | --- |
| outbox_key | per key: which journal this is, and below which number all nonces are settled |
| outbox_transaction | every transaction that was ever signed, written before it was sent |
| outbox_nonce | what the chain made of a nonce: state, block, gas, gain or loss |

Integers beyond 64 bits are text. Nothing is ever deleted: it is the record of what the key did.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from closeout.keeper.breaker import Spending
from closeout.keeper.fees import Fees
from closeout.keeper.nonces import Attempt, Inclusion, Slot, SlotState
from closeout.keeper.sending import OutboxUnwritable, Restored

__all__ = ["SqlOutbox"]

# What the breaker looks back to.
KEPT_SECONDS = 7_200

_METADATA = MetaData()
_KEY = Table(
    "outbox_key",
    _METADATA,
    Column("owner", String, primary_key=True),
    Column("instance", String, nullable=False),
    Column("used", Integer, nullable=False),
)
_TRANSACTION = Table(
    "outbox_transaction",
    _METADATA,
    Column("hash", String, primary_key=True),
    Column("owner", String, nullable=False, index=True),
    Column("nonce", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("raw", String, nullable=False),
    Column("purpose", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("to", String, nullable=False),
    Column("data", String, nullable=False),
    Column("max_fee", String, nullable=False),
    Column("priority_fee", String, nullable=False),
    Column("gas_limit", Integer, nullable=False),
    Column("block", Integer, nullable=False),
    Column("gross_wad", String),
    Column("expected_profit_wad", String, nullable=False),
    Column("native_price_wad", String, nullable=False),
    Column("is_private", Boolean, nullable=False),
)
_NONCE = Table(
    "outbox_nonce",
    _METADATA,
    Column("owner", String, primary_key=True),
    Column("nonce", Integer, primary_key=True),
    Column("state", String, nullable=False),
    Column("missing_since", Integer),
    Column("hash", String),
    Column("block_number", Integer),
    Column("block_hash", String),
    Column("time", Integer),
    Column("is_success", Boolean),
    Column("is_failed", Boolean),
    Column("gas", String),
    Column("net_wad", String),
)


class SqlOutbox:
    """The outbox of one key. `path` None: in memory. Raises OutboxUnwritable where the file cannot be read or
    written.
    """

    def __init__(self, path: Path | None, owner: str) -> None:
        self._owner = owner.lower()
        self._place = str(path) if path else "memory"
        url = f"sqlite:///{path}" if path else "sqlite://"
        self._engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        event.listen(self._engine, "connect", _set_pragmas)
        with self._transaction() as connection:
            _METADATA.create_all(connection)
            mine = _KEY.c.owner == self._owner
            found = connection.scalar(select(_KEY.c.instance).where(mine))
            if found is None:
                found = uuid4().hex
                connection.execute(insert(_KEY), {"owner": self._owner, "instance": found, "used": 0})
            self.instance: str = found
            last = select(func.max(_TRANSACTION.c.sequence)).where(_TRANSACTION.c.owner == self._owner)
            self._sequence = 1 + (connection.scalar(last) or 0)

    def close(self) -> None:
        self._engine.dispose()

    # --------------------------------------------------------------------------------------------------------- writing

    def write(self, attempt: Attempt) -> None:
        with self._transaction() as connection:
            row = _transaction_row(attempt) | {"owner": self._owner, "sequence": self._sequence}
            connection.execute(upsert(_TRANSACTION).on_conflict_do_nothing(), row)
        self._sequence += 1

    def save(self, slots: Sequence[Slot], used: int) -> None:
        rows = [_nonce_row(slot) | {"owner": self._owner} for slot in slots]
        with self._transaction() as connection:
            if rows:
                statement = upsert(_NONCE)
                values = {name: statement.excluded[name] for name in rows[0] if name not in ("owner", "nonce")}
                connection.execute(
                    statement.on_conflict_do_update(index_elements=["owner", "nonce"], set_=values), rows
                )
            connection.execute(_KEY.update().where(_KEY.c.owner == self._owner).values(used=used))

    # --------------------------------------------------------------------------------------------------------- reading

    def restore(self) -> Restored:
        mine, his = _TRANSACTION.c.owner == self._owner, _NONCE.c.owner == self._owner
        with self._transaction() as connection:
            used = connection.scalar(select(_KEY.c.used).where(_KEY.c.owner == self._owner)) or 0
            newest = connection.scalar(select(func.max(_NONCE.c.time)).where(his)) or 0
            states = connection.execute(
                select(_NONCE).where(his, or_(_NONCE.c.nonce >= used, _NONCE.c.time > newest - KEPT_SECONDS))
            ).all()
            known = {row.nonce: row for row in states}
            lowest = min([used, *known])
            written = connection.execute(
                select(_TRANSACTION).where(mine, _TRANSACTION.c.nonce >= lowest).order_by(_TRANSACTION.c.sequence)
            ).all()
        attempts: dict[int, list[Attempt]] = {}
        for row in written:
            attempts.setdefault(row.nonce, []).append(_attempt(row))
        slots = [_slot(nonce, tuple(items), known.get(nonce)) for nonce, items in sorted(attempts.items())]
        settled = tuple(slot for slot in slots if slot.nonce < used and slot.nonce in known)
        return Restored(tuple(slot for slot in slots if slot.nonce >= used), used, settled)

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise OutboxUnwritable(f"{self._place}: {getattr(error, 'orig', None) or error}") from error


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # what is sent must be known also after a power cut, not only after a kill
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


# ------------------------------------------------------------------------------------------------- rows of the tables


def _transaction_row(attempt: Attempt) -> dict[str, Any]:
    return {
        "hash": attempt.hash,
        "nonce": attempt.nonce,
        "raw": attempt.raw,
        "purpose": attempt.key[0],
        "subject": str(attempt.key[1]),
        "to": attempt.to,
        "data": attempt.data,
        "max_fee": str(attempt.fees.max_fee),
        "priority_fee": str(attempt.fees.priority_fee),
        "gas_limit": attempt.gas_limit,
        "block": attempt.block,
        "gross_wad": None if attempt.gross_wad is None else str(attempt.gross_wad),
        "expected_profit_wad": str(attempt.expected_profit_wad),
        "native_price_wad": str(attempt.native_price_wad),
        "is_private": attempt.is_private,
    }


def _attempt(row: Any) -> Attempt:
    return Attempt(
        nonce=row.nonce,
        hash=row.hash,
        raw=row.raw,
        key=(row.purpose, int(row.subject)),
        to=row.to,
        data=row.data,
        fees=Fees(int(row.max_fee), int(row.priority_fee)),
        gas_limit=row.gas_limit,
        block=row.block,
        gross_wad=None if row.gross_wad is None else int(row.gross_wad),
        expected_profit_wad=int(row.expected_profit_wad),
        native_price_wad=int(row.native_price_wad),
        is_private=row.is_private,
    )


def _nonce_row(slot: Slot) -> dict[str, Any]:
    seen = slot.inclusion
    return {
        "nonce": slot.nonce,
        "state": slot.state.value,
        "missing_since": slot.missing_since,
        "hash": seen.hash if seen else None,
        "block_number": seen.block_number if seen else None,
        "block_hash": seen.block_hash if seen else None,
        "time": seen.time if seen else None,
        "is_success": seen.is_success if seen else None,
        "is_failed": seen.spent.is_failed if seen else None,
        "gas": str(seen.spent.gas) if seen else None,
        "net_wad": str(seen.spent.net_wad) if seen else None,
    }


def _slot(nonce: int, attempts: tuple[Attempt, ...], row: Any) -> Slot:
    if row is None:
        return Slot(nonce, attempts)
    inclusion = None
    if row.hash is not None:
        spent = Spending(int(row.gas), int(row.net_wad), row.is_failed)
        inclusion = Inclusion(row.hash, row.block_number, row.block_hash, row.time, row.is_success, spent)
    return Slot(nonce, attempts, SlotState(row.state), inclusion, row.missing_since)
