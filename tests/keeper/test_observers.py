"""Who watches: metrics count what happened, alerts begin once and end once, logs are JSON, the table reads well."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.request import urlopen

import pytest
from rich.console import Console

from closeout.errors import BadInput, EnvironmentProblem
from closeout.keeper.breaker import Spending, Trip
from closeout.keeper.observers import (
    Alert,
    Alerts,
    AssetName,
    JsonLog,
    Metrics,
    Panel,
    SenderView,
    Severity,
    Thresholds,
    Webhook,
    account_text,
)
from closeout.keeper.observers.naming import amount_text, usd_text
from closeout.keeper.ports import AccountLine, Block, Candidate, Decision, Price, PriceStatus, Reason, Refusal, Workload
from closeout.keeper.sender import Happened, What
from closeout.keeper.sending import Worth
from closeout.keeper.service import Failure, FailureKind, Step
from tests.keeper.servers import FakeServer, raw

WAD = 10**18
ASSETS = [AssetName("WETH", 18), AssetName("USDC", 6)]
BLOCK = Block(120, "0xab", "0xaa", 1_800_000_000, 3 * 10**9)
ACCOUNT = (0x1234 << 240) | (0xCDEF << 96) | 3
FRESH = (Price.fresh(2_000 * WAD, BLOCK.timestamp - 5), Price.fresh(WAD, BLOCK.timestamp))
KEY = ("close out", ACCOUNT)


def step(*happened: Happened, age: float = 1.5, lines: tuple[AccountLine, ...] = (), **decision: Any) -> Step:
    values: dict[str, Any] = {
        "prices": FRESH,
        "candidates": (Candidate(ACCOUNT, WAD // 2, 1, 1),),
        "workload": Workload(accounts=500, node_calls=3),
    }
    block = decision.pop("block", BLOCK)
    return Step(block, Decision(block, **(values | decision)), happened, Worth(2_000 * WAD), 0.12, age, lines)


SUCCEEDED = Happened(What.SUCCEEDED, KEY, 7, "0x99", net_wad=1_234 * WAD, gas=WAD // 1000)
FAILED = Happened(What.FAILED, KEY, 8, "0x98", net_wad=-3 * WAD, gas=WAD // 1000)


# ---------------------------------------------------------------------------------------------------------------- names


def test_account__is_shown_by_owner_and_index() -> None:
    assert account_text(ACCOUNT) == "0x1234…cdef/3"
    assert account_text(ACCOUNT, is_short=False) == f"0x1234{'0' * 32}cdef/3"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "$0.00"), (WAD // 2, "$0.50"), (-WAD, "−$1.00"), (1_234_567 * WAD, "$1,234,567"), (999 * WAD, "$999.00")],
)
def test_dollars__are_shown_as_people_write_them(value: int, text: str) -> None:
    assert usd_text(value) == text


def test_amount__is_shown_without_trailing_zeros() -> None:
    assert amount_text(1_500_000, 6) == "1.5"
    assert amount_text(10**9, 6) == "1,000"
    assert usd_text(WAD, is_signed=True) == "+$1.00"


# -------------------------------------------------------------------------------------------------------------- metrics


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(f"keeper_{name}", labels)
    assert found is not None, name
    return found


def test_metrics__after_a_step__say_what_happened() -> None:
    view = SenderView(lambda: 4, lambda: Trip.LOSS, lambda: Spending(WAD // 2, -30 * WAD))
    metrics = Metrics(ASSETS, view, lambda: {"busy": 2})
    refusals = (Refusal(1, Reason.TOO_DEAR), Refusal(2, Reason.TOO_DEAR))
    metrics.on_step(step(SUCCEEDED, FAILED, refusals=refusals, bad_debt={1: 2_500_000}, margin_called=(1, 2)))

    assert value(metrics, "block_number") == 120
    assert value(metrics, "accounts") == 500
    assert value(metrics, "candidates") == 1
    assert value(metrics, "refusals_total", reason="too_dear") == 2
    assert value(metrics, "transactions_total", what="succeeded", action="close out") == 1
    assert value(metrics, "earned_usd_total") == 1_234
    assert value(metrics, "lost_usd_total") == 3
    assert value(metrics, "gas_ether_total") == pytest.approx(0.002)
    assert value(metrics, "bad_debt_total", asset="USDC") == 2.5
    assert value(metrics, "margin_calls_total") == 2
    assert value(metrics, "price_usd", asset="WETH") == 2_000
    assert value(metrics, "price_age_seconds", asset="WETH") == 5
    assert value(metrics, "transactions_in_flight") == 4
    assert value(metrics, "breaker_open", reason="loss") == 1
    assert value(metrics, "breaker_open", reason="gas") == 0
    assert value(metrics, "hour_loss_usd") == 30
    assert value(metrics, "node_failures", kind="busy") == 2
    assert value(metrics, "step_seconds_count") == 1


def test_metrics__of_a_missing_price__say_so() -> None:
    metrics = Metrics(ASSETS)
    metrics.on_step(step(prices=(Price(PriceStatus.MISSING, 0, 0, 0, 0), FRESH[1])))

    assert value(metrics, "price_status", asset="WETH") == 2
    assert value(metrics, "price_usd", asset="WETH") == 0


def test_metrics__are_served_as_prometheus_reads_them() -> None:
    metrics = Metrics(ASSETS)
    metrics.on_failure(Failure(FailureKind.NODE, "dead", 1))
    metrics.on_silence(12.5)
    server = metrics.serve(0)
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            text = answer.read().decode()
        with pytest.raises(EnvironmentProblem, match=f"metrics port {server.server_port}"):
            Metrics(ASSETS).serve(server.server_port)
    finally:
        server.shutdown()
        server.server_close()

    assert 'keeper_failed_blocks_total{kind="node"} 1.0' in text
    assert "keeper_silence_seconds 12.5" in text
    assert "# HELP keeper_accounts Accounts that hold or owe something" in text


# --------------------------------------------------------------------------------------------------------------- alerts


class Sent(list[Alert]):
    def kinds(self) -> list[tuple[str, str, bool]]:
        return [(alert.kind, alert.subject, alert.is_over) for alert in self]


@pytest.fixture
def sent() -> Sent:
    return Sent()


def test_price__degraded_for_many_blocks__is_one_alert_and_one_end(sent: Sent) -> None:
    alerts = Alerts(ASSETS, sent.append)
    degraded = (replace(FRESH[0], status=PriceStatus.DEGRADED), FRESH[1])
    for prices in (FRESH, degraded, degraded, degraded, FRESH):
        alerts.on_step(step(prices=prices))

    assert sent.kinds() == [("oracle degraded", "WETH", False), ("oracle degraded", "WETH", True)]
    assert sent[0].severity is Severity.WARNING
    assert "WETH: its price is degraded, 5 s old" in sent[0].text


def test_price__missing__is_critical(sent: Sent) -> None:
    Alerts(ASSETS, sent.append).on_step(step(prices=(FRESH[0], Price(PriceStatus.MISSING, 0, 0, 0, 0))))

    assert [(alert.subject, alert.severity) for alert in sent] == [("USDC", Severity.CRITICAL)]


def test_margin_calls__of_many_accounts__are_one_alert_that_names_some(sent: Sent) -> None:
    Alerts(ASSETS, sent.append).on_step(step(margin_called=tuple(range(8))))

    (alert,) = sent
    assert alert.kind == "margin call"
    assert alert.text.endswith("and 3 more")


def test_bad_debt__is_critical_and_says_how_much(sent: Sent) -> None:
    Alerts(ASSETS, sent.append).on_step(step(bad_debt={1: 12_500_000}))

    assert (sent[0].kind, sent[0].severity) == ("bad debt", Severity.CRITICAL)
    assert "12.5 USDC" in sent[0].text


def test_keeper__behind__by_silence_or_by_age__is_told_and_over_when_blocks_come(sent: Sent) -> None:
    alerts = Alerts(ASSETS, sent.append, Thresholds(silence=60, age=120))
    alerts.on_silence(59)
    alerts.on_silence(61)
    alerts.on_silence(62)
    alerts.on_step(step(age=121))
    alerts.on_step(step(age=1))

    assert sent.kinds() == [
        ("keeper behind", "silence", False),
        ("keeper behind", "age", False),
        ("keeper behind", "silence", True),
        ("keeper behind", "age", True),
    ]


def test_node__failing_once__is_no_news_and_failing_on_is(sent: Sent) -> None:
    alerts = Alerts(ASSETS, sent.append)
    for count in (1, 2, 3, 4):
        alerts.on_failure(Failure(FailureKind.NODE, "HTTP 429", count))
    alerts.on_step(step())

    assert sent.kinds() == [("keeper failing", "node", False), ("keeper failing", "node", True)]


def test_disk__full__is_told_at_once(sent: Sent) -> None:
    Alerts(ASSETS, sent.append).on_failure(Failure(FailureKind.DISK, "database or disk is full", 1))

    assert sent[0].text == "database or disk is full"


def test_breaker__open__is_told_with_its_reason(sent: Sent) -> None:
    trips = [Trip.GAS, Trip.GAS, None]
    alerts = Alerts(ASSETS, sent.append, trip=lambda: trips.pop(0))
    for _ in range(3):
        alerts.on_step(step())

    assert sent.kinds() == [("breaker", "gas", False), ("breaker", "gas", True)]


def test_shared_key_and_failures__are_told(sent: Sent) -> None:
    alerts = Alerts(ASSETS, sent.append)
    alerts.on_step(step(Happened(What.STANDING_BY, ("key", 1), detail="another process uses the key"), FAILED))
    alerts.on_step(step(workload=Workload(verified=20, differing=2)))

    assert [alert.kind for alert in sent] == ["key shared", "transaction failed", "database differs"]
    assert alerts.standing == []


@pytest.fixture
def hook() -> Iterator[FakeServer]:
    made = FakeServer()
    made.answers = [raw(200, b"ok")]
    yield made
    made.server.shutdown()


ALERT = Alert("bad debt", "USDC", Severity.CRITICAL, "12 USDC", 120)


def test_webhook__gets_the_alert_as_json_with_a_text_for_people(hook: FakeServer) -> None:
    webhook = Webhook(hook.url, "sepolia")
    webhook(ALERT)
    webhook.close()

    assert hook.seen[0]["text"] == "[sepolia] critical: bad debt: 12 USDC (block 120)"
    assert hook.seen[0]["kind"] == "bad debt"
    assert hook.seen[0]["is_over"] is False


def test_webhook__that_fails_once__gets_it_again(hook: FakeServer) -> None:
    hook.answers = [raw(500, b""), raw(200, b"ok")]
    webhook = Webhook(hook.url, "sepolia")
    webhook(ALERT)
    webhook.close()

    assert len(hook.seen) == 2
    assert webhook.dropped == 0


def test_webhook__dead__delays_nobody_and_counts_what_is_lost() -> None:
    webhook = Webhook("http://127.0.0.1:9/x", "sepolia", timeout_seconds=0.2, tries=1, size=3)
    for _ in range(20):
        webhook(ALERT)
    webhook.close()

    assert webhook.dropped == 20


def test_webhook__address_that_is_none__is_refused() -> None:
    with pytest.raises(BadInput, match=r"alerts\.webhook"):
        Webhook("chat", "x")


# ----------------------------------------------------------------------------------------------------------------- logs


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_log__of_a_step__is_json_with_exact_amounts() -> None:
    stream = io.StringIO()
    JsonLog(stream, clock=lambda: 5.0).on_step(step(SUCCEEDED, bad_debt={1: 7}, margin_called=(ACCOUNT,)))

    found = lines(stream)
    assert [item["event"] for item in found] == ["block", "transaction", "margin call", "bad debt"]
    assert found[1] == {
        "time": 5.0, "event": "transaction", "block": 120, "what": "succeeded", "action": "close out",
        "account": account_text(ACCOUNT, is_short=False), "nonce": 7, "hash": "0x99", "net": "1234", "gas": "0.001",
    }  # fmt: skip


def test_log__of_quiet_blocks__is_a_line_now_and_then() -> None:
    stream = io.StringIO()
    log = JsonLog(stream, quiet_blocks=10)
    for number in range(25):
        log.on_step(step(block=replace(BLOCK, number=number)))

    assert [item["number"] for item in lines(stream)] == [0, 10, 20]


def test_refusal__that_stands__is_logged_once_and_again_when_it_came_back() -> None:
    stream = io.StringIO()
    log = JsonLog(stream)
    refusal = Refusal(ACCOUNT, Reason.TOO_DEAR, "gas", 3 * WAD, 5 * WAD)
    for refusals in ((refusal,), (refusal,), (), (refusal,)):
        log.on_step(step(refusals=refusals))

    found = [item for item in lines(stream) if item["event"] == "refused"]
    assert len(found) == 2
    assert (found[0]["reason"], found[0]["earns"], found[0]["costs"]) == ("too_dear", "3", "5")


def test_failure__is_logged_with_its_trace_where_it_has_one() -> None:
    stream = io.StringIO()
    log = JsonLog(stream)
    log.on_failure(Failure(FailureKind.FAULT, "oops", 2, "Traceback"))
    log.on_failure(Failure(FailureKind.NODE, "dead", 1))
    log.on_silence(5)

    first, second = lines(stream)
    assert (first["kind"], first["in_a_row"], first["trace"]) == ("fault", 2, "Traceback")
    assert "trace" not in second


# ---------------------------------------------------------------------------------------------------------------- table

NEAREST = (
    AccountLine(ACCOUNT, 99_996 * WAD // 100_000, 30_000 * WAD, 24_500 * WAD),
    AccountLine(ACCOUNT + 1, 104 * WAD // 100, 900 * WAD, 700 * WAD),
)


def shown(panel: Panel, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(panel.render())
    return console.export_text()


def test_table__shows_accounts_prices_what_was_done_and_what_is_wrong() -> None:
    panel = Panel(
        Console(file=io.StringIO(), width=120, force_terminal=True), "keeper sepolia", ASSETS, lambda: Trip.GAS,
        lambda: Spending(WAD // 4, -2 * WAD),
    )  # fmt: skip
    panel.on_step(step(SUCCEEDED, FAILED, lines=NEAREST))
    panel.on_failure(Failure(FailureKind.NODE, "HTTP 429", 1))
    text = shown(panel)

    for expected in (
        "keeper sepolia", "block 120", "500 accounts", "0x1234…cdef/3", "0.9999", "−0.01 %".replace("−", "-"),
        "$30,000", "1.0400", "+4.00 %", "WETH", "2000", "5 s", "fresh", "close out: succeeded", "+$1,234", "−$3.00",
        "HTTP 429", "nothing is sent: the ceiling on gas per hour", "losses $2.00", "0.2500 ether",
    ):  # fmt: skip
        assert expected in text, f"{expected!r} not in\n{text}"
    assert all(len(line) <= 120 for line in text.splitlines())


def test_table__health_just_below_one__never_reads_as_one() -> None:
    panel = Panel(Console(file=io.StringIO(), width=120, force_terminal=True), "keeper", ASSETS)
    panel.on_step(step(lines=(AccountLine(ACCOUNT, WAD - 1, WAD, WAD),)))

    assert "0.9999" in shown(panel)


def test_panel__without_a_terminal__prints_a_line_per_thing_and_a_summary() -> None:
    out = io.StringIO()
    with Panel(Console(file=out, width=160), "keeper sepolia", ASSETS) as panel:
        panel.on_step(step())
        panel.on_step(step(SUCCEEDED))
        panel.on_failure(Failure(FailureKind.NODE, "HTTP 429", 1))
        panel.on_failure(Failure(FailureKind.NODE, "HTTP 429", 2))

    printed = out.getvalue().splitlines()
    assert printed[0].endswith("block 120: watching 500 accounts")
    assert printed[1].endswith("close out 0x1234…cdef/3 succeeded, net +$1,234, gas 0.001000 ether")
    assert printed[2].endswith("trouble: node: HTTP 429")
    assert printed[3:] == ["keeper sepolia: 1 succeeded; profit +$1,234"]
