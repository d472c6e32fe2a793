"""Mutants of one file by universalmutator, drawn by a seed: first a line of code, then one of its changes."""

from __future__ import annotations

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

# Changes that any test notices, or that no compiler takes: they would only flatter the score.
TRIVIAL = re.compile(r"\b(selfdestruct|tx\.origin|break|continue|callcode|revert\(\)|u?int(0|1|-1|\(\d+[+-]1\))\b)")
COMMENT = {
    ".sol": re.compile(r'"(?:[^"\\\n]|\\.)*"|//[^\n]*|/\*.*?\*/', re.DOTALL),
    ".py": re.compile(r'"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|#[^\n]*'),
}
# Declarations are not behaviour: a changed one either does not compile or changes an ABI that tests read.
DECLARATION = re.compile(
    r"^\s*(import|from|pragma|using|error|event|abstract|library|contract|interface|function|struct|@|__all__|type|def|class)\b"
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
    for mutant in _all(root / path, source, path, tools):
        by_line[mutant.line].append(mutant)
    random = Random(f"{seed} {path}")
    for mutants in by_line.values():
        mutants.sort(key=lambda mutant: mutant.after)
        random.shuffle(mutants)
    while by_line:
        lines = sorted(by_line)
        random.shuffle(lines)
        for line in lines:
            yield by_line[line].pop()
            if not by_line[line]:
                del by_line[line]


def _all(file: Path, source: str, path: str, tools: Path) -> Iterator[Mutant]:
    program = tools / "mutate"
    if not program.exists():
        raise EnvironmentProblem(f"{program}: not found, expected universalmutator; `make setup-analysis` installs it")
    language = "solidity" if file.suffix == ".sol" else "python"
    bare = _bare(source, file.suffix)
    lines = source.splitlines()
    with tempfile.TemporaryDirectory(prefix="closeout-mutants-") as folder:
        subprocess.run(
            [str(program), str(file), language, "--noCheck", "--mutantDir", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        for made in sorted(Path(folder).iterdir()):
            text = made.read_text()
            number = _difference(lines, text.splitlines())
            if number is None:
                continue
            before, after = lines[number], _changed(lines, text.splitlines(), number)
            if TRIVIAL.search(after) or DECLARATION.match(before) or _bare(text, file.suffix) == bare:
                continue
            yield Mutant(path, number + 1, before, after, text)


def _difference(before: list[str], after: list[str]) -> int | None:
    for number, (left, right) in enumerate(zip(before, after, strict=False)):
        if left != right:
            return number
    return None


def _changed(before: list[str], after: list[str], number: int) -> str:
    return "\n".join(after[number : number + 1 + max(0, len(after) - len(before))])


def _bare(text: str, suffix: str) -> str:
    """The text without comments and white space: what a change of would be no change."""
    without = COMMENT[suffix].sub(
        lambda match: match[0] if match[0].startswith('"') and match[0][:3] != '"""' else "", text
    )
    return without if suffix == ".py" else re.sub(r"\s+", " ", without)
