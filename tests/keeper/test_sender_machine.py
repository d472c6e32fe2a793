"""Whatever happens to node, chain, process and key, in any order: no double spend, no step over a ceiling, and in the
end every account that could be closed out is."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from closeout.errors import NodeError
from closeout.keeper.breaker import Ceilings
from closeout.keeper.fees import FeePolicy
from closeout.keeper.nonces import Attempt, Slot
from closeout.keeper.sender import SenderOptions
from closeout.keeper.sending import OutboxUnwritable, Restored
from closeout.keeper.sending_fakes import FakeNode, FakeOutbox
from tests.keeper.stage import GWEI, WAD, WORTH, Stage

GAS_CEILING = 4 * 10**15
LOSS_CEILING = 6 * WAD
DEEPEST = 10


class SenderMachine(RuleBasedStateMachine):
    """The node mines, forgets, reorganises, lags and dies; rivals are faster; the process is killed; the disk is
    full.
    """

    ceilings = Ceilings(gas_per_hour=GAS_CEILING, loss_per_hour=LOSS_CEILING, streak=4, pause=60)
    outbox_class = FakeOutbox

    @initialize(uses_relay=st.booleans())
    def begin(self, uses_relay: bool) -> None:
        self.rivals: set[str] = set()
        node = FakeNode(passes=lambda data: data not in self.rivals)
        options = SenderOptions(FeePolicy(most_fee=300 * GWEI), self.ceilings, 4, DEEPEST + 1, uses_relay)
        self.stage = Stage(options, node, outbox=self.outbox_class())
        self.accounts = 0
        self.strangers = 0

    def _step(self) -> None:
        with suppress(NodeError, OutboxUnwritable):
            self.stage.step()

    @rule(count=st.integers(1, 5))
    def accounts_become_unhealthy(self, count: int) -> None:
        self.stage.wants += range(self.accounts, self.accounts + count)
        self.accounts += count
        self._step()

    @rule(count=st.sampled_from([None, None, 0, 1, 2]), seconds=st.sampled_from([1, 12, 600]))
    def mine(self, count: int | None, seconds: int) -> None:
        self.stage.node.mine(seconds, count)
        self._step()

    @rule(factor=st.sampled_from([1, 2, 30, 100]))
    def base_fee(self, factor: int) -> None:
        self.stage.node.base_fee = factor * GWEI

    @rule(depth=st.integers(1, DEEPEST), forgets=st.booleans())
    def reorganise(self, depth: int, forgets: bool) -> None:
        node = self.stage.node
        depth = min(depth, node.head.number)
        if depth:
            node.drop(depth, forgets)
            for _ in range(depth):
                node.mine(12, 0)
            self._step()

    @precondition(lambda self: self.accounts)
    @rule(data=st.data())
    def rival_is_faster(self, data: st.DataObject) -> None:
        account = data.draw(st.integers(0, self.accounts - 1))
        self.rivals.add(f"0x{account:x}")
        self.stage.wants = [item for item in self.stage.wants if item != account]

    @rule()
    def node_forgets_its_pool(self) -> None:
        self.stage.node.forget_pool()

    @rule(lag=st.sampled_from([0, 0, 1, 5]))
    def node_lags(self, lag: int) -> None:
        self.stage.node.lag = lag
        self._step()

    @rule(reachable=st.booleans(), deaf=st.booleans())
    def node_dies_or_comes_back(self, reachable: bool, deaf: bool) -> None:
        self.stage.node.is_reachable, self.stage.node.is_deaf = reachable, deaf
        self._step()

    @rule(full=st.booleans())
    def disk(self, full: bool) -> None:
        self.stage.outbox.is_full = full
        self._step()

    @rule(sends=st.integers(0, 3))
    def killed_after_some_sends(self, sends: int) -> None:
        """SIGKILL in the middle of a block: after so many transactions were written, before or after they were sent."""
        take, left = self.stage.node.broadcast, [sends]

        def dying(raw: str, is_private: bool) -> object:
            if left[0] == 0:
                raise SystemExit
            left[0] -= 1
            return take(raw, is_private)

        self.stage.node.broadcast = dying  # type: ignore[method-assign, assignment]
        with suppress(SystemExit):
            self._step()
        del self.stage.node.broadcast
        self.stage.start()

    @rule()
    def stranger_uses_the_key(self) -> None:
        self.strangers += 1
        self.stage.node.intrude(f"0xbad{self.strangers}")

    # ----------------------------------------------------------------------------------------------------- invariants

    @invariant()
    def every_transaction_of_ours_on_chain_is_in_the_journal(self) -> None:
        known = self.stage.outbox.attempts
        for hash_, transaction, _ in self.stage.node.mined:
            assert hash_ in known or "foreign" in hash_, transaction

    @invariant()
    def no_account_is_closed_out_twice_and_no_nonce_is_used_twice(self) -> None:
        mined = self.stage.node.mined
        closed = [item.data for _, item, is_success in mined if is_success and item.data != "0x"]
        assert len(closed) == len(set(closed))
        assert [item.nonce for _, item, _ in mined] == list(range(len(mined)))

    @invariant()
    def no_hour_costs_more_than_the_ceilings(self) -> None:
        spent = []
        for mined in self.stage.node._blocks:
            for hash_, item, is_success in mined.transactions:
                if "foreign" not in hash_:
                    found = self.stage.node._inclusion(hash_, item, is_success, mined.block, WORTH)
                    spent.append((found.time, found.spent))
        for end, _ in spent:
            hour = [item for time, item in spent if end - 3600 < time <= end]
            assert sum(item.gas for item in hour) <= GAS_CEILING
            assert sum(item.loss_wad for item in hour) <= LOSS_CEILING

    def teardown(self) -> None:
        """Peace: everything works again, for some hours. Then nothing is left that could be closed out."""
        node = self.stage.node
        node.is_reachable, node.is_deaf, node.lag, node.base_fee = True, False, 0, GWEI
        self.stage.outbox.is_full = False
        for _ in range(200):
            node.mine(300)
            self._step()
        open_ = {f"0x{account:x}" for account in self.stage.wants} - node.done
        assert not open_, self.stage.told[-10:]
        self.no_account_is_closed_out_twice_and_no_nonce_is_used_twice()
        self.every_transaction_of_ours_on_chain_is_in_the_journal()
        self.no_hour_costs_more_than_the_ceilings()


class _LazyOutbox(FakeOutbox):
    """Writes later: what was sent since the last save is lost with the process."""

    def __init__(self) -> None:
        super().__init__()
        self.unwritten: dict[str, Attempt] = {}

    def write(self, attempt: Attempt) -> None:
        self._check()
        self.unwritten[attempt.hash] = attempt

    def save(self, slots: Sequence[Slot], used: int) -> None:
        super().save(slots, used)
        self.attempts |= self.unwritten
        self.unwritten.clear()

    def restore(self) -> Restored:
        self.unwritten.clear()
        return super().restore()


class LazyOutboxMachine(SenderMachine):
    """The broken twin of the journal."""

    outbox_class = _LazyOutbox


class UnheldMachine(SenderMachine):
    """The broken twin of the breaker: it would let anything pass."""

    ceilings = Ceilings(gas_per_hour=10**30, loss_per_hour=10**30, streak=10**9)


SETTINGS = settings(max_examples=60, stateful_step_count=40)
TestSender = SenderMachine.TestCase
TestSender.settings = SETTINGS


@pytest.mark.parametrize("twin", [LazyOutboxMachine, UnheldMachine])
def test_machine__with_a_broken_twin__finds_it(twin: type[SenderMachine]) -> None:
    with pytest.raises(AssertionError):
        run_state_machine_as_test(
            twin, settings=settings(SETTINGS, max_examples=500, database=None, phases=[Phase.generate])
        )
