"""The sender over restarts, full disks, nodes that forget, and a second process with its key: nothing is sent twice."""

from __future__ import annotations

import pytest

from closeout.errors import NodeError
from closeout.keeper.ports import Decision
from closeout.keeper.sender import What
from closeout.keeper.sending import OutboxUnwritable, Verdict
from closeout.keeper.sending_fakes import FakeNode, FakeOutbox
from tests.keeper.stage import GWEI, WAD, WORTH, Stage, intent

TERMS = (What.SENT, What.REPLACED, What.CANCELLED, What.SUCCEEDED, What.FAILED)

# ------------------------------------------------------------------------------------------------------------- restarts


def test_killed__between_writing_and_sending__the_next_process_sends_the_same_bytes() -> None:
    stage = Stage()

    def die(_raw: str, _is_private: bool) -> Verdict:
        raise SystemExit

    stage.node.broadcast = die  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        stage.step(7)
    del stage.node.broadcast
    (written,) = stage.outbox.attempts.values()

    stage.start()
    stage.block()
    assert stage.node.arrived == [written.raw]
    stage.block()
    assert [item[0] for item in stage.node.mined] == [written.hash]


def test_killed__after_sending__the_next_process_uses_another_nonce_for_another_account() -> None:
    stage = Stage()
    stage.step(7)
    stage.start()
    stage.step(8)

    assert [(slot.nonce, slot.last.key[1]) for slot in stage.sender.book.open] == [(0, 7), (1, 8)]
    assert len(stage.outbox.attempts) == 2


def test_restarted__within_the_hour__remembers_what_was_spent() -> None:
    stage = Stage()
    stage.step(7)
    stage.block()
    spent = stage.sender.breaker.gas_spent
    for _ in range(14):
        stage.block()
    stage.start()
    stage.step()

    assert spent > 0
    assert stage.sender.breaker.gas_spent == spent


def test_node__restarted_without_its_pool__gets_what_was_in_flight_again() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.forget_pool()
    stage.block()
    assert stage.what(What.RESENT) == [(What.RESENT, 7)]
    stage.block()

    assert stage.what(*TERMS)[-1] == (What.SUCCEEDED, 7)


def test_answer__lost_on_the_way__costs_no_second_transaction() -> None:
    stage = Stage()
    stage.node.is_deaf = True
    stage.step(7)
    stage.node.is_deaf = False
    stage.block()

    assert [item.data for _, item, _ in stage.node.mined] == ["0x7"]
    assert len(stage.outbox.attempts) == 1


def test_node__dead__raises_and_the_next_block_goes_on() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.is_reachable = False
    with pytest.raises(NodeError):
        stage.block()
    stage.node.is_reachable = True
    stage.block()

    assert stage.what(*TERMS)[-1] == (What.SUCCEEDED, 7)


def test_node__thirty_blocks_behind__uses_no_nonce_twice_and_catches_up() -> None:
    stage = Stage()
    for account in range(3):
        stage.step(account)
        stage.block()
    for _ in range(30):
        stage.block()
    stage.node.lag = 32
    stage.step(9)
    for _ in range(5):
        stage.block()
    stage.node.lag = 0
    stage.block()
    stage.block()

    assert [(item.nonce, item.data) for _, item, _ in stage.node.mined] == [
        (nonce, f"0x{account:x}") for nonce, account in enumerate((0, 1, 2, 9))
    ]


# ----------------------------------------------------------------------------------------------------------- the outbox


def test_outbox__unwritable__nothing_is_sent() -> None:
    stage = Stage()
    stage.outbox.is_full = True
    with pytest.raises(OutboxUnwritable):
        stage.step(7)
    assert stage.node.arrived == []

    stage.outbox.is_full = False
    stage.step()
    assert stage.what(What.SENT) == [(What.SENT, 7)]


def test_every_transaction__that_reached_the_node__was_written_before() -> None:
    stage = Stage()
    seen: list[bool] = []
    take = stage.node.broadcast

    def watched(raw: str, is_private: bool) -> Verdict:
        seen.append(any(attempt.raw == raw for attempt in stage.outbox.attempts.values()))
        return take(raw, is_private)

    stage.node.broadcast = watched  # type: ignore[method-assign]
    stage.step(7, 8)
    for _ in range(5):
        stage.block(count=0)
    stage.block()

    assert len(seen) >= 4
    assert all(seen)


# --------------------------------------------------------------------------------------------------- a second process


def test_nonce__taken_by_another_process__makes_this_one_stand_by_and_then_go_on() -> None:
    stage = Stage()
    stage.step(7)
    stage.node.forget_pool()
    stage.node.intrude()
    for _ in range(4):
        stage.block()
    assert stage.what(What.FOREIGN) == [(What.FOREIGN, 7)]
    assert stage.sender.standby.sightings >= 1
    before = len(stage.outbox.attempts)
    stage.block()
    assert len(stage.outbox.attempts) == before
    for _ in range(25):
        stage.block()

    assert stage.what(*TERMS)[-1] == (What.SUCCEEDED, 7)


def test_nonces__used_by_another_process_while_this_one_is_idle__are_seen() -> None:
    stage = Stage()
    stage.step()
    stage.node.intrude()
    stage.block()

    assert [item.what for item in stage.told] == [What.STANDING_BY]


def test_two_processes__with_one_key__close_out_every_account_once_between_them() -> None:
    node = FakeNode()
    one, two = (Stage(node=node, outbox=FakeOutbox(name)) for name in ("one", "two"))
    for stage in (one, two):
        stage.wants = list(range(30))
    for number in range(200):
        for stage in (one, two) if number % 2 else (two, one):
            stage.step()
        node.mine()

    done = [item.data for _, item, is_success in node.mined if is_success and item.data != "0x"]
    assert sorted(done) == sorted(f"0x{account:x}" for account in range(30))
    assert len({item.nonce for _, item, _ in node.mined}) == len(node.mined)
    assert one.sender.standby.sightings + two.sender.standby.sightings >= 1


def test_hole__where_a_strangers_transaction_was_reorganised_away__is_filled() -> None:
    stage = Stage()
    stage.step()
    stage.node.intrude()
    stage.node.mine()
    stage.start()
    stage.step(7)
    assert [slot.nonce for slot in stage.sender.book.open] == [1]
    stage.node.drop(1, forgets=True)
    stage.node.mine(count=0)
    stage.step()
    stage.block()

    assert [item.data for _, item, _ in stage.node.mined] == ["0x", "0x7"]


def test_close_out__that_no_longer_pays__does_not_block_a_richer_one_behind_it() -> None:
    stage = Stage()
    head = stage.node.head
    stage.node.earns_of = {"0x7": 30 * WAD, "0x8": 4_010 * WAD}
    stage.sender.on_block(Decision(head, (intent(7, head, profit=20), intent(8, head, profit=4_000))), WORTH)
    stage.node.base_fee = 200 * GWEI
    for _ in range(4):
        head = stage.node.mine()
        stage.sender.on_block(Decision(head, (intent(8, head, profit=4_000),)), WORTH)

    assert [item.data for _, item, _ in stage.node.mined] == ["0x", "0x8"]
