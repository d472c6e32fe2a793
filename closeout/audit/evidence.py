"""The table at the end of `make test` and `make audit`: property or threat, what checked it, how many cases, result.

Whoever checks something leaves rows in `.build/evidence/<who>.json`: the tests through tests/support/evidence.py,
the proofs, Slither, mutation and coverage by `record`. `python -m closeout.audit.evidence` prints them as one table.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from closeout.toolchain.settings import ROOT

__all__ = ["SUBJECTS", "Row", "combined", "ids_in", "read_all", "record", "table"]

FOLDER = ROOT / ".build" / "evidence"
IN_NAME = re.compile(r"(?<![a-z0-9])([pt])(\d{1,2})(?=_)")
WIDTHS = (5, 52, 46, 10)


@dataclass(frozen=True)
class Row:
    """One subject as one checker saw it. `result` is "held", "FAILED" or "held, with known exceptions"."""

    subject: str
    checked_by: str
    cases: int
    result: str


def _subjects() -> dict[str, str]:
    """P1 to P23 and T01 to T80 with their sentences, in order, from docs/invariants.md and docs/threats.md."""
    rows = re.compile(r"^\| ([PT]\d+) \| ([^|]+?) \|", re.MULTILINE)
    texts = [(ROOT / "docs" / name).read_text() for name in ("invariants.md", "threats.md")]
    return {subject: sentence.replace("`", "") for text in texts for subject, sentence in rows.findall(text)}


SUBJECTS = _subjects()


def ids_in(name: str) -> list[str]:
    """The properties and threats that a test's name holds: `test_t04__t09_...` has T04 and T09, `test_p5_...` P5."""
    return [f"P{int(number)}" if kind == "p" else f"T{int(number):02}" for kind, number in IN_NAME.findall(name)]


def record(who: str, rows: Iterable[Row], folder: Path = FOLDER) -> None:
    """Leaves the rows of one checker, in place of those of its last run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{who}.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))


def read_all(folder: Path = FOLDER) -> list[Row]:
    return [Row(**row) for file in sorted(folder.glob("*.json")) for row in json.loads(file.read_text())]


def combined(rows: Iterable[Row]) -> list[Row]:
    """One row per subject: checkers and cases added up, the worst result. A subject that nothing checked says so."""
    found: dict[str, list[Row]] = {subject: [] for subject in SUBJECTS}
    for row in rows:
        found.setdefault(row.subject, []).append(row)
    return [_together(subject, parts) for subject, parts in found.items()]


def _together(subject: str, parts: list[Row]) -> Row:
    if not parts:
        return Row(subject, "nothing", 0, "NOT CHECKED")
    results = {row.result for row in parts}
    order = ("FAILED", "NOT CHECKED", "held, with known exceptions", "known issue", "held")
    worst = next((result for result in order if result in results), "; ".join(sorted(results)))
    checkers = "; ".join(dict.fromkeys(row.checked_by for row in parts))
    return Row(subject, checkers, sum(row.cases for row in parts), worst)


def table(rows: Iterable[Row]) -> str:
    """Text of fixed width: what does not fit a column is cut."""
    head = ("id", "property or threat", "checked by", "cases", "result")
    lines = [_line(*head), _line(*("-" * width for width in (*WIDTHS, 6)))]
    for row in rows:
        sentence = SUBJECTS.get(row.subject, row.subject)
        subject = row.subject if row.subject in SUBJECTS else ""
        lines.append(_line(subject, sentence, row.checked_by, f"{row.cases:,}".replace(",", " "), row.result))
    return "\n".join(lines)


def _line(*cells: str) -> str:
    cut = [cell if len(cell) <= width else cell[: width - 1] + "…" for cell, width in zip(cells, WIDTHS, strict=False)]
    padded = [cell.ljust(width) for cell, width in zip(cut[:3], WIDTHS, strict=False)]
    return "  ".join([*padded, cut[3].rjust(WIDTHS[3]), cells[4]]).rstrip()


def main() -> int:
    rows = combined(read_all())
    print(table(rows))
    bad = [row.subject for row in rows if row.result in ("FAILED", "NOT CHECKED")]
    print(f"{len(rows)} rows, {len(bad)} failed or not checked{': ' + ', '.join(bad) if bad else ''}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
