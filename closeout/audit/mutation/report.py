"""The result of a run: how many mutants of each file the tests caught, and why the others may live."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from closeout.audit.mutation.ledger import Result
from closeout.audit.mutation.mutants import Mutant
from closeout.audit.mutation.targets import Target

__all__ = ["LEAST_KILLED", "Report", "is_argued"]

LEAST_KILLED = 0.95
ARGUED = Path(__file__).with_name("argued.yaml")


def arguments() -> dict[tuple[str, str, str], str]:
    """Why a survivor changes nothing that matters, by file, line as it is and line as changed."""
    entries = yaml.safe_load(ARGUED.read_text()) or []
    return {(entry["file"], entry["before"].strip(), entry["after"].strip()): entry["why"].strip() for entry in entries}


def is_argued(mutant: Mutant | Result) -> bool:
    return _key(mutant) in arguments()


@dataclass
class Report:
    """Results by target."""

    what: str
    seed: str
    rows: list[tuple[Target, list[Result]]] = field(default_factory=list)

    def add(self, target: Target, results: list[Result]) -> None:
        self.rows.append((target, results))

    def _all(self, status: str) -> list[Result]:
        return [result for _, results in self.rows for result in results if result.status == status]

    @property
    def killed(self) -> int:
        return len(self._all("killed"))

    @property
    def counted(self) -> int:
        return self.killed + len(self._all("survived"))

    @property
    def planned(self) -> int:
        return sum(target.count for target, _ in self.rows)

    @property
    def unargued(self) -> list[Result]:
        return [result for result in self._all("survived") if not is_argued(result)]

    def summary(self) -> str:
        share = 100 * self.killed / self.counted if self.counted else 0.0
        hours = sum(result.seconds for _, results in self.rows for result in results) / 3600
        return (
            f"{self.what}: {self.killed} of {self.counted} mutants killed ({share:.1f} %), {self.planned} planned, "
            f"{len(self._all('same code'))} more compile to the same code, {len(self._all('invalid'))} not at all; "
            f"seed {self.seed}, {hours:.1f} hours"
        )

    def write(self, page: Path) -> None:
        """Puts the report into a page, in place of the section of the same heading."""
        section = re.compile(rf"^## {self.what.capitalize()}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
        rest = section.sub("", page.read_text() if page.exists() else "").rstrip("\n")
        page.write_text(f"{rest}\n\n{self.markdown()}")

    def markdown(self) -> str:
        lines = [f"## {self.what.capitalize()}", "", self.summary() + ".", ""]
        lines += ["| file | killed | survived | same code | does not compile |", "| --- | --- | --- | --- | --- |"]
        for target, results in self.rows:
            counts = [sum(r.status == s for r in results) for s in ("killed", "survived", "same code", "invalid")]
            lines.append(f"| `{target.path}` | " + " | ".join(map(str, counts)) + " |")
        survivors = self._all("survived")
        if survivors:
            known = arguments()
            lines += ["", "Survivors:", ""]
            for result in survivors:
                lines += [
                    f"- `{result.path}:{result.line}`: `{result.before.strip()}` became `{result.after.strip()}`.",
                    f"  {known.get(_key(result), 'Not argued.')}",
                ]
        return "\n".join(lines) + "\n"


def _key(result: Mutant | Result) -> tuple[str, str, str]:
    return result.path, result.before.strip(), result.after.strip()
