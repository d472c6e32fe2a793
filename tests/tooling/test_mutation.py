"""The sample of mutants is drawn by its seed, spread over the lines, and takes no change that changes nothing."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from closeout.audit.mutation import mutants
from closeout.audit.mutation.bench import Bench, Outcome
from closeout.audit.mutation.ledger import Ledger
from closeout.audit.mutation.mutants import Mutant, draw
from closeout.audit.mutation.report import Report
from closeout.audit.mutation.targets import CONTRACTS, LEFT_OUT, MODEL, Stage, Target, targets
from closeout.toolchain.settings import ROOT

SOURCE = """// a + b
contract C {
    uint256 public immutable D;

    function f(uint256 a) external pure returns (uint256) {
        uint256 b = a + 1; // one more
        return b * 2;
    }
}
"""


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with one contract, and a tool that stands in for universalmutator."""
    (tmp_path / "C.sol").write_text(SOURCE)
    changes = [
        ("a + 1", "a - 1"), ("a + 1", "a * 1"), ("b * 2", "b / 2"), ("// a + b", "// a - b"), ("one more", "one less"),
        ("        return", "        selfdestruct(msg.sender);\n        return"),
        ("function f(uint256", "function f(int256"), ("public immutable", "public"), ("public immutable", "immutable"),
    ]  # fmt: skip

    def run(command: list[str], **_: object) -> None:
        folder = Path(command[-1])
        for number, (before, after) in enumerate(changes):
            (folder / f"C.mutant.{number}.sol").write_text(SOURCE.replace(before, after))

    (tmp_path / "mutate").touch()
    monkeypatch.setattr(mutants.subprocess, "run", run)
    return tmp_path


def test_draw__of_all_changes__leaves_out_comments_declarations_and_what_any_test_notices(drawn: Path) -> None:
    found = list(draw(drawn, "C.sol", "seed", drawn))
    assert sorted(mutant.after.strip() for mutant in found) == [
        "return b / 2;",
        "uint256 b = a * 1; // one more",
        "uint256 b = a - 1; // one more",
    ]


def test_draw__of_python__takes_no_text_and_no_comment_for_a_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = 'def f():\n    """One."""\n    # two\n    a = 1\n    return a\n'
    (tmp_path / "f.py").write_text(source)

    def run(command: list[str], **_: object) -> None:
        for number, before in enumerate(('"""One."""', "# two", "a = 1")):
            (Path(command[-1]) / f"f.mutant.{number}.py").write_text(source.replace(before, "pass"))

    (tmp_path / "mutate").touch()
    monkeypatch.setattr(mutants.subprocess, "run", run)
    assert [mutant.before for mutant in draw(tmp_path, "f.py", "seed", tmp_path)] == ["    a = 1"]


@pytest.mark.parametrize(
    ("suffix", "before", "after", "is_change"),
    [
        (".py", "a = mul_div_down(b, c.d, e)", "a = mul_div_down ( c.d,b, e)", False),
        (".py", "a = mul_div_down(b, c, e)", "a = mul_div_down(b , e, c)", True),
        (".py", "for a in {*b, *c}:", "for a in  { *c,*b}:", False),
        (".py", "a = sub(b, c)", "a = sub ( c,b)", True),
        (".sol", "a = _min(b, c);", "a = _min ( c,b);", False),
        (".sol", "a = _min(b, c);", "a = _max(b, c);", True),
        (".sol", "a := add(b, 32)", "a := add ( 32,b)", False),
        (".sol", "a = b.fullMulDiv(c, d);", "a = b.fullMulDiv ( d,c);", True),
    ],
)
def test_bare__of_two_things_put_together_in_either_order__is_the_same(
    suffix: str, before: str, after: str, is_change: bool
) -> None:
    assert (mutants._bare(before, suffix) != mutants._bare(after, suffix)) is is_change


def test_draw__takes_a_change_of_each_line_before_a_second_of_any_and_the_same_again(drawn: Path) -> None:
    for seed in map(str, range(10)):
        first = list(islice(draw(drawn, "C.sol", seed, drawn), 2))
        assert {mutant.line for mutant in first} == {6, 7}
        assert first == list(islice(draw(drawn, "C.sol", seed, drawn), 2))


SOLID = "tests/test_b.py::test_solid"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A bench over a tree with one source and a few test files; nothing is copied or compiled."""
    bench = Bench.__new__(Bench)
    bench.tree = tmp_path
    bench._known, bench._sources, bench._original = {}, {"f.py": "a"}, b"{}"
    for name in ("f.py", ".build/closeout.json", "tests/test_a.py", "tests/test_b.py", "tests/deeper/test_c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("a")
    return bench


def judged_by(bench: Bench, monkeypatch: pytest.MonkeyPatch, failing: dict[str, str]) -> Outcome:
    """What a bench says whose tests fail on the source as given: mutated, original, or only together with others."""

    def failures(*arguments: str) -> list[str]:
        is_mutated = (bench.tree / "f.py").read_text() == "b"
        is_alone = arguments[0] in failing
        left_out = {argument.removeprefix("--deselect=") for argument in arguments}
        return [
            test
            for test, when in failing.items()
            if arguments[0] == test or (not is_alone and test not in left_out)
            if ("mutated" in when and is_mutated) or "original" in when or ("together" in when and not is_alone)
        ][:1]

    monkeypatch.setattr(bench, "_failures", failures)
    monkeypatch.setattr(bench, "_lints", lambda _: True)
    target = Target("f.py", 1, (Stage(("tests",)),))
    return bench.judge(target, Mutant("f.py", 1, "a", "b", "b"))


def test_bench__with_a_test_that_fails_only_on_the_mutant__says_killed_and_by_which(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = judged_by(bench, monkeypatch, {SOLID: "mutated"})
    assert (outcome.status, outcome.by) == ("killed", SOLID)
    assert (bench.tree / "f.py").read_text() == "a"


@pytest.mark.parametrize("when", ["mutated original", "together"])
def test_bench__with_a_test_that_fails_anyway_or_not_again__goes_on_to_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    other = "tests/test_a.py::test_other"
    assert judged_by(bench, monkeypatch, {other: when}).status == "survived"
    assert judged_by(bench, monkeypatch, {other: when, SOLID: "mutated"}).by == SOLID


def test_bench__of_a_mutant_that_is_argued__leaves_the_last_stage_out(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(bench, "_failures", lambda *arguments: ran.append(arguments) or [])
    monkeypatch.setattr(bench, "_lints", lambda _: True)
    target = Target("f.py", 1, (Stage(("tests/test_a.py",)), Stage(("tests/test_b.py",))))
    mutant = Mutant("f.py", 1, "a", "b", "b")
    assert bench.judge(target, mutant, is_argued=True).status == "survived"
    assert bench.judge(target, mutant, is_near=True).status == "undecided"
    assert bench.judge(target, mutant).status == "survived"
    assert [arguments[0] for arguments in ran] == [f"tests/test_{name}.py" for name in "aaab"]


def test_bench__of_files_named_twice__runs_each_once_in_the_order_they_are_named(bench: Bench) -> None:
    assert bench._files(("tests/test_b.py", "tests")) == [
        "tests/test_b.py", "tests/deeper/test_c.py", "tests/test_a.py",
    ]  # fmt: skip


def test_left_out__are_tests_that_there_are() -> None:
    for name in LEFT_OUT:
        file, _, test = name.partition("::")
        assert test in (ROOT / file).read_text(), name


def test_ledger__of_a_stopped_run__knows_what_was_judged_and_forgets_it_with_the_file(tmp_path: Path) -> None:
    mutant = Mutant("C.sol", 4, "a + 1", "a - 1", "")
    Ledger(tmp_path / "x.jsonl").add(mutant, "digest", Outcome("killed", "test_a", 1.0))
    again = Ledger(tmp_path / "x.jsonl")
    found = again.find(mutant, "digest")
    assert found is not None and (found.status, found.by) == ("killed", "test_a")
    assert again.find(mutant, "another") is None


def test_report__with_a_survivor_that_nobody_argued__names_it(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "x.jsonl")
    results = [
        ledger.add(Mutant("C.sol", n, "a", f"b{n}", ""), "d", Outcome(status))
        for n, status in enumerate(("killed", "survived", "same code", "invalid"))
    ]
    report = Report("contracts", "seed")
    report.add(targets(ROOT, CONTRACTS)[0], results)
    assert (report.killed, report.counted) == (1, 2)
    assert [result.after for result in report.unargued] == ["b1"]
    assert "Not argued." in report.markdown()


def test_report__written_again__replaces_its_section_and_keeps_the_rest(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Mutation\n\nWords.\n\n## Contracts\n\nold\n\n## Model\n\nkept\n")
    for _ in range(2):
        Report("contracts", "seed").write(page)
    text = page.read_text()
    assert text.startswith("# Mutation\n\nWords.\n\n## Model\n\nkept\n\n## Contracts\n")
    assert "old" not in text and text.count("## Contracts") == 1


def test_targets__are_the_whole_trusted_base_and_the_model_with_at_least_120_mutants() -> None:
    contracts = targets(ROOT, CONTRACTS)
    assert sum(target.count for target in contracts) >= 120
    assert {"contracts/Vault.sol", "contracts/VaultExtension.sol", "contracts/LiquidationEngine.sol"} <= {
        target.path for target in contracts
    }
    assert not any("mocks" in target.path or "harness" in target.path for target in contracts)
    assert all(target.stages for target in [*contracts, *targets(ROOT, MODEL)])
    for target in [*contracts, *targets(ROOT, MODEL)]:
        for stage in target.stages:
            assert [test for test in stage.tests if not (ROOT / test).exists()] == [], target.path
