"""Which line of Solidity an instruction comes from: a compile of its own, for profiles and coverage.

The code is the one of `closeout.toolchain.artifacts` to the byte: same compiler, settings and sources, only more is
asked for. The maps are large and rarely wanted, so they lie in a file of their own, `.build/sourcemaps.json`, made file
by file as somebody asks.
"""

from __future__ import annotations

import contextlib
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from closeout.toolchain.compile import CompileFailed, Compiler, units_of
from closeout.toolchain.settings import ROOT, compiler_settings
from closeout.toolchain.solc import solc_path

__all__ = ["MappedCode", "Place", "load_mapped"]

OUTPUT = [
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.sourceMap",
    "evm.deployedBytecode.functionDebugData",
]
FUNCTIONS = ("FunctionDefinition", "ModifierDefinition")
PUSH1, PUSH32 = 0x60, 0x7F


@dataclass(frozen=True)
class Place:
    """Where an instruction comes from. Line 0: nowhere in particular, the compiler made it for the whole contract."""

    source: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else f"{self.source} (made by the compiler)"


@dataclass(frozen=True)
class MappedCode:
    """Runtime code of one contract, with what the compiler tells of it."""

    name: str
    source: str
    code: bytes = field(repr=False)
    source_map: str = field(repr=False)
    # function of the generated code -> where it is entered
    entries: dict[str, int] = field(repr=False)
    # by the compiler's number of a source: name, line starts, and (start, end, "Contract.function") of its functions
    sources: dict[int, tuple[str, list[int], list[tuple[int, int, str]]]] = field(repr=False)

    @cached_property
    def functions(self) -> dict[int, str]:
        """Function of the generated code by the program counter where it is entered."""
        return {entry: name for name, entry in self.entries.items()}

    @cached_property
    def places(self) -> dict[int, Place]:
        """Program counter -> place, for every instruction."""
        return {counter: self._place(*where[:3]) for counter, where in self._mapped()}

    @cached_property
    def jumps(self) -> dict[int, str]:
        """Program counter -> "i" where a jump enters a function, "o" where it returns from one."""
        return {counter: where[3] for counter, where in self._mapped() if where[3] in "io"}

    def _mapped(self) -> Iterator[tuple[int, tuple[int, int, int, str]]]:
        return zip(_counters(self.code), _entries(self.source_map), strict=False)

    def _place(self, start: int, length: int, number: int) -> Place:
        if number not in self.sources:
            return Place(self.source, 0, "")
        name, lines, functions = self.sources[number]
        found = [f for f in functions if f[0] <= start and start + length <= f[1]]
        if not found:
            return Place(name, 0, "")
        innermost = min(found, key=lambda function: function[1] - function[0])
        return Place(name, bisect_right(lines, start), innermost[2])


def load_mapped(names: Sequence[str], root: Path = ROOT) -> dict[str, MappedCode]:
    """The mapped code of the source files given ("contracts/Vault.sol"), by contract name. Raises CompileFailed."""
    path = root / ".build" / "sourcemaps.json"
    path.parent.mkdir(exist_ok=True)
    kept: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads(path.read_text())
    units = units_of(root, names)
    stale = [unit for unit in units if kept.get(unit.name, {}).get("key") != unit.key]
    if stale:
        with contextlib.closing(Compiler(solc_path(), root)) as compiler:
            for unit in stale:
                kept[unit.name] = {"key": unit.key} | _compile(compiler, root, unit.name, unit.sources)
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(kept, separators=(",", ":")))
        temporary.replace(path)
    found: dict[str, MappedCode] = {}
    for unit in units:
        entry = kept[unit.name]
        sources = {
            int(number): (name, _line_starts(unit.sources[name]), [tuple(function) for function in functions])
            for number, (name, functions) in entry["sources"].items()
        }
        for name, made in entry["contracts"].items():
            found[name] = MappedCode(
                name, unit.name, bytes.fromhex(made["object"]), made["sourceMap"], made["entries"], sources
            )
    return found


def _compile(compiler: Compiler, root: Path, name: str, sources: dict[str, str]) -> dict[str, Any]:
    wanted = {name: {"*": OUTPUT}, "*": {"": ["ast"]}}
    output = compiler.run(
        {
            "language": "Solidity",
            "sources": {source: {"content": content} for source, content in sources.items()},
            "settings": compiler_settings(root).standard_json() | {"outputSelection": wanted},
        }
    )
    errors = [problem["formattedMessage"] for problem in output.get("errors", []) if problem["severity"] == "error"]
    if errors:
        raise CompileFailed("\n".join(errors))
    contracts = {}
    for contract, made in output["contracts"][name].items():
        deployed = made["evm"]["deployedBytecode"]
        if not deployed["object"]:
            continue
        debug = deployed["functionDebugData"]
        contracts[contract] = {
            "object": deployed["object"],
            "sourceMap": deployed["sourceMap"],
            "entries": {key: data["entryPoint"] for key, data in debug.items() if data["entryPoint"] is not None},
        }
    return {
        "contracts": contracts,
        "sources": {made["id"]: (source, _functions(made["ast"])) for source, made in output["sources"].items()},
    }


def _functions(tree: dict[str, Any]) -> list[tuple[int, int, str]]:
    """(start, end, "Contract.function") of each function and modifier; free functions have no contract."""
    found = []

    def add(node: dict[str, Any], owner: str) -> None:
        start, length, _ = map(int, node["src"].split(":"))
        name = node["name"] or node.get("kind", "function")
        found.append((start, start + length, f"{owner}.{name}" if owner else name))

    for node in tree["nodes"]:
        if node["nodeType"] in FUNCTIONS:
            add(node, "")
        elif node["nodeType"] == "ContractDefinition":
            for member in node["nodes"]:
                if member["nodeType"] in FUNCTIONS:
                    add(member, node["name"])
    return found


def _line_starts(text: str) -> list[int]:
    """Byte offsets, as the compiler counts."""
    starts = [0]
    for line in text.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _counters(code: bytes) -> Iterator[int]:
    counter = 0
    while counter < len(code):
        yield counter
        op = code[counter]
        counter += 1 + (op - PUSH1 + 1 if PUSH1 <= op <= PUSH32 else 0)


def _entries(source_map: str) -> Iterator[tuple[int, int, int, str]]:
    start, length, number, jump = "0", "0", "-1", "-"
    for entry in source_map.split(";"):
        fields = entry.split(":")
        start = fields[0] or start
        length = (fields[1:2] or [""])[0] or length
        number = (fields[2:3] or [""])[0] or number
        jump = (fields[3:4] or [""])[0] or jump
        yield int(start), int(length), int(number), jump
