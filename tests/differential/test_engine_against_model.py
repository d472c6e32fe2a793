"""LiquidationEngine against the reference model, to the unit, and both against the specification in exact fractions.

Thousands of random accounts: every regime and both sides of every border, sets, fills, dust, size buckets, backstop,
steep curves, prices degraded and missing, owners who opted in.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, fields
from enum import IntEnum
from fractions import Fraction

import pytest

from closeout.model import ModelRevert, Payment, Plan, Regime, Snapshot, Status, Terms, keep_covered
from closeout.model._close_out import curve_position, plan_close_out
from closeout.toolchain.settings import ROOT
from closeout.units import BPS, RAY, WAD
from tests.differential.accounts import Case, doubtful, opted_in, ordinary
from tests.differential.batches import Answer, Refusal, ask_engine
from tests.differential.sizes import least, sized
from tests.support.node import Deployed, Node

LIQUIDATIONS = sized(12_000)
IN_DOUBT = sized(6_000)
DELEVERAGES = sized(2_500)
RELATIVE = Fraction(1, 10**12)
ROUNDING = Fraction(1000, RAY)
"""USD: what rounding a dozen values to 1e-27 comes to, over a denominator of 0.01."""


@dataclass(frozen=True)
class Told:
    """One case with what the model and the engine say."""

    case: Case
    model: Plan | Refusal
    engine: Answer

    @property
    def plan(self) -> Plan | None:
        return self.engine.outcome if isinstance(self.engine.outcome, Plan) else None


def said_by_the_model(case: Case) -> Plan | Refusal:
    try:
        return case.model()
    except ModelRevert as revert:
        return Refusal(revert.name, tuple(int(str(value)) for value in revert.values))


@pytest.fixture(scope="module")
def told(engine_harness: Deployed, engine: Deployed) -> list[Told]:
    """Every case but those that the Vault refuses before it asks the engine: a set without value, or an account that is
    unhealthy at exchange prices only.
    """
    liquidations = [*map(ordinary, range(LIQUIDATIONS)), *map(doubtful, range(IN_DOUBT))]
    cases = [case for case in liquidations if not case.world.quotes or case.world.deciding_health_wad() < WAD]
    cases += map(opted_in, range(DELEVERAGES))
    asked = [case for case in cases if case.snapshot.set_collateral_value and case.snapshot.set_debt_value]
    answers = ask_engine(engine_harness, engine, [(case.snapshot, case.terms) for case in asked])
    return [Told(case, said_by_the_model(case), answer) for case, answer in zip(asked, answers, strict=True)]


def test_structs_of_model_and_contracts__have_the_same_fields_in_the_same_order(node: Node) -> None:
    [plan] = [entry for entry in node.artifacts["LiquidationEngine"].abi if entry.get("name") == "plan"]
    [answer] = plan["outputs"]
    assert [part["name"].lower() for part in answer["components"]] == [
        field.name.replace("_", "") for field in fields(Plan)
    ]


@pytest.mark.parametrize(("kind", "file"), [(Regime, "Types"), (Payment, "Types"), (Status, "IOracleRouter")])
def test_enumerations_of_model_and_contracts__have_the_same_members_in_the_same_order(
    kind: type[IntEnum], file: str
) -> None:
    source = (ROOT / "interfaces" / f"{file}.sol").read_text()
    declared = re.search(rf"^enum {kind.__name__} {{(.*?)}}", source, re.MULTILINE | re.DOTALL)
    assert declared is not None
    names = [name.strip().lower() for name in declared[1].split(",")]
    assert {member.name.replace("_", "").lower(): member.value for member in kind} == {
        name: number for number, name in enumerate(names)
    }


def test_engine_and_model__say_the_same_of_every_account(told: list[Told]) -> None:
    for one in told:
        assert one.engine.outcome == one.model, f"case {one.case.number}, {one.case.world.aim}: {one.case}"
    assert len(told) >= min(10_000, least(14_000))


def test_accounts_compared__cover_every_regime_and_every_refusal(told: list[Told]) -> None:
    seen = Counter(label for one in told for label in _labels(one))
    wanted = {
        "restorative": 4000,
        "capped": 1200,
        "terminal": 1800,
        "AccountHealthy": 1500,
        "SetSellsTooMuch": 500,
        "PenaltyBelowFloor": 100,
        "FillLeavesDust": 200,
        "smaller set": 1500,
        "partial fill": 4000,
        "nobody came": 600,
        "size cut": 100,
        "steep": 4000,
        "below the smallest debt": 1500,
        "leaves the smallest debt": 40,
        "closes all": 1500,
        "opted in restorative": 1000,
        "opted in capped": 300,
        "opted in SetSellsTooMuch": 100,
        "opted in PenaltyBelowFloor": 40,
        "throttled restorative": 300,
        "throttled capped": 150,
        "throttled terminal": 800,
        "covered": 200,
        "without a price restorative": 150,
        "without a price capped": 60,
        "without a price PenaltyBelowFloor": 60,
        "raised target": 200,
    }
    for label, count in wanted.items():
        assert seen[label] >= least(count), f"{label}: {dict(seen)}"


def test_set_without_weight__beside_what_has_no_price__pays_the_whole_penalty(
    engine_harness: Deployed, engine: Deployed
) -> None:
    """Collateral on its way out of the list holds nothing up: to take it costs no health, at any penalty."""
    debt, priced = 950 * RAY, 150 * RAY
    bonus = priced * 800
    snapshot = Snapshot(1_150 * RAY, 1_000 * RAY * 9_000, debt, priced, 0, bonus, priced, 0, bonus, debt)
    terms = Terms(WAD * 11 // 10, WAD // 200, WAD // 5, WAD * 9 // 10, 0, 100 * RAY)
    [answer] = ask_engine(engine_harness, engine, [(snapshot, terms)])
    assert answer.outcome == plan_close_out(snapshot, terms)
    assert isinstance(answer.outcome, Plan) and answer.refusal_of_bounds is None
    assert answer.outcome.penalty_rate_wad == 800 * curve_position(snapshot.health_factor_wad, terms) // 10**4


@pytest.mark.parametrize("bits", [195, 196, 197, 200, 219, 250])
def test_t79_engine__of_a_debt_beyond_256_bits__reverts_instead_of_taking_it_for_covered(
    engine_harness: Deployed, engine: Deployed, bits: int
) -> None:
    """Nothing bounds what is owed as the largest amount bounds collateral: times a WAD it may leave 256 bits."""
    collateral, debt = 10**15 * 10**12 * RAY, 2**bits
    weighted, bonus = collateral * 9_000, collateral * 800
    snapshot = Snapshot(collateral, weighted, debt, collateral, weighted, bonus, collateral, weighted, bonus, debt)
    terms = Terms(WAD * 11 // 10, WAD // 200, WAD // 5, WAD * 9 // 10, 0, 100 * RAY)
    [answer] = ask_engine(engine_harness, engine, [(snapshot, terms)])
    if debt * (WAD + terms.bonus_floor_wad) < 2**256:
        assert answer.outcome == plan_close_out(snapshot, terms)
    else:
        assert answer.outcome == Refusal("Panic", (0x11,))


def _labels(one: Told) -> list[str]:
    case, plan = one.case, one.plan
    snapshot = case.snapshot
    is_unpriced = snapshot.priced_collateral_value < snapshot.collateral_value
    kinds = {"opted in ": case.penalty_wad, "throttled ": case.world.is_throttled, "without a price ": is_unpriced}
    prefixes = [prefix for prefix, holds in kinds.items() if holds] or [""]
    if plan is None:
        return [prefix + one.model.name for prefix in prefixes] if isinstance(one.model, Refusal) else []
    left = case.snapshot.debt_value - plan.repaid_value
    is_solvent = plan.regime is not Regime.TERMINAL
    told_of = {
        "smaller set": not case.snapshot.is_whole_collateral,
        "partial fill": case.terms.fill_wad < WAD,
        "nobody came": case.terms.is_backstop,
        "size cut": plan.seized_value == case.terms.max_seized_value,
        "steep": case.terms.steepness_wad > WAD,
        "below the smallest debt": case.snapshot.debt_value < case.terms.min_debt_value,
        "leaves the smallest debt": is_solvent and 0 < left == case.terms.min_debt_value,
        "closes all": left == 0,
        "covered": not is_solvent and case.terms.is_covered,
        "raised target": not case.penalty_wad
        and case.terms.target_health_factor_wad > case.world.protocol.target_health_factor_wad,
    }
    regimes = [prefix + plan.regime.name.lower() for prefix in prefixes]
    return [*regimes, *(label for label, holds in told_of.items() if holds)]


def test_vault__accepts_every_plan_of_the_engine(told: list[Told]) -> None:
    """The Vault's own bounds, recomputed from the sums alone, must never stop an honest close-out."""
    for one in told:
        assert one.engine.refusal_of_bounds is None, f"case {one.case.number}: {one.engine} {one.case}"


def test_engine_and_specification__agree_in_exact_fractions(told: list[Told]) -> None:
    """Within 1e-12, or a thousand of the smallest values. On a border integers may fairly decide the other way."""
    seen = Counter(_agree(one) for one in told)
    assert seen["border"] <= len(told) // 100, seen
    assert seen["plan"] >= least(8_000), seen


def _agree(one: Told) -> str:
    verdict, outcome, where = one.case.verdict(), one.engine.outcome, f"case {one.case.number}: {one.case}"
    if isinstance(outcome, Plan):
        # the Vault's part of it
        outcome = keep_covered(outcome, one.case.snapshot, one.case.terms, one.case.decided())
    if isinstance(outcome, Refusal) or verdict.refusal:
        if isinstance(outcome, Refusal) and outcome.name == verdict.refusal:
            return "refusal"
        assert verdict.margin < RELATIVE, f"{outcome} {verdict} {where}"
        return "border"
    if outcome.regime.name.lower() != verdict.regime:
        # regimes pass into each other without a step: the amounts agree all the same
        assert verdict.margin < RELATIVE, f"{outcome} {verdict} {where}"
    assert abs(Fraction(outcome.penalty_rate_wad, WAD) - verdict.beta) <= RELATIVE, where
    rounding = ROUNDING * _steepness(one.case, verdict.beta)
    for value, exact_value in (
        (outcome.repaid_value, verdict.repaid),
        (outcome.seized_value, verdict.seized),
        (outcome.extinguished_value, verdict.extinguished),
    ):
        if abs(Fraction(value, RAY) - exact_value) > RELATIVE * exact_value + rounding:
            # whether an account in doubt is covered at all is such a border too
            assert verdict.margin < RELATIVE, f"{outcome} {verdict} {where}"
            return "border"
    return "plan"


def _steepness(case: Case, beta: Fraction) -> Fraction:
    """By how much more than over a denominator of 0.01 the rounding of one value moves another.

    Under water a value of collateral stands for `B / C` of debt; `R*` is a difference over `h* - tau (1 + beta)`.
    """
    snapshot = case.snapshot
    tau = Fraction(snapshot.set_weighted_collateral, snapshot.set_collateral_value * BPS)
    denominator = Fraction(case.terms.target_health_factor_wad, WAD) - tau * (1 + beta)
    cover = Fraction(snapshot.debt_value, max(snapshot.collateral_value, 1))
    return max(Fraction(1), cover, Fraction(1, 100) / denominator if denominator > 0 else Fraction(1))
