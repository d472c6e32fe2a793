"""Margin call, grace, lapse and backstop at their edges, for every regime and set (threat 76).

One table: so many seconds after the call, what a close-out of that set comes to. What is expected follows from the
four clocks alone and from the pure model of the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from closeout.model import ModelRevert
from tests.support.accounts import capped_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import CAPPED, RESTORATIVE, TERMINAL, World, wad

GRACE, BACKSTOP, LIFETIME = 3_600, 43_200, 86_400
EDGES = (0, 1, GRACE - 1, GRACE, GRACE + 1, BACKSTOP - 1, BACKSTOP, BACKSTOP + 1, LIFETIME - 1, LIFETIME, LIFETIME + 1)
SETS: dict[str, dict[str, int]] = {
    "whole": {},
    "WETH": {"collaterals": 1},
    "WBTC": {"collaterals": 2},
    "USDC": {"debts": 4},
    "WBTC for USDC, a part": {"collaterals": 2, "debts": 4, "fill": wad("0.3")},
    "WETH for DAI": {"collaterals": 1, "debts": 8},
}


def two_and_two(world: World) -> int:
    """Restorative, with two collaterals and two debts."""
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 10, world.wbtc: "0.5"}, {world.usdc: 14_500, world.dai: 10_000})
    world.set_price(world.weth, 1_500)
    return account


def capped_two(world: World) -> int:
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 10, world.wbtc: "0.1"}, {world.usdc: 10_000, world.dai: 7_000})
    world.set_price(world.weth, 1_480)
    return account


def terminal_two(world: World) -> int:
    world.set_price(world.weth, 2_500)
    account = world.open_account({world.weth: 10, world.wbtc: "0.1"}, {world.usdc: 9_000, world.dai: 10_000})
    world.set_price(world.weth, 1_500)
    return account


ACCOUNTS: dict[str, tuple[Callable[[World], int], int]] = {
    "restorative, one debt": (restorative_account, RESTORATIVE),
    "restorative, two and two": (two_and_two, RESTORATIVE),
    "capped, one and one": (capped_account, CAPPED),
    "capped, two and two": (capped_two, CAPPED),
    "terminal, one and two": (terminal_account, TERMINAL),
    "terminal, two and two": (terminal_two, TERMINAL),
}


def assert_as_planned(world: World, account: int, sets: dict[str, int], **terms: Any) -> str:
    """The close-out is what the pure plan says, or its refusal; which."""
    try:
        expected, *_ = expected_close_out(world, account, **sets, **terms)
    except ModelRevert as refusal:
        with reverts(refusal.name, *refusal.values):
            world.preview(account, **sets)
        with reverts(refusal.name, *refusal.values):
            world.close_out(account, **sets)
        return refusal.name
    assert world.preview(account, **sets) == expected
    assert world.result(world.close_out(account, **sets)) == expected
    return "done"


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_t76_close_out__of_any_set_at_every_edge_of_call_grace_backstop_and_lapse__follows_the_clocks(
    world: World, kind: str
):
    make, regime = ACCOUNTS[kind]
    # at the hard floor or above it whatever the regime; nothing but clocks and sets decides
    world.set_protocol(grace_period=GRACE, hard_floor=0, dust_value=0)
    account = make(world)
    world.arm()
    outcomes: Counter[str] = Counter()
    called_at = world.now + 1
    world.node.set_time(called_at)
    world.vault.marginCall(account, sender=world.stranger)
    for edge in EDGES:
        for sets in SETS.values():
            with world.node.rolled_back():
                world.node.set_time(called_at + edge)
                if edge > LIFETIME:
                    receipt = world.close_out(account, **sets)
                    assert [log.name for log in receipt.logs] == ["MarginCalled"]
                    assert world.vault.timesOf(account)[0] == world.now
                    outcomes["called anew"] += 1
                elif edge < GRACE:
                    for call in (world.preview, world.close_out):
                        with reverts("GracePeriodRunning", called_at + GRACE, world.now):
                            call(account, **sets)
                    outcomes["waits"] += 1
                else:
                    outcomes[assert_as_planned(world, account, sets, is_backstop=edge > BACKSTOP)] += 1
    assert outcomes["called anew"] == len(SETS)
    assert outcomes["waits"] == 3 * len(SETS)
    assert outcomes["done"] >= 7, outcomes
    assert expected_close_out(world, account)[0].regime == regime


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_t76_close_out__of_an_account_below_the_hard_floor__never_waits_whatever_the_set(world: World, kind: str):
    make, _ = ACCOUNTS[kind]
    world.set_protocol(grace_period=GRACE, hard_floor=wad(1), dust_value=0)
    account = make(world)
    world.arm()
    for is_called in (False, True):
        for sets in SETS.values():
            with world.node.rolled_back():
                if is_called:
                    world.vault.marginCall(account, sender=world.stranger)
                    world.warp(1)
                assert_as_planned(world, account, sets)


@pytest.mark.parametrize("make", [two_and_two, restorative_account])
def test_backstop__admits_a_set_that_was_refused__and_never_one_that_lowers_health(
    world: World, make: Callable[[World], int]
):
    """What the delay relaxes is how much a set sells; the health factor does not fall, before it or after."""
    world.set_protocol(dust_value=0)
    account = make(world)
    world.arm()
    world.vault.marginCall(account, sender=world.stranger)
    admitted = []
    for wait in (BACKSTOP, 1):
        world.warp(wait)
        admitted.append(0)
        for sets in SETS.values():
            with world.node.rolled_back():
                is_late = world.now > world.vault.timesOf(account)[0] + BACKSTOP
                if assert_as_planned(world, account, sets, is_backstop=is_late) == "done":
                    admitted[-1] += 1
    assert admitted[1] > admitted[0]


@pytest.mark.parametrize("edge", EDGES)
def test_t76_early_deleverage__of_any_set__waits_for_no_clock(world: World, edge: int):
    """Above 1 the owner's own terms: no grace, though the account is on call; the whole penalty is the liquidator's."""
    world.set_protocol(grace_period=GRACE, dust_value=0)
    account = two_and_two(world)
    world.set_price(world.weth, 1_620)
    assert wad(1) < world.health(account) < wad("1.05")
    target, penalty = wad("1.25"), wad("0.01")
    world.vault.setDeleverage(account, (wad("1.2"), target, penalty), sender=world.borrower)
    world.arm()
    world.vault.marginCall(account, sender=world.stranger)
    world.warp(edge)
    late = edge > BACKSTOP and edge <= LIFETIME
    terms = {"target_health_factor_wad": target, "fixed_penalty_wad": penalty, "fee_share": 0, "is_backstop": late}
    done = 0
    for sets in SETS.values():
        with world.node.rolled_back():
            done += assert_as_planned(world, account, sets, **terms) == "done"
    assert done >= 2
