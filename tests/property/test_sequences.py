"""Properties of several close-outs in a row, told by the contracts: slices, sets, fills, in any order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

import pytest

from closeout.model import Regime
from closeout.units import WAD
from tests.differential.sizes import least, seeded, sized
from tests.model import checks
from tests.model.checks import Settled
from tests.property.placed import Stage
from tests.property.pools import Pool, Settle, at_random, holds, some_worlds
from tests.worlds import World

COUNT = sized(160)
SOLVENT = ("curve", "below the curve", "capped", "just below one", "border capped")
STEPS = 8
PERCENT = Fraction(1, 100)


@pytest.fixture(scope="module")
def pool(stage: Stage) -> Pool:
    return Pool.of(stage, some_worlds("sequences", COUNT))


@pytest.fixture(scope="module")
def solvent(stage: Stage) -> Pool:
    return Pool.of(stage, [several(world) for world in some_worlds("sets", COUNT, SOLVENT)])


def several(world: World) -> World:
    """Without a smallest debt: what the dust rule takes more is not a matter of sets."""
    return replace(world.whole(), protocol=replace(world.protocol, min_debt_value_wad=0))


def test_p8_splitting_never_seizes_more(pool: Pool) -> None:
    holds(at_random(checks.check_p8), pool.settle, pool.worlds, 60)


def test_p17_no_sequence_of_sets_sells_more_or_costs_more(solvent: Pool) -> None:
    holds(at_random(checks.check_p17), solvent.settle, solvent.worlds, 60)


def test_p21_terminal_settlement_is_pro_rata(stage: Stage) -> None:
    worlds = some_worlds("terminal", COUNT, ("terminal", "hopeless"))
    holds(at_random(checks.check_p21), stage.settle, worlds, 30)


@dataclass(frozen=True)
class Ratio:
    """A sequence of sets and fills over one whole close-out: value sold and penalty, less what rounding explains.

    `runs_out`: the collateral of one of the sets was not enough for its own `R*`.
    """

    sold: Fraction
    penalty: Fraction
    runs_out: bool


def compare(world: World, settle: Settle, random: Random) -> Ratio | None:
    """A picky liquidator: one or two collaterals at a time, in an order of his own, some of it in parts."""
    whole = settle(world)
    if whole is None or whole.plan.regime is Regime.TERMINAL:
        return None
    sold = penalty = Fraction(0)
    state, runs_out, steps = world, False, 0
    noise = whole.collateral_units() + whole.debt_units()
    for _ in range(STEPS):
        part = settle(_pick(random, state))
        if part is None:
            continue
        runs_out |= _runs_out(part)
        state, steps = part.after, steps + 1
        sold, penalty = sold + part.seized_value(), penalty + _penalty(part)
        noise += part.collateral_units() + part.debt_units()
    due = _penalty(whole)
    if not steps or due <= 100 * noise:
        return None
    return Ratio((sold - noise) / whole.seized_value(), (penalty - noise) / due, runs_out)


def _penalty(done: Settled) -> Fraction:
    return done.seized_value() - done.repaid_value()


def _runs_out(done: Settled) -> bool:
    """A part of the account's collateral, which a full fill would have sold wholly."""
    snapshot = done.before.snapshot()
    if snapshot.set_collateral_value == snapshot.collateral_value:
        return False
    # a fill rounds the value seized down
    return (done.plan.seized_value + 1) * WAD >= snapshot.set_collateral_value * done.before.fill_wad


def _pick(random: Random, world: World) -> World:
    held = list(world.collateral)
    chosen = frozenset(random.sample(held, random.choice((1, 1, min(2, len(held)))))) if len(held) > 1 else None
    return replace(
        world.whole(),
        collateral_set=chosen if random.random() < 0.8 else None,
        fill_wad=random.choice((WAD, WAD, WAD // 2, random.randint(WAD // 10, WAD))),
    )


def ratios(worlds: list[World], settle: Settle) -> list[Ratio]:
    found = [compare(world, settle, seeded("picks", n)) for n, world in enumerate(worlds)]
    return [ratio for ratio in found if ratio is not None]


def test_p17_the_worst_of_many_sequences_of_sets_is_next_to_the_whole(
    solvent: Pool, record_property: Callable[[str, object], None]
) -> None:
    """Where every set has enough for its own `R*`: sells no more and costs no more than one whole close-out.

    Where one runs out the specification's limit on its penalty is too high (docs/known-issues.md, with an account on
    which it costs 20 % more); of random accounts the worst is far below that.
    """
    found = ratios(solvent.worlds, solvent.settle)
    enough = [ratio for ratio in found if not ratio.runs_out]
    rest = [ratio for ratio in found if ratio.runs_out]
    for name, some in (("enough", enough), ("runs out", rest)):
        record_property(f"{name}: most sold", float(max((r.sold for r in some), default=Fraction(0))))
        record_property(f"{name}: most penalty", float(max((r.penalty for r in some), default=Fraction(0))))
    assert len(enough) >= least(40)
    assert len(rest) >= least(20)
    assert all(ratio.sold <= 1 and ratio.penalty <= 1 for ratio in enough), max(enough, key=lambda r: r.penalty)
    assert all(ratio.sold <= 1 + PERCENT for ratio in rest), max(rest, key=lambda r: r.sold)
    assert all(ratio.penalty <= 1 + 21 * PERCENT for ratio in rest), max(rest, key=lambda r: r.penalty)
