"""The replay on a price history of a few rows: figures that add up, assumptions that matter, input that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from closeout.keeper.replay import MarketAssumptions, Replay, ReplayResult, main
from closeout.scenario import load_scenario
from closeout.units import WAD

SCENARIO = """
name: a fall in five rows
assets:
  WETH:
    decimals: 18
    price: "2000"
    collateral: {ltv: "0.75", liquidation_threshold: "0.80", max_bonus: "0.08"}
  USDC:
    decimals: 6
    price: "1"
    borrow: {rate: RATE, reserve_factor: "0.1"}
accounts:
  careful: {collateral: {WETH: "10"}, debt: {USDC: "8000"}}
  bold:    {collateral: {WETH: "10"}, debt: {USDC: "14500"}}
  small:   {collateral: {WETH: "0.1"}, debt: {USDC: "148"}}
PATH
"""
PATH = """
price_path:
  file: fall.csv
  time: t
  columns: {WETH: weth}
"""
NO_INTEREST = '{base: "0", slope1: "0", slope2: "0", kink: "0.9"}'
INTEREST = '{base: "0.5", slope1: "0.5", slope2: "1", kink: "0.9"}'
ROWS = "t,weth\n0,2000\n600,1830\n1200,1780\n1800,1700\n2400,1650\n"


def scenario(folder: Path, *, rate: str = NO_INTEREST, path: str = PATH, more: str = "") -> Path:
    file = folder / "fall.yaml"
    file.write_text(SCENARIO.replace("RATE", rate).replace("PATH", path) + more)
    (folder / "fall.csv").write_text(ROWS)
    return file


def played(file: Path, **market: int) -> ReplayResult:
    return Replay(load_scenario(file), MarketAssumptions(**market)).play()


def test_replay__a_fall__earns_the_penalty_less_pools_and_gas(tmp_path: Path):
    result = played(scenario(tmp_path))
    assert result.rows == 5
    assert "bold" in result.accounts
    assert "careful" not in result.accounts
    assert result.profit == result.penalty - result.slippage - result.gas > 0
    assert result.bad_debt == 0
    assert sum(result.regimes.values()) == result.close_outs


def test_replay__gas_that_is_dear__leaves_the_small_account_and_says_why(tmp_path: Path):
    file = scenario(tmp_path)
    cheap, dear = played(file, gas_price=10**9), played(file, gas_price=100 * 10**9)
    assert "small" in cheap.accounts
    assert dear.left == {"small": "gas costs more than it earns"}
    assert dear.longest_wait > cheap.longest_wait
    assert dear.profit < cheap.profit


def test_replay__shallow_pools__take_parts_and_cost_more(tmp_path: Path):
    file = scenario(tmp_path)
    deep, shallow = played(file, depth_wad=10**8 * WAD), played(file, depth_wad=10**5 * WAD)
    assert deep.partial == 0 < shallow.partial
    assert shallow.slippage * deep.repaid > deep.slippage * shallow.repaid


def test_replay__debts_that_bear_interest__are_planned_to_the_unit_they_are_known_to(tmp_path: Path):
    assert played(scenario(tmp_path, rate=INTEREST)).close_outs > 0


@pytest.mark.parametrize("case", ["steps", "no path", "no file", "depth", "zero depth", "native"])
def test_replay__what_it_cannot_play__is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
):
    file = scenario(
        tmp_path, path="" if case == "no path" else PATH, more="steps: [{wait: 60}]" if case == "steps" else ""
    )
    arguments = {
        "no file": ["--prices", str(tmp_path / "none.csv")],
        "depth": ["--depth", "much"],
        "zero depth": ["--depth", "0"],
        "native": ["--native", "ETH"],
    }.get(case, [])
    assert main([str(file), *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    assert "expected" in shown.err


def test_replay__on_the_terminal__shows_what_was_assumed_and_what_came_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main([str(scenario(tmp_path)), "--gas-price", "1.5", "--depth", "2000000"]) == 0
    shown = capsys.readouterr().out
    for text in ("a fall in five rows", "2,000,000 USD", "1.5 gwei", "profit", "unhealthy at the end"):
        assert text in shown
