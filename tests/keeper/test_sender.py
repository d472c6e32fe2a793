"""The sender on a fake node: nonces, replacements, cancellations, restarts, ceilings, a second process with the key."""

from __future__ import annotations

from dataclasses import replace

import pytest

from closeout.keeper.breaker import Ceilings
from closeout.keeper.fees import FeePolicy
from closeout.keeper.nonces import SlotState
from closeout.keeper.ports import Decision
from closeout.keeper.sender import SenderOptions, What
from closeout.keeper.sending import Job
from closeout.keeper.sending_fakes import FakeNode
from tests.keeper.stage import GENEROUS, GWEI, WAD, WORTH, Stage, everything, nothing

TERMS = (What.SENT, What.REPLACED, What.CANCELLED, What.SUCCEEDED, What.FAILED)


def test_three_intents__at_once__are_in_flight_together_in_their_order() -> None:
    stage = Stage()
    stage.step(7, 8, 9)

    assert [slot.nonce for slot in stage.sender.book.open] == [0, 1, 2]
    assert [slot.last.key[1] for slot in stage.sender.book.open] == [7, 8, 9]
    stage.block()
    assert stage.what(What.SUCCEEDED) == [(What.SUCCEEDED, account) for account in (7, 8, 9)]
    assert stage.sender.book.open == []


def test_intent__in_flight_already__is_not_sent_again() -> None:
    stage = Stage()
    stage.step(7)
    stage.step()

    assert len(stage.node.arrived) == 1
    assert len(stage.outbox.attempts) == 1


def test_more_intents_than_may_be_in_flight__wait_for_the_next_block() -> None:
    stage = Stage(replace(GENEROUS, most_in_flight=2))
    stage.step(7, 8, 9)
    assert len(stage.sender.book.open) == 2
    stage.block()

    assert [slot.last.key[1] for slot in stage.sender.book.open] == [9]


def test_first_start__of_a_key_that_sent_before__goes_on_at_the_chains_nonce() -> None:
    stage = Stage()
    for _ in range(3):
        stage.node.intrude()
    stage.node.mine()
    stage.step(7)

    assert [slot.nonce for slot in stage.sender.book.open] == [3]
    assert stage.what(What.STANDING_BY) == []


# ------------------------------------------------------------------------------------------------------------- simulate


def test_intent__whose_simulation_reverts__is_not_sent_and_its_typed_error_is_told() -> None:
    stage = Stage(node=FakeNode(passes=lambda data: data != "0x7"))
    happened = stage.step(7, 8)

    refused = [item for item in happened if item.what is What.WOULD_REVERT]
    assert [(item.key[1], item.detail) for item in refused] == [(7, "AccountHealthy(2000000000000000000)")]
    assert [slot.last.key[1] for slot in stage.sender.book.open] == [8]


def test_intent__that_a_base_fee_makes_a_loss__is_not_sent() -> None:
    """40 + 10 dollars are earned: with ether at 2 000, 120 000 gas may cost 208 gwei each."""
    stage = Stage()
    stage.node.base_fee = 208 * GWEI
    stage.node.mine()
    assert stage.accounts_of(stage.step(7), What.SENT) == [7]

    stage = Stage()
    stage.node.base_fee = 209 * GWEI
    stage.node.mine()
    assert stage.accounts_of(stage.step(7), What.TOO_DEAR) == [7]
    assert stage.outbox.attempts == {}


# -------------------------------------------------------------------------------------------------- replace and cancel


def test_stuck__for_three_blocks__is_replaced_at_its_nonce_with_a_bump() -> None:
    stage = Stage()
    stage.step(7)
    for _ in range(2):
        assert stage.accounts_of(stage.block(count=0), What.REPLACED) == []
    assert stage.accounts_of(stage.block(count=0), What.REPLACED) == [7]

    (slot,) = stage.sender.book.open
    first, second = slot.attempts
    assert (first.nonce, second.nonce) == (0, 0)
    assert second.fees.max_fee * 100 >= first.fees.max_fee * 110
    assert second.fees.priority_fee * 100 >= first.fees.priority_fee * 110
    stage.block()
    assert [item[0] for item in stage.node.mined] == [second.hash]


def test_base_fee__risen_above_what_was_offered__is_answered_in_the_next_block() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.base_fee = 20 * GWEI

    assert stage.accounts_of(stage.block(), What.REPLACED) == [7]
    stage.block()
    assert stage.what(*TERMS)[-1] == (What.SUCCEEDED, 7)


def test_base_fee__risen_above_what_it_earns__leaves_it_unmined_and_free_of_cost() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.base_fee = 500 * GWEI
    for _ in range(10):
        stage.block()
    assert stage.what(*TERMS) == [(What.SENT, 7)]
    assert stage.node.mined == []

    stage.node.base_fee = GWEI
    stage.block()
    assert stage.what(*TERMS)[-1] == (What.SUCCEEDED, 7)


def test_rival__faster_while_ours_is_in_flight__ours_is_cancelled_for_the_least_gas() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.passes = nothing
    stage.wants.clear()

    assert stage.accounts_of(stage.block(count=0), What.CANCELLED) == [0]
    stage.block()
    assert [(item.data, item.gas_limit) for _, item, _ in stage.node.mined] == [("0x", 21_000)]
    assert stage.what(What.USED_UP, What.FAILED) == [(What.USED_UP, 0)]


def test_rival__faster_and_another_account_is_wanted__its_close_out_takes_the_nonce() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.passes = lambda data: data != "0x7"
    stage.node.mine(count=0)
    stage.wants.clear()
    stage.step(8)

    (slot,) = stage.sender.book.open
    assert [attempt.key[1] for attempt in slot.attempts] == [7, 8]
    stage.block()
    assert stage.what(*TERMS) == [(What.SENT, 7), (What.REPLACED, 8), (What.SUCCEEDED, 8)]


def test_rival__faster_where_the_base_fee_keeps_ours_out__nothing_is_paid_for_cancelling() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.base_fee = 500 * GWEI
    stage.node.passes = nothing
    stage.wants.clear()
    stage.block()

    assert stage.what(*TERMS) == [(What.SENT, 7)]


def test_failed__on_chain_although_simulated__is_booked_as_a_loss() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.passes = nothing
    stage.wants.clear()
    stage.block()

    (failed,) = [item for item in stage.told if item.what is What.FAILED]
    assert failed.gas > 0
    assert failed.net_wad == -WORTH.of_gas(failed.gas)
    assert stage.sender.breaker.loss_wad == -failed.net_wad


# --------------------------------------------------------------------------------------------------------------- reorgs


def test_reorganised_away__is_in_flight_again_and_mined_once() -> None:
    stage = Stage()
    stage.step(7, 8)
    stage.block()
    stage.node.drop(1, forgets=True)
    stage.step()
    assert stage.accounts_of(stage.told, What.REOPENED) == [7, 8]
    stage.block(count=0)
    assert stage.accounts_of(stage.told, What.RESENT) == [7, 8]
    stage.block()

    assert [item.data for _, item, _ in stage.node.mined] == ["0x7", "0x8"]


@pytest.mark.parametrize("depth", range(1, 11))
def test_reorg__of_one_to_ten_blocks__ends_with_every_account_closed_out_once(depth: int) -> None:
    stage = Stage()
    for account in range(12):
        stage.step(account)
        stage.block()
    stage.node.drop(depth, forgets=depth % 2 == 0)
    for _ in range(6):
        stage.block()

    done = [item.data for _, item, is_success in stage.node.mined if is_success]
    assert sorted(done) == sorted(f"0x{account:x}" for account in range(12))
    assert [slot.state for slot in stage.sender.book.slots if slot.state is SlotState.OPEN] == []


def test_reorg__deeper_than_what_is_final__is_sent_again_all_the_same() -> None:
    stage = Stage()
    stage.step(7)
    for _ in range(20):
        stage.block()
    assert [slot.state for slot in stage.sender.book.slots] == [SlotState.FINAL]
    stage.node.drop(20, forgets=True)
    stage.node.mine()
    stage.step()
    stage.block()
    stage.block()

    assert [item.data for _, item, _ in stage.node.mined] == ["0x7"]


# ---------------------------------------------------------------------------------------------------------- the ceiling


def test_ceiling__on_gas__holds_what_is_in_flight_to_its_worst() -> None:
    # one transaction: 120 000 gas at no more than 2.1 gwei
    worst = 120_000 * 21 * GWEI // 10
    stage = Stage(SenderOptions(ceilings=Ceilings(gas_per_hour=2 * worst, loss_per_hour=10**24)))
    happened = stage.step(7, 8, 9)

    assert stage.accounts_of(happened, What.SENT) == [7, 8]
    assert stage.accounts_of(happened, What.HELD_BACK) == [9]


def test_ceiling__on_loss__stops_a_key_whose_transactions_fail() -> None:
    ceiling = 2 * WAD
    stage = Stage(SenderOptions(ceilings=Ceilings(loss_per_hour=ceiling, streak=10**6)))
    for account in range(60):
        stage.node.passes = everything
        stage.step(account)
        stage.node.passes = nothing
        stage.node.mine()
    stage.node.passes = nothing
    stage.step()

    loss = -sum(item.net_wad for item in stage.told if item.what is What.FAILED)
    assert 0 < loss <= ceiling
    assert stage.what(What.HELD_BACK)


def test_streak__of_failures__pauses_the_key() -> None:
    stage = Stage(SenderOptions(ceilings=Ceilings(streak=2, pause=600)))
    stage.step(7, 8)
    stage.node.passes = nothing
    stage.block()
    assert stage.what(What.FAILED) == [(What.FAILED, 7), (What.FAILED, 8)]

    stage.node.passes = everything
    assert stage.what(What.SENT)[2:] == []
    assert stage.accounts_of(stage.block(seconds=599), What.HELD_BACK) == [7, 8]
    assert stage.accounts_of(stage.block(seconds=1), What.SENT) == [7, 8]


# ------------------------------------------------------------------------------------------------------ relay and jobs


def test_private_relay__not_mined_in_time__goes_to_everyone() -> None:
    stage = Stage(replace(GENEROUS, uses_relay=True, private_blocks=2))
    stage.step(7)
    assert stage.node.pool == {}
    assert list(stage.node.private) == [0]
    for _ in range(3):
        stage.block(count=0)

    assert list(stage.node.pool) == [0]
    stage.block()
    assert stage.what(*TERMS)[-1][0] is What.SUCCEEDED


def test_private_relay__is_asked_to_forget_what_a_rival_was_faster_with() -> None:
    stage = Stage(replace(GENEROUS, uses_relay=True))
    stage.step(7)
    (slot,) = stage.sender.book.open
    stage.node.passes = nothing
    stage.wants.clear()
    stage.block(count=0)

    assert stage.node.withdrawn == [slot.last.hash]


def test_job__of_the_operator__goes_first_and_is_bumped_though_it_earns_nothing() -> None:
    stage = Stage()
    job = Job(("approve", 2), "0x" + "33" * 20, "0xabc")
    head = stage.node.head
    stage.sender.on_block(Decision(head), WORTH, [job])
    stage.node.base_fee = 100 * GWEI
    stage.block()

    (slot,) = stage.sender.book.open
    assert [attempt.key for attempt in slot.attempts] == [("approve", 2)] * 2
    assert slot.last.gas_limit == 125_000
    stage.block()
    assert stage.what(What.SUCCEEDED) == [(What.SUCCEEDED, 2)]


def test_fees__of_a_policy_with_a_tip_share__rise_with_what_is_earned() -> None:
    shy, eager = Stage(), Stage(SenderOptions(FeePolicy(tip_share_bps=5_000)))
    for stage in (shy, eager):
        stage.step(7)

    assert eager.sender.book.open[0].last.fees.priority_fee > 10 * shy.sender.book.open[0].last.fees.priority_fee
