"""The compiler's settings, read from ape-config.yaml so that Ape and the fast compile cannot disagree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["ROOT", "CompilerSettings", "compiler_settings"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class CompilerSettings:
    """What ape-config.yaml says about Solidity."""

    version: str
    evm_version: str
    optimize: bool
    optimization_runs: int
    via_ir: bool
    remappings: tuple[str, ...]

    def standard_json(self, *, via_ir: bool | None = None) -> dict[str, Any]:
        """The `settings` object of solc's standard JSON, less the output selection."""
        return {
            "optimizer": {"enabled": self.optimize, "runs": self.optimization_runs},
            "evmVersion": self.evm_version,
            "viaIR": self.via_ir if via_ir is None else via_ir,
            "remappings": list(self.remappings),
        }


def compiler_settings(root: Path = ROOT) -> CompilerSettings:
    """Read the `solidity:` section; a missing key is an error, since Ape's default would be a second home for it."""
    section = yaml.safe_load((root / "ape-config.yaml").read_text())["solidity"]
    return CompilerSettings(
        version=str(section["version"]),
        evm_version=section["evm_version"],
        optimize=section["optimize"],
        optimization_runs=section["optimization_runs"],
        via_ir=section["via_ir"],
        remappings=tuple(section["import_remapping"]),
    )
