"""The report is one page that needs nothing, holds what it must, and cannot be broken by a name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from closeout.scenario import ModelEngine, ScenarioResult, load_scenario, play
from closeout.scenario.report import render_report, write_report
from closeout.scenario.report import series as report_series

Tree = dict[str, Any]
Played = Callable[..., ScenarioResult]
DEMO = Path(__file__).parents[2] / "config" / "scenarios" / "demo.yaml"


@pytest.fixture(scope="module")
def demo() -> ScenarioResult:
    """The demo, played once."""
    with ModelEngine() as engine:
        return play(load_scenario(DEMO), engine)


@pytest.fixture(scope="module")
def page(demo: ScenarioResult) -> str:
    """Its report."""
    return render_report(demo)


def data_of(page: str) -> Any:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def summed(differences: list[int | None]) -> list[int | None]:
    """What the script makes of differences."""
    values: list[int | None] = []
    last = 0
    for difference in differences:
        if difference is not None:
            last += difference
        values.append(None if difference is None else last)
    return values


def test_the_page__asks_for_nothing_outside_itself(page: str) -> None:
    assert not re.search(r"https?:|//[a-z]+\.|@import|\burl\((?!#)|\bsrc=|\bhref=|fetch\(|XMLHttp", page)


def test_the_page__is_light(page: str) -> None:
    assert len(page) < 150_000


def test_the_page__names_every_account_and_its_close_outs(page: str, demo: ScenarioResult) -> None:
    for name in demo.scenario.world.accounts:
        assert f"<h3>{name}</h3>" in page
    assert page.count("<tr data-account=") == demo.summary.close_outs == len(data_of(page)["marks"])
    for word in ("restorative", "capped", "terminal"):
        assert f'<span class="regime {word}">' in page


def test_the_page__says_who_gained_and_what_a_whole_close_out_would_have_cost(page: str) -> None:
    for heading in ("Prices", "Health factors", "Close-outs", "Who gained, who lost", "Closed as a whole instead"):
        assert f"<h2>{heading}</h2>" in page
    for party in ("Borrowers", "Liquidators", "Insurance fund", "Treasury", "Burnt", "Lenders"):
        assert f"<b>{party}</b>" in page
    assert "Together $0.00" in page
    assert "BelowInitialMargin" in page


def test_a_mark__says_what_was_repaid_and_seized(page: str) -> None:
    marks = data_of(page)["marks"]
    lines = dict(next(mark for mark in marks if mark["regime"] == "terminal")["lines"])
    assert lines["health"] == "0.8052 → no debt"
    assert lines["repaid"] == "77,227.18 USDC + 57,920.39 DAI + 20,272.14 GUSD ($155,420)"
    assert lines["seized"] == "80 WETH ($156,197)"
    assert "penalty" in lines
    assert "bad debt" in lines


def test_the_lines__are_the_health_factors_and_prices_of_each_row(page: str, demo: ScenarioResult) -> None:
    data = data_of(page)
    assert len(summed(data["times"])) == len(demo.steps) + 1
    assert data["target"] == 1.1
    careful = summed(data["accounts"][0]["values"])
    healths = [step.accounts["eth-saver"].health_wad for step in demo.steps]
    assert careful[1:] == [None if health is None else health // 10**14 for health in healths]
    weth = next(series for series in data["prices"] if series["name"] == "WETH")
    prices = [value / 10 ** weth["decimals"] for value in summed(weth["values"]) if value is not None]
    assert prices[-1] == 2460.68
    assert {series["name"] for series in data["prices"]} == {"WETH", "WBTC", "LINK", "AAVE"}


def test_names__cannot_break_out_of_the_page(tree: Tree, played: Played) -> None:
    evil = "</script><img onerror=1>"
    tree["name"] = evil
    tree["accounts"][evil] = {"owner": "<b>", "collateral": {"WETH": "10"}, "debt": {"USDC": "16000"}}
    tree["steps"] = [{"prices": {"WETH": "1700"}}, {"keeper": {}}]
    page = render_report(played(tree))
    assert "<img" not in page
    assert page.count("</script>") == 2
    assert data_of(page)["accounts"][2]["name"] == evil


def test_a_very_long_path__is_thinned_without_losing_extremes_or_close_outs(
    monkeypatch: pytest.MonkeyPatch, demo: ScenarioResult
) -> None:
    monkeypatch.setattr(report_series, "MOST_ROWS", 300)
    data = report_series.report_data(demo)
    full = len(demo.steps) + 1
    assert len(data["times"]) < full
    assert len(data["marks"]) == demo.summary.close_outs
    shown = [value for value in summed(data["accounts"][0]["values"]) if value is not None]
    healths = [step.accounts["eth-saver"].health_wad or 0 for step in demo.steps]
    assert min(shown) == min(healths) // 10**14
    times = set(summed(data["times"]))
    assert {mark["time"] for mark in data["marks"]} <= times


def test_a_scenario_in_which_nothing_happens__has_a_report_too(tree: Tree, played: Played, tmp_path: Path) -> None:
    write_report(played(tree), tmp_path / "quiet.html")
    page = (tmp_path / "quiet.html").read_text(encoding="utf-8")
    assert page.count("Nothing was closed out.") == 2
    assert "no account fell below 1" in page
