"""ChainlinkAdapter on aggregators with their whole surface: proxies, phases, bounds, decimals, clocks."""

from __future__ import annotations

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.stage import DAY, HOUR, STRANGER, WAD, Stage

LUNA_FLOOR = 10**7  # 0.10 USD at 8 decimals, where Chainlink's LUNA / USD stopped while the market fell on


def proxied(stage: Stage, decimals: int = 8, least: int = 1, most: int = 2**95) -> tuple[Deployed, Deployed]:
    """A proxy and the aggregator of its first phase, which has answered 2 000."""
    aggregator = stage.deploy("ClampingAggregator", decimals, least, most)
    aggregator.publish(2_000 * 10**decimals, stage.now, sender=STRANGER)
    return stage.deploy("TestAggregatorProxy", aggregator), aggregator


# -------------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("decimals", [0, 2, 6, 8, 18, 27, 36])
def test_price__of_a_feed_of_any_decimals__is_the_same_in_wad(stage: Stage, decimals: int):
    proxy, _ = proxied(stage, decimals, most=2**190)
    assert stage.quote(stage.chainlink(proxy)).low == 2_000 * WAD


@pytest.mark.parametrize(
    ("decimals", "answer", "price"),
    [
        (0, 10**12, 10**30),  # the largest price there may be
        (18, 1, 1),  # the smallest
        (20, 199, 1),  # digits beyond a WAD's are cut off
    ],
)
def test_price__at_the_ends_of_what_the_protocol_carries__is_exact(
    stage: Stage, decimals: int, answer: int, price: int
):
    feed = stage.deploy("TestAggregator", decimals, "feed")
    feed.publish(answer, sender=STRANGER)
    assert stage.quote(stage.chainlink(feed)).low == price


@pytest.mark.parametrize(("decimals", "answer"), [(0, 10**12 + 1), (20, 99)])
def test_price__beyond_those_ends__is_missing(stage: Stage, decimals: int, answer: int):
    feed = stage.deploy("TestAggregator", decimals, "feed")
    feed.publish(answer, sender=STRANGER)
    with reverts("AnswerOutOfBounds", answer, 1, 10**48):
        stage.chainlink(feed).price()


def test_price__through_a_proxy_that_changes_its_aggregator__goes_on(stage: Stage):
    proxy, _ = proxied(stage)
    adapter = stage.chainlink(proxy)
    second = stage.deploy("ClampingAggregator", 8, 1, 2**95)
    second.publish(2_100 * 10**8, stage.now, sender=STRANGER)
    proxy.confirmAggregator(second, sender=STRANGER)
    assert stage.quote(adapter).low == 2_100 * WAD
    # the round of the first phase is still there, under its own id
    assert proxy.getRoundData((1 << 64) | 1)[1] == 2_000 * 10**8
    assert proxy.latestRoundData()[0] == (2 << 64) | 1


# --------------------------------------------------------------------------------------------------------------- bounds


def test_bounds__of_an_aggregator_behind_a_proxy__are_read_at_construction_and_exclusive(stage: Stage):
    proxy, _ = proxied(stage, least=LUNA_FLOOR, most=10**13)
    _, _, parameters = stage.chainlink(proxy).parameters()
    assert parameters[2:4] == (LUNA_FLOOR + 1, 10**13 - 1)


def test_bounds__of_an_aggregator_without_a_proxy__are_its_own(stage: Stage):
    aggregator = stage.deploy("ClampingAggregator", 8, LUNA_FLOOR, 10**13)
    _, _, parameters = stage.chainlink(aggregator).parameters()
    assert parameters[2:4] == (LUNA_FLOOR + 1, 10**13 - 1)


def test_bounds__stated_tighter_than_the_aggregators__count(stage: Stage):
    proxy, _ = proxied(stage, least=LUNA_FLOOR, most=10**13)
    _, _, parameters = stage.chainlink(proxy, least=10**9, most=10**12).parameters()
    assert parameters[2:4] == (10**9, 10**12)


def test_current_bounds__after_a_phase_with_others__tell_that_the_adapter_has_to_be_replaced(stage: Stage):
    proxy, _ = proxied(stage, least=1, most=2**95)
    adapter = stage.chainlink(proxy)
    proxy.confirmAggregator(stage.deploy("ClampingAggregator", 8, LUNA_FLOOR, 10**13), sender=STRANGER)
    assert adapter.currentBounds() == (LUNA_FLOOR + 1, 10**13 - 1)
    assert adapter.parameters()[2][2:4] == (2, 2**95 - 1)


# --------------------------------------------------------------------------------------------------------------- clocks


@pytest.mark.parametrize(
    ("age", "kind"),
    [(0, "fresh"), (HOUR, "fresh"), (HOUR + 1, "degraded"), (DAY, "degraded"), (DAY + 1, "missing")],
)
def test_age__at_the_heartbeat_and_the_hard_limit__turns_one_second_later(stage: Stage, age: int, kind: str):
    feed = stage.feed(2_000)
    adapter = stage.chainlink(feed, heartbeat=HOUR, max_age=DAY)
    stage.wait(age)
    outcome = stage.ask(adapter)
    assert outcome.kind == kind
    if outcome.quote:
        assert outcome.quote.time == stage.now - age
        assert outcome.quote.low == outcome.quote.high == outcome.primary == 2_000 * WAD
    else:
        assert outcome.error is not None
        assert (outcome.error.name, outcome.error.arguments) == ("PriceStale", (DAY + 1, DAY))


@pytest.mark.parametrize(
    ("answer", "since", "kind"),
    [(0, HOUR + 1, "fresh"), (0, HOUR, "degraded"), (0, 1, "degraded"), (0, 0, "degraded"), (1, DAY, "degraded")],
)
def test_sequencer__in_each_state__degrades_and_never_blocks(stage: Stage, answer: int, since: int, kind: str):
    feed, sequencer = stage.feed(2_000), stage.deploy("TestAggregator", 0, "sequencer")
    adapter = stage.chainlink(feed, heartbeat=HOUR, sequencer=sequencer, grace=HOUR)
    sequencer.publishAt(answer, stage.now - since, sender=STRANGER)
    assert stage.ask(adapter).kind == kind


# --------------------------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    "changes",
    [
        {"least": 0},
        {"least": -1},
        {"most": 10**48 + 1},
        {"least": 11, "most": 10},
    ],
)
def test_construction__with_ends_of_answers_that_make_no_sense__is_refused(stage: Stage, changes: dict[str, int]):
    feed = stage.feed(2_000)
    with reverts("AnswerOutOfBounds", ...):
        stage.chainlink(feed, **changes)


def test_construction__with_more_decimals_than_an_answer_carries__is_refused(stage: Stage):
    feed = stage.deploy("TestAggregator", 37, "feed")
    with reverts("ParameterOutOfRange", b"feedDecimals".ljust(32, b"\0"), 37, 0, 36):
        stage.chainlink(feed)
