"""A copy of the checkout in which mutants are compiled and tested, so that a stopped run leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closeout.audit.mutation.mutants import Mutant
from closeout.audit.mutation.targets import Stage, Target

__all__ = ["Bench", "Outcome"]

COPIED = ("closeout", "contracts", "interfaces", "tests", "config", "docs", "scripts", "bots", "deployments")
LINKED = ("node_modules", ".venv")
# solc's metadata (a hash of the sources) and its length, at the end of every contract's code
METADATA = re.compile(r"a264697066735822[0-9a-f]{68}64736f6c6343[0-9a-f]{6}0033")
# What is compiled anew for a mutant: what is shipped and what tests call it through. The rest stays as it was.
UNCHANGED = ("contracts/periphery/", "contracts/mocks/", "contracts/harness/broken/", "contracts/Authority.sol")
# No test takes so long: a model that loops for ever does
TIMEOUT_SECONDS = 3600
FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+?::.+?|\S+)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: `invalid`, `same code`, `killed` or `survived`; `by` the test that failed first."""

    status: str
    by: str = ""
    seconds: float = 0.0


class Bench:
    """One checkout's copy under `.build/mutation/<name>`."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.tree = root / ".build" / "mutation" / name
        # whether a test that failed under a mutant fails without one too
        self._known: dict[str, bool] = {}
        self._sources: dict[str, str] = {}
        self._refresh()

    def _refresh(self) -> None:
        self.tree.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            target = self.tree / name
            shutil.rmtree(target, ignore_errors=True)
            if (self.root / name).exists():
                ignored = shutil.ignore_patterns("__pycache__", ".cache")
                shutil.copytree(self.root / name, target, symlinks=True, ignore=ignored)
        for path in self.root.iterdir():
            if path.is_file() and path.name != ".git":
                shutil.copy2(path, self.tree / path.name)
        for name in LINKED:
            link = self.tree / name
            if not link.is_symlink():
                link.symlink_to(self.root / name)
        (self.tree / ".build").mkdir(exist_ok=True)
        cache = self.root / ".build" / "closeout.json"
        if cache.exists():
            shutil.copy2(cache, self.tree / ".build" / "closeout.json")
        done = self._python("-m", "closeout.toolchain.compile", "--quiet")
        if done.returncode:
            raise RuntimeError(f"the unchanged contracts do not compile: {done.stderr.strip()}")
        self._units_of_original = self._units()
        self._original = self._build.read_bytes()

    def _python(self, *arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "HYPOTHESIS_PROFILE": "mutation",
            # fewer random cases than `make test`: what dies here dies there
            "CLOSEOUT_TEST_SIZE": "0.1",
            "PYTHONPATH": str(self.tree),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    @property
    def _build(self) -> Path:
        return self.tree / ".build" / "closeout.json"

    def _units(self) -> dict[str, dict[str, Any]]:
        units: dict[str, dict[str, Any]] = json.loads(self._build.read_text())["units"]
        return units

    # ------------------------------------------------------------------------------------------------------- a mutant

    def judge(self, target: Target, mutant: Mutant) -> Outcome:
        """Puts the mutant in place, compiles and tests it stage by stage, and puts the original back."""
        started = time.monotonic()
        file = self.tree / mutant.path
        self._sources.setdefault(mutant.path, file.read_text())
        file.write_text(mutant.text)
        try:
            status, by = self._look(target, mutant)
        finally:
            self._restore(mutant)
        return Outcome(status, by, round(time.monotonic() - started, 1))

    def _look(self, target: Target, mutant: Mutant) -> tuple[str, str]:
        if not (self._type_checks(mutant) if target.is_solidity else _parses(mutant)):
            return "invalid", ""
        is_changed = not target.is_solidity
        for stage in target.stages:
            if target.is_solidity:
                if not self._compile(stage.compiled):
                    return "invalid", ""
                if _code(self._units()) == _code(self._units_of_original):
                    continue
                is_changed = True
            by = self._first_failure(stage, mutant)
            if by is not None:
                return "killed", by
        return ("survived" if is_changed else "same code"), ""

    def _type_checks(self, mutant: Mutant) -> bool:
        return self._python("-m", "closeout.toolchain.compile", "--check", mutant.path).returncode == 0

    def _compile(self, wanted: tuple[str, ...]) -> bool:
        """Compiles what is stale of what is wanted; the rest is told to be up to date. Whether solc takes it."""
        program = (
            "import sys; from closeout.toolchain import compile as c; from closeout.toolchain.settings import ROOT\n"
            "wanted, unchanged = (tuple(part.split(',')) for part in sys.argv[1:3])\n"
            "path = c.build_file(ROOT); kept = c._read(path); units = c._units(ROOT, None, ())\n"
            "for unit in units:\n"
            "    is_wanted = unit.name.startswith(wanted) and not unit.name.startswith(unchanged)\n"
            "    if not is_wanted and unit.name in kept: kept[unit.name]['key'] = unit.key\n"
            "c._write(path, kept)\n"
            "try: c.build(ROOT, log=None)\n"
            "except c.CompileFailed: sys.exit(3)\n"
        )
        # what an earlier stage was told about may be stale here
        self._build.write_bytes(self._original)
        done = self._python("-c", program, ",".join(wanted), ",".join(UNCHANGED))
        if done.returncode not in (0, 3):
            raise RuntimeError(done.stderr)
        return done.returncode == 0

    def _first_failure(self, stage: Stage, mutant: Mutant) -> str | None:
        """The first test that fails because of the mutant, or None."""
        tests = [part for part in stage.tests if (self.tree / part).exists()]
        while True:
            skipped = [f"--deselect={name}" for name, is_broken in self._known.items() if is_broken]
            try:
                done = self._pytest(*tests, "-x", *skipped)
            except subprocess.TimeoutExpired:
                return f"timeout: {' '.join(tests)}"
            if done.returncode not in (0, 1, 2, 3, 4):
                raise RuntimeError(done.stdout + done.stderr)
            if not done.returncode:
                return None
            named = FAILED.search(done.stdout)
            if named is None:
                return f"{' '.join(tests)}: exit {done.returncode}"
            if not self._fails_anyway(named[1], mutant):
                return named[1]

    def _fails_anyway(self, test: str, mutant: Mutant) -> bool:
        """Whether a test fails on the unchanged code too: then it says nothing about a mutant. Looked at once each."""
        if test not in self._known:
            file, build = self.tree / mutant.path, self._build.read_bytes()
            self._restore(mutant)
            self._known[test] = self._pytest(test).returncode != 0
            file.write_text(mutant.text)
            self._build.write_bytes(build)
            if self._known[test]:
                print(f"fails without a mutant, left out: {test}", file=sys.stderr, flush=True)
        return self._known[test]

    def _restore(self, mutant: Mutant) -> None:
        (self.tree / mutant.path).write_text(self._sources[mutant.path])
        self._build.write_bytes(self._original)

    def _pytest(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [
            "-m",
            "pytest",
            "-p",
            "no:ape_test",
            "-p",
            "no:cacheprovider",
            "-q",
            "--no-header",
            "--tb=no",
            "-rfE",
        ]
        return self._python(*command, *arguments, timeout=TIMEOUT_SECONDS)


def _parses(mutant: Mutant) -> bool:
    try:
        compile(mutant.text, mutant.path, "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _code(units: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Code of every contract without the hash of its sources."""
    return {
        name: METADATA.sub("", made["bytecode"])
        for unit in units.values()
        for name, made in sorted(unit["contracts"].items())
    }
