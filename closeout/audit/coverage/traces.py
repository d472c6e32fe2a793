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

STEP = re.compile(rb'"pc":(\d+),"op":"(\w+)","gas":\d+,"gasCost":\d+,"depth":(\d+)')
STEPS_ONLY = {"disableStack": True, "disableStorage": True, "disableMemory": True, "enableReturnData": False}
# solc's metadata ends all code; the hash in it is of the contract's sources and settings
METADATA_LENGTH = 2 * 53
# The same function with the same gas has gone the same way: it is not traced step by step again. Nor is one that was
# traced so often: what is still new then is its arguments.
MOST_TRACES = 300


class Tracer:
    """Asks a node to run calls again, step by step."""

    def __init__(self, build: CoverageBuild, hits: Hits, port: int) -> None:
        self._hits, self._port = hits, port
        self._by_tail = {code.hex[-METADATA_LENGTH:]: code for code in build.runtime if code.hex}
        self._creation = [code for code in build.creation if code.hex]
        self._codes: dict[str, Code | None] = {}
        self._seen: set[tuple[str, str, str]] = set()
        self._traced: Counter[tuple[str, str]] = Counter()

    def forget(self) -> None:
        """State went back: other code may stand at an address now."""
        self._codes.clear()

    def trace(self, request: dict[str, Any]) -> None:
        """Traces a call on the latest state, unless one that went the same way was."""
        calls = json.loads(self._ask("debug_traceCall", request, "latest", {"tracer": "callTracer"})).get("result")
        if not calls:
            return
        frames = list(self._frames(calls))
        function = (
            frames[0].contract if frames and frames[0] else "",
            request["data"][:10] if "to" in request else "new",
        )
        if (*function, calls["gasUsed"]) in self._seen or self._traced[function] >= MOST_TRACES:
            return
        self._seen.add((*function, calls["gasUsed"]))
        self._traced[function] += 1
        raw = self._ask("debug_traceCall", request, "latest", STEPS_ONLY)
        steps = [(int(pc), op == b"JUMPI", int(depth)) for pc, op, depth in STEP.findall(raw)]
        self._assign(steps, iter(frames))

    def _ask(self, method: str, *params: Any) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    def _frames(self, call: dict[str, Any]) -> Iterator[Code | None]:
        """The code of each call that runs any, in the order in which they begin."""
        if call["type"].startswith("CREATE"):
            yield next((code for code in self._creation if call["input"][2:].startswith(code.hex)), None)
        elif self._has_code(call["to"]):
            yield self._codes[call["to"]]
        for inner in call.get("calls", []):
            yield from self._frames(inner)

    def _has_code(self, address: str) -> bool:
        if address not in self._codes:
            code = json.loads(self._ask("eth_getCode", address, "latest"))["result"]
            if len(code) <= 2 or int(address, 16) < 32:
                return False
            self._codes[address] = self._by_tail.get(code[-METADATA_LENGTH:])
        return True

    def _assign(self, steps: list[tuple[int, bool, int]], frames: Iterator[Code | None]) -> None:
        """Walks the steps with a stack of frames: deeper is the next call, less deep one that returned."""
        stack: list[tuple[Code | None, set[int], set[tuple[int, int]]]] = []
        following = [*itertools.islice(steps, 1, None), None]
        for (counter, is_jump, depth), after in zip(steps, following, strict=True):
            while len(stack) > depth:
                self._close(stack.pop())
            while len(stack) < depth:
                stack.append((next(frames, None), set(), set()))
            _, counters, jumps = stack[-1]
            counters.add(counter)
            if is_jump and after is not None and after[2] == depth:
                jumps.add((counter, after[0]))
        while stack:
            self._close(stack.pop())

    def _close(self, frame: tuple[Code | None, set[int], set[tuple[int, int]]]) -> None:
        code, counters, jumps = frame
        if code is not None:
            self._hits.add(code, counters, jumps)
