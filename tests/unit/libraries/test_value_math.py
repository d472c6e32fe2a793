"""ValueMath: each function against its formula in exact fractions, at its edges and at random."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from random import Random

import pytest

from tests.support.mathlib import Maths, reverts_with_panic
from tests.support.node import reverts
from tests.support.world import NO_DEBT, wad

INDEX_ONE = 10**17
MAX_INDEX = 2**72 - 1
MOST_UNITS = 2**112 - 1
MOST_PRICE = 10**30
DECIMALS = (0, 2, 6, 8, 18, 27)


def sized(random: Random, bits: int) -> int:
    """A number of any length up to so many bits."""
    return random.randrange(2 ** random.randrange(1, bits + 1))


def test_t64_collateral_value__of_any_decimals__is_the_exact_value_rounded_down(maths: Maths):
    random = Random(1)
    cases = [(sized(random, 112), min(MOST_PRICE, sized(random, 100)), random.choice(DECIMALS)) for _ in range(500)]
    cases += [(a, p, d) for a in (0, 1, MOST_UNITS) for p in (1, 10**6, wad(1), MOST_PRICE) for d in DECIMALS]
    for (amount, price, decimals), value in zip(cases, maths.collateral_value(cases), strict=True):
        # RAY per unit: price / 10^18 * 10^27 / 10^decimals
        assert value == floor(Fraction(amount * price * 10**9, 10**decimals))


def test_t64_debt_value__of_any_decimals__is_the_exact_value_rounded_up(maths: Maths):
    random = Random(2)
    cases = [
        (
            sized(random, 112),
            random.choice([INDEX_ONE, MAX_INDEX, random.randrange(INDEX_ONE, MAX_INDEX)]),
            min(MOST_PRICE, 1 + sized(random, 100)),
            random.choice(DECIMALS),
        )
        for _ in range(500)
    ]
    for (shares, index, price, decimals), value in zip(cases, maths.debt_value(cases), strict=True):
        units = Fraction(shares * index, 100 * INDEX_ONE)
        assert value == ceil(units * price * 10**9 / 10**decimals)


def test_debt_value__of_whole_units_at_index_one__is_what_the_same_units_of_collateral_are_worth(maths: Maths):
    cases = [(units, 3 * wad(1) // 7, decimals) for units in (1, 10**6, 10**27) for decimals in (0, 6)]
    debts = maths.debt_value([(100 * units, INDEX_ONE, price, decimals) for units, price, decimals in cases])
    assert debts == maths.collateral_value(cases)


def test_t17_health_factor__of_any_sums__is_never_above_the_exact_one_and_less_than_a_wad_unit_below(maths: Maths):
    random = Random(3)
    cases = [(sized(random, 194), 1 + sized(random, 180)) for _ in range(500)]
    for (weighted, debt), health in zip(cases, maths.health_factor(cases), strict=True):
        exact = Fraction(weighted, 10**4) / debt
        assert health <= exact * 10**18 < health + 1


def test_t15_health_factor__with_more_collateral_or_less_debt__is_never_lower(maths: Maths):
    """Rounded up or half up, a health factor called accounts healthy that were not."""
    random = Random(15)
    cases = [(sized(random, 190), 2 + sized(random, 170)) for _ in range(500)]
    steps = [(random.choice((0, 1, sized(random, 190))), random.choice((0, 1))) for _ in cases]
    better = [(weighted + more, debt - less) for (weighted, debt), (more, less) in zip(cases, steps, strict=True)]
    pairs = zip(maths.health_factor(cases), maths.health_factor(better), strict=True)
    assert all(before <= after for before, after in pairs)


def test_health_factor__without_debt__is_the_largest_number(maths: Maths):
    assert maths.health_factor([(0, 0), (10**40, 0)]) == [NO_DEBT, NO_DEBT]


def test_debt_conversions__of_any_index__round_against_the_borrower_and_never_twice(maths: Maths):
    random = Random(4)
    cases = [
        (sized(random, 105), random.choice([INDEX_ONE, MAX_INDEX, random.randrange(INDEX_ONE, MAX_INDEX)]))
        for _ in range(500)
    ]
    scale = 100 * INDEX_ONE
    exact_units = [Fraction(shares * index, scale) for shares, index in cases]
    assert maths.to_debt_up(cases) == [ceil(units) for units in exact_units]
    assert maths.to_debt_down(cases) == [floor(units) for units in exact_units]
    exact_shares = [Fraction(units * scale, index) for units, index in cases]
    assert maths.to_debt_shares_up(cases) == [ceil(shares) for shares in exact_shares]
    assert maths.to_debt_shares_down(cases) == [floor(shares) for shares in exact_shares]


def test_p19_debt_part__of_any_debt__is_the_exact_part_rounded_to_a_unit_once(maths: Maths):
    random = Random(19)
    cases = []
    for _ in range(500):
        whole = 1 + sized(random, 240)
        index = random.choice([INDEX_ONE, MAX_INDEX, random.randrange(INDEX_ONE, MAX_INDEX)])
        cases.append((sized(random, 112), index, random.choice([whole, random.randrange(whole + 1)]), whole))
    exact = [Fraction(shares * index * part, 100 * INDEX_ONE * whole) for shares, index, part, whole in cases]
    assert maths.debt_part_up(cases) == [ceil(units) for units in exact]
    assert maths.debt_part_down(cases) == [floor(units) for units in exact]


def test_debt_shares__for_tokens_paid__are_never_fewer_than_the_shares_that_were_to_be_burnt(maths: Maths):
    """Repaid is rounded up from a number of shares; the shares burnt for it are rounded down from that."""
    random = Random(5)
    cases = [(1 + sized(random, 105), random.randrange(INDEX_ONE, MAX_INDEX)) for _ in range(500)]
    paid = maths.to_debt_up(cases)
    burnt = maths.to_debt_shares_down([(units, index) for units, (_, index) in zip(paid, cases, strict=True)])
    assert all(shares >= wanted for shares, (wanted, _) in zip(burnt, cases, strict=True))


@pytest.mark.parametrize("units", [1, 10**6, 2**105])
def test_debt__borrowed_and_repaid_at_index_one__is_exact_in_units(maths: Maths, units: int):
    assert maths.to_debt_shares_up([(units, INDEX_ONE)]) == [100 * units]
    assert maths.to_debt_up([(100 * units, INDEX_ONE)]) == [units]


def test_t79_debt_value__beyond_256_bits__reverts_instead_of_wrapping(maths: Maths):
    assert maths.debt_value([(2**128, 2**128 - 1, 1, 0)]) == [ceil(Fraction(2**128 * (2**128 - 1), 10**10))]
    with reverts_with_panic(0x11):
        maths.debt_value([(2**128, 2**128, 1, 0)])
    with reverts("FullMulDivFailed"):
        maths.debt_value([(2**128, 2**127, 10**30, 0)])
