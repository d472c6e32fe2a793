"""RiskSteward: a step per cool-down, inside a band round what the governor set; nothing that is not the steward's."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from closeout.chain.parameters import BorrowParameters, CollateralParameters
from closeout.chain.roles import Role
from tests.support.node import Deployed, Receipt, Reverted, actor, reverts
from tests.support.world import NOT_BORROWABLE, Asset, World, collateral

DAY = 86_400
COOLDOWN = 3 * DAY
STEWARD = actor("steward")
# WETH of this test: ratios, caps and rates in the middle of what is allowed, so that every direction is open.
TERMS = CollateralParameters(ltv=7500, liquidation_threshold=8000, max_bonus=800, cap=10**24)
LENT = BorrowParameters(
    base=10**7,
    slope1=4 * 10**7,
    slope2=8 * 10**8,
    kink=8 * 10**17,
    reserve_factor=1500,
    supply_cap=10**24,
    borrow_cap=8 * 10**23,
    flash_fee=5,
)


def named(name: str) -> bytes:
    return name.encode().ljust(32, b"\x00")


class Stage:
    """One asset under a steward."""

    def __init__(self, world: World) -> None:
        self.world, self.steward = world, world.steward
        world.authority.grantRole(Role.STEWARD, STEWARD, 0, sender=world.governor)
        self.asset: Asset = world.list_asset("STW", 18, 1500, TERMS, LENT)
        self.steward.anchor(self.asset.id, sender=world.governor)

    def step(self, *, ramp: int = 0, sender: str = STEWARD, **changes: Any) -> Receipt:
        """Changes collateral and borrow parameters by their names, from what is in force."""
        terms, lent = self.current()
        names = {**terms.__dict__, **lent.__dict__}
        assert changes.keys() <= names.keys()
        terms = replace(terms, **{key: value for key, value in changes.items() if hasattr(terms, key)})
        lent = replace(lent, **{key: value for key, value in changes.items() if hasattr(lent, key)})
        return self.steward.step(self.asset.id, astuple(terms), astuple(lent), ramp, sender=sender)

    def current(self) -> tuple[CollateralParameters, BorrowParameters]:
        found = self.world.configurator.assetParameters(self.asset.id)
        return CollateralParameters(*found[1]), BorrowParameters(*found[2])

    def value(self, name: str) -> int:
        terms, lent = self.current()
        return int(getattr(terms if hasattr(terms, name) else lent, name))


@pytest.fixture
def stage(world: World) -> Stage:
    return Stage(world)


# name in Python, name in errors, smallest and largest first step from TERMS and LENT
STEPS = [
    ("ltv", "ltv", 7400, 7600),
    ("max_bonus", "maxBonus", 750, 850),
    ("cap", "collateralCap", 5 * 10**23, 15 * 10**23),
    ("supply_cap", "supplyCap", 5 * 10**23, 15 * 10**23),
    ("borrow_cap", "borrowCap", 4 * 10**23, 12 * 10**23),
    ("base", "base", 5 * 10**6, 15 * 10**6),
    ("slope1", "slope1", 3 * 10**7, 5 * 10**7),
    ("slope2", "slope2", 6 * 10**8, 10 * 10**8),
    ("kink", "kink", 78 * 10**16, 82 * 10**16),
    ("reserve_factor", "reserveFactor", 1250, 1750),
]


@pytest.mark.parametrize(
    ("field", "name", "least", "most"), STEPS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_step__up_to_its_bound__is_taken_and_beyond_it_refused(
    stage: Stage, field: str, name: str, least: int, most: int
):
    for beyond in (least - 1, most + 1):
        with reverts("StepTooLarge", named(name), beyond, least, most):
            stage.step(**{field: beyond})
    for value in (least, most):
        with stage.world.node.rolled_back():
            receipt = stage.step(**{field: value})
            assert receipt.event("Stepped")["assetId"] == stage.asset.id
            assert stage.value(field) == value


@pytest.mark.parametrize(
    ("field", "name", "least", "most"), STEPS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_steps__one_after_another__end_at_the_band_round_the_anchor(
    stage: Stage, field: str, name: str, least: int, most: int
):
    """As far as a stolen key gets, however long it is stolen."""
    start = stage.value(field)
    for direction in (1, -1):
        with stage.world.node.rolled_back():
            for _ in range(40):
                reach = (most - start) if direction > 0 else (start - least)
                if direction < 0 and field.endswith("cap"):
                    reach = stage.value(field) // 2
                if direction < 0 and field.startswith("slope"):
                    reach = stage.value(field) // 4
                try:
                    stage.step(**{field: max(0, stage.value(field) + direction * reach)})
                except Reverted as refused:
                    # the band, or a relation between parameters that is narrower
                    assert refused.name in ("OutsideBand", "ParameterOutOfRange")
                    break
                stage.world.warp(COOLDOWN)
            moved = abs(stage.value(field) - start)
            bands = {"ltv": 500, "max_bonus": 200, "reserve_factor": 1000, "kink": 10**17}
            band = bands.get(field, start)
            if field in ("base", "slope1"):
                band = max(band, 2 * 10**7)
            assert 0 < moved <= band


def test_threshold__falls_by_a_point_over_a_ramp_and_rises_at_once(stage: Stage):
    with reverts("RampOutOfRange", DAY - 1, DAY, 90 * DAY):
        stage.step(liquidation_threshold=7900, ramp=DAY - 1)
    with reverts("StepTooLarge", named("threshold"), 7899, 7900, 8100):
        stage.step(liquidation_threshold=7899, ramp=DAY)
    stage.step(liquidation_threshold=7900, ramp=3 * DAY)
    found = stage.world.configurator.assetParameters(stage.asset.id)
    assert (found[1][1], found[4], found[5]) == (7900, 8000, stage.world.now + 3 * DAY)
    stage.world.warp(3 * DAY)
    stage.step(liquidation_threshold=8000)
    assert stage.value("liquidation_threshold") == 8000


def test_step__while_a_ramp_runs__is_refused(stage: Stage):
    """It would begin the governor's ramp anew, and slower."""
    world = stage.world
    world.set_asset(stage.asset, replace(TERMS, ltv=7000, liquidation_threshold=7500), LENT, ramp=30 * DAY)
    end = world.now + 30 * DAY
    with reverts("RampRunning", stage.asset.id, end):
        stage.step(cap=9 * 10**23)
    world.warp(30 * DAY)
    stage.steward.anchor(stage.asset.id, sender=world.governor)
    stage.step(cap=9 * 10**23)


def test_step__after_a_step__has_to_wait_for_the_cool_down(stage: Stage):
    stage.step(ltv=7600)
    next_at = stage.world.now + COOLDOWN
    assert stage.steward.anchorOf(stage.asset.id)[2] == next_at
    with reverts("SteppedTooSoon", stage.asset.id, next_at, stage.world.now):
        stage.step(ltv=7500)
    stage.world.warp(COOLDOWN - 1)
    with reverts("SteppedTooSoon", stage.asset.id, next_at, next_at - 1):
        stage.step(cap=10**24)
    stage.world.warp(1)
    stage.step(ltv=7700)


def test_step__of_another_asset__does_not_wait(stage: Stage):
    other = stage.world.list_asset("OTH", 18, 1500, TERMS, LENT)
    stage.steward.anchor(other.id, sender=stage.world.governor)
    stage.step(ltv=7600)
    arguments = (other.id, astuple(replace(TERMS, ltv=7600)), astuple(LENT), 0)
    stage.steward.step(*arguments, sender=STEWARD)


@pytest.mark.parametrize(
    ("changes", "name", "current", "asked"),
    [
        ({"bucket_capacity": 10**24}, "bucketCapacity", 0, 10**24),
        ({"bucket_refill": 1}, "bucketRefill", 0, 1),
        ({"most_target": 12_000}, "mostTarget", 0, 12_000),
        ({"rate_model": actor("a model")}, "rateModel", 0, int(actor("a model"), 16)),
        ({"flash_fee": 6}, "flashFee", 5, 6),
        ({"liquidation_threshold": 0, "ltv": 0}, "threshold", 8000, 0),
        ({"supply_cap": 0}, "supplyCap", 10**24, 0),
    ],
)
def test_step__into_what_is_the_governors__is_refused(
    stage: Stage, changes: dict[str, Any], name: str, current: int, asked: int
):
    with reverts("NotTheStewards", named(name), current, asked):
        stage.step(**changes, ramp=DAY)


def test_step__that_makes_a_debt_asset_collateral__is_refused(stage: Stage):
    world = stage.world
    world.steward.anchor(world.dai.id, sender=world.governor)
    terms = astuple(collateral(5000, 500))
    with reverts("NotTheStewards", named("threshold"), 0, 5000):
        stage.steward.step(world.dai.id, terms, astuple(world.listings[world.dai.id][1]), 0, sender=STEWARD)


def test_step__that_breaks_a_relation__is_refused_by_the_configurator(stage: Stage):
    """The steward's bounds are on top of everybody's."""
    world = stage.world
    close = replace(TERMS, ltv=8000, liquidation_threshold=8050)
    world.set_asset(stage.asset, close, LENT)
    stage.steward.anchor(stage.asset.id, sender=world.governor)
    with reverts("ParameterOutOfRange", named("ltv"), 8100, 0, 8049):
        stage.step(ltv=8100)


def test_step__without_an_anchor__is_refused(stage: Stage):
    world = stage.world
    other = world.list_asset("OTH", 18, 1500, TERMS, NOT_BORROWABLE)
    assert not stage.steward.isAnchored(other.id)
    with reverts("NoAnchor", other.id):
        stage.steward.step(other.id, astuple(TERMS), astuple(NOT_BORROWABLE), 0, sender=STEWARD)


@pytest.mark.parametrize("party", ["stranger", "guardian", "borrower"])
def test_p15_steward__nobody_else_steps_and_he_cannot_anchor(stage: Stage, party: str):
    with reverts("AccessManagedUnauthorized", getattr(stage.world, party)):
        stage.step(ltv=7600, sender=getattr(stage.world, party))
    with reverts("AccessManagedUnauthorized", STEWARD):
        stage.steward.anchor(stage.asset.id, sender=STEWARD)
    arguments = (stage.asset.id, astuple(TERMS), astuple(LENT), (True, 1), 0)
    with reverts("AccessManagedUnauthorized", STEWARD):
        stage.world.configurator.setAsset(*arguments, sender=STEWARD)


def test_step__makes_nobody_liquidatable_in_its_block(stage: Stage):
    """P7 over what a steward can do to an account at the edge: the threshold ramps, all else does not count."""
    world = stage.world
    account = world.open_account({stage.asset: 10}, {world.usdc: 11_000})
    world.set_price(stage.asset, "1376")
    before = world.health(account)
    assert 1.0 < before / 1e18 < 1.01
    stage.step(liquidation_threshold=7900, ltv=7400, max_bonus=850, ramp=DAY)
    assert world.health(account) == before


def test_price_terms__are_kept_by_a_step(world: World):
    stage = Stage(world)
    before = world.configurator.assetParameters(stage.asset.id)[3]
    stage.step(ltv=7600)
    assert world.configurator.assetParameters(stage.asset.id)[3] == before


def test_anchor__says_what_it_is_round(stage: Stage, world: World):
    terms, lent, next_at = world.steward.anchorOf(stage.asset.id)
    assert (CollateralParameters(*terms), BorrowParameters(*lent), next_at) == (TERMS, LENT, 0)
    stage.step(ltv=7600)
    assert world.steward.anchorOf(stage.asset.id)[0][0] == 7500, "a step does not move the anchor"
    receipt = world.steward.anchor(stage.asset.id, sender=world.governor)
    assert receipt.event("Anchored")["collateral"][0] == 7600
    assert isinstance(world.steward, Deployed)
