"""DeviationAdapter: two sources within and out of their bound, one or both dead, and a dispute that anyone records."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.stage import DAY, HOUR, STRANGER, WAD, Stage

PERIOD = 6 * HOUR
BOUND_BPS = 200


@dataclass(frozen=True)
class Pair:
    """Two feeds at 2 000 and the adapter over both; the feeds do not grow old."""

    stage: Stage
    primary: Deployed
    secondary: Deployed
    adapter: Deployed

    def at(self, primary: float, secondary: float) -> None:
        self.stage.publish(self.primary, primary)
        self.stage.publish(self.secondary, secondary)

    def poke(self) -> None:
        self.adapter.poke(sender=STRANGER)

    @property
    def kind(self) -> str:
        return self.stage.ask(self.adapter).kind

    @property
    def dispute(self) -> tuple[int, int]:
        since, last_seen = self.adapter.dispute()
        return since, last_seen


@pytest.fixture
def pair(stage: Stage) -> Pair:
    primary, secondary = stage.feed(2_000), stage.feed(2_000)
    sources = [stage.chainlink(feed, heartbeat=2 * DAY, max_age=7 * DAY) for feed in (primary, secondary)]
    return Pair(stage, primary, secondary, stage.deploy("DeviationAdapter", *sources, BOUND_BPS, PERIOD))


@pytest.mark.parametrize(
    ("primary", "secondary", "kind"),
    [
        (2_000, 2_000, "fresh"),
        (2_000, 2_040, "fresh"),  # exactly 2 % of the lower
        (2_040, 2_000, "fresh"),
        (2_000, 2_040.01, "degraded"),
        (2_040.01, 2_000, "degraded"),
        (2_000, 1, "degraded"),
        (2_000, 10**9, "degraded"),
    ],
)
def test_sources__apart_from_each_other__are_both_the_doubt(
    stage: Stage, pair: Pair, primary: float, secondary: float, kind: str
):
    pair.at(primary, secondary)
    outcome = stage.ask(pair.adapter)
    assert outcome.quote is not None
    assert outcome.kind == kind
    assert outcome.primary == round(primary * 100) * 10**16
    if kind == "fresh":
        assert outcome.quote.low == outcome.primary
    else:
        lower, higher = sorted((primary, secondary))
        assert (outcome.quote.low, outcome.quote.high) == (round(lower * 100) * 10**16, round(higher * 100) * 10**16)


def test_source__that_is_dead__leaves_the_other_degraded(stage: Stage, pair: Pair):
    pair.at(2_000, 1_990)
    stage.publish(pair.primary, 0)
    outcome = stage.ask(pair.adapter)
    assert outcome.quote is not None
    assert (outcome.kind, outcome.quote.low, outcome.primary) == ("degraded", 1_990 * WAD, 1_990 * WAD)
    pair.at(2_000, 0)
    outcome = stage.ask(pair.adapter)
    assert outcome.quote is not None
    assert (outcome.kind, outcome.quote.low, outcome.primary) == ("degraded", 2_000 * WAD, 2_000 * WAD)
    pair.at(0, 0)
    for question in (pair.adapter.price, pair.adapter.primaryPrice):
        with reverts("SourcesMissing", pair.adapter.PRIMARY(), pair.adapter.SECONDARY()):
            question()


# ------------------------------------------------------------------------------------------------------------- disputes


def test_dispute__seen_apart_for_the_whole_period__is_the_primarys_to_decide(stage: Stage, pair: Pair):
    pair.at(2_000, 1_500)
    pair.poke()
    for wait in (PERIOD // 2, PERIOD // 2 - 1):
        stage.wait(wait)
        pair.poke()
        assert pair.kind == "degraded"
    stage.wait(1)
    # the period is over, but nobody has seen it over
    assert pair.kind == "degraded"
    pair.poke()
    quote = stage.quote(pair.adapter)
    assert (quote.status, quote.low, quote.high) == ("fresh", 2_000 * WAD, 2_000 * WAD)


def test_dispute__forgotten_for_a_whole_period__has_lapsed(stage: Stage, pair: Pair):
    pair.at(2_000, 1_500)
    pair.poke()
    stage.wait(PERIOD)
    pair.poke()
    assert pair.kind == "fresh"
    stage.wait(PERIOD + 1)
    assert pair.kind == "degraded"
    pair.poke()
    assert pair.dispute == (stage.now, stage.now)


def test_dispute__ends_where_anyone_sees_the_sources_together(stage: Stage, pair: Pair):
    pair.at(2_000, 1_500)
    pair.poke()
    stage.wait(PERIOD - 1)
    pair.at(2_000, 1_990)
    pair.poke()
    assert pair.dispute == (0, 0)
    pair.at(2_000, 1_500)
    stage.wait(1)
    pair.poke()
    assert pair.kind == "degraded"
    assert pair.dispute[0] == stage.now


def test_dispute__that_nobody_saw__is_not_ended_either(pair: Pair):
    pair.at(2_000, 1_990)
    assert pair.adapter.poke(sender=STRANGER).logs == []
    assert pair.dispute == (0, 0)


def test_dispute__with_a_dead_source__is_neither_started_nor_ended(stage: Stage, pair: Pair):
    pair.at(2_000, 0)
    pair.poke()
    assert pair.dispute == (0, 0)
    pair.at(2_000, 1_500)
    pair.poke()
    started = pair.dispute
    stage.publish(pair.secondary, 0)
    stage.wait(60)
    pair.poke()
    assert pair.dispute == started


def test_dispute__of_a_primary_that_is_degraded_itself__leaves_it_degraded(stage: Stage):
    primary, secondary = stage.feed(2_000), stage.feed(1_500)
    sources = [stage.chainlink(primary, heartbeat=60), stage.chainlink(secondary, heartbeat=DAY)]
    adapter = stage.deploy("DeviationAdapter", *sources, BOUND_BPS, PERIOD)
    for _ in range(3):
        adapter.poke(sender=STRANGER)
        stage.wait(PERIOD // 2)
    quote = stage.quote(adapter)
    assert (quote.status, quote.low, quote.high) == ("degraded", 2_000 * WAD, 2_000 * WAD)
