"""Margin calls, grace, lapse and the backstop; threat 76: every clock 1 s before, at, and 1 s after its end."""

from __future__ import annotations

import pytest

from closeout.model import ModelRevert
from tests.support.accounts import restorative_account
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import NO_DEBT, World, account_of, set_of, wad

GRACE = 3600
LIFETIME = 86_400
BACKSTOP = 43_200


@pytest.fixture
def graceful(world: World) -> World:
    """Grace of an hour in [0.95, 1)."""
    world.set_protocol(grace_period=GRACE, call_lifetime=LIFETIME, backstop_delay=BACKSTOP)
    return world


def shallow(world: World) -> int:
    """H = 0.9796: unhealthy, above the hard floor. Open to a liquidator with money."""
    account = restorative_account(world)
    world.arm()
    return account


def warned(world: World) -> int:
    """H = 1.0200: below the margin-call level of 1.05, above 1."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.set_price(world.weth, 1200)
    assert world.health(account) == wad("1.02")
    return account


# ---------------------------------------------------------------------------------------------------- marginCall


def test_margin_call__of_a_warned_account__is_an_event_with_its_time_whoever_calls(world: World):
    account = warned(world)
    now = world.warp(17)
    receipt = world.vault.marginCall(account, sender=world.stranger)
    assert receipt.event("MarginCalled") == {
        "account": account,
        "caller": world.stranger,
        "healthFactor": wad("1.02"),
    }
    assert world.vault.timesOf(account)[0] == now


@pytest.mark.parametrize(("price", "health", "is_called"), [("1050", "1.05", False), ("1049.99", "1.04999", True)])
def test_margin_call__at_the_level_itself__is_refused_and_just_below_it_is_not(
    world: World, price: str, health: str, is_called: bool
):
    account = world.open_account({world.weth: 10}, {world.usdc: 8_500})
    world.set_price(world.weth, price)
    if is_called:
        receipt = world.vault.marginCall(account, sender=world.stranger)
        assert receipt.event("MarginCalled")["healthFactor"] == wad(health)
    else:
        with reverts("MarginCallRefused", wad(health), wad("1.05")):
            world.vault.marginCall(account, sender=world.stranger)


def test_p7_margin_call__of_an_account_without_debt__is_refused(world: World):
    account = world.open_account({world.weth: 10})
    with reverts("MarginCallRefused", NO_DEBT, wad("1.05")):
        world.vault.marginCall(account, sender=world.stranger)
    with reverts("MarginCallRefused", NO_DEBT, wad("1.05")):
        world.vault.marginCall(account_of(world.stranger, 99), sender=world.stranger)


def test_margin_call__of_an_account_on_call__is_refused_so_that_its_grace_is_not_prolonged(world: World):
    account = warned(world)
    world.vault.marginCall(account, sender=world.stranger)
    called_at = world.now
    world.warp(LIFETIME)
    with reverts("MarginCallRefused", wad("1.02"), wad("1.05")):
        world.vault.marginCall(account, sender=world.stranger)
    world.warp(1)
    world.vault.marginCall(account, sender=world.stranger)
    assert world.vault.timesOf(account)[0] == called_at + LIFETIME + 1


def test_p7_account__between_one_and_the_level__can_be_put_on_call_and_loses_nothing(graceful: World):
    account = warned(graceful)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    held = graceful.position(account)
    graceful.warp(GRACE)
    with reverts("AccountHealthy", wad("1.02")):
        graceful.close_out(account)
    assert graceful.position(account) == held


# ------------------------------------------------------------------------------------------------ clearMarginCall


def test_clear__of_an_account_back_at_the_level__is_an_event_whoever_calls(world: World):
    account = warned(world)
    world.vault.marginCall(account, sender=world.stranger)
    world.set_price(world.weth, "1235.294117647058823529")
    with reverts("MarginCallRefused", wad("1.05") - 1, wad("1.05")):
        world.vault.clearMarginCall(account, sender=world.borrower)
    world.set_price(world.weth, "1235.294117647058823530")
    receipt = world.vault.clearMarginCall(account, sender=world.receiver)
    assert receipt.event("MarginCallCleared") == {"account": account, "healthFactor": wad("1.05")}
    assert world.vault.timesOf(account)[0] == 0


def test_clear__of_an_account_that_is_not_on_call__is_refused(world: World):
    account = warned(world)
    with reverts("NotOnCall", account):
        world.vault.clearMarginCall(account, sender=world.stranger)


def test_t44_clear__of_a_call_by_a_small_repayment__does_not_happen(world: World):
    account = warned(world)
    world.vault.marginCall(account, sender=world.stranger)
    called_at = world.now
    world.fund_party(world.borrower, world.usdc, 1)
    world.vault.repay(account, world.usdc.id, 1, sender=world.borrower)
    assert world.vault.timesOf(account)[0] == called_at
    with reverts("MarginCallRefused", ...):
        world.vault.clearMarginCall(account, sender=world.borrower)


def test_clear__of_a_lapsed_call_of_a_healthy_account__works(world: World):
    account = warned(world)
    world.vault.marginCall(account, sender=world.stranger)
    world.warp(LIFETIME + 1)
    world.set_price(world.weth, 2000)
    world.vault.clearMarginCall(account, sender=world.stranger)
    assert world.vault.timesOf(account)[0] == 0


def test_close_out__that_brings_an_account_back_above_the_level__clears_its_call(graceful: World):
    account = shallow(graceful)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    graceful.warp(GRACE)
    receipt = graceful.close_out(account)
    after = graceful.result(receipt).health_after
    assert receipt.event("MarginCallCleared") == {"account": account, "healthFactor": after}
    assert graceful.vault.timesOf(account)[0] == 0


def test_t44_close_out__of_a_part_that_leaves_an_account_below_the_level__leaves_its_call(graceful: World):
    account = shallow(graceful)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    called_at = graceful.now
    graceful.warp(GRACE)
    receipt = graceful.close_out(account, fill=wad("0.1"))
    assert receipt.events("MarginCallCleared") == []
    assert graceful.vault.timesOf(account)[0] == called_at
    # and the next part needs no second grace
    graceful.close_out(account, fill=wad("0.1"))


# -------------------------------------------------------------------------------------------------------- grace


def test_close_out__of_an_account_not_on_call__puts_it_on_call_and_seizes_nothing(graceful: World):
    account = shallow(graceful)
    held = graceful.position(account)
    preview = graceful.preview(account)
    receipt = graceful.close_out(account, sender=graceful.liquidator)
    assert [log.name for log in receipt.logs] == ["MarginCalled"]
    assert receipt.event("MarginCalled") == {
        "account": account,
        "caller": graceful.liquidator,
        "healthFactor": 979_591_836_734_693_877,
    }
    assert graceful.position(account) == held
    assert graceful.vault.timesOf(account)[0] == graceful.now
    assert (preview.is_executed, preview.seized, preview.repaid) == (False, {}, {})
    assert preview.health_before == preview.health_after == 979_591_836_734_693_877


def test_close_out__that_only_calls__says_in_its_answer_that_it_was_not_executed(graceful: World):
    account = shallow(graceful)
    answer = graceful.vault.closeOut.ask(graceful.request(account), b"", sender=graceful.liquidator)
    assert answer[:5] == (0, False, 0, 979_591_836_734_693_877, 979_591_836_734_693_877)


@pytest.mark.parametrize(
    ("after", "is_open"), [(0, False), (1, False), (GRACE - 1, False), (GRACE, True), (GRACE + 1, True)]
)
def test_t76_grace__around_its_end__keeps_the_close_out_away_until_the_very_second(
    graceful: World, after: int, is_open: bool
):
    account = shallow(graceful)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    ends_at = graceful.now + GRACE
    if after:
        graceful.warp(after)
    if is_open:
        assert graceful.result(graceful.close_out(account)).is_executed
    else:
        for action in (graceful.close_out, graceful.preview):
            with reverts("GracePeriodRunning", ends_at, graceful.now):
                action(account)


@pytest.mark.parametrize(("after", "is_open"), [(LIFETIME - 1, True), (LIFETIME, True), (LIFETIME + 1, False)])
def test_t76_call__around_its_lapse__counts_to_the_very_second_and_then_starts_anew(
    graceful: World, after: int, is_open: bool
):
    account = shallow(graceful)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    now = graceful.warp(after)
    receipt = graceful.close_out(account)
    if is_open:
        assert graceful.result(receipt).is_executed
    else:
        assert [log.name for log in receipt.logs] == ["MarginCalled"]
        assert graceful.vault.timesOf(account)[0] == now
        with reverts("GracePeriodRunning", now + GRACE, now):
            graceful.close_out(account)


@pytest.mark.parametrize(("price", "is_at_once"), [("950", False), ("949.999999999999999999", True), ("999.99", False)])
def test_t76_hard_floor__at_it_and_below_it__waits_and_does_not(graceful: World, price: str, is_at_once: bool):
    """8 500 USD against 10 WETH at t = 0.85: H is the price over 1 000."""
    account = graceful.open_account({graceful.weth: 10}, {graceful.usdc: 8_500})
    graceful.set_price(graceful.weth, price)
    graceful.arm()
    receipt = graceful.close_out(account)
    assert [log.name for log in receipt.logs].count("CloseOut") == is_at_once
    assert [log.name for log in receipt.logs].count("MarginCalled") == (not is_at_once)


def test_grace__that_is_off__makes_nobody_wait(world: World):
    account = shallow(world)
    assert world.result(world.close_out(account)).is_executed


def test_grace__of_a_called_account_that_falls_below_the_hard_floor__ends_at_once(graceful: World):
    account = shallow(graceful)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    graceful.set_price(graceful.weth, 1300)
    graceful.set_price(graceful.wbtc, 28_000)
    assert graceful.health(account) < wad("0.95")
    assert graceful.result(graceful.close_out(account)).is_executed


def test_grace__does_not_start_again_where_an_account_was_healthy_in_between(graceful: World):
    """A call stands until it is cleared or lapses; the warning was given while the account was above 1."""
    account = graceful.open_account({graceful.weth: 10}, {graceful.usdc: 8_500})
    graceful.set_price(graceful.weth, 1040)
    graceful.vault.marginCall(account, sender=graceful.stranger)
    graceful.warp(GRACE)
    graceful.set_price(graceful.weth, 990)
    graceful.arm()
    assert graceful.result(graceful.close_out(account)).is_executed


# ----------------------------------------------------------------------------------------------- the same second


@pytest.mark.parametrize("action", ["borrow", "withdraw"])
@pytest.mark.parametrize(("after", "is_refused"), [(0, True), (1, False)])
def test_t47_close_out__in_the_second_of_the_accounts_own_action__is_refused(
    world: World, action: str, after: int, is_refused: bool
):
    account = world.open_account({world.weth: 20}, {world.usdc: 16_000})
    world.arm()
    if action == "borrow":
        world.vault.borrow(account, world.usdc.id, 1, world.borrower, sender=world.borrower)
    else:
        world.vault.withdrawCollateral(account, world.weth.id, 1, world.borrower, sender=world.borrower)
    world.set_price(world.weth, 900)
    if after:
        world.warp(after)
    if is_refused:
        for attempt in (world.close_out, world.preview):
            with reverts("AccountActedNow", world.now):
                attempt(account)
    else:
        world.close_out(account)


def test_t31_close_out__in_the_second_of_a_strangers_repayment_or_deposit__is_not_kept_away(world: World):
    """Nobody but the account's own people starts that clock."""
    account = shallow(world)
    world.fund_party(world.stranger, world.usdc, 1)
    world.vault.repay(account, world.usdc.id, 1, sender=world.stranger)
    units = world.fund_party(world.stranger, world.weth, "0.001")
    world.vault.depositCollateral(account, world.weth.id, units, sender=world.stranger)
    world.close_out(account)


# ------------------------------------------------------------------------------------------------------ deadline


@pytest.mark.parametrize(("left", "is_refused"), [(1, False), (0, False), (-1, True)])
def test_t76_deadline__at_it_and_after_it__passes_and_does_not(world: World, left: int, is_refused: bool):
    account = shallow(world)
    deadline = world.now + left
    if is_refused:
        for attempt in (world.close_out, world.preview):
            with reverts("DeadlinePassed", deadline, world.now):
                attempt(account, deadline=deadline)
    else:
        world.close_out(account, deadline=deadline)


# ------------------------------------------------------------------------------------------------------ backstop


@pytest.mark.parametrize(("after", "is_relaxed"), [(BACKSTOP - 1, False), (BACKSTOP, False), (BACKSTOP + 1, True)])
def test_t76_backstop__around_its_delay__admits_a_set_that_sells_too_much_only_after_it(
    world: World, after: int, is_relaxed: bool
):
    """The good collateral alone, where nobody came for the whole."""
    account = shallow(world)
    good = set_of(world.weth)
    world.vault.marginCall(account, sender=world.stranger)
    world.warp(after)
    with pytest.raises(ModelRevert) as refusal:
        expected_close_out(world, account, collaterals=good)
    if is_relaxed:
        expected, *_ = expected_close_out(world, account, collaterals=good, is_backstop=True)
        result = world.result(world.close_out(account, collaterals=good))
        assert result == expected
        assert result.health_after >= result.health_before
    else:
        with reverts("SetSellsTooMuch", *refusal.value.values):
            world.close_out(account, collaterals=good)


def test_backstop__of_a_call_that_has_lapsed__is_over(world: World):
    account = shallow(world)
    world.vault.marginCall(account, sender=world.stranger)
    world.warp(LIFETIME + 1)
    with reverts("SetSellsTooMuch", ...):
        world.close_out(account, collaterals=set_of(world.weth))
