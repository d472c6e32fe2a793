"""Measures this protocol and its peers on one chain: `python -m tests.gas.compare`, run by `make gas`.

Prints the table and writes `tests/gas/snapshots.json` and the tables of docs/gas.md. With `--ours`, measures ours
alone and keeps the peers' figures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.gas import report, snapshots
from tests.gas.attribution import Attribution
from tests.gas.bench import Bench
from tests.gas.floor import Item, floor_items
from tests.gas.peers.aave import Aave
from tests.gas.peers.base import StagedPeer
from tests.gas.peers.compiling import compile_peer
from tests.gas.peers.exactly import Exactly
from tests.gas.peers.morpho import Morpho
from tests.gas.stage import Measured, Scenario, Stage
from tests.gas.trace import Trace
from tests.support.node import Node
from tests.support.world import GENESIS

__all__ = ["main"]

PEERS: tuple[type[StagedPeer], ...] = (Morpho, Aave, Exactly)


def _peers(node: Node, stage: Stage) -> Iterator[tuple[str, dict[str, Measured]]]:
    for peer in PEERS:
        contracts = {name: linked for source in peer.sources for name, linked in compile_peer(source).items()}
        with node.rolled_back():
            yield peer.name, snapshots.measure(node, peer(stage, contracts).works())


def _floor(node: Node, work: Scenario) -> list[Item]:
    with node.rolled_back():
        work()
        trace = Trace.of_last(node.rpc)
        return floor_items(trace, Attribution(trace, node.rpc, node.artifacts).calls())


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gas.compare", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--ours", action="store_true", help="measure ours alone, keep what is written of the peers")
    given = parser.parse_args(arguments)
    before = snapshots.read()
    with Anvil(extra=("--steps-tracing",)) as anvil:
        node = Node(anvil.rpc, load(), GENESIS)
        stage = Stage(node)
        with node.rolled_back():
            works = Bench(stage).works()
            found = snapshots.measure(node, works)
            floors = {name: _floor(node, works[name]) for name in report.FLOORED}
        figures = {scenario: {Bench.name: measured} for scenario, measured in found.items()}
        if given.ours:
            for scenario, row in before.items():
                figures[scenario] |= {name: measured for name, measured in row.items() if name != Bench.name}
        else:
            for name, measurements in _peers(node, stage):
                for scenario, measured in measurements.items():
                    figures[scenario][name] = measured
    for scenario, row in before.items():
        change = figures[scenario][Bench.name].gas - row[Bench.name].gas
        if change:
            sys.stdout.write(f"{scenario}: {row[Bench.name].gas} {change:+}\n")
    snapshots.written(figures)
    report.write_page({"comparison": report.comparison(figures), "floor": report.floors(floors)})
    sys.stdout.write(snapshots.table(figures) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
