"""The bot as Silverback runs it: in one process, and as a cluster of three workers behind Debian's redis-server.

Slow (Ape and Silverback start in their own time), so part of `make chaos` and not of `make test`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.toolchain.settings import ROOT
from tests.chaos.market import GWEI, Market, Prepared, prepare
from tests.chaos.node import ChaosNode, free_port
from tests.chaos.process import write_settings
from tests.chaos.verdict import assert_database, left_over, wait_recovered

pytestmark = pytest.mark.skipif(
    "CLOSEOUT_CHAOS_ACCOUNTS" not in os.environ, reason="`make chaos` runs it: Silverback takes half a minute to start"
)
ACCOUNTS = 60
LEAST_PROFIT = 2
WORKERS = 3
START_SECONDS = 120.0
STOP_SECONDS = 40.0


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("prepared"), ACCOUNTS)


@pytest.fixture
def market(prepared: Prepared, tmp_path: Path) -> Iterator[Market]:
    (tmp_path / "node").mkdir()
    node = ChaosNode(tmp_path / "node", prepared.state)
    try:
        node.start()
        node.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        yield Market(prepared, node)
    finally:
        node.stop()


class Processes:
    """What a test started, and ends, by their ids."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, command: list[str], **environment: str) -> None:
        with (self._folder / f"{name}.out").open("wb") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            )  # fmt: skip
        self._running.append((name, process))

    def check(self) -> None:
        for name, process in self._running:
            assert process.poll() is None, f"{name} ended: {(self._folder / f'{name}.out').read_text()[-3000:]}"

    def end(self) -> None:
        for _, process in reversed(self._running):
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
        for _, process in reversed(self._running):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    try:
        yield made
    finally:
        made.end()


def silverback(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "silverback"), *arguments]


def settings(folder: Path, market: Market) -> Path:
    file = write_settings(
        folder, market.prepared, market.node.http_url, market.node.ws_url, least_profit=LEAST_PROFIT,
        gas_ceiling="5", loss_ceiling=400,
    )  # fmt: skip
    feeds = [market.world.weth.feed.address, market.world.wbtc.feed.address]
    file.write_text(file.read_text().replace("contracts:\n", f"contracts:\n  feeds: {json.dumps(feeds)}\n"))
    return file


def events(log: Path, name: str) -> list[dict[str, object]]:
    lines = log.read_text().splitlines() if log.exists() else []
    return [item for item in map(json.loads, lines) if item["event"] == name]


def wait_for(condition: object, processes: Processes, seconds: float = START_SECONDS) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        processes.check()
        assert time.monotonic() < deadline, "did not get going"
        time.sleep(0.2)


def network(market: Market) -> str:
    return f"ethereum:local:{market.node.http_url}"


def test_bot__in_one_process__closes_out_what_a_crash_leaves(
    market: Market, processes: Processes, tmp_path: Path
) -> None:
    file, log = settings(tmp_path / "bot", market), tmp_path / "bot" / "log"
    processes.start(
        "run", silverback("run", "bots.keeper", "--network", network(market), "--account", "TEST::0"),
        KEEPER_SETTINGS=str(file), KEEPER_LOG=str(log),
    )  # fmt: skip
    wait_for(lambda: events(log, "block"), processes)
    for factor in (0.92, 0.86, 0.8):
        market.fall(factor)
        market.wait_blocks(3)
    wait_recovered(market, LEAST_PROFIT, 60)
    market.wait_blocks(3)
    processes.check()
    processes.end()

    done = [item for item in events(log, "transaction") if item["what"] == "succeeded"]
    assert len(done) > 5
    assert left_over(market, LEAST_PROFIT) == []
    assert_database(market, tmp_path / "bot" / "keeper.db")
    printed = (tmp_path / "run.out").read_text()
    assert "on_block" in printed
    assert "net_usd" in printed


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_cluster__of_three_workers__each_closes_out_its_share_and_nobody_elses(
    market: Market, processes: Processes, tmp_path: Path
) -> None:
    file, port = settings(tmp_path / "bot", market), free_port()
    redis = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    processes.start("redis", [*redis, "--dir", str(tmp_path)])
    url = f"redis://127.0.0.1:{port}"
    shared = {
        "KEEPER_SETTINGS": str(file),
        "KEEPER_WORKERS": str(WORKERS),
        # every worker hears of every block, and does its own share
        "SILVERBACK_BROKER_CLASS": "taskiq_redis:PubSubBroker",
        "SILVERBACK_BROKER_KWARGS": json.dumps({"url": url, "socket_timeout": None}),
        "SILVERBACK_RESULT_BACKEND_CLASS": "taskiq_redis:RedisAsyncResultBackend",
        "SILVERBACK_RESULT_BACKEND_KWARGS": json.dumps({"redis_url": url}),
    }
    logs = [tmp_path / f"log{worker}" for worker in range(WORKERS)]
    for worker in range(WORKERS):
        key = ("--account", f"TEST::{worker}")
        processes.start(
            f"worker{worker}",
            silverback("worker", "bots.keeper", "--network", network(market), *key, "-w", "1"),
            KEEPER_WORKER=str(worker),
            KEEPER_LOG=str(logs[worker]),
            **shared,
        )
    wait_for(lambda: all((tmp_path / "bot" / f"keeper.{n}.db").exists() for n in range(WORKERS)), processes)
    processes.start("run", silverback("run", "bots.keeper", "--network", network(market)), **shared)
    wait_for(lambda: all(events(log, "block") for log in logs), processes)
    for factor in (0.92, 0.86, 0.8):
        market.fall(factor)
        market.wait_blocks(3)
    wait_recovered(market, LEAST_PROFIT, 60)
    market.wait_blocks(3)
    processes.check()
    processes.end()

    shares = [{item["account"] for item in events(log, "transaction") if item["what"] == "succeeded"} for log in logs]
    assert all(shares), [len(share) for share in shares]
    for one in range(WORKERS):
        for other in range(one):
            assert not shares[one] & shares[other]
    assert left_over(market, LEAST_PROFIT) == []
    for worker in range(WORKERS):
        assert_database(market, tmp_path / "bot" / f"keeper.{worker}.db")
