"""Coverage of the contracts: with CLOSEOUT_COVERAGE=1 tests run on a build without optimizer, and every call is traced.

Nothing in the tests knows of it: what they load, the node they start and what they ask of it are changed underneath.
What they simulate is played again as transactions, which are traced as any.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import partialmethod
from typing import Any

from closeout.audit.coverage.builds import build
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.traces import Tracer
from closeout.chain import anvil
from closeout.chain.abi import Function
from closeout.chain.rpc import IpcClient
from closeout.toolchain import artifacts
from closeout.toolchain.settings import ROOT

__all__ = ["Coverage"]

FILE = ROOT / ".build" / "coverage" / "hits.json"
GAS = 100_000_000
# Of what one test simulates, or asks in one go, so many requests are played.
MOST_PLAYED = 12


class Coverage:
    """A pytest plugin; what it changes is changed before any test module is imported."""

    def __init__(self) -> None:
        self._hits = Hits()
        self._build = build()
        self._tracers: dict[int, Tracer] = {}
        self._call = IpcClient.call
        self._call_many = IpcClient.call_many
        self._sent = self._played = 0
        self._views = {
            "0x" + Function(entry).selector.hex()
            for artifact in self._build.artifacts.values()
            for entry in artifact.abi
            if entry["type"] == "function" and entry["stateMutability"] in ("view", "pure")
        }
        plugin = self

        def load(*_: Any, **__: Any) -> dict[str, artifacts.Artifact]:
            # who loads may change it
            return copy.deepcopy(plugin._build.artifacts)

        def call(client: IpcClient, method: str, *params: Any) -> Any:
            return plugin.called(client, method, params)

        def call_many(client: IpcClient, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
            for method, params in requests:
                if method in ("eth_simulateV1", "eth_call") and plugin._played < MOST_PLAYED:
                    plugin._played += 1
                    plugin.play(client, method, params[0])
            return plugin._call_many(client, requests)

        started = anvil.Anvil.__enter__

        def enter(node: anvil.Anvil) -> anvil.Anvil:
            started(node)
            plugin._tracers[id(node.rpc)] = Tracer(plugin._build, plugin._hits, node.port)
            return node

        # methods are replaced, which mypy refuses: every call of every test passes here
        artifacts.load = load
        IpcClient.call = call  # type: ignore[method-assign]
        IpcClient.call_many = call_many  # type: ignore[method-assign]
        anvil.Anvil.__enter__ = enter  # type: ignore[method-assign, assignment]
        anvil.Anvil.__init__ = partialmethod(  # type: ignore[method-assign, assignment]
            anvil.Anvil.__init__, extra=("--disable-code-size-limit",)
        )

    def called(self, client: IpcClient, method: str, params: Sequence[Any]) -> Any:
        """A request to a node, traced where it runs code."""
        tracer = self._tracers.get(id(client))
        if tracer is not None and method == "eth_sendTransaction":
            # traced before it is sent: on the state that it will find
            request = {key: params[0][key] for key in ("from", "to", "data") if key in params[0]}
            tracer.trace(request | {"gas": hex(30_000_000)})
        if tracer is not None and method in ("evm_revert", "anvil_setCode"):
            tracer.forget()
        if tracer is None or method != "eth_call":
            return self._call(client, method, *params)
        tracer.trace(params[0])
        return self._call(client, method, *params)

    def play(self, client: IpcClient, method: str, request: dict[str, Any]) -> None:
        """One of many requests: a call, or blocks of calls."""
        tracer = self._tracers.get(id(client))
        if tracer is None:
            return
        if method == "eth_call":
            tracer.trace(request)
        else:
            self._play_blocks(client, tracer, request["blockStateCalls"])

    def _play_blocks(self, client: IpcClient, tracer: Tracer, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Their calls as transactions, one after the other; then all is as before."""
        ask = self._call
        snapshot = ask(client, "evm_snapshot")
        for block in blocks:
            time = int(block["blockOverrides"]["time"], 16)
            for address, changes in block.get("stateOverrides", {}).items():
                self._put(client, address, changes)
                tracer.forget()
            self._mine(client, time)
            for request in block["calls"]:
                tracer.trace(request)
                if request["data"][:10] in self._views:
                    continue
                # a hash must never come twice
                self._sent += 1
                ask(client, "eth_sendTransaction", request | {"gas": hex(GAS + self._sent), "gasPrice": "0x0"})
                self._mine(client, time)
        ask(client, "evm_revert", snapshot)
        tracer.forget()

    def _mine(self, client: IpcClient, time: int) -> None:
        self._call(client, "evm_mine", {"timestamp": time})

    def _put(self, client: IpcClient, address: str, changes: Mapping[str, Any]) -> None:
        for slot, word in changes.get("stateDiff", {}).items():
            self._call(client, "anvil_setStorageAt", address, slot, word)
        if "code" in changes:
            self._call(client, "anvil_setCode", address, changes["code"])
        unknown = changes.keys() - {"stateDiff", "code"}
        assert not unknown, f"stateOverrides: {unknown} is not played"

    def pytest_runtest_setup(self) -> None:
        self._played = 0
        for tracer in self._tracers.values():
            tracer.begin()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for tracer in self._tracers.values():
            for function, count in tracer.misread.items():
                terminalreporter.write_line(f"not understood: {count} traces of {function}")

    def pytest_sessionfinish(self) -> None:
        self._hits.merge(FILE)
        self._hits.write(FILE)
