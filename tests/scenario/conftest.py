"""A small world to play in, as a tree of strings; tests change what they are about."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from closeout.scenario import ModelEngine, Scenario, ScenarioResult, load_scenario, play

Tree = dict[str, Any]
Change = Callable[[Tree], object]

WORLD: Tree = {
    "name": "test",
    "assets": {
        "WETH": {
            "decimals": "18",
            "price": "2000",
            "collateral": {"ltv": "0.80", "liquidation_threshold": "0.85", "max_bonus": "0.08"},
            "borrow": {"rate": {"base": "0", "slope1": "0", "slope2": "0"}},
            "supply": "1000",
        },
        "WBTC": {
            "decimals": "8",
            "feed_decimals": "8",
            "price": "30000",
            "collateral": {"ltv": "0.70", "liquidation_threshold": "0.75", "max_bonus": "0.10"},
        },
        "USDC": {
            "decimals": "6",
            "price": "1",
            "borrow": {"rate": {"base": "0", "slope1": "0", "slope2": "0"}},
            "supply": "1000000",
        },
        "GUSD": {
            "decimals": "2",
            "price": "1",
            "borrow": {"rate": {"base": "0", "slope1": "0", "slope2": "0"}},
            "supply": "1000000",
        },
    },
    "insurance": {"USDC": "500"},
    "accounts": {
        "careful": {"collateral": {"WETH": "10"}, "debt": {"USDC": "8000"}},
        "leveraged": {"collateral": {"WETH": "10", "WBTC": "0.5"}, "debt": {"USDC": "16000", "GUSD": "8500.25"}},
    },
    "steps": [],
}

PRICES = "timestamp,eth,btc\n2021-05-19T00:00:00Z,2000,30000\n2021-05-19T00:01:00Z,1500,30000\n"


@pytest.fixture
def tree() -> Tree:
    """A valid scenario, free to be changed."""
    return copy.deepcopy(WORLD)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scenario]:
    """Loads a tree, or the text of a file, from `scenario.yaml` in a folder that also has `prices.csv`."""
    monkeypatch.chdir(tmp_path)

    def load_from(content: Tree | str, prices: str = PRICES) -> Scenario:
        # JSON is YAML
        text = content if isinstance(content, str) else json.dumps(content)
        Path("scenario.yaml").write_text(text, encoding="utf-8")
        Path("prices.csv").write_text(prices, encoding="utf-8")
        return load_scenario(Path("scenario.yaml"))

    return load_from


@pytest.fixture
def played(load: Callable[..., Scenario]) -> Callable[..., ScenarioResult]:
    """Plays a tree on the model."""

    def play_it(content: Tree | str, prices: str = PRICES) -> ScenarioResult:
        with ModelEngine() as engine:
            return play(load(content, prices), engine)

    return play_it
