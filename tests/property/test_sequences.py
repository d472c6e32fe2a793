"""Properties of several close-outs in a row, told by the contracts: slices, sets, fills, in any order."""

from __future__ import annotations

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
from tests.property.pools import Pool, Settle, at_random, holds, some_worlds, told_by
from tests.worlds import World

COUNT = sized(160)
SOLVENT = ("curve", "below the curve", "capped", "just below one", "border capped")
STEPS = 8


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
    """A sequence of sets and fills over one whole close-out: value sold and penalty, less what rounding explains."""

    sold: Fraction
    penalty: Fraction
    steps: int


def compare(world: World, settle: Settle, random: Random) -> Ratio | None:
    """A picky liquidator: one or two collaterals at a time, in an order of his own, some of it in parts."""
    whole = settle(world)
    if whole is None or whole.plan.regime is Regime.TERMINAL:
        return None
    sold = penalty = Fraction(0)
    steps, state = 0, world
    noise = whole.collateral_units() + whole.debt_units()
    for _ in range(STEPS):
        part = settle(_pick(random, state))
        if part is None:
            continue
        state, steps = part.after, steps + 1
        sold, penalty = sold + part.seized_value(), penalty + _penalty(part)
        noise += part.collateral_units() + part.debt_units()
    due = _penalty(whole)
    if not steps or due <= 100 * noise:
        return None
    return Ratio((sold - noise) / whole.seized_value(), (penalty - noise) / due, steps)


def _penalty(done: Settled) -> Fraction:
    return done.seized_value() - done.repaid_value()


def _pick(random: Random, world: World) -> World:
    held = list(world.collateral)
    chosen = frozenset(random.sample(held, random.choice((1, 1, min(2, len(held)))))) if len(held) > 1 else None
    return replace(
        world.whole(),
        collateral_set=chosen if random.random() < 0.8 else None,
        fill_wad=random.choice((WAD, WAD, WAD // 2, random.randint(WAD // 10, WAD))),
    )


def worst(worlds: list[World], settle: Settle) -> tuple[Ratio, Ratio, int]:
    """The worst by value sold, the worst by penalty, and how many sequences there were."""
    found = [compare(world, settle, seeded("picks", n)) for n, world in enumerate(worlds)]
    ratios = [ratio for ratio in found if ratio is not None]
    return max(ratios, key=lambda r: r.sold), max(ratios, key=lambda r: r.penalty), len(ratios)


def test_p17_the_worst_of_many_sequences_of_sets_is_next_to_the_whole(
    solvent: Pool, record_property: pytest.FixtureRequest
) -> None:
    """Sells at most 0.1 % more, costs at most 1 % more penalty than one whole close-out."""
    with told_by(solvent.settle):
        sold, penalty, count = worst(solvent.worlds, solvent.settle)
    record_property("worst value sold over the whole", float(sold.sold))
    record_property("worst penalty over the whole", float(penalty.penalty))
    assert count >= least(80)
    assert sold.sold <= checks.SOLD_ROOM, sold
    assert penalty.penalty <= Fraction(101, 100), penalty
