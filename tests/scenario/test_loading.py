"""What a good file means: exact numbers, defaults of a deployment, nothing guessed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from closeout.parameters import ASSET, PROTOCOL
from closeout.scenario import Scenario
from closeout.scenario.world import CloseOut, Keeper, MarginCall, Move, SetPrices, Wait
from closeout.yamlfile.decimals import format_wad, parse_decimal, to_units
from closeout.yamlfile.tree import parse_yaml

Tree = dict[str, Any]
Load = Callable[..., Scenario]

MINIMAL = """
assets:
  WETH: {price: 2000, collateral: {}}
  USDC: {decimals: 6, price: 1, borrow: {}}
accounts:
  borrower: {collateral: {WETH: 1.5}, debt: {USDC: 1000}}
"""


def test_what_a_file_leaves_out__has_the_defaults_of_a_deployment(load: Load) -> None:
    scenario = load(MINIMAL)
    protocol = scenario.world.protocol
    assert scenario.name == "scenario"
    assert protocol.target_health_wad == to_units(PROTOCOL.target_health, 18)
    assert protocol.margin_call_health_wad == to_units(PROTOCOL.margin_call_health, 18)
    assert protocol.insurance_weight_wad + protocol.treasury_weight_wad + protocol.burn_weight_wad == 10**18
    assert protocol.grace_period == 0
    weth, usdc = scenario.world.assets["WETH"], scenario.world.assets["USDC"]
    assert (weth.decimals, weth.feed_decimals) == (18, 18)
    assert weth.collateral is not None
    assert weth.collateral.ltv_bps == to_units(ASSET.ltv, 4)
    assert weth.borrowing is None
    assert usdc.borrowing is not None
    assert usdc.borrowing.slope1_rate == to_units(ASSET.rate_slope1, 9)
    assert usdc.supply_units == to_units(ASSET.supply, 6)


def test_a_supply_left_out__limits_nobody(tree: Tree, load: Load) -> None:
    tree["assets"]["WETH"]["price"] = "1000000000"
    tree["assets"]["USDC"].pop("supply")
    tree["accounts"]["careful"]["debt"]["USDC"] = "8000000000"
    assert load(tree).world.assets["USDC"].supply_units == 2 * (8_000_000_000 + 16_000) * 10**6


def test_a_target_below_the_default_margin_call__takes_the_margin_call_with_it(tree: Tree, load: Load) -> None:
    tree["protocol"] = {"target_health": "1.02"}
    assert load(tree).world.protocol.margin_call_health_wad == 1_020_000_000_000_000_000


@pytest.mark.parametrize("text", ["0.1", ".1", "1e-1", "+0.10", '"0.1"', "0.1000000000000000000"])
def test_a_number__is_read_as_it_is_written(text: str, load: Load) -> None:
    scenario = load(MINIMAL.replace("WETH: 1.5", f"WETH: {text}").replace("USDC: 1000", "USDC: 110"))
    assert scenario.world.accounts["borrower"].collateral["WETH"] == 10**17


def test_numbers_that_binary_floats_cannot_hold__stay_exact(load: Load) -> None:
    scenario = load(MINIMAL.replace("WETH: 1.5", "WETH: 123456789.123456789123456789"))
    assert scenario.world.accounts["borrower"].collateral["WETH"] == 123_456_789_123_456_789_123_456_789


def test_large_numbers_with_underscores__are_read(load: Load) -> None:
    assert (
        load(MINIMAL.replace("price: 1,", "price: 1, supply: 20_000_000,")).world.assets["USDC"].supply_units
        == 2 * 10**13
    )


def test_words_that_yaml_takes_for_something_else__stay_names(load: Load) -> None:
    scenario = load("assets: {NO: {price: 1, collateral: {}}}\naccounts: {on: {collateral: {NO: 1}}, 1.10: {}}\n")
    assert list(scenario.world.assets) == ["NO"]
    assert list(scenario.world.accounts) == ["on", "1.10"]


def test_anchors_and_merges__work_as_in_yaml() -> None:
    tree = parse_yaml("base: &base {a: 1, b: 2}\nother: {<<: *base, b: 3}\nsame: *base\n")
    assert tree["other"] == {"a": "1", "b": "3"}
    assert tree["same"] == {"a": "1", "b": "2"}


def test_owners__have_their_accounts_counted_in_the_order_of_the_file(tree: Tree, load: Load) -> None:
    tree["accounts"] = {
        "core": {"owner": "desk", "collateral": {"WETH": "1"}},
        "alone": {},
        "carry": {"owner": "desk", "collateral": {"WETH": "1"}},
        "desk": {},
    }
    accounts = load(tree).world.accounts
    assert [(account.owner, account.index) for account in accounts.values()] == [
        ("desk", 0),
        ("alone", 0),
        ("desk", 1),
        ("desk", 2),
    ]


def test_debts_of_one_account__count_together_against_the_minimum(tree: Tree, load: Load) -> None:
    tree["accounts"]["careful"]["debt"] = {"USDC": "60", "GUSD": "40"}
    assert load(tree).world.accounts["careful"].debt == {"USDC": 60 * 10**6, "GUSD": 4000}


def test_a_debt_of_exactly_the_initial_margin__is_accepted(tree: Tree, load: Load) -> None:
    tree["accounts"]["careful"]["debt"]["USDC"] = "16000"
    load(tree)


def test_every_kind_of_step__is_understood(tree: Tree, load: Load) -> None:
    move = {"account": "careful", "asset": "WETH", "amount": "0.5"}
    tree["steps"] = [
        {"wait": "3600"},
        {"prices": {"WETH": "1500.5"}},
        {"close_out": {"account": "careful"}},
        {"close_out": {"account": "careful", "collateral": ["WETH"], "debt": ["USDC"], "fill": "0.5"}},
        *({kind: move} for kind in ("deposit", "withdraw", "borrow", "repay")),
        {"margin_call": {"account": "careful"}},
        {"keeper": {}},
        {"keeper": None},
    ]
    half = 5 * 10**17
    assert load(tree).steps == (
        Wait(3600),
        SetPrices({"WETH": 1_500_500_000_000_000_000_000}),
        CloseOut("careful", None, None, 10**18),
        CloseOut("careful", ("WETH",), ("USDC",), half),
        Move("deposit", "careful", "WETH", half),
        Move("withdraw", "careful", "WETH", half),
        Move("borrow", "careful", "WETH", half),
        Move("repay", "careful", "WETH", half),
        MarginCall("careful"),
        Keeper(),
        Keeper(),
    )


def test_a_grace_of_a_month__outlives_neither_call_nor_backstop(tree: Tree, load: Load) -> None:
    tree["protocol"] = {"grace": {"period": "2592000"}}
    protocol = load(tree).world.protocol
    assert protocol.grace_period < protocol.call_lifetime
    assert protocol.grace_period <= protocol.backstop_delay <= protocol.call_lifetime


@pytest.mark.parametrize(
    "value", [True, 1.5, "0x10", "1:30", "١", "1e1000", "nan", "inf", "", " 1", "1__0", "9" * 121, None]
)
def test_what_is_no_decimal__is_none(value: object) -> None:
    assert parse_decimal(value) is None


def test_decimals__become_units_exactly_or_not_at_all() -> None:
    assert to_units(Decimal("1.000001"), 6) == 1_000_001
    assert to_units(Decimal("1.0000001"), 6) is None
    assert to_units(Decimal("-1"), 6) is None
    assert to_units(Decimal("1e20"), 2) == 10**22
    assert format_wad(1_100_000_000_100_000_000) == "1.100000000100000000"
