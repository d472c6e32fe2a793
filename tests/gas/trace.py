"""Where a transaction's gas goes, instruction by instruction, by the price list of the chain (EIP-2929, EIP-3529).

Every gas is in exactly one `Kind`, and the kinds add up to what the receipt says; `Trace.of` refuses a trace where they
do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from closeout.chain.rpc import IpcClient

__all__ = ["COLD_ACCOUNT", "COLD_SLOT", "COMPUTING", "CREATION", "WARM", "Frame", "Kind", "Step", "Trace"]

BASE = 21_000
# stands for the address of code that creates a contract
CREATION = "creation"
CALL_OPS = {"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"}
ACCOUNT_OPS = CALL_OPS | {"BALANCE", "EXTCODESIZE", "EXTCODECOPY", "EXTCODEHASH"}
COLD_ACCOUNT, COLD_SLOT, WARM = 2_600, 2_100, 100
COPY_OPS = {"CALLDATACOPY", "CODECOPY", "RETURNDATACOPY", "MCOPY", "EXTCODECOPY"}


class Kind(StrEnum):
    """What gas is paid for."""

    BASE = "base cost"
    CALLDATA = "calldata"
    COLD_ACCOUNT = "cold accounts"
    COLD_SLOT = "cold slots"
    WRITE = "slots written"
    WARM = "warm accounts and slots"
    TRANSIENT = "transient storage"
    LOG = "logs"
    HASH = "hashing"
    GROWTH = "memory growth"
    COPY = "copying"
    MEMORY = "memory words read and written"
    ARITHMETIC = "arithmetic and comparisons"
    STACK = "stack"
    JUMP = "jumps"
    CREATE = "code stored, contracts created"
    OTHER = "everything else"
    REFUND = "refunds"


COMPUTING = (Kind.COPY, Kind.MEMORY, Kind.ARITHMETIC, Kind.STACK, Kind.JUMP, Kind.OTHER, Kind.HASH)


@dataclass
class Frame:
    """One call. `gas`: what it used itself, with the overhead of the calls it makes but not what those use."""

    number: int
    parent: Frame | None
    code: str
    storage: str
    selector: str
    depth: int
    gas: int = 0
    overhead: int = 0
    children: list[Frame] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list, repr=False)

    @property
    def total(self) -> int:
        """With all it calls, without what calling it cost."""
        return self.gas + sum(child.total for child in self.children)

    @property
    def price(self) -> int:
        """What the caller pays for it, the call's own cost included."""
        return self.total + self.overhead

    def walk(self) -> Iterator[Frame]:
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Step:
    """One instruction. `cost` leaves out what a call that it makes uses; `parts` adds up to it."""

    frame: Frame
    counter: int
    op: str
    cost: int
    parts: dict[Kind, int]
    # the slot or account of an access
    subject: str = ""


@dataclass(frozen=True)
class Trace:
    """A transaction, taken apart."""

    root: Frame
    steps: list[Step] = field(repr=False)
    base: dict[Kind, int]
    gas: int

    @classmethod
    def of_last(cls, rpc: IpcClient) -> Trace:
        """Of the only transaction of the last block."""
        (transaction,) = rpc.call("eth_getBlockByNumber", "latest", False)["transactions"]
        return cls.of(rpc, transaction)

    @classmethod
    def of(cls, rpc: IpcClient, transaction: str) -> Trace:
        """Traces a transaction that was mined. Raises AssertionError where the parts do not add up to its gas."""
        receipt = rpc.call("eth_getTransactionReceipt", transaction)
        sent = rpc.call("eth_getTransactionByHash", transaction)
        options = {"disableStorage": True, "enableMemory": False, "enableReturnData": False}
        answer = rpc.call("debug_traceTransaction", transaction, options)
        data = bytes.fromhex(sent["input"][2:])
        base = {Kind.BASE: BASE, Kind.CALLDATA: sum(16 if byte else 4 for byte in data)}
        to = sent["to"]
        if to is None:
            base |= {Kind.CREATE: 32_000 + 2 * ((len(data) + 31) // 32)}
        root, steps = _walk(answer["structLogs"], (to or CREATION).lower(), data)
        _name_calls(root, rpc.call("debug_traceTransaction", transaction, {"tracer": "callTracer"}))
        used = int(receipt["gasUsed"], 16)
        spent = sum(base.values()) + root.total
        if to is None:
            deposit = 200 * (len(rpc.call("eth_getCode", receipt["contractAddress"], "latest")) // 2 - 1)
            base[Kind.CREATE] += deposit
            spent += deposit
        base[Kind.REFUND] = used - spent
        assert -spent // 5 - 1 <= base[Kind.REFUND] <= 0, f"the trace adds up to {spent}, the receipt says {used}"
        return cls(root, steps, base, used)

    def by_kind(self) -> dict[Kind, int]:
        sums = dict.fromkeys(Kind, 0) | self.base
        for step in self.steps:
            for kind, cost in step.parts.items():
                sums[kind] += cost
        assert sum(sums.values()) == self.gas
        return sums


@dataclass
class _Open:
    """A frame that runs: its memory, and the call it waits for."""

    frame: Frame
    words: int = 0
    waiting: dict[str, Any] | None = None
    child: Frame | None = None


def _walk(logs: Sequence[dict[str, Any]], to: str, data: bytes) -> tuple[Frame, list[Step]]:
    root = Frame(0, None, to, to, data[:4].hex(), 1)
    running = [_Open(root)]
    steps: list[Step] = []
    count = 1
    for i, log in enumerate(logs):
        top = running[-1]
        following = logs[i + 1] if i + 1 < len(logs) else None
        if following is not None and following["depth"] > log["depth"]:
            top.waiting = log
            top.child = _child(count, top.frame, log)
            count += 1
            running.append(_Open(top.child))
            continue
        is_last = following is None or following["depth"] < log["depth"]
        cost = int(log["gasCost"]) if is_last or following is None else log["gas"] - following["gas"]
        steps.append(_step(top, log, cost))
        if not is_last:
            continue
        running.pop()
        if running and following is not None:
            caller = running[-1]
            assert caller.waiting is not None and caller.child is not None
            overhead = caller.waiting["gas"] - following["gas"] - caller.child.total
            caller.child.overhead = overhead
            steps.append(_step(caller, caller.waiting, overhead))
            caller.waiting = caller.child = None
    return root, steps


def _child(number: int, caller: Frame, log: dict[str, Any]) -> Frame:
    stack, op = log["stack"], log["op"]
    code = _address(stack[-2]) if op in CALL_OPS else CREATION
    storage = caller.storage if op in ("DELEGATECALL", "CALLCODE") else code
    child = Frame(number, caller, code, storage, "", caller.depth + 1)
    caller.children.append(child)
    return child


def _name_calls(frame: Frame, call: dict[str, Any]) -> None:
    """Selectors of the calls; precompiled contracts have no instructions and so no frame."""
    frame.selector = call["input"][2:10]
    inner = [made for made in call.get("calls", []) if int(made["to"], 16) >= 256]
    for child, made in zip(frame.children, inner, strict=True):
        _name_calls(child, made)


def _step(running: _Open, log: dict[str, Any], cost: int) -> Step:
    op, stack = log["op"], log["stack"]
    growth = _growth(running, op, stack)
    parts: dict[Kind, int] = {}
    subject = ""
    rest = cost - growth
    if growth:
        parts[Kind.GROWTH] = growth
    if op in ("SLOAD", "SSTORE"):
        subject = hex(_number(stack[-1]))
        cold = _cold_slot(op, rest)
        if cold:
            parts[Kind.COLD_SLOT] = cold
        if rest - cold:
            parts[Kind.WARM if rest - cold == WARM else Kind.WRITE] = rest - cold
    elif op in ACCOUNT_OPS:
        subject = _address(stack[-2] if op in CALL_OPS else stack[-1])
        is_precompiled = int(subject, 16) < 256
        access = COLD_ACCOUNT if rest >= COLD_ACCOUNT and not is_precompiled else WARM
        parts[Kind.COLD_ACCOUNT if access == COLD_ACCOUNT else Kind.WARM] = access
        if rest - access:
            parts[Kind.COPY if op == "EXTCODECOPY" else Kind.OTHER] = rest - access
    elif rest:
        parts[_kind(op)] = rest
    running.frame.gas += cost
    step = Step(running.frame, log["pc"], op, cost, parts, subject)
    running.frame.steps.append(step)
    return step


def _cold_slot(op: str, cost: int) -> int:
    if op == "SLOAD":
        return COLD_SLOT if cost == COLD_SLOT else 0
    # 100, 2 900 or 20 000 for the write itself
    return COLD_SLOT if cost in (WARM + COLD_SLOT, 2_900 + COLD_SLOT, 20_000 + COLD_SLOT) else 0


def _kind(op: str) -> Kind:
    if op.startswith("LOG"):
        return Kind.LOG
    if op in ("KECCAK256", "SHA3"):
        return Kind.HASH
    if op in ("TLOAD", "TSTORE"):
        return Kind.TRANSIENT
    if op in COPY_OPS:
        return Kind.COPY
    if op in ("MLOAD", "MSTORE", "MSTORE8"):
        return Kind.MEMORY
    if op.startswith(("PUSH", "DUP", "SWAP", "POP")):
        return Kind.STACK
    if op.startswith("JUMP"):
        return Kind.JUMP
    if op in ("CREATE", "CREATE2"):
        return Kind.CREATE
    if op in ("ADD", "SUB", "MUL", "DIV", "SDIV", "MOD", "SMOD", "ADDMOD", "MULMOD", "EXP", "SIGNEXTEND", "LT", "GT",
              "SLT", "SGT", "EQ", "ISZERO", "AND", "OR", "XOR", "NOT", "BYTE", "SHL", "SHR", "SAR"):  # fmt: skip
        return Kind.ARITHMETIC
    return Kind.OTHER


# --------------------------------------------------------------------------------------------------------------- memory

# places on the stack, from the top, of (offset, length) pairs; a number stands for a fixed length
_TOUCHES: dict[str, tuple[tuple[int, int | None, int], ...]] = {
    "MLOAD": ((1, None, 32),),
    "MSTORE": ((1, None, 32),),
    "MSTORE8": ((1, None, 1),),
    "KECCAK256": ((1, 2, 0),),
    "SHA3": ((1, 2, 0),),
    "CALLDATACOPY": ((1, 3, 0),),
    "CODECOPY": ((1, 3, 0),),
    "RETURNDATACOPY": ((1, 3, 0),),
    "MCOPY": ((1, 3, 0), (2, 3, 0)),
    "EXTCODECOPY": ((2, 4, 0),),
    "RETURN": ((1, 2, 0),),
    "REVERT": ((1, 2, 0),),
    "CREATE": ((2, 3, 0),),
    "CREATE2": ((2, 3, 0),),
    "CALL": ((4, 5, 0), (6, 7, 0)),
    "CALLCODE": ((4, 5, 0), (6, 7, 0)),
    "DELEGATECALL": ((3, 4, 0), (5, 6, 0)),
    "STATICCALL": ((3, 4, 0), (5, 6, 0)),
    **{f"LOG{n}": ((1, 2, 0),) for n in range(5)},
}


def _growth(running: _Open, op: str, stack: Sequence[Any]) -> int:
    """What it costs that the instruction reaches further into memory than any before."""
    words = running.words
    for offset, length, fixed in _TOUCHES.get(op, ()):
        size = fixed if length is None else _number(stack[-length])
        if size:
            words = max(words, (_number(stack[-offset]) + size + 31) // 32)
    grown = _memory(words) - _memory(running.words)
    running.words = words
    return grown


def _memory(words: int) -> int:
    return 3 * words + words * words // 512


def _number(word: Any) -> int:
    return int(word, 16)


def _address(word: Any) -> str:
    return f"0x{_number(word) & (2**160 - 1):040x}"
