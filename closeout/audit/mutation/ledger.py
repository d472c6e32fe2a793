"""Results, one JSON object a line, appended as they come: what a stopped run goes on from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from closeout.audit.mutation.bench import Outcome
from closeout.audit.mutation.mutants import Mutant

__all__ = ["Ledger", "Result"]


@dataclass(frozen=True)
class Result:
    """One mutant and what became of it. `digest` is of the file it was made from: a changed file is looked at anew."""

    path: str
    digest: str
    line: int
    before: str
    after: str
    status: str
    by: str
    seconds: float

    @property
    def is_counted(self) -> bool:
        return self.status in ("killed", "survived", "undecided")


class Ledger:
    """The results of one run, in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known: dict[tuple[str, str, int, str], Result] = {}
        if file.exists():
            for line in file.read_text().splitlines():
                self._remember(Result(**json.loads(line)))

    def _remember(self, result: Result) -> None:
        self._known[result.path, result.digest, result.line, result.after] = result

    def find(self, mutant: Mutant, digest: str) -> Result | None:
        return self._known.get((mutant.path, digest, mutant.line, mutant.after))

    def add(self, mutant: Mutant, digest: str, outcome: Outcome) -> Result:
        result = Result(
            mutant.path, digest, mutant.line, mutant.before, mutant.after, outcome.status, outcome.by, outcome.seconds
        )
        self._remember(result)
        with self.file.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        return result

    def forget(self, status: str) -> None:
        """Drops all results of a status: survivors are looked at again where tests were added."""
        self._known = {key: result for key, result in self._known.items() if result.status != status}
        self.file.write_text("".join(json.dumps(asdict(result)) + "\n" for result in self._known.values()))

    def of(self, path: str, digest: str) -> Iterator[Result]:
        return (result for result in self._known.values() if (result.path, result.digest) == (path, digest))


def digest_of(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
