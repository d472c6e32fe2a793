"""Shares, indices and the split of the penalty: what rounding in the stated direction guarantees.

Whole numbers are real numbers held between the bounds of their rounding. docs/liquidation.md, sections 1 and 6.
"""

from __future__ import annotations

import z3

from tests.proofs.theorem import Theorem, reals

# totals with the virtual part added: A = total assets + 1, T = total shares + 10^6
A, T, u, s, v = reals("A T u s v")
MARKET = {"a market": z3.And(A >= 1, T >= 1_000_000)}


def test_p10_supply__with_shares_rounded_down__never_lowers_what_a_share_is_worth() -> None:
    supply = Theorem(
        MARKET | {"assets": u >= 0, "shares down": z3.And(s >= 0, s * A <= u * T)}, (A + u) * T >= A * (T + s)
    )
    supply.prove()
    supply.needs("shares down")


def test_p10_withdrawal__with_shares_rounded_up__never_lowers_what_a_share_is_worth() -> None:
    withdrawal = Theorem(
        MARKET | {"assets": z3.And(u >= 0, u < A), "shares up": z3.And(s * A >= u * T, s < T)},
        (A - u) * T >= A * (T - s),
    )
    withdrawal.prove()
    withdrawal.needs("shares up")


def test_p2_supply_and_redeem__in_a_row__gives_back_no_more() -> None:
    there_and_back = Theorem(
        MARKET
        | {
            "assets": u >= 0,
            "shares down": z3.And(s >= 0, s * A <= u * T),
            "assets down": v * (T + s) <= s * (A + u),
        },
        v <= u,
    )
    there_and_back.prove()
    there_and_back.needs("shares down", "assets down")


def test_p2_mint_and_withdraw__in_a_row__costs_no_less() -> None:
    """Shares s are minted for u rounded up; to take u out again, no fewer than s shares are burnt."""
    burnt = z3.Real("burnt")
    back = Theorem(
        MARKET
        | {
            "shares": s >= 0,
            "assets up": u * T >= s * A,
            "shares up": burnt * (A + u) >= u * (T + s),
        },
        burnt >= s,
    )
    back.prove()
    back.needs("assets up", "shares up")


# a debt: shares s at an index, `x` = index / 10^19 units a share
x = z3.Real("x")


def test_p10_debt__borrowed_in_shares_rounded_up__is_worth_what_was_lent_and_less_than_a_share_more() -> None:
    borrowed = Theorem(
        {"index": x > 0, "units": u >= 0, "shares up": z3.And(s * x >= u, (s - 1) * x < u)},
        z3.And(s * x >= u, s * x < u + x),
    )
    borrowed.prove()
    borrowed.needs("shares up")


def test_p10_repayment__of_shares_rounded_down__takes_off_no_more_than_was_paid() -> None:
    repaid = Theorem(
        {"index": x > 0, "units": u >= 0, "shares down": z3.And(s * x <= u, (s + 1) * x > u)},
        z3.And(s * x <= u, s * x > u - x),
    )
    repaid.prove()
    repaid.needs("shares down")


def test_p2_borrow_and_repay__of_the_same_units__leaves_no_fewer_than_no_shares_and_at_most_two() -> None:
    """The borrower may keep a share or two of rounding, each a hundredth of a unit at index 1, never less than
    nothing.
    """
    burnt = z3.Real("burnt")
    left = Theorem(
        {
            "index": x > 0,
            "shares up": z3.And(s * x >= u, (s - 1) * x < u),
            "burnt down": z3.And(burnt * x <= u, (burnt + 1) * x > u),
        },
        z3.And(s - burnt >= 0, s - burnt < 2),
    )
    left.prove()
    left.needs("shares up", "burnt down")


def test_section_4_close_out__with_repaid_up_from_shares_up__burns_no_fewer_shares_than_were_due() -> None:
    """Section 6: burn = up, repaid = up of it, shares burnt = down of that: no fewer than `burn`, worth no more than
    repaid.
    """
    burn, burnt = reals("burn burnt")
    due = Theorem(
        {
            "index": x > 0,
            "repaid up": u >= burn * x,
            "burnt down": z3.And(burnt * x <= u, (burnt + 1) * x > u),
        },
        z3.And(burnt > burn - 1, burnt * x <= u),
    )
    due.prove()
    due.needs("repaid up", "burnt down")
    # and shares are whole
    whole, whole_burnt = z3.Ints("whole whole_burnt")
    Theorem({"due": whole_burnt > whole - 1}, whole_burnt >= whole, logic="QF_LIA").prove()


def test_p10_index__grown_by_a_factor_of_at_least_one_and_rounded_up__never_falls() -> None:
    before, factor, after = reals("before factor after")
    grown = Theorem({"index": before > 0, "growth": factor >= 1, "up": after >= before * factor}, after >= before)
    grown.prove()
    grown.needs("growth", "up")


# the penalty: beta, its floor f, the protocol's share of it, lambda the liquidator's rate
beta, f, share, lam, seized, to_protocol, R = reals("beta f share lam seized to_protocol R")
PENALTY = {
    "rates": z3.And(f >= 0, beta >= f, share >= 0, share <= 1),
    "at least the floor": lam >= f,
    "at least its part": lam >= beta * (1 - share),
    "no more than all": lam <= beta,
    "the protocol's, down": z3.And(to_protocol >= 0, to_protocol * (1 + beta) <= seized * (beta - lam)),
}


def test_p13_liquidators_rate__by_its_formula__is_what_the_theorems_below_assume() -> None:
    """CloseOutUnits._split: his part rounded up, at least the floor, at most all."""
    part = z3.Real("part")
    wanted = z3.If(part > f, part, f)
    rate = Theorem(
        {
            "a penalty is at least the floor": z3.And(f >= 0, beta >= f),
            "part up": part >= beta * (1 - share),
            "share": z3.And(share >= 0, share <= 1),
            "the rate": lam == z3.If(wanted > beta, beta, wanted),
        },
        z3.And(lam >= f, lam >= beta * (1 - share), lam <= beta),
    )
    rate.prove()
    rate.needs("a penalty is at least the floor", "part up", "the rate")


def test_p13_penalty_split__adds_up_and_leaves_the_protocol_no_more_than_its_share() -> None:
    split = Theorem(
        PENALTY | {"something is seized": seized >= 0},
        z3.And(to_protocol <= seized, to_protocol * (1 + beta) <= seized * beta * share),
    )
    split.prove()
    split.needs("at least its part", "the protocol's, down")


def test_p13_splitter__of_any_weights__pays_out_all_and_each_within_its_rounding() -> None:
    """PenaltySplitter.split: treasury and burn down, the rest is the fund's: under two units above its share."""
    amount, to_fund, to_treasury, to_burn = reals("amount to_fund to_treasury to_burn")
    treasury, burn = reals("treasury burn")
    paid = Theorem(
        {
            "weights add up": z3.And(treasury >= 0, burn >= 0, treasury + burn <= 1),
            "something came in": amount >= 0,
            "treasury down": z3.And(to_treasury <= amount * treasury, to_treasury + 1 > amount * treasury),
            "burn down": z3.And(to_burn <= amount * burn, to_burn + 1 > amount * burn),
            "the rest": to_fund == amount - to_treasury - to_burn,
        },
        z3.And(
            to_fund >= amount * (1 - treasury - burn),
            to_fund < amount * (1 - treasury - burn) + 2,
            # nothing is taken off that is not there
            to_treasury + to_burn <= amount,
        ),
    )
    paid.prove()
    paid.needs("weights add up", "treasury down", "burn down", "the rest")


def test_p19_liquidator__after_the_protocols_part__gets_at_least_the_floor_on_what_he_repaid() -> None:
    earns = Theorem(
        PENALTY | {"seized for R": seized == (1 + beta) * R, "R": R >= 0}, seized - to_protocol >= (1 + f) * R
    )
    earns.prove()
    earns.needs("at least the floor", "the protocol's, down")


def test_p13_seized__within_the_plan__is_within_the_mean_of_the_largest_bonuses() -> None:
    """beta <= the mean of maxBonus over the set, M_S / C_S, or the floor, which listing keeps at or below every
    maxBonus.
    """
    value, bonus = reals("value bonus")
    mean = Theorem(
        {
            "set": value > 0,
            "beta": z3.Or(beta * value <= bonus, beta == f),
            "every maxBonus is at least the floor": bonus >= f * value,
            "R": R >= 0,
            "seized down": seized <= (1 + beta) * R,
        },
        seized * value <= (value + bonus) * R,
    )
    mean.prove()
    mean.needs("every maxBonus is at least the floor", "beta", "seized down")
