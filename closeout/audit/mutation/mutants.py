"""Mutants of one file by universalmutator, drawn by a seed: first a line of code, then one of its changes.

The rules are the tool's own for the language and, for Solidity, `rounding.rules` beside this file.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from closeout.errors import EnvironmentProblem

__all__ = ["Mutant", "draw"]

RULES = Path(__file__).with_name("rounding.rules")
# Changes that any test notices, or that no compiler takes: they would only flatter the score.
TRIVIAL = re.compile(r"\b(selfdestruct|tx\.origin|break|continue|callcode|revert\(\)|u?int(0|1|-1|\(\d+[+-]1\))\b)")
COMMENT = {
    ".sol": re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL),
    ".py": re.compile(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*'),
}
# Declarations are not behaviour: a changed one either does not compile or changes an ABI that tests read.
DECLARATION = re.compile(
    r"^\s*(import|from|pragma|using|error|event|abstract|library|contract|interface|function|struct|assembly|@|__all__|type"
    r"|def|class)\b"
)
# Who may read a variable, and where it is kept, is not behaviour either.
MODIFIERS = re.compile(r"\b(public|private|internal|external|immutable|constant)\b|\s")

# What two things are put together in either order: the functions of that kind, and the union of two sets in Python.
EITHER_WAY = re.compile(
    r"\b(?P<name>mul_div_(?:down|up)|debt_part_(?:down|up)|_?min|_?max|add|mul|and|or|xor|eq)"
    r"\s*\(\s*(?P<a>[^(),]+?)\s*,\s*(?P<b>[^(),]+?)\s*(?=[,)])"
    r"|\s*\{\s*(?P<c>\*[^{},]+?)\s*,\s*(?P<d>\*[^{},]+?)\s*\}"
)


@dataclass(frozen=True)
class Mutant:
    """One changed line of a file. `line` counts from 1."""

    path: str
    line: int
    before: str
    after: str
    text: str

    @property
    def key(self) -> str:
        return f"{self.path}:{self.line}: {self.before.strip()} -> {self.after.strip()}"


def draw(root: Path, path: str, seed: str, tools: Path) -> Iterator[Mutant]:
    """All mutants of a file in the order the seed gives: each line of code once, then each once more, and so on."""
    source = (root / path).read_text()
    by_line: defaultdict[int, list[Mutant]] = defaultdict(list)
    lines = source.splitlines()
    for number, after in _all(root, path, source, tools):
        text = "\n".join([*lines[:number], after, *lines[number + 1 :], ""])
        by_line[number].append(Mutant(path, number + 1, lines[number], after, text))
    random = Random(f"{seed} {path}")
    for mutants in by_line.values():
        mutants.sort(key=lambda mutant: mutant.after)
        random.shuffle(mutants)
    bare, words = _bare(source, Path(path).suffix), _words(source, Path(path).suffix)
    while by_line:
        numbers = sorted(by_line)
        random.shuffle(numbers)
        for number in numbers:
            changes = (one for one in _popped(by_line[number]) if _bare(one.text, Path(path).suffix) != bare)
            change = next(changes, None)
            if change is not None and number not in words:
                yield change
            if not by_line[number]:
                del by_line[number]


def _words(source: str, suffix: str) -> set[int]:
    """The lines, from 0, of comments and of texts that stand for themselves in Python: what they say is for people."""
    if suffix != ".py":
        return set()
    comments = {number for number, line in enumerate(source.splitlines()) if line.lstrip().startswith("#")}
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    texts = [node for node in nodes if isinstance(node.value, ast.Constant)]
    return comments | {line - 1 for node in texts for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}


def _popped(mutants: list[Mutant]) -> Iterator[Mutant]:
    while mutants:
        yield mutants.pop()


def _all(root: Path, path: str, source: str, tools: Path) -> list[tuple[int, str]]:
    """Every changed line by its number from 0; kept under .build, since the tool takes its time."""
    program = tools / "mutate"
    if not program.exists():
        raise EnvironmentProblem(f"{program}: not found, expected universalmutator; `make setup-analysis` installs it")
    rules = ["solidity", str(RULES)] if path.endswith(".sol") else ["python"]
    key = hashlib.sha256("\0".join([source, path, RULES.read_text()]).encode()).hexdigest()
    kept = root / ".build" / "mutants" / f"{key}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="closeout-mutants-") as folder:
            command = [str(program), str(root / path), *rules, "--noCheck", "--mutantDir", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            texts = [made.read_text() for made in sorted(Path(folder).iterdir())]
        kept.write_text(json.dumps(_changes(source.splitlines(), texts)))
    lines = source.splitlines()
    found = [(number, after) for number, after in json.loads(kept.read_text())]
    return [(n, after) for n, after in found if not _says_nothing(lines[n], after)]


def _says_nothing(before: str, after: str) -> bool:
    if TRIVIAL.search(after) or DECLARATION.match(before):
        return True
    return MODIFIERS.sub("", before) == MODIFIERS.sub("", after)


def _changes(lines: list[str], texts: list[str]) -> list[tuple[int, str]]:
    changed = ((_difference(lines, text.splitlines()), text.splitlines()) for text in texts)
    return [(number, _changed(lines, text, number)) for number, text in changed if number is not None]


def _difference(before: list[str], after: list[str]) -> int | None:
    for number, (left, right) in enumerate(zip(before, after, strict=False)):
        if left != right:
            return number
    return None


def _changed(before: list[str], after: list[str], number: int) -> str:
    return "\n".join(after[number : number + 1 + max(0, len(after) - len(before))])


def _bare(text: str, suffix: str) -> str:
    """The text less comments, white space, what only the compiler looks at, and the order of what has none."""
    without = COMMENT[suffix].sub(
        lambda match: match[0] if match[0].startswith('"') and match[0][:3] != '"""' else "", text
    )
    without = EITHER_WAY.sub(_in_one_order, without)
    return without if suffix == ".py" else re.sub(r"(\s|\b(view|pure)\b)+", " ", without)


def _in_one_order(match: re.Match[str]) -> str:
    parts = sorted(part for part in match.group("a", "b", "c", "d") if part is not None)
    return f"{match['name'] or 'union'}({','.join(parts)}"
