"""The circuit breaker: the ceilings hold for what is mined and for the worst of what is in flight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closeout.errors import BadInput
from closeout.keeper.breaker import Breaker, Ceilings, Spending, Trip

NOW = 1_800_000_000
HOUR = 3_600


def breaker(**ceilings: int) -> Breaker:
    made = Breaker(Ceilings(**{"gas_per_hour": 1_000, "loss_per_hour": 500, "streak": 3, "pause": 60} | ceilings))
    made.tick(NOW)
    return made


def worst(gas: int, loss: int = 0) -> Spending:
    return Spending(gas, -loss, is_failed=True)


def failed(gas: int = 1, loss: int = 1) -> Spending:
    return Spending(gas, -loss, is_failed=True)


def test_gas__reserved_up_to_the_ceiling__lets_nothing_more_pass() -> None:
    it = breaker()
    assert it.trip(0, worst(1_000)) is None
    it.reserve(0, worst(1_000))

    assert it.trip(1, worst(1)) is Trip.GAS
    assert it.reserved_gas == 1_000


def test_loss__reserved_up_to_the_ceiling__lets_nothing_more_pass() -> None:
    it = breaker()
    it.reserve(0, worst(1, 500))

    assert it.trip(1, worst(1, 1)) is Trip.LOSS


def test_mined__for_less_than_reserved__frees_the_difference_once_it_is_final() -> None:
    it = breaker()
    it.reserve(0, worst(1_000, 400))
    it.book(0, NOW, Spending(300, 20))
    assert it.trip(1, worst(1)) is Trip.GAS
    it.book(0, NOW, Spending(300, 20), is_final=True)

    assert it.trip(1, worst(700)) is None
    assert it.trip(1, worst(701)) is Trip.GAS
    assert (it.gas_spent, it.loss_wad, it.reserved_gas) == (300, 0, 0)


def test_gains__beside_a_loss__are_not_set_off() -> None:
    it = breaker()
    it.book(0, NOW, Spending(1, 10_000))
    it.book(1, NOW, Spending(1, -400))

    assert it.loss_wad == 400
    assert it.trip(2, worst(1, 101)) is Trip.LOSS


def test_replacement__of_a_reserved_nonce__counts_as_the_dearer_of_the_two() -> None:
    it = breaker()
    it.reserve(0, worst(800))

    assert it.trip(0, worst(1_000)) is None
    assert it.trip(0, worst(1_001)) is Trip.GAS
    it.reserve(0, worst(900))
    it.reserve(0, worst(100))
    assert it.reserved_gas == 900


def test_mined_block__gone_over_a_reorg__counts_its_reservation_again() -> None:
    it = breaker()
    it.reserve(0, worst(900))
    it.book(0, NOW, Spending(100, 0))
    it.unbook(0)

    assert it.trip(1, worst(101)) is Trip.GAS


def test_nonce__booked_twice__counts_once() -> None:
    it = breaker()
    it.book(0, NOW, Spending(600, 0))
    it.book(0, NOW + 12, Spending(600, 0))

    assert it.gas_spent == 600


def test_released_nonce__costs_nothing() -> None:
    it = breaker()
    it.reserve(0, worst(1_000))
    it.release(0)

    assert it.trip(1, worst(1_000)) is None


def test_hour__after_a_spending__lets_it_go_to_the_second() -> None:
    it = breaker()
    it.book(0, NOW, Spending(1_000, 0))

    it.tick(NOW + HOUR - 1)
    assert it.state() is Trip.GAS
    it.tick(NOW + HOUR)
    assert it.state() is None
    assert it.trip(1, worst(1_000)) is None


def test_clock__set_back__changes_nothing() -> None:
    it = breaker()
    it.book(0, NOW, Spending(1_000, 0))
    it.tick(NOW - 10 * HOUR)
    assert it.state() is Trip.GAS
    it.tick(NOW + HOUR)
    it.tick(NOW)

    assert it.state() is None


def test_streak__of_failures__pauses_and_doubles_up_to_an_hour() -> None:
    it = breaker(streak=3, pause=60, loss_per_hour=10**6)
    for nonce in range(2):
        it.book(nonce, NOW, failed())
    assert it.state() is None
    it.book(2, NOW, failed())
    assert it.trip(3, worst(1)) is Trip.STREAK
    it.tick(NOW + 60)
    assert it.trip(3, worst(1)) is None

    it.book(3, NOW + 60, failed())
    it.tick(NOW + 60 + 119)
    assert it.state() is Trip.STREAK
    it.tick(NOW + 60 + 120)
    assert it.state() is None

    for nonce in range(4, 30):
        it.book(nonce, NOW + 200, failed())
    it.tick(NOW + 200 + HOUR - 1)
    assert it.state() is Trip.STREAK
    it.tick(NOW + 200 + HOUR)
    assert it.state() is None


def test_streak__ended_by_a_success__starts_anew() -> None:
    it = breaker(streak=3, loss_per_hour=10**6)
    it.book(0, NOW, failed())
    it.book(1, NOW, failed())
    it.book(2, NOW, Spending(1, 1))
    it.book(3, NOW, failed())

    assert it.state() is None


STEPS = st.tuples(
    st.sampled_from(["send", "send", "mine", "mine", "final", "reorg", "drop", "wait"]),
    st.integers(0, 6),
    st.integers(0, 600),
    st.integers(0, 300),
)


@given(st.lists(STEPS, max_size=60))
def test_ceilings__whatever_is_sent_mined_reorganised_or_dropped__are_never_passed(
    steps: list[tuple[str, int, int, int]],
) -> None:
    """A sender that asks first; what is mined costs at most what was reserved."""
    it = breaker(streak=10**6)
    now = NOW
    reserved: dict[int, tuple[int, int]] = {}
    mined: dict[int, tuple[int, int, int]] = {}
    for step, nonce, gas, loss in steps:
        if step == "send" and nonce not in mined and it.trip(nonce, worst(gas, loss)) is None:
            it.reserve(nonce, worst(gas, loss))
            held = reserved.get(nonce, (0, 0))
            reserved[nonce] = max(held[0], gas), max(held[1], loss)
        elif step == "mine" and nonce in reserved and nonce not in mined:
            spent = min(gas, reserved[nonce][0]), min(loss, reserved[nonce][1])
            it.book(nonce, now, Spending(spent[0], -spent[1]))
            mined[nonce] = now, *spent
        elif step == "final" and nonce in mined:
            it.book(nonce, mined[nonce][0], Spending(mined[nonce][1], -mined[nonce][2]), is_final=True)
            reserved[nonce] = mined[nonce][1:]
        elif step == "reorg" and nonce in mined:
            if reserved[nonce] == mined[nonce][1:]:
                continue  # final, as far as the breaker knows
            it.unbook(nonce)
            del mined[nonce]
        elif step == "drop" and nonce in reserved and nonce not in mined:
            it.release(nonce)
            del reserved[nonce]
        elif step == "wait":
            now += gas
            it.tick(now)
            for old in [key for key, (time, *_) in mined.items() if time <= now - HOUR]:
                # a nonce is not used twice; here its number stands for a later one
                it.release(old)
                del mined[old], reserved[old]
        in_flight = [item for key, item in reserved.items() if key not in mined]
        assert it.gas_spent == sum(item[1] for item in mined.values())
        assert it.gas_spent + sum(item[0] for item in in_flight) <= 1_000
        assert it.loss_wad + sum(item[1] for item in in_flight) <= 500


@pytest.mark.parametrize(("name", "value"), [("gas_per_hour", -1), ("loss_per_hour", -1), ("streak", 0), ("pause", -1)])
def test_ceilings__value_out_of_range__is_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(BadInput, match=f"ceilings.{name}: found {value}"):
        Ceilings(**{name: value})
