"""Both engines of a scenario, the chain and the reference model: one file, one result, to the last digit.

Interest off. Random accounts, prices, moves, close-outs of any sets and fills, feeds that stand still, die and come
back, and then a price path.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from closeout.chain.engine import ChainEngine
from closeout.scenario import ModelEngine, Scenario, load_scenario, play
from closeout.scenario.result import json_lines
from tests.differential.sizes import least, seeded, sized

Tree = dict[str, Any]

SCENARIOS = sized(12)
STEPS = 60
ROWS = 12
DAY = 86_400
RATE = {"base": "0", "slope1": "0", "slope2": "0"}
# name, decimals, decimals of its feed, price, threshold (0: not collateral)
ASSETS = (
    ("WETH", 18, 18, 2000.0, "0.85"),
    ("WBTC", 8, 8, 30000.0, "0.75"),
    ("LINK", 18, 8, 15.0, "0.70"),
    ("USDC", 6, 8, 1.0, ""),
    ("DAI", 18, 18, 1.0, ""),
)
HELD = [name for name, *_, threshold in ASSETS if threshold]
OWED = [name for name, *_, threshold in ASSETS if not threshold]


def asset(decimals: int, feed_decimals: int, price: float, threshold: str) -> Tree:
    tree: Tree = {"decimals": str(decimals), "feed_decimals": str(feed_decimals), "price": f"{price:f}"}
    if threshold:
        return tree | {"collateral": {"ltv": "0.60", "liquidation_threshold": threshold, "max_bonus": "0.09"}}
    return tree | {"borrow": {"rate": RATE}, "supply": "10000000"}


def make_tree(random: Random) -> Tree:
    return {
        "name": "random",
        "protocol": {"grace": {"period": random.choice(("0", "0", "600")), "hard_floor": "0.9"}},
        "assets": {name: asset(*rest) for name, *rest in ASSETS},
        "insurance": {"USDC": "3000"},
        "accounts": {f"account {n}": account(random) for n in range(random.randint(3, 6))},
        "steps": [],
    }


def account(random: Random) -> Tree:
    collateral, power = {}, 0.0
    prices = {name: price for name, _, _, price, _ in ASSETS}
    for name in random.sample(HELD, random.randint(1, 3)):
        value = 10 ** random.uniform(3.2, 5)
        collateral[name] = f"{value / prices[name]:.6f}"
        power += 0.6 * value
    owed = random.sample(OWED, random.randint(1, 2))
    return {
        "collateral": collateral,
        "debt": {name: f"{power * random.uniform(0.7, 0.99) / len(owed):.2f}" for name in owed},
    }


def steps(random: Random, tree: Tree, *, with_feeds: bool) -> list[Tree]:
    prices = {name: price for name, _, _, price, _ in ASSETS}
    made: list[Tree] = []
    for _ in range(STEPS):
        kinds = ["prices"] * 5 + ["keeper"] * 4 + ["close_out"] * 4 + ["move"] * 4 + ["wait", "margin_call"]
        kinds += ["feed"] * 4 * with_feeds
        made.append(step(random, random.choice(kinds), tree, prices))
    return made


def step(random: Random, kind: str, tree: Tree, prices: dict[str, float]) -> Tree:
    name = random.choice(list(tree["accounts"]))
    if kind == "prices":
        moved = random.sample(list(prices), random.randint(1, 3))
        for one in moved:
            prices[one] *= random.choice((random.uniform(0.9, 1.08), random.uniform(0.97, 1.03), 0.7))
            if one in OWED:
                prices[one] = min(max(prices[one], 0.93), 1.07)
        return {"prices": {one: f"{max(prices[one], 1e-4):.8f}" for one in moved}}
    if kind == "feed":
        return {
            "feed": {"asset": random.choice(list(prices)), "status": random.choice(("stale", "dead", "fresh", "fresh"))}
        }
    if kind == "wait":
        return {"wait": str(random.choice((60, 3600, 7200, DAY, 8 * DAY, 20 * DAY)))}
    if kind == "keeper":
        return {"keeper": {}}
    if kind == "margin_call":
        return {"margin_call": {"account": name}}
    held, owed = (list(tree["accounts"][name][side]) for side in ("collateral", "debt"))
    if kind == "close_out":
        request: Tree = {"account": name}
        if random.random() < 0.5:
            request["collateral"] = random.sample(held, random.randint(1, len(held)))
        if random.random() < 0.4:
            request["debt"] = random.sample(owed, random.randint(1, len(owed)))
        if random.random() < 0.6:
            request["fill"] = random.choice(("0.5", "0.1", "0.987654321"))
        return {"close_out": request}
    move = random.choice(("deposit", "withdraw", "borrow", "repay"))
    own = random.choice(held if move in ("deposit", "withdraw") else owed)
    return {move: {"account": name, "asset": own, "amount": f"{10 ** random.uniform(1, 3) / prices[own]:.6f}"}}


def price_path(random: Random) -> str:
    """Rows of a falling market, minutes or hours apart; the keeper acts after each."""
    weth, wbtc, time, lines = 1500.0, 25000.0, 0, ["t,eth,btc"]
    for _ in range(ROWS):
        lines.append(f"{time},{weth:.4f},{wbtc:.4f}")
        weth, wbtc = weth * random.uniform(0.94, 1.03), wbtc * random.uniform(0.95, 1.03)
        time += random.choice((1, 60, 60, 3600, 7200))
    return "\n".join(lines) + "\n"


def load(tree: Tree, folder: Path, path: str) -> Scenario:
    tree["price_path"] = {"file": "prices.csv", "time": "t", "columns": {"WETH": "eth", "WBTC": "btc"}}
    (folder / "prices.csv").write_text(path, encoding="utf-8")
    file = folder / "scenario.yaml"
    file.write_text(json.dumps(tree), encoding="utf-8")
    return load_scenario(file)


def played(scenario: Scenario, engine: Any) -> Tree:
    with engine:
        result = json.loads("".join(json_lines(play(scenario, engine))))
    for one in result["steps"]:
        for record in one["close_outs"]:
            # what the chain alone knows
            record.pop("gas")
    return result


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    return Counter()


@pytest.mark.parametrize("with_feeds", [False, True], ids=["fresh", "with feeds"])
@pytest.mark.parametrize("number", range(SCENARIOS))
def test_engines__agree_to_the_last_digit(number: int, with_feeds: bool, tmp_path: Path, counts: Counter[str]) -> None:
    random = seeded("scenario", number)
    tree = make_tree(random)
    tree["steps"] = steps(random, tree, with_feeds=with_feeds)
    scenario = load(tree, tmp_path, price_path(random))
    model, chain = played(scenario, ModelEngine()), played(scenario, ChainEngine())
    for ours, theirs in zip(model["steps"], chain["steps"], strict=True):
        assert ours == theirs, [*tree["steps"], *["a row"] * ROWS][ours["index"]]
        counts.update(record["regime"] for record in ours["close_outs"])
        counts[ours["error"] or "done"] += 1
    assert model["summary"] == chain["summary"]


def test_scenarios__took_every_path_on_which_the_engines_might_differ(counts: Counter[str]) -> None:
    if not counts:
        pytest.skip("looks at what the scenarios did")
    for name, count in {
        "restorative": 20,
        "capped": 2,
        "terminal": 10,
        "done": 500,
        "PriceNotFresh": 20,
        "AccountHealthy": 40,
        "EmptySet": 2,
    }.items():
        assert counts[name] >= least(count), dict(sorted(counts.items()))
