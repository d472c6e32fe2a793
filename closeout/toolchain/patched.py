"""Contracts with one change in their sources, compiled beside the real ones: for broken twins and mutants.

The change is a piece of text that stands exactly once in a source, and what stands there instead. Only the units that
are asked for are compiled, with the project's own settings; what came of it is kept by content in `.build/patched`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from closeout.errors import CloseoutError
from closeout.toolchain.artifacts import Artifact, artifact_of
from closeout.toolchain.compile import CompileFailed, Compiler, Unit, compile_unit, units_of
from closeout.toolchain.settings import ROOT, compiler_settings
from closeout.toolchain.solc import solc_path

__all__ = ["Patch", "PatchDoesNotApply", "build_patched"]


class PatchDoesNotApply(CloseoutError):
    """The text to be changed stands not exactly once in the source."""


@dataclass(frozen=True)
class Patch:
    """In the file `source` (a path from the root), `new` instead of `old`."""

    source: str
    old: str
    new: str

    def applied_to(self, content: str) -> str:
        """Raises PatchDoesNotApply."""
        found = content.count(self.old)
        if found != 1:
            raise PatchDoesNotApply(f"{self.source}: found {found} times, expected once: {self.old!r}")
        return content.replace(self.old, self.new)


def build_patched(patches: Sequence[Patch], units: Sequence[str], root: Path = ROOT) -> dict[str, Artifact]:
    """The contracts of these units (paths from the root) with all the patches applied, by name.

    Raises PatchDoesNotApply, also for a patch of a file that no unit imports, and CompileFailed.
    """
    made: dict[str, Artifact] = {}
    applied = set()
    for unit in units_of(root, units):
        for patch in patches:
            if patch.source in unit.sources:
                unit.sources[patch.source] = patch.applied_to(unit.sources[patch.source])
                applied.add(patch)
        made |= _contracts_of(unit, root)
    for patch in patches:
        if patch not in applied:
            raise PatchDoesNotApply(f"{patch.source}: none of {', '.join(units)} imports it")
    return made


def _contracts_of(unit: Unit, root: Path) -> dict[str, Artifact]:
    settings = compiler_settings(root).standard_json()
    text = json.dumps([unit.name, unit.sources, settings], sort_keys=True)
    kept = root / ".build" / "patched" / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    if not kept.exists():
        with contextlib.closing(Compiler(solc_path(), root)) as compiler:
            compile_unit(unit, compiler, settings)
        if unit.errors:
            raise CompileFailed("\n".join(unit.errors))
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(".tmp")
        temporary.write_text(json.dumps(unit.contracts))
        temporary.replace(kept)
    return {name: artifact_of(name, made) for name, made in json.loads(kept.read_text()).items()}
