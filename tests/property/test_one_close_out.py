"""Properties of a close-out, told by real Vault and engine: random accounts, exact fractions of their balances.

The checks are those that the reference model passes (tests/model/checks.py). What breaks them is in test_broken.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from closeout.model import Regime
from closeout.units import RAY, WAD
from tests.differential import exact
from tests.differential.accounts import SMALLEST_VALUE
from tests.differential.sizes import least, seeded, sized
from tests.model import checks
from tests.property.placed import Seen, Stage
from tests.property.pools import Pool, Settle, at_random, holds, some_worlds
from tests.support.world import Result
from tests.worlds import World, make_world

COUNT = sized(1200)
PAIRS = sized(250)
UNITS = 2
RELATIVE = Fraction(1, 10**12)


@pytest.fixture(scope="module")
def pool(stage: Stage) -> Pool:
    return Pool.of(stage, some_worlds("one close-out", COUNT))


@pytest.fixture(scope="module")
def pairs(pool: Pool) -> list[World]:
    return pool.worlds[:PAIRS]


def test_close_outs__of_this_run__are_of_every_regime(
    pool: Pool, record_property: Callable[[str, object], None]
) -> None:
    regimes = Counter(one.settled.plan.regime.name for one in pool.seen if one.settled is not None)
    refusals = Counter(one.refusal for one in pool.seen if one.refusal is not None)
    record_property("random accounts", len(pool.seen))
    record_property("close-outs", regimes.total())
    for name, count in sorted((regimes + refusals).items()):
        record_property(name, count)
    for regime in (Regime.RESTORATIVE, Regime.CAPPED, Regime.TERMINAL):
        assert regimes[regime.name] >= least(100), regimes


def test_p4_a_close_out_never_lowers_the_health_factor(pool: Pool) -> None:
    holds(checks.check_p4, pool.settle, pool.worlds, 700)


def test_p5_a_full_close_out_lands_on_the_target(pool: Pool) -> None:
    holds(checks.check_p5, pool.settle, pool.worlds, 150)


def test_p5_the_worst_overshoot_is_below_one_unit_of_each_token(
    pool: Pool, record_property: Callable[[str, object], None]
) -> None:
    """How far above `h*` the account ends, over what one unit of each token explains."""
    worst, count = Fraction(0), 0
    for one in pool.seen:
        done = one.settled
        if done is None or done.rounds_down or not checks.is_at_target(one.world):
            continue
        target = Fraction(one.world.protocol.target_health_factor_wad, WAD)
        above = done.after.weighted_collateral() - target * done.after.total_debt()
        unit = sum((one.world.threshold(n) * one.world.unit_value(n) for n in done.seized), Fraction(0))
        assert above >= 0
        worst, count = max(worst, above / (unit + target * done.debt_units())), count + 1
    record_property("full close-outs that the target bounds", count)
    record_property("worst overshoot, in one unit of each token", round(float(worst), 6))
    assert count >= least(150)
    assert worst <= 1


def test_p6_a_full_close_out_is_minimal(pool: Pool) -> None:
    holds(checks.check_p6, pool.settle, pool.worlds, 150)


def test_p9_preview_and_execution_agree_to_the_unit(pool: Pool) -> None:
    told = sum(previews_what_it_does(pool.stage, one) for one in pool.seen)
    assert told >= least(700)


def previews_what_it_does(stage: Stage, one: Seen) -> bool:
    """The preview is what `closeOut` answers, and its tokens and balances move by just that."""
    if one.result is None:
        assert one.preview == one.refusal
        return False
    assert one.preview == one.result
    assert one.settled is not None
    before, after, result = one.world, one.settled.after, one.result
    for n, (seized, to_protocol, to_insurance) in result.seized.items():
        assert before.collateral[n] - after.collateral.get(n, 0) == seized
        sent = one.transfers.get((n, stage.vault.address, stage.receiver), 0)
        assert sent == seized - to_protocol - to_insurance
    for n, (repaid, _, _) in result.repaid.items():
        assert one.transfers.get((n, stage.liquidator, stage.vault.address), 0) == repaid
    moved = {n for n, *_ in one.transfers}
    assert moved <= result.seized.keys() | result.repaid.keys()
    untouched = [n for n in before.collateral if n not in result.seized]
    assert all(before.collateral[n] == after.collateral[n] for n in untouched)
    return True


def test_p12_no_debt_is_written_off_while_the_account_is_solvent(pool: Pool) -> None:
    holds(checks.check_p12, pool.settle, pool.worlds, 600)


def test_p12_an_account_whose_collateral_is_dust_ends_without_debt(stage: Stage) -> None:
    """A terminal close-out that leaves less than `dustValue` writes off the rest: to the fund, never to a caller."""
    worlds = [make_world(seeded("dust", n), ("terminal", "hopeless")[n % 2]) for n in range(sized(200))]
    worlds = [replace(world, protocol=replace(world.protocol, dust_value_wad=10**4 * WAD)) for world in worlds]
    told = 0
    for one in stage.see_all(worlds):
        if one.settled is None or one.settled.plan.regime is not Regime.TERMINAL:
            continue
        assert one.result is not None
        left = sum(c.value for c in one.settled.after.collaterals)
        if left >= one.world.protocol.dust_value_wad * RAY // WAD:
            continue
        assert not one.settled.after.debt_shares
        to_fund = {n: units for n, (_, _, units) in one.result.seized.items() if units}
        sent = sum(units for (_, _, payee), units in one.transfers.items() if payee == stage.receiver)
        taken = sum(sum((units[0], -units[1], -units[2])) for units in one.result.seized.values())
        assert sent == taken
        told += bool(to_fund)
    assert told >= least(10)


def test_p13_seized_within_the_mean_bonus_and_the_split_adds_up(pool: Pool) -> None:
    holds(checks.check_p13, pool.settle, pool.worlds, 700)


def test_p18_the_order_of_listing_and_deposit_does_not_matter(pool: Pool, pairs: list[World]) -> None:
    holds(at_random(checks.check_p18), pool.settle, pairs, 120)


def test_p19_a_liquidator_never_loses_at_oracle_prices(pool: Pool) -> None:
    holds(checks.check_p19, pool.settle, pool.worlds, 700)


def test_p20_a_gift_never_makes_the_borrower_poorer(pool: Pool, pairs: list[World]) -> None:
    holds(at_random(checks.check_p20), pool.settle, pairs, 120)


def test_p22_a_second_full_close_out_is_refused(pool: Pool, pairs: list[World]) -> None:
    told = 0
    for world in pairs:
        done = pool.settle(world.whole())
        if done is None or done.plan.regime is not Regime.RESTORATIVE or done.rounds_down:
            continue
        if not done.after.debt_shares:
            continue
        again = pool.stage.see(done.after.whole())
        assert again.refusal == "AccountHealthy", (again, world)
        told += 1
    assert told >= least(60)


def test_section_5_no_debt_between_nothing_and_the_smallest_is_left(pool: Pool) -> None:
    holds(lambda world: leaves_no_dust(pool.settle, world), pool.settle, pool.worlds, 150)


def leaves_no_dust(settle: Settle, world: World) -> bool:
    """Outside the terminal regime, of an account that owes `minDebtValue` or more."""
    done, least_debt = settle(world), world.protocol.min_debt_value_wad * (RAY // WAD)
    if done is None or done.plan.regime is Regime.TERMINAL or world.snapshot().debt_value < max(1, least_debt):
        return False
    left = done.after.snapshot().debt_value
    assert left == 0 or left >= least_debt, (left, least_debt)
    return least_debt > 0


def test_token_units__are_those_of_the_specification_in_exact_fractions(pool: Pool) -> None:
    """Within 1e-12 or two units of the token: section 12 of the specification."""
    assert sum(agrees_with_the_specification(one) for one in pool.seen) >= least(700)


def agrees_with_the_specification(one: Seen) -> bool:
    world = one.world
    holdings = {n: held for n, held in world.exact_holdings().items() if held.value >= SMALLEST_VALUE}
    verdict = exact.close_out(holdings, world.exact_debts(), world.exact_rules(), world.exact_request())
    if one.settled is None or verdict.refusal:
        # a debt so small, or a unit so dear, that nothing is left to move in whole units
        assert one.refusal == (verdict.refusal or "NothingToClose") or verdict.margin < RELATIVE, (one, verdict)
        return False
    # where repaid is rounded down against dust, less is seized for it: by what a unit of each debt is worth
    saved = one.settled.debt_units() * (1 + verdict.beta) if one.settled.rounds_down else Fraction(0)
    for n, seized in one.settled.seized.items():
        _near(seized.seized, verdict.seized_part * world.collateral[n], world, saved / world.unit_value(n))
    for n, gone in one.settled.extinguished.items():
        owed = world.debt_units(n)
        _near(gone.repaid, verdict.repaid_part * owed, world)
        _near(gone.repaid + gone.bad_debt, verdict.extinguished_part * owed, world)
    return True


def _near(units: int, expected: Fraction, world: World, more: Fraction = Fraction(0)) -> None:
    assert abs(units - expected) <= max(Fraction(UNITS), RELATIVE * expected) + more, (units, float(expected), world)


def test_results__name_all_that_was_selected(pool: Pool) -> None:
    """Each selected collateral of some value and each selected debt has a leg, in the account's order."""
    for one in pool.seen:
        if one.result is None:
            continue
        assert isinstance(one.result, Result)
        chosen = one.world.collateral_set
        held = [c.asset_id for c in one.world.collaterals if c.value and (chosen is None or c.asset_id in chosen)]
        assert list(one.result.seized) == held
        owed = one.world.debt_set
        assert list(one.result.repaid) == [n for n in one.world.debt_shares if owed is None or n in owed]
