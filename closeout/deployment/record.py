"""deployments/NETWORK.json: what was deployed, by which transactions, from which file, code and compiler."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from closeout.errors import BadInput
from closeout.toolchain.settings import ROOT, compiler_settings

from .effects import Reader
from .execution import Done
from .plan import Call, Create
from .protocol import Blueprint

__all__ = ["code_hash", "deployed_since", "load_record", "make_record", "record_file", "write_record"]

FORMAT = 1


def record_file(name: str, root: Path = ROOT) -> Path:
    """Where the record of a network is."""
    return root / "deployments" / f"{name}.json"


def make_record(blueprint: Blueprint, done: Iterable[Done], reader: Reader) -> dict[str, Any]:
    """The record of a finished deployment; integers as text, since JSON readers round them."""
    network = blueprint.config.content.network
    settings = compiler_settings()
    contracts, calls = [], []
    for item in done:
        step, mined = item.step, item.mined
        seen = {"transaction": mined.hash, "block": mined.block, "gas": mined.gas} if mined else {"transaction": None}
        if isinstance(step, Create):
            contracts.append(
                {
                    "contract": step.contract,
                    "address": step.address,
                    "arguments": textual(step.arguments),
                    "salt": step.salt,
                    "creationCodeHash": code_hash(step.init_code),
                    "codeHash": code_hash(reader.code(step.address)),
                }
                | seen
            )
        elif isinstance(step, Call):
            calls.append({"contract": step.contract, "address": step.address, "function": step.function} | seen)
    vault = blueprint.deployment["Vault"]
    assets = {}
    for name, listing in blueprint.listings.items():
        asset_id = reader.read("IVault", vault, "assetIdOf", listing.token)
        supply_token = reader.read("IVault", vault, "supplyTokenOf", asset_id)
        assets[name] = {
            "id": asset_id,
            "token": listing.token,
            "adapter": blueprint.adapters[name],
            "supplyToken": supply_token,
            "supplyTokenCodeHash": code_hash(reader.code(supply_token)),
        }
    return {
        "format": FORMAT,
        "network": network.name,
        "ape": network.ape,
        "chainId": network.chain_id,
        "deployer": blueprint.plan.deployer,
        "configDigest": blueprint.config.digest,
        "planDigest": blueprint.plan.digest,
        "compiler": {"version": settings.version} | settings.standard_json(),
        "contracts": contracts,
        "calls": calls,
        "assets": assets,
        "handover": None,
    }


def write_record(record: dict[str, Any], file: Path) -> None:
    """Replaces the file in one step: a reader never sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(file)


def load_record(file: Path) -> dict[str, Any]:
    """The record of a network. Raises BadInput where there is none, or not one of ours."""
    try:
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadInput(str(file), error.strerror or "an error", "the record that `ape run deploy` writes") from None
    except ValueError:
        raise BadInput(str(file), "something that is not JSON", "the record that `ape run deploy` writes") from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else record
        raise BadInput(f"{file}: format", found, f"a record of format {FORMAT}")
    return record


def deployed_since(record: Mapping[str, Any]) -> int:
    """The first block in which anything of a deployment can have happened."""
    return min((item["block"] for item in record["contracts"] if item.get("block") is not None), default=0)


def code_hash(code: str) -> str:
    """Keccak-256, as EXTCODEHASH gives it."""
    return "0x" + keccak(hexstr=code).hex()


def textual(value: Any) -> Any:
    """Arguments as JSON: integers as decimal text, bytes as hex."""
    if isinstance(value, list | tuple):
        return [textual(item) for item in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
