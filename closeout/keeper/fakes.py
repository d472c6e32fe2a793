"""Fakes of the ports: a chain in memory that can be reorganised, and a brain that says what it was told to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from closeout.errors import NodeError
from closeout.keeper.ports import (
    AccountLine,
    Block,
    Configuration,
    Confirmation,
    Decision,
    Log,
    PoolState,
    Price,
)

__all__ = ["FakeBrain", "FakeReader"]

VAULT = "0x" + "aa" * 20


class FakeReader:
    """A chain in memory. `calls` counts what was asked of it; `failures` are raised by the next calls, one each."""

    def __init__(self, timestamp: int = 1_800_000_000, base_fee: int = 0) -> None:
        self.calls = 0
        self.failures: list[NodeError] = []
        self.confirmations: dict[int, Confirmation] = {}
        self.settings: Configuration | None = None
        self.pool_states: tuple[PoolState, ...] = ()
        self.data_fee = 0
        self._salt = 0
        self._blocks = [Block(0, self._hash(0), "0x" + "00" * 32, timestamp, base_fee)]
        self._logs: list[list[Log]] = [[]]
        self._prices: list[tuple[Price, ...]] = [()]

    # ------------------------------------------------------------------------------------------------- what happens

    def mine(
        self,
        logs: Iterable[tuple[str, Mapping[str, Any]]] = (),
        prices: Sequence[Price] | None = None,
        seconds: int = 12,
        base_fee: int | None = None,
    ) -> Block:
        """One block with these logs of the Vault, (name, values) each; prices stay where none are given."""
        last = self._blocks[-1]
        number = last.number + 1
        fee = last.base_fee if base_fee is None else base_fee
        block = Block(number, self._hash(number), last.hash, last.timestamp + seconds, fee)
        self._blocks.append(block)
        self._logs.append(
            [Log(VAULT, name, values, number, block.hash, block.timestamp, i) for i, (name, values) in enumerate(logs)]
        )
        self._prices.append(tuple(prices) if prices is not None else self._prices[-1])
        return block

    def drop(self, count: int) -> None:
        """Forgets the newest blocks; what is mined instead has other hashes."""
        if not 0 < count < len(self._blocks):
            raise ValueError(f"count: found {count}, expected 1 to {len(self._blocks) - 1}")
        del self._blocks[-count:], self._logs[-count:], self._prices[-count:]
        self._salt += 1

    # ----------------------------------------------------------------------------------------------------- the port

    def head(self) -> Block:
        self._called()
        return self._blocks[-1]

    def block(self, number: int) -> Block | None:
        self._called()
        return self._blocks[number] if number < len(self._blocks) else None

    def logs(self, first: int, last: Block) -> Sequence[Log]:
        self._called()
        return [log for logs in self._logs[first : self._known(last) + 1] for log in logs]

    def configuration(self, at: Block) -> Configuration:
        self._called()
        self._known(at)
        if self.settings is None:
            raise NodeError("no configuration table is plugged in")
        return self.settings

    def prices(self, at: Block) -> Sequence[Price]:
        self._called()
        return self._prices[self._known(at)]

    def confirm(self, accounts: Sequence[int], at: Block) -> Sequence[Confirmation]:
        self._called()
        self._known(at)
        return [self.confirmations[account] for account in accounts]

    def pools(self, at: Block) -> Sequence[PoolState]:
        self._called()
        self._known(at)
        return self.pool_states

    def l1_data_fee(self, size: int, at: Block) -> int:
        self._called()
        self._known(at)
        return self.data_fee * size

    def _called(self) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)

    def _known(self, at: Block) -> int:
        if at.number >= len(self._blocks) or self._blocks[at.number] != at:
            raise NodeError(f"block {at.hash} is not known")
        return at.number

    def _hash(self, number: int) -> str:
        return f"0x{self._salt:032x}{number:032x}"


class FakeBrain:
    """Answers with the decisions it was given, by block number; with nothing to do otherwise."""

    def __init__(self, decisions: Mapping[int, Decision] | None = None, lines: Sequence[AccountLine] = ()) -> None:
        self.decisions = dict(decisions or {})
        self.lines = tuple(lines)
        self.seen: list[Block] = []

    def on_block(self, block: Block) -> Decision:
        self.seen.append(block)
        return self.decisions.get(block.number, Decision(block))

    def nearest(self, count: int) -> Sequence[AccountLine]:
        return self.lines[:count]
