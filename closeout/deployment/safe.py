"""Batches for Safe's transaction builder: a JSON file that its owners drop into the app, look at and sign."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from eth_utils.crypto import keccak

from .proposal import Proposal

__all__ = ["builder_checksum", "safe_batch"]


def safe_batch(proposal: Proposal, calls: Sequence[tuple[str, str]], name: str, created_at: int) -> str:
    """`calls`, target and data each, in one batch. `created_at` in seconds."""
    batch: dict[str, Any] = {
        "version": "1.0",
        "chainId": str(proposal.chain_id),
        "createdAt": created_at * 1000,
        "meta": {
            "name": name,
            "description": "\n".join(line for change in proposal.changes for line in change.summary),
            "txBuilderVersion": "1.18.0",
            "createdFromSafeAddress": proposal.governor,
            "createdFromOwnerAddress": "",
        },
        "transactions": [
            {"to": target, "value": "0", "data": data, "contractMethod": None, "contractInputsValues": None}
            for target, data in calls
        ],
    }
    batch["meta"]["checksum"] = builder_checksum(batch)
    return json.dumps(batch, indent=2, ensure_ascii=False) + "\n"


def builder_checksum(batch: dict[str, Any]) -> str:
    """What the app compares: a hash of the file without its checksum and whatever its name."""
    meta = {key: value for key, value in batch["meta"].items() if key != "checksum"} | {"name": None}
    return "0x" + keccak(text=_serialised(batch | {"meta": meta})).hex()


def _serialised(value: Any) -> str:
    """The app's own canonical form: the sorted keys of an object, then its values, each with a comma after it."""
    if isinstance(value, list):
        return "[" + ",".join(map(_serialised, value)) + "]"
    if isinstance(value, dict):
        keys = sorted(value)
        return "{" + _text(keys) + "".join(_serialised(value[key]) + "," for key in keys) + "}"
    return _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
