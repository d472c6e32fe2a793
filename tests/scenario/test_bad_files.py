"""Every kind of bad file is refused before anything starts, in one line: where, what was found, what was expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from closeout.errors import BadInput
from closeout.scenario import Scenario
from tests.support.trees import Change, Remove, Tree, both, change

PRICE = "a price in USD in (0, 1000000000000], with at most 18 decimals"
RATIO = "a ratio in [0, 1], with at most 18 decimals"
HELD = "an amount of whole tokens in (0, 100000000000000]"
AMOUNT = "an amount of whole tokens in [0, 100000000000000]"
HEALTH = "a health factor in [1, 2], with at most 18 decimals"
STEEPNESS = "0, or a steepness in [0.01, 20], with at most 18 decimals"
SECONDS = "a number of seconds in [0, 1000000000], without decimals"
DECIMALS = "a number of decimals in [0, 27], without decimals"
NAME = "a name of 1 to 64 printable characters"
ASSETS = "one of WETH, WBTC, USDC, GUSD"
STEPS = "wait, prices, close_out, deposit, withdraw, borrow, repay, margin_call, feed, keeper"
NO_SET = "a list with at least one asset (leave the key out for all)"


def step(**body: object) -> Change:
    """Appends one step."""
    return lambda tree: tree["steps"].append(body)


def more_assets(side: str, key: str, count: int) -> Change:
    """Lists further assets and puts one token of each into the careful account."""

    def apply(tree: Tree) -> None:
        for number in range(count):
            tree["assets"][f"T{number}"] = {"price": "1", key: {}}
            tree["accounts"]["careful"][side][f"T{number}"] = "1"

    return apply


def path_with(**keys: object) -> Change:
    """A price path of two columns with some keys changed."""
    good = {"file": "prices.csv", "columns": {"WETH": "eth", "WBTC": "btc"}}
    return change("price_path", good | keys)


CASES: dict[str, tuple[Change, str]] = {
    # the whole file
    "no assets": (change("assets", Remove), "assets: found nothing, expected a mapping from names to assets"),
    "no accounts": (change("accounts", Remove), "accounts: found nothing, expected a mapping from names to accounts"),
    "empty assets": (change("assets", {}), "assets: found an empty mapping, expected a mapping from names to assets"),
    "unknown key": (
        change("asets", {}),
        "asets: found an unknown key (with an empty mapping), "
        "expected one of name, protocol, assets, insurance, accounts, steps, price_path",
    ),
    "name not printable": (change("name", "two\nlines"), f'name: found "two\\nlines", expected {NAME}'),
    # assets
    "no price": (change("assets/WETH/price", Remove), f"assets.WETH.price: found nothing, expected {PRICE}"),
    "negative price": (change("assets/WETH/price", "-5"), f"assets.WETH.price: found -5, expected {PRICE}"),
    "price of 0": (change("assets/WETH/price", "0"), f"assets.WETH.price: found 0, expected {PRICE}"),
    "price nan": (change("assets/WETH/price", "nan"), f'assets.WETH.price: found "nan", expected {PRICE}'),
    "price inf": (change("assets/WETH/price", ".inf"), f'assets.WETH.price: found ".inf", expected {PRICE}'),
    "price in hex": (change("assets/WETH/price", "0x7d0"), f'assets.WETH.price: found "0x7d0", expected {PRICE}'),
    "price beyond bounds": (
        change("assets/WETH/price", "1000000000000.01"),
        f"assets.WETH.price: found 1000000000000.01, expected {PRICE}",
    ),
    "price of 19 decimals": (
        change("assets/WETH/price", "1.0000000000000000001"),
        f"assets.WETH.price: found 1.0000000000000000001, expected {PRICE}",
    ),
    "price finer than its feed": (
        change("assets/WBTC/price", "30000.000000001"),
        "assets.WBTC.price: found 30000.000000001, expected a price with at most 8 decimals, as its feed has",
    ),
    "feed of 6 decimals": (
        change("assets/WETH/feed_decimals", "6"),
        "assets.WETH.feed_decimals: found 6, expected 8 or 18",
    ),
    "decimals negative": (change("assets/WETH/decimals", "-1"), f"assets.WETH.decimals: found -1, expected {DECIMALS}"),
    "decimals broken": (change("assets/WETH/decimals", "2.5"), f"assets.WETH.decimals: found 2.5, expected {DECIMALS}"),
    "asset without a use": (
        both(change("assets/GUSD/borrow", Remove), change("assets/GUSD/supply", Remove)),
        "assets.GUSD: found neither collateral nor borrow, expected at least one of them",
    ),
    "ltv not below threshold": (
        change("assets/WETH/collateral/ltv", "0.85"),
        "assets.WETH.collateral.ltv: found 0.85, expected less than liquidation_threshold, 0.85",
    ),
    "ltv of five decimals": (
        change("assets/WETH/collateral/ltv", "0.80005"),
        "assets.WETH.collateral.ltv: found 0.80005, expected a ratio in [0, 1), with at most 4 decimals",
    ),
    "threshold with bonus above 0.99": (
        change("assets/WETH/collateral/liquidation_threshold", "0.95"),
        "assets.WETH.collateral.liquidation_threshold: found 0.95, which makes t (1 + max_bonus) = 1.0260, "
        "expected t (1 + max_bonus) of at most 0.99",
    ),
    "bonus above 0.20": (
        change("assets/WETH/collateral/max_bonus", "0.2001"),
        "assets.WETH.collateral.max_bonus: found 0.2001, expected a ratio in [0, 0.20], with at most 4 decimals",
    ),
    "bonus below floor": (
        change("assets/WETH/collateral/max_bonus", "0.004"),
        "assets.WETH.collateral.max_bonus: found 0.004, expected at least protocol.bonus.floor, 0.005",
    ),
    "rate of ten decimals": (
        change("assets/USDC/borrow/rate/base", "0.0000000001"),
        "assets.USDC.borrow.rate.base: found 0.0000000001, "
        "expected a yearly rate in [0, 4.294967295], with at most 9 decimals",
    ),
    "kink of 0": (
        change("assets/USDC/borrow/rate/kink", "0"),
        "assets.USDC.borrow.rate.kink: found 0, expected a utilisation in (0, 1], with at most 18 decimals",
    ),
    "reserve factor above 1": (
        change("assets/USDC/borrow/reserve_factor", "1.1"),
        "assets.USDC.borrow.reserve_factor: found 1.1, expected a ratio in [0, 1], with at most 4 decimals",
    ),
    "supply finer than its token": (
        change("assets/USDC/supply", "1.0000001"),
        "assets.USDC.supply: found 1.0000001, expected at most 6 decimals, as the token has",
    ),
    "supply below the debts": (
        change("assets/USDC/supply", "20000"),
        "accounts.leveraged.debt.USDC: found 16000 (with the accounts above 24000), "
        "expected together at most the supply, 20000",
    ),
    # protocol
    "unknown parameter": (
        change("protocol/target", "1.1"),
        "protocol.target: found an unknown key (with 1.1), expected one of target_health, margin_call_health, bonus, "
        "fee_share, penalty_split, min_debt_value, min_debt_per_asset, dust_value, grace",
    ),
    "target above 2": (
        change("protocol/target_health", "2.01"),
        f"protocol.target_health: found 2.01, expected {HEALTH}",
    ),
    "margin call below 1": (
        change("protocol/margin_call_health", "0.99"),
        f"protocol.margin_call_health: found 0.99, expected {HEALTH}",
    ),
    "margin call above target": (
        change("protocol/margin_call_health", "1.11"),
        "protocol.margin_call_health: found 1.11, expected at most target_health, 1.10",
    ),
    "full bonus too close to 1": (
        change("protocol/bonus/health_for_max", "0.995"),
        "protocol.bonus.health_for_max: found 0.995, expected a health factor in [0.5, 0.99], with at most 18 decimals",
    ),
    "bonus fraction above 1": (
        change("protocol/bonus/min_fraction", "1.1"),
        f"protocol.bonus.min_fraction: found 1.1, expected {RATIO}",
    ),
    "steepness too small": (
        change("protocol/bonus/steepness", "0.009"),
        f"protocol.bonus.steepness: found 0.009, expected {STEEPNESS}",
    ),
    "steepness too large": (
        change("protocol/bonus/steepness", "20.1"),
        f"protocol.bonus.steepness: found 20.1, expected {STEEPNESS}",
    ),
    "fee above a half": (
        change("protocol/fee_share", "0.51"),
        "protocol.fee_share: found 0.51, expected a ratio in [0, 0.5], with at most 18 decimals",
    ),
    "split below 1": (
        change("protocol/penalty_split", {"insurance": "0.5", "burn": "0.4"}),
        "protocol.penalty_split: found weights that add up to 0.9, expected weights that add up to 1",
    ),
    "negative minimum": (
        change("protocol/min_debt_value", "-1"),
        "protocol.min_debt_value: found -1, expected a value in USD in [0, 1000000000000], with at most 18 decimals",
    ),
    "grace in words": (
        change("protocol/grace/period", "1h"),
        'protocol.grace.period: found "1h", expected a number of seconds in [0, 31536000], without decimals',
    ),
    # insurance and accounts
    "unknown asset insured": (
        change("insurance/FOO", "1"),
        f'insurance.FOO: found unknown asset "FOO", expected {ASSETS}',
    ),
    "negative insurance": (change("insurance/USDC", "-1"), f"insurance.USDC: found -1, expected {AMOUNT}"),
    "unknown asset held": (
        change("accounts/careful/collateral/FOO", "1"),
        f'accounts.careful.collateral.FOO: found unknown asset "FOO", expected {ASSETS}',
    ),
    "negative amount": (
        change("accounts/careful/debt/USDC", "-8000"),
        f"accounts.careful.debt.USDC: found -8000, expected {HELD}",
    ),
    "amount of 0": (change("accounts/careful/debt/USDC", "0"), f"accounts.careful.debt.USDC: found 0, expected {HELD}"),
    "amount true": (
        change("accounts/careful/debt/USDC", True),
        f'accounts.careful.debt.USDC: found "true", expected {HELD}',
    ),
    "more digits than decimals": (
        change("accounts/leveraged/debt/GUSD", "8500.251"),
        "accounts.leveraged.debt.GUSD: found 8500.251, expected at most 2 decimals, as the token has",
    ),
    "collateral that is none": (
        change("accounts/careful/collateral/GUSD", "1"),
        "accounts.careful.collateral.GUSD: found GUSD, which has no collateral key, "
        "expected an asset that is collateral",
    ),
    "debt that cannot be borrowed": (
        change("accounts/careful/debt/WBTC", "1"),
        "accounts.careful.debt.WBTC: found WBTC, which has no borrow key, expected an asset that can be borrowed",
    ),
    "asset on both sides": (
        change("accounts/careful/debt/WETH", "1"),
        "accounts.careful.debt.WETH: found WETH on both sides, expected each asset as collateral or as debt, not both",
    ),
    "above initial margin": (
        change("accounts/careful/debt/USDC", "16000.000001"),
        "accounts.careful.debt: found debt worth 16000.000001 USD, "
        "expected at most 16000 USD, the initial margin of its collateral at the opening prices",
    ),
    "debt below minimum": (
        change("accounts/careful/debt/USDC", "99.999999"),
        "accounts.careful.debt: found debt worth 99.999999 USD, "
        "expected at least 100 USD: min_debt_value and min_debt_per_asset for 2 assets",
    ),
    "debt below minimum per asset": (
        change("protocol/min_debt_per_asset", "4000"),
        "accounts.careful.debt: found debt worth 8000 USD, "
        "expected at least 8100 USD: min_debt_value and min_debt_per_asset for 2 assets",
    ),
    "eleven collaterals": (
        more_assets("collateral", "collateral", 10),
        "accounts.careful.collateral: found 11 assets, expected at most 10",
    ),
    "six debts": (more_assets("debt", "borrow", 5), "accounts.careful.debt: found 6 assets, expected at most 5"),
    "too many tokens": (
        change("accounts/careful/collateral/WETH", "100000000000001"),
        f"accounts.careful.collateral.WETH: found 100000000000001, expected {HELD}",
    ),
    "account as a list": (
        change("accounts/careful", ["WETH"]),
        "accounts.careful: found a list, expected a mapping with the keys owner, collateral, debt",
    ),
    "empty owner": (change("accounts/careful/owner", ""), f'accounts.careful.owner: found "", expected {NAME}'),
    # steps
    "steps as a mapping": (change("steps", {"wait": "1"}), "steps: found a mapping, expected a list of steps"),
    "two keys in a step": (
        step(wait="1", keeper={}),
        f"steps[0]: found 2 keys (wait, keeper), expected exactly one key of {STEPS}",
    ),
    "empty step": (step(), f"steps[0]: found 0 keys (none), expected exactly one key of {STEPS}"),
    "unknown step": (step(sleep="1"), f"steps[0].sleep: found an unknown key (with 1), expected one of {STEPS}"),
    "negative wait": (step(wait="-1"), f"steps[0].wait: found -1, expected {SECONDS}"),
    "broken wait": (step(wait="1.5"), f"steps[0].wait: found 1.5, expected {SECONDS}"),
    "no prices": (
        step(prices={}),
        "steps[0].prices: found an empty mapping, expected a mapping from assets to prices",
    ),
    "price of an unknown asset": (
        step(prices={"FOO": "1"}),
        f'steps[0].prices.FOO: found unknown asset "FOO", expected {ASSETS}',
    ),
    "price step finer than its feed": (
        step(prices={"WBTC": "1.000000001"}),
        "steps[0].prices.WBTC: found 1.000000001, expected a price with at most 8 decimals, as its feed has",
    ),
    "close-out of nobody": (
        step(close_out={"account": "nobody"}),
        'steps[0].close_out.account: found "nobody", expected the name of an account: one of careful, leveraged',
    ),
    "close-out without account": (
        step(close_out={}),
        f"steps[0].close_out.account: found nothing, expected {NAME}",
    ),
    "empty set": (
        step(close_out={"account": "careful", "collateral": []}),
        f"steps[0].close_out.collateral: found an empty list, expected {NO_SET}",
    ),
    "set that is a word": (
        step(close_out={"account": "careful", "debt": "USDC"}),
        f'steps[0].close_out.debt: found "USDC", expected {NO_SET}',
    ),
    "asset never held": (
        step(close_out={"account": "careful", "collateral": ["WBTC"]}),
        'steps[0].close_out.collateral: found "WBTC", expected an asset that the account has held by then: WETH',
    ),
    "asset held on the other side": (
        step(close_out={"account": "careful", "debt": ["WETH"]}),
        'steps[0].close_out.debt: found "WETH", expected an asset that the account has held by then: USDC',
    ),
    "asset deposited only later": (
        both(
            step(close_out={"account": "careful", "collateral": ["WBTC"]}),
            step(deposit={"account": "careful", "asset": "WBTC", "amount": "1"}),
        ),
        'steps[0].close_out.collateral: found "WBTC", expected an asset that the account has held by then: WETH',
    ),
    "asset named twice": (
        step(close_out={"account": "careful", "debt": ["USDC", "USDC"]}),
        'steps[0].close_out.debt: found "USDC", expected each asset once',
    ),
    "fill of 0": (
        step(close_out={"account": "careful", "fill": "0"}),
        "steps[0].close_out.fill: found 0, expected a fraction in (0, 1], with at most 18 decimals",
    ),
    "fill above 1": (
        step(close_out={"account": "careful", "fill": "1.01"}),
        "steps[0].close_out.fill: found 1.01, expected a fraction in (0, 1], with at most 18 decimals",
    ),
    "deposit of an unknown asset": (
        step(deposit={"account": "careful", "asset": "FOO", "amount": "1"}),
        f'steps[0].deposit.asset: found unknown asset "FOO", expected {ASSETS}',
    ),
    "deposit with too many digits": (
        step(deposit={"account": "leveraged", "asset": "WBTC", "amount": "0.000000001"}),
        "steps[0].deposit.amount: found 0.000000001, expected at most 8 decimals, as the token has",
    ),
    "negative withdrawal": (
        step(withdraw={"account": "careful", "asset": "WETH", "amount": "-1"}),
        f"steps[0].withdraw.amount: found -1, expected {AMOUNT}",
    ),
    "repayment without amount": (
        step(repay={"account": "careful", "asset": "USDC"}),
        f"steps[0].repay.amount: found nothing, expected {AMOUNT}",
    ),
    "margin call as a word": (
        step(margin_call="careful"),
        'steps[0].margin_call: found "careful", expected a mapping with the keys account',
    ),
    "keeper with a key": (
        step(keeper={"account": "careful"}),
        'steps[0].keeper.account: found an unknown key (with "careful"), expected no key',
    ),
    "feed of an unknown asset": (
        step(feed={"asset": "WETJ", "status": "stale"}),
        'steps[0].feed.asset: found unknown asset "WETJ", expected one of WETH, WBTC, USDC, GUSD',
    ),
    "feed with an unknown status": (
        step(feed={"asset": "WETH", "status": "slow"}),
        'steps[0].feed.status: found "slow", expected stale, dead or fresh',
    ),
    "feed without a status": (
        step(feed={"asset": "WETH"}),
        "steps[0].feed.status: found nothing, expected stale, dead or fresh",
    ),
    "feed with a price": (
        step(feed={"asset": "WETH", "status": "dead", "price": "5"}),
        "steps[0].feed.price: found an unknown key (with 5), expected one of asset, status",
    ),
    # price path
    "path without columns": (
        change("price_path", {"file": "prices.csv"}),
        "price_path.columns: found nothing, expected a mapping from assets to columns",
    ),
    "column of an unknown asset": (
        path_with(columns={"FOO": "eth"}),
        f'price_path.columns.FOO: found unknown asset "FOO", expected {ASSETS}',
    ),
    "unknown keeper": (
        path_with(keeper="sometimes"),
        'price_path.keeper: found "sometimes", expected each or none',
    ),
    "missing file": (
        path_with(file="gone.csv"),
        'price_path.file: found "gone.csv" (no such file), expected a readable CSV file',
    ),
    "missing column": (
        path_with(columns={"WETH": "ether"}),
        'price_path.columns.WETH: found no column "ether" in prices.csv, expected one of timestamp, eth, btc',
    ),
    "missing time column": (
        path_with(time="when"),
        'price_path.time: found no column "when" in prices.csv, expected one of timestamp, eth, btc',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_file__is_refused_in_one_line(case: str, tree: Tree, load: Callable[..., Scenario]) -> None:
    apply, expected = CASES[case]
    apply(tree)
    with pytest.raises(BadInput) as refusal:
        load(tree)
    assert str(refusal.value) == f"scenario.yaml: {expected}"
    assert refusal.value.exit_code == 2


def test_the_untouched_file__is_accepted(tree: Tree, load: Callable[..., Scenario]) -> None:
    assert load(tree).name == "test"


TEXTS = {
    "key twice": (
        "assets:\n  A: {price: 1}\n  A: {price: 2}\n",
        "scenario.yaml: assets.A: found the key a second time (line 3), expected each key once",
    ),
    "not YAML": (
        "assets: [1, 2\naccounts: {}\n",
        "scenario.yaml: line 2, column 9: found expected ',' or ']', but got ':', expected YAML",
    ),
    "two documents": ("a: 1\n---\nb: 2\n", "but found another document, expected YAML"),
    "a list": ("- 1\n", "expected a mapping with the keys name, protocol, assets"),
    "nothing": ("", "scenario.yaml: file: found nothing, expected a mapping with the keys"),
    "a tag": ("name: !!python/name:os.system x\n", "expected a plain value"),
    "a loop": ("name: &loop [*loop]\n", "found nesting without end, expected at most 32 levels"),
    "a key that is a list": ("[a, b]: 1\n", "found a list or mapping as a key, expected a name (line 1)"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_no_mapping__is_refused_in_one_line(case: str, load: Callable[..., Scenario]) -> None:
    text, expected = TEXTS[case]
    with pytest.raises(BadInput) as refusal:
        load(text)
    message = str(refusal.value)
    assert expected in message
    assert message.startswith("scenario.yaml: ")
    assert "\n" not in message


def test_a_missing_file__is_refused_in_one_line(load: Callable[..., Scenario]) -> None:
    from pathlib import Path

    from closeout.scenario import load_scenario

    with pytest.raises(BadInput, match=r"^gone\.yaml: found No such file or directory, expected a readable scenario"):
        load_scenario(Path("gone.yaml"))
