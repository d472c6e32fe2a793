"""The watch-list's database: SQLite through SQLAlchemy. One transaction per step, so that a kill at any point loses
the step and nothing else; what a step overwrote is kept, so that a reorganisation can be undone.

| table | holds |
| --- | --- |
| meta | which Vault on which chain this is, and the layout's version |
| block | blocks whose end the entries once stood at, newest last: what a fork is looked for among |
| entry | every balance and market as it is now |
| undo | what the entries were before each of those blocks, as far back as `block` goes |
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from closeout.errors import BadInput, EnvironmentProblem
from closeout.keeper.journal import Entry, Kind
from closeout.keeper.ports import Block
from closeout.model import Deleverage, Market

__all__ = ["Change", "Store", "StoreFailed"]

_VERSION = 1
_NO_ASSET = -1
_ACCOUNT_BYTES = 32
_BATCH = 50_000

_METADATA = MetaData()
_META = Table("meta", _METADATA, Column("name", String, primary_key=True), Column("value", String, nullable=False))
_BLOCK = Table(
    "block",
    _METADATA,
    Column("number", Integer, primary_key=True),
    Column("hash", String, nullable=False),
    Column("parent_hash", String, nullable=False),
    Column("timestamp", Integer, nullable=False),
)
_ENTRY = Table(
    "entry",
    _METADATA,
    Column("kind", Integer, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("asset", Integer, primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)
_UNDO = Table(
    "undo",
    _METADATA,
    Column("block", Integer, primary_key=True),
    Column("kind", Integer, primary_key=True),
    Column("key", LargeBinary, primary_key=True),
    Column("asset", Integer, primary_key=True),
    Column("value", String),
    sqlite_with_rowid=False,
)


class StoreFailed(EnvironmentProblem):
    """The database cannot be read or written: a full disk, a file that is not one, a lock that does not go away."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step: the block it ends at, what each entry was before it (None: nothing) and is after it."""

    block: Block
    before: Mapping[Entry, object | None]
    after: Mapping[Entry, object | None]


class Store:
    """One Vault's database. `path` None: in memory. Raises StoreFailed; BadInput where the file is another Vault's."""

    def __init__(self, path: Path | None, vault: str, chain_id: int) -> None:
        self._place = str(path) if path else "memory"
        url = f"sqlite:///{path}" if path else "sqlite://"
        self._engine = create_engine(url, poolclass=StaticPool, connect_args={"check_same_thread": False})
        event.listen(self._engine, "connect", _set_pragmas)
        mine = {"version": str(_VERSION), "vault": vault.lower(), "chain": str(chain_id)}
        with self._transaction() as connection:
            _METADATA.create_all(connection)
            found = {row.name: row.value for row in connection.execute(select(_META))}
            if not found:
                connection.execute(insert(_META), [{"name": n, "value": v} for n, v in mine.items()])
                found = mine
        for name, value in mine.items():
            if found.get(name) != value:
                self.close()
                raise BadInput(f"{self._place}: {name}", found.get(name), value)

    def close(self) -> None:
        self._engine.dispose()

    # -------------------------------------------------------------------------------------------------------- reading

    def blocks(self) -> list[Block]:
        """The blocks that can be gone back to, in order; the last is where the entries stand."""
        with self._transaction() as connection:
            rows = connection.execute(select(_BLOCK).order_by(_BLOCK.c.number))
            return [Block(row.number, row.hash, row.parent_hash, row.timestamp) for row in rows]

    def entries(self) -> Iterator[tuple[Entry, Any]]:
        """Everything, as it is now."""
        with self._transaction() as connection:
            for row in connection.execute(select(_ENTRY).execution_options(yield_per=_BATCH)):
                kind = Kind(row.kind)
                yield (kind, _decode_key(kind, row.key, row.asset)), _decode_value(kind, row.value)

    # -------------------------------------------------------------------------------------------------------- writing

    def save(self, change: Change, keep_from: int) -> None:
        """One step, all or nothing. What is only needed to go back below block `keep_from` is dropped."""
        gone = [_row(entry) for entry, value in change.after.items() if value is None]
        kept = [
            _row(entry) | {"value": _encode_value(value)} for entry, value in change.after.items() if value is not None
        ]
        undo = [
            _row(entry) | {"block": change.block.number, "value": None if old is None else _encode_value(old)}
            for entry, old in change.before.items()
        ]
        with self._transaction() as connection:
            _write(connection, kept, gone)
            if undo:
                connection.execute(insert(_UNDO), undo)
            _put_block(connection, change.block)
            # the oldest block to go back to stays, and needs no undo of its own
            oldest = connection.scalar(select(func.max(_BLOCK.c.number)).where(_BLOCK.c.number <= keep_from))
            if oldest is not None:
                connection.execute(delete(_BLOCK).where(_BLOCK.c.number < oldest))
                connection.execute(delete(_UNDO).where(_UNDO.c.block <= oldest))

    def go_back(self, block: Block) -> dict[Entry, Any]:
        """Undoes every step after one of `blocks`; what has changed by that, None where nothing is left."""
        with self._transaction() as connection:
            rows = connection.execute(
                select(_UNDO).where(_UNDO.c.block > block.number).order_by(_UNDO.c.block.desc())
            ).all()
            # the oldest value of an entry comes last and stays
            old = {(row.kind, row.key, row.asset): row.value for row in rows}
            kept, gone = [], []
            for (kind, key, asset), value in old.items():
                place = {"kind": kind, "key": key, "asset": asset}
                if value is None:
                    gone.append(place)
                else:
                    kept.append(place | {"value": value})
            _write(connection, kept, gone)
            connection.execute(delete(_UNDO).where(_UNDO.c.block > block.number))
            connection.execute(delete(_BLOCK).where(_BLOCK.c.number > block.number))
        back: dict[Entry, Any] = {}
        for (number, key, asset), value in old.items():
            kind = Kind(number)
            back[kind, _decode_key(kind, key, asset)] = None if value is None else _decode_value(kind, value)
        return back

    def clear(self) -> None:
        """Forgets everything but whose it is."""
        with self._transaction() as connection:
            for table in (_ENTRY, _UNDO, _BLOCK):
                connection.execute(delete(table))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._engine.begin(), self._place)


class _Transaction:
    """A transaction whose failures are StoreFailed."""

    def __init__(self, inner: Any, place: str) -> None:
        self._inner, self._place = inner, place

    def __enter__(self) -> Connection:
        try:
            connection: Connection = self._inner.__enter__()
        except SQLAlchemyError as error:
            raise self._failed(error) from error
        return connection

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._inner.__exit__(kind, error, trace)
        except SQLAlchemyError as failure:
            raise self._failed(failure) from failure
        if isinstance(error, SQLAlchemyError):
            raise self._failed(error) from error

    def _failed(self, error: SQLAlchemyError) -> StoreFailed:
        cause = getattr(error, "orig", None) or error
        return StoreFailed(f"{self._place}: {cause}")


def _set_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    # a commit is one append; a kill between two leaves the database whole
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _write(connection: Connection, kept: Iterable[dict[str, Any]], gone: Iterable[dict[str, Any]]) -> None:
    rows = list(kept)
    if rows:
        statement = upsert(_ENTRY)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["kind", "key", "asset"], set_={"value": statement.excluded.value}
            ),
            rows,
        )
    for place in gone:
        connection.execute(
            delete(_ENTRY).where(
                _ENTRY.c.kind == place["kind"], _ENTRY.c.key == place["key"], _ENTRY.c.asset == place["asset"]
            )
        )


def _put_block(connection: Connection, block: Block) -> None:
    connection.execute(
        insert(_BLOCK),
        {
            "number": block.number,
            "hash": block.hash,
            "parent_hash": block.parent_hash,
            "timestamp": block.timestamp,
        },
    )


# ------------------------------------------------------------------------------------------------- rows of the tables


def _row(entry: Entry) -> dict[str, Any]:
    kind, key = entry
    holder, asset = key if isinstance(key, tuple) else (key, _NO_ASSET)
    if kind in (Kind.COLLATERAL, Kind.DEBT_SHARES, Kind.DELEVERAGE):
        return {"kind": int(kind), "key": holder.to_bytes(_ACCOUNT_BYTES, "big"), "asset": asset}
    if kind in (Kind.SUPPLY_SHARES, Kind.CLAIM):
        return {"kind": int(kind), "key": holder.encode(), "asset": asset}
    return {"kind": int(kind), "key": b"", "asset": key}


def _decode_key(kind: Kind, key: bytes, asset: int) -> Any:
    if kind in (Kind.COLLATERAL, Kind.DEBT_SHARES):
        return int.from_bytes(key, "big"), asset
    if kind is Kind.DELEVERAGE:
        return int.from_bytes(key, "big")
    return (key.decode(), asset) if kind in (Kind.SUPPLY_SHARES, Kind.CLAIM) else asset


def _encode_value(value: object) -> str:
    if isinstance(value, Market | Deleverage):
        return ",".join(map(str, astuple(value)))
    return str(value)


def _decode_value(kind: Kind, text: str) -> Any:
    if kind is Kind.MARKET:
        return Market(*map(int, text.split(",")))
    if kind is Kind.DELEVERAGE:
        return Deleverage(*map(int, text.split(",")))
    return int(text)
