"""Structs of the model as the compiled contracts want them: fields by name, in the order of the ABI."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from closeout.model import Snapshot, Terms
from tests.support.node import Node

__all__ = ["in_words"]


def in_words(node: Node, value: Snapshot | Terms) -> tuple[int | bool, ...]:
    """What `LiquidationEngine.plan` takes for it."""
    return tuple(getattr(value, name) for name in _fields(node, type(value)))


@cache
def _fields(node: Node, kind: type) -> tuple[str, ...]:
    [plan] = [entry for entry in node.artifacts["LiquidationEngine"].abi if entry.get("name") == "plan"]
    given: list[dict[str, Any]] = plan["inputs"]
    [struct] = [part for part in given if part["internalType"] == f"struct {kind.__name__}"]
    return tuple(re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", part["name"]) for part in struct["components"])
