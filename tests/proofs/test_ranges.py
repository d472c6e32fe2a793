"""No product inside the stated ranges leaves 256 bits, and what is clamped stays between its ends.

Widths and largest figures are those of docs/liquidation.md, section 1, and of the code that relies on them; a last test
compares them with the sources, so that a changed width breaks its theorem and not only a comment.
"""

from __future__ import annotations

import re

import pytest
import z3

from closeout.toolchain.settings import ROOT
from tests.proofs.theorem import Theorem, reals

WORD = 2**256
AMOUNT, SHARES, INDEX, PRICE = 2**112, 2**112, 2**72, 10**30
LEGS = 15
COLLATERALS = 10
VALUE, WEIGHTED = 2**180, 2**194

a, b = reals("a b")

# each unchecked product: what is multiplied, in the ranges of its arguments
PRODUCTS = {
    "collateralValue: amount * 1e9, price": (AMOUNT * 10**9, PRICE),
    "debtValue: shares, index": (SHARES, INDEX),
    "toDebtSharesUp: assets, SHARE_SCALE": (AMOUNT, 10**19),
    "healthFactor: weighted, WAD_PER_BPS": (WEIGHTED * COLLATERALS, 10**14),
    "grow: rate * 1e9, elapsed": (2**32 * 10**9, 2**40),
    "grow: index, e^20": (INDEX, 485_165_195_409_790_277_969_106_831),
    "kinkedRate: slope, utilisation": (2**32, 10**18),
    "bonusFraction: WAD - health, WAD": (10**18, 10**18),
    "bonusFraction: steepness, x": (2**128, 10**18),
    "appraise: value, bps": (VALUE, 10**4),
    "requireMinimumDebt: minimum, RAY_PER_WAD": (2**128 * (LEGS + 1), 10**9),
    "requireInitialMargin: debt, BPS": (VALUE * LEGS, 10**4),
    "bucketUsed: refill, elapsed": (2**72, 2**40),
    "split: rate, WAD - fee share": (2**64, 10**18),
    "split: amount, rate": (AMOUNT, 2**64),
    "splitter: amount, weight": (2**120, 10**18),
    "regime: collateral, WAD": (VALUE * COLLATERALS, 10**18),
    "regime: debt, WAD + floor": (VALUE * LEGS, 2 * 10**18),
    # a solvent account owes no more than its collateral is worth
    "incentive: debt, WAD + rate": (VALUE * COLLATERALS, 12 * 10**17),
    "toTarget: target, debt": (2 * 10**18, VALUE * COLLATERALS),
    "toTarget: weighted, WAD_PER_BPS": (WEIGHTED * COLLATERALS, 10**14),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_section_1_product__of_figures_in_their_ranges__stays_in_256_bits(name: str) -> None:
    most_a, most_b = PRODUCTS[name]
    product = Theorem({"a": z3.And(a >= 0, a <= most_a), "b": z3.And(b >= 0, b <= most_b)}, a * b < z3.RealVal(WORD))
    product.prove()
    product.needs("a", "b")


def test_section_1_value__of_a_balance_in_its_range__has_180_bits() -> None:
    """amount < 2^112 of at most 1e14 whole tokens, price <= 1e12 USD: 1e14 * 1e12 USD in RAY."""
    assert 10**14 * 10**12 * 10**27 < VALUE
    assert VALUE * 10**4 <= WEIGHTED


def test_section_1_sums__of_fifteen_legs_in_their_ranges__stay_where_the_products_above_take_them() -> None:
    """What an appraisal adds up unchecked, leg by leg: value, and value times bps."""
    values = reals(" ".join(f"v{leg}" for leg in range(LEGS)))
    legs = {f"leg {leg}": z3.And(value >= 0, value <= VALUE) for leg, value in enumerate(values)}
    total = z3.Sum(values)
    for claim in (total <= VALUE * LEGS, z3.Sum(values[:COLLATERALS]) * 10**4 <= WEIGHTED * COLLATERALS):
        summed = Theorem(legs, claim, logic="QF_LRA")
        summed.prove()
        summed.needs("leg 0")
    assert VALUE * LEGS * 2 * 10**18 < WORD


def test_ranges__are_those_of_the_code() -> None:
    maths = (ROOT / "contracts/libraries/ValueMath.sol").read_text()
    interest = (ROOT / "contracts/libraries/InterestMath.sol").read_text()
    base = (ROOT / "contracts/vault/VaultBase.sol").read_text()
    assert "`amount` < 2^112, `priceWad` <= 1e30" in maths
    assert "MAX_INDEX = type(uint72).max" in interest
    assert "MAX_EXPONENT = 20e18" in interest
    assert re.findall(r"uint(\d+) (shares|index|accruedAt|ratePerYear);", base)[:4] == [
        ("112", "shares"),
        ("72", "index"),
        ("40", "accruedAt"),
        ("32", "ratePerYear"),
    ]


def test_p7_ramp__that_only_lowers_and_ends_in_time__runs_between_its_ends() -> None:
    """Configuration.thresholdBps: target + ceil((start - target) * left / duration)."""
    start, target, left, duration, threshold = reals("start target left duration threshold")
    ramp = Theorem(
        {
            "lowers": start >= target,
            "in force": z3.And(left > 0, left <= duration),
            "rounded up": z3.And(
                (threshold - target) * duration >= (start - target) * left,
                (threshold - 1 - target) * duration < (start - target) * left,
            ),
        },
        z3.And(threshold >= target, threshold < start + 1),
    )
    ramp.prove()
    ramp.needs("lowers", "in force", "rounded up")
    # and bps are whole
    whole, whole_start = z3.Ints("whole whole_start")
    Theorem({"below": whole < whole_start + 1}, whole <= whole_start, logic="QF_LIA").prove()
