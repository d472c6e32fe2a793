"""A build of its own for coverage: the same sources, without optimizer, with source maps and syntax trees.

Through the intermediate representation, as the shipped code: without it solc finds the stack too deep.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from closeout.audit.coverage.structure import Decision, Range, assembly_in, is_measured
from closeout.toolchain import compile as compiler
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.settings import ROOT, compiler_settings
from closeout.toolchain.solc import solc_path

__all__ = ["Code", "CoverageBuild", "Place", "build"]

FILE = Path(".build") / "closeout.coverage.json"
OUTPUT = [
    "abi",
    "storageLayout",
    "evm.bytecode.object",
    "evm.bytecode.sourceMap",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.sourceMap",
    "evm.methodIdentifiers",
]
PUSH1, PUSH32, JUMPI = 0x60, 0x7F, 0x57

# file, first character, length
Place = tuple[str, int, int]


@dataclass
class Code:
    """One piece of code, runtime or creation: for each program counter its place in the sources."""

    contract: str
    hex: str
    places: dict[int, Place] = field(repr=False)
    jumps: set[int] = field(repr=False)
    # where instructions begin
    counters: set[int] = field(repr=False)

    @cached_property
    def is_measured(self) -> bool:
        """Whether anything that is shipped runs in it."""
        return any(is_measured(source) for source in {place[0] for place in self.places.values()})


@dataclass
class CoverageBuild:
    """Artifacts to deploy, code to look places up in, and the syntax trees of our own sources."""

    artifacts: dict[str, Artifact]
    runtime: list[Code]
    creation: list[Code]
    trees: dict[str, dict[str, Any]]


def build(root: Path = ROOT) -> CoverageBuild:
    """Compiles what changed since the last time."""
    file = root / FILE
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    units = compiler._units(root, None, ())
    settings = compiler_settings(root).standard_json() | {"optimizer": {"enabled": False}}
    stale = [unit for unit in units if kept.get(unit.name, {}).get("key") != unit.key]
    with contextlib.closing(compiler.Compiler(solc_path(), root)) as solc:
        for unit in stale:
            selection = {unit.name: {"*": OUTPUT, "": ["ast"]}}
            request = compiler._input(unit, settings) | {"settings": settings | {"outputSelection": selection}}
            output = solc.run(request)
            errors = [e["formattedMessage"] for e in output.get("errors", []) if e["severity"] == "error"]
            if errors:
                raise compiler.CompileFailed("\n".join(errors))
            kept[unit.name] = {
                "key": unit.key,
                "contracts": output.get("contracts", {}).get(unit.name, {}),
                "files": {str(source["id"]): name for name, source in output["sources"].items()},
                "ast": output["sources"][unit.name].get("ast"),
            }
    kept = {unit.name: kept[unit.name] for unit in units}
    if stale:
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(kept, separators=(",", ":")))
    return _loaded(kept)


def _loaded(kept: dict[str, Any]) -> CoverageBuild:
    artifacts, runtime, creation = {}, [], []
    trees = {source: unit["ast"] for source, unit in kept.items()}
    assembly = {source: assembly_in(tree) for source, tree in trees.items() if is_measured(source)}
    for unit_source, unit in kept.items():
        for name, made in unit["contracts"].items():
            evm = made["evm"]
            artifacts[name] = Artifact(
                name=name,
                source=unit_source,
                abi=made["abi"],
                bytecode="0x" + evm["bytecode"]["object"],
                deployed_bytecode="0x" + evm["deployedBytecode"]["object"],
                selectors={signature: "0x" + selector for signature, selector in evm["methodIdentifiers"].items()},
                storage_layout=made.get("storageLayout") or {},
            )
            runtime.append(_code(name, evm["deployedBytecode"], unit["files"], assembly))
            creation.append(_code(name, evm["bytecode"], unit["files"], assembly))
    return CoverageBuild(dict(sorted(artifacts.items())), runtime, creation, trees)


def _code(
    name: str,
    made: dict[str, Any],
    files: dict[str, str],
    assembly: Mapping[str, Mapping[Range, list[Decision]]],
) -> Code:
    code = bytes.fromhex(made["object"])
    places: dict[int, Place] = {}
    jumps: dict[int, int] = {}
    counters: set[int] = set()
    counter = target = 0
    start = length = file = ""
    for entry in made["sourceMap"].split(";") if made["object"] else ():
        parts = [*entry.split(":"), "", "", ""]
        start, length, file = parts[0] or start, parts[1] or length, parts[2] or file
        if counter >= len(code):
            break
        counters.add(counter)
        if file in files:
            places[counter] = (files[file], int(start), int(length))
        if code[counter] == JUMPI:
            jumps[counter] = target
        width = max(0, code[counter] - PUSH1 + 1 if PUSH1 <= code[counter] <= PUSH32 else 0)
        target = int.from_bytes(code[counter + 1 : counter + 1 + width], "big")
        counter += 1 + width
    _place_assembly(name, places, jumps, assembly)
    return Code(name, made["object"], places, set(jumps), counters)


def _place_assembly(
    name: str,
    places: dict[int, Place],
    jumps: dict[int, int],
    assembly: Mapping[str, Mapping[Range, list[Decision]]],
) -> None:
    """Gives the jumps of assembly, and where they lead, the places of what they decide.

    `jumps`: of each its destination, which was pushed just before it.
    """
    found: defaultdict[Place, list[int]] = defaultdict(list)
    for counter in jumps:
        if counter in places:
            found[places[counter]].append(counter)
    for (source, start, length), counters in found.items():
        decisions = assembly.get(source, {}).get((start, start + length), [])
        # a modifier's block stands in the code once for each function that has it
        if not decisions:
            continue
        if len(counters) % len(decisions):
            raise RuntimeError(
                f"{name}: {len(counters)} jumps at {source}:{start}, expected a multiple of {len(decisions)}"
            )
        for counter, decision in zip(counters, itertools.cycle(decisions)):
            goals = (counter, decision.place), (counter + 1, decision.fallen), (jumps[counter], decision.taken)
            for goal, place in goals:
                if place is not None:
                    places[goal] = (source, place[0], place[1] - place[0])
