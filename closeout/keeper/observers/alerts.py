"""Alerts: what a person should know now, once when it begins and once when it is over, sent to a webhook."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

import requests

from closeout.errors import BadInput
from closeout.keeper.breaker import Trip
from closeout.keeper.observers.naming import AssetName, account_text, amount_text, usd_text
from closeout.keeper.ports import PriceStatus
from closeout.keeper.sender import What
from closeout.keeper.service import Failure, FailureKind, Step

__all__ = ["Alert", "Alerts", "Severity", "Thresholds", "Webhook"]

MOST_NAMED = 5
FEW_BLOCKS = 3


class Severity(Enum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """`kind` is for routing, `subject` tells one from another of its kind; `is_over`: the trouble has ended."""

    kind: str
    subject: str
    severity: Severity
    text: str
    block: int
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Seconds without a new block, or of a block's age, after which the keeper is behind."""

    silence: float = 60.0
    age: float = 120.0


class Alerts:
    """An observer. `send` gets each alert; it must not block."""

    def __init__(
        self,
        assets: Sequence[AssetName],
        send: Callable[[Alert], None],
        thresholds: Thresholds | None = None,
        trip: Callable[[], Trip | None] = lambda: None,
    ) -> None:
        self._assets, self._send, self._trip = assets, send, trip
        self._thresholds = thresholds or Thresholds()
        self._standing: dict[tuple[str, str], Alert] = {}
        self._block = 0

    @property
    def standing(self) -> list[Alert]:
        """What has begun and is not over."""
        return list(self._standing.values())

    # -------------------------------------------------------------------------------------------------------- observer

    def on_step(self, step: Step) -> None:
        self._block = step.block.number
        for kind in FailureKind:
            self._end("keeper failing", kind.value, "works again")
        self._set(
            step.age > self._thresholds.age, "keeper behind", "age", Severity.CRITICAL,
            f"the newest block is {step.age:.0f} s old: the node is behind, or this machine's clock is wrong",
        )  # fmt: skip
        self._end("keeper behind", "silence", "blocks come again")
        self._of_prices(step)
        self._of_accounts(step)
        self._of_transactions(step)
        trip = self._trip()
        for reason in Trip:
            text = f"nothing is sent: {reason.value}"
            self._set(trip is reason, "breaker", reason.name.lower(), Severity.CRITICAL, text)

    def _of_prices(self, step: Step) -> None:
        for asset, price in zip(self._assets, step.decision.prices, strict=False):
            age = step.block.timestamp - price.time
            text = f"{asset.symbol}: its price is {price.status.name.lower()}, {age} s old"
            severity = Severity.CRITICAL if price.status is PriceStatus.MISSING else Severity.WARNING
            self._set(price.status is not PriceStatus.FRESH, "oracle degraded", asset.symbol, severity, text)

    def _of_accounts(self, step: Step) -> None:
        decision = step.decision
        if decision.margin_called:
            names = ", ".join(account_text(account) for account in decision.margin_called[:MOST_NAMED])
            more = len(decision.margin_called) - MOST_NAMED
            text = f"on call: {names}" + (f" and {more} more" if more > 0 else "")
            self._once("margin call", "accounts", Severity.INFO, text)
        for asset_id, units in decision.bad_debt.items():
            asset = self._assets[asset_id]
            text = f"{amount_text(units, asset.decimals)} {asset.symbol} of bad debt was booked"
            self._once("bad debt", asset.symbol, Severity.CRITICAL, text)
        if decision.workload.differing:
            text = f"{decision.workload.differing} of {decision.workload.verified} accounts were not the chain's"
            self._once("database differs", "sample", Severity.CRITICAL, text + "; they were read anew")

    def _of_transactions(self, step: Step) -> None:
        for item in step.happened:
            if item.what is What.STANDING_BY:
                self._once("key shared", "key", Severity.CRITICAL, item.detail)
            elif item.what is What.FAILED:
                cost = usd_text(item.net_wad)
                self._once("transaction failed", item.hash, Severity.WARNING, f"{item.key[0]} failed on chain: {cost}")
            elif item.what is What.NOT_ACCEPTED and "cannot pay" in item.detail:
                self._once("funds low", "key", Severity.CRITICAL, item.detail)

    def on_failure(self, failure: Failure) -> None:
        # a node that does not answer once is no news
        patience = FEW_BLOCKS if failure.kind is FailureKind.NODE else 1
        if failure.in_a_row >= patience:
            self._set(True, "keeper failing", failure.kind.value, Severity.CRITICAL, failure.text)

    def on_silence(self, seconds: float) -> None:
        self._set(
            seconds > self._thresholds.silence, "keeper behind", "silence", Severity.CRITICAL,
            f"no new block for {seconds:.0f} s",
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------------------------- inside

    def _set(self, is_on: bool, kind: str, subject: str, severity: Severity, text: str) -> None:
        if not is_on:
            self._end(kind, subject, "over")
        elif (kind, subject) not in self._standing:
            alert = Alert(kind, subject, severity, text, self._block)
            self._standing[kind, subject] = alert
            self._send(alert)

    def _end(self, kind: str, subject: str, text: str) -> None:
        if self._standing.pop((kind, subject), None) is not None:
            self._send(Alert(kind, subject, Severity.INFO, text, self._block, is_over=True))

    def _once(self, kind: str, subject: str, severity: Severity, text: str) -> None:
        self._send(Alert(kind, subject, severity, text, self._block))


class Webhook:
    """Posts alerts as JSON, in a thread of its own: a webhook that hangs delays nothing. `text` is what chats show.

    What cannot be delivered is tried `tries` times and then dropped and counted; so is what does not fit the queue.
    """

    def __init__(self, url: str, name: str, timeout_seconds: float = 5.0, tries: int = 3, size: int = 200) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput("alerts.webhook", url, "an address that starts with http:// or https://")
        self._url, self._name, self._timeout, self._tries = url, name, timeout_seconds, tries
        self._queue: queue.Queue[Alert | None] = queue.Queue(size)
        self._pause = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._deliver, name="webhook", daemon=True)
        self._thread.start()

    def __call__(self, alert: Alert) -> None:
        try:
            self._queue.put_nowait(alert)
        except queue.Full:
            self.dropped += 1

    def close(self, seconds: float = 5.0) -> None:
        """Delivers what is waiting, for so long at most."""
        try:
            self._queue.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _deliver(self) -> None:
        while (alert := self._queue.get()) is not None:
            if not any(self._post(alert, attempt) for attempt in range(self._tries)):
                self.dropped += 1

    def _post(self, alert: Alert, attempt: int) -> bool:
        self._pause.wait(attempt**2)
        state = "over" if alert.is_over else alert.severity.value
        body: dict[str, Any] = asdict(alert) | {
            "severity": alert.severity.value,
            "keeper": self._name,
            "text": f"[{self._name}] {state}: {alert.kind}: {alert.text} (block {alert.block})",
        }
        try:
            return requests.post(self._url, json=body, timeout=self._timeout).ok
        except requests.RequestException:
            return False
