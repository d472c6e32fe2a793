"""The loop: a new block, the brain's decision, the sender's work, and everyone who watches is told. Thin on purpose.

Nothing ends it but a request to stop, or the same fault of its own too often: a node that does not answer, a disk
that is full, a price that is missing are told, and the next block is tried.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Protocol

from closeout.errors import BadInput, CloseoutError, EnvironmentProblem, NodeError
from closeout.keeper.ports import AccountLine, Block, Brain, ChainReader, Decision, PriceStatus
from closeout.keeper.sender import Happened, What
from closeout.keeper.sending import Job, Worth
from closeout.units import WAD_DECIMALS

__all__ = ["Failure", "FailureKind", "Heads", "Observer", "Service", "Step", "Worker", "figures"]

# The same fault of ours so many blocks in a row is not going to mend itself.
MOST_FAULTS = 20
LINES = 20
MINED = (What.SUCCEEDED, What.FAILED, What.USED_UP, What.WOULD_EARN)


class FailureKind(Enum):
    NODE = "node"
    DISK = "database"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Failure:
    """A block that could not be worked on; `in_a_row` with this one."""

    kind: FailureKind
    text: str
    in_a_row: int
    trace: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one block. `seconds`: from hearing of it to having sent. `age`: by this machine's clock,
    seconds.
    """

    block: Block
    decision: Decision
    happened: tuple[Happened, ...]
    worth: Worth
    seconds: float
    age: float
    nearest: Sequence[AccountLine] = field(default=())


def figures(step: Step | None) -> dict[str, int | Decimal]:
    """A step as a bot's metrics; nothing where there was none."""
    if step is None:
        return {}
    mined = [item for item in step.happened if item.what in MINED]
    return {
        "block": step.block.number,
        "accounts": step.decision.workload.accounts,
        "candidates": len(step.decision.candidates),
        "intents": len(step.decision.intents),
        "sent": sum(1 for item in step.happened if item.what in (What.SENT, What.REPLACED)),
        "mined": len(mined),
        "net_usd": Decimal(sum(item.net_wad for item in mined)).scaleb(-WAD_DECIMALS),
        "margin_calls": len(step.decision.margin_called),
        "degraded_prices": sum(1 for price in step.decision.prices if price.status is not PriceStatus.FRESH),
    }


class Observer(Protocol):
    """Metrics, logs, alerts, the table. What one of them raises ends nobody else's work."""

    def on_step(self, step: Step) -> None: ...

    def on_failure(self, failure: Failure) -> None: ...

    def on_silence(self, seconds: float) -> None:
        """No new block for so long."""


class Worker(Protocol):
    """The sender, or one that only pretends."""

    def on_block(self, decision: Decision, worth: Worth, jobs: Sequence[Job] = ()) -> list[Happened]: ...


class Heads(Protocol):
    def wait(self, seconds: float) -> None: ...


class Service:
    """`native_asset`: the listed asset that gas is worth as. `jobs`: what is wanted until it is mined: approvals.

    `prepare` runs before each decision.
    """

    def __init__(
        self,
        reader: ChainReader,
        brain: Brain,
        worker: Worker,
        native_asset: int,
        observers: Sequence[Observer] = (),
        jobs: Callable[[], Sequence[Job]] = tuple,
        prepare: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._reader, self._brain, self._worker = reader, brain, worker
        self._native_asset, self._jobs, self._prepare, self._clock = native_asset, jobs, prepare, clock
        self._observers = observers
        self._last: Block | None = None
        self._last_worth = Worth(0)
        self._failures: dict[FailureKind, int] = {}
        self._heard = time.monotonic()

    def run(self, heads: Heads, stop: threading.Event, poll_seconds: float) -> None:
        """Until `stop`. Raises CloseoutError after the same fault of its own in many blocks."""
        while not stop.is_set():
            self.step()
            if stop.is_set():
                return
            heads.wait(poll_seconds)

    def step(self) -> Step | None:
        """Works on the newest block; None where there is none, or where it could not be worked on."""
        started = time.monotonic()
        try:
            head = self._reader.head()
            if self._last is not None and head.hash == self._last.hash:
                self._each(lambda observer: observer.on_silence(time.monotonic() - self._heard))
                return None
            self._heard = time.monotonic()
            step = self._work(head, started)
        except BadInput:
            raise
        except NodeError as error:
            self._fail(FailureKind.NODE, str(error))
        except EnvironmentProblem as error:
            self._fail(FailureKind.DISK, str(error))
        except Exception as error:
            self._fail(FailureKind.FAULT, f"{type(error).__name__}: {error}", traceback.format_exc())
        else:
            self._failures.clear()
            self._each(lambda observer: observer.on_step(step))
            return step
        return None

    def _work(self, head: Block, started: float) -> Step:
        self._prepare()
        decision = self._brain.on_block(head)
        worth = self._worth(decision)
        happened = self._worker.on_block(decision, worth, self._jobs())
        # only now: a block that failed halfway is worked on again
        self._last = head
        seconds = time.monotonic() - started
        lines = tuple(self._brain.nearest(LINES))
        return Step(head, decision, tuple(happened), worth, seconds, self._clock() - head.timestamp, lines)

    def _worth(self, decision: Decision) -> Worth:
        """At this block's prices; where there are none (a node that is behind), at the last ones known."""
        if not decision.prices:
            return self._last_worth
        tokens = dict(self._last_worth.tokens)
        assets = self._reader.configuration(decision.block).assets
        for asset, price in zip(assets, decision.prices, strict=False):
            if price.status is not PriceStatus.MISSING:
                tokens[asset.token.lower()] = price.exchange_wad, asset.parameters.decimals
        native = decision.prices[self._native_asset]
        is_there = native.status is not PriceStatus.MISSING
        self._last_worth = Worth(native.exchange_wad if is_there else self._last_worth.native_price_wad, tokens)
        return self._last_worth

    def _fail(self, kind: FailureKind, text: str, trace: str = "") -> None:
        self._failures[kind] = self._failures.get(kind, 0) + 1
        failure = Failure(kind, text, self._failures[kind], trace)
        self._each(lambda observer: observer.on_failure(failure))
        if kind is FailureKind.FAULT and failure.in_a_row >= MOST_FAULTS:
            raise CloseoutError(f"{MOST_FAULTS} blocks in a row failed; the last: {text}")

    def _each(self, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception as error:
                # a watcher's trouble is not the keeper's
                if not isinstance(error, OSError):
                    traceback.print_exc()
