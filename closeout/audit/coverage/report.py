"""Lines and branches of each source that were reached, as figures, as a list of what was not, and as HTML."""

from __future__ import annotations

import html
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from closeout.audit.coverage.builds import CoverageBuild
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.structure import Branch, branches_in, is_measured, statements_in

__all__ = ["FileCoverage", "is_trusted", "measure", "write_html"]


def is_trusted(source: str) -> bool:
    """What users' funds depend on."""
    return is_measured(source) and not source.startswith("contracts/periphery/")


@dataclass(frozen=True)
class FileCoverage:
    """Of each line with a statement whether it ran; of each line with branches how many were taken, of how many."""

    source: str
    lines: dict[int, bool]
    branches: dict[int, tuple[int, int]]

    @property
    def lines_hit(self) -> int:
        return sum(self.lines.values())

    @property
    def branches_hit(self) -> int:
        return sum(taken for taken, _ in self.branches.values())

    @property
    def branches_all(self) -> int:
        return sum(all_ for _, all_ in self.branches.values())

    def missed(self) -> list[str]:
        """What was not reached, line by line."""
        lines = [f"{self.source}:{line}: not run" for line, ran in self.lines.items() if not ran]
        ways = [
            f"{self.source}:{line}: {taken} of {all_} ways"
            for line, (taken, all_) in self.branches.items()
            if taken < all_ and self.lines.get(line, True)
        ]
        return sorted(lines + ways, key=lambda text: int(text.split(":")[1]))


def measure(root: Path, build: CoverageBuild, hits: Hits) -> list[FileCoverage]:
    """Every source of ours that is shipped and has statements."""
    places: defaultdict[str, set[tuple[int, int]]] = defaultdict(set)
    for source, start, length in hits.places:
        places[source].add((start, start + length))
    jumps: defaultdict[str, dict[tuple[int, int], set[bool]]] = defaultdict(dict)
    for (source, start, length), ways in hits.jumps.items():
        jumps[source].setdefault((start, start + length), set()).update(ways)
    found = []
    for source, tree in sorted(build.trees.items()):
        if not is_measured(source):
            continue
        text = (root / source).read_bytes()
        newlines = [offset for offset, byte in enumerate(text) if byte == 10]
        lines: dict[int, bool] = {}
        for statement in statements_in(tree):
            line = bisect_right(newlines, statement.start) + 1
            first, last = statement.shown_by
            ran = any(first <= start and end <= last for start, end in places[source])
            # a guard and what it does on one line: whether both ran is the branch's question
            lines[line] = lines.get(line, False) or ran
        branches: dict[int, tuple[int, int]] = {}
        for branch in branches_in(tree):
            line = bisect_right(newlines, branch.start) + 1
            taken, all_ = branches.get(line, (0, 0))
            branches[line] = (taken + min(2, len(_ways(branch, jumps[source]))), all_ + 2)
        if lines:
            found.append(FileCoverage(source, dict(sorted(lines.items())), dict(sorted(branches.items()))))
    return found


def _ways(branch: Branch, jumps: dict[tuple[int, int], set[bool]]) -> set[bool]:
    """The ways of the jump that stands for the whole decision, or else for its condition."""
    return jumps.get((branch.start, branch.end)) or jumps.get(branch.condition) or set()


def write_html(root: Path, files: list[FileCoverage], folder: Path) -> Path:
    """One page a source, and an index."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for file in files:
        page = file.source.replace("/", "_") + ".html"
        (folder / page).write_text(_page(root, file))
        cells = (
            f"<a href='{page}'>{file.source}</a>", "yes" if is_trusted(file.source) else "no",
            f"{file.lines_hit} / {len(file.lines)}", _percent(file.lines_hit, len(file.lines)),
            f"{file.branches_hit} / {file.branches_all}", _percent(file.branches_hit, file.branches_all),
        )  # fmt: skip
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("source", "trusted", "lines", "", "branches", ""))
    index = folder / "index.html"
    index.write_text(f"{STYLE}<h1>Coverage of the contracts</h1><table><tr>{head}</tr>{''.join(rows)}</table>")
    return index


def _page(root: Path, file: FileCoverage) -> str:
    lines = []
    for number, text in enumerate((root / file.source).read_text().splitlines(), start=1):
        kind = "" if number not in file.lines else "ran" if file.lines[number] else "missed"
        taken, all_ = file.branches.get(number, (0, 0))
        if kind == "ran" and taken < all_:
            kind = "partly"
        note = f"{taken}/{all_}" if all_ else ""
        lines.append(f"<div class='{kind}'><i>{number}</i><b>{note}</b>{html.escape(text)}</div>")
    return f"{STYLE}<h1>{file.source}</h1><pre>{''.join(lines)}</pre>"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else ""


STYLE = (
    "<!doctype html><meta charset='utf-8'><style>body{font:14px sans-serif;margin:2em}td,th{padding:2px 12px;"
    "text-align:left}pre{font-size:12px}pre i,pre b{display:inline-block;width:3.5em;color:#888;font-style:normal;"
    "font-weight:normal}.ran{background:#e6f4e6}.missed{background:#fadcdc}.partly{background:#fdf3d0}</style>"
)
