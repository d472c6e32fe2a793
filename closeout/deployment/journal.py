"""What a deployment signed and saw, one JSON line each, on disk before it is on its way.

A transaction is written down, raw, before it is broadcast. Whenever the process dies, the next one finds either nothing
(nothing was sent) or a signed transaction that it can look for and send again: the same nonce, so never twice.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from closeout.errors import BadInput, EnvironmentProblem

__all__ = ["Journal", "Mined", "Signed"]


@dataclass(frozen=True)
class Signed:
    """A transaction that may be on its way."""

    step: str
    nonce: int
    hash: str
    raw: str


@dataclass(frozen=True)
class Mined:
    """A transaction in a block."""

    step: str
    hash: str
    block: int
    gas: int


class Journal:
    """Append-only. `plan` is the digest of what it belongs to: another plan's journal is refused."""

    def __init__(self, file: Path, *, plan: str, chain_id: int) -> None:
        self.file = file
        self._signed: list[Signed] = []
        self._mined: dict[str, Mined] = {}
        file.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _only_one(file)
        lines = self._read()
        header = {"plan": plan, "chain_id": chain_id}
        if not lines:
            self._append({"kind": "plan"} | header)
        elif {key: lines[0].get(key) for key in header} != header:
            raise BadInput(
                str(file),
                f"a journal of plan {str(lines[0].get('plan'))[:23]}… on chain {lines[0].get('chain_id')}",
                f"one of plan {plan[:23]}… on chain {chain_id}: the file, the code or the deployer changed since; "
                "move the journal away to start anew (what is on the chain already is found there)",
            )
        for line in lines[1:]:
            self._take(line)

    def close(self) -> None:
        """Lets another process go on."""
        self._lock.close()

    def signed(self, step: str) -> list[Signed]:
        """Transactions of a step that were signed, oldest first; empty where one of them was mined."""
        return [] if step in self._mined else [item for item in self._signed if item.step == step]

    def mined(self, step: str) -> Mined | None:
        """The transaction by which a step was done, where this journal saw it."""
        return self._mined.get(step)

    def add(self, item: Signed | Mined) -> None:
        """Writes it down; returns once it is on the disk."""
        line = {"kind": type(item).__name__.lower()} | asdict(item)
        self._append(line)
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        kind, values = line["kind"], {key: value for key, value in line.items() if key != "kind"}
        if kind == "signed":
            self._signed.append(Signed(**values))
        else:
            self._mined[values["step"]] = Mined(**values)

    def _append(self, line: dict[str, Any]) -> None:
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
            out.flush()
            os.fsync(out.fileno())

    def _read(self) -> list[dict[str, Any]]:
        if not self.file.exists():
            return []
        text = self.file.read_text(encoding="utf-8")
        complete, newline, rest = text.rpartition("\n")
        if rest:
            # the process died while it wrote: what was not on disk was not sent either
            self.file.write_text(complete + newline, encoding="utf-8")
        try:
            return [json.loads(line) for line in complete.splitlines()]
        except ValueError:
            raise BadInput(str(self.file), "a line that is not JSON", "a journal as it was written") from None


def _only_one(file: Path) -> IO[str]:
    """Two processes with one key would take each other's nonces. The lock ends with the process, however it ends."""
    lock = file.with_suffix(".lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise EnvironmentProblem(f"{file}: another process is at it") from None
    return lock
