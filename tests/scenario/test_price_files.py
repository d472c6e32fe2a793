"""A price history: every gap and every non-number is refused by file, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from closeout.errors import BadInput
from closeout.scenario import BadFile, Scenario, load_scenario
from closeout.scenario.world import PricePath

Tree = dict[str, Any]
Load = Callable[..., Scenario]

HEADER = "timestamp,eth,btc\n"
FIRST = "2021-05-19T00:00:00Z,2000,30000\n"
PRICE = "a price in USD in (0, 1000000000000], with at most 18 decimals"
TIME = "a time in ISO 8601 UTC or whole unix seconds"

CASES = {
    "empty file": ("", 'scenario.yaml: price_path.time: found no column "timestamp" in prices.csv, expected a header'),
    "no rows": (HEADER, "prices.csv: found no rows, expected at least one row of prices below the header"),
    "blank cell": (
        f"{HEADER}{FIRST}2021-05-19T00:01:00Z,,30000\n",
        f"row 2, column eth: found nothing, expected {PRICE}",
    ),
    "word": (f"{HEADER}{FIRST}2021-05-19T00:01:00Z,n/a,30000\n", f'row 2, column eth: found "n/a", expected {PRICE}'),
    "nan": (f"{HEADER}2021-05-19T00:01:00Z,NaN,30000\n", f'row 1, column eth: found "NaN", expected {PRICE}'),
    "price of 0": (f"{HEADER}2021-05-19T00:01:00Z,0,30000\n", f"row 1, column eth: found 0, expected {PRICE}"),
    "negative": (f"{HEADER}2021-05-19T00:01:00Z,-1,30000\n", f"row 1, column eth: found -1, expected {PRICE}"),
    "finer than its feed": (
        f"{HEADER}2021-05-19T00:01:00Z,1,30000.000000001\n",
        "row 1, column btc: found 30000.000000001, "
        "expected a price in USD in (0, 1000000000000], with at most 8 decimals",
    ),
    "short row": (f"{HEADER}2021-05-19T00:01:00Z,1\n", "row 1: found 2 cells, expected 3, as in the header"),
    "long row": (f"{HEADER}2021-05-19T00:01:00Z,1,2,3\n", "row 1: found 4 cells, expected 3, as in the header"),
    "empty row": (
        f"{HEADER}{FIRST}\n2021-05-19T00:01:00Z,1,2\n",
        "row 2: found an empty row, expected prices without a gap",
    ),
    "row of commas": (f"{HEADER}{FIRST},,\n", f"row 2, column timestamp: found nothing, expected {TIME}"),
    "time that is none": (f"{HEADER}yesterday,1,2\n", f'row 1, column timestamp: found "yesterday", expected {TIME}'),
    "time in milliseconds": (
        f"{HEADER}1621382400000,1,2\n",
        f"row 1, column timestamp: found 1621382400000, expected {TIME}",
    ),
    "half a second": (
        f"{HEADER}2021-05-19T00:00:00.5Z,1,2\n",
        f'row 1, column timestamp: found "2021-05-19T00:00:00.5Z", expected {TIME}',
    ),
    "same time twice": (
        f"{HEADER}{FIRST}{FIRST}",
        'row 2, column timestamp: found "2021-05-19T00:00:00Z", expected a time after that of the row above',
    ),
    "going back": (
        f"{HEADER}{FIRST}2021-05-18T23:59:00Z,1,2\n",
        'row 2, column timestamp: found "2021-05-18T23:59:00Z", expected a time after that of the row above',
    ),
    "column twice": (
        f"timestamp,eth,eth,btc\n{FIRST}",
        "price_path.columns.WETH: found 2 columns eth in prices.csv, expected one of timestamp, eth, eth, btc",
    ),
    "broken quotes": (f'{HEADER}"2021-05-19T00:00:00Z"x,1,2\n', "expected a CSV file"),
}


@pytest.fixture
def with_path(tree: Tree) -> Tree:
    """A scenario that replays prices.csv."""
    tree["price_path"] = {"file": "prices.csv", "columns": {"WETH": "eth", "WBTC": "btc"}}
    return tree


def path_of(scenario: Scenario) -> PricePath:
    """The price path of a scenario that has one."""
    assert scenario.price_path is not None
    return scenario.price_path


@pytest.mark.parametrize("case", CASES)
def test_a_bad_price_file__is_refused_in_one_line(case: str, with_path: Tree, load: Load) -> None:
    prices, expected = CASES[case]
    with pytest.raises(BadInput) as refusal:
        load(with_path, prices)
    message = str(refusal.value)
    assert message.startswith(("prices.csv: ", "scenario.yaml: price_path."))
    assert expected in message
    assert "\n" not in message


def test_a_price_file_of_other_bytes__is_refused(with_path: Tree, load: Load) -> None:
    load(with_path)
    Path("prices.csv").write_bytes(b"timestamp,eth,btc\n\xff\xfe")
    with pytest.raises(BadFile, match=r"^prices\.csv: found bytes that are not UTF-8, expected a CSV file$"):
        load_scenario(Path("scenario.yaml"))


@pytest.mark.parametrize(
    "first",
    [
        "2021-05-19T00:00:00Z",
        "2021-05-19T00:00:00+00:00",
        "2021-05-19 00:00:00",
        "2021-05-19T02:00:00+02:00",
        "1621382400",
    ],
)
def test_iso_and_unix_times__mean_the_same(first: str, with_path: Tree, load: Load) -> None:
    assert path_of(load(with_path, f"{HEADER}{first},1,2\n")).times == (1_621_382_400,)


def test_prices__are_exact_to_the_last_of_18_decimals(with_path: Tree, load: Load) -> None:
    path = path_of(load(with_path, f"{HEADER}1,1999.999999999999999999,30000.00000001\n"))
    assert path.rows == ((1_999_999_999_999_999_999_999, 30_000_000_000_010_000_000_000),)


def test_a_byte_order_mark_and_empty_last_lines__do_not_matter(with_path: Tree, load: Load) -> None:
    assert len(path_of(load(with_path, f"\ufeff{HEADER}{FIRST}\n\n")).rows) == 1


def test_a_price_file_named_on_the_command_line__stands_for_the_one_in_the_scenario(
    with_path: Tree, load: Load, tmp_path: Path
) -> None:
    load(with_path)
    Path("other").mkdir()
    Path("other/real.csv").write_text(f"{HEADER}5,1,2\n6,1,2\n", encoding="utf-8")
    scenario = load_scenario(Path("scenario.yaml"), Path("other/real.csv"))
    assert path_of(scenario).times == (5, 6)
    assert path_of(scenario).source == "real.csv"


def test_a_price_file_for_a_scenario_without_a_path__is_refused(tree: Tree, load: Load) -> None:
    load(tree)
    with pytest.raises(BadFile, match=r"price_path: found nothing, expected columns for the price file"):
        load_scenario(Path("scenario.yaml"), Path("prices.csv"))
