"""The circuit breaker: how much gas and how much loss an hour may bring, before it is spent. Pure.

Every transaction is reserved at its worst (all its gas burnt at its highest fee, for nothing) before it is sent, and
counts as that until the block that it is in is final: a reorganisation may make another end of it. So the ceilings
hold whatever happens to what is in flight.

Times are the chain's, never the machine's: a clock that is wrong or set back changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from closeout.errors import BadInput
from closeout.units import WAD

__all__ = ["Breaker", "Ceilings", "Spending", "Trip"]

HOUR = 3_600
# Longer than what counts: a failed transaction of before still makes the streak that the next one continues.
KEPT = 2 * HOUR
NOTHING: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class Ceilings:
    """`gas_per_hour` wei, `loss_per_hour` WAD USD: of transactions that cost more than they brought, gains not set off.

    After `streak` transactions in a row that failed on chain, nothing is sent for `pause` seconds of the chain,
    doubling with each further one up to an hour.
    """

    gas_per_hour: int = 2 * 10**18
    loss_per_hour: int = 5_000 * WAD
    streak: int = 5
    pause: int = 30

    def __post_init__(self) -> None:
        for name, least in (("gas_per_hour", 0), ("loss_per_hour", 0), ("streak", 1), ("pause", 0)):
            if getattr(self, name) < least:
                raise BadInput(f"ceilings.{name}", getattr(self, name), f"at least {least}")


@dataclass(frozen=True, slots=True)
class Spending:
    """What a transaction came to: gas in wei, what it left over in WAD USD (negative: a loss)."""

    gas: int
    net_wad: int
    is_failed: bool = False

    @property
    def loss_wad(self) -> int:
        return max(0, -self.net_wad)


class Trip(Enum):
    """Why nothing may be sent."""

    GAS = "the ceiling on gas per hour"
    LOSS = "the ceiling on loss per hour"
    STREAK = "too many transactions in a row that failed"


class Breaker:
    """Keeps the hour's books by nonce: a transaction mined twice, over a reorg, counts once."""

    def __init__(self, ceilings: Ceilings) -> None:
        self.ceilings = ceilings
        self._reserved: dict[int, tuple[int, int]] = {}  # gas, loss
        self._booked: dict[int, tuple[int, Spending]] = {}
        self._now = 0

    def tick(self, now: int) -> None:
        """The time of the newest block; never goes back, also where the chain's head does."""
        self._now = max(self._now, now)
        for nonce in [nonce for nonce, (time, _) in self._booked.items() if time <= self._now - KEPT]:
            del self._booked[nonce]
            self._reserved.pop(nonce, None)

    # ------------------------------------------------------------------------------------------------------- spending

    def trip(self, nonce: int, worst: Spending) -> Trip | None:
        """Why this may not be spent on this nonce now; None where it may."""
        if self._paused_until() > self._now:
            return Trip.STREAK
        gas, loss = self._totals(without=nonce)
        # a nonce is mined once: of several transactions for it only the dearest can cost anything
        held_gas, held_loss = self._reserved.get(nonce, NOTHING)
        if gas + max(worst.gas, held_gas) > self.ceilings.gas_per_hour:
            return Trip.GAS
        if loss + max(worst.loss_wad, held_loss) > self.ceilings.loss_per_hour:
            return Trip.LOSS
        return None

    def reserve(self, nonce: int, worst: Spending) -> None:
        """Holds the dearest of a nonce's transactions against the ceilings, until it is booked or released."""
        gas, loss = self._reserved.get(nonce, NOTHING)
        self._reserved[nonce] = max(gas, worst.gas), max(loss, worst.loss_wad)

    def book(self, nonce: int, time: int, spent: Spending, is_final: bool = False) -> None:
        """What the nonce came to, in a block of that time. Final: that is what it costs, and not what it might have."""
        self._booked[nonce] = (time, spent)
        if is_final:
            self._reserved.pop(nonce, None)

    def unbook(self, nonce: int) -> None:
        """The nonce's block is gone: what was reserved counts again."""
        self._booked.pop(nonce, None)

    def release(self, nonce: int) -> None:
        """None of ours can be mined at this nonce any more."""
        self._booked.pop(nonce, None)
        self._reserved.pop(nonce, None)

    # ---------------------------------------------------------------------------------------------------------- views

    @property
    def gas_spent(self) -> int:
        """Wei of the last hour, mined only."""
        return sum(spent.gas for time, spent in self._booked.values() if self._is_counted(time))

    @property
    def loss_wad(self) -> int:
        """WAD USD of the last hour, mined only."""
        return sum(spent.loss_wad for time, spent in self._booked.values() if self._is_counted(time))

    @property
    def reserved_gas(self) -> int:
        """Wei that what is in flight could cost at most."""
        return sum(gas for nonce, (gas, _) in self._reserved.items() if nonce not in self._booked)

    def state(self) -> Trip | None:
        """What stands in the way of any transaction at all: the ceilings are reached, or a pause runs."""
        if self._paused_until() > self._now:
            return Trip.STREAK
        if self.gas_spent >= self.ceilings.gas_per_hour:
            return Trip.GAS
        return Trip.LOSS if self.loss_wad >= self.ceilings.loss_per_hour else None

    def _is_counted(self, time: int) -> bool:
        return time > self._now - HOUR

    def _totals(self, without: int) -> tuple[int, int]:
        gas = loss = 0
        for nonce in (self._reserved.keys() | self._booked.keys()) - {without}:
            time, spent = self._booked.get(nonce, (self._now, Spending(0, 0)))
            if self._is_counted(time):
                held_gas, held_loss = self._reserved.get(nonce, NOTHING)
                gas += max(spent.gas, held_gas)
                loss += max(spent.loss_wad, held_loss)
        return gas, loss

    def _paused_until(self) -> int:
        failed, last = 0, 0
        for _, (time, spent) in sorted(self._booked.items(), reverse=True):
            if not spent.is_failed:
                break
            failed, last = failed + 1, max(last, time)
        if failed < self.ceilings.streak:
            return 0
        doublings = min(failed - self.ceilings.streak, 12)
        return last + min(HOUR, self.ceilings.pause << doublings)
