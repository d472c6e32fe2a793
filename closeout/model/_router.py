"""The record that OracleRouter.sol keeps of one asset: its last good price, since when it is missing, a freeze.

A twin like the Vault's: same refusals by name, same integers. What an adapter answers is given from outside.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from closeout.model._parameters import MAX_PRICE_WAD, ParameterOutOfBounds
from closeout.model._quotes import Quote, Status
from closeout.model._reverts import ModelRevert
from closeout.units import BPS

_HOUR = 3600
_DAY = 24 * _HOUR
_POKE_SPACING = _HOUR
_POKE_STEP_BPS = 2000
_JUMP_WINDOW = _DAY
_FREEZE_PERIOD = _DAY
_FREEZE_SPACING = 7 * _DAY
_CONFIRMED_FREEZE = 30 * _DAY
_JUMP_BPS = range(500, 6001)
_ABANDON_AFTER = range(3 * _DAY, 90 * _DAY + 1)
_DECAY_PERIOD = range(7 * _DAY, 365 * _DAY + 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an adapter says: one fresh price, or the ends of the doubt and the primary source's figure; WAD."""

    low_wad: int
    high_wad: int
    primary_wad: int
    is_fresh: bool

    @classmethod
    def fresh(cls, price_wad: int) -> Answer:
        """Nothing is in doubt."""
        return cls(price_wad, price_wad, price_wad, is_fresh=True)

    @classmethod
    def degraded(cls, low_wad: int, high_wad: int, primary_wad: int) -> Answer:
        """In doubt; a primary outside is brought to the nearer end."""
        return cls(low_wad, high_wad, min(max(primary_wad, low_wad), high_wad), is_fresh=False)


@dataclass(frozen=True, slots=True)
class _Record:
    """Prices WAD; times in seconds, 0 for never. A candidate is a price that jumped and was seen once."""

    price_wad: int
    recorded_at: int
    missing_since: int = 0
    frozen_at: int = 0
    frozen_until: int = 0
    candidate_wad: int = 0
    noted_at: int = 0


class RouterRecord:
    """The record of one asset. `answer` None: the adapter has no price. Times in seconds; nothing here has a clock."""

    def __init__(self, price_wad: int, now: int, *, abandon_after: int, decay_period: int) -> None:
        if abandon_after not in _ABANDON_AFTER:
            raise ParameterOutOfBounds("abandon_after", abandon_after, "3 to 90 days")
        if decay_period not in _DECAY_PERIOD:
            raise ParameterOutOfBounds("decay_period", decay_period, "7 to 365 days")
        if not 0 < price_wad <= MAX_PRICE_WAD:
            raise ParameterOutOfBounds("price", price_wad, "above 0, at most 1e12 USD")
        self._abandon_after, self._decay_period = abandon_after, decay_period
        self._jump_bps = 0
        self._record = _Record(price_wad, now)

    @property
    def last_good(self) -> tuple[int, int, int]:
        """The last good price (WAD), when it was recorded, and since when the price is known to be missing."""
        return self._record.price_wad, self._record.recorded_at, self._record.missing_since

    @property
    def frozen_until(self) -> int:
        """Until when a freeze holds; a time that is over: none."""
        return self._record.frozen_until

    # -------------------------------------------------------------------------------------------------------- prices

    def quote(self, answer: Answer | None, now: int) -> Quote:
        """What the router tells of the price, whatever its status."""
        record = self._record
        if answer is None:
            return Quote.missing(record.price_wad, self._cut(now))
        if now < record.frozen_until:
            return Quote(Status.DEGRADED, record.price_wad, record.price_wad, record.price_wad)
        if not answer.is_fresh:
            return Quote.degraded(answer.low_wad, answer.high_wad, answer.primary_wad)
        price = answer.low_wad
        low, high = min(price, record.price_wad), max(price, record.price_wad)
        is_recent = now - record.recorded_at <= _JUMP_WINDOW
        if self._jump_bps and is_recent and _differ(low, high, self._jump_bps):
            return Quote.degraded(low, high, price)
        return Quote.fresh(price)

    def _cut(self, now: int) -> int:
        """What is left of the last good price of a collateral without a market, WAD, rounded down."""
        record = self._record
        missing_for = now - record.missing_since if record.missing_since else 0
        decayed = max(0, missing_for - self._abandon_after)
        return record.price_wad * max(0, self._decay_period - decayed) // self._decay_period

    # -------------------------------------------------------------------------------------------------------- record

    def poke(self, answer: Answer | None, now: int) -> tuple[str, ...]:
        """Records a good price, or that there is none; returns the names of the events.

        Raises PriceNotFresh() and PokedTooSoon(nextAt, timestamp); then nothing has changed.
        """
        record = self._record
        if answer is None:
            if record.missing_since:
                raise ModelRevert("PriceNotFresh")
            self._record = replace(record, missing_since=now)
            return ("MissingNoted",)
        was_missing = record.missing_since != 0
        cleared: tuple[str, ...] = ("MissingCleared",) if was_missing else ()
        record = replace(record, missing_since=0)
        is_good = answer.is_fresh and now >= record.frozen_until
        next_at = record.recorded_at + _POKE_SPACING
        if is_good and now >= next_at:
            self._record, event = _recorded(record, answer.low_wad, now)
            return (*cleared, event)
        if not was_missing:
            raise ModelRevert("PokedTooSoon", next_at, now) if is_good else ModelRevert("PriceNotFresh")
        self._record = record
        return cleared

    def plug(self, price_wad: int, now: int) -> None:
        """Another adapter, fresh at that price: what `replace` and `activate` leave of the record."""
        self._record = _Record(price_wad, now, frozen_at=self._record.frozen_at)

    # ------------------------------------------------------------------------------------------------------- control

    def set_jump_bound(self, jump_bps: int) -> None:
        """A fresh price that differs from a last good one of the last day by more is degraded; 0: off."""
        if jump_bps and jump_bps not in _JUMP_BPS:
            raise ParameterOutOfBounds("jump_bps", jump_bps, "0, or 500 to 6000")
        self._jump_bps = jump_bps

    def freeze(self, now: int) -> None:
        """Holds the price at the last good one for a day; once a week. Raises FrozenTooSoon(nextAt, timestamp)."""
        record = self._record
        if record.frozen_at and now < record.frozen_at + _FREEZE_SPACING:
            raise ModelRevert("FrozenTooSoon", record.frozen_at + _FREEZE_SPACING, now)
        self._record = replace(record, frozen_at=now, frozen_until=now + _FREEZE_PERIOD)

    def confirm_freeze(self, until: int, now: int) -> None:
        """Keeps a freeze in force, at most a month. Raises NotFrozen() and ParameterOutOfRange(...)."""
        self._require_frozen(now)
        if not now <= until <= now + _CONFIRMED_FREEZE:
            raise ModelRevert("ParameterOutOfRange", "until", until, now, now + _CONFIRMED_FREEZE)
        self._record = replace(self._record, frozen_until=until)

    def unfreeze(self, now: int) -> None:
        """Ends a freeze. Raises NotFrozen()."""
        self._require_frozen(now)
        self._record = replace(self._record, frozen_until=0)

    def _require_frozen(self, now: int) -> None:
        if now >= self._record.frozen_until:
            raise ModelRevert("NotFrozen")


def _recorded(record: _Record, price_wad: int, now: int) -> tuple[_Record, str]:
    """A good price becomes the last good one; one that jumped away from it only where it was seen before."""
    if _is_step(record.price_wad, price_wad):
        is_confirmed_at = record.noted_at + _POKE_SPACING
        if record.candidate_wad and now < is_confirmed_at:
            raise ModelRevert("PokedTooSoon", is_confirmed_at, now)
        if not record.candidate_wad or _is_step(record.candidate_wad, price_wad):
            return replace(record, candidate_wad=price_wad, noted_at=now), "JumpNoted"
    stored = replace(record, price_wad=price_wad, recorded_at=now, candidate_wad=0, noted_at=0)
    return stored, "GoodPriceRecorded"


def _is_step(one_wad: int, other_wad: int) -> bool:
    return _differ(min(one_wad, other_wad), max(one_wad, other_wad), _POKE_STEP_BPS)


def _differ(low_wad: int, high_wad: int, bps: int) -> bool:
    return high_wad * BPS > low_wad * (BPS + bps)
