"""The target: when it can be reached, that a close-out ends at it, and that it takes no more than that.

C, B, W: collateral, debt and weighted collateral of the account; h: the target; t: the mean threshold `tau` of the
set; i: the incentive factor `1 + beta`. Specification, section 4; docs/liquidation.md, sections 5 and 7.
"""

from __future__ import annotations

import pytest
import z3

from tests.proofs.theorem import Theorem, reals

C, B, W, h, t, i, R, S = reals("C B W h t i R S")

# every listed basket: t (1 + maxBonus) <= 0.99, and the target is at least 1
ACCOUNT = {
    "there is collateral": C > 0,
    "there is debt": B > 0,
    "it counts for something": t > 0,
    "a penalty is no discount": i >= 1,
    "the listing rule": t * i < h,
    "below the target": h * B > W,
}
WHOLE = ACCOUNT | {"the set is the whole account": t * C == W}
R_STAR = (h * B - W) / (h - t * i)


def test_p5_whole_account__can_reach_its_target_exactly_where_collateral_exceeds_debt_and_penalty() -> None:
    """Some R < B within the collateral reaches it, if and only if C > (1 + beta) B; and that R is R*.

    The listing rule is not needed here: an account below its target that has more than debt and penalty obeys it by
    itself.
    """
    some = {"R is a repayment": z3.And(R >= 0, R < B), "the collateral suffices": i * R <= C}
    reached = W - t * i * R >= h * (B - R)
    only_if = Theorem(WHOLE | some | {"reached": reached}, C > i * B)
    only_if.prove()
    only_if.needs("the set is the whole account", "R is a repayment", "reached")

    if_ = Theorem(
        WHOLE | {"more than debt and penalty": C > i * B, "R is R*": R * (h - t * i) == h * B - W},
        z3.And(R > 0, R < B, i * R < C, W - t * i * R == h * (B - R)),
    )
    if_.prove()
    if_.needs("more than debt and penalty", "below the target", "the set is the whole account")


def test_p5_whole_account__with_collateral_that_just_covers_debt_and_penalty__ends_without_either() -> None:
    border = Theorem(
        WHOLE | {"just covers": C == i * B, "R is R*": R * (h - t * i) == h * B - W}, z3.And(R == B, i * R == C)
    )
    border.prove()
    border.needs("just covers", "the set is the whole account")


def test_p5_close_out__repaid_up_and_seized_down__ends_at_or_above_the_target() -> None:
    """Any set: what is repaid is at least R*, what is seized is at most its worth."""
    landing = Theorem(
        ACCOUNT
        | {
            "repaid up": R * (h - t * i) >= h * B - W,
            "seized down": S * (h - t * i) <= i * (h * B - W),
        },
        W - t * S >= h * (B - R),
    )
    landing.prove()
    landing.needs("repaid up", "seized down", "the listing rule")


def test_p5_close_out__repaid_and_seized_within_a_unit__overshoots_by_no_more_than_the_units() -> None:
    """r, s: what a unit of each debt and of each collateral is worth, in sum."""
    r, s = reals("r s")
    overshoot = Theorem(
        ACCOUNT
        | {
            "repaid within a unit": (R - r) * (h - t * i) <= h * B - W,
            "seized within a unit": (S + s) * (h - t * i) >= i * (h * B - W),
        },
        W - t * S <= h * (B - R) + t * s + h * r,
    )
    overshoot.prove()
    overshoot.needs("repaid within a unit", "seized within a unit", "the listing rule")


def test_p5_fractions__made_for_an_account_valued_down__bring_the_real_one_at_least_there() -> None:
    """docs/liquidation.md, section 7: collateral is valued down, debt up. x, y: the fractions of the set taken and
    repaid.
    """
    x, y, w, w_real, w_rest, b, b_real, b_rest, e = reals("x y w w_real w_rest b b_real b_rest e")
    valued = Theorem(
        {
            "no more than all is taken": x <= 1,
            "no more than all is repaid": y <= 1,
            "fractions": z3.And(x >= 0, y >= 0),
            "the target": h > 0,
            "the set, valued down": z3.And(w >= 0, w <= w_real),
            "the rest, valued down by e": z3.And(w_rest >= 0, e >= 0),
            "the set's debt, valued up": z3.And(b_real >= 0, b >= b_real),
            "the target as valued": w_rest + (1 - x) * w >= h * (b_rest + (1 - y) * b),
        },
        w_rest + e + (1 - x) * w_real >= h * (b_rest + (1 - y) * b_real),
    )
    valued.prove()
    valued.needs("no more than all is taken", "no more than all is repaid", "the set, valued down")


def test_p5_integer_steps__of_repaid_and_seized__err_to_the_side_the_theorem_asks_for() -> None:
    """Section 5: D_dn <= D <= D_up, R a quotient by the smaller rounded up, S by the larger rounded down twice."""
    N, D, D_dn, D_up, set_value, x = reals("N D D_dn D_up set_value x")
    steps = Theorem(
        {
            "N": N >= 0,
            "the set": set_value > 0,
            "factor": i >= 1,
            "D down": z3.And(D_dn > 0, D_dn <= D),
            "D up": D_up >= D,
            "repaid up": R * D_dn >= set_value * N,
            "first down": x * D_up <= set_value * N,
            "seized down": S <= x * i,
        },
        z3.And(R * D >= set_value * N, S * D <= i * set_value * N),
    )
    steps.prove()
    steps.needs("D down", "D up", "repaid up", "first down", "seized down")


def test_p6_close_out__with_one_unit_less_of_every_debt_and_one_more_of_every_collateral__misses_the_target() -> None:
    """x: exact shares in units, u: the units moved; two of each, weights and prices as one factor per token."""
    x1, x2, u1, u2, y1, y2, v1, v2, c1, c2, d1, d2 = reals("x1 x2 u1 u2 y1 y2 v1 v2 c1 c2 d1 d2")
    minimal = Theorem(
        {
            "tokens are worth something": z3.And(c1 > 0, c2 > 0, d1 > 0, d2 > 0, h > 0),
            "the exact shares reach the target": W - c1 * x1 - c2 * x2 == h * (B - d1 * y1 - d2 * y2),
            "seized down": z3.And(u1 <= x1, x1 < u1 + 1, u2 <= x2, x2 < u2 + 1),
            "repaid up": z3.And(v1 >= y1, y1 > v1 - 1, v2 >= y2, y2 > v2 - 1),
        },
        W - c1 * (u1 + 1) - c2 * (u2 + 1) < h * (B - d1 * (v1 - 1) - d2 * (v2 - 1)),
    )
    minimal.prove()
    minimal.needs("seized down", "repaid up", "the exact shares reach the target", "tokens are worth something")


def test_p4_close_out__of_an_admitted_set__never_lowers_the_health_factor() -> None:
    """tau (1 + beta) <= H = W / B: (W - tau (1 + beta) R) / (B - R) >= W / B."""
    admitted = Theorem(
        {
            "debt is left": z3.And(R >= 0, R < B),
            "admitted": t * i * B <= W,
        },
        (W - t * i * R) * B >= W * (B - R),
    )
    admitted.prove()
    admitted.needs("admitted")


def test_p4_whole_account__with_the_penalty_capped_at_what_it_has_beyond_its_debt__is_admitted() -> None:
    capped = Theorem(
        {"the set is the whole account": t * C == W, "weights": t >= 0, "debt": B > 0, "capped": i * B <= C},
        t * i * B <= W,
    )
    capped.prove()
    capped.needs("capped", "weights", "the set is the whole account")


def test_p4_capped_account__repaid_in_part__keeps_its_health_factor() -> None:
    kept = Theorem(
        {"the set is the whole account": t * C == W, "debt is left": z3.And(R >= 0, R < B), "capped": i * B == C},
        (W - t * i * R) * B == W * (B - R),
    )
    kept.prove()
    kept.needs("capped", "the set is the whole account")


def test_p4_vaults_own_bound__leaves_no_engine_more_than_its_slack() -> None:
    """CloseOutBounds: lost <= repaid W / B + slack, whatever the engine says."""
    lost, slack = reals("lost slack")
    bound = Theorem(
        {
            "debt is left": z3.And(R >= 0, R < B),
            "slack": slack >= 0,
            "the bound": lost * B <= R * W + slack * B,
        },
        (W - lost) * B >= W * (B - R) - slack * B,
    )
    bound.prove()
    bound.needs("the bound")


@pytest.mark.parametrize("gift", ["repayment", "deposit"])
def test_p20_gift__to_an_account_that_is_restored_to_its_target__never_raises_what_is_repaid_or_the_penalty(
    gift: str,
) -> None:
    """The same basket, less debt or more of the collateral: H is no lower, so the penalty rate is no higher."""
    g, i2, R2 = reals("g i2 R2")
    missing = h * (B - g) - W if gift == "repayment" else h * B - (W + t * g)
    theorem = Theorem(
        ACCOUNT
        | {
            "a gift": g >= 0,
            "still below the target": missing > 0,
            "the rate does not rise with health": z3.And(i2 >= 1, i2 <= i),
            "R is R*": R * (h - t * i) == h * B - W,
            "R2 is R* after it": R2 * (h - t * i2) == missing,
        },
        z3.And(R2 <= R, (i2 - 1) * R2 <= (i - 1) * R),
    )
    theorem.prove()
    theorem.needs("a gift", "the rate does not rise with health")
