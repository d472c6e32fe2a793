"""Gas by contract, by function and by line, from a trace and the compiler's source maps."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from closeout.chain.rpc import IpcClient
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.settings import ROOT
from closeout.toolchain.sourcemaps import MappedCode, Place, load_mapped
from tests.gas.trace import COMPUTING, CREATION, Frame, Kind, Step, Trace

__all__ = ["Attribution", "FunctionGas", "LineGas"]


@dataclass
class FunctionGas:
    """A function of the generated code: `own` without, `total` with what it calls, other contracts included.

    `computing`: of its own, what is not storage, accounts, logs or memory growth.
    """

    contract: str
    name: str
    calls: int = 0
    own: int = 0
    computing: int = 0
    total: int = 0


@dataclass
class LineGas:
    """A line of Solidity. `kinds`: what the gas was paid for."""

    place: str
    function: str
    text: str
    gas: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)


class Attribution:
    """One trace, with names."""

    def __init__(self, trace: Trace, rpc: IpcClient, artifacts: Mapping[str, Artifact]) -> None:
        self.trace = trace
        codes = {frame.code for frame in trace.root.walk() if frame.code != CREATION}
        self._artifacts = {
            code: artifact for code in codes if (artifact := _match(rpc.call("eth_getCode", code, "latest"), artifacts))
        }
        self._selectors = {
            selector[2:]: signature.partition("(")[0]
            for artifact in artifacts.values()
            for signature, selector in artifact.selectors.items()
        }
        self._mapped: dict[str, MappedCode] = load_mapped(sorted({a.source for a in self._artifacts.values()}))

    def contract_of(self, frame: Frame) -> str:
        """Name of the code that runs, or its address."""
        artifact = self._artifacts.get(frame.code)
        return artifact.name if artifact else frame.code

    def call_of(self, frame: Frame) -> str:
        return f"{self.contract_of(frame)}.{self._selectors.get(frame.selector, '0x' + frame.selector)}"

    def calls(self) -> dict[int, str]:
        """Function called, by the number of the frame."""
        return {frame.number: self.call_of(frame).partition(".")[2] for frame in self.trace.root.walk()}

    def by_contract(self) -> dict[str, Counter[Kind]]:
        """What each contract used itself; of a call, its price in the caller and its work in the called."""
        sums: dict[str, Counter[Kind]] = defaultdict(Counter)
        for step in self.trace.steps:
            sums[self.contract_of(step.frame)].update(step.parts)
        return dict(sorted(sums.items(), key=lambda item: -sum(item[1].values())))

    def by_line(self) -> list[LineGas]:
        found: dict[tuple[str, str], LineGas] = {}
        for step in self.trace.steps:
            mapped = self._map(step.frame)
            if mapped is None:
                continue
            place = mapped.places[step.counter]
            if not place.line:
                place = self._near.get(id(step), place)
            function = place.function or self._generated[id(step)]
            key = (str(place), function)
            if key not in found:
                found[key] = LineGas(str(place), function, _text(place.source, place.line))
            found[key].gas += step.cost
            found[key].kinds.update(step.parts)
        return sorted(found.values(), key=lambda line: -line.gas)

    def by_function(self) -> list[FunctionGas]:
        """Of the generated code, which inlines: what a function of the source does may be counted in its caller."""
        found: dict[tuple[str, str], FunctionGas] = {}
        self._generated: dict[int, str] = {}
        # what the compiler says of no line: the last line before it in the same function of the generated code
        self._near: dict[int, Place] = {}
        for frame in self.trace.root.walk():
            mapped = self._map(frame)
            if mapped is not None:
                self._functions_of(frame, mapped, found)
        return sorted(found.values(), key=lambda function: -function.own)

    def line_of(self, step: Step) -> str:
        """Place and text of the line that an instruction comes from, or the generated function that it stands in."""
        mapped = self._map(step.frame)
        if mapped is None:
            return ""
        place = mapped.places[step.counter]
        place = place if place.line else self._near.get(id(step), place)
        return f"{place}  {_text(place.source, place.line)}" if place.line else self._generated[id(step)]

    def _functions_of(self, frame: Frame, mapped: MappedCode, found: dict[tuple[str, str], FunctionGas]) -> None:
        def function(name: str) -> FunctionGas:
            return found.setdefault((mapped.name, name), FunctionGas(mapped.name, name))

        inside = iter(frame.children)
        stack = [function(self.call_of(frame).partition(".")[2] + ", entry")]
        stack[0].calls += 1
        near: list[Place | None] = [None]
        entering = False
        for step in frame.steps:
            if entering and step.counter in mapped.functions:
                stack.append(function(mapped.functions[step.counter]))
                stack[-1].calls += 1
                near.append(None)
            entering = False
            place = mapped.places[step.counter]
            if place.line:
                near[-1] = place
            elif (last := near[-1]) is not None:
                self._near[id(step)] = last
            cost = step.cost
            stack[-1].own += cost
            stack[-1].computing += sum(gas for kind, gas in step.parts.items() if kind in COMPUTING)
            self._generated[id(step)] = stack[-1].name
            if step.op.endswith("CALL") and (child := self._child(step, inside)):
                cost += child.total
            for open_one in {id(one): one for one in stack}.values():
                open_one.total += cost
            if step.op == "JUMP":
                jump = mapped.jumps.get(step.counter)
                entering = jump == "i"
                if jump == "o" and len(stack) > 1:
                    stack.pop()
                    near.pop()

    @staticmethod
    def _child(step: Step, inside: Iterable[Frame]) -> Frame | None:
        return next(iter(inside), None) if int(step.subject or "0x0", 16) >= 256 else None

    def _map(self, frame: Frame) -> MappedCode | None:
        artifact = self._artifacts.get(frame.code)
        return self._mapped.get(artifact.name) if artifact else None


def _match(code: str, artifacts: Mapping[str, Artifact]) -> Artifact | None:
    """Whose runtime code this is; where the compiler left zeros, construction may have put immutables."""
    deployed = bytes.fromhex(code[2:])
    for artifact in artifacts.values():
        made = bytes.fromhex(artifact.deployed_bytecode[2:]) if len(artifact.deployed_bytecode) == len(code) else b""
        if made and all(a == b or a == 0 for a, b in zip(made, deployed, strict=True)):
            return artifact
    return None


def _text(source: str, line: int) -> str:
    path = ROOT / source
    if not line or not path.is_file():
        return ""
    return path.read_text().splitlines()[line - 1].strip()
