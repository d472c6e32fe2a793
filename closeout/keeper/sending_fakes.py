"""Fakes of the sender's ports: a node with a pool and blocks, a signer without keys, a journal that may be
unwritable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256

from closeout.errors import NodeError
from closeout.keeper.breaker import Spending
from closeout.keeper.fees import Fees
from closeout.keeper.nonces import Attempt, Facts, Inclusion, Slot
from closeout.keeper.ports import Block, Intent
from closeout.keeper.sending import (
    Job,
    OutboxUnwritable,
    Restored,
    Signed,
    Simulation,
    Transaction,
    Verdict,
    Worth,
)

__all__ = ["FakeEncoder", "FakeNode", "FakeOutbox", "FakeSigner"]

OWNER = "0x" + "11" * 20
GAS_USED = 100_000
FAILING_GAS = 60_000
# geth's: a replacement pays at least a tenth more of both fields
BUMP_PER_CENT = 110


class FakeSigner:
    """A raw transaction is the transaction's JSON."""

    address = OWNER

    def sign(self, transaction: Transaction) -> Signed:
        raw = json.dumps(asdict(transaction), sort_keys=True)
        return Signed("0x" + sha256(raw.encode()).hexdigest(), raw)


class FakeEncoder:
    """The call's data names the intent's account."""

    def job(self, intent: Intent, owner: str) -> Job:
        gross = intent.expected_profit_wad + intent.expected_gas_cost_wad
        return Job(
            intent.key, "0x" + "22" * 20, f"0x{intent.account:x}", intent.gas_limit, gross, intent.expected_profit_wad
        )


@dataclass
class _Mined:
    block: Block
    transactions: list[tuple[str, Transaction, bool]] = field(default_factory=list)


class FakeNode:
    """One key's view of a chain. A call passes while `passes(data)` says so; what passed, earned `earns` (or
    `earns_of` its data) and is done.

    `is_reachable` False: every question is a NodeError, and what is broadcast does not arrive; `is_deaf`: it arrives,
    but the answer does not. `lag`: blocks that the node is behind, for questions.
    """

    def __init__(self, passes: Callable[[str], bool] = lambda data: True, earns: int = 50 * 10**18) -> None:
        self.passes, self.earns = passes, earns
        self.earns_of: dict[str, int] = {}
        self.base_fee = 10**9
        self.is_reachable, self.is_deaf, self.lag = True, False, 0
        self.pool: dict[int, tuple[str, Transaction]] = {}
        self.private: dict[int, tuple[str, Transaction]] = {}
        self.arrived: list[str] = []
        self.withdrawn: list[str] = []
        self._salt = 0
        self._blocks = [_Mined(Block(0, self._hash(0), "", 1_800_000_000, self.base_fee))]

    # ------------------------------------------------------------------------------------------------- what happens

    def mine(self, seconds: int = 12, count: int | None = None) -> Block:
        """A block of what the pool holds and the base fee allows, at most `count` transactions."""
        last = self._blocks[-1].block
        number = last.number + 1
        mined = _Mined(Block(number, self._hash(number), last.hash, last.timestamp + seconds, self.base_fee))
        done = self.done
        while count is None or len(mined.transactions) < count:
            nonce = self.nonce + len(mined.transactions)
            found = self.private.pop(nonce, None) or self.pool.get(nonce)
            if found is None or found[1].max_fee < self.base_fee:
                break
            self.pool.pop(nonce, None)
            hash_, transaction = found
            is_success = transaction.data == "0x" or (transaction.data not in done and self.passes(transaction.data))
            done |= {transaction.data} if is_success and transaction.data != "0x" else set()
            mined.transactions.append((hash_, transaction, is_success))
        self._blocks.append(mined)
        return mined.block

    def drop(self, count: int, forgets: bool = False) -> None:
        """Takes back the newest blocks; their transactions are in the pool again unless the node forgets them."""
        gone = self._blocks[-count:]
        del self._blocks[-count:]
        self._salt += 1
        for mined in gone:
            for hash_, transaction, _ in mined.transactions:
                if not forgets:
                    self.pool.setdefault(transaction.nonce, (hash_, transaction))

    def forget_pool(self) -> None:
        """As a node that is started again."""
        self.pool.clear()
        self.private.clear()

    def intrude(self, data: str = "0xbad", max_fee: int = 10**12) -> None:
        """Another process sends a transaction with the same key."""
        nonce = self.nonce
        while nonce in self.pool:
            nonce += 1
        transaction = Transaction(nonce, OWNER, data, GAS_USED, max_fee, 10**9)
        self.pool[nonce] = f"0xforeign{self._salt}{nonce:x}", transaction

    @property
    def nonce(self) -> int:
        return sum(len(mined.transactions) for mined in self._blocks)

    @property
    def head(self) -> Block:
        return self._blocks[-1].block

    @property
    def done(self) -> set[str]:
        """Data of the calls that passed, of the canonical chain."""
        return {item.data for mined in self._blocks for _, item, is_success in mined.transactions if is_success}

    @property
    def mined(self) -> list[tuple[str, Transaction, bool]]:
        """Every transaction of the canonical chain: hash, what it was, whether it passed."""
        return [item for mined in self._blocks for item in mined.transactions]

    # ----------------------------------------------------------------------------------------------------- the port

    def facts(self, owner: str, hashes: Sequence[str], worth: Worth) -> Facts:
        self._asked()
        seen = self._blocks[: max(1, len(self._blocks) - self.lag)]
        nonce = sum(len(mined.transactions) for mined in seen)
        pending = nonce
        while not self.lag and pending in self.pool:
            pending += 1
        wanted = set(hashes)
        inclusions: dict[str, Inclusion] = {}
        for mined in seen:
            for hash_, transaction, is_success in mined.transactions:
                if hash_ in wanted:
                    inclusions[hash_] = self._inclusion(hash_, transaction, is_success, mined.block, worth)
        return Facts(seen[-1].block, nonce, pending, inclusions)

    def _inclusion(
        self, hash_: str, transaction: Transaction, is_success: bool, block: Block, worth: Worth
    ) -> Inclusion:
        is_cancelled = transaction.data == "0x"
        used = 21_000 if is_cancelled else GAS_USED if is_success else FAILING_GAS
        gas = used * Fees(transaction.max_fee, transaction.priority_fee).price_at(block.base_fee)
        earned = self.earns_of.get(transaction.data, self.earns) if is_success and not is_cancelled else 0
        spent = Spending(gas, earned - worth.of_gas(gas), is_failed=not is_success)
        return Inclusion(hash_, block.number, block.hash, block.timestamp, is_success, spent)

    def simulate(self, owner: str, calls: Sequence[tuple[str, str, int]], worth: Worth) -> Sequence[Simulation]:
        self._asked()
        answers, done = [], set(self.done)
        for _, data, _ in calls:
            if data == "0x":
                answers.append(Simulation(gas_used=21_000))
            elif data in done or not self.passes(data):
                answers.append(Simulation("AccountHealthy", (2 * 10**18,), FAILING_GAS))
            else:
                done.add(data)
                answers.append(Simulation(gas_used=GAS_USED, earned_wad=self.earns_of.get(data, self.earns)))
        return answers

    def tip(self) -> int:
        self._asked()
        return 10**8

    def broadcast(self, raw: str, is_private: bool) -> Verdict:
        if not self.is_reachable:
            return Verdict.UNREACHABLE
        transaction = Transaction(**json.loads(raw))
        verdict = self._take("0x" + sha256(raw.encode()).hexdigest(), transaction, is_private)
        self.arrived.append(raw)
        return Verdict.UNREACHABLE if self.is_deaf else verdict

    def _take(self, hash_: str, transaction: Transaction, is_private: bool) -> Verdict:
        if transaction.nonce < self.nonce:
            return Verdict.NONCE_USED
        if is_private:
            self.private[transaction.nonce] = hash_, transaction
            return Verdict.ACCEPTED
        there = self.pool.get(transaction.nonce)
        if there is not None and there[0] == hash_:
            return Verdict.KNOWN
        if there is not None:
            for old, new in (
                (there[1].max_fee, transaction.max_fee),
                (there[1].priority_fee, transaction.priority_fee),
            ):
                if new * 100 < old * BUMP_PER_CENT:
                    return Verdict.UNDERPRICED
        self.pool[transaction.nonce] = hash_, transaction
        return Verdict.ACCEPTED

    def withdraw(self, hash_: str) -> None:
        self.withdrawn.append(hash_)
        self.private = {nonce: item for nonce, item in self.private.items() if item[0] != hash_}

    def _asked(self) -> None:
        if not self.is_reachable:
            raise NodeError("the node does not answer")

    def _hash(self, number: int) -> str:
        return f"0x{self._salt:032x}{number:032x}"


class FakeOutbox:
    """In memory: what a process that is killed leaves to the next. `is_full`: nothing can be written."""

    def __init__(self, instance: str = "one") -> None:
        self.instance = instance
        self.is_full = False
        self.used = 0
        self.attempts: dict[str, Attempt] = {}
        self.states: dict[int, Slot] = {}

    def restore(self) -> Restored:
        by_nonce: dict[int, list[Attempt]] = {}
        for attempt in self.attempts.values():
            by_nonce.setdefault(attempt.nonce, []).append(attempt)
        slots = []
        for nonce, attempts in sorted(by_nonce.items()):
            slots.append(replace(self.states.get(nonce) or Slot(nonce, ()), attempts=tuple(attempts)))
        unsettled = tuple(slot for slot in slots if slot.nonce >= self.used)
        return Restored(unsettled, self.used, tuple(slot for slot in slots if slot.nonce < self.used))

    def write(self, attempt: Attempt) -> None:
        self._check()
        self.attempts[attempt.hash] = attempt

    def save(self, slots: Sequence[Slot], used: int) -> None:
        self._check()
        self.used = max(self.used, used)
        self.states |= {slot.nonce: slot for slot in slots}

    def _check(self) -> None:
        if self.is_full:
            raise OutboxUnwritable("journal: the disk is full")
