"""Each property test is shown able to fail: engines and Vaults that get one thing wrong, as peers do, and are caught.

The engines are contracts (contracts/harness/broken) plugged into the real Vault, whose own bounds stay in force. What
no engine can get wrong there, because the Vault makes it itself, is put wrong in what the Vault answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import Any

import pytest

from closeout.units import WAD
from tests.model import checks
from tests.model.checks import Settled
from tests.property.placed import Seen, Stage
from tests.property.pools import Pool, Settle, at_random, some_worlds, told_by
from tests.property.test_one_close_out import leaves_no_dust, previews_what_it_does
from tests.property.test_sequences import SOLVENT, compare, several
from tests.support.node import Deployed
from tests.support.world import World as Protocol
from tests.worlds import World

COUNT = 150
BELOW = ("below the curve", "curve", "just below one")
UNDER = ("terminal", "hopeless")


def caught(check: Callable[[World], Any], settle: Settle, worlds: list[World]) -> bool:
    """Whether the check fails on any of the accounts."""
    with told_by(settle):
        for world in worlds:
            try:
                check(world)
            except AssertionError:
                return True
    return False


# -------------------------------------------------------------------------------------------------------------- engines


@dataclass(frozen=True)
class Bench:
    """The real Vault with one engine plugged in."""

    stage: Stage
    engine: Deployed

    def settle(self, world: World) -> Settled | None:
        return self.stage.see(world, self.engine).settled

    # what a property test would ask of it

    def p5(self, world: World) -> None:
        checks.check_p5(world.whole())

    def p6(self, world: World) -> None:
        checks.check_p6(world.whole())

    def p8(self, world: World) -> None:
        checks.check_p8(world, _random(world))

    def p11(self, world: World) -> None:
        assert self.stage.see(replace(world.whole(), fill_wad=WAD // 2), self.engine).refusal in FAIR
        assert self.stage.see(world.whole(), self.engine).refusal in FAIR

    def p17(self, world: World) -> None:
        ratio = compare(several(world), self.settle, _random(world))
        assert ratio is None or ratio.runs_out or (ratio.sold <= 1 and ratio.penalty <= 1)

    def p20(self, world: World) -> None:
        checks.check_p20(world, _random(world))

    def p21(self, world: World) -> None:
        checks.check_p21(world, _random(world))

    def p22(self, world: World) -> None:
        done = self.settle(world.whole())
        if done is not None and done.after.debt_shares and not done.rounds_down:
            assert self.stage.see(done.after.whole(), self.engine).refusal == "AccountHealthy"

    def section_5(self, world: World) -> None:
        leaves_no_dust(self.settle, world.whole())


FAIR = {None, "AccountHealthy", "FillLeavesDust"}

ENGINES: dict[str, tuple[Callable[[Bench, World], None], tuple[str, ...]]] = {
    "ForgetsThePenalty": (Bench.p5, BELOW),
    "TakesALittleMore": (Bench.p6, BELOW),
    "PaysSlicesMore": (Bench.p8, BELOW),
    # the Vault's own bounds stop these: what catches them is that the account cannot be closed out
    "NeverCaps": (Bench.p11, ("capped",)),
    "WritesOffEarly": (Bench.p11, BELOW),
    "ClosesSmallDebtsWholly": (Bench.p11, BELOW),
    "PicksAreFree": (Bench.p17, SOLVENT),
    "RewardsHealth": (Bench.p20, BELOW),
    "PaysSomeLendersLess": (Bench.p21, UNDER),
    "StopsShort": (Bench.p22, BELOW),
    "LeavesDust": (Bench.section_5, ("dust after",)),
}


def _random(world: World) -> Random:
    return Random(str(sorted(world.collateral.items())))


@pytest.mark.parametrize("name", ENGINES)
def test_a_broken_engine__is_caught(stage: Stage, name: str) -> None:
    check, aims = ENGINES[name]
    worlds = some_worlds(f"broken {name}", COUNT, aims)
    broken = Bench(stage, stage.node.deploy(name, stage.protocol.engine, sender=Protocol.governor))
    assert caught(partial(check, broken), broken.settle, worlds)
    real = Bench(stage, stage.protocol.engine)
    assert not caught(partial(check, real), real.settle, worlds[:25])


# --------------------------------------------------------------------------------------------------------------- Vaults


def _first_of(legs: dict[int, Any]) -> int:
    return next(iter(legs))


def takes_one_more(done: Settled) -> Settled:
    """Of the collateral that was listed first, more than its share."""
    n = _first_of(done.seized)
    leg = done.seized[n]
    more = replace(leg, seized=leg.seized + 1 + leg.seized // 50)
    return replace(done, seized=done.seized | {n: more})


def lowers_health(done: Settled) -> Settled:
    held = {n: amount - amount // 20 for n, amount in done.after.collateral.items()}
    return replace(done, after=replace(done.after, collateral=held))


def writes_off(done: Settled) -> Settled:
    n = _first_of(done.extinguished)
    leg = done.extinguished[n]
    worse = replace(leg, repaid=leg.repaid - leg.repaid // 4, bad_debt=leg.bad_debt + leg.repaid // 4)
    return replace(done, extinguished=done.extinguished | {n: worse})


def fees_from_what_is_seized(done: Settled) -> Settled:
    fees = {n: replace(leg, to_protocol=leg.seized // 10) for n, leg in done.seized.items()}
    return replace(done, seized=fees)


def favours_the_first(done: Settled) -> Settled:
    """One unit more of whatever has the lowest id: the order of listing decides."""
    n = min(done.seized)
    leg = done.seized[n]
    return replace(done, seized=done.seized | {n: replace(leg, seized=leg.seized + 1)})


VAULTS: dict[str, tuple[Callable[[Settled], Settled], Callable[[World], Any]]] = {
    "p4": (lowers_health, checks.check_p4),
    "p12": (writes_off, checks.check_p12),
    "p13": (takes_one_more, checks.check_p13),
    "p18": (favours_the_first, at_random(checks.check_p18)),
    "p19": (fees_from_what_is_seized, checks.check_p19),
}


@pytest.mark.parametrize("name", VAULTS)
def test_a_broken_vault__is_caught(stage: Stage, name: str) -> None:
    change, check = VAULTS[name]
    pool = Pool.of(stage, [world.whole() for world in some_worlds("broken vault", 60, BELOW)])

    def settle(world: World) -> Settled | None:
        done = pool.settle(world)
        return None if done is None else change(done)

    assert caught(check, settle, pool.worlds)
    assert not caught(check, pool.settle, pool.worlds)


def test_a_preview_of_something_else__is_caught(stage: Stage) -> None:
    """P9: a preview that leaves the fill out, one that is a unit off, tokens that moved otherwise."""
    [one] = [seen for seen in stage.see_all(some_worlds("preview", 12, ("curve",))) if seen.result is not None][:1]
    assert previews_what_it_does(stage, one)
    assert one.result is not None
    whole = stage.see(replace(one.world, fill_wad=10**17))
    off = replace(one.result, seized={n: (a + 1, b, c) for n, (a, b, c) in one.result.seized.items()})
    moved = {key: units + 1 for key, units in one.transfers.items()}
    wrong: list[Seen] = [
        replace(one, preview=whole.preview),
        replace(one, preview=off),
        replace(one, preview=off, result=off),
        replace(one, transfers=moved),
    ]
    for seen in wrong:
        with pytest.raises(AssertionError):
            previews_what_it_does(stage, seen)


def test_checks__are_not_vacuous(stage: Stage) -> None:
    """A Vault that refuses everything breaks no amount: it is caught by how many accounts told something."""
    worlds = some_worlds("vacuous", 12, BELOW)
    with told_by(lambda _: None):
        assert not any(checks.check_p4(world) for world in worlds)
        assert not any(checks.check_p8(world, Random(1)) for world in worlds)
    with told_by(stage.settle):
        assert any(checks.check_p4(world) for world in worlds)
