"""Fast incremental compile: `python -m closeout.toolchain.compile`.

Does what `ape compile` does, with the same solc and the settings of ape-config.yaml, in a fraction of the time. Each
source file is compiled by itself, given exactly what it imports: its artifacts depend on nothing else, so that what has
not changed is never compiled again, the rest is spread over the processors, and bytecode does not depend on what else
happened to be in the batch.

The artifacts are written to `.build/closeout.json`; read them through `closeout.toolchain.artifacts`.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TextIO

from closeout.errors import CloseoutError
from closeout.toolchain.settings import ROOT, compiler_settings
from closeout.toolchain.solc import SHIM, SolcMissing, solc_path
from closeout.toolchain.sources import SourceTree

__all__ = [
    "CompileFailed",
    "Compiler",
    "Unit",
    "build",
    "build_file",
    "build_some",
    "check",
    "check_unit",
    "compile_unit",
    "standard_input",
    "units_of",
]

# A change of what is kept or of how it is made must not leave old entries in use.
FORMAT = 1
FOLDERS = ("contracts", "interfaces")
OUTPUT = [
    "abi",
    "storageLayout",
    "evm.bytecode.object",
    "evm.bytecode.linkReferences",
    "evm.deployedBytecode.object",
    "evm.methodIdentifiers",
]


class CompileFailed(CloseoutError):
    """solc refused the sources; the message is what it said."""


@dataclass
class Unit:
    """One source file: what it is compiled from, and what came of it."""

    name: str
    key: str
    sources: dict[str, str] = field(repr=False)
    contracts: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def build_file(root: Path = ROOT, *, via_ir: bool | None = None) -> Path:
    """Where the artifacts lie. Those made without via_ir are for a quick look and never mix with the real ones."""
    is_quick = via_ir is not None and via_ir != compiler_settings(root).via_ir
    return root / ".build" / ("closeout.quick.json" if is_quick else "closeout.json")


def build(
    root: Path = ROOT, *, via_ir: bool | None = None, only: Sequence[str] = (), log: TextIO | None = sys.stderr
) -> dict[str, dict[str, Any]]:
    """Compile what is stale and return the artifacts by contract name.

    `only` takes parts of paths and compiles no other file. Raises CompileFailed with solc's errors; what did compile is
    kept.
    """
    path = build_file(root, via_ir=via_ir)
    path.parent.mkdir(exist_ok=True)
    with _locked(path.with_suffix(".lock")):
        units = _units(root, via_ir, only)
        kept = _read(path)
        stale = [unit for unit in units if not _take(unit, kept)]
        if stale:
            _compile(root, stale, via_ir, log)
        known = {} if not only else kept
        known |= {unit.name: _entry(unit) for unit in units if not unit.errors}
        if stale or known.keys() != kept.keys():
            _write(path, known)
    _raise_on_errors(units)
    return _by_contract(units)


def build_some(root: Path, wanted: tuple[str, ...], unchanged: tuple[str, ...]) -> None:
    """Compile what is stale of the files under `wanted`, less those under `unchanged`; the rest counts as up to date.

    For who knows that nothing will use the rest. Raises CompileFailed.
    """
    path = build_file(root)
    kept = _read(path)
    for unit in _units(root, None, ()):
        if unit.name in kept and (not unit.name.startswith(wanted) or unit.name.startswith(unchanged)):
            kept[unit.name]["key"] = unit.key
    _write(path, kept)
    build(root, log=None)


def check(root: Path = ROOT, *, only: Sequence[str] = ()) -> None:
    """Parse and type-check, making no code: seconds where a build takes a minute. Raises CompileFailed."""
    units = _units(root, None, only)
    settings = compiler_settings(root).standard_json()
    sources: dict[str, str] = {}
    for unit in units:
        sources |= unit.sources
    everything = Unit("", "", sources)
    with contextlib.closing(Compiler(solc_path(), root)) as compiler:
        check_unit(everything, compiler, settings, [unit.name for unit in units])
    _raise_on_errors([everything])


def check_unit(unit: Unit, compiler: Compiler, settings: dict[str, Any], names: Sequence[str] = ()) -> None:
    """Type-checks a unit as it stands, or the files of it that are named; what is wrong goes into its errors."""
    request = _input(unit, settings)
    # An output for every file, or solc looks no further than its syntax.
    request["settings"]["outputSelection"] = {name: {"*": ["abi"]} for name in names or [unit.name]}
    problems = compiler.run(request).get("errors", [])
    unit.errors += [problem["formattedMessage"] for problem in problems if problem["severity"] == "error"]


def _units(root: Path, via_ir: bool | None, only: Sequence[str]) -> list[Unit]:
    settings = compiler_settings(root)
    tree = SourceTree(root, settings.remappings)
    common = json.dumps([FORMAT, settings.version, settings.standard_json(via_ir=via_ir), OUTPUT], sort_keys=True)
    units = []
    for name in tree.units(*FOLDERS):
        if only and not any(part in name for part in only):
            continue
        sources = tree.closure(name)
        digest = hashlib.sha256(common.encode())
        for source, content in sources.items():
            digest.update(f"\0{source}\0{len(content)}\0{content}".encode())
        units.append(Unit(name, digest.hexdigest(), sources))
    return units


def _take(unit: Unit, kept: dict[str, Any]) -> bool:
    entry = kept.get(unit.name)
    if entry is None or entry["key"] != unit.key:
        # A file that took long last time is started first.
        unit.seconds = entry["seconds"] if entry else len(unit.sources)
        return False
    unit.contracts, unit.warnings, unit.seconds = entry["contracts"], entry["warnings"], entry["seconds"]
    return True


def _entry(unit: Unit) -> dict[str, Any]:
    return {"key": unit.key, "seconds": unit.seconds, "warnings": unit.warnings, "contracts": unit.contracts}


def _compile(root: Path, units: list[Unit], via_ir: bool | None, log: TextIO | None) -> None:
    """Give the units, longest first, to as many compilers as there are processors."""
    solc = solc_path()
    settings = compiler_settings(root).standard_json(via_ir=via_ir)
    queue: SimpleQueue[Unit] = SimpleQueue()
    for unit in sorted(units, key=lambda unit: -unit.seconds):
        queue.put(unit)
    started = time.monotonic()
    done = 0
    workers = min(len(units), os.cpu_count() or 1)

    def work() -> None:
        nonlocal done
        with contextlib.closing(Compiler(solc, root)) as compiler, contextlib.suppress(Empty):
            while True:
                unit = queue.get_nowait()
                begun = time.monotonic()
                compile_unit(unit, compiler, settings)
                unit.seconds = round(time.monotonic() - begun, 2)
                done += 1
                if log is not None and (unit.seconds >= 1 or done == len(units)):
                    print(f"  {done}/{len(units)} {unit.name} {unit.seconds:.1f} s", file=log, flush=True)

    if log is not None:
        print(f"solc: {len(units)} changed files, {workers} at a time", file=log, flush=True)
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            future.result()
    if log is not None:
        print(f"solc: done in {time.monotonic() - started:.1f} s", file=log, flush=True)


def units_of(root: Path, names: Sequence[str]) -> list[Unit]:
    """The units at these paths from the root, in that order; what they are compiled from may be changed."""
    found = {unit.name: unit for unit in _units(root, None, names)}
    return [found[name] for name in names]


def compile_unit(unit: Unit, compiler: Compiler, settings: dict[str, Any]) -> None:
    """Compiles a unit as it stands; the answer goes into its contracts, errors and warnings."""
    _finish(unit, compiler.run(_input(unit, settings)))


def standard_input(name: str, root: Path = ROOT) -> dict[str, Any]:
    """What solc is given for one source file: standard JSON, from which anybody gets the same bytecode."""
    return _input(units_of(root, [name])[0], compiler_settings(root).standard_json())


def _input(unit: Unit, settings: dict[str, Any]) -> dict[str, Any]:
    return {
        "language": "Solidity",
        "sources": {name: {"content": content} for name, content in unit.sources.items()},
        "settings": settings | {"outputSelection": {unit.name: {"*": OUTPUT}}},
    }


def _finish(unit: Unit, output: dict[str, Any]) -> None:
    for problem in output.get("errors", []):
        text = problem.get("formattedMessage") or problem["message"]
        (unit.errors if problem["severity"] == "error" else unit.warnings).append(text)
    if unit.errors:
        return
    for name, made in output.get("contracts", {}).get(unit.name, {}).items():
        evm = made["evm"]
        if evm["bytecode"]["linkReferences"]:
            libraries = sorted(library for by_file in evm["bytecode"]["linkReferences"].values() for library in by_file)
            unit.errors.append(
                f"{unit.name}: {name} calls public functions of {', '.join(libraries)}, which must be linked; "
                "Ape drops such a contract and says nothing: make the functions internal\n"
            )
        unit.contracts[name] = {
            "source": unit.name,
            "abi": made["abi"],
            "bytecode": evm["bytecode"]["object"],
            "deployedBytecode": evm["deployedBytecode"]["object"],
            "methodIdentifiers": evm["methodIdentifiers"],
            "storageLayout": made.get("storageLayout") or {},
        }


class Compiler:
    """One compiler at a time: a shim that stays for the next input, or a native solc started for each."""

    def __init__(self, solc: Path, root: Path) -> None:
        self._command = [str(solc)]
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        if solc.resolve().name == SHIM.name:
            self._process = subprocess.Popen(
                [*self._command, "--standard-json-lines"],
                cwd=root,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )

    def run(self, standard_input: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(standard_input)
        if self._process is None:
            command = [*self._command, "--standard-json"]
            answer = subprocess.run(
                command, cwd=self._root, input=text, stdout=subprocess.PIPE, text=True, check=False
            ).stdout
        else:
            if self._process.stdin is None or self._process.stdout is None:
                raise RuntimeError("the compiler's pipes are gone")
            self._process.stdin.write(text + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        if not answer.strip():
            raise CompileFailed(f"{self._command[0]} ended without an answer")
        output: dict[str, Any] = json.loads(answer)
        return output

    def close(self) -> None:
        if self._process is not None:
            self._process.communicate()


def _raise_on_errors(units: list[Unit]) -> None:
    # A broken file fails everything that imports it: say it once.
    errors = list(dict.fromkeys(error for unit in units for error in unit.errors))
    if errors:
        raise CompileFailed("\n".join(error.strip("\n") + "\n" for error in errors))


def _by_contract(units: list[Unit]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for unit in units:
        for name, contract in unit.contracts.items():
            if name in found:
                raise CompileFailed(f"two contracts are called {name}: {found[name]['source']} and {unit.name}")
            found[name] = contract
    return dict(sorted(found.items()))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two test runs at once compile once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> dict[str, Any]:
    try:
        units: dict[str, Any] = json.loads(path.read_text())["units"]
    except (OSError, ValueError, KeyError):
        return {}
    return units


def _write(path: Path, units: dict[str, Any]) -> None:
    keys = "".join(f"{name}{entry['key']}" for name, entry in sorted(units.items()))
    document = {"key": hashlib.sha256(keys.encode()).hexdigest(), "units": units}
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True))
    temporary.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m closeout.toolchain.compile", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("only", nargs="*", help="compile only files whose path contains one of these")
    parser.add_argument("--check", action="store_true", help="find errors only, make no code: a few seconds")
    parser.add_argument("--no-via-ir", action="store_true", help="quicker, to see errors; goes to a file of its own")
    parser.add_argument("--warnings", action="store_true", help="print solc's warnings too")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    given = parser.parse_args(arguments)
    via_ir = False if given.no_via_ir else None
    started = time.monotonic()
    try:
        if given.check:
            check(only=given.only)
            return 0
        contracts = build(via_ir=via_ir, only=given.only, log=None if given.quiet else sys.stderr)
    except (CompileFailed, SolcMissing) as error:
        print(error, file=sys.stderr)
        return 1
    if given.warnings:
        seen = _read(build_file(via_ir=via_ir))
        for text in dict.fromkeys(warning for entry in seen.values() for warning in entry["warnings"]):
            print(text, file=sys.stderr)
    if not given.quiet:
        where = build_file(via_ir=via_ir).relative_to(ROOT)
        print(f"{len(contracts)} contracts and interfaces in {where}, {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
