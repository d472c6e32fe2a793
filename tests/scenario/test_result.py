"""The result: what changed is what the close-outs say, to the unit, and the JSON says it exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from closeout.scenario import ScenarioResult, load_scenario, play, write_json
from closeout.scenario.accounting import account_costs, parties
from closeout.scenario.model_engine import ModelEngine
from closeout.scenario.result import Value, json_lines

Tree = dict[str, Any]
Played = Callable[..., ScenarioResult]
SCENARIOS = Path(__file__).parents[2] / "config" / "scenarios"
STEP_KEYS = ["index", "kind", "time", "error", "prices", "accounts", "close_outs"]
CLOSE_OUT_KEYS = [
    "account",
    "regime",
    "penalty_rate",
    "health_before",
    "health_after",
    "repaid",
    "seized",
    "to_liquidator",
    "to_protocol",
    "bad_debt",
    "bad_debt_from_insurance",
    "gas",
]
SUMMARY_KEYS = [
    "close_outs",
    "repaid_value",
    "seized_value",
    "penalty_value",
    "bad_debt_value",
    "insurance",
    "lenders",
]
PLAIN_DECIMAL = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?")


def in_json(result: ScenarioResult) -> Any:
    """The result as a reader of the file gets it."""
    return json.loads("".join(json_lines(result)))


def amounts(values: Mapping[str, str]) -> dict[str, Decimal]:
    """Decimal strings as decimals."""
    return {name: Decimal(value) for name, value in values.items()}


def total(*parts: Mapping[str, str]) -> dict[str, Decimal]:
    """Sums by asset, zeros left out."""
    result: dict[str, Decimal] = {}
    for part in parts:
        for name, value in amounts(part).items():
            result[name] = result.get(name, Decimal(0)) + value
    return {name: value for name, value in result.items() if value}


def stormy_tree(tree: Tree, seed: int) -> tuple[Tree, str]:
    """Random accounts and a random price path with jumps, so that every regime is met."""
    random = Random(seed)
    tree["accounts"] = {}
    for number in range(8):
        weth, wbtc = random.randint(1, 20), random.choice([0, 1, 2])
        power = 1600 * weth + 21000 * wbtc
        usdc = random.randint(100, power * 9 // 10)
        account: Tree = {"collateral": {"WETH": str(weth)}, "debt": {"USDC": str(usdc)}}
        if wbtc:
            account["collateral"]["WBTC"] = str(wbtc)
        if power - usdc > 200:
            account["debt"]["GUSD"] = str(random.randint(1, power - usdc - 1))
        tree["accounts"][f"account-{number}"] = account
    tree["price_path"] = {"file": "prices.csv", "time": "t", "columns": {"WETH": "eth", "WBTC": "btc"}}
    eth, btc, lines = 2000.0, 30000.0, ["t,eth,btc"]
    for row in range(120):
        jump = random.choice([0, 0, 0, 0.08, 0.3]) if random.random() < 0.1 else 0
        eth *= random.uniform(0.975, 1.02) * (1 - jump)
        btc *= random.uniform(0.98, 1.015) * (1 - jump / 2)
        lines.append(f"{row * 60},{eth:.4f},{btc:.4f}")
    return tree, "\n".join(lines) + "\n"


@pytest.mark.parametrize("seed", range(12))
def test_balances__change_by_what_the_close_outs_say_to_the_unit(seed: int, tree: Tree, played: Played) -> None:
    result = in_json(played(*stormy_tree(tree, seed)))
    before = {
        name: {"collateral": total(account["collateral"]), "debt": total(account["debt"])}
        for name, account in tree["accounts"].items()
    }
    for step in result["steps"]:
        for name, account in step["accounts"].items():
            own = [record for record in step["close_outs"] if record["account"] == name]
            gone = total(*(record[key] for record in own for key in ("repaid", "bad_debt")))
            seized = total(*(record["seized"] for record in own))
            for side, lost in (("debt", gone), ("collateral", seized)):
                after = amounts(account[side])
                expected = {asset: left - lost.get(asset, 0) for asset, left in before[name][side].items()}
                assert after == {asset: left for asset, left in expected.items() if left}
                before[name][side] = after
        for record in step["close_outs"]:
            assert total(record["seized"]) == total(record["to_liquidator"], record["to_protocol"])
            for asset, covered in amounts(record["bad_debt_from_insurance"]).items():
                assert covered <= amounts(record["bad_debt"])[asset]


@pytest.mark.parametrize("seed", range(12))
def test_the_summary__is_the_sum_of_the_close_outs(seed: int, tree: Tree, played: Played) -> None:
    result = in_json(played(*stormy_tree(tree, seed)))
    sums = {"repaid": Decimal(0), "seized": Decimal(0), "bad_debt": Decimal(0)}
    covered: dict[str, Decimal] = {}
    socialised: dict[str, Decimal] = {}
    for step in result["steps"]:
        for record in step["close_outs"]:
            for key in sums:
                sums[key] += sum(
                    (value * Decimal(step["prices"][asset]) for asset, value in amounts(record[key]).items()),
                    Decimal(0),
                )
            covered = total({k: str(v) for k, v in covered.items()}, record["bad_debt_from_insurance"])
            lost = {
                asset: str(value - amounts(record["bad_debt_from_insurance"]).get(asset, Decimal(0)))
                for asset, value in amounts(record["bad_debt"]).items()
            }
            socialised = total({k: str(v) for k, v in socialised.items()}, lost)
    summary = result["summary"]
    assert summary["close_outs"] == sum(len(step["close_outs"]) for step in result["steps"])
    assert Decimal(summary["repaid_value"]) == sums["repaid"]
    assert Decimal(summary["seized_value"]) == sums["seized"]
    assert Decimal(summary["bad_debt_value"]) == sums["bad_debt"]
    assert Decimal(summary["penalty_value"]) == sums["seized"] - sums["repaid"]
    assert Decimal(summary["insurance"]["USDC"]) == Decimal(500) - covered.get("USDC", Decimal(0))
    for asset in ("USDC", "GUSD"):
        assert Decimal(summary["lenders"][asset]) == 1_000_000 - socialised.get(asset, Decimal(0))


def test_storms__meet_every_regime(tree: Tree, played: Played) -> None:
    regimes = set()
    for seed in range(12):
        result = played(*stormy_tree(tree, seed))
        regimes |= {record.regime for step in result.steps for record in step.close_outs}
    assert regimes == {"restorative", "capped", "terminal"}


@pytest.mark.parametrize("seed", range(12))
def test_what_parties_gain_and_lose__adds_up_to_nothing(seed: int, tree: Tree, played: Played) -> None:
    result = played(*stormy_tree(tree, seed))
    outcome = parties(result)
    assert outcome.total.amount == 0
    assert (outcome.liquidators + outcome.treasury + outcome.burnt).amount >= 0


@pytest.mark.parametrize("seed", range(12))
def test_a_whole_close_out__repays_all_debt_or_sells_all_collateral(seed: int, tree: Tree, played: Played) -> None:
    result = played(*stormy_tree(tree, seed))
    for cost in account_costs(result):
        own = next(record for record in cost.first.close_outs if record.account == cost.account)
        assert cost.whole.regime == own.regime
        assert not any(cost.whole.debt_left.values()) or not any(cost.whole.collateral_left.values())
        # the first close-out is a part of the whole one: at the same moment it costs no more
        if cost.close_outs == 1:
            assert float(cost.penalty) <= float(cost.whole.penalty) * (1 + 1e-9) + 0.01
        if own.regime == "restorative":
            assert cost.whole.penalty_rate_wad == own.penalty_rate_wad


def test_the_json__has_the_keys_of_the_specification_in_their_order(tree: Tree, played: Played) -> None:
    tree["steps"] = [{"prices": {"WETH": "1500"}}, {"close_out": {"account": "leveraged"}}]
    result = in_json(played(tree))
    assert list(result) == ["name", "engine", "steps", "summary"]
    assert (result["name"], result["engine"]) == ("test", "model")
    assert [list(step) for step in result["steps"]] == [STEP_KEYS, STEP_KEYS]
    assert list(result["steps"][1]["close_outs"][0]) == CLOSE_OUT_KEYS
    assert list(result["steps"][1]["accounts"]) == ["careful", "leveraged"]
    assert list(result["steps"][1]["accounts"]["careful"]) == ["collateral", "debt", "health"]
    assert list(result["steps"][1]["prices"]) == ["WETH", "WBTC", "USDC", "GUSD"]
    assert list(result["summary"]) == SUMMARY_KEYS


def test_numbers__are_plain_decimal_strings_and_counters_are_integers(tree: Tree, played: Played) -> None:
    tree["steps"] = [{"wait": "10"}, {"prices": {"WETH": "1500.25"}}, {"close_out": {"account": "leveraged"}}]
    result = in_json(played(tree))

    def check(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                check(item, (*path, key))
        elif isinstance(value, list):
            for item in value:
                check(item, path)
        elif path[-1] in ("index", "time") or path == ("summary", "close_outs"):
            assert isinstance(value, int)
        elif path[-1] in ("name", "engine", "kind", "account", "regime"):
            assert isinstance(value, str)
        elif value is not None:
            assert isinstance(value, str)
            assert PLAIN_DECIMAL.fullmatch(value), (path, value)

    check(result, ())
    record = result["steps"][2]["close_outs"][0]
    assert len(record["penalty_rate"].split(".")[1]) >= 15
    assert len(result["steps"][2]["accounts"]["careful"]["health"].split(".")[1]) == 18
    assert record["gas"] is None


def test_an_account_without_debt__has_no_health(tree: Tree, played: Played) -> None:
    tree["accounts"]["saver"] = {"collateral": {"WETH": "1"}}
    tree["accounts"]["nobody"] = {}
    tree["steps"] = [{"keeper": {}}]
    accounts = in_json(played(tree))["steps"][0]["accounts"]
    assert accounts["saver"] == {"collateral": {"WETH": "1"}, "debt": {}, "health": None}
    assert accounts["nobody"] == {"collateral": {}, "debt": {}, "health": None}


def test_the_first_worked_example__comes_out_as_in_the_document(tree: Tree, played: Played) -> None:
    tree["accounts"] = {"borrower": {"collateral": {"WETH": "10", "WBTC": "0.5"}, "debt": {"USDC": "24500"}}}
    tree["steps"] = [{"prices": {"WETH": "1500"}}, {"close_out": {"account": "borrower"}}]
    record = in_json(played(tree))["steps"][1]["close_outs"][0]
    assert record["health_before"] == "0.979591836734693877"
    assert record["penalty_rate"] == "0.032693877551020408"
    assert record["repaid"] == {"USDC": "10772.521315"}
    assert record["seized"] == {"WETH": "3.708238935590929865", "WBTC": "0.18541194"}
    assert record["health_after"] == "1.100000011190806989"


def test_bad_debt__is_paid_by_the_fund_first_and_then_by_the_lenders(tree: Tree, played: Played) -> None:
    tree["accounts"] = {"borrower": {"collateral": {"WETH": "10"}, "debt": {"USDC": "9000", "GUSD": "7000"}}}
    tree["insurance"] = {"USDC": "500", "GUSD": "1000"}
    tree["steps"] = [{"prices": {"WETH": "1500"}}, {"keeper": {}}]
    result = in_json(played(tree))
    record = result["steps"][1]["close_outs"][0]
    assert record["regime"] == "terminal"
    assert record["bad_debt"] == {"USDC": "604.477611", "GUSD": "470.14"}
    assert record["bad_debt_from_insurance"] == {"USDC": "500", "GUSD": "470.14"}
    assert result["summary"]["insurance"] == {"USDC": "0", "GUSD": "529.86"}
    assert result["summary"]["lenders"]["USDC"] == "999895.522389"
    assert result["summary"]["lenders"]["GUSD"] == "1000000"


def test_the_insurance_fund__gets_its_part_of_the_penalties_in_the_end(tree: Tree, played: Played) -> None:
    tree["steps"] = [{"prices": {"WETH": "1500"}}, {"keeper": {}}]
    result = in_json(played(tree))
    to_protocol = amounts(result["steps"][1]["close_outs"][0]["to_protocol"])
    fund = amounts(result["summary"]["insurance"])
    assert fund["USDC"] == 500
    for asset in ("WETH", "WBTC"):
        assert abs(fund[asset] - to_protocol[asset] / 2) <= Decimal("0.00000001")


def test_values__are_exact() -> None:
    assert str(Value(1, 18) + Value(1, 2)) == "0.010000000000000001"
    assert str(Value(1, 2) - Value(1, 2)) == "0"
    assert str(Value(-150, 2)) == "-1.5"


def test_writing__makes_a_file_with_one_line_a_step(tree: Tree, played: Played, tmp_path: Path) -> None:
    tree["steps"] = [{"wait": "1"}, {"wait": "1"}]
    result = played(tree)
    write_json(result, tmp_path / "RESULT.json")
    lines = (tmp_path / "RESULT.json").read_text(encoding="utf-8").splitlines()
    assert sum('"kind":"wait"' in line for line in lines) == 2


def test_the_demo__plays_and_shows_every_regime() -> None:
    scenario = load_scenario(SCENARIOS / "demo.yaml")
    with ModelEngine() as engine:
        result = play(scenario, engine)
    records = [record for step in result.steps for record in step.close_outs]
    assert len(scenario.world.accounts) == 12
    assert {len(account.collateral) for account in scenario.world.accounts.values()} >= {1, 2, 3, 5}
    assert {len(account.debt) for account in scenario.world.accounts.values()} == {1, 2, 3}
    assert {asset.decimals for asset in scenario.world.assets.values()} == {2, 6, 8, 18}
    assert sum(account.owner == "desk" for account in scenario.world.accounts.values()) == 3
    assert {record.regime for record in records} == {"restorative", "capped", "terminal"}
    assert max(sum(record.account == name for record in records) for name in scenario.world.accounts) >= 3
    assert result.summary.bad_debt.amount > 0
    assert [step.error for step in result.steps if step.error] == ["MarginCallRefused", "BelowInitialMargin"]


@pytest.mark.parametrize(("name", "columns"), [("crash-2021-05", "eth,btc,link,aave"), ("crash-2020-03", "eth")])
def test_the_templates_of_real_crashes__take_a_price_file(name: str, columns: str, tmp_path: Path) -> None:
    opening = {"eth": "3500" if "2021" in name else "200", "btc": "46000", "link": "40", "aave": "520"}
    row = ",".join(opening[column] for column in columns.split(","))
    prices = tmp_path / "mine.csv"
    prices.write_text(f"timestamp,{columns}\n1600000000,{row}\n1600000060,{row}\n", encoding="utf-8")
    scenario = load_scenario(SCENARIOS / f"{name}.yaml", prices)
    with ModelEngine() as engine:
        result = play(scenario, engine)
    assert len(scenario.world.accounts) == 12
    assert len(result.steps) == 2
