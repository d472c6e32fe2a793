"""The nonce book: what the chain makes of numbers, also when it changes its mind."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from closeout.keeper.breaker import Spending
from closeout.keeper.fees import Fees
from closeout.keeper.nonces import KEPT_BLOCKS, Attempt, Facts, Inclusion, NonceBook, SlotState
from closeout.keeper.ports import Block

COST = Spending(21_000, -5)


def attempt(nonce: int, name: str = "", block: int = 0) -> Attempt:
    return Attempt(nonce, name or f"0x{nonce}", "0xraw", ("close out", nonce), "0xto", "0x", Fees(2, 1), 100, block)


def facts(number: int, nonce: int, mined: Mapping[str, int] | None = None, pending: int = 0) -> Facts:
    """At head `number`: so many transactions on chain, these hashes in blocks of these numbers."""
    block = Block(number, f"0x{number:x}", "", 1_000 + number)
    found = {hash_: Inclusion(hash_, at, f"0x{at:x}", 1_000 + at, True, COST) for hash_, at in (mined or {}).items()}
    return Facts(block, nonce, max(nonce, pending), found)


def book(*attempts: Attempt, chain_nonce: int = 0) -> NonceBook:
    made = NonceBook(final_depth=5)
    made.observe(facts(0, chain_nonce))
    for item in attempts:
        made.record(item)
    return made


def states(it: NonceBook) -> dict[int, SlotState]:
    return {slot.nonce: slot.state for slot in it.slots}


def test_next__of_an_empty_book__is_the_chains() -> None:
    assert book(chain_nonce=7).next == 7


def test_next__with_transactions_in_flight__is_behind_them() -> None:
    assert book(attempt(7), attempt(8), chain_nonce=7).next == 9


def test_next__with_a_hole__fills_it_first() -> None:
    assert book(attempt(7), attempt(9), chain_nonce=7).next == 8


def test_next__where_the_chain_is_ahead_of_the_book__is_the_chains() -> None:
    it = book(attempt(0))
    it.observe(facts(1, 5))

    assert it.next == 5


def test_next__of_a_node_that_is_behind__is_no_number_that_was_used() -> None:
    it = NonceBook(used=40)
    it.observe(facts(1, 12))

    assert it.next == 40


def test_mined__then_deep__is_final_and_told_once_each() -> None:
    it = book(attempt(0))
    (change,) = it.observe(facts(3, 1, {"0x0": 3}))
    assert (change.before, change.slot.state, change.slot.mined.hash) == (SlotState.OPEN, SlotState.MINED, "0x0")
    assert it.observe(facts(7, 1, {"0x0": 3})) == []
    (change,) = it.observe(facts(8, 1, {"0x0": 3}))
    assert (change.before, change.slot.state) == (SlotState.MINED, SlotState.FINAL)
    assert it.hashes == []
    assert it.observe(facts(9, 1)) == []


def test_final__much_later__is_forgotten_and_its_number_never_used_again() -> None:
    it = book(attempt(0))
    it.observe(facts(3, 1, {"0x0": 3}))
    it.observe(facts(8, 1, {"0x0": 3}))
    it.observe(facts(2 + KEPT_BLOCKS, 1))
    assert it.used == 0
    it.observe(facts(3 + KEPT_BLOCKS, 1))

    assert (it.slots, it.used) == ([], 1)
    it.observe(facts(4 + KEPT_BLOCKS, 0))
    assert it.next == 1


def test_final__above_one_that_is_not__is_kept() -> None:
    it = book(attempt(0), attempt(1))
    it.observe(facts(3, 2, {"0x1": 3, "0x0": 3}))
    it.observe(facts(8, 2, {"0x1": 3, "0x0": 7}))
    it.observe(facts(3 + KEPT_BLOCKS, 2, {"0x0": 1000}))

    assert states(it) == {0: SlotState.FINAL, 1: SlotState.FINAL}


def test_replaced__and_the_first_is_mined__says_which() -> None:
    it = book(attempt(0, "0xold"), attempt(0, "0xnew"))
    assert it.hashes == ["0xold", "0xnew"]
    (change,) = it.observe(facts(1, 1, {"0xold": 1}))

    assert change.slot.mined.hash == "0xold"
    assert change.slot.last.hash == "0xnew"


def test_mined__in_another_block_after_a_reorg__is_told() -> None:
    it = book(attempt(0))
    it.observe(facts(3, 1, {"0x0": 3}))
    (change,) = it.observe(facts(5, 1, {"0x0": 4}))

    assert change.slot.inclusion is not None
    assert change.slot.inclusion.block_number == 4


@pytest.mark.parametrize("is_final", [False, True])
def test_reorganised_away__is_open_again(is_final: bool) -> None:
    it = book(attempt(0))
    it.observe(facts(3, 1, {"0x0": 3}))
    if is_final:
        it.observe(facts(9, 1, {"0x0": 3}))
    (change,) = it.observe(facts(10, 0))

    assert (change.slot.state, change.slot.inclusion) == (SlotState.OPEN, None)
    assert it.next == 1


def test_used_without_a_receipt__is_foreign_after_three_blocks_and_not_before() -> None:
    it = book(attempt(0))
    for number in (1, 2, 3):
        assert it.observe(facts(number, 1)) == []
    (change,) = it.observe(facts(4, 1))

    assert change.slot.state is SlotState.FOREIGN


def test_foreign__whose_receipt_comes_late__was_ours_all_the_same() -> None:
    it = book(attempt(0))
    for number in (1, 4):
        it.observe(facts(number, 1))
    (change,) = it.observe(facts(5, 1, {"0x0": 1}))

    assert (change.before, change.slot.state) == (SlotState.FOREIGN, SlotState.MINED)


def test_foreign__gone_in_a_reorg__is_ours_to_use_again() -> None:
    it = book(attempt(0))
    for number in (1, 4):
        it.observe(facts(number, 1))
    (change,) = it.observe(facts(5, 0))

    assert change.slot.state is SlotState.OPEN


def test_replacement__while_the_receipt_is_waited_for__does_not_start_the_wait_anew() -> None:
    it = book(attempt(0))
    it.observe(facts(1, 1))
    it.record(attempt(0, "0xnew"))

    assert it.slots[0].missing_since == 1


def test_mined__seen_again_at_other_prices__is_worth_what_it_was_at_first() -> None:
    it = book(attempt(0))
    it.observe(facts(3, 1, {"0x0": 3}))
    again = facts(4, 1, {"0x0": 3})
    dearer = Inclusion("0x0", 3, "0x3", 1_003, True, Spending(21_000, -500))

    assert it.observe(Facts(again.head, 1, 1, {"0x0": dearer})) == []


def test_recording__twice__keeps_one() -> None:
    it = book(attempt(0), attempt(0))

    assert len(it.slots[0].attempts) == 1


def test_recording__at_a_nonce_that_is_mined__is_refused() -> None:
    it = book(attempt(0))
    it.observe(facts(3, 1, {"0x0": 3}))
    with pytest.raises(ValueError, match="nonce 0: found mined"):
        it.record(attempt(0, "0xother"))


def test_in_flight__finds_by_what_the_last_attempt_is_for() -> None:
    it = book(attempt(0), attempt(1))
    found = it.in_flight(("close out", 1))
    assert found is not None
    assert found.nonce == 1
    assert it.in_flight(("margin call", 1)) is None
    assert it.known == 2
