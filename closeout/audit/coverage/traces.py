"""Traces of one node: for each call, which code ran at which program counters."""

from __future__ import annotations

import http.client
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from closeout.audit.coverage.builds import Code, CoverageBuild
from closeout.audit.coverage.hits import Hits

__all__ = ["Tracer"]

STEP = re.compile(rb'"pc":(\d+),"op":"\w+","gas":\d+,"gasCost":\d+,"depth":(\d+)')
STEPS_ONLY = {"disableStack": True, "disableStorage": True, "disableMemory": True, "enableReturnData": False}
# solc's metadata ends all code; the hash in it is of the contract's sources and settings
METADATA_LENGTH = 2 * 53
# In one test, a function that has shown nothing new so many times in a row is mostly passed over: one in so many times
# it is looked at all the same.
ENOUGH, ONE_IN = 4, 16
# Gas of a byte of calldata that is zero, and of one that is not.
ZERO, NONZERO = 4, 16


@dataclass(frozen=True, slots=True)
class Frame:
    """One call of ours: its code, the function with what it was refused with, and the gas that it used by itself.

    The same function with the same gas has gone the same way.
    """

    code: Code | None
    function: tuple[str, str, str]
    gas: int


class Tracer:
    """Asks a node to run calls again, step by step."""

    def __init__(self, build: CoverageBuild, hits: Hits, port: int) -> None:
        self._hits = hits
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._by_tail = {code.hex[-METADATA_LENGTH:]: code for code in build.runtime if code.hex}
        self._creation = [code for code in build.creation if code.hex]
        self._by_name = {code.contract: code for code in build.runtime}
        self._codes: dict[str, Code | None] = {}
        self._created: dict[str, Code | None] = {}
        # calls whose steps were not those that their frames say: nothing of them counts
        self.misread: Counter[tuple[str, str, str]] = Counter()
        self._seen: set[tuple[tuple[str, str, str], int]] = set()
        self._idle: Counter[tuple[str, str, str]] = Counter()

    def forget(self) -> None:
        """State went back: other code may stand at an address now."""
        self._codes.clear()

    def begin(self) -> None:
        """Another test: every function may show something new again."""
        self._idle.clear()

    def trace(self, request: dict[str, Any]) -> None:
        """Traces a call on the latest state, unless calls that went the same way were."""
        call = json.loads(self._ask("debug_traceCall", request, "latest", {"tracer": "callTracer"})).get("result")
        if not call:
            return
        data = bytes.fromhex(call["input"][2:])
        self._created.clear()
        frames = list(self._frames(call, NONZERO * len(data) - (NONZERO - ZERO) * data.count(0)))
        unseen = {(frame.function, frame.gas) for frame in frames if frame.code and frame.code.is_measured} - self._seen
        self._seen |= unseen
        due = [function for function in {function for function, _ in unseen} if self._is_due(function)]
        if not due:
            return
        steps = STEP.findall(self._ask("debug_traceCall", request, "latest", STEPS_ONLY))
        self._add(steps, frames)

    def _is_due(self, function: tuple[str, str, str]) -> bool:
        self._idle[function] += 1
        return self._idle[function] <= ENOUGH or self._idle[function] % ONE_IN == 0

    def _ask(self, method: str, *params: Any) -> bytes:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self._connection.getresponse().read()

    def _frames(self, call: dict[str, Any], data_gas: int = 0) -> Iterator[Frame]:
        """Each call that runs any code, in the order in which they begin."""
        if call["type"].startswith("CREATE"):
            code = next((code for code in self._creation if call["input"][2:].startswith(code.hex)), None)
            # from here on it can be called, where nobody knows of it yet
            if "to" in call:
                self._created[call["to"]] = self._by_name[code.contract] if code else None
            yield self._frame(call, code, 0)
        elif call["to"] in self._created:
            yield self._frame(call, self._created[call["to"]], data_gas)
        elif self._has_code(call["to"]):
            yield self._frame(call, self._codes[call["to"]], data_gas)
        for one in call.get("calls", []):
            yield from self._frames(one)

    def _frame(self, call: dict[str, Any], code: Code | None, data_gas: int) -> Frame:
        gas = int(call["gasUsed"], 16) - sum(int(one["gasUsed"], 16) for one in call.get("calls", []))
        selector = "" if call["type"].startswith("CREATE") else call["input"][:10]
        refusal = call.get("output", "")[:10] if "error" in call else "done"
        return Frame(code, (code.contract if code else "", selector, refusal), gas - data_gas)

    def _has_code(self, address: str) -> bool:
        if address not in self._codes:
            code = json.loads(self._ask("eth_getCode", address, "latest"))["result"]
            if len(code) <= 2 or int(address, 16) < 32:
                return False
            self._codes[address] = self._by_tail.get(code[-METADATA_LENGTH:])
        return True

    def _add(self, steps: list[tuple[bytes, bytes]], frames: list[Frame]) -> None:
        """Gives each step to its call: a deeper one is the next call's, after a less deep one a call has returned."""
        parts: list[tuple[Frame | None, list[bytes]]] = []
        following = iter(frames)
        stack: list[Frame | None] = []
        for level, part in itertools.groupby(steps, key=lambda step: step[1]):
            del stack[int(level) :]
            if len(stack) < int(level):
                stack.append(next(following, None))
            parts.append((stack[-1], [counter for counter, _ in part]))
        is_odd = next(following, None) is not None or not all(frame for frame, _ in parts)
        found = [
            (frame, frame.code, texts, set(map(int, set(texts)))) for frame, texts in parts if frame and frame.code
        ]
        if is_odd or not all(counters <= code.counters for _, code, _, counters in found):
            self.misread[frames[0].function] += 1
            return
        for frame, code, texts, counters in found:
            jumps = {(int(a), int(b)) for a, b in set(itertools.pairwise(texts)) if int(a) in code.jumps}
            if self._hits.add(code, counters, jumps):
                self._idle[frame.function] = 0
