"""What the compiler made, for those who deploy and call without Ape: `load()["Vault"].bytecode`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from closeout.toolchain.compile import build
from closeout.toolchain.settings import ROOT

__all__ = ["Artifact", "artifact_of", "load"]


@dataclass(frozen=True)
class Artifact:
    """One contract, library or interface. Code is 0x-prefixed hex, and "0x" where there is none to deploy."""

    name: str
    source: str
    abi: list[dict[str, Any]]
    bytecode: str
    deployed_bytecode: str
    selectors: dict[str, str]  # "borrow(bytes32,uint256)" -> "0x1a2b3c4d"
    storage_layout: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of deployed code, what EIP-170 limits."""
        return len(self.deployed_bytecode) // 2 - 1

    @property
    def init_size(self) -> int:
        """Bytes of creation code without constructor arguments, what EIP-3860 limits."""
        return len(self.bytecode) // 2 - 1

    @property
    def is_shipped(self) -> bool:
        """Whether it is meant for a chain: not a mock or harness, an interface or a library of internal functions."""
        return (
            self.size > 0
            and bool(self.selectors)
            and not self.source.startswith(("contracts/mocks/", "contracts/harness/"))
        )


def load(
    root: Path = ROOT, *, via_ir: bool | None = None, only: Sequence[str] = (), log: TextIO | None = sys.stderr
) -> dict[str, Artifact]:
    """All artifacts by contract name, compiled first where a source or a setting changed. Raises CompileFailed."""
    return {name: artifact_of(name, made) for name, made in build(root, via_ir=via_ir, only=only, log=log).items()}


def artifact_of(name: str, made: dict[str, Any]) -> Artifact:
    """A contract as the compiler gave it."""
    return Artifact(
        name=name,
        source=made["source"],
        abi=made["abi"],
        bytecode="0x" + made["bytecode"],
        deployed_bytecode="0x" + made["deployedBytecode"],
        selectors={signature: "0x" + selector for signature, selector in made["methodIdentifiers"].items()},
        storage_layout=made["storageLayout"],
    )
