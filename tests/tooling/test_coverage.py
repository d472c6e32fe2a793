"""Coverage says what ran and what did not: a contract of a few lines, called so that we know."""

from __future__ import annotations

from typing import Any

from closeout.audit.coverage.builds import Code
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.report import is_trusted, measure
from closeout.audit.coverage.structure import branches_in, statements_in
from closeout.toolchain.settings import ROOT

SOURCE = "contracts/libraries/AccountIds.sol"


def node(kind: str, start: int, end: int, **children: Any) -> dict[str, Any]:
    return {"nodeType": kind, "src": f"{start}:{end - start}:0", **children}


def tree() -> dict[str, Any]:
    """`if (c) { a; } b ? x : y;` in a function, and the same outside of any."""
    condition = node("Identifier", 4, 5)
    first = node("ExpressionStatement", 8, 10)
    choice = node("Conditional", 12, 20, condition=node("Identifier", 12, 13))
    body = [
        node("IfStatement", 0, 11, condition=condition, trueBody=node("Block", 7, 11, statements=[first])),
        node("ExpressionStatement", 12, 21, expression=choice),
    ]
    function = node("FunctionDefinition", 0, 30, body=node("Block", 0, 30, statements=body))
    return node("SourceUnit", 0, 40, nodes=[function, node("ExpressionStatement", 31, 33)])


def test_structure__has_the_statements_and_decisions_inside_functions_only() -> None:
    assert {(one.start, one.end) for one in statements_in(tree())} == {(4, 5), (8, 10), (12, 21)}
    assert [(one.start, one.end, one.condition) for one in branches_in(tree())] == [(0, 11, (4, 5)), (12, 20, (12, 13))]


class OneTree:
    def __init__(self) -> None:
        self.trees = {SOURCE: tree()}


def reached(places: dict[int, tuple[int, int]], jumps: set[tuple[int, int]]) -> tuple[int, int]:
    """Lines and ways reached, the source taken for one line."""
    hits = Hits()
    code = Code("C", "", {pc: (SOURCE, start, end - start) for pc, (start, end) in places.items()}, set())
    hits.add(code, set(places), jumps)
    [file] = measure(ROOT, OneTree(), hits)  # type: ignore[arg-type]
    return file.lines_hit, file.branches_hit


def test_measure__of_code_that_never_ran__is_nothing() -> None:
    assert reached({}, set()) == (0, 0)


def test_measure__of_a_jump_that_went_one_way__has_one_of_its_ways() -> None:
    """The jump of an `if` carries the place of the whole statement; taken, the next counter is another one."""
    assert reached({7: (0, 11), 8: (8, 10)}, {(7, 8)}) == (1, 1)
    assert reached({7: (0, 11), 8: (8, 10)}, {(7, 8), (7, 20)}) == (1, 2)
    assert reached({7: (4, 5)}, {(7, 8), (7, 20)}) == (1, 2)


def test_trusted_base__leaves_out_periphery_mocks_and_harness() -> None:
    assert is_trusted("contracts/vault/Moves.sol") and is_trusted("contracts/oracles/PythAdapter.sol")
    assert not any(is_trusted(f"contracts/{name}/X.sol") for name in ("periphery", "mocks", "harness"))
