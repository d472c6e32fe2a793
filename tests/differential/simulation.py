"""Whole histories in one request: blocks of calls that Anvil plays on the latest state and forgets.

`eth_simulateV1`: some ten thousand calls a second, from any sender at any time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from closeout.chain.rpc import IpcClient

GAS = hex(100_000_000)


@dataclass(frozen=True, slots=True)
class Call:
    """One transaction, calldata and addresses as 0x-prefixed hex."""

    sender: str
    to: str
    data: str


@dataclass(frozen=True, slots=True)
class Block:
    """Calls at one time, which may be that of the block before. `overrides`: code and storage by address, put in
    first.
    """

    time: int
    calls: Sequence[Call]
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: what it returned, or what it reverted with."""

    is_done: bool
    data: str
    gas: int
    logs: Sequence[Mapping[str, Any]]


def simulate(rpc: IpcClient, histories: Sequence[Sequence[Block]]) -> list[list[Outcome]]:
    """The outcomes of all calls of each history, in order. Every history starts from the latest state."""
    requests = [
        ("eth_simulateV1", [{"blockStateCalls": [_block(b) for b in blocks]}, "latest"]) for blocks in histories
    ]
    return [[_outcome(call) for block in answer for call in block["calls"]] for answer in rpc.call_many(requests)]


def words_of(data: str) -> list[int]:
    """The words that a `uint256[]` was returned in."""
    raw = bytes.fromhex(data[2:])
    return [int.from_bytes(raw[place : place + 32], "big") for place in range(64, len(raw), 32)]


def _block(block: Block) -> dict[str, Any]:
    calls = [{"from": call.sender, "to": call.to, "data": call.data, "gas": GAS} for call in block.calls]
    told = {"blockOverrides": {"time": hex(block.time)}, "calls": calls}
    return told | ({"stateOverrides": block.overrides} if block.overrides else {})


def _outcome(call: dict[str, Any]) -> Outcome:
    return Outcome(call["status"] == "0x1", call["returnData"], int(call["gasUsed"], 16), call["logs"])
