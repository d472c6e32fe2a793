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
from closeout.audit.mutation.targets import LEFT_OUT, Stage, Target
from closeout.audit.mutation.verdicts import FILE
from closeout.toolchain.compile import CompileFailed, Compiler, build_some, check_unit, units_of
from closeout.toolchain.settings import compiler_settings
from closeout.toolchain.solc import solc_path

__all__ = ["Bench", "Outcome"]

COPIED = ("closeout", "contracts", "interfaces", "tests", "config", "docs", "scripts", "bots", "deployments")
LINKED = ("node_modules", ".venv")
# solc's metadata (a hash of the sources) and its length, at the end of every contract's code
METADATA = re.compile(r"a264697066735822[0-9a-f]{68}64736f6c6343[0-9a-f]{6}0033")
# What is compiled anew for a mutant: what is shipped and what tests call it through. The rest stays as it was.
UNCHANGED = ("contracts/periphery/", "contracts/mocks/", "contracts/harness/broken/", "contracts/Authority.sol")
PLUGIN = "closeout.audit.mutation.verdicts"
CONFTEST = re.compile(r"while loading conftest '(.+?)'")
NO_TESTS = 5


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant, `by` which test: invalid, same code, killed, survived or undecided."""

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
        # stays for the next mutant
        self._compiler = Compiler(solc_path(), self.tree)

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

    def _python(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        environment = (
            os.environ
            | more
            | {
                "HYPOTHESIS_PROFILE": "mutation",
                # fewer random cases than `make test`: what dies here dies there
                "CLOSEOUT_TEST_SIZE": "0.1",
                "PYTHONPATH": str(self.tree),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
        )
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def _build(self) -> Path:
        return self.tree / ".build" / "closeout.json"

    def _units(self) -> dict[str, dict[str, Any]]:
        units: dict[str, dict[str, Any]] = json.loads(self._build.read_text())["units"]
        return units

    # ------------------------------------------------------------------------------------------------------- a mutant

    def judge(self, target: Target, mutant: Mutant, *, is_near: bool = False, is_argued: bool = False) -> Outcome:
        """Puts the mutant in place, compiles and tests it stage by stage, and puts the original back.

        What the near tests let live and an argument calls equivalent has survived: the last stage is left out.
        """
        started = time.monotonic()
        file = self.tree / mutant.path
        self._sources.setdefault(mutant.path, file.read_text())
        file.write_text(mutant.text)
        try:
            status, by = self._look(target, mutant, is_near=is_near or is_argued)
        finally:
            self._restore(mutant)
        if status == "undecided" and is_argued:
            status = "survived"
        return Outcome(status, by, round(time.monotonic() - started, 1))

    def _look(self, target: Target, mutant: Mutant, *, is_near: bool) -> tuple[str, str]:
        if not (self._type_checks(mutant) if target.is_solidity else self._lints(mutant)):
            return "invalid", ""
        is_changed = not target.is_solidity
        for stage in target.stages[:-1] if is_near else target.stages:
            if target.is_solidity:
                if not self._compile(stage.compiled):
                    return "invalid", ""
                if _code(self._units()) == _code(self._units_of_original):
                    continue
                is_changed = True
            by = self._first_failure(stage, mutant)
            if by is not None:
                return "killed", by
        if is_near:
            return "undecided", ""
        return ("survived" if is_changed else "same code"), ""

    def _type_checks(self, mutant: Mutant) -> bool:
        unit = units_of(self.tree, [mutant.path])[0]
        check_unit(unit, self._compiler, compiler_settings(self.tree).standard_json())
        return not unit.errors

    def _lints(self, mutant: Mutant) -> bool:
        """Whether types and names are right: what solc refuses of a contract, mypy refuses of the model."""
        # a condition that always holds leaves code that is never reached: no error in a mutant
        if self._python("-m", "mypy", "--no-warn-unreachable", str(Path(mutant.path).parent)).returncode:
            return False
        return self._python("-c", f"import {Path(mutant.path).parent.as_posix().replace('/', '.')}").returncode == 0

    def _compile(self, wanted: tuple[str, ...]) -> bool:
        """Compiles what is stale of what is wanted; the rest is told to be up to date. Whether solc takes it."""
        # what an earlier stage was told about may be stale here
        self._build.write_bytes(self._original)
        try:
            build_some(self.tree, wanted, UNCHANGED)
        except CompileFailed:
            return False
        return True

    def _first_failure(self, stage: Stage, mutant: Mutant) -> str | None:
        """The first test that fails because of the mutant, or None."""
        files = self._files(stage.tests)
        # of what fails by chance or only after another test, nothing can be said
        unsure: list[str] = []
        while True:
            broken = [name for name, is_broken in self._known.items() if is_broken]
            left_out = [f"--deselect={name}" for name in (*LEFT_OUT, *broken, *unsure)]
            failed = self._failures(*files, "-x", *left_out)
            if not failed:
                return None
            if self._fails_anyway(failed[0], mutant):
                continue
            if self._failures(failed[0]):
                return failed[0]
            unsure.append(failed[0])

    def _files(self, tests: tuple[str, ...]) -> list[str]:
        """The files of tests, each once: pytest leaves out what is named twice, in a folder and by itself."""
        files: dict[str, None] = {}
        for part in tests:
            path = self.tree / part
            found = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
            files |= dict.fromkeys(file.relative_to(self.tree).as_posix() for file in found)
        return list(files)

    def _fails_anyway(self, test: str, mutant: Mutant) -> bool:
        """Whether a test fails on the unchanged code too: then it says nothing about a mutant. Looked at once each."""
        if test not in self._known:
            file, build = self.tree / mutant.path, self._build.read_bytes()
            self._restore(mutant)
            self._known[test] = bool(self._failures(test))
            file.write_text(mutant.text)
            self._build.write_bytes(build)
            if self._known[test]:
                print(f"fails without a mutant, left out: {test}", file=sys.stderr, flush=True)
        return self._known[test]

    def _restore(self, mutant: Mutant) -> None:
        (self.tree / mutant.path).write_text(self._sources[mutant.path])
        self._build.write_bytes(self._original)

    def _failures(self, *arguments: str) -> list[str]:
        """The tests that failed, in order. Raises RuntimeError where pytest itself did."""
        file = self.tree / ".build" / "failed"
        file.unlink(missing_ok=True)
        options = ("-p", "no:ape_test", "-p", "no:cacheprovider", "-p", PLUGIN, "-q", "--no-header", "--tb=no")
        done = self._python("-m", "pytest", *options, *arguments, **{FILE: str(file)})
        failed = file.read_text().splitlines() if file.exists() else []
        # what tests stand on may fail before there is a test
        if broken := CONFTEST.search(done.stdout + done.stderr):
            failed = [Path(broken[1]).relative_to(self.tree).as_posix()]
        if done.returncode == NO_TESTS and arguments[0].endswith("conftest.py"):
            return []
        if bool(done.returncode) != bool(failed):
            raise RuntimeError(f"pytest {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return failed


def _code(units: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Code of every contract without the hash of its sources."""
    return {
        name: METADATA.sub("", made["bytecode"])
        for unit in units.values()
        for name, made in sorted(unit["contracts"].items())
    }
