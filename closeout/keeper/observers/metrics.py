"""Prometheus metrics: what a dashboard draws and an alert rule watches. docs/runbooks/keeper.md lists them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from closeout.errors import EnvironmentProblem
from closeout.keeper.breaker import Spending, Trip
from closeout.keeper.observers.naming import AssetName
from closeout.keeper.ports import PriceStatus
from closeout.keeper.sender import What
from closeout.keeper.service import Failure, FailureKind, Step
from closeout.units import WAD

__all__ = ["Metrics", "SenderView"]

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
GWEI = 10**9


class SenderView:
    """What is read off the sender at each step; a paper sender has none of it."""

    def __init__(
        self, in_flight: Callable[[], int], trip: Callable[[], Trip | None], spent: Callable[[], Spending]
    ) -> None:
        self.in_flight, self.trip, self.spent = in_flight, trip, spent


class Metrics:
    """An observer. Amounts are floats here, as Prometheus has nothing else: for pictures, never for books."""

    def __init__(
        self,
        assets: Sequence[AssetName],
        sender: SenderView | None = None,
        node_failures: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        self.registry = CollectorRegistry()
        self._assets, self._sender, self._node_failures = assets, sender, node_failures
        gauge, counter = self._gauge, self._counter
        self._block = gauge("block_number", "Newest block worked on")
        self._age = gauge("block_age_seconds", "Age of that block by this machine's clock, when it was worked on")
        self._silence = gauge("silence_seconds", "Time since a new block was heard of")
        self._seconds = Histogram(
            "keeper_step_seconds", "From hearing of a block to having sent", buckets=SECONDS, registry=self.registry
        )
        self._accounts = gauge("accounts", "Accounts that hold or owe something")
        self._candidates = gauge("candidates", "Accounts that the screen could not call healthy")
        self._calls = counter("node_calls_total", "Calls of the node by the watch-list and the planner")
        self._reorged = counter("reorged_blocks_total", "Blocks undone because the chain changed its mind")
        self._verified = counter("verified_accounts_total", "Accounts compared with the chain")
        self._differing = counter("differing_accounts_total", "Of them, those that were not the chain's")
        self._refusals = counter("refusals_total", "Accounts let be, by reason", "reason")
        self._transactions = counter("transactions_total", "What happened to transactions", "what", "action")
        self._earned = counter("earned_usd_total", "Gains of mined transactions, after gas")
        self._lost = counter("lost_usd_total", "Losses of mined transactions")
        self._gas = counter("gas_ether_total", "Gas of mined transactions")
        self._paper = counter("paper_earned_usd_total", "What paper trading would have earned")
        self._in_flight = gauge("transactions_in_flight", "Nonces that are sent and not in a block")
        self._breaker = gauge("breaker_open", "1 where this keeps everything from being sent", "reason")
        self._hour_gas = gauge("hour_gas_ether", "Gas of the last hour")
        self._hour_loss = gauge("hour_loss_usd", "Losses of the last hour")
        self._price = gauge("price_usd", "Price as the Vault uses it; 0 where there is none", "asset")
        self._status = gauge("price_status", "0 fresh, 1 degraded, 2 missing", "asset")
        self._price_age = gauge("price_age_seconds", "Age of a price at the block", "asset")
        self._calls_made = counter("margin_calls_total", "Accounts put on call by anybody")
        self._bad_debt = counter("bad_debt_total", "Bad debt booked, whole tokens", "asset")
        self._failures = counter("failed_blocks_total", "Blocks that could not be worked on", "kind")
        self._node = gauge("node_failures", "Requests that failed, by kind, since the start", "kind")
        self._base_fee = gauge("base_fee_gwei", "Base fee of the newest block")
        for what in What:
            for action in ("close out", "margin call"):
                self._transactions.labels(what.value, action)
        for kind in FailureKind:
            self._failures.labels(kind.value)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"keeper_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"keeper_{name}", text, labels, registry=self.registry)

    def serve(self, port: int, host: str = "127.0.0.1") -> WSGIServer:
        """The endpoint, in a thread of its own; port 0 takes a free one. Raises EnvironmentProblem where it is busy."""
        try:
            server, _ = start_http_server(port, host, self.registry)
        except OSError as error:
            raise EnvironmentProblem(f"metrics port {port}: {error.strerror}, expected a free one") from None
        return server

    # -------------------------------------------------------------------------------------------------------- observer

    def on_step(self, step: Step) -> None:
        decision, work = step.decision, step.decision.workload
        self._block.set(step.block.number)
        self._age.set(step.age)
        self._silence.set(0)
        self._seconds.observe(step.seconds)
        self._base_fee.set(step.block.base_fee / GWEI)
        self._accounts.set(work.accounts)
        self._candidates.set(len(decision.candidates))
        self._calls.inc(work.node_calls)
        self._reorged.inc(work.reorged_blocks)
        self._verified.inc(work.verified)
        self._differing.inc(work.differing)
        for refusal in decision.refusals:
            self._refusals.labels(refusal.reason.name.lower()).inc()
        self._calls_made.inc(len(decision.margin_called))
        for asset_id, units in decision.bad_debt.items():
            asset = self._assets[asset_id]
            self._bad_debt.labels(asset.symbol).inc(units / 10**asset.decimals)
        for asset, price in zip(self._assets, decision.prices, strict=False):
            is_there = price.status is not PriceStatus.MISSING
            self._price.labels(asset.symbol).set(price.exchange_wad / WAD if is_there else 0)
            self._status.labels(asset.symbol).set(int(price.status))
            self._price_age.labels(asset.symbol).set(step.block.timestamp - price.time)
        self._of_transactions(step)
        self._of_sender()

    def _of_transactions(self, step: Step) -> None:
        for item in step.happened:
            self._transactions.labels(item.what.value, item.key[0]).inc()
            if item.what is What.WOULD_EARN:
                self._paper.inc(max(0, item.net_wad) / WAD)
            elif item.what in (What.SUCCEEDED, What.FAILED, What.USED_UP):
                (self._earned if item.net_wad >= 0 else self._lost).inc(abs(item.net_wad) / WAD)
                self._gas.inc(item.gas / WAD)

    def _of_sender(self) -> None:
        for kind, count in self._node_failures().items():
            self._node.labels(kind).set(count)
        if self._sender is None:
            return
        trip, spent = self._sender.trip(), self._sender.spent()
        self._in_flight.set(self._sender.in_flight())
        for reason in Trip:
            self._breaker.labels(reason.name.lower()).set(reason is trip)
        self._hour_gas.set(spent.gas / WAD)
        self._hour_loss.set(spent.loss_wad / WAD)

    def on_failure(self, failure: Failure) -> None:
        self._failures.labels(failure.kind.value).inc()
        for kind, count in self._node_failures().items():
            self._node.labels(kind).set(count)

    def on_silence(self, seconds: float) -> None:
        self._silence.set(seconds)
