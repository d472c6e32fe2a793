"""Deploying and calling a peer's contracts on the stage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from closeout.toolchain.artifacts import Artifact
from tests.gas.peers.compiling import Linked
from tests.support.node import Deployed, Node

__all__ = ["PeerChain"]

ADDRESS_BYTES = 20


class PeerChain:
    """The stage's chain with one peer's contracts by name. Their events and errors stay undecoded."""

    def __init__(self, node: Node, contracts: Mapping[str, Linked], sender: str) -> None:
        self._node, self._contracts, self._sender = node, contracts, sender
        self._libraries: dict[str, bytes] = {}

    def deploy(self, name: str, *arguments: Any) -> Deployed:
        """Deploys a contract, the libraries that it calls first."""
        linked = self._contracts[name]
        constructor = [entry for entry in linked.artifact.abi if entry["type"] == "constructor"]
        filled = replace(linked.artifact, abi=constructor, bytecode=self._filled(linked))
        node = Node(self._node.rpc, {name: filled}, self._node.now)
        return self.at(name, node.deploy(name, *arguments, sender=self._sender).address)

    def at(self, name: str, address: str) -> Deployed:
        return Deployed(self._node, self._artifact(name), address.lower())

    def _artifact(self, name: str) -> Artifact:
        return self._contracts[name].artifact

    def _filled(self, linked: Linked) -> str:
        """Creation code with the libraries' addresses where the compiler left their names."""
        code = linked.artifact.bytecode[2:]
        for library, places in linked.links.items():
            if library not in self._libraries:
                self._libraries[library] = bytes.fromhex(self.deploy(library).address[2:])
            for place in places:
                start, end = 2 * place, 2 * (place + ADDRESS_BYTES)
                code = code[:start] + self._libraries[library].hex() + code[end:]
        return "0x" + code
