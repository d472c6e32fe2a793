"""The committed figures, `snapshots.json`: by scenario in words, ours and each peer's, with the ratio to ours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.gas.bench import Bench
from tests.gas.stage import Measured, Scenario
from tests.support.node import Node

__all__ = ["Figures", "measure", "ours", "read", "spaced", "table", "written"]

PATH = Path(__file__).with_name("snapshots.json")
# a figure by scenario and protocol
Figures = dict[str, dict[str, Measured]]


def measure(node: Node, works: Mapping[str, Scenario]) -> dict[str, Measured]:
    """Every work on the same chain, each from the state that the first one found."""
    found = {}
    for name, work in works.items():
        with node.rolled_back():
            found[name] = work()
    return found


def read() -> Figures:
    """What is committed."""
    document: dict[str, dict[str, dict[str, Any]]] = json.loads(PATH.read_text()) if PATH.exists() else {}
    return {
        scenario: {
            protocol: Measured(figure["gas"], figure.get("transactions", 1), figure.get("way", ""))
            for protocol, figure in by_protocol.items()
        }
        for scenario, by_protocol in document.items()
    }


def ours(figures: Figures) -> dict[str, int]:
    """Gas by scenario."""
    return {scenario: by_protocol[Bench.name].gas for scenario, by_protocol in figures.items()}


def written(figures: Figures) -> None:
    """Writes the file anew."""
    document = {
        scenario: {
            protocol: _figure(measured, by_protocol[Bench.name], is_ours=protocol == Bench.name)
            for protocol, measured in by_protocol.items()
        }
        for scenario, by_protocol in figures.items()
    }
    PATH.write_text(json.dumps(document, indent=2) + "\n")


def _figure(measured: Measured, own: Measured, *, is_ours: bool) -> dict[str, Any]:
    figure: dict[str, Any] = {"gas": measured.gas}
    if not is_ours:
        figure["ratio"] = round(measured.gas / own.gas, 2)
    if measured.transactions != 1:
        figure["transactions"] = measured.transactions
    if measured.way:
        figure["way"] = measured.way
    return figure


def table(figures: Figures) -> str:
    """For a terminal: gas, transactions where there are several, and the ratio to ours."""
    peers = list(dict.fromkeys(name for row in figures.values() for name in row if name != Bench.name))
    lines = [f"{'':<38}{Bench.name:>11}" + "".join(f"{name:>26}" for name in peers)]
    for scenario, row in figures.items():
        line = f"{scenario:<38}{spaced(row[Bench.name].gas):>11}"
        for name in peers:
            line += f"{_cell(row.get(name), row[Bench.name]):>26}"
        lines.append(line)
    return "\n".join(lines)


def _cell(measured: Measured | None, own: Measured) -> str:
    if measured is None:
        return "-"
    calls = f" in {measured.transactions}" if measured.transactions != 1 else ""
    return f"{spaced(measured.gas)}{calls}  {measured.gas / own.gas:5.2f} x"


def spaced(number: int) -> str:
    """Thousands apart."""
    return f"{number:,}".replace(",", " ")
