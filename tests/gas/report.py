"""The tables of docs/gas.md, written between markers by whoever measures: never by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from closeout.toolchain.settings import ROOT
from tests.gas.bench import Bench
from tests.gas.floor import Item
from tests.gas.snapshots import Figures, spaced
from tests.gas.stage import Measured

__all__ = ["FLOORED", "comparison", "floors", "section", "write_page"]

PAGE = ROOT / "docs" / "gas.md"
# what each work is to cost, and what it cost when it was first measured
AIMS = Path(__file__).with_name("aims.json")
FLOORED = ("close out 1 + 1", "close out 3 + 2, whole basket", "close out 5 + 3, whole basket")


def comparison(figures: Figures) -> str:
    """Before, now, the goal, and each peer with its ratio to now."""
    aims: dict[str, dict[str, int]] = json.loads(AIMS.read_text())
    peers = list(dict.fromkeys(name for row in figures.values() for name in row if name != Bench.name))
    rows = [
        [
            scenario,
            _number(aims[scenario].get("before")),
            f"**{spaced(row[Bench.name].gas)}**",
            _number(aims[scenario].get("goal")),
            *(_peer(row.get(name), row[Bench.name]) for name in peers),
        ]
        for scenario, row in figures.items()
    ]
    return _markdown(["work", "before", "now", "goal", *peers], rows)


def floors(items: Mapping[str, Sequence[Item]]) -> str:
    """Item by item: what nobody can save, then the rest."""
    rows: list[list[str]] = []
    for is_floor, title in ((True, "the floor"), (False, "above it")):
        chosen = {work: {item.name: item for item in row if item.is_floor is is_floor} for work, row in items.items()}
        sums = [sum(item.gas for item in row.values()) for row in chosen.values()]
        rows.append([f"**{title}**", *(f"**{spaced(gas)}**" for gas in sums)])
        names = dict.fromkeys(name for row in chosen.values() for name in row)
        rows += [[name, *(_item(row.get(name)) for row in chosen.values())] for name in names]
    rows.append(["**all**", *(f"**{spaced(sum(item.gas for item in row))}**" for row in items.values())])
    return _markdown(["", *items], rows)


def section(name: str) -> str:
    """What stands between the markers of that name."""
    return _split(PAGE.read_text(), name)[1].strip("\n")


def write_page(sections: Mapping[str, str]) -> None:
    """Puts each text between the markers of its name."""
    page = PAGE.read_text()
    for name, text in sections.items():
        before, _, after = _split(page, name)
        page = f"{before}\n{text}\n{after}"
    PAGE.write_text(page)


def _split(page: str, name: str) -> tuple[str, str, str]:
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.partition(start)
    inside, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"docs/gas.md: no `{start.strip()}` … `{end}`")
    return before + found, inside, end + after


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _number(gas: int | None) -> str:
    return spaced(gas) if gas else ""


def _peer(measured: Measured | None, own: Measured) -> str:
    if measured is None:
        return ""
    calls = f" in {measured.transactions}" if measured.transactions != 1 else ""
    return f"{spaced(measured.gas)}{calls} ({measured.gas / own.gas:.2f} x)"


def _item(item: Item | None) -> str:
    if item is None:
        return ""
    return spaced(item.gas) + (f" ({item.count})" if item.count > 1 else "")
