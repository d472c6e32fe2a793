"""What can be covered: the statements and branches of a source, from its syntax tree.

All instructions of an assembly block carry the block's place. Its decisions are found by their order instead: the
conditional jumps of a block stand in its code as its decisions do in its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Branch", "Decision", "Range", "Statement", "assembly_in", "branches_in", "is_measured", "statements_in"]

Range = tuple[int, int]

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
    """Characters `start` to `end` of a source: executed where an instruction inside them is.

    Of a condition the jump of the `whole` statement is another; of assembly it is the `block` that shows what ran.
    """

    start: int
    end: int
    function: Range
    whole: Range | None = None
    block: Range | None = None

    def is_shown_by(self, place: Range) -> bool:
        start, end = self.block or (self.start, self.end)
        return (start <= place[0] and place[1] <= end) or place == self.whole


@dataclass(frozen=True)
class Branch:
    """A decision with two ways to go. Its jump carries the place of the whole or of the condition."""

    start: int
    end: int
    condition: Range


@dataclass(frozen=True)
class Decision:
    """A conditional jump in assembly: what is decided, and what runs where it falls through or is taken."""

    place: Range
    fallen: Range | None = None
    taken: Range | None = None


def is_measured(source: str) -> bool:
    """Whether it is ours, and meant for a chain."""
    return source.startswith("contracts/") and not source.startswith(("contracts/mocks/", "contracts/harness/"))


def statements_in(tree: dict[str, Any]) -> list[Statement]:
    """Every statement inside a function or modifier."""
    found = []
    for node, function, block in _nodes(tree):
        if node["nodeType"] in LEAVES:
            found.append(Statement(*_range(node), function, None, block))
        elif node["nodeType"] in CONDITIONS and node.get(CONDITIONS[node["nodeType"]]):
            whole = None if block else _range(node)
            found.append(Statement(*_range(node[CONDITIONS[node["nodeType"]]]), function, whole, block))
    return found


def branches_in(tree: dict[str, Any]) -> list[Branch]:
    return [
        Branch(*_range(node), _range(node.get("condition", node)))
        for node, *_ in _nodes(tree)
        if node["nodeType"] in BRANCHING or _is_chosen(node)
    ]


def assembly_in(tree: dict[str, Any]) -> dict[Range, list[Decision]]:
    """The decisions of each assembly block that has any, in the order of their jumps."""
    blocks = {_range(node): _decisions([node["AST"]]) for node, *_ in _nodes(tree) if "AST" in node}
    return {place: decisions for place, decisions in blocks.items() if decisions}


def _decisions(statements: list[dict[str, Any]]) -> list[Decision]:
    """In the order in which solc lays out their jumps: what follows where nothing is chosen comes first, and then what
    is chosen, from the last to the first.
    """
    found: list[Decision] = []
    chosen: list[list[dict[str, Any]]] = []
    left = statements[::-1]
    while left:
        node = left.pop()
        kind = node["nodeType"]
        if kind == "YulBlock":
            left += node["statements"][::-1]
        elif kind == "YulIf":
            found.append(Decision(_range(node), taken=_range(node["body"])))
            chosen.append([node["body"]])
        elif kind == "YulForLoop":
            found.append(Decision(_range(node), taken=_range(node["body"])))
            chosen.append([node["body"], node["post"]])
        elif kind == "YulSwitch":
            cases = [case for case in node["cases"] if _is_chosen(case)]
            others = [case["body"] for case in node["cases"] if not _is_chosen(case)]
            for case in cases:
                fallen = _range(others[0]) if others and case is cases[-1] else None
                found.append(Decision(_range(case), fallen, _range(case["body"])))
                chosen.append([case["body"]])
            left += others
    return found + [decision for body in reversed(chosen) for decision in _decisions(body)]


def _is_chosen(node: dict[str, Any]) -> bool:
    """A case of a switch, other than the default."""
    return bool(node["nodeType"] == "YulCase" and node["value"] != "default")


def _nodes(
    node: Any, function: Range | None = None, block: Range | None = None
) -> Iterator[tuple[dict[str, Any], Range, Range | None]]:
    """All nodes in bodies of functions and modifiers, with that body; in assembly with the place that shows it ran."""
    if isinstance(node, list):
        for part in node:
            yield from _nodes(part, function, block)
    elif isinstance(node, dict):
        kind = node.get("nodeType")
        if function and kind:
            yield node, function, block
        for name, part in node.items():
            # constant expressions and types are not run
            if not isinstance(part, dict | list) or name in ("typeDescriptions", "typeName", "nativeSrc"):
                continue
            body, inner = function, block
            if kind in ("FunctionDefinition", "ModifierDefinition") and name == "body" and isinstance(part, dict):
                body = _range(part)
            elif kind == "InlineAssembly":
                inner = _range(node)
            elif kind in ("YulIf", "YulCase", "YulForLoop") and name in ("body", "post"):
                inner = _range(node["body"])
            yield from _nodes(part, body, inner)


def _range(node: dict[str, Any]) -> Range:
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length
