"""What can be covered: the statements and branches of a source, from its syntax tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Branch", "Statement", "branches_in", "statements_in"]

LEAVES = {
    "ExpressionStatement", "VariableDeclarationStatement", "Return", "EmitStatement", "RevertStatement",
    "YulAssignment", "YulExpressionStatement", "YulVariableDeclaration",
}  # fmt: skip
# Statements that decide about others: executed where their condition is.
CONDITIONS = {
    "IfStatement": "condition",
    "WhileStatement": "condition",
    "ForStatement": "condition",
    "YulIf": "condition",
}
BRANCHING = ("IfStatement", "Conditional", "YulIf")


@dataclass(frozen=True)
class Statement:
    """Characters `start` to `end` of a source: executed where an instruction inside them is."""

    start: int
    end: int


@dataclass(frozen=True)
class Branch:
    """A decision with two ways to go. Its jump carries the place of the whole or of the condition."""

    start: int
    end: int
    condition: tuple[int, int]


def statements_in(tree: dict[str, Any]) -> list[Statement]:
    """Every statement inside a function or modifier."""
    found = []
    for node in _nodes(tree, in_code=False):
        if node["nodeType"] in LEAVES:
            found.append(Statement(*_range(node)))
        elif node["nodeType"] in CONDITIONS and node.get(CONDITIONS[node["nodeType"]]):
            found.append(Statement(*_range(node[CONDITIONS[node["nodeType"]]])))
    return found


def branches_in(tree: dict[str, Any]) -> list[Branch]:
    return [
        Branch(*_range(node), _range(node["condition"]))
        for node in _nodes(tree, in_code=False)
        if node["nodeType"] in BRANCHING
    ]


def _nodes(node: Any, *, in_code: bool) -> Iterator[dict[str, Any]]:
    """All nodes in bodies of functions and modifiers."""
    if isinstance(node, list):
        for part in node:
            yield from _nodes(part, in_code=in_code)
    elif isinstance(node, dict):
        kind = node.get("nodeType")
        if in_code and kind:
            yield node
        for name, part in node.items():
            is_body = kind in ("FunctionDefinition", "ModifierDefinition") and name == "body"
            # constant expressions and types are not run
            if isinstance(part, dict | list) and name not in ("typeDescriptions", "typeName", "nativeSrc"):
                yield from _nodes(part, in_code=in_code or is_body)


def _range(node: dict[str, Any]) -> tuple[int, int]:
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length
