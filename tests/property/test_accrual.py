"""P14: interest accrued often is interest accrued once, within the stated bound, by ordinary transactions."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest

from closeout.chain.parameters import BorrowParameters
from closeout.units import RATE, SECONDS_PER_YEAR
from tests.differential.pairs import Pair
from tests.differential.plays import ACCOUNTS, START, Move, Step
from tests.differential.settings import SETTINGS, Setting
from tests.differential.sizes import seeded, sized
from tests.property.looks import look_at
from tests.support.node import Node

COUNT = sized(12)
LENT = 6
"""The dollar with 18 decimals: lent only."""

WINDOW = 150 * 86_400
ACCOUNT_ASSET = 0


def setting_with_rate(rate: int) -> Setting:
    """One rate whatever the utilisation, so that an action between does not change it."""
    plain = SETTINGS[0]
    lent = replace(plain.assets[LENT].borrowing, base=rate, slope1=0, slope2=0)
    assert isinstance(lent, BorrowParameters)
    assets = [replace(asset, borrowing=lent) if n == LENT else asset for n, asset in enumerate(plain.assets)]
    return Setting(f"rate {rate}", plain.parameters, tuple(assets))


def test_p14_many_accruals_are_one_within_the_bound(node: Node) -> None:
    for rate in (RATE // 100, RATE // 4, 4 * RATE):
        pair = Pair.of(setting_with_rate(rate), node)
        for number in range(COUNT):
            random = seeded(f"accrual {rate}", number)
            touches = random.choice((1, 10, 60, random.randint(1, 60)))
            often, once = index_after(pair, random, touches), index_after(pair, random, 0)
            assert once > 10**17
            assert is_within_the_bound(often, once, touches + 1), (often, once, touches)


def is_within_the_bound(often: int, once: int, accruals: int) -> bool:
    """`n (1e-17 + 2e-18)` of the index: docs/liquidation.md, section 1."""
    bound = Fraction(accruals * 12, 10**18)
    return abs(often - once) <= bound * max(often, once)


def test_p14_interest_that_is_not_compounded__is_caught(node: Node) -> None:
    pair = Pair.of(setting_with_rate(RATE // 4), node)
    once = index_after(pair, Random(1), 0)
    linear = 10**17 + 10**17 * (RATE // 4) * WINDOW // (RATE * SECONDS_PER_YEAR)
    assert not is_within_the_bound(linear, once, 100)


def index_after(pair: Pair, random: Random, touches: int) -> int:
    """The index after a window in which somebody supplies a unit so many times."""
    times = sorted(random.sample(range(1, WINDOW), touches))
    account = ACCOUNTS[0]
    steps = [
        _step(0, "prices", "governor", "publish", (1, tuple(asset.price_wad for asset in pair.setting.assets))),
        _step(0, "supply", "lender", "supply", (LENT, 10**24, "lender")),
        _step(0, "deposit", "borrower", "depositCollateral", (account, ACCOUNT_ASSET, 10**21)),
        _step(0, "borrow", "borrower", "borrow", (account, LENT, 5 * 10**23, "borrower")),
        *(_step(time, "supply", "lender", "supply", (LENT, 10**6, "lender")) for time in times),
        _step(WINDOW, "margin call", "lender", "marginCall", (account,)),
    ]
    said = pair.witnessed(steps)
    assert all(one.answer.is_done for one in said[: 4 + touches])
    look = look_at(said[-1].words, tuple(asset.price_wad for asset in pair.setting.assets))
    return look.assets[LENT].index


def _step(time: int, name: str, caller: str, function: str, arguments: tuple[object, ...]) -> Step:
    return Step(START + time, Move(name, caller, function, arguments, lambda _: None), None, None)


@pytest.mark.parametrize("touches", [0, 5])
def test_accrual__of_a_rate_of_one_hundred_per_cent__is_the_exponential(node: Node, touches: int) -> None:
    pair = Pair.of(setting_with_rate(RATE), node)
    index = index_after(pair, Random(2), touches)
    x = Fraction(WINDOW, SECONDS_PER_YEAR)
    terms, power, factorial = Fraction(0), Fraction(1), 1
    for n in range(30):
        terms += power / factorial
        power, factorial = power * x, factorial * (n + 1)
    assert abs(Fraction(index, 10**17) - terms) < Fraction(1, 10**15)
