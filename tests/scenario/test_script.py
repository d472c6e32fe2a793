"""`ape run scenario`: exit statuses, one line per failure, sensible places for the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from closeout.errors import EnvironmentProblem
from closeout.scenario import Scenario
from scripts import scenario as script

Tree = dict[str, Any]
Load = Callable[..., Scenario]


def run(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner(mix_stderr=False).invoke(script.cli, arguments)


def test_a_good_file__exits_0_and_writes_beside_nothing_of_yours(tree: Tree, load: Load) -> None:
    load(tree)
    result = run("scenario.yaml", "--engine", "model")
    assert result.exit_code == 0
    assert "0 steps on engine model" in result.stdout
    assert Path("build/scenario.json").exists()
    assert Path("build/scenario.html").exists()


def test_named_files__are_written_where_they_are_named(tree: Tree, load: Load) -> None:
    load(tree)
    assert run("scenario.yaml", "--engine", "model", "--out", "R.json", "--report", "R.html").exit_code == 0
    assert Path("R.json").exists()
    assert Path("R.html").exists()
    assert not Path("build").exists()


def test_a_bad_file__exits_2_with_one_line(tree: Tree, load: Load) -> None:
    load(tree)
    text = Path("scenario.yaml").read_text(encoding="utf-8").replace('"8000"', '"-1"')
    Path("scenario.yaml").write_text(text, encoding="utf-8")
    result = run("scenario.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("scenario.yaml: accounts.careful.debt.USDC: found -1, expected ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_prices__stand_for_the_file_of_the_scenario(tree: Tree, load: Load) -> None:
    tree["price_path"] = {"file": "not-there.csv", "columns": {"WETH": "eth"}}
    with pytest.raises(Exception, match=r"not-there\.csv"):
        load(tree)
    result = run("scenario.yaml", "--engine", "model", "--prices", "prices.csv")
    assert result.exit_code == 0
    assert "2 steps on engine model" in result.stdout


def test_a_network_that_is_not_local__is_not_supported_yet(tree: Tree, load: Load) -> None:
    load(tree)
    result = run("scenario.yaml", "--network", "ethereum:mainnet-fork:foundry")
    assert result.exit_code == 2
    assert "--network: found 'ethereum:mainnet-fork:foundry'" in result.stderr
    assert "not supported yet" in result.stderr


def test_a_missing_tool__exits_3_with_one_line(tree: Tree, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_anvil(_network: str, _port: int) -> None:
        raise EnvironmentProblem("anvil: not found")

    load(tree)
    monkeypatch.setattr(script, "chain_engine", no_anvil)
    result = run("scenario.yaml")
    assert (result.exit_code, result.stderr) == (3, "anvil: not found\n")


def test_an_interrupt__exits_130(tree: Tree, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_network: str, _port: int) -> None:
        raise KeyboardInterrupt

    load(tree)
    monkeypatch.setattr(script, "chain_engine", interrupted)
    result = run("scenario.yaml")
    assert (result.exit_code, result.stderr) == (130, "interrupted; nothing is left running\n")
