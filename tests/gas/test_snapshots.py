"""Our gas is what `snapshots.json` says: a change that costs shows, and one that saves is written down.

After an intended change: `make gas-ours`, and commit the file with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.gas import report, snapshots
from tests.gas.attribution import Attribution
from tests.gas.bench import Bench
from tests.gas.floor import floor_items
from tests.gas.stage import BASKETS, Stage
from tests.gas.trace import Kind, Trace
from tests.support.node import Node
from tests.support.world import GENESIS

# Gas depends on nothing but the code and the order of deployment, which decides how many zero bytes an address in
# calldata has: a few dozen gas.
COSTS_MORE_BPS = 10
COSTS_LESS_BPS = 100


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Anvil(extra=("--steps-tracing",)) as anvil:
        yield Bench(Stage(Node(anvil.rpc, load(), GENESIS)))


def test_gas__of_every_work__is_what_the_snapshots_say(bench: Bench):
    node = bench.stage.node
    found = {scenario: measured.gas for scenario, measured in snapshots.measure(node, bench.works()).items()}
    written = snapshots.ours(snapshots.read())
    assert found.keys() == written.keys()
    moved = {
        scenario: (written[scenario], gas)
        for scenario, gas in found.items()
        if gas > written[scenario] + written[scenario] * COSTS_MORE_BPS // 10_000
        or gas < written[scenario] - written[scenario] * COSTS_LESS_BPS // 10_000
    }
    assert not moved, f"(written, measured), `make gas-ours` where this is intended: {moved}"


def test_snapshots__of_work_that_several_can_do__hold_a_figure_of_each():
    figures = snapshots.read()
    peers = {name for row in figures.values() for name in row} - {Bench.name}
    assert peers == {"Aave V3.6", "Exactly", "Morpho Blue"}
    for scenario, row in figures.items():
        assert Bench.name in row, scenario
        assert {"Aave V3.6", "Exactly"} <= row.keys(), scenario
        # isolated pairs know no account of several assets
        assert ("Morpho Blue" in row) is not any(basket in scenario for basket in BASKETS), scenario


def test_page__shows__what_the_snapshots_say():
    figures = snapshots.read()
    assert report.section("comparison") == report.comparison(figures)
    sums = report.section("floor").splitlines()[-1].replace("*", "").split("|")[2:-1]
    assert [int(cell.replace(" ", "")) for cell in sums] == [snapshots.ours(figures)[name] for name in report.FLOORED]


@pytest.mark.parametrize("scenario", ["repay a part", "close out 3 + 2, whole basket"])
def test_trace__of_a_transaction__accounts_for_every_gas(bench: Bench, scenario: str):
    node = bench.stage.node
    with node.rolled_back():
        gas = bench.works()[scenario]().gas
        trace = Trace.of_last(node.rpc)
        items = floor_items(trace, Attribution(trace, node.rpc, node.artifacts).calls())
    kinds = trace.by_kind()
    assert sum(kinds.values()) == sum(item.gas for item in items) == gas == trace.gas
    assert all(item.gas > 0 for item in items if item.name != Kind.REFUND)
    # a cold account and two cold slots that change for whoever pays and whoever is paid, and the allowance
    if scenario == "repay a part":
        (taken,) = [item.gas for item in items if item.name == "tokens taken"]
        assert 2_600 + 2 * (2_100 + 2_900) + 2_100 < taken < 19_000
    assert kinds[Kind.BASE] == 21_000
    # whole accesses only: a share of one would mean that a cost was taken for another
    assert kinds[Kind.COLD_SLOT] % 2_100 == 0
    assert kinds[Kind.COLD_ACCOUNT] % 2_600 == 0
    assert kinds[Kind.WARM] % 100 == 0
    assert kinds[Kind.TRANSIENT] % 100 == 0
    assert kinds[Kind.WRITE] % 100 == 0
