"""A build of its own for coverage: the same sources, without optimizer, with source maps and syntax trees.

Through the intermediate representation, as the shipped code: without it solc finds the stack too deep.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from closeout.toolchain import compile as compiler
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.settings import ROOT, compiler_settings
from closeout.toolchain.solc import solc_path

__all__ = ["Code", "CoverageBuild", "build"]

FILE = ROOT / ".build" / "closeout.coverage.json"
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


@dataclass
class Code:
    """One piece of code, runtime or creation: for each program counter its place in the sources."""

    contract: str
    hex: str
    # program counter -> (file, first character, length)
    places: dict[int, tuple[str, int, int]] = field(repr=False)
    jumps: set[int] = field(repr=False)


@dataclass
class CoverageBuild:
    """Artifacts to deploy, code to look places up in, and the syntax trees of our own sources."""

    artifacts: dict[str, Artifact]
    runtime: list[Code]
    creation: list[Code]
    trees: dict[str, dict[str, Any]]


def build(root: Path = ROOT) -> CoverageBuild:
    """Compiles what changed since the last time."""
    kept: dict[str, Any] = json.loads(FILE.read_text()) if FILE.exists() else {}
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
        FILE.write_text(json.dumps(kept, separators=(",", ":")))
    return _loaded(kept)


def _loaded(kept: dict[str, Any]) -> CoverageBuild:
    artifacts, runtime, creation, trees = {}, [], [], {}
    for source, unit in kept.items():
        trees[source] = unit["ast"]
        for name, made in unit["contracts"].items():
            evm = made["evm"]
            artifacts[name] = Artifact(
                name=name,
                source=source,
                abi=made["abi"],
                bytecode="0x" + evm["bytecode"]["object"],
                deployed_bytecode="0x" + evm["deployedBytecode"]["object"],
                selectors={signature: "0x" + selector for signature, selector in evm["methodIdentifiers"].items()},
                storage_layout=made.get("storageLayout") or {},
            )
            runtime.append(_code(name, evm["deployedBytecode"], unit["files"]))
            creation.append(_code(name, evm["bytecode"], unit["files"]))
    return CoverageBuild(artifacts, runtime, creation, trees)


def _code(name: str, made: dict[str, Any], files: dict[str, str]) -> Code:
    code = bytes.fromhex(made["object"])
    places: dict[int, tuple[str, int, int]] = {}
    jumps: set[int] = set()
    counter = 0
    start = length = file = ""
    for entry in made["sourceMap"].split(";") if made["object"] else ():
        parts = [*entry.split(":"), "", "", ""]
        start, length, file = parts[0] or start, parts[1] or length, parts[2] or file
        if counter >= len(code):
            break
        if file in files:
            places[counter] = (files[file], int(start), int(length))
        if code[counter] == JUMPI:
            jumps.add(counter)
        counter += 1 + max(0, code[counter] - PUSH1 + 1 if PUSH1 <= code[counter] <= PUSH32 else 0)
    return Code(name, made["object"], places, jumps)
