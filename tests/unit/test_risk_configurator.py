"""RiskConfigurator: every bound and every relation at its edges, the ramp, and the table that comes of it."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest

from closeout.chain.deploy import modules_of
from closeout.chain.parameters import BorrowParameters, CollateralParameters, OracleParameters
from closeout.chain.sources import MOST_ANSWER
from tests.support.node import Deployed, reverts
from tests.support.world import BORROWABLE, NOT_BORROWABLE, NOT_COLLATERAL, World, collateral, wad

DAY = 86_400
MOST_128 = 2**128 - 1
NOBODY = "0x" + "00" * 20


def named(name: str) -> bytes:
    return name.encode().ljust(32, b"\x00")


# ------------------------------------------------------------------------------------------------------ setProtocol


@pytest.mark.parametrize(
    ("field", "error_name", "value", "least", "most"),
    [
        ("target_health_factor", "targetHealthFactor", "2.000000000000000001", "1", "2"),
        ("health_for_max_bonus", "healthForMaxBonus", "0.499999999999999999", "0.5", "0.99"),
        ("health_for_max_bonus", "healthForMaxBonus", "0.990000000000000001", "0.5", "0.99"),
        ("min_bonus_fraction", "minBonusFraction", "1.000000000000000001", "0", "1"),
        ("steepness", "steepness", "0.009999999999999999", "0.01", "20"),
        ("steepness", "steepness", "20.000000000000000001", "0.01", "20"),
        ("fee_share", "feeShare", "0.500000000000000001", "0", "0.5"),
        ("bonus_floor", "bonusFloor", "0.200000000000000001", "0", "0.2"),
        ("margin_call_health_factor", "marginCallHealthFactor", "0.999999999999999999", "1", "1.1"),
        ("margin_call_health_factor", "marginCallHealthFactor", "1.100000000000000001", "1", "1.1"),
        ("hard_floor", "hardFloor", "1.000000000000000001", "0", "1"),
        ("degraded_refill", "degradedRefill", "0.009999999999999999", "0.01", "1"),
        ("degraded_refill", "degradedRefill", "1.000000000000000001", "0.01", "1"),
    ],
)
def test_curve__outside_a_bound__is_refused_with_name_value_and_bounds(
    world: World, field: str, error_name: str, value: str, least: str, most: str
):
    table = world.vault.configuration()
    with reverts("ParameterOutOfRange", named(error_name), wad(value), wad(least), wad(most)):
        world.set_protocol(**{field: wad(value)})
    assert world.vault.configuration() == table


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("target_health_factor", "2"),
        ("target_health_factor", "1.05"),
        ("health_for_max_bonus", "0.5"),
        ("health_for_max_bonus", "0.99"),
        ("min_bonus_fraction", "0"),
        ("min_bonus_fraction", "1"),
        ("steepness", "0"),
        ("steepness", "0.01"),
        ("steepness", "20"),
        ("fee_share", "0"),
        ("fee_share", "0.5"),
        ("bonus_floor", "0"),
        ("bonus_floor", "0.05"),
        ("margin_call_health_factor", "1"),
        ("margin_call_health_factor", "1.1"),
        ("hard_floor", "0"),
        ("hard_floor", "1"),
        ("degraded_refill", "0.01"),
        ("degraded_refill", "1"),
    ],
)
def test_curve__at_a_bound__is_taken(world: World, field: str, value: str):
    world.set_protocol(**{field: wad(value)})


def test_curve__with_a_target_below_one__is_refused(world: World):
    """Whichever of the two it breaks first: a call level of 1 at most, a target of 1 at least."""
    with reverts("ParameterOutOfRange", named("marginCallHealthFactor"), wad(1), wad(1), wad(1) - 1):
        world.set_protocol(target_health_factor=wad(1) - 1, margin_call_health_factor=wad(1))
    world.set_protocol(target_health_factor=wad(1), margin_call_health_factor=wad(1))


def test_curve__whose_floor_is_above_the_bonus_of_a_listed_collateral__is_refused(world: World):
    """USDC's largest bonus is 5 %: 0.0500…1 of floor would need 501 bps."""
    with reverts("ParameterOutOfRange", named("maxBonus"), 500, 501, 2000):
        world.set_protocol(bonus_floor=wad("0.050000000000000001"))


@pytest.mark.parametrize(
    ("changes", "name", "value", "least", "most"),
    [
        ({"bucket_minimum": 2 * wad(100) - 1}, "bucketMinimum", 2 * wad(100) - 1, 2 * wad(100), MOST_128),
        ({"min_debt_value": wad(101)}, "bucketMinimum", wad(200), wad(202), MOST_128),
        ({"grace_period": 86_400}, "callLifetime", 86_400, 86_401, 2**32 - 1),
        ({"call_lifetime": 0}, "callLifetime", 0, 1, 2**32 - 1),
        ({"grace_period": 43_201}, "backstopDelay", 43_200, 43_201, 86_400),
        ({"backstop_delay": 86_401}, "backstopDelay", 86_401, 0, 86_400),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_limits__that_break_a_relation__are_refused_with_both_sides(
    world: World, changes: dict[str, int], name: str, value: int, least: int, most: int
):
    with reverts("ParameterOutOfRange", named(name), value, least, most):
        world.set_protocol(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"bucket_minimum": 0, "min_debt_value": wad(10**9)},
        {"bucket_minimum": wad(200)},
        {"grace_period": 43_200},
        {"grace_period": 86_399, "backstop_delay": 86_399},
        {"grace_period": 86_399, "backstop_delay": 86_400},
        {"call_lifetime": 2**32 - 1, "backstop_delay": 2**32 - 1, "grace_period": 2**32 - 2},
    ],
)
def test_limits__at_the_edge_of_a_relation__are_taken(world: World, changes: dict[str, int]):
    world.set_protocol(**changes)


@pytest.mark.parametrize("module", ["engine", "fund", "splitter"])
def test_modules__without_code__are_refused(world: World, module: str):
    with reverts("NotAContract", world.stranger):
        world.set_protocol(modules={module: world.stranger})


def test_modules__that_are_replaced__are_in_force_at_once(world: World):
    made = world.node.deploy("LiquidationEngine", sender=world.governor)
    receipt = world.set_protocol(modules={"engine": made, "treasury": world.receiver})
    assert receipt.event("TablePublished")["table"] == world.vault.configuration()
    harness = world.node.deploy("ConfigurationHarness", sender=world.governor)
    fields = harness.protocolOf(world.vault.configuration())
    assert (fields[0], fields[7]) == (made.address, world.receiver)


# ------------------------------------------------------------------------------------------------------- listAsset


def listing(world: World, **changes: Any) -> tuple[Any, ...]:
    """Arguments of `listAsset` for a new token with a price; what they are can be changed by their names."""
    token = changes.pop("token", None) or world.node.deploy("TestToken", "NEW", "NEW", 18, sender=world.governor)
    adapter = changes.pop("adapter", None) or world.router.adapterOf(world.weth.token)
    world.router.activate(token, adapter, wad(1500), sender=world.governor)
    return (
        token.address,
        astuple(changes.pop("collateral", collateral(8000, 1000))),
        astuple(changes.pop("borrowing", BORROWABLE)),
        (changes.pop("is_read_in_place", True), changes.pop("deviation", 1)),
    )


def adapter_of(world: World, feed: Deployed, *, sequencer: str | Deployed = NOBODY, grace: int = 0) -> Deployed:
    bounds = (3600, 7200, 1, MOST_ANSWER, sequencer, grace)
    return world.node.deploy("ChainlinkAdapter", feed, bounds, sender=world.governor)


def refuse(world: World, name: str, value: int, least: int, most: int, **changes: Any) -> None:
    count = len(world.assets)
    with reverts("ParameterOutOfRange", named(name), value, least, most):
        world.configurator.listAsset(*listing(world, **changes), sender=world.governor)
    with reverts("AssetNotListed", count):
        world.vault.marketOf(count)


def test_list_asset__gives_the_next_id_and_says_so(world: World):
    arguments = listing(world)
    assert world.configurator.listAsset.ask(*arguments, sender=world.governor) == 4
    receipt = world.configurator.listAsset(*arguments, sender=world.governor)
    assert receipt.event("AssetListed") == {"assetId": 4, "token": arguments[0]}
    assert world.vault.assetIdOf(arguments[0]) == 4
    token = world.node.at("SupplyToken", world.vault.supplyTokenOf(4))
    assert (token.asset(), token.ASSET_ID()) == (arguments[0], 4)
    assert receipt.event("SupplyTokenSet") == {"assetId": 4, "token": token.address}


def test_list_asset__that_is_listed__is_refused(world: World):
    with reverts("AssetAlreadyListed", world.dai.token.address):
        world.configurator.listAsset(*listing(world, token=world.dai.token), sender=world.governor)


@pytest.mark.parametrize(("threshold", "bonus"), [(9429, 500), (9001, 1000), (8251, 2000), (9901, 0)])
def test_threshold__that_times_one_plus_bonus_exceeds_99_percent__is_refused(world: World, threshold: int, bonus: int):
    world.set_protocol(bonus_floor=0)
    product = threshold * (10_000 + bonus)
    assert product > 99_000_000 >= (threshold - 1) * (10_000 + bonus)
    name = "threshold * (1 + maxBonus)"
    refuse(world, name, product, 1, 99_000_000, collateral=collateral(threshold, bonus))
    world.configurator.listAsset(*listing(world, collateral=collateral(threshold - 1, bonus)), sender=world.governor)


@pytest.mark.parametrize(("ltv", "is_allowed"), [(7999, True), (8000, False), (9000, False), (0, True)])
def test_ltv__that_is_not_below_the_threshold__is_refused(world: World, ltv: int, is_allowed: bool):
    parameters = collateral(8000, 1000, ltv)
    if is_allowed:
        world.configurator.listAsset(*listing(world, collateral=parameters), sender=world.governor)
    else:
        refuse(world, "ltv", ltv, 0, 7999, collateral=parameters)


@pytest.mark.parametrize(("bonus", "is_allowed"), [(49, False), (50, True), (2000, True), (2001, False)])
def test_max_bonus__below_the_floor_or_above_20_percent__is_refused(world: World, bonus: int, is_allowed: bool):
    parameters = collateral(5000, bonus)
    if is_allowed:
        world.configurator.listAsset(*listing(world, collateral=parameters), sender=world.governor)
    else:
        refuse(world, "maxBonus", bonus, 50, 2000, collateral=parameters)


def test_max_bonus__of_a_floor_between_two_bps__must_be_the_upper_one(world: World):
    world.set_protocol(bonus_floor=wad("0.00501"))
    refuse(world, "maxBonus", 50, 51, 2000, collateral=collateral(5000, 50))


@pytest.mark.parametrize(
    ("changes", "name", "value", "most"),
    [
        ({"kink": wad(1) + 1}, "kink", wad(1) + 1, wad(1)),
        ({"reserve_factor": 10_001}, "reserveFactor", 10_001, 10_000),
        ({"flash_fee": 101}, "flashFee", 101, 100),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_borrowing__outside_a_bound__is_refused(
    world: World, changes: dict[str, int], name: str, value: int, most: int
):
    refuse(world, name, value, 0, most, borrowing=replace(BORROWABLE, **changes))
    at_most = dict.fromkeys(changes, most)
    world.configurator.listAsset(*listing(world, borrowing=replace(BORROWABLE, **at_most)), sender=world.governor)


def test_rate_model__without_code__is_refused(world: World):
    borrowing = replace(BORROWABLE, rate_model=world.stranger)
    with reverts("NotAContract", world.stranger):
        world.configurator.listAsset(*listing(world, borrowing=borrowing), sender=world.governor)


def test_bucket__without_a_minimum__is_refused(world: World):
    """It could hold a close-out at nothing."""
    world.set_protocol(bucket_minimum=0)
    with_bucket = collateral(8000, 1000, bucket_capacity=wad(1000))
    refuse(world, "bucketMinimum", 0, 1, MOST_128, collateral=with_bucket)


def test_bucket_minimum__removed_while_an_asset_has_a_bucket__is_refused(world: World):
    world.list_asset("BKT", 18, 1, collateral(8000, 1000, bucket_capacity=wad(1000)))
    with reverts("ParameterOutOfRange", ...):
        world.set_protocol(bucket_minimum=0)


@pytest.mark.parametrize("decimals", [0, 27, 28, 36])
def test_decimals__of_more_than_27__are_refused(world: World, decimals: int):
    token = world.node.deploy("TestToken", "DEC", "DEC", decimals, sender=world.governor)
    if decimals <= 27:
        world.configurator.listAsset(*listing(world, token=token), sender=world.governor)
    else:
        refuse(world, "decimals", decimals, 0, 27, token=token)


@pytest.mark.parametrize("decimals", [0, 18, 19])
def test_feed_decimals__of_more_than_18__are_not_read_in_place(world: World, decimals: int):
    feed = world.node.deploy("LiveAggregator", decimals, "x", sender=world.governor)
    feed.publish(1500 * 10**decimals, sender=world.governor)
    adapter = adapter_of(world, feed)
    if decimals <= 18:
        world.configurator.listAsset(*listing(world, adapter=adapter), sender=world.governor)
    else:
        refuse(world, "feedDecimals", decimals, 0, 18, adapter=adapter)
        world.configurator.listAsset(*listing(world, adapter=adapter, is_read_in_place=False), sender=world.governor)


def test_listing__without_an_adapter__is_refused(world: World):
    token = world.node.deploy("TestToken", "NEW", "NEW", 18, sender=world.governor)
    with reverts("AdapterMissing", token.address):
        world.configurator.listAsset(
            token, astuple(collateral(8000, 1000)), astuple(BORROWABLE), (True, 1), sender=world.governor
        )


def test_listing__at_a_price_that_is_not_fresh__is_refused(world: World):
    feed = world.node.deploy("LiveAggregator", 18, "x", sender=world.governor)
    feed.publish(wad(1500), sender=world.governor)
    arguments = listing(world, adapter=adapter_of(world, feed))
    feed.publishAt(wad(1500), world.now - 3601, sender=world.governor)
    with reverts("PriceNotFresh", arguments[0]):
        world.configurator.listAsset(*arguments, sender=world.governor)


def test_listing__read_in_place__with_a_jump_bound__is_refused(world: World):
    arguments = listing(world)
    world.router.setJumpBound(arguments[0], 2_000, sender=world.governor)
    with reverts("ParameterOutOfRange", named("jumpBps"), 2_000, 0, 0):
        world.configurator.listAsset(*arguments, sender=world.governor)
    world.configurator.listAsset(*arguments[:3], (False, 1), sender=world.governor)


@pytest.mark.parametrize(("grace", "is_listed"), [(1799, False), (1800, True)])
def test_listing__read_in_place__behind_another_sequencer_or_grace__is_refused(
    world: World, grace: int, is_listed: bool
):
    sequencer = world.node.deploy("TestAggregator", 0, "up", sender=world.governor)
    sequencer.publishAt(0, world.now - 7200, sender=world.governor)
    arguments = listing(world, adapter=adapter_of(world, world.weth.feed, sequencer=sequencer, grace=1800))
    refusal = ("SequencerDiffers", arguments[0], sequencer.address, 1800)
    with reverts(*refusal):
        world.configurator.listAsset(*arguments, sender=world.governor)
    # what is read in place already stands behind none
    for asset in world.assets:
        world.set_asset(asset, *world.listings[asset.id], is_read_in_place=False)
    world.set_protocol(modules={"oracles": OracleParameters(sequencer_feed=sequencer.address, sequencer_grace=grace)})
    if is_listed:
        world.configurator.listAsset(*arguments, sender=world.governor)
    else:
        with reverts(*refusal):
            world.configurator.listAsset(*arguments, sender=world.governor)


def test_protocol__with_another_sequencer__is_refused_while_feeds_behind_none_are_read_in_place(world: World):
    oracles = OracleParameters(sequencer_feed=world.weth.feed.address, sequencer_grace=60)
    with reverts("SequencerDiffers", world.weth.token.address, NOBODY, 0):
        world.set_protocol(modules={"oracles": oracles})


def test_protocol__with_a_router_that_does_not_know_an_asset__is_refused(world: World):
    router = world.node.deploy("OracleRouter", world.authority, NOBODY, 7 * DAY, 30 * DAY, sender=world.governor)
    with reverts("AdapterMissing", world.weth.token.address):
        world.set_protocol(modules={"router": router})


def test_price_source__after_another_adapter_was_plugged_in__is_synced_by_anyone_once(world: World):
    with reverts("PriceSourceUnchanged", world.weth.id):
        world.configurator.syncPriceSource(world.weth.id, sender=world.stranger)
    feed = world.node.deploy("LiveAggregator", 8, "x", sender=world.governor)
    feed.publish(1510 * 10**8, sender=world.governor)
    world.router.replace(world.weth.token, adapter_of(world, feed), sender=world.governor)
    assert world.vault.priceOf(world.weth.id)[3] == wad(1500)
    world.configurator.syncPriceSource(world.weth.id, sender=world.stranger)
    assert world.vault.priceOf(world.weth.id) == (0, wad(1510), wad(1510), wad(1510))
    with reverts("AssetNotListed", 4):
        world.configurator.syncPriceSource(4, sender=world.stranger)


def test_list_asset__beyond_the_107th__is_refused(world: World):
    """A table of 107 assets still fits a contract's code."""
    for _ in range(107 - len(world.assets)):
        world.configurator.listAsset(*listing(world), sender=world.governor)
    with reverts("TooManyAssets", 107):
        world.configurator.listAsset(*listing(world), sender=world.governor)
    assert world.vault.marketOf(106) == (0, 0, 0, 10**17, 0)


# -------------------------------------------------------------------------------------------------------- setAsset


def test_set_asset__that_is_not_listed__is_refused(world: World):
    with reverts("AssetNotListed", 4):
        world.configurator.setAsset(
            4, astuple(NOT_COLLATERAL), astuple(NOT_BORROWABLE), (True, 1), 0, sender=world.governor
        )


def threshold_now(world: World, account: int) -> int:
    """bps, of an account with one collateral."""
    value, _, weighted, *_ = world.vault.healthOf(account)
    return weighted * 10_000 // value


def test_threshold__raised__counts_at_once(world: World):
    account = world.open_account({world.weth: 1})
    world.set_asset(world.weth, collateral(9000, 800), BORROWABLE)
    assert threshold_now(world, account) == 9000


@pytest.mark.parametrize("ramp", [0, DAY - 1, 90 * DAY + 1])
def test_t71_threshold__lowered_too_fast_or_too_slowly__is_refused(world: World, ramp: int):
    with reverts("RampOutOfRange", ramp, DAY, 90 * DAY):
        world.set_asset(world.weth, collateral(8000, 800), BORROWABLE, ramp=ramp)


def test_t71_threshold__lowered__falls_on_a_line_rounded_up_and_makes_nobody_liquidatable_at_once(world: World):
    """From 85 % to 80 % in ten days: 50 bps a day."""
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    before = world.health(account)
    start = world.now
    world.set_asset(world.weth, collateral(8000, 800), BORROWABLE, ramp=10 * DAY)
    assert world.health(account) == before
    points = {
        0: 8500,
        1: 8500,
        DAY // 50 - 1: 8500,
        DAY // 50: 8499,
        DAY: 8450,
        5 * DAY: 8250,
        10 * DAY - 1: 8001,
        10 * DAY: 8000,
        11 * DAY: 8000,
    }
    for after, expected in points.items():
        world.node.set_time(start + after)
        assert threshold_now(world, account) == expected, after


def test_threshold__lowered_again_on_its_way__goes_on_from_where_it_is(world: World):
    account = world.open_account({world.weth: 10})
    world.set_asset(world.weth, collateral(8000, 800), BORROWABLE, ramp=10 * DAY)
    world.warp(4 * DAY)
    assert threshold_now(world, account) == 8300
    world.set_asset(world.weth, collateral(7000, 800), BORROWABLE, ramp=13 * DAY)
    assert threshold_now(world, account) == 8300
    world.warp(DAY)
    assert threshold_now(world, account) == 8200


def test_threshold__raised_on_its_way_down__counts_at_once_and_stays(world: World):
    account = world.open_account({world.weth: 10})
    world.set_asset(world.weth, collateral(8000, 800), BORROWABLE, ramp=10 * DAY)
    world.warp(4 * DAY)
    world.set_asset(world.weth, collateral(8400, 800), BORROWABLE)
    assert threshold_now(world, account) == 8400
    world.warp(20 * DAY)
    assert threshold_now(world, account) == 8400


def test_ramp__whose_beginning_breaks_a_relation__is_refused(world: World):
    """Relations hold at both ends: 85 % (1 + 20 %) is 1.02."""
    with reverts("ParameterOutOfRange", named("threshold * (1 + maxBonus)"), 8500 * 12_000, 1, 99_000_000):
        world.set_asset(world.weth, collateral(8000, 2000), BORROWABLE, ramp=10 * DAY)


def test_parameters_changed_during_a_ramp__keep_the_ramp(world: World):
    """A new cap in the middle of it must not make the threshold jump to its end."""
    account = world.open_account({world.weth: 10})
    world.set_asset(world.weth, collateral(8000, 800), BORROWABLE, ramp=10 * DAY)
    world.warp(4 * DAY)
    world.set_asset(world.weth, collateral(8000, 800, cap=10**30), BORROWABLE, ramp=6 * DAY)
    assert threshold_now(world, account) == 8300
    world.warp(6 * DAY)
    assert threshold_now(world, account) == 8000


# --------------------------------------------------------------------------------------------------------- delisting


def test_delisted_collateral__ramps_to_nothing_and_can_be_closed_out_all_the_way(world: World):
    """P11. The path of an asset to its end: threshold 0 over 30 days, deposits refused at once."""
    account = world.open_account({world.weth: 10}, {world.usdc: 12_000})
    world.set_asset(world.weth, CollateralParameters(0, 0, 800), BORROWABLE, ramp=30 * DAY)
    with reverts("AssetNotCollateral", world.weth.id):
        world.vault.depositCollateral(account, world.weth.id, 1, sender=world.borrower)
    world.warp(6 * DAY)
    assert threshold_now(world, account) == 6800
    assert world.health(account) < wad(1)
    world.arm()
    assert world.result(world.close_out(account)).is_executed


@pytest.mark.parametrize("bonus", [0, 49])
def test_delisted_collateral__without_a_bonus_that_a_close_out_could_pay__is_refused(world: World, bonus: int):
    """The Vault holds every plan to the mean of maxBonus: at 0 nobody could close out who holds it."""
    with reverts("ParameterOutOfRange", named("maxBonus"), bonus, 50, 2000):
        world.set_asset(world.weth, CollateralParameters(0, 0, bonus), BORROWABLE, ramp=30 * DAY)


def test_delisted_collateral__that_could_still_be_borrowed_against__is_refused(world: World):
    """At the ramp's end the threshold is 0: nothing may be lent against it."""
    with reverts("ParameterOutOfRange", named("ltv"), 8000, 0, 0):
        world.set_asset(world.weth, CollateralParameters(8000, 0, 800), BORROWABLE, ramp=30 * DAY)


def test_floor__raised_above_the_bonus_of_a_delisted_collateral__is_refused(world: World):
    """Accounts may still hold it."""
    world.set_asset(world.weth, CollateralParameters(0, 0, 100), BORROWABLE, ramp=30 * DAY)
    world.warp(31 * DAY)
    with reverts("ParameterOutOfRange", named("maxBonus"), 100, 200, 2000):
        world.set_protocol(bonus_floor=wad("0.02"))


# ---------------------------------------------------------------------------------------------------------- access


@pytest.mark.parametrize("caller", ["stranger", "guardian", "borrower", "treasury"])
def test_p15_configurator__called_by_anyone_but_the_governor__refuses(world: World, caller: str):
    address = getattr(world, caller)
    nothing = (astuple(NOT_COLLATERAL), astuple(NOT_BORROWABLE), (True, 1))
    parameters = world.parameters
    modules = modules_of(world.engine, world.fund, world.splitter, world.treasury, world.router, parameters.oracles)
    configurator: Deployed = world.configurator
    for call in (
        lambda: configurator.setAsset(0, *nothing, 0, sender=address),
        lambda: configurator.listAsset(*listing(world), sender=address),
        lambda: configurator.setProtocol(
            modules, astuple(parameters.curve), astuple(parameters.limits), sender=address
        ),
    ):
        with reverts("AccessManagedUnauthorized", address):
            call()


def test_borrow_parameters__of_an_asset_that_is_lent_no_more__still_have_bounds(world: World):
    """What is owed still accrues by them: a reserve factor of 600 % would take six times the interest."""
    world.open_account({world.weth: 10}, {world.dai: 1000})
    with reverts("ParameterOutOfRange", named("reserveFactor"), 60_000, 0, 10_000):
        world.set_asset(world.dai, NOT_COLLATERAL, BorrowParameters(reserve_factor=60_000))
    with reverts("NotAContract", world.stranger):
        world.set_asset(world.dai, NOT_COLLATERAL, BorrowParameters(rate_model=world.stranger))


# ----------------------------------------------------------------------------------------------------- deviations (T62)


@pytest.mark.parametrize(("deviation", "is_allowed"), [(0, False), (1, True), (1000, True), (1001, False)])
def test_t62_deviation__that_is_not_stated_or_beyond_ten_percent__is_refused(
    world: World, deviation: int, is_allowed: bool
):
    terms = {"collateral": collateral(5000, 1000), "borrowing": NOT_BORROWABLE, "deviation": deviation}
    if is_allowed:
        world.configurator.listAsset(*listing(world, **terms), sender=world.governor)
    else:
        refuse(world, "deviation", deviation, 1, 1000, **terms)


def test_t62_deviations__of_collateral_and_debt_that_exceed_what_is_left__are_refused(world: World):
    """t (1 + maxBonus) = 0.95 * 1.04 = 0.988: 120 bps are left, and any debt's feed hides one of them."""
    as_collateral = collateral(9500, 400)
    refuse(world, "deviations", 121, 0, 120, deviation=120, collateral=as_collateral, borrowing=NOT_BORROWABLE)
    arguments = listing(world, deviation=119, collateral=as_collateral, borrowing=NOT_BORROWABLE)
    world.configurator.listAsset(*arguments, sender=world.governor)


def test_t62_deviations__of_a_new_debt_asset__are_held_against_every_collateral(world: World):
    """USDC: 0.90 * 1.05 = 0.945 leaves 550 bps, less than the other two collaterals do; its own feed hides one."""
    refuse(world, "deviations", 551, 0, 550, deviation=550, collateral=NOT_COLLATERAL)
    arguments = listing(world, deviation=549, collateral=NOT_COLLATERAL)
    world.configurator.listAsset(*arguments, sender=world.governor)


def test_t62_deviations__are_held_at_a_change_too(world: World):
    arguments = listing(world, deviation=200, collateral=NOT_COLLATERAL)
    world.configurator.listAsset(*arguments, sender=world.governor)
    # 0.85 * 1.08 = 0.918 leaves 820; at 0.91 * 1.08 = 0.9828 172 would be left
    with reverts("ParameterOutOfRange", named("deviations"), 201, 0, 172):
        world.set_asset(world.weth, collateral(9100, 800), BORROWABLE)


def test_t62_deviations__while_a_threshold_ramps__are_held_at_the_threshold_of_now(world: World):
    """Both ends of a running ramp: the higher one is the one that breaks it."""
    world.set_asset(world.usdc, collateral(5000, 500), BORROWABLE, ramp=10 * DAY)
    refuse(world, "deviations", 551, 0, 550, deviation=550, collateral=NOT_COLLATERAL)
    world.warp(10 * DAY)
    arguments = listing(world, deviation=550, collateral=NOT_COLLATERAL)
    world.configurator.listAsset(*arguments, sender=world.governor)


def test_t62_deviations__of_an_asset_with_itself__do_not_count(world: World):
    """An account holds an asset as collateral or as debt, never both."""
    as_collateral = collateral(9500, 400)
    world.set_asset(world.usdc, collateral(9000, 500), NOT_BORROWABLE)
    arguments = listing(world, deviation=119, collateral=as_collateral, borrowing=BORROWABLE)
    world.configurator.listAsset(*arguments, sender=world.governor)


# ---------------------------------------------------------------------------------------------------------------- views


def test_views__tell_what_was_set(world: World):
    modules, curve, limits = world.lens.protocol()
    assert curve == astuple(world.parameters.curve)
    assert limits == astuple(world.parameters.limits)
    assert modules[:5] == (
        world.engine.address,
        world.fund.address,
        world.splitter.address,
        world.treasury,
        world.router.address,
    )
    for asset in world.assets:
        as_collateral, borrowing = world.listings[asset.id]
        found = world.configurator.assetParameters(asset.id)
        expected = (asset.token.address, astuple(as_collateral), astuple(borrowing), (True, 1))
        assert found == (*expected, as_collateral.liquidation_threshold, 0)
    with reverts("AssetNotListed", len(world.assets)):
        world.configurator.assetParameters(len(world.assets))
