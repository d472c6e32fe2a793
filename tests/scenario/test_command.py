"""A run as a person asks for it: tables, files, and an engine that is left whatever happens."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from closeout.errors import BadInput
from closeout.scenario import AccountState, ModelEngine, Scenario, ScenarioResult, StepRecord
from closeout.scenario.command import run_scenario
from closeout.scenario.display import amount_text, health_text, money_text, percent_text
from closeout.scenario.result import Value
from closeout.scenario.table import print_result, progress_bar

Tree = dict[str, Any]
Load = Callable[..., Scenario]


def console(width: int = 160) -> Console:
    """A console that is no terminal."""
    return Console(file=io.StringIO(), width=width)


def text_of(output: Console) -> str:
    """What was printed."""
    assert isinstance(output.file, io.StringIO)
    return output.file.getvalue()


@pytest.fixture
def falling(tree: Tree) -> Tree:
    """A scenario in which one account is closed out and one step is refused."""
    tree["steps"] = [{"close_out": {"account": "careful"}}, {"prices": {"WETH": "1500"}}, {"keeper": {}}]
    return tree


def test_a_run__prints_tables_and_writes_both_files(falling: Tree, load: Load) -> None:
    load(falling)
    output = console()
    run_scenario(
        Path("scenario.yaml"), ModelEngine, output, out=Path("made/RESULT.json"), report=Path("made/report.html")
    )
    printed = text_of(output)
    for word in ("leveraged", "restorative", "AccountHealthy", "liquidators", "RESULT.json", "report.html", "3 of 3"):
        assert word in printed
    assert json.loads(Path("made/RESULT.json").read_text(encoding="utf-8"))["summary"]["close_outs"] == 1
    assert "<!doctype html>" in Path("made/report.html").read_text(encoding="utf-8")


def test_a_bad_file__is_refused_before_an_engine_is_made(load: Load) -> None:
    def make_engine() -> ModelEngine:
        raise AssertionError("too early")

    with pytest.raises(BadInput):
        load("{}")
    with pytest.raises(BadInput):
        run_scenario(Path("scenario.yaml"), make_engine, console())


@pytest.mark.parametrize(
    ("out", "expected"), [("folder", "a file, not a folder"), ("scenario.yaml/x", "a file in a folder")]
)
def test_a_place_that_cannot_be_written__is_refused_before_an_engine_is_made(
    out: str, expected: str, tree: Tree, load: Load
) -> None:
    load(tree)
    Path("folder").mkdir()

    def make_engine() -> ModelEngine:
        raise AssertionError("too early")

    with pytest.raises(BadInput, match=expected):
        run_scenario(Path("scenario.yaml"), make_engine, console(), out=Path(out))


def test_an_interrupt__leaves_the_engine(falling: Tree, load: Load) -> None:
    load(falling)
    left: list[type[BaseException] | None] = []

    class Interrupted(ModelEngine):
        def accounts(self) -> Mapping[str, AccountState]:
            raise KeyboardInterrupt

        def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
            left.append(kind)

    with pytest.raises(KeyboardInterrupt):
        run_scenario(Path("scenario.yaml"), Interrupted, console())
    assert left == [KeyboardInterrupt]


def test_a_narrow_terminal__gets_fewer_columns(falling: Tree, played: Callable[..., ScenarioResult]) -> None:
    result = played(falling)
    wide, narrow = console(160), console(80)
    print_result(result, wide)
    print_result(result, narrow)
    assert "collateral after" in text_of(wide)
    assert "collateral after" not in text_of(narrow)
    assert max(len(line) for line in text_of(narrow).splitlines()) <= 80 or "steps on engine" in text_of(narrow)


def test_progress_without_a_terminal__is_ten_lines(played: Callable[..., ScenarioResult], tree: Tree) -> None:
    tree["steps"] = [{"wait": "1"}] * 250
    steps: tuple[StepRecord, ...] = played(tree).steps
    output = console()
    with progress_bar(output) as hook:
        for done, step in enumerate(steps, start=1):
            hook(done, len(steps), step)
    assert len(text_of(output).splitlines()) == 10


def test_progress_on_a_terminal__is_a_bar_that_goes_away(played: Callable[..., ScenarioResult], tree: Tree) -> None:
    tree["steps"] = [{"wait": "1"}] * 3
    output = Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress_bar(output) as hook:
        for done, step in enumerate(played(tree).steps, start=1):
            hook(done, 3, step)
    assert "playing steps" in text_of(output)


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [
        (60 * 10**18, 18, "60"),
        (1, 18, "0.000000000000000001"),
        (123_456_789, 6, "123.457"),
        (1_234_567_890_123, 6, "1,234,567.89"),
        (150, 2, "1.50"),
        (0, 6, "0"),
        (521_048_000_000_000_000_000, 18, "521.048"),
    ],
)
def test_amounts__are_short_and_never_0_where_they_are_not(units: int, decimals: int, text: str) -> None:
    assert amount_text(units, decimals) == text


def test_displayed_numbers__never_flatter() -> None:
    assert health_text(999_999_999_999_999_999) == "0.9999"
    assert health_text(None) == "no debt"
    assert percent_text(32_693_877_551_020_408) == "3.27 %"
    assert money_text(Value(-727_86, 2), signed=True) == "−$727.86"
    assert money_text(Value(1_234_567, 0), signed=True) == "+$1,234,567"
    assert money_text(Value()) == "$0.00"
