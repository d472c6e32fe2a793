"""Traces of one node: for each call, which code ran at which program counters."""

from __future__ import annotations

import http.client
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from closeout.audit.coverage.builds import Code, CoverageBuild
from closeout.audit.coverage.hits import Hits

__all__ = ["Tracer"]

STEP = re.compile(rb'"pc":(\d+),"op":"\w+","gas":\d+,"gasCost":\d+,"depth":(\d+)')
STEPS_ONLY = {"disableStack": True, "disableStorage": True, "disableMemory": True, "enableReturnData": False}
# solc's metadata ends all code; the hash in it is of the contract's sources and settings
METADATA_LENGTH = 2 * 53
# Calls that called the same functions and ended alike mostly went the same way. They are traced step by step until so
# many in a row have shown nothing new; then one in so many still is.
ENOUGH, ONE_IN = 8, 16


class Tracer:
    """Asks a node to run calls again, step by step."""

    def __init__(self, build: CoverageBuild, hits: Hits, port: int) -> None:
        self._hits = hits
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self._by_tail = {code.hex[-METADATA_LENGTH:]: code for code in build.runtime if code.hex}
        self._creation = [code for code in build.creation if code.hex]
        self._codes: dict[str, Code | None] = {}
        self._gas: set[tuple[int, str]] = set()
        self._idle: Counter[int] = Counter()

    def forget(self) -> None:
        """State went back: other code may stand at an address now."""
        self._codes.clear()

    def trace(self, request: dict[str, Any]) -> None:
        """Traces a call on the latest state, unless enough that look like it were."""
        call = json.loads(self._ask("debug_traceCall", request, "latest", {"tracer": "callTracer"})).get("result")
        if not call:
            return
        frames = list(self._frames(call))
        shape = hash(frozenset(self._shape(call)))
        if (shape, call["gasUsed"]) in self._gas:
            return
        self._gas.add((shape, call["gasUsed"]))
        self._idle[shape] += 1
        if self._idle[shape] > ENOUGH and self._idle[shape] % ONE_IN:
            return
        steps = STEP.findall(self._ask("debug_traceCall", request, "latest", STEPS_ONLY))
        if self._assign(steps, iter(frames)):
            self._idle[shape] = 0

    def _ask(self, method: str, *params: Any) -> bytes:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
        return self._connection.getresponse().read()

    def _frames(self, call: dict[str, Any]) -> Iterator[Code | None]:
        """The code of each call that runs any, in the order in which they begin."""
        if call["type"].startswith("CREATE"):
            yield next((code for code in self._creation if call["input"][2:].startswith(code.hex)), None)
        elif self._has_code(call["to"]):
            yield self._codes[call["to"]]
        for inner in call.get("calls", []):
            yield from self._frames(inner)

    def _shape(self, call: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """What was called, and what it came to: the first four bytes of what it was refused with."""
        code = self._codes.get(call.get("to", ""))
        refusal = call.get("output", "")[:10] if "error" in call else None
        yield code and code.contract, call["input"][:10], refusal
        for inner in call.get("calls", ()):
            yield from self._shape(inner)

    def _has_code(self, address: str) -> bool:
        if address not in self._codes:
            code = json.loads(self._ask("eth_getCode", address, "latest"))["result"]
            if len(code) <= 2 or int(address, 16) < 32:
                return False
            self._codes[address] = self._by_tail.get(code[-METADATA_LENGTH:])
        return True

    def _assign(self, steps: list[tuple[bytes, bytes]], frames: Iterator[Code | None]) -> bool:
        """Walks the steps with a stack of codes: deeper is the next call, less deep one that returned.

        Whether anything of it is new.
        """
        stack: list[Code | None] = []
        is_new = False
        for level, part in itertools.groupby(steps, key=lambda step: step[1]):
            depth = int(level)
            del stack[depth:]
            while len(stack) < depth:
                stack.append(next(frames, None))
            code = stack[-1]
            if code is not None:
                counters = [counter for counter, _ in part]
                ways = {(int(a), int(b)) for a, b in set(itertools.pairwise(counters)) if int(a) in code.jumps}
                is_new |= self._hits.add(code, set(map(int, set(counters))), ways)
        return is_new
