"""Lines and branches of each source that were reached, as figures, as a list of what was not, and as HTML."""

from __future__ import annotations

import html
import shutil
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import yaml

from closeout.audit.coverage.builds import CoverageBuild
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.structure import Branch, Range, branches_in, is_measured, statements_in

__all__ = ["FileCoverage", "Gap", "arguments", "is_trusted", "measure", "missed", "write_html"]

ARGUED = Path(__file__).with_name("argued.yaml")


def is_trusted(source: str) -> bool:
    """What users' funds depend on."""
    return is_measured(source) and not source.startswith("contracts/periphery/")


@dataclass(frozen=True, order=True)
class Gap:
    """What was not reached on one line."""

    line: int
    text: str


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

    @property
    def gaps(self) -> list[Gap]:
        """What was not reached, in the order of lines."""
        lines = [Gap(line, "not run") for line, ran in self.lines.items() if not ran]
        ways = [
            Gap(line, f"{taken} of {all_} ways")
            for line, (taken, all_) in self.branches.items()
            if taken < all_ and self.lines.get(line, True)
        ]
        return sorted(lines + ways)


def missed(root: Path, files: list[FileCoverage]) -> tuple[list[str], list[str]]:
    """What was not reached, argued and not, each with its place; what an argument is about and is not there, too."""
    argued = arguments()
    texts = {source: (root / source).read_text().splitlines() for source in {source for source, _ in argued}}
    known: list[str] = []
    unknown: list[str] = []
    for file in files:
        code = (root / file.source).read_text().splitlines()
        for gap in file.gaps:
            text = code[gap.line - 1].strip()
            place = f"{file.source}:{gap.line}: {gap.text}: {text}"
            (known if (file.source, text) in argued else unknown).append(place)
    stale = [
        f"{source}: argued, and not there: {text}"
        for source, text in argued
        if text not in map(str.strip, texts[source])
    ]
    return known, unknown + stale


def arguments() -> dict[tuple[str, str], str]:
    """Why a line, or one of its ways, cannot be reached, by source and the line's text."""
    entries = yaml.safe_load(ARGUED.read_text()) or []
    return {(entry["file"], line.strip()): entry["why"].strip() for entry in entries for line in entry["lines"]}


def measure(root: Path, build: CoverageBuild, hits: Hits) -> list[FileCoverage]:
    """Every source of ours that is shipped and has statements."""
    places: defaultdict[str, set[Range]] = defaultdict(set)
    for source, start, length in hits.places:
        places[source].add((start, start + length))
    jumps: defaultdict[str, dict[tuple[int, int], set[bool]]] = defaultdict(dict)
    for (source, start, length), ways in hits.jumps.items():
        jumps[source].setdefault((start, start + length), set()).update(ways)
    compiled: defaultdict[str, set[Range]] = defaultdict(set)
    for source, start, length in {place for code in build.runtime + build.creation for place in code.places.values()}:
        compiled[source].add((start, start + length))
    found = []
    for source, tree in sorted(build.trees.items()):
        if not is_measured(source):
            continue
        text = (root / source).read_bytes()
        newlines = [offset for offset, byte in enumerate(text) if byte == 10]
        lines: dict[int, bool] = {}
        for statement in statements_in(tree):
            # what leaves no instruction of its own, such as giving a value on the stack another name, cannot be seen
            if not any(map(statement.is_shown_by, compiled[source])) and _has_code(
                statement.function, compiled[source]
            ):
                continue
            line = bisect_right(newlines, statement.start) + 1
            ran = any(map(statement.is_shown_by, places[source]))
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


def _has_code(function: Range, compiled: set[Range]) -> bool:
    """Whether any contract has the function."""
    return any(function[0] < start and end < function[1] for start, end in compiled)


def _ways(branch: Branch, jumps: dict[tuple[int, int], set[bool]]) -> set[bool]:
    """The ways of the jump that stands for the whole decision, or else for its condition."""
    return jumps.get((branch.start, branch.end)) or jumps.get(branch.condition) or set()


def write_html(root: Path, files: list[FileCoverage], folder: Path) -> Path:
    """One page a source, and an index with the figures and everything that was not reached."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for file in files:
        (folder / _page_of(file)).write_text(_page(root, file))
    trusted = [file for file in files if is_trusted(file.source)]
    others = [file for file in files if not is_trusted(file.source)]
    body = [
        "<h1>Coverage of the contracts</h1>",
        "<p>By the Python suite, from traces, on a build without optimizer. Lines are those with a statement, "
        "branches the two ways of each <code>if</code> and <code>?:</code>.</p>",
        f"<table>{HEAD}",
        _row("<b>trusted base</b>", trusted),
        *(_row(_link(file), [file]) for file in trusted),
        _row("<b>periphery</b>", others),
        *(_row(_link(file), [file]) for file in others),
        "</table><h2>Not reached in the trusted base</h2>",
        *(_unreached(root, file) for file in trusted),
    ]
    index = folder / "index.html"
    index.write_text(_document("Coverage", "\n".join(body)))
    return index


def _page_of(file: FileCoverage) -> str:
    return file.source.replace("/", "_") + ".html"


def _link(file: FileCoverage) -> str:
    return f"<a href='{_page_of(file)}'>{file.source.removeprefix('contracts/')}</a>"


def _row(name: str, files: list[FileCoverage]) -> str:
    lines = sum(file.lines_hit for file in files), sum(len(file.lines) for file in files)
    branches = sum(file.branches_hit for file in files), sum(file.branches_all for file in files)
    return f"<tr><td>{name}</td>{_share(*lines)}{_share(*branches)}</tr>"


def _share(part: int, whole: int) -> str:
    if not whole:
        return "<td></td><td></td><td></td>"
    kind = "full" if part == whole else "open"
    percent = f"{100 * part / whole:.1f}"
    return (
        f"<td class='figure'>{part} / {whole}</td><td class='figure'>{percent} %</td>"
        f"<td><span class='bar'><span class='{kind}' style='width:{percent}%'></span></span></td>"
    )


def _unreached(root: Path, file: FileCoverage) -> str:
    text = (root / file.source).read_text().splitlines()
    argued = arguments()
    rows = []
    for gap in file.gaps:
        code = html.escape(text[gap.line - 1].strip())
        why = html.escape(argued.get((file.source, text[gap.line - 1].strip()), "not argued"))
        link = f"<a href='{_page_of(file)}#{gap.line}'>{gap.line}</a>"
        rows.append(
            f"<tr><td class='figure'>{link}</td><td>{gap.text}</td><td><code>{code}</code></td><td>{why}</td></tr>"
        )
    return f"<h3>{_link(file)}</h3><table>{''.join(rows)}</table>" if rows else ""


def _page(root: Path, file: FileCoverage) -> str:
    lines = []
    for number, text in enumerate((root / file.source).read_text().splitlines(), start=1):
        kind = "" if number not in file.lines else "ran" if file.lines[number] else "missed"
        taken, all_ = file.branches.get(number, (0, 0))
        if kind == "ran" and taken < all_:
            kind = "partly"
        note = f"{taken}/{all_}" if all_ else ""
        lines.append(f"<div id='{number}' class='{kind}'><i>{number}</i><b>{note}</b>{html.escape(text)}</div>")
    table = f"<table>{HEAD}{_row(_link(file), [file])}</table>"
    legend = "<p><span class='ran'>ran</span> <span class='partly'>ran, but not all ways of its branches</span> "
    legend += "<span class='missed'>did not run</span>; before the text: ways gone of ways there are.</p>"
    return _document(
        file.source, f"<p><a href='index.html'>all sources</a></p>{table}{legend}<pre>{''.join(lines)}</pre>"
    )


def _document(title: str, body: str) -> str:
    return f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>{body}"


HEAD = "<tr><th>source</th><th colspan='3'>lines</th><th colspan='3'>branches</th></tr>"
STYLE = """
body { font: 14px/1.5 system-ui, sans-serif; margin: 2em auto; padding: 0 2em; max-width: 1200px; color: #222; }
a { color: #0b57a4; text-decoration: none; }
td, th { padding: 2px 12px; text-align: left; vertical-align: top; }
tr:hover td { background: #f4f4f4; }
.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.bar { display: inline-block; width: 120px; height: 10px; background: #fadcdc; }
.bar span { display: block; height: 10px; }
.full { background: #5fae68; }
.open { background: #d9b13b; }
code, pre { font: 12px/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; }
pre div { width: max-content; min-width: 100%; }
pre div:target { outline: 2px solid #0b57a4; }
pre i, pre b { display: inline-block; width: 3.5em; color: #888; font-style: normal; font-weight: normal; }
.ran { background: #e6f4e6; }
.missed { background: #fadcdc; }
.partly { background: #fdf3d0; }
"""
