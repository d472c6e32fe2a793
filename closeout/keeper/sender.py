"""Carries a block's decision out: settles what is in flight, then sends, replaces, cancels. No I/O of its own.

Every block, in this order: what the chain made of each nonce is booked; what is in flight and what is new is
simulated, in the order in which it would be mined; then for each nonce at most one transaction is signed, written to
the journal and only then sent. A transaction whose fate is not known is sent again as it is: the same bytes, the same
hash, no harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from closeout.keeper.breaker import Breaker, Ceilings, Spending, Trip
from closeout.keeper.fees import FeePolicy, Fees
from closeout.keeper.nonces import Attempt, Change, Facts, NonceBook, Slot, SlotState
from closeout.keeper.ports import Decision
from closeout.keeper.sending import (
    Encoder,
    Job,
    Outbox,
    SendingNode,
    Signer,
    Simulation,
    Transaction,
    Verdict,
    Worth,
)
from closeout.keeper.standby import Standby

__all__ = ["CANCEL", "Happened", "Sender", "SenderOptions", "What"]

CANCEL = "cancel"
CANCEL_GAS = 21_000
PRICELESS = 10**60
# Over what a simulation used: storage that another transaction of the block warms or cools.
GAS_MARGIN_PER_CENT = 25
# The simulation's own allowance; the largest close-out takes a twentieth of it.
SIMULATED_GAS = 15_000_000


class What(Enum):
    """What happened to a transaction, or why there is none."""

    SENT = "sent"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    RESENT = "sent again"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    USED_UP = "cancellation mined"
    REOPENED = "reorganised away"
    FOREIGN = "nonce used by another process"
    WOULD_REVERT = "would revert"
    TOO_DEAR = "gas too dear"
    HELD_BACK = "held back by the breaker"
    STANDING_BY = "standing by"
    NOT_ACCEPTED = "not accepted"
    WOULD_EARN = "would earn"


@dataclass(frozen=True, slots=True)
class Happened:
    """One thing the sender did or saw. `net_wad` and `gas` where a transaction was mined (or, on paper, would be)."""

    what: What
    key: tuple[str, int]
    nonce: int | None = None
    hash: str = ""
    detail: str = ""
    net_wad: int = 0
    gas: int = 0


@dataclass(frozen=True, slots=True)
class SenderOptions:
    """`most_in_flight` nonces at once. `private_blocks`: so long the private relay alone has it; then everyone."""

    fees: FeePolicy = field(default_factory=FeePolicy)
    ceilings: Ceilings = field(default_factory=Ceilings)
    most_in_flight: int = 16
    final_depth: int = 12
    uses_relay: bool = False
    private_blocks: int = 2


class Sender:
    """One key's transactions. Restores itself from the journal; one process, one thread."""

    def __init__(
        self, node: SendingNode, signer: Signer, encoder: Encoder, outbox: Outbox, options: SenderOptions
    ) -> None:
        self._node, self._signer, self._encoder, self._outbox = node, signer, encoder, outbox
        self._options = options
        restored = outbox.restore()
        self.book = NonceBook(restored.slots, restored.used, options.final_depth)
        self.breaker = Breaker(options.ceilings)
        for slot in (*restored.settled, *restored.slots):
            self._account_for(slot)
        self.standby = Standby(outbox.instance)
        # transactions of the key that are accounted for, ours or not; None until the node said how many there are
        self._explained: int | None = None
        self._happened: list[Happened] = []

    @property
    def address(self) -> str:
        return self._signer.address

    def on_block(self, decision: Decision, worth: Worth, jobs: Sequence[Job] = ()) -> list[Happened]:
        """Does what the decision wants; `jobs` of the operator's own go first.

        Raises NodeError and OutboxUnwritable; whatever was done until then is in the journal, and the next block
        goes on from there.
        """
        self._happened = []
        facts = self._node.facts(self.address, self.book.hashes, worth)
        if self._explained is None:
            # what the key did before this process is nobody else's doing
            self._explained = facts.nonce
        self._settle(facts)
        wanted = [*jobs, *(self._encoder.job(intent, self.address) for intent in decision.intents)]
        if self._may_act(facts):
            self._act(facts, wanted, worth)
        else:
            self._resend(facts, self.book.open)
        return self._happened

    # ------------------------------------------------------------------------------------------------------- settling

    def _settle(self, facts: Facts) -> None:
        self.breaker.tick(facts.head.timestamp)
        changes = self.book.observe(facts)
        if changes:
            self._outbox.save([change.slot for change in changes], self.book.used)
        for change in changes:
            self._account_for(change.slot)
            self._tell(change)

    def _account_for(self, slot: Slot) -> None:
        if slot.state is SlotState.FOREIGN:
            self.breaker.release(slot.nonce)
            return
        for attempt in slot.attempts:
            self.breaker.reserve(slot.nonce, attempt.worst)
        if slot.inclusion is None:
            self.breaker.unbook(slot.nonce)
        else:
            is_final = slot.state is SlotState.FINAL
            self.breaker.book(slot.nonce, slot.inclusion.time, slot.inclusion.spent, is_final)

    def _tell(self, change: Change) -> None:
        slot, seen = change.slot, change.slot.inclusion
        if slot.state is SlotState.FOREIGN:
            self._say(What.FOREIGN, slot.last.key, slot.nonce)
        elif slot.state is SlotState.OPEN:
            self._say(What.REOPENED, slot.last.key, slot.nonce, slot.last.hash)
        elif seen is not None and change.before in (SlotState.OPEN, SlotState.FOREIGN):
            what = What.SUCCEEDED if seen.is_success else What.FAILED
            key = slot.mined.key
            self._say(
                What.USED_UP if key[0] == CANCEL else what,
                key,
                slot.nonce,
                seen.hash,
                net_wad=seen.spent.net_wad,
                gas=seen.spent.gas,
            )

    def _may_act(self, facts: Facts) -> bool:
        number = facts.head.number
        used = max(facts.nonce, facts.pending)
        is_taken = any(item.what is What.FOREIGN for item in self._happened)
        if is_taken or used > max(self.book.known, self._explained or 0):
            self._stand_by(number, f"another process uses the key: {used} nonces are used, {self.book.known} known")
        self._explained = max(self._explained or 0, used)
        return not self.standby.holds(number)

    def _stand_by(self, block: int, why: str) -> None:
        until = self.standby.sighted(block)
        self._say(What.STANDING_BY, ("key", block), detail=f"{why}; until block {until}")

    # --------------------------------------------------------------------------------------------------------- acting

    def _act(self, facts: Facts, wanted: Sequence[Job], worth: Worth) -> None:
        keys = {slot.last.key for slot in self.book.open}
        # a nonce that is used already waits for its receipt: nothing can take its place
        flying = [slot for slot in self.book.open if slot.missing_since is None]
        new = [job for job in wanted if job.key not in keys]
        calls = [(slot.last.to, slot.last.data, slot.last.gas_limit) for slot in flying]
        calls += [(job.to, job.data, job.gas_limit or SIMULATED_GAS) for job in new]
        simulations = self._node.simulate(self.address, calls, worth) if calls else []
        tip = self._node.tip() if calls else 0

        idle: list[tuple[Slot, Simulation]] = []
        for slot, simulation in zip(flying, simulations, strict=False):
            is_useless = bool(simulation.error) and slot.last.key[0] != CANCEL
            if is_useless or not self._keep_moving(facts, slot, simulation, worth, tip):
                idle.append((slot, simulation))
        good = [item for item in zip(flying, simulations, strict=False) if item not in idle]
        for job, simulation in zip(new, simulations[len(flying) :], strict=True):
            if simulation.error:
                self._say(What.WOULD_REVERT, job.key, detail=simulation.text)
            else:
                self._start(facts, job, simulation, worth, tip, idle)
        self._clear_the_way(facts, idle, good, worth, tip)

    def _clear_the_way(
        self, facts: Facts, idle: Sequence[tuple[Slot, Simulation]], good: Sequence[tuple[Slot, Simulation]],
        worth: Worth, tip: int,
    ) -> None:  # fmt: skip
        """Uses up nonces that would fail, or that nobody uses, where that costs less than what it saves or sets
        free.
        """
        for slot, simulation in idle:
            self._cancel(facts, slot, simulation, self._waiting_above(slot.nonce, good), worth, tip)
        for nonce in self.book.holes:
            # a transaction that is not ours was there, and a reorganisation took it away
            fees = self._options.fees.first(facts.head.base_fee, self._options.fees.most_fee, tip)
            gain = self._waiting_above(nonce, good)
            if fees is not None and gain > worth.of_gas(CANCEL_GAS * fees.price_at(facts.head.base_fee)):
                job = Job((CANCEL, nonce), self.address, "0x", CANCEL_GAS)
                self._send(facts, nonce, job, CANCEL_GAS, fees, worth, What.CANCELLED, "fills a hole")

    @staticmethod
    def _waiting_above(nonce: int, good: Sequence[tuple[Slot, Simulation]]) -> int:
        """WAD USD that transactions behind this nonce would earn; what is wanted at any price counts as priceless."""
        above = [(slot, simulation) for slot, simulation in good if slot.nonce > nonce and slot.last.key[0] != CANCEL]
        return sum(PRICELESS if slot.last.gross_wad is None else _gross(slot, item) for slot, item in above)

    def _start(
        self, facts: Facts, job: Job, simulation: Simulation, worth: Worth, tip: int,
        idle: list[tuple[Slot, Simulation]],
    ) -> None:  # fmt: skip
        """A new job: in place of a transaction that became useless, where there is one; else at a new nonce."""
        gas = job.gas_limit or simulation.gas_used * (100 + GAS_MARGIN_PER_CENT) // 100
        bearable = self._bearable(job, gas, worth)
        base_fee = facts.head.base_fee
        for i, (slot, _) in enumerate(idle):
            fees = self._options.fees.bumped(slot.last.fees, base_fee, bearable, tip)
            if fees is not None:
                if self._send(facts, slot.nonce, job, gas, fees, worth, What.REPLACED):
                    del idle[i]
                return
        if len(self.book.open) >= self._options.most_in_flight:
            return
        fees = self._options.fees.first(base_fee, bearable, tip)
        if fees is None:
            self._say(What.TOO_DEAR, job.key, detail=f"base fee {base_fee} wei, bearable {bearable} wei")
            return
        self._send(facts, self.book.next, job, gas, fees, worth, What.SENT)

    def _keep_moving(self, facts: Facts, slot: Slot, simulation: Simulation, worth: Worth, tip: int) -> bool:
        """A transaction in flight that is still good: bumped where it is stuck, else sent again as it is.

        False where the base fee keeps it out and it would not bear more.
        """
        last, policy, base_fee = slot.last, self._options.fees, facts.head.base_fee
        is_next = all(nonce in self.book for nonce in range(facts.nonce, slot.nonce))
        if is_next and policy.is_stuck(last.fees, facts.head.number - last.block, base_fee):
            gross = last.gross_wad if last.gross_wad is None else _gross(slot, simulation)
            job = Job(last.key, last.to, last.data, last.gas_limit, gross, last.expected_profit_wad)
            fees = policy.bumped(last.fees, base_fee, self._bearable(job, last.gas_limit, worth), tip)
            if fees is not None and self._send(facts, slot.nonce, job, last.gas_limit, fees, worth, What.REPLACED):
                return True
        self._resend(facts, [slot])
        return last.fees.max_fee >= base_fee

    def _cancel(self, facts: Facts, slot: Slot, simulation: Simulation, gain_wad: int, worth: Worth, tip: int) -> None:
        """A transaction that would fail, or cannot be mined: used up for the least gas, where that pays."""
        base_fee, last = facts.head.base_fee, slot.last
        if last.is_private:
            self._node.withdraw(last.hash)
        fees = self._options.fees.bumped(last.fees, base_fee, self._options.fees.most_fee, tip)
        if fees is None:
            return
        saved = 0
        if simulation.error and last.fees.max_fee >= base_fee:
            saved = worth.of_gas((simulation.gas_used or last.gas_limit) * last.fees.price_at(base_fee))
        if saved + gain_wad > worth.of_gas(CANCEL_GAS * fees.price_at(base_fee)):
            job = Job((CANCEL, slot.nonce), self.address, "0x", CANCEL_GAS)
            self._send(facts, slot.nonce, job, CANCEL_GAS, fees, worth, What.CANCELLED, simulation.text)

    def _bearable(self, job: Job, gas: int, worth: Worth) -> int:
        most = self._options.fees.most_fee
        return most if job.gross_wad is None else min(most, worth.most_gas_price(job.gross_wad, gas))

    # -------------------------------------------------------------------------------------------------------- sending

    def _send(
        self, facts: Facts, nonce: int, job: Job, gas: int, fees: Fees, worth: Worth, what: What, detail: str = ""
    ) -> bool:
        most = gas * fees.max_fee
        trip = self.breaker.trip(nonce, Spending(most, -worth.of_gas(most)))
        if trip is not None:
            self._say(What.HELD_BACK, job.key, detail=trip.value)
            return False
        signed = self._signer.sign(Transaction(nonce, job.to, job.data, gas, fees.max_fee, fees.priority_fee))
        attempt = Attempt(
            nonce, signed.hash, signed.raw, job.key, job.to, job.data, fees, gas, facts.head.number,
            job.gross_wad, job.expected_profit_wad, worth.native_price_wad, self._is_private(facts, nonce, job),
        )  # fmt: skip
        # on disk first: after this line the transaction may exist, and whoever starts next knows it
        self._outbox.write(attempt)
        self.book.record(attempt)
        self.breaker.reserve(nonce, attempt.worst)
        self._heard(facts, attempt, self._node.broadcast(attempt.raw, attempt.is_private), what, detail)
        return True

    def _is_private(self, facts: Facts, nonce: int, job: Job) -> bool:
        if not self._options.uses_relay or job.key[0] == CANCEL:
            return False
        slot = next((slot for slot in self.book.open if slot.nonce == nonce), None)
        return slot is None or facts.head.number - slot.attempts[0].block < self._options.private_blocks

    def _resend(self, facts: Facts, slots: Sequence[Slot]) -> None:
        for slot in slots:
            if slot.nonce >= facts.nonce and facts.head.number != slot.last.block:
                verdict = self._node.broadcast(slot.last.raw, slot.last.is_private)
                if verdict is Verdict.ACCEPTED:
                    self._say(What.RESENT, slot.last.key, slot.nonce, slot.last.hash)

    def _heard(self, facts: Facts, attempt: Attempt, verdict: Verdict, what: What, detail: str) -> None:
        if verdict in (Verdict.ACCEPTED, Verdict.KNOWN):
            self._say(what, attempt.key, attempt.nonce, attempt.hash, detail)
            return
        self._say(What.NOT_ACCEPTED, attempt.key, attempt.nonce, attempt.hash, verdict.value)
        if verdict is Verdict.UNDERPRICED and what is What.SENT:
            # a nonce that was free in our book is taken in the node's pool: somebody else has the key
            self._stand_by(facts.head.number, f"another process uses the key: nonce {attempt.nonce} is taken")

    def _say(
        self, what: What, key: tuple[str, int], nonce: int | None = None, hash_: str = "", detail: str = "",
        net_wad: int = 0, gas: int = 0,
    ) -> None:  # fmt: skip
        self._happened.append(Happened(what, key, nonce, hash_, detail, net_wad, gas))

    # ---------------------------------------------------------------------------------------------------------- views

    def state(self) -> Trip | None:
        """Why nothing is sent at all, where that is so."""
        return self.breaker.state()

    def spent(self) -> Spending:
        """Gas and losses of the last hour."""
        return Spending(self.breaker.gas_spent, -self.breaker.loss_wad)


def _gross(slot: Slot, simulation: Simulation) -> int:
    """WAD USD that a transaction in flight would earn now, as far as the node can say; else what was planned."""
    return (slot.last.gross_wad or 0) if simulation.earned_wad is None else simulation.earned_wad
