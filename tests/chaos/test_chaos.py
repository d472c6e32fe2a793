"""A crash, and something that goes wrong in it: the keeper loses nothing, misses nothing and tells no lies.

`make test` looks at a short choice with few accounts, `make chaos` at everything with 500.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from rich.console import Console
from rich.table import Table

from tests.chaos.faults import FAULTS, SHORT, Scene
from tests.chaos.market import GWEI, Market, Prepared, prepare
from tests.chaos.node import ChaosNode
from tests.chaos.process import OWNER, KeeperProcess, write_settings
from tests.chaos.proxy import Proxy
from tests.chaos.verdict import Spent, assert_books, assert_ceilings, assert_database, left_over, wait_recovered

ACCOUNTS = int(os.environ.get("CLOSEOUT_CHAOS_ACCOUNTS", "40"))
IS_WHOLE = "CLOSEOUT_CHAOS_ACCOUNTS" in os.environ
NAMES = list(FAULTS) if IS_WHOLE else list(SHORT)
LEAST_PROFIT = 2
GAS_CEILING, LOSS_CEILING = 5, 400
RECOVERY_SECONDS = 120.0
ETHER = 10**18


@dataclass(frozen=True)
class Row:
    fault: str
    seen: str
    unhealthy: int
    spent: Spent
    recovery: float


ROWS: list[Row] = []


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(tmp_path_factory.mktemp("prepared"), ACCOUNTS)


@pytest.fixture(scope="module", autouse=True)
def table(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    capture = request.config.pluginmanager.getplugin("capturemanager")
    made = Table("fault", "what was seen", title=f"chaos: a crash with {ACCOUNTS} accounts")
    for heading in ("close-outs", "failed", "gas, ether", "losses, USD", "recovery, s"):
        made.add_column(heading, justify="right")
    for row in ROWS:
        spent = row.spent
        made.add_row(
            row.fault, row.seen, str(spent.close_outs), str(spent.failed), f"{spent.gas / ETHER:.4f}",
            f"{spent.loss_wad / ETHER:.2f}", f"{row.recovery:.1f}",
        )  # fmt: skip
    with capture.global_and_fixture_disabled():
        Console(width=150).print(made)


@pytest.fixture
def scene(prepared: Prepared, tmp_path: Path) -> Iterator[Scene]:
    (tmp_path / "node").mkdir()
    node = ChaosNode(tmp_path / "node", prepared.state)
    keepers: list[KeeperProcess] = []
    proxy: Proxy | None = None
    try:
        node.start()
        market = Market(prepared, node)
        node.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
        node.call("anvil_setBalance", OWNER, hex(100 * ETHER))
        proxy = Proxy(node.http_url, node.ws_url)

        def make(name: str) -> KeeperProcess:
            assert proxy is not None
            settings = write_settings(
                tmp_path / name, prepared, proxy.http_url, proxy.ws_url, least_profit=LEAST_PROFIT,
                gas_ceiling=str(GAS_CEILING), loss_ceiling=LOSS_CEILING,
            )  # fmt: skip
            return KeeperProcess(settings)

        keepers.append(make("keeper"))
        yield Scene(market, node, proxy, keepers[0], lambda: make("twin"), Random(5), keepers=keepers)
    finally:
        for keeper in keepers:
            keeper.end()
        if proxy is not None:
            proxy.close()
        node.stop()


@pytest.mark.parametrize("name", NAMES)
def test_fault__in_a_crash__leaves_nothing_that_pays_no_double_spend_and_true_books(scene: Scene, name: str) -> None:
    market, keeper = scene.market, scene.keeper
    keeper.start()
    keeper.wait_ready()
    assert market.unhealthy() == []

    seen = FAULTS[name](scene)
    # one more step down: how long does it take now?
    scene.fall()
    recovery = wait_recovered(market, LEAST_PROFIT, RECOVERY_SECONDS)
    # what was sent last is booked a block later
    market.wait_blocks(6)
    left = left_over(market, LEAST_PROFIT)
    assert not left
    for process in scene.keepers:
        assert process.is_running, process.printed.read_text()[-2000:]
        assert process.stop() == 0
        assert process.events("failed") == [] or name not in ("no fault", "rival takes half"), process.events("failed")
        assert not [item for item in process.events("failed") if item["kind"] == "fault"], process.events("failed")[-3:]
        assert_database(market, process.database)
    spent = assert_books(market, scene.keepers)
    assert spent.close_outs > 0
    assert_ceilings(spent, GAS_CEILING * ETHER, LOSS_CEILING * ETHER)
    ROWS.append(Row(name, seen, len(left), spent, recovery))
