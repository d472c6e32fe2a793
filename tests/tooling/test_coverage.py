"""Coverage says what ran and what did not: a contract of a few lines, called so that we know."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from closeout.audit.coverage import report
from closeout.audit.coverage.builds import Code, _code, build
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.report import FileCoverage, is_trusted, measure, missed
from closeout.audit.coverage.structure import Decision, assembly_in, branches_in, statements_in
from closeout.audit.coverage.traces import Tracer
from closeout.chain.anvil import Anvil
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


def assembly() -> dict[str, Any]:
    """`assembly { a for {} c { p } { b } switch s case 1 { d } default { if e { f } } }` in a function."""
    loop = node(
        "YulForLoop",
        14,
        28,
        pre=node("YulBlock", 15, 16, statements=[]),
        condition=node("YulIdentifier", 17, 18),
        post=node("YulBlock", 19, 22, statements=[node("YulExpressionStatement", 20, 21)]),
        body=node("YulBlock", 23, 27, statements=[node("YulAssignment", 24, 25)]),
    )
    inner = node(
        "YulIf",
        52,
        58,
        condition=node("YulIdentifier", 53, 54),
        body=node("YulBlock", 55, 58, statements=[node("YulAssignment", 56, 57)]),
    )
    cases = [
        node(
            "YulCase",
            40,
            46,
            value=node("YulLiteral", 41, 42),
            body=node("YulBlock", 43, 46, statements=[node("YulAssignment", 44, 45)]),
        ),
        node("YulCase", 48, 59, value="default", body=node("YulBlock", 50, 59, statements=[inner])),
    ]
    switch = node("YulSwitch", 35, 60, expression=node("YulIdentifier", 36, 37), cases=cases)
    statements = [node("YulExpressionStatement", 11, 12), loop, switch]
    block = node("InlineAssembly", 0, 70, AST=node("YulBlock", 10, 70, statements=statements))
    return node("FunctionDefinition", 0, 80, body=node("Block", 0, 80, statements=[block]))


def test_structure__of_assembly__knows_what_shows_that_a_statement_ran() -> None:
    shown = {(one.start, one.end): one.block for one in statements_in(assembly())}
    assert shown == {
        (11, 12): (0, 70),
        (20, 21): (23, 27),
        (24, 25): (23, 27),
        (44, 45): (43, 46),
        (53, 54): (50, 59),
        (56, 57): (55, 58),
    }
    assert {(one.start, one.end) for one in branches_in(assembly())} == {(40, 46), (52, 58)}


def test_structure__of_assembly__has_its_decisions_in_the_order_of_their_jumps() -> None:
    assert assembly_in(assembly()) == {
        (0, 70): [
            Decision((14, 28), taken=(23, 27)),
            Decision((40, 46), (50, 59), (43, 46)),
            Decision((52, 58), taken=(55, 58)),
        ]
    }


def test_places__of_assembly__are_of_what_each_jump_decides() -> None:
    """PUSH1 19 JUMPI, three times over, in a block that stands in the code twice: each round is one of the three."""
    compiled = {"object": "601357" * 6 + "0000", "sourceMap": "0:70:0" + ";" * 13}
    code = _code("C", compiled, {"0": SOURCE}, {SOURCE: assembly_in(assembly())})
    ranges = {counter: (start, start + length) for counter, (_, start, length) in code.places.items()}
    assert code.jumps == {2, 5, 8, 11, 14, 17}
    for first in (2, 11):
        assert [ranges[first + at] for at in (0, 3, 6)] == [(14, 28), (40, 46), (52, 58)]
        # the default, where the case is not chosen
        assert ranges[first + 4] == (50, 59)
    # all three lead to the same place here: the last has it
    assert ranges[19] == (55, 58)
    compiled["object"] = "601357" * 4 + "0000"
    with pytest.raises(RuntimeError, match=r"C: 4 jumps at .*:0, expected a multiple of 3"):
        _code("C", compiled, {"0": SOURCE}, {SOURCE: assembly_in(assembly())})


TRIED = """// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;
contract Tried {
    function decide(uint256 x) external pure returns (uint256 y) {
        assembly {
            if lt(x, 10) {
                y := 1
                if lt(x, 5) {
                    y := 2
                }
                if gt(x, 7) {
                    y := 3
                }
            }
            if gt(x, 20) {
                y := 4
            }
            switch x
            case 30 {
                y := 5
            }
            case 31 {
                y := 6
            }
            default {
                y := 7
                if eq(x, 32) {
                    y := 8
                }
            }
            for { let i := 0 } lt(i, gt(x, 40)) { i := add(i, 1) } {
                y := 9
            }
        }
    }
}
"""
ADDRESS = "0x" + "c0" * 20
# What y is given, in order, by what is asked.
GIVEN = {
    3: {1, 2, 7},
    6: {1, 7},
    9: {1, 3, 7},
    15: {7},
    25: {4, 7},
    30: {4, 5},
    31: {4, 6},
    32: {4, 7, 8},
    41: {4, 7, 9},
}


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., FileCoverage]]:
    """What is reached of decisions in assembly, compiled as for coverage, where these numbers are asked."""
    root = tmp_path_factory.mktemp("tried")
    (root / "contracts").mkdir()
    (root / "contracts" / "Tried.sol").write_text(TRIED)
    shutil.copy(ROOT / "ape-config.yaml", root)
    made = build(root)
    artifact = made.artifacts["Tried"]
    with Anvil() as anvil:
        anvil.rpc.call("anvil_setCode", ADDRESS, artifact.deployed_bytecode)

        def reached_by(*asked: int) -> FileCoverage:
            hits = Hits()
            for x in asked:
                data = artifact.selectors["decide(uint256)"] + f"{x:064x}"
                Tracer(made, hits, anvil.port).trace({"to": ADDRESS, "data": data, "gas": hex(10**6)})
            [file] = measure(root, made, hits)
            return file

        yield reached_by


@pytest.mark.parametrize("x", GIVEN)
def test_trace__of_decisions_in_assembly__reaches_what_solc_ran(tried: Callable[..., FileCoverage], x: int) -> None:
    file, text = tried(x), TRIED.splitlines()
    given = {number: re.search(r"y := (\d)", text[number - 1]) for number, ran in file.lines.items() if ran}
    assert {int(found[1]) for found in given.values() if found} == GIVEN[x]
    assert file.branches_hit < file.branches_all


def test_trace__of_everything_that_is_decided__reaches_all(tried: Callable[..., FileCoverage]) -> None:
    file = tried(*GIVEN)
    assert all(file.lines.values())
    assert file.branches_hit == file.branches_all == 14


class OneTree:
    """In the place of a CoverageBuild, hence the ignored types: one contract, whose instructions have these places."""

    def __init__(self, *places: tuple[int, int]) -> None:
        self.trees = {SOURCE: tree()}
        self.runtime = [Code("C", "", {pc: (SOURCE, a, b - a) for pc, (a, b) in enumerate(places)}, set(), set())]
        self.creation: list[Code] = []


def lines_of(*places: tuple[int, int], ran: tuple[int, int]) -> dict[int, bool]:
    hits = Hits()
    hits.places.add((SOURCE, ran[0], ran[1] - ran[0]))
    files = measure(ROOT, OneTree(*places), hits)  # type: ignore[arg-type]
    return files[0].lines if files else {}


def test_measure__of_what_leaves_no_instruction__is_left_out_unless_its_whole_function_is() -> None:
    assert lines_of((1, 2), ran=(1, 2)) == {}
    assert lines_of((1, 2), (8, 10), ran=(1, 2)) == {1: False}
    assert lines_of(ran=(31, 33)) == {1: False}


def test_measure__of_a_condition_without_instructions__goes_by_the_jump_of_its_statement() -> None:
    assert lines_of((0, 11), ran=(0, 11)) == {1: True}


def measured(places: dict[int, tuple[int, int]], jumps: set[tuple[int, int]]) -> FileCoverage:
    """The source taken for one line."""
    hits = Hits()
    code = Code("C", "", {pc: (SOURCE, start, end - start) for pc, (start, end) in places.items()}, set(), set(places))
    hits.add(code, set(places), jumps)
    [file] = measure(ROOT, OneTree(*places.values()), hits)  # type: ignore[arg-type]
    return file


def reached(places: dict[int, tuple[int, int]], jumps: set[tuple[int, int]]) -> tuple[int, int]:
    """Lines and ways reached."""
    file = measured(places, jumps)
    return file.lines_hit, file.branches_hit


def test_measure__of_code_that_never_ran__is_nothing() -> None:
    assert reached({}, set()) == (0, 0)


def test_measure__of_a_jump_that_went_one_way__has_one_of_its_ways() -> None:
    """The jump of an `if` carries the place of the whole statement; taken, the next counter is another one."""
    assert reached({7: (0, 11), 8: (8, 10)}, {(7, 8)}) == (1, 1)
    assert reached({7: (0, 11), 8: (8, 10)}, {(7, 8), (7, 20)}) == (1, 2)
    assert reached({7: (4, 5)}, {(7, 8), (7, 20)}) == (1, 2)


def test_missed__is_told_from_what_is_argued__and_an_argument_about_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = measured({7: (0, 11), 8: (8, 10)}, {(7, 8)})
    text = (ROOT / SOURCE).read_text().splitlines()[0]
    place = f"{SOURCE}:1: 1 of 4 ways: {text}"
    assert missed(ROOT, [file]) == ([], [place])
    monkeypatch.setattr(report, "arguments", lambda: {(SOURCE, text): "why", (SOURCE, "gone"): "why"})
    assert missed(ROOT, [file]) == ([place], [f"{SOURCE}: argued, and not there: gone"])


def test_hits__tell_what_is_new() -> None:
    hits = Hits()
    code = Code("C", "", {1: (SOURCE, 0, 1), 2: (SOURCE, 0, 1), 5: (SOURCE, 4, 2)}, {2}, {1, 2, 5})
    assert [hits.add(code, {1}, set()), hits.add(code, {1, 2}, {(2, 3)}), hits.add(code, {2}, {(2, 3)})] == [
        True,
        True,
        False,
    ]
    assert hits.add(code, {2}, {(2, 9)}) and hits.jumps == {(SOURCE, 0, 1): {False, True}}


def test_trusted_base__leaves_out_periphery_mocks_and_harness() -> None:
    assert is_trusted("contracts/vault/Moves.sol") and is_trusted("contracts/oracles/PythAdapter.sol")
    assert not any(is_trusted(f"contracts/{name}/X.sol") for name in ("periphery", "mocks", "harness"))
