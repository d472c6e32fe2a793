"""Whether a chore is due, from what was read of the chain: no node, no keys. Times in seconds, prices and rates WAD.

A poke of an adapter never reverts, so whether one does anything is decided here, by the steps of its contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from closeout.units import BPS, SECONDS_PER_YEAR, WAD

__all__ = [
    "Dispute",
    "Interval",
    "Judgement",
    "ShareRecord",
    "ShareTerms",
    "State",
    "clock",
    "is_insolvent",
    "judge_dispute",
    "judge_note",
    "judge_revert",
    "judge_share",
    "pauses_over",
]

DAY = 86_400
KEEP_ALIVE_PARTS = 4
"""A dispute is seen again once this part of its period went by: the other three are there for passes that fail."""

MAX_HEADROOM = 14 * DAY
"""contracts/oracles/Erc4626Adapter.sol: for how long growth that did not come yet is kept."""

RECORD_AGE = DAY
"""docs/oracles.md, "Listing rules": by how much the record of a share may lag behind."""

MATERIAL_BPS = 100
"""A note moves with every second of interest: by less than this part of it no transaction is worth sending."""


LAST_TIME = 253_402_300_799
"""The end of the year 9999, where calendars end here."""

LONGEST_MESSAGE = 160
"""Of what a node says, which repeats what a contract says."""


class State(Enum):
    """`FAILED`: what it is about did not answer, or refused for a reason that is none of the usual ones."""

    DUE = "due"
    NOT_DUE = "not due"
    FAILED = "failed"


@dataclass(frozen=True)
class Judgement:
    """Whether a chore is due, and why or why not, for people. `gas`: the node's estimate, of one that is due."""

    state: State
    why: str
    gas: int = 0


@dataclass(frozen=True)
class Interval:
    """What an adapter answers; `low == high` where nothing is in doubt."""

    low: int
    high: int


@dataclass(frozen=True)
class Dispute:
    """Of a DeviationAdapter; `last_seen` 0: there is none."""

    since: int
    last_seen: int


@dataclass(frozen=True)
class ShareRecord:
    """Of an Erc4626Adapter: the rate, from when its growth is counted, since when a fall is in doubt (0: none is)."""

    rate_wad: int
    time: int
    low_since: int


@dataclass(frozen=True)
class ShareTerms:
    """What an Erc4626Adapter was made with."""

    max_growth_bps_per_year: int
    max_drop_bps: int
    confirm_after: int


def clock(time: int) -> str:
    """A time of the chain for people, in UTC; the bare number where no calendar reaches."""
    if time > LAST_TIME:
        return str(time)
    return datetime.fromtimestamp(time, UTC).strftime("%d %b %H:%M:%S")


# ------------------------------------------------------------------------------------------------------------- adapters


def judge_dispute(
    now: int, last: Dispute, period: int, max_deviation_bps: int, primary: Interval | None, secondary: Interval | None
) -> Judgement:
    """Whether a poke of a DeviationAdapter is due: to start a dispute, to keep it alive, to decide it, to end it."""
    if primary is None or secondary is None:
        return Judgement(State.NOT_DUE, "a source is missing: nothing to compare")
    low, high = min(primary.low, secondary.low), max(primary.high, secondary.high)
    is_apart = high * BPS > low * (BPS + max_deviation_bps)
    unseen = now - last.last_seen
    if not is_apart:
        if last.last_seen == 0:
            return Judgement(State.NOT_DUE, "the sources are together")
        return Judgement(State.DUE, "the sources are together again: ends the dispute")
    if unseen > period:
        return Judgement(State.DUE, "the sources are apart: starts a dispute")
    if last.last_seen - last.since < period <= now - last.since:
        return Judgement(State.DUE, "the dispute has stood for its period: the primary decides")
    if unseen * KEEP_ALIVE_PARTS >= period:
        return Judgement(State.DUE, f"keeps the dispute since {clock(last.since)} alive")
    return Judgement(State.NOT_DUE, f"the dispute since {clock(last.since)} was seen {clock(last.last_seen)}")


def judge_share(now: int, record: ShareRecord, live_wad: int, cap_wad: int, terms: ShareTerms) -> Judgement:
    """Whether a poke of an Erc4626Adapter is due: what it would write is worth a transaction.

    `cap_wad`: the most that the rate counts for now. A rise is recorded once the record lags by a day of growth; what
    begins or ends a doubt, at once.
    """
    floor = record.rate_wad - record.rate_wad * terms.max_drop_bps // BPS
    noted = clock(record.low_since)
    if live_wad >= floor:
        if record.low_since:
            return Judgement(State.DUE, f"the rate is back: ends the doubt since {noted}")
        if live_wad < record.rate_wad:
            return Judgement(State.NOT_DUE, "the rate fell by less than the stated drop")
        rate = min(live_wad, cap_wad)
        ahead = (cap_wad - rate) * BPS * SECONDS_PER_YEAR // (rate * terms.max_growth_bps_per_year)
        lag = now - min(ahead, MAX_HEADROOM) - record.time
        if lag >= RECORD_AGE:
            return Judgement(State.DUE, f"the record lags by {lag // DAY} d of growth")
        return Judgement(State.NOT_DUE, "the record lags by less than a day of growth")
    if record.low_since == 0:
        return Judgement(State.DUE, "the rate fell: begins the doubt")
    confirmed = record.low_since + terms.confirm_after
    if now >= confirmed:
        return Judgement(State.DUE, f"the fall has stood since {noted}: records it")
    return Judgement(State.NOT_DUE, f"the fall since {noted} counts from {clock(confirmed)} on")


# --------------------------------------------------------------------------------------------------------------- pauses


def pauses_over(now: int, asset_id: int, paused: Sequence[int], until: Sequence[int]) -> tuple[int, int]:
    """The sets of the two actions, borrowing and withdrawing, in which the asset's pause is over; 0: in none.

    `paused`: the sets that are in force. `until`: of the asset, when each of its pauses is over.
    """
    bit = 1 << asset_id
    borrowing, withdrawing = (
        bit if assets & bit and end <= now else 0 for assets, end in zip(paused, until, strict=True)
    )
    return borrowing, withdrawing


# ------------------------------------------------------------------------------------------------------------- accounts


def is_insolvent(collateral_value: int, debt_value: int, bonus_floor_wad: int) -> bool:
    """As the Vault decides it, but for the last digit of the two values."""
    return collateral_value * WAD < debt_value * (WAD + bonus_floor_wad)


def judge_note(noted: Mapping[int, int], anew: Mapping[int, int]) -> Judgement:
    """Whether an account's note is due, from its loss by asset id as it is noted and as it would be noted now.

    Losses in token units.
    """
    if not any(anew.values()) and any(noted.values()):
        return Judgement(State.DUE, "solvent again: lifts the note")
    if any(anew.values()) and not any(noted.values()):
        return Judgement(State.DUE, "insolvent, and nothing is noted")
    for asset_id, loss in anew.items():
        before = noted.get(asset_id, 0)
        if abs(loss - before) * BPS > before * MATERIAL_BPS:
            return Judgement(State.DUE, f"asset {asset_id}: {before} units are noted, {loss} are lost")
    return Judgement(State.NOT_DUE, "the note is what it should be")


# ------------------------------------------------------------------------------------------------------------ refusals

REFUSALS: Mapping[str, Callable[..., str]] = {
    "PokedTooSoon": lambda next_at, _: f"not before {clock(next_at)}",
    "SampledTooSoon": lambda next_at, _: f"not before {clock(next_at)}",
    "PriceNotFresh": lambda _: "no fresh price to record",
    "PriceSourceUnchanged": lambda _: "the table's source is the router's",
    "NotPaused": lambda _: "lifted already",
    "StillPaused": lambda _, until, __: f"paused until {clock(until)}",
    "AccountNotInsolvent": lambda _, __: "solvent, and nothing is noted",
}
"""Errors by which a chore says that there is nothing to do now, and what that means."""


def judge_revert(name: str, arguments: Sequence[Any], message: str) -> Judgement:
    """What it means that a simulation reverted with this error; `message` is the node's own, of one without a name."""
    if name in REFUSALS:
        return Judgement(State.NOT_DUE, REFUSALS[name](*arguments))
    return Judgement(State.FAILED, (f"{name}{tuple(arguments)}" if name else message)[:LONGEST_MESSAGE])
