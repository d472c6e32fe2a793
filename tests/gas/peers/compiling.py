"""The peers' contracts, compiled from their npm packages with the settings that each deploys with.

    name          solc    pipeline   runs     EVM
    Morpho Blue   0.8.19  via-IR     999 999  paris
    Aave V3.6     0.8.27  legacy     200      cancun

From the foundry.toml of each repository, or of what governs its deployments; both without a metadata hash. What is not
on npm (Morpho's rate model and oracle) is written anew under `contracts/`, and compiled as Morpho's own.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.compile import CompileFailed
from closeout.toolchain.settings import ROOT
from closeout.toolchain.sources import SourceTree

__all__ = ["AAVE", "EXACTLY", "EXACTLY_MARKET", "MORPHO", "Linked", "Peer", "compile_peer"]

FOLDER = Path(__file__).parent
OUTPUT = ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode.object",
          "evm.methodIdentifiers"]  # fmt: skip


@dataclass(frozen=True)
class Peer:
    """One protocol's sources and settings. `units`: contract name -> source file below this folder."""

    name: str
    compiler: str
    settings: dict[str, Any]
    units: dict[str, str]
    remappings: tuple[str, ...] = ()


_AAVE = "node_modules/@aave-dao/aave-v3-origin/src/contracts"
_LOGIC = f"{_AAVE}/protocol/libraries/logic"

MORPHO = Peer(
    "Morpho Blue",
    "solc-0.8.19",
    {"optimizer": {"enabled": True, "runs": 999_999}, "viaIR": True, "evmVersion": "paris"},
    {
        "Morpho": "node_modules/@morpho-org/morpho-blue/src/Morpho.sol",
        "AdaptiveRate": "contracts/AdaptiveRate.sol",
        "TwoFeedOracle": "contracts/TwoFeedOracle.sol",
    },
    ("@morpho-org/=node_modules/@morpho-org/",),
)

AAVE = Peer(
    "Aave V3.6",
    "solc-0.8.27",
    {"optimizer": {"enabled": True, "runs": 200}, "evmVersion": "cancun"},
    {
        "PoolAddressesProvider": f"{_AAVE}/protocol/configuration/PoolAddressesProvider.sol",
        "ACLManager": f"{_AAVE}/protocol/configuration/ACLManager.sol",
        "PoolInstance": f"{_AAVE}/instances/PoolInstance.sol",
        "PoolConfiguratorInstance": f"{_AAVE}/instances/PoolConfiguratorInstance.sol",
        "ATokenInstance": f"{_AAVE}/instances/ATokenInstance.sol",
        "VariableDebtTokenInstance": f"{_AAVE}/instances/VariableDebtTokenInstance.sol",
        "AaveOracle": f"{_AAVE}/misc/AaveOracle.sol",
        "DefaultReserveInterestRateStrategyV2": f"{_AAVE}/misc/DefaultReserveInterestRateStrategyV2.sol",
        "BorrowLogic": f"{_LOGIC}/BorrowLogic.sol",
        "ConfiguratorLogic": f"{_LOGIC}/ConfiguratorLogic.sol",
        "FlashLoanLogic": f"{_LOGIC}/FlashLoanLogic.sol",
        "LiquidationLogic": f"{_LOGIC}/LiquidationLogic.sol",
        "PoolLogic": f"{_LOGIC}/PoolLogic.sol",
        "SupplyLogic": f"{_LOGIC}/SupplyLogic.sol",
    },
    (
        "openzeppelin-contracts/=node_modules/@openzeppelin/",
        "openzeppelin-contracts-upgradeable/=node_modules/@openzeppelin/contracts-upgradeable/",
        "solidity-utils/=node_modules/@bgd-labs/solidity-utils/src/",
    ),
)


_EXACTLY = "node_modules/@exactly/protocol/contracts"
_EXACTLY_REMAPPINGS = (
    "@openzeppelin/=node_modules/@openzeppelin/",
    "solady/=node_modules/solady/",
    "solmate-6/=node_modules/solmate/",
    "solmate/=node_modules/solmate/",
    "solmate/src/utils/FixedPointMathLib.sol=contracts/SolmateMath.sol",
)

EXACTLY = Peer(
    "Exactly",
    "solc-0.8.26",
    {"optimizer": {"enabled": True, "runs": 1_111}, "evmVersion": "cancun", "debug": {"revertStrings": "strip"}},
    {
        "Auditor": f"{_EXACTLY}/Auditor.sol",
        "InterestRateModel": f"{_EXACTLY}/InterestRateModel.sol",
        "TransparentUpgradeableProxy": (
            "node_modules/@openzeppelin/contracts-v4/proxy/transparent/TransparentUpgradeableProxy.sol"
        ),
    },
    _EXACTLY_REMAPPINGS,
)

# its markets are compiled for size
EXACTLY_MARKET = Peer(
    "Exactly market",
    "solc-0.8.26",
    {"optimizer": {"enabled": True, "runs": 70}, "evmVersion": "cancun", "debug": {"revertStrings": "strip"}},
    {"Market": f"{_EXACTLY}/Market.sol"},
    _EXACTLY_REMAPPINGS,
)


@dataclass(frozen=True)
class Linked:
    """An artifact, and the places in its creation code that wait for libraries: name -> offsets in bytes."""

    artifact: Artifact
    links: dict[str, list[int]]


def compile_peer(peer: Peer) -> dict[str, Linked]:
    """The peer's contracts by name, from `.build/peers/` where nothing changed. Raises CompileFailed."""
    tree = SourceTree(FOLDER, peer.remappings)
    sources: dict[str, str] = {}
    for unit in peer.units.values():
        found = tree.closure(unit)
        if unit not in found:
            raise CompileFailed(f"{unit}: not installed below tests/gas/peers; `make gas` fetches it")
        sources |= found
    wanted: dict[str, dict[str, list[str]]] = {}
    for name, unit in peer.units.items():
        wanted.setdefault(unit, {})[name] = OUTPUT
    request = {
        "language": "Solidity",
        "sources": {name: {"content": content} for name, content in sources.items()},
        "settings": peer.settings
        | {"metadata": {"bytecodeHash": "none"}, "remappings": list(peer.remappings), "outputSelection": wanted},
    }
    output = _cached(peer, request)
    return {name: _linked(name, unit, output["contracts"][unit][name]) for name, unit in peer.units.items()}


def _cached(peer: Peer, request: dict[str, Any]) -> dict[str, Any]:
    text = json.dumps(request, sort_keys=True)
    key = hashlib.sha256(f"{peer.compiler}\n{text}".encode()).hexdigest()
    path = ROOT / ".build" / "peers" / f"{peer.name.replace(' ', '-')}-{key[:16]}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{peer.name.replace(' ', '-')}-*.json"):
            old.unlink()
        with tempfile.TemporaryDirectory() as folder:
            given, made = Path(folder, "input.json"), Path(folder, "output.json")
            given.write_text(text)
            command: Sequence[str] = ("node", "compile.cjs", peer.compiler, str(given), str(made))
            subprocess.run(command, cwd=FOLDER, check=True)
            output = json.loads(made.read_text())
        errors = [item["formattedMessage"] for item in output.get("errors", []) if item["severity"] == "error"]
        if errors:
            raise CompileFailed("\n".join(errors))
        path.write_text(json.dumps({"contracts": output["contracts"]}))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _linked(name: str, unit: str, made: dict[str, Any]) -> Linked:
    evm = made["evm"]
    artifact = Artifact(
        name=name,
        source=unit,
        abi=made["abi"],
        bytecode="0x" + evm["bytecode"]["object"],
        deployed_bytecode="0x" + evm["deployedBytecode"]["object"],
        selectors={signature: "0x" + selector for signature, selector in evm["methodIdentifiers"].items()},
        storage_layout={},
    )
    return Linked(artifact, dict(_places(evm["bytecode"]["linkReferences"])))


def _places(references: dict[str, dict[str, list[dict[str, int]]]]) -> Iterator[tuple[str, list[int]]]:
    for by_name in references.values():
        for name, places in by_name.items():
            yield name, [place["start"] for place in places]
