"""What each nonce of the keeper's key is used for, from signed to final. Pure: facts go in, changes come out.

    open ──in a block──► mined ──deep enough──► final ──much deeper──► forgotten: the number is never used again
      ▲                    │                      │
      └─────────────reorganised───────────────────┘
    open, mined ──the number was used by a transaction that is not in the book──► foreign

An attempt is one signed transaction. Several attempts at a nonce are replacements of each other: the chain takes one of
them at most. That is why nothing can be spent twice, however often it is sent again or a process is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from closeout.keeper.breaker import Spending
from closeout.keeper.fees import Fees
from closeout.keeper.ports import Block
from closeout.units import WAD

__all__ = ["Attempt", "Change", "Facts", "Inclusion", "NonceBook", "Slot", "SlotState"]

# A node that counts a transaction may know its receipt a moment later.
RECEIPT_PATIENCE_BLOCKS = 3
# Deeper than any chain was ever reorganised; what is older need not be known to be sent again.
KEPT_BLOCKS = 1_024


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed transaction. `key` says what it is for, ("cancel", nonce) that it only uses the nonce up.

    `to`, `data` and `gas_limit` are what `raw` says. `block`: the head when it was signed. `gross_wad` as a Job's.
    `native_price_wad`: what a whole native token was worth then, WAD USD.
    """

    nonce: int
    hash: str
    raw: str
    key: tuple[str, int]
    to: str
    data: str
    fees: Fees
    gas_limit: int
    block: int
    gross_wad: int | None = None
    expected_profit_wad: int = 0
    native_price_wad: int = 0
    is_private: bool = False

    @property
    def worst(self) -> Spending:
        """All its gas at its highest fee, for nothing."""
        gas = self.gas_limit * self.fees.max_fee
        return Spending(gas, gas * -self.native_price_wad // WAD, is_failed=True)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """An attempt in a block: which, where, whether it did what it was for, and what it came to."""

    hash: str
    block_number: int
    block_hash: str
    time: int
    is_success: bool
    spent: Spending


class SlotState(Enum):
    OPEN = "open"
    MINED = "mined"
    FINAL = "final"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Slot:
    """A nonce. `attempts` in the order in which they were signed; the last is the one that is wanted.

    `missing_since`: the block at which the nonce was first seen used without a receipt of ours.
    """

    nonce: int
    attempts: tuple[Attempt, ...]
    state: SlotState = SlotState.OPEN
    inclusion: Inclusion | None = None
    missing_since: int | None = None

    @property
    def last(self) -> Attempt:
        return self.attempts[-1]

    @property
    def mined(self) -> Attempt:
        """The attempt that is in a block; only of a slot with an inclusion."""
        return next(item for item in self.attempts if self.inclusion and item.hash == self.inclusion.hash)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the node says at one block. `nonce`: transactions of the key in the chain; `pending`: with the node's pool.

    `inclusions` by transaction hash: of the hashes asked for, those that are in the canonical chain.
    """

    head: Block
    nonce: int
    pending: int
    inclusions: Mapping[str, Inclusion] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A slot whose state or block is another than before."""

    slot: Slot
    before: SlotState


class NonceBook:
    """All nonces that are not settled for good. Restored from a journal: its slots, and `used`.

    `used`: numbers below are settled; they are not used again, also where a node that is behind does not know them.
    """

    def __init__(self, slots: Iterable[Slot] = (), used: int = 0, final_depth: int = 12) -> None:
        self.final_depth = final_depth
        self.used = used
        self._slots = {slot.nonce: slot for slot in slots}
        self._chain_nonce = 0

    # ---------------------------------------------------------------------------------------------------------- views

    @property
    def slots(self) -> list[Slot]:
        """All that are not settled for good, by nonce."""
        return [slot for _, slot in sorted(self._slots.items())]

    @property
    def open(self) -> list[Slot]:
        """In flight, by nonce."""
        return [slot for slot in self.slots if slot.state is SlotState.OPEN]

    @property
    def hashes(self) -> list[str]:
        """Transactions whose inclusion `observe` has to know."""
        return [item.hash for slot in self.slots if slot.state is not SlotState.FINAL for item in slot.attempts]

    @property
    def next(self) -> int:
        """The number for a new transaction: the lowest that nobody uses. Fills a hole first: what is above one
        waits.
        """
        nonce = max(self._chain_nonce, self.used)
        while nonce in self._slots:
            nonce += 1
        return nonce

    @property
    def holes(self) -> list[int]:
        """Numbers that nobody uses, below one that is in flight: it waits until they are."""
        highest = max((slot.nonce for slot in self.open), default=-1)
        lowest = max(self._chain_nonce, self.used)
        return [nonce for nonce in range(lowest, highest) if nonce not in self._slots]

    def __contains__(self, nonce: int) -> bool:
        return nonce in self._slots

    @property
    def known(self) -> int:
        """Numbers from this one on are not in the book."""
        return max([self.used, *(nonce + 1 for nonce in self._slots)])

    def in_flight(self, key: tuple[str, int]) -> Slot | None:
        """The open nonce whose wanted transaction is for this."""
        return next((slot for slot in self.open if slot.last.key == key), None)

    # -------------------------------------------------------------------------------------------------------- changes

    def record(self, attempt: Attempt) -> Slot:
        """A signed transaction, already written down, not yet sent. Raises ValueError where the nonce is not open."""
        slot = self._slots.get(attempt.nonce, Slot(attempt.nonce, ()))
        if slot.state is not SlotState.OPEN:
            raise ValueError(f"nonce {attempt.nonce}: found {slot.state.value}, expected open or unused")
        earlier = tuple(item for item in slot.attempts if item.hash != attempt.hash)
        self._slots[attempt.nonce] = replace(slot, attempts=(*earlier, attempt))
        return self._slots[attempt.nonce]

    def observe(self, facts: Facts) -> list[Change]:
        """What the chain made of the nonces. A head that went back, or lags, changes things back; nothing is lost."""
        self._chain_nonce = facts.nonce
        changes = []
        for slot in self.slots:
            after = self._seen(slot, facts)
            self._slots[slot.nonce] = after
            if (after.state, after.inclusion) != (slot.state, slot.inclusion):
                changes.append(Change(after, slot.state))
        self._forget(facts.head)
        return changes

    def _seen(self, slot: Slot, facts: Facts) -> Slot:
        if slot.state is SlotState.FINAL and slot.nonce < facts.nonce:
            return slot
        found = next((facts.inclusions[item.hash] for item in slot.attempts if item.hash in facts.inclusions), None)
        if found is not None:
            if slot.inclusion and (found.hash, found.block_hash) == (slot.inclusion.hash, slot.inclusion.block_hash):
                # worth what it was worth when it was first seen there
                found = slot.inclusion
            is_final = facts.head.number - found.block_number >= self.final_depth
            state = SlotState.FINAL if is_final else SlotState.MINED
            return replace(slot, state=state, inclusion=found, missing_since=None)
        if slot.nonce >= facts.nonce:
            return replace(slot, state=SlotState.OPEN, inclusion=None, missing_since=None)
        since = facts.head.number if slot.missing_since is None else min(slot.missing_since, facts.head.number)
        if facts.head.number - since < RECEIPT_PATIENCE_BLOCKS:
            return replace(slot, missing_since=since)
        return replace(slot, state=SlotState.FOREIGN, inclusion=None, missing_since=since)

    def _forget(self, head: Block) -> None:
        # from the lowest on: `used` says that everything below it is settled
        for slot in self.slots:
            since = slot.inclusion.block_number if slot.inclusion else slot.missing_since
            if slot.state not in (SlotState.FINAL, SlotState.FOREIGN) or head.number - (since or 0) < KEPT_BLOCKS:
                break
            self.used = max(self.used, slot.nonce + 1)
            del self._slots[slot.nonce]
