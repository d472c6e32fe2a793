"""InterestMath: compound growth against exact fractions of e, and the two slopes at and around the kink."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor
from random import Random

import pytest

from tests.support.mathlib import Maths
from tests.support.world import wad

INDEX_ONE = 10**17
MAX_INDEX = 2**72 - 1
MAX_RATE = 2**32 - 1
YEAR = 31_536_000
CENTURY = 100 * YEAR


def exponential(x: Fraction) -> tuple[Fraction, Fraction]:
    """Bounds of e^x for x >= 0, 1e-40 of its size apart: a Taylor series of x / 2^k, squared k times."""
    halvings = max(0, int(x).bit_length() + 4)
    y = x / 2**halvings
    term = total = Fraction(1)
    for n in range(1, 60):
        term = term * y / n
        total += term
    low, high = total, total + 2 * term
    for _ in range(halvings):
        # 60 decimals are enough, and keep the fractions short
        low = Fraction(floor(low * low * 10**60), 10**60)
        high = Fraction(ceil(high * high * 10**60), 10**60)
    return low, high


def exponent(rate: int, elapsed: int) -> int:
    """WAD, as docs/liquidation.md has it."""
    return min(rate * 10**9 * elapsed // YEAR, 20 * wad(1))


def test_exponential__of_one__is_e():
    """The test's own yardstick."""
    low, high = exponential(Fraction(1))
    e = Fraction("2.71828182845904523536028747135266249775724709")
    assert abs(low - e) < Fraction(1, 10**40)
    assert abs(high - e) < Fraction(1, 10**40)


@pytest.mark.parametrize("seed", range(4))
def test_grow__of_any_rate_and_time__is_the_exponential_rounded_up_within_its_last_digits(maths: Maths, seed: int):
    random = Random(seed)
    cases = []
    for _ in range(100):
        index = random.randrange(INDEX_ONE, 10**20)
        rate = random.randrange(1, 2 ** random.randrange(1, 33))
        cases.append((index, rate, random.randrange(1, 2 ** random.randrange(1, 30))))
    for (index, rate, elapsed), grown in zip(cases, maths.grow(cases), strict=True):
        low, high = exponential(Fraction(exponent(rate, elapsed), 10**18))
        # expWad errs by less than 2 of its 18 decimals, relative; then one unit up
        slack = 1 + Fraction(2, 10**18)
        assert index <= grown <= MAX_INDEX
        assert grown >= min(MAX_INDEX, floor(index * low / slack))
        assert grown <= min(MAX_INDEX, ceil(index * high * slack) + 1)


def test_grow__of_no_rate_or_no_time__is_the_index_itself(maths: Maths):
    assert maths.grow([(INDEX_ONE, 0, CENTURY), (INDEX_ONE, MAX_RATE, 0), (123 * INDEX_ONE, 0, 0)]) == [
        INDEX_ONE,
        INDEX_ONE,
        123 * INDEX_ONE,
    ]


def test_grow__at_100_percent_for_a_year__is_e(maths: Maths):
    low, _ = exponential(Fraction(1))
    (grown,) = maths.grow([(INDEX_ONE, 10**9, YEAR)])
    assert floor(INDEX_ONE * low) <= grown <= ceil(INDEX_ONE * low) + 1


def test_t80_grow__for_a_century_at_the_highest_rate__saturates_and_stays_there(maths: Maths):
    assert (
        maths.grow([(INDEX_ONE, MAX_RATE, CENTURY), (MAX_INDEX, MAX_RATE, CENTURY), (MAX_INDEX, 1, 1)])
        == [MAX_INDEX] * 3
    )
    # 2^40 seconds is beyond what a timestamp of the Vault can hold
    assert maths.grow([(MAX_INDEX, MAX_RATE, 2**40)]) == [MAX_INDEX]


def test_grow__never_falls__and_never_skips_interest_however_short_the_time(maths: Maths):
    """A second at the smallest rate, 1e-7 % a year, and at 1 %: rounded up."""
    for rate in (1, 10**7):
        (grown,) = maths.grow([(INDEX_ONE, rate, 1)])
        assert grown - INDEX_ONE == ceil(Fraction(INDEX_ONE * rate, 10**9 * YEAR))


@pytest.mark.parametrize(("rate", "splits"), [(10**8, 12), (MAX_RATE, 50), (3 * 10**7, 365)])
def test_grow__in_n_pieces__equals_one_within_the_documented_bound(maths: Maths, rate: int, splits: int):
    """P14: n * (1e-17 + 2e-18) of the index."""
    whole = YEAR - YEAR % splits
    index = INDEX_ONE
    for _ in range(splits):
        (index,) = maths.grow([(index, rate, whole // splits)])
    (once,) = maths.grow([(INDEX_ONE, rate, whole)])
    assert abs(Fraction(index - once, once)) <= splits * Fraction(12, 10**18)


def test_kinked_rate__below_at_and_above_the_kink__follows_the_two_slopes(maths: Maths):
    base, slope1, slope2, kink = 10**7, 4 * 10**7, 75 * 10**7, wad("0.8")
    points = {
        0: base,
        wad("0.4"): base + slope1 // 2,
        kink - 1: base + slope1 - 1,
        kink: base + slope1,
        kink + 1: base + slope1,
        wad("0.9"): base + slope1 + slope2 // 2,
        wad(1): base + slope1 + slope2,
    }
    cases = [(utilisation, base, slope1, slope2, kink) for utilisation in points]
    assert maths.kinked_rate(cases) == list(points.values())


def test_kinked_rate__of_random_parameters__is_the_exact_line_rounded_down_and_never_falls(maths: Maths):
    random = Random(9)
    for _ in range(30):
        base, slope1, slope2 = (random.randrange(2 ** random.randrange(1, 31)) for _ in range(3))
        kink = random.choice([0, 1, wad(1) - 1, wad(1), random.randrange(wad(1))])
        used = sorted({0, kink, wad(1), *(random.randrange(wad(1) + 1) for _ in range(20))})
        rates = maths.kinked_rate([(u, base, slope1, slope2, kink) for u in used])
        assert rates == sorted(rates)
        for utilisation, rate in zip(used, rates, strict=True):
            if utilisation <= kink:
                exact = base + (Fraction(slope1 * utilisation, kink) if kink else 0)
            else:
                exact = base + slope1 + Fraction(slope2 * (utilisation - kink), wad(1) - kink)
            assert rate == min(MAX_RATE, floor(exact))


def test_kinked_rate__above_what_32_bits_hold__stops_there(maths: Maths):
    assert maths.kinked_rate([(wad(1), MAX_RATE, MAX_RATE, MAX_RATE, wad("0.5"))]) == [MAX_RATE]
