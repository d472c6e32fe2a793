"""When a chore is due: each decision at its bounds. What the contracts do with the same figures: test_upkeep.py."""

from __future__ import annotations

import pytest

from closeout.units import WAD
from closeout.upkeep.decisions import (
    Dispute,
    Interval,
    ShareRecord,
    ShareTerms,
    State,
    is_insolvent,
    judge_dispute,
    judge_note,
    judge_revert,
    judge_share,
    pauses_over,
)

HOUR, DAY, YEAR = 3_600, 86_400, 31_536_000
NOW = 1_800_000_000
TERMS = ShareTerms(max_growth_bps_per_year=1_000, max_drop_bps=10, confirm_after=HOUR)


def exact(price: float) -> Interval:
    return Interval(round(price * 100) * WAD // 100, round(price * 100) * WAD // 100)


def dispute(
    primary: float | None, secondary: float | None, since: int = 0, last_seen: int = 0, period: int = DAY
) -> bool:
    """Whether a poke is due; times as seconds before now, 0: no dispute."""
    last = Dispute(NOW - since if since else 0, NOW - last_seen if since else 0)
    sides = (None if price is None else exact(price) for price in (primary, secondary))
    return judge_dispute(NOW, last, period, 100, *sides).state is State.DUE


@pytest.mark.parametrize(
    ("primary", "secondary", "since", "last_seen", "is_due"),
    [
        (100, 100, 0, 0, False),
        (100, 101, 0, 0, False),  # exactly the bound
        (100, 101.01, 0, 0, True),
        (101.01, 100, 0, 0, True),
        (None, 100, 0, 0, False),
        (100, None, 0, 0, False),
        (None, None, HOUR, HOUR, False),
        (100, 100, HOUR, HOUR, True),  # ends
        (100, 110, HOUR, 1, False),
        (100, 110, 7 * HOUR, 6 * HOUR - 1, False),
        (100, 110, 7 * HOUR, 6 * HOUR, True),  # a quarter of the period unseen
        (100, 110, DAY - 1, 1, False),
        (100, 110, DAY, 1, True),  # the period is over, and nobody has seen it over
        (100, 110, 2 * DAY, DAY, True),  # about to lapse
        (100, 110, 2 * DAY, 0, False),  # decided, and just seen
        (100, 110, 3 * DAY, DAY + 1, True),  # lapsed
    ],
)
def test_dispute__is_to_be_seen(
    primary: float | None, secondary: float | None, since: int, last_seen: int, is_due: bool
):
    assert dispute(primary, secondary, since, last_seen) is is_due


def test_dispute__of_intervals__is_between_their_farthest_ends():
    wide = Interval(99 * WAD, 101 * WAD)
    assert judge_dispute(NOW, Dispute(0, 0), DAY, 200, wide, exact(100)).state is State.DUE
    assert judge_dispute(NOW, Dispute(0, 0), DAY, 203, wide, exact(100)).state is State.NOT_DUE


@pytest.mark.parametrize(
    ("live", "age", "low_since", "is_due"),
    [
        (1.0, 0, 0, False),
        (1.0, 14 * DAY, 0, False),  # what did not grow is kept
        (1.0, 15 * DAY - 1, 0, False),
        (1.0, 15 * DAY, 0, True),
        (1.1, DAY - 1, 0, False),  # above the cap
        (1.1, DAY, 0, True),
        (0.9995, 90 * DAY, 0, False),  # within the stated drop
        (0.9995, DAY, HOUR, True),  # back within it
        (1.0, DAY, HOUR, True),
        (0.9, DAY, 0, True),
        (0.9, DAY, HOUR - 1, False),
        (0.9, DAY, HOUR, True),
    ],
)
def test_share__is_to_be_recorded(live: float, age: int, low_since: int, is_due: bool):
    record = ShareRecord(WAD, NOW - age, NOW - low_since if low_since else 0)
    cap = WAD + WAD * TERMS.max_growth_bps_per_year * age // (10_000 * YEAR)
    judged = judge_share(NOW, record, round(live * 10**6) * WAD // 10**6, cap, TERMS)
    assert (judged.state is State.DUE) is is_due


def test_pauses__are_over_from_their_last_second_on():
    assert pauses_over(NOW, 2, (0b100, 0b100), (NOW, NOW + 1)) == (0b100, 0)
    assert pauses_over(NOW, 2, (0b011, 0b100), (0, NOW - 1)) == (0, 0b100)
    assert pauses_over(NOW, 0, (0b110, 0b110), (0, 0)) == (0, 0)


def test_insolvency__is_below_debt_and_smallest_penalty():
    floor = WAD // 200
    assert not is_insolvent(1_005 * WAD, 1_000 * WAD, floor)
    assert is_insolvent(1_005 * WAD - 1, 1_000 * WAD, floor)
    assert not is_insolvent(0, 0, floor)


@pytest.mark.parametrize(
    ("noted", "anew", "is_due"),
    [
        ({}, {2: 1}, True),
        ({2: 0}, {2: 1}, True),
        ({2: 1}, {2: 0}, True),
        ({2: 1_000}, {2: 1_010}, False),
        ({2: 1_000}, {2: 1_011}, True),
        ({2: 1_000}, {2: 989}, True),
        ({2: 1_000, 3: 0}, {2: 1_000, 3: 5}, True),
        ({2: 1_000, 3: 5}, {2: 1_000, 3: 0}, True),
        ({2: 0}, {2: 0}, False),
    ],
)
def test_note__is_to_be_made_renewed_or_lifted(noted: dict[int, int], anew: dict[int, int], is_due: bool):
    assert (judge_note(noted, anew).state is State.DUE) is is_due


def test_refusal__of_an_unknown_kind__is_a_failure_with_its_figures():
    assert judge_revert("PokedTooSoon", (NOW, NOW - 1), "").why == "not before 15 Jan 08:00:00"
    assert judge_revert("PokedTooSoon", (NOW, NOW - 1), "").state is State.NOT_DUE
    judged = judge_revert("SequencerDiffers", ("0x1", 2), "eth_call: reverted")
    assert (judged.state, judged.why) == (State.FAILED, "SequencerDiffers('0x1', 2)")
    assert judge_revert("", (), "eth_call: out of gas").why == "eth_call: out of gas"
