"""Threat 73: whatever the engine plugged in answers, the Vault's own bounds decide. Nothing moves where they refuse.

The account of most tests is the restorative example: C = 30 000, W = 24 000, B = 24 500 USD, H = 0.9796.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from eth_abi.abi import encode

from closeout.model import Plan, Regime, Snapshot
from closeout.units import BPS, RAY, WAD
from tests.support.accounts import capped_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out, positions_of
from tests.support.node import Deployed, reverts
from tests.support.world import World, account_of, set_of, wad

MOST = 2**256 - 1
PLAN = "(uint8,uint256,uint256,uint256,uint256)"


@pytest.fixture
def engine(world: World) -> Deployed:
    """An engine that answers what it is told, plugged in."""
    engine = world.node.deploy("RawAnswer", sender=world.stranger)
    world.set_protocol(modules={"engine": engine})
    return engine


def answer(world: World, engine: Deployed, plan: Plan) -> None:
    values = (
        plan.regime,
        plan.penalty_rate_wad,
        plan.repaid_value,
        plan.seized_value,
        plan.extinguished_value,
    )
    engine.setAnswer(encode([PLAN], [values]), False, sender=world.stranger)


def honest(world: World, account: int, **sets: int) -> tuple[Plan, Snapshot]:
    _, plan, snapshot = expected_close_out(world, account, **sets)
    return plan, snapshot


@contextmanager
def nothing_moves(world: World, account: int) -> Iterator[None]:
    """Neither by the call inside nor, tried again, by its preview."""

    def state() -> tuple:
        held = [world.balance(asset, world.vault) for asset in world.assets]
        return world.position(account), held, [world.vault.marketOf(asset.id) for asset in world.assets]

    before = state()
    yield
    assert state() == before


def refused(world: World, account: int, error: str, *figures: object, **request: int) -> None:
    world.arm()
    with nothing_moves(world, account):
        with reverts(error, *figures):
            world.close_out(account, **request)
        with reverts(error, *figures):
            world.preview(account, **request)


def test_t73_engine__that_answers_as_ours_does__is_obeyed(world: World, engine: Deployed):
    """The test's own tools: through the raw answer the same close-out comes out."""
    account = restorative_account(world)
    expected, plan, _ = expected_close_out(world, account)
    answer(world, engine, plan)
    world.arm()
    assert world.result(world.close_out(account)) == expected


def test_t73_engine__with_a_plan_for_a_healthy_account__is_not_even_asked(world: World, engine: Deployed):
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    answer(world, engine, Plan(Regime.RESTORATIVE, wad("0.05"), 1000 * RAY, 1050 * RAY, 1000 * RAY))
    refused(world, account, "AccountHealthy", wad("1.275"))


@pytest.mark.parametrize("beyond", [1, 10**30, None])
def test_t73_engine__that_seizes_more_than_the_set_holds__is_refused(
    world: World, engine: Deployed, beyond: int | None
):
    account = restorative_account(world)
    plan, snapshot = honest(world, account)
    seized = MOST if beyond is None else snapshot.set_collateral_value + beyond
    answer(world, engine, replace(plan, seized_value=seized))
    refused(world, account, "PlanAboveBalances", seized, snapshot.set_collateral_value)


@pytest.mark.parametrize("beyond", [1, 10**30, None])
def test_t73_engine__that_extinguishes_more_than_the_set_owes__is_refused(
    world: World, engine: Deployed, beyond: int | None
):
    account = restorative_account(world)
    plan, snapshot = honest(world, account)
    gone = MOST if beyond is None else snapshot.set_debt_value + beyond
    answer(world, engine, replace(plan, repaid_value=gone, extinguished_value=gone))
    refused(world, account, "PlanAboveBalances", gone, snapshot.set_debt_value)


def test_t73_engine__that_makes_the_liquidator_pay_for_more_than_disappears__is_refused(world: World, engine: Deployed):
    account = restorative_account(world)
    plan, snapshot = honest(world, account)
    gone = plan.repaid_value - 1
    answer(world, engine, replace(plan, extinguished_value=gone))
    refused(world, account, "PlanAboveBalances", gone, snapshot.set_debt_value)


@pytest.mark.parametrize("beyond", [1, 10**27])
def test_t73_engine__that_pays_more_than_the_mean_of_the_largest_bonuses__is_refused(
    world: World, engine: Deployed, beyond: int
):
    """P13. WETH's 8 % and WBTC's 10 % in equal parts: 9 %, and not a digit more than two of rounding."""
    account = restorative_account(world)
    plan, _ = honest(world, account)
    repaid = 1000 * RAY
    most = 1090 * RAY + 2
    answer(world, engine, replace(plan, repaid_value=repaid, extinguished_value=repaid, seized_value=most + beyond))
    refused(world, account, "PlanAboveBonus", most + beyond, most)
    with world.node.rolled_back():
        answer(world, engine, replace(plan, repaid_value=repaid, extinguished_value=repaid, seized_value=most))
        world.close_out(account)


def test_t73_engine__that_takes_the_dearest_bonus_for_a_cheaper_set__is_refused(world: World, engine: Deployed):
    """The bound is the mean over what is seized, not over what the account holds: WETH alone has 8 %."""
    account = restorative_account(world)
    plan, _ = honest(world, account)
    repaid = 1000 * RAY
    seized = 1090 * RAY
    answer(world, engine, replace(plan, repaid_value=repaid, extinguished_value=repaid, seized_value=seized))
    refused(world, account, "PlanAboveBonus", seized, 1080 * RAY + 2, collaterals=set_of(world.weth))


def test_t73_engine__that_forgives_debt_of_a_solvent_account__is_refused(world: World, engine: Deployed):
    """P12."""
    account = restorative_account(world)
    plan, _ = honest(world, account)
    gone = plan.repaid_value + 1
    answer(world, engine, replace(plan, extinguished_value=gone))
    refused(world, account, "PlanExtinguishesTooMuch", gone, plan.repaid_value)
    answer(world, engine, replace(plan, regime=Regime.TERMINAL, extinguished_value=gone))
    refused(world, account, "PlanExtinguishesTooMuch", gone, plan.repaid_value)


def test_t73_engine__that_lowers_the_health_factor__is_refused(world: World, engine: Deployed):
    """P4. A capped account, C / B = 1.034: a penalty of 8 % is within maxBonus and above what there is."""
    account = capped_account(world)
    plan, snapshot = honest(world, account)
    repaid, seized = 1000 * RAY, 1080 * RAY
    answer(world, engine, replace(plan, repaid_value=repaid, extinguished_value=repaid, seized_value=seized))
    # W lost, in bps: 0.85 * 1 080; most that leaves H: 1 000 * 12 750 / 14 500, and two digits of each scale
    lost = 918 * RAY * BPS
    most = -(-repaid * snapshot.weighted_collateral // snapshot.debt_value) + 2 * BPS + 2 * BPS * 1000 * 10**9
    refused(world, account, "PlanLowersHealth", lost, most)


def test_t73_engine__that_closes_out_wholly_at_a_hair_below_one__is_refused(world: World, engine: Deployed):
    """Section 10: a hostile engine cannot close a borrower out wholly at H = 0.9999."""
    account = world.open_account({world.weth: 10}, {world.usdc: 8_500})
    world.set_price(world.weth, "999.9")
    plan, snapshot = honest(world, account)
    debt = snapshot.debt_value
    answer(world, engine, replace(plan, repaid_value=debt, extinguished_value=debt, seized_value=debt * 108 // 100))
    world.arm()
    with nothing_moves(world, account), reverts("PlanAboveMaxTarget", ...):
        world.close_out(account)


def test_t73_engine__that_aims_above_the_immutable_target__is_refused_and_at_it_is_not(world: World, engine: Deployed):
    """MAX_TARGET_HEALTH_FACTOR_WAD is 2: W - 0.85 * 1.08 R = 2 (B - R) is where the bound stands."""
    account = world.open_account({world.weth: 10}, {world.usdc: 8_500})
    world.set_price(world.weth, "999.9")
    plan, snapshot = honest(world, account)
    weighted, debt = snapshot.weighted_collateral // BPS, snapshot.debt_value
    repaid = (2 * debt - weighted) * 1000 // (2000 - 918)
    world.arm()
    for beyond, is_refused in ((-1000, False), (10**12, True)):
        amount = repaid + beyond
        answer(
            world,
            engine,
            replace(plan, repaid_value=amount, extinguished_value=amount, seized_value=amount * 108 // 100),
        )
        with world.node.rolled_back():
            if is_refused:
                with reverts("PlanAboveMaxTarget", ...):
                    world.close_out(account)
            else:
                after = world.result(world.close_out(account)).health_after
                # 643 USD of debt are left: above 2 by what one unit of USDC, 1e-6 of them, can add
                assert wad(2) < after < wad(2) + 4 * 10**9


def test_t73_engine__that_takes_and_repays_nothing__is_refused(world: World, engine: Deployed):
    account = restorative_account(world)
    plan, _ = honest(world, account)
    for seized in (0, 2):
        answer(world, engine, replace(plan, repaid_value=0, extinguished_value=0, seized_value=seized))
        refused(world, account, "NothingToClose")


# ------------------------------------------------------------------------------------------------------- insolvent


def test_t73_engine__that_extinguishes_more_than_pro_rata_of_an_insolvent_account__is_refused(
    world: World, engine: Deployed
):
    """P12: C = 15 000, B = 16 000. For 1 500 seized no more than 1 600 disappear."""
    account = terminal_account(world)
    plan, _ = honest(world, account)
    part = replace(plan, repaid_value=1400 * RAY, seized_value=1500 * RAY, extinguished_value=1600 * RAY)
    answer(world, engine, replace(part, extinguished_value=1601 * RAY))
    world.arm()
    with nothing_moves(world, account), reverts("PlanExtinguishesTooMuch", ...):
        world.close_out(account)
    answer(world, engine, part)
    world.close_out(account)


@pytest.mark.parametrize("regime", [Regime.RESTORATIVE, Regime.CAPPED, Regime.TERMINAL, Regime.HEALTHY])
def test_t73_engine__that_leaves_an_insolvent_account_worse_off__is_refused(
    world: World, engine: Deployed, regime: Regime
):
    """P4, P21: C / B stays. Taking 1 080 for 1 000, all within maxBonus, would leave the other lenders less."""
    account = terminal_account(world)
    plan, _ = honest(world, account)
    repaid = 1000 * RAY
    answer(
        world,
        engine,
        replace(plan, regime=regime, repaid_value=repaid, extinguished_value=repaid, seized_value=1080 * RAY),
    )
    world.arm()
    with nothing_moves(world, account), reverts("PlanLowersHealth", ...):
        world.close_out(account)


@pytest.mark.parametrize("regime", [Regime.RESTORATIVE, Regime.CAPPED, Regime.HEALTHY])
def test_t73_engine__that_names_an_insolvent_account_solvent__still_extinguishes_pro_rata(
    world: World, engine: Deployed, regime: Regime
):
    """The regime is the Vault's own finding: a wrong name for it changes nothing that moves."""
    account = terminal_account(world)
    expected, plan, _ = expected_close_out(world, account, fill=wad("0.5"))
    answer(world, engine, replace(plan, regime=regime))
    world.arm()
    result = world.result(world.close_out(account))
    assert (result.seized, result.repaid) == (expected.seized, expected.repaid)


def test_t73_engine__that_names_a_solvent_account_terminal__writes_nothing_off(world: World, engine: Deployed):
    """P12: no debt is written off while C >= (1 + bonusFloor) B, however little collateral is left."""
    account = capped_account(world)
    plan, snapshot = honest(world, account)
    # leaves 5 USD of collateral and 4.83 of debt: both below dustValue, and C / B as it was
    seized = snapshot.collateral_value - 5 * RAY
    repaid = -(-seized * snapshot.debt_value // snapshot.collateral_value)
    answer(
        world,
        engine,
        replace(plan, regime=Regime.TERMINAL, repaid_value=repaid, extinguished_value=repaid, seized_value=seized),
    )
    world.arm()
    receipt = world.close_out(account)
    assert receipt.events("BadDebt") == []
    held, owed = world.position(account)
    assert 5 * 10**18 // 1500 <= held[world.weth.id] <= 5 * 10**18 // 1500 + 1
    assert 4_833_333 - 1 <= owed[world.usdc.id] <= 4_833_334


# ------------------------------------------------------------------------------------------------ answers that are none


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00" * 159, encode(["uint256"] * 5, [7, 0, 0, 0, 0])],
    ids=["nothing", "too short", "no such regime"],
)
def test_t73_engine__whose_answer_is_no_plan__is_refused(world: World, engine: Deployed, data: bytes):
    account = restorative_account(world)
    engine.setAnswer(data, False, sender=world.stranger)
    refused(world, account, "")


def test_t73_engine__that_reverts__is_heard(world: World, engine: Deployed):
    account = restorative_account(world)
    refusal = world.vault.previewCloseOut
    assert refusal is not None
    engine.setAnswer(bytes.fromhex("d0e30db0"), True, sender=world.stranger)
    world.arm()
    with nothing_moves(world, account), pytest.raises(Exception, match="d0e30db0"):
        world.close_out(account)


@pytest.mark.parametrize("rate", [MOST, 2**255, 10**55])
def test_t73_engine__with_an_absurd_penalty_rate__moves_nothing_or_splits_by_the_fee_share(
    world: World, engine: Deployed, rate: int
):
    """The rate only divides what is seized between liquidator and protocol, whose part stays below feeShare."""
    account = restorative_account(world)
    plan, _ = honest(world, account)
    answer(world, engine, replace(plan, penalty_rate_wad=rate))
    world.arm()
    if rate > 10**60:
        with nothing_moves(world, account), reverts("Panic", 0x11):
            world.close_out(account)
        return
    for seized, to_protocol, _ in world.result(world.close_out(account)).seized.values():
        assert to_protocol * WAD <= seized * world.parameters.curve.fee_share


@pytest.mark.parametrize("make", [restorative_account, capped_account, terminal_account])
@pytest.mark.parametrize("field", ["repaid_value", "seized_value", "extinguished_value"])
@pytest.mark.parametrize("value", [0, 1, 2**255, MOST])
def test_t73_engine__with_any_figure_at_its_extreme__never_makes_the_account_worse(
    world: World, engine: Deployed, make: object, field: str, value: int
):
    account = make(world)
    plan, _ = honest(world, account)
    answer(world, engine, replace(plan, **{field: value}))
    world.arm()
    before = positions_of(world, account)
    try:
        world.close_out(account)
    except Exception as refusal:
        assert refusal.name.startswith("Plan"), refusal
        return
    after = positions_of(world, account)
    collateral = [sum(c.value for c in state.collaterals) for state in (before, after)]
    debt = [sum(d.value for d in state.debts) for state in (before, after)]
    # C / B, for what is left: no lower than before, one unit of USDC aside
    assert debt[1] == 0 or collateral[1] * (debt[0] + 10**21) >= collateral[0] * debt[1]


def test_account_of_the_hostile_engine_tests__is_the_borrowers(world: World):
    assert restorative_account(world) == account_of(world.borrower)
