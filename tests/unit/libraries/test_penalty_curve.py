"""PenaltyCurve: the part of the largest bonus that is due, against the specification's formula."""

from __future__ import annotations

from decimal import Decimal, localcontext
from random import Random

import pytest

from tests.support.mathlib import Maths
from tests.support.world import wad

ETA = wad("0.9")
M = wad("0.2")


def exact(health: int, fraction: int, eta: int, steepness: int) -> Decimal:
    """s(H) of section 3 in 60 decimals, 1 = 1."""
    with localcontext() as context:
        context.prec = 60
        one = Decimal(1)
        h, m, n, k = (Decimal(value) / 10**18 for value in (health, fraction, eta, steepness))
        x = min(one, max(Decimal(0), (one - h) / (one - n)))
        g = x if k == 0 else (one - (-k * x).exp()) / (one - (-k).exp())
        return m + (one - m) * g


def test_bonus_fraction__of_a_straight_line__at_points_worked_out_by_hand(maths: Maths):
    points = {
        wad("1.5"): M,
        wad(1): M,
        # half way from 1 to 0.9
        wad("0.95"): wad("0.6"),
        ETA + 1: wad(1) - 8,  # x = 1 - 1e-17, times 0.8
        ETA: wad(1),
        ETA - 1: wad(1),
        0: wad(1),
    }
    assert maths.bonus_fraction([(h, M, ETA, 0) for h in points]) == list(points.values())


def test_bonus_fraction__of_the_worked_example__is_the_documents(maths: Maths):
    assert maths.bonus_fraction([(979_591_836_734_693_877, M, ETA, 0)]) == [363_265_306_122_448_984]


@pytest.mark.parametrize("steepness", ["0", "0.01", "1", "5", "20"])
@pytest.mark.parametrize("eta", ["0.5", "0.9", "0.99"])
def test_bonus_fraction__of_any_steepness__is_the_formula_rounded_down(maths: Maths, steepness: str, eta: str):
    random = Random(f"{steepness} {eta}")
    healths = [0, wad(eta), wad(1) - 1, wad(1), *(random.randrange(wad("1.01")) for _ in range(60))]
    fractions = [0, M, wad(1)]
    cases = [(health, fraction, wad(eta), wad(steepness)) for health in healths for fraction in fractions]
    # for a flat curve both differences lose what 1 - exp(-0.01) has fewer digits: a hundredfold of the last one
    slack = Decimal(250) if steepness == "0.01" else Decimal(8)
    slack *= 1 if steepness != "0" else Decimal("0.25")
    for case, got in zip(cases, maths.bonus_fraction(cases), strict=True):
        assert abs(got - exact(*case) * 10**18) <= slack, case


@pytest.mark.parametrize("steepness", ["0", "0.01", "3", "20"])
def test_bonus_fraction__never_falls_as_health_falls__and_stays_between_its_ends(maths: Maths, steepness: str):
    random = Random(steepness)
    healths = sorted((random.randrange(wad("0.85"), wad("1.05")) for _ in range(300)), reverse=True)
    results = maths.bonus_fraction([(health, M, ETA, wad(steepness)) for health in healths])
    assert results == sorted(results)
    assert results[0] == M
    assert results[-1] == wad(1)


@pytest.mark.parametrize("fraction", [0, wad("0.5"), wad(1)])
def test_bonus_fraction__at_its_ends__is_exact_for_every_steepness(maths: Maths, fraction: int):
    for steepness in ("0", "0.01", "1", "20"):
        assert maths.bonus_fraction(
            [(wad(1), fraction, ETA, wad(steepness)), (ETA, fraction, ETA, wad(steepness))]
        ) == [
            fraction,
            wad(1),
        ]
