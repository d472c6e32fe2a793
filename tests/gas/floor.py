"""The distance to the floor: what a transaction of ours cannot do without, and what else it pays for, item by item."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.gas.trace import COLD_ACCOUNT, COLD_SLOT, WARM, Frame, Kind, Step, Trace

__all__ = ["Item", "floor_items"]

_COMPUTING = {
    Kind.MEMORY: "computing: memory words",
    Kind.ARITHMETIC: "computing: arithmetic",
    Kind.STACK: "computing: stack",
    Kind.JUMP: "computing: jumps",
    Kind.COPY: "computing: copying",
    Kind.OTHER: "computing: everything else",
    Kind.HASH: "hashing",
    Kind.GROWTH: "memory growth",
    Kind.LOG: "logs",
    Kind.TRANSIENT: "lock and what else is transient",
}
_CALLS = {
    "transfer": ("tokens sent", True),
    "transferFrom": ("tokens taken", True),
    "balanceOf": ("balances of the Vault looked at", False),
    "latestRoundData": ("feeds read", True),
    "plan": ("the engine", False),
}


@dataclass
class Item:
    """One line of the table. `is_floor`: whoever holds the funds and reads the prices himself pays it."""

    name: str
    is_floor: bool
    gas: int = 0
    count: int = 0


def floor_items(trace: Trace, calls: Mapping[int, str]) -> list[Item]:
    """Items that add up to the transaction's gas. `calls`: function called, by the number of the frame."""
    items: dict[str, Item] = {}

    def add(name: str, gas: int, *, is_floor: bool = False, count: int = 1) -> None:
        item = items.setdefault(name, Item(name, is_floor))
        item.gas += gas
        item.count += count

    for kind, gas in trace.base.items():
        if gas:
            add(kind, gas, is_floor=True)
    own = {step.subject for step in trace.steps if _is_own(trace, step) and Kind.WRITE in step.parts}
    called = {
        child.number: _CALLS.get(calls[child.number], (f"calls: {calls[child.number]}", False))
        for frame in trace.root.walk()
        if not _is_inside(trace, frame)
        for child in frame.children
        if _is_inside(trace, child)
    }
    needed = {touch: name for frame, name in _floor_calls(trace, called) for touch in _touches(frame)}
    for frame in trace.root.walk():
        if frame.number in called:
            name, is_floor = called[frame.number]
            add(name, frame.price, is_floor=is_floor)
            if not is_floor:
                for touch, gas in _first_touches(frame):
                    if touch in needed:
                        add(name, -gas, count=0)
                        add(needed[touch], gas, is_floor=True, count=0)
        elif not _is_inside(trace, frame):
            _add_own(trace, frame, own, add)
    assert sum(item.gas for item in items.values()) == trace.gas
    return sorted(items.values(), key=lambda item: (not item.is_floor, -item.gas))


def _floor_calls(trace: Trace, called: Mapping[int, tuple[str, bool]]) -> Iterator[tuple[Frame, str]]:
    for frame in trace.root.walk():
        name, is_floor = called.get(frame.number, ("", False))
        if is_floor:
            yield frame, name


def _touches(frame: Frame) -> Iterator[tuple[str, str]]:
    """Accounts and slots that a call needs: (account, "") and (account, slot)."""
    for inner in frame.walk():
        yield inner.storage, ""
        for step in inner.steps:
            if step.op in ("SLOAD", "SSTORE"):
                yield inner.storage, step.subject


def _first_touches(frame: Frame) -> Iterator[tuple[tuple[str, str], int]]:
    """What a call paid more than one that comes after it would have."""
    if frame.overhead >= COLD_ACCOUNT:
        yield (frame.storage, ""), COLD_ACCOUNT - WARM
    for inner in frame.walk():
        for step in inner.steps:
            if Kind.COLD_SLOT in step.parts:
                # a cold SLOAD is 2 100 where a warm one is 100; a cold SSTORE adds 2 100
                yield (inner.storage, step.subject), COLD_SLOT - (WARM if step.op == "SLOAD" else 0)


def _is_inside(trace: Trace, frame: Frame) -> bool:
    """Whether it runs in somebody else's name: a DELEGATECALL is our own code."""
    return frame.storage != trace.root.storage


def _is_own(trace: Trace, step: Step) -> bool:
    return step.op in ("SLOAD", "SSTORE") and step.frame.storage == trace.root.storage


def _add_own(trace: Trace, frame: Frame, changed: set[str], add: Callable[..., None]) -> None:
    """The frame's own instructions, less the calls that were counted as calls."""
    called = iter(frame.children)
    for step in frame.steps:
        if step.op in ("SLOAD", "SSTORE"):
            is_first = Kind.COLD_SLOT in step.parts
            name = "slots that change" if step.subject in changed else "slots only read"
            add(name, step.cost, is_floor=step.subject in changed, count=int(is_first))
        elif step.op == "EXTCODECOPY":
            add("configuration read", step.cost)
        elif step.op.endswith("CALL") and int(step.subject, 16) >= 256:
            child = next(called)
            if not _is_inside(trace, child):
                add("calls of our own other half", step.cost)
        else:
            for kind, gas in step.parts.items():
                add(_COMPUTING.get(kind, kind), gas, count=int(kind in (Kind.LOG, Kind.HASH)))
