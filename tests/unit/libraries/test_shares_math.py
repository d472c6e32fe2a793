"""SharesMath: supply shares with a virtual part, each direction against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from random import Random

from tests.support.mathlib import Maths
from tests.unit.libraries.test_value_math import sized

VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1


def random_cases() -> list[tuple[int, int, int]]:
    random = Random(6)
    cases = [(sized(random, 112), sized(random, 112), sized(random, 140)) for _ in range(500)]
    return [*cases, (0, 0, 0), (1, 0, 0), (2**112 - 1, 0, 0), (1, 2**112 - 1, 0), (1, 0, 2**140)]


def test_shares__for_assets__are_the_exact_ones_rounded_as_the_name_says(maths: Maths):
    cases = random_cases()
    exact = [Fraction(a * (s + VIRTUAL_SHARES), t + VIRTUAL_ASSETS) for a, t, s in cases]
    assert maths.to_shares_down(cases) == [floor(shares) for shares in exact]
    assert maths.to_shares_up(cases) == [ceil(shares) for shares in exact]


def test_assets__for_shares__are_the_exact_ones_rounded_as_the_name_says(maths: Maths):
    cases = random_cases()
    exact = [Fraction(a * (t + VIRTUAL_ASSETS), s + VIRTUAL_SHARES) for a, t, s in cases]
    assert maths.to_assets_down(cases) == [floor(assets) for assets in exact]
    assert maths.to_assets_up(cases) == [ceil(assets) for assets in exact]


def test_first_supply__into_an_empty_market__gets_a_million_shares_per_unit(maths: Maths):
    assert maths.to_shares_down([(1, 0, 0), (10**6, 0, 0)]) == [10**6, 10**12]


def test_round_trip__in_and_out_at_once__never_gives_back_more(maths: Maths):
    random = Random(7)
    cases = [(1 + sized(random, 100), sized(random, 112), sized(random, 130)) for _ in range(300)]
    shares = maths.to_shares_down(cases)
    back = maths.to_assets_down([(s, t + a, n + s) for s, (a, t, n) in zip(shares, cases, strict=True)])
    assert all(assets <= a for assets, (a, _, _) in zip(back, cases, strict=True))
    costs = maths.to_assets_up([(s, t, n) for s, (_, t, n) in zip(shares, cases, strict=True)])
    assert all(cost <= a for cost, (a, _, _) in zip(costs, cases, strict=True))
