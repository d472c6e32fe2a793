"""PauseGuardian: tightens only, for a bounded time; the governor confirms or ends, anyone lifts what is over."""

from __future__ import annotations

import pytest

from closeout.chain.roles import Role
from tests.support.node import Deployed, reverts
from tests.support.world import World

DAY = 86_400
PERIOD, SPACING, CONFIRMED = 7 * DAY, 14 * DAY, 30 * DAY
WETH, WBTC, USDC = 1, 2, 4


@pytest.fixture
def pauser(world: World) -> Deployed:
    """With the guardian as a network has it: through the PauseGuardian alone."""
    world.authority.revokeRole(Role.PAUSER, world.guardian, sender=world.governor)
    return world.pauser


def pauses(world: World) -> tuple[int, int]:
    """Borrowing and withdrawing sets that the Vault was told last."""
    said = [log for log in world.node.journal if log.name == "PausesSet"]
    return (said[-1].values["borrowing"], said[-1].values["withdrawing"]) if said else (0, 0)


def test_bounds__are_those_that_the_tests_are_about(pauser: Deployed):
    assert (pauser.PAUSE_PERIOD(), pauser.PAUSE_SPACING(), pauser.MAX_CONFIRMED_PAUSE()) == (PERIOD, SPACING, CONFIRMED)


def test_pause__by_the_guardian__stops_borrowing_and_withdrawing_and_nothing_else(world: World, pauser: Deployed):
    account = world.open_account({world.weth: 10}, {world.usdc: 1_000})
    pauser.pause(USDC, WETH, sender=world.guardian)
    with reverts("ActionPaused", world.usdc.id):
        world.vault.borrow(account, world.usdc.id, 10**6, world.borrower, sender=world.borrower)
    with reverts("ActionPaused", world.weth.id):
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)
    # P16: nothing stops these
    world.fund_party(world.borrower, world.weth, 1)
    world.fund_party(world.borrower, world.usdc, 500)
    world.vault.depositCollateral(account, world.weth.id, 10**18, sender=world.borrower)
    world.vault.repay(account, world.usdc.id, world.usdc.units(500), sender=world.borrower)
    world.set_price(world.weth, 50)
    world.arm()
    assert world.result(world.close_out(account)).is_executed


def test_pause__ends_by_itself_once_anyone_lifts_it(world: World, pauser: Deployed):
    pauser.pause(WETH | USDC, WBTC, sender=world.guardian)
    until = world.now + PERIOD
    assert pauser.pauseOf(0) == (until, 0)
    assert pauser.pauseOf(1) == (0, until)
    world.warp(PERIOD - 1)
    with reverts("StillPaused", 0, until, until - 1):
        pauser.lift(WETH, 0, sender=world.stranger)
    world.warp(1)
    lifted = pauser.lift(WETH, WBTC, sender=world.stranger)
    assert lifted.event("PauseEnded") == {"borrowing": WETH, "withdrawing": WBTC}
    assert pauses(world) == (USDC, 0)
    assert pauser.paused() == (USDC, 0)
    with reverts("NotPaused", 0):
        pauser.lift(WETH | USDC, 0, sender=world.stranger)
    pauser.lift(USDC, 0, sender=world.stranger)
    assert pauses(world) == (0, 0)


def test_pause__of_what_is_paused__does_not_begin_anew(world: World, pauser: Deployed):
    pauser.pause(WETH, 0, sender=world.guardian)
    until = world.now + PERIOD
    world.warp(3 * DAY)
    receipt = pauser.pause(WETH | USDC, 0, sender=world.guardian)
    assert receipt.event("Paused") == {"borrowing": USDC, "withdrawing": 0, "until": world.now + PERIOD}
    assert pauser.pauseOf(0)[0] == until
    assert pauser.pauseOf(2)[0] == world.now + PERIOD


def test_pause__again__has_to_wait_for_its_spacing(world: World, pauser: Deployed):
    pauser.pause(WETH, 0, sender=world.guardian)
    began = world.now
    world.warp(PERIOD)
    pauser.lift(WETH, 0, sender=world.stranger)
    with reverts("PausedTooSoon", 0, began + SPACING, world.now):
        pauser.pause(WETH, 0, sender=world.guardian)
    # another asset, and another action of the same one, are not held up
    pauser.pause(USDC, WETH, sender=world.guardian)
    world.warp(SPACING - PERIOD - 1)
    with reverts("PausedTooSoon", 0, began + SPACING, began + SPACING - 1):
        pauser.pause(WETH, 0, sender=world.guardian)
    world.warp(1)
    pauser.pause(WETH, 0, sender=world.guardian)
    assert pauses(world) == (WETH | USDC, WETH)


def test_guardian__over_a_year__stops_an_asset_at_most_half_of_the_time(world: World, pauser: Deployed):
    paused = 0
    for _ in range(365):
        borrowing, _ = pauser.paused()
        if borrowing & WETH and world.now >= pauser.pauseOf(0)[0]:
            pauser.lift(WETH, 0, sender=world.stranger)
            borrowing = 0
        if not borrowing & WETH:
            try:
                pauser.pause(WETH, 0, sender=world.guardian)
                borrowing = WETH
            except Exception as refused:
                assert "PausedTooSoon" in str(refused)
        paused += bool(borrowing & WETH)
        world.warp(DAY)
    assert 150 < paused <= 365 // 2 + PERIOD // DAY


@pytest.mark.parametrize("function", ["unpause", "confirmPause"])
def test_guardian__can_neither_start_again_nor_prolong(world: World, pauser: Deployed, function: str):
    pauser.pause(WETH, WETH, sender=world.guardian)
    arguments = (WETH, WETH, world.now + DAY) if function == "confirmPause" else (WETH, WETH)
    with reverts("AccessManagedUnauthorized", world.guardian):
        getattr(pauser, function)(*arguments, sender=world.guardian)
    with reverts("AccessManagedUnauthorized", world.guardian):
        world.vault.setPauses(0, 0, sender=world.guardian)


def test_governor__confirms_within_a_month_and_again(world: World, pauser: Deployed):
    pauser.pause(WETH, USDC, sender=world.guardian)
    most = world.now + CONFIRMED
    for until in (most + 1, world.now - 1):
        with reverts("UntilOutOfRange", until, world.now, most):
            pauser.confirmPause(WETH, 0, until, sender=world.governor)
    confirmed = pauser.confirmPause(WETH, 0, most, sender=world.governor)
    assert confirmed.event("PauseConfirmed") == {"borrowing": WETH, "withdrawing": 0, "until": most}
    assert pauser.pauseOf(0) == (most, 0)
    assert pauser.pauseOf(2)[1] < most, "what was not named is not prolonged"
    world.warp(CONFIRMED - 1)
    pauser.confirmPause(WETH, 0, most + CONFIRMED - 1, sender=world.governor)
    with reverts("NotPaused", 1):
        pauser.confirmPause(WBTC, 0, world.now, sender=world.governor)
    with reverts("NotPaused", 0):
        pauser.confirmPause(0, WETH, world.now, sender=world.governor)


def test_governor__ends_a_pause_at_once(world: World, pauser: Deployed):
    pauser.pause(WETH | USDC, WETH | USDC, sender=world.guardian)
    pauser.unpause(WETH, USDC, sender=world.governor)
    assert pauses(world) == (USDC, WETH)
    with reverts("NotPaused", 0):
        pauser.unpause(WETH, 0, sender=world.governor)


def test_highest_asset__is_paused_like_any_other(world: World, pauser: Deployed):
    last = 1 << 127
    pauser.pause(last | 1, last, sender=world.guardian)
    assert pauses(world) == (last | 1, last)
    pauser.unpause(last, last, sender=world.governor)
    assert pauses(world) == (1, 0)
