"""Every account of a Vault, by heart: rebuilt from its logs, kept in a database, held to the chain.

In memory the balances are arrays (`closeout.keeper.book`), filled by the same `Indexer` that tests hold to the chain
after every action. A step is one transaction of the database; where it fails, memory goes back to before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from closeout.errors import NodeError
from closeout.indexer import Balances, Indexer
from closeout.keeper.book import Rows, Side
from closeout.keeper.journal import Entry, Journal, JournaledBalances, JournaledTable, Kind
from closeout.keeper.ports import Block, ChainReader, Confirmation, Log
from closeout.keeper.store import Change, Store
from closeout.model import Deleverage, Market

__all__ = ["Followed", "WatchList"]

MOST_BLOCKS_AT_ONCE = 4_096
"""Blocks whose logs are asked for in one call; halved where the node will not, doubled again where it does."""

UNDO_BLOCKS = 4_096
"""How far back a reorganisation is undone. A deeper one, which no chain of today has had, is met by starting anew."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What catching up to a block took: its new logs, how many blocks were undone, calls of the node.

    `is_behind`: the block is one that was left behind already: the node answers late, and nothing was done.
    """

    logs: tuple[Log, ...] = ()
    reorged_blocks: int = 0
    node_calls: int = 0
    is_behind: bool = False


class WatchList:
    """All accounts at one block. `first_block`: the one in which the Vault was deployed, or any before it."""

    def __init__(
        self,
        reader: ChainReader,
        store: Store,
        first_block: int = 0,
        *,
        undo_blocks: int = UNDO_BLOCKS,
        most_blocks: int = MOST_BLOCKS_AT_ONCE,
    ) -> None:
        self._reader, self._store, self._first = reader, store, first_block
        self._undo_blocks, self._most_blocks, self._chunk = undo_blocks, most_blocks, most_blocks
        self._calls = 0
        self._blocks: list[Block] = []
        self._open()
        self._load()

    # -------------------------------------------------------------------------------------------------------- reading

    @property
    def block(self) -> Block | None:
        """Where the balances stand; None before the first step."""
        return self._blocks[-1] if self._blocks else None

    @property
    def account_count(self) -> int:
        """Accounts ever seen."""
        return len(self.rows)

    def collateral_of(self, account: int) -> dict[int, int]:
        """Token units by asset id."""
        return self.collateral.row(account)

    def debts_of(self, account: int, now: int) -> dict[int, int]:
        """Token units by asset id at a time, rounded up."""
        return self._indexer.debts_of(account, now)

    def indices(self, count: int, now: int) -> tuple[int, ...]:
        """The debt index of the first `count` assets at a time."""
        return tuple(market.index for market in self.markets(count, now))

    def markets(self, count: int, now: int) -> tuple[Market, ...]:
        """The first `count` assets' totals at a time, less what the treasury earned since their last logs."""
        return tuple(self._indexer.market_of(asset_id, now) for asset_id in range(count))

    def deleverages(self) -> Mapping[int, Deleverage]:
        """What owners opted in to, by account."""
        return self._balances.deleverages

    # ------------------------------------------------------------------------------------------------------ following

    def follow(self, block: Block) -> Followed:
        """Catches up to a block, back over a reorganisation first where there was one.

        Raises NodeError, StoreFailed and LogsIncomplete; what was reached until then stays, and it can be called again.
        """
        self._calls = 0
        if any(known.hash == block.hash for known in self._blocks[:-1]):
            return Followed(is_behind=True)
        gone = self._leave_fork(block)
        logs: list[Log] = []
        while (last := self.block) is None or last.number < block.number:
            logs += self._step(block)
        return Followed(tuple(logs), gone, self._calls)

    def _step(self, block: Block) -> Sequence[Log]:
        """One range of blocks, in one transaction."""
        last = self.block
        first = last.number + 1 if last else self._first
        end: Block | None = block
        try:
            if block.number >= first + self._chunk:
                end = self._ask(first + self._chunk - 1)
                if end is None:
                    raise NodeError(f"block {first + self._chunk - 1}: not there, although {block.number} is")
            assert end is not None  # noqa: S101 - block, or checked above
            self._calls += 1
            logs = self._reader.logs(first, end)
            if last is not None and end.parent_hash != last.hash:
                known = self._ask(last.number)
                if known is None or known.hash != last.hash:
                    raise NodeError(f"block {last.number}: was {last.hash}, now {known.hash if known else 'gone'}")
        except NodeError:
            self._chunk = max(1, self._chunk // 2)
            raise
        self._chunk = min(self._most_blocks, 2 * self._chunk)
        self._apply(logs, end, block.number - self._undo_blocks)
        return logs

    def _apply(self, logs: Sequence[Log], end: Block, keep_from: int) -> None:
        at = self._indexer.now
        before: Mapping[Entry, object | None] = {}
        try:
            for log in logs:
                self._indexer.apply(log.name, log.values, log.timestamp)
            before = self._journal.take()
            after = {entry: self._current(*entry) for entry in before}
            self._store.save(Change(end, before, after), keep_from)
        except BaseException:
            self._restore(before or self._journal.take())
            self._indexer.rewind(at)
            raise
        self._blocks.append(end)
        # as the store: the newest block at or below `keep_from` is the last to go back to
        while len(self._blocks) > 1 and self._blocks[1].number <= keep_from:
            del self._blocks[0]

    # -------------------------------------------------------------------------------------------------- reorganisations

    def _leave_fork(self, block: Block) -> int:
        """Goes back to the last known block that the chain of `block` has; how many blocks were undone."""
        last = self.block
        if last is None or block.parent_hash == last.hash or block.hash == last.hash:
            return 0
        place = self._last_canonical(block)
        if place == len(self._blocks) - 1:
            return 0
        if place < 0:
            self.start_anew()
            return last.number - self._first + 1
        fork = self._blocks[place]
        self._restore(self._store.go_back(fork))
        self._blocks = self._blocks[: place + 1]
        self._indexer.rewind(fork.timestamp)
        return last.number - fork.number

    def _last_canonical(self, head: Block) -> int:
        """The place in the known blocks of the newest that is still the chain's; -1: none is.

        From the newest back in growing strides, then by halving: few calls however deep it went.
        """

        def is_canonical(place: int) -> bool:
            known = self._blocks[place]
            if known.number >= head.number:
                return known.hash == head.hash
            now = self._ask(known.number)
            return now is not None and now.hash == known.hash

        high, stride = len(self._blocks), 1
        low: int = high - 1
        while low >= 0 and not is_canonical(low):
            high, low, stride = low, low - stride, 2 * stride
        low = max(low, -1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if is_canonical(middle) else (low, middle)
        return low

    def start_anew(self) -> None:
        """Forgets everything: the next `follow` reads the logs from the first block on."""
        self._store.clear()
        self._open()
        self._blocks = []

    def _ask(self, number: int) -> Block | None:
        self._calls += 1
        return self._reader.block(number)

    # ----------------------------------------------------------------------------------------------------- verification

    def sample(self, count: int, random: Random) -> list[int]:
        """Accounts to be held to the chain, drawn from all that were ever seen."""
        size = len(self.rows)
        return [self.rows.account(row) for row in random.sample(range(size), min(count, size))]

    def differing(self, confirmations: Sequence[Confirmation], now: int) -> list[int]:
        """Accounts whose balances are not what the chain says, to the unit. What it could not report is passed over."""
        return [
            one.account
            for one in confirmations
            if not one.failure
            and (dict(one.collateral), dict(one.debts))
            != (self.collateral_of(one.account), self.debts_of(one.account, now))
        ]

    # ----------------------------------------------------------------------------------------------------------- memory

    def _open(self) -> None:
        """Empty tables."""
        self._journal = journal = Journal()
        self.rows = rows = Rows()
        self.collateral, self.debt_shares = Side(rows), Side(rows)
        tables: dict[Kind, Any] = {
            Kind.COLLATERAL: JournaledBalances(Kind.COLLATERAL, journal, self.collateral),
            Kind.DEBT_SHARES: JournaledBalances(Kind.DEBT_SHARES, journal, self.debt_shares),
            **{kind: JournaledTable(kind, journal) for kind in Kind if kind > Kind.DEBT_SHARES},
        }
        self._tables = tables
        self._balances = Balances(
            collateral=tables[Kind.COLLATERAL],
            debt_shares=tables[Kind.DEBT_SHARES],
            supply_shares=tables[Kind.SUPPLY_SHARES],
            claims=tables[Kind.CLAIM],
            markets=tables[Kind.MARKET],
            reserves=tables[Kind.RESERVE],
            penalties=tables[Kind.PENALTY],
            deleverages=tables[Kind.DELEVERAGE],
        )
        self._indexer = Indexer(balances=self._balances)

    def _load(self) -> None:
        """What the database knows."""
        self._blocks = self._store.blocks()
        sides: dict[Kind, list[tuple[int, int, int]]] = {Kind.COLLATERAL: [], Kind.DEBT_SHARES: []}
        for (kind, key), value in self._store.entries():
            if kind in sides:
                assert isinstance(key, tuple)  # noqa: S101 - (account, asset id)
                sides[kind].append((*key, value))
            else:
                self._tables[kind].restore(key, value)
        self.collateral.load(sides[Kind.COLLATERAL])
        self.debt_shares.load(sides[Kind.DEBT_SHARES])
        if self._blocks:
            self._indexer.rewind(self._blocks[-1].timestamp)

    def _current(self, kind: Kind, key: Any) -> object | None:
        is_side = kind in (Kind.COLLATERAL, Kind.DEBT_SHARES)
        value: object | None = self._tables[kind].get(*key) or None if is_side else self._tables[kind].get(key)
        return value

    def _restore(self, values: Mapping[Entry, Any]) -> None:
        for (kind, key), value in values.items():
            self._tables[kind].restore(key, value)
