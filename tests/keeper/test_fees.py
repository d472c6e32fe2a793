"""Fees: what is offered first, what a bump must reach, where both stop."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from closeout.errors import BadInput
from closeout.keeper.fees import FeePolicy, Fees

GWEI = 10**9
NO_LIMIT = 10**30


def test_first_fees__base_fee_of_ten_gwei__leave_room_for_it_to_double() -> None:
    policy = FeePolicy(headroom_bps=10_000, least_tip=GWEI)

    assert policy.first(10 * GWEI, NO_LIMIT) == Fees(21 * GWEI, GWEI)


def test_first_fees__bearable_below_the_headroom__stop_at_what_is_bearable() -> None:
    assert FeePolicy(least_tip=GWEI).first(10 * GWEI, 12 * GWEI) == Fees(12 * GWEI, GWEI)


def test_first_fees__bearable_below_base_fee_and_tip__are_none() -> None:
    policy = FeePolicy(least_tip=GWEI)

    assert policy.first(10 * GWEI, 11 * GWEI - 1) is None
    assert policy.first(10 * GWEI, 11 * GWEI) == Fees(11 * GWEI, GWEI)


def test_first_fees__base_fee_above_the_ceiling__are_none_whatever_is_earned() -> None:
    assert FeePolicy(most_fee=100 * GWEI).first(100 * GWEI, NO_LIMIT) is None


def test_first_fees__with_a_tip_share__offer_that_part_of_what_is_left_over_gas() -> None:
    policy = FeePolicy(most_fee=1000 * GWEI, least_tip=GWEI, tip_share_bps=5_000)

    assert policy.first(10 * GWEI, 50 * GWEI) == Fees(40 * GWEI, 20 * GWEI)


def test_first_fees__node_suggests_a_higher_tip__follow_it_as_far_as_it_pays() -> None:
    policy = FeePolicy(least_tip=GWEI, headroom_bps=0)

    assert policy.first(10 * GWEI, NO_LIMIT, node_tip=3 * GWEI) == Fees(13 * GWEI, 3 * GWEI)
    assert policy.first(10 * GWEI, 12 * GWEI, node_tip=3 * GWEI) == Fees(12 * GWEI, 2 * GWEI)


POLICIES = st.builds(
    FeePolicy,
    most_fee=st.integers(GWEI, 10**13),
    headroom_bps=st.integers(0, 50_000),
    least_tip=st.integers(0, GWEI),
    tip_share_bps=st.integers(0, 9_999),
    bump_bps=st.integers(1_000, 10_000),
)
AMOUNTS = st.integers(0, 10**13)


@given(policy=POLICIES, base_fee=AMOUNTS, bearable=AMOUNTS, tip=AMOUNTS)
def test_first_fees__whatever_is_asked__can_be_mined_and_stay_below_both_ceilings(
    policy: FeePolicy, base_fee: int, bearable: int, tip: int
) -> None:
    fees = policy.first(base_fee, bearable, tip)

    if fees is None:
        assert min(bearable, policy.most_fee) < base_fee + policy.least_tip
        return
    assert base_fee + fees.priority_fee <= fees.max_fee <= min(bearable, policy.most_fee)
    assert fees.priority_fee >= policy.least_tip


@given(policy=POLICIES, old_max=AMOUNTS, old_tip=AMOUNTS, base_fee=AMOUNTS, bearable=AMOUNTS, tip=AMOUNTS)
def test_bumped_fees__whatever_was_sent__are_what_every_node_takes_as_a_replacement(
    policy: FeePolicy, old_max: int, old_tip: int, base_fee: int, bearable: int, tip: int
) -> None:
    assume(old_tip <= old_max)
    fees = policy.bumped(Fees(old_max, old_tip), base_fee, bearable, tip)

    if fees is None:
        return
    for before, after in ((old_max, fees.max_fee), (old_tip, fees.priority_fee)):
        assert after > before
        assert after * 100 >= before * 110
    assert fees.priority_fee <= fees.max_fee <= min(bearable, policy.most_fee)
    assert fees.max_fee >= base_fee + policy.least_tip


def test_bumped_fees__room_for_one_wei_less_than_the_bump__are_none() -> None:
    policy = FeePolicy(bump_bps=1_000, headroom_bps=0, least_tip=0)
    old = Fees(100 * GWEI, GWEI)

    assert policy.bumped(old, GWEI, 110 * GWEI - 1) is None
    assert policy.bumped(old, GWEI, 110 * GWEI) == Fees(110 * GWEI, 11 * GWEI // 10)


def test_bumped_fees__of_fees_that_were_zero__rise_by_a_wei() -> None:
    assert FeePolicy(least_tip=0).bumped(Fees(0, 0), 0, NO_LIMIT) == Fees(1, 1)


def test_stuck__by_age_or_by_base_fee__but_never_in_its_own_block() -> None:
    policy = FeePolicy(stuck_blocks=3)
    fees = Fees(10 * GWEI, GWEI)

    assert not policy.is_stuck(fees, 0, 50 * GWEI)
    assert policy.is_stuck(fees, 1, 50 * GWEI)
    assert not policy.is_stuck(fees, 2, GWEI)
    assert policy.is_stuck(fees, 3, GWEI)


def test_price__in_a_block__is_base_fee_and_tip_within_the_maximum() -> None:
    assert Fees(20, 3).price_at(10) == 13
    assert Fees(20, 3).price_at(18) == 20


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"most_fee": 0}, "fees.most_fee: found 0"),
        ({"headroom_bps": -1}, "fees.headroom_bps: found -1"),
        ({"least_tip": 10**18}, "fees.least_tip: found 1000000000000000000"),
        ({"tip_share_bps": 10_000}, "fees.tip_share_bps: found 10000"),
        ({"bump_bps": 999}, "fees.bump_bps: found 999, expected at least 1000"),
        ({"stuck_blocks": 0}, "fees.stuck_blocks: found 0"),
    ],
)
def test_policy__value_out_of_range__is_refused_by_name(values: dict[str, int], text: str) -> None:
    with pytest.raises(BadInput, match=text):
        FeePolicy(**values)
