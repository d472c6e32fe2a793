"""Under water: pro rata over all debts, whatever the fills, sets, order and callers; and nothing is written off above
it.

f: the bonus floor. Specification, section 4 (terminal) and section 6; P12 and P21.
"""

from __future__ import annotations

import z3

from tests.proofs.theorem import Theorem, reals

C, B, f, S, E, R, C_S, B_S, x = reals("C B f S E R C_S B_S x")

FILL = {
    "collateral and debt": z3.And(C > 0, B > 0),
    "floor": f >= 0,
    "sets": z3.And(C_S > 0, C_S <= C, B_S > 0, B_S <= B),
    "a fill": z3.And(x > 0, x <= 1),
    "S is the debts' part of the collateral": S * B == x * z3.If(C_S * B <= C * B_S, C_S * B, C * B_S),
    "E in proportion": E * C == S * B,
    "R pays the floor": R * (1 + f) == S,
}


def test_p21_terminal_fill__leaves_the_ratio_of_collateral_to_debt_as_it_is() -> None:
    """So the next fill, of whatever set, by whomever, is at the same rate: the order does not matter."""
    kept = Theorem(FILL, (C - S) * B == C * (B - E))
    kept.prove()
    kept.needs("E in proportion")


def test_p21_terminal_fill__of_any_sets__stays_within_them() -> None:
    within = Theorem(FILL, z3.And(S > 0, S <= C_S, E > 0, E <= B_S))
    within.prove()
    within.needs("S is the debts' part of the collateral", "a fill", "E in proportion")


def test_p21_two_fills__of_any_sets_in_any_order__pay_each_debt_the_same_rate() -> None:
    """Debts j = 1, 2, of which e_jk is extinguished by fill k: repaid per unit of it is C / ((1 + f) B), always."""
    E2, S2, R2, e11, e21, e12, e22 = reals("E2 S2 R2 e11 e21 e12 e22")
    second = {
        "the first fill's parts": z3.And(e11 >= 0, e21 >= 0, e11 + e21 == E),
        "the second fill's parts": z3.And(e12 >= 0, e22 >= 0, e12 + e22 == E2),
        "debt is left": E < B,
        "E2 in proportion": E2 * (C - S) == S2 * (B - E),
        "R2 pays the floor": R2 * (1 + f) == S2,
        "something is taken": z3.And(S2 > 0, E2 > 0),
    }
    # a leg's repayment is its part of what the fill extinguishes: e_jk R_k / E_k
    first_debt = e11 * R / E + e12 * R2 / E2
    rate = Theorem(FILL | second, first_debt * (1 + f) * B == (e11 + e12) * C)
    rate.prove()
    rate.needs("E in proportion", "E2 in proportion", "R2 pays the floor")


def test_p12_bad_debt__is_there_exactly_below_the_terminal_border() -> None:
    below = Theorem(FILL | {"terminal": C < (1 + f) * B}, E > R)
    below.prove()
    below.needs("terminal")
    above = Theorem(FILL | {"not terminal": C >= (1 + f) * B}, E <= R)
    above.prove()
    above.needs("not terminal")


def test_p12_bad_debt__in_total__is_what_the_collateral_does_not_pay() -> None:
    """All fills together: the lenders lose B - C / (1 + f), no more (threat 28)."""
    total = Theorem(
        FILL | {"all of it": z3.And(C_S == C, B_S == B, x == 1)},
        z3.And(E == B, S == C, (E - R) * (1 + f) == B * (1 + f) - C),
    )
    total.prove()
    total.needs("all of it", "R pays the floor")


def test_p12_vaults_own_bound__lets_no_engine_extinguish_more_than_in_proportion() -> None:
    """CloseOutBounds in the terminal regime: E <= (S + 2) B / C + 2 units of 1e-27 USD, so C / B falls by no more than
    that.
    """
    slack = z3.Real("slack")
    bound = Theorem(
        {"debt": z3.And(B > 0, C > 0, C <= B * (1 + f), f >= 0, f <= 1), "slack": slack >= 0}
        | {"no more extinguished": E * C <= (S + slack) * B + slack * C},
        (C - S) * B <= C * (B - E) + slack * (B + C),
    )
    bound.prove()
    bound.needs("no more extinguished")
