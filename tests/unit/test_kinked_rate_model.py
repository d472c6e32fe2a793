"""KinkedRateModel: the contract says what the library says, and refuses a kink above 1."""

from __future__ import annotations

import pytest

from tests.support.node import reverts
from tests.support.world import World, wad


def test_model__of_its_parameters__gives_the_two_slopes(world: World):
    model = world.node.deploy("KinkedRateModel", 10**7, 4 * 10**7, 75 * 10**7, wad("0.8"), sender=world.stranger)
    points = {"0": 10**7, "0.4": 3 * 10**7, "0.8": 5 * 10**7, "0.9": 425 * 10**6, "1": 8 * 10**8}
    assert {used: model.ratePerYear(wad(used)) for used in points} == points
    assert (model.BASE(), model.SLOPE1(), model.SLOPE2(), model.KINK_WAD()) == (
        10**7,
        4 * 10**7,
        75 * 10**7,
        wad("0.8"),
    )


@pytest.mark.parametrize("kink", ["0", "1"])
def test_model__with_the_kink_at_an_end__is_one_slope(world: World, kink: str):
    model = world.node.deploy("KinkedRateModel", 0, 10**8, 10**9, wad(kink), sender=world.stranger)
    # at 0 the first slope is all there at once, at 1 the second never comes
    assert model.ratePerYear(wad("0.5")) == (10**8 + 5 * 10**8 if kink == "0" else 5 * 10**7)


def test_model__with_a_kink_above_one__is_refused(world: World):
    with reverts("KinkOutOfRange", wad(1) + 1):
        world.node.deploy("KinkedRateModel", 0, 0, 0, wad(1) + 1, sender=world.stranger)


def test_model__whose_rate_at_full_use_is_above_the_largest__is_refused(world: World):
    """The Vault keeps a rate in 32 bits; sums within them need no check when a rate is computed."""
    most = 2**32 - 1
    assert (
        world.node.deploy("KinkedRateModel", 1, 2, most - 3, wad("0.8"), sender=world.stranger).ratePerYear(wad(1))
        == most
    )
    with reverts("RateOutOfRange", most + 1, most):
        world.node.deploy("KinkedRateModel", 1, 2, most - 2, wad("0.8"), sender=world.stranger)
