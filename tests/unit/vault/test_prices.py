"""What the Vault does with a price by where it comes from: in place, from the router, frozen, in doubt, turbulent."""

from __future__ import annotations

from fractions import Fraction

import pytest

from closeout.chain.parameters import CollateralParameters, OracleParameters
from closeout.chain.sources import MOST_ANSWER
from tests.support.accounts import restorative_account
from tests.support.node import Deployed, reverts
from tests.support.world import HEARTBEAT, MAX_AGE, RESTORATIVE, TERMINAL, Asset, Result, World, collateral, wad

FRESH, DEGRADED, MISSING = range(3)
DAY, HOUR = 86_400, 3_600
NOBODY = "0x" + "00" * 20


def chainlink(world: World, feed: Deployed, *, sequencer: Deployed | str = NOBODY, grace: int = 0) -> Deployed:
    parameters = (HEARTBEAT, MAX_AGE, 1, MOST_ANSWER, sequencer, grace)
    return world.node.deploy("ChainlinkAdapter", feed, parameters, sender=world.governor)


def feed_at(world: World, price: str | int) -> Deployed:
    feed = world.node.deploy("LiveAggregator", 18, "x", sender=world.governor)
    feed.publish(wad(price), sender=world.governor)
    return feed


def two_sources(world: World, symbol: str, price: int, threshold: int = 8000) -> tuple[Asset, Deployed, Deployed]:
    """A collateral with a primary and a secondary feed that watch each other, within 2 %."""
    primary, secondary = feed_at(world, price), feed_at(world, price)
    adapter = world.node.deploy(
        "DeviationAdapter", chainlink(world, primary), chainlink(world, secondary), 200, 6 * HOUR, sender=world.governor
    )
    return (
        world.list_asset(symbol, 18, price, collateral(threshold, 800), feed=adapter, is_adapter=True),
        primary,
        secondary,
    )


def short_at_the_primary(world: World) -> tuple[Asset, int]:
    """An account that owes 7 000 USD; its collateral is worth 5 000 by the primary feed, 8 500 by the secondary."""
    asset, primary, secondary = two_sources(world, "TWO", 100)
    account = world.open_account({asset: 100}, {world.usdc: 7_000})
    world.arm()
    primary.publish(wad(50), sender=world.governor)
    secondary.publish(wad(85), sender=world.governor)
    return asset, account


# ------------------------------------------------------------------------------------------------------------- in place


def test_price__in_place_and_by_the_router__is_the_same_while_fresh(world: World):
    through = world.list_asset("SAME", 18, 1500, collateral(8500, 800), feed=world.weth.feed, is_read_in_place=False)
    for price in ("1500", "0.000000000000000001", "1000000000000"):
        world.set_price(world.weth, price)
        assert world.vault.priceOf(through.id) == world.vault.priceOf(world.weth.id) == (FRESH, *[wad(price)] * 3)


@pytest.mark.parametrize(("age", "status"), [(HEARTBEAT, FRESH), (HEARTBEAT + 1, DEGRADED), (MAX_AGE, DEGRADED)])
def test_t52_price__read_in_place__past_its_heartbeat__is_what_the_router_says(world: World, age: int, status: int):
    world.weth.feed.publishAt(wad(1400), world.now - age, sender=world.governor)
    assert world.vault.priceOf(world.weth.id) == (status, *[wad(1400)] * 3)


def test_t55_price__read_in_place__outside_what_its_adapter_believes__is_missing(world: World):
    feed = feed_at(world, 5)
    bounds = (HEARTBEAT, MAX_AGE, wad(2), wad(9), NOBODY, 0)
    adapter = world.node.deploy("ChainlinkAdapter", feed, bounds, sender=world.governor)
    world.router.activate(world.weth.token, adapter, wad(5), sender=world.governor)
    world.configurator.syncPriceSource(world.weth.id, sender=world.stranger)
    for answer in (wad(2), wad(9)):
        feed.publish(answer, sender=world.governor)
        assert world.vault.priceOf(world.weth.id) == (FRESH, *[answer] * 3)
    for answer in (wad(2) - 1, wad(9) + 1):
        feed.publish(answer, sender=world.governor)
        assert world.vault.priceOf(world.weth.id) == (MISSING, wad(5), wad(5), 0)


# --------------------------------------------------------------------------------------------------------------- freeze


def test_freeze__of_an_asset_that_is_read_in_place__counts_at_once(world: World):
    """The feed is fresh; the guardian does not believe it."""
    account = world.open_account({world.weth: 10}, {world.usdc: 10_000})
    world.set_price(world.weth, 15_000)
    receipt = world.router.freeze(world.weth.token, sender=world.guardian)
    assert receipt.event("RouterAskedUntil")["until"] == world.now + DAY
    assert world.vault.priceOf(world.weth.id) == (DEGRADED, *[wad(1500)] * 3)
    with reverts("PriceNotFresh", world.weth.id):
        world.vault.borrow(account, world.usdc.id, 1, world.borrower, sender=world.borrower)
    # the others are as fresh as before, by the router
    assert world.vault.priceOf(world.usdc.id) == (FRESH, *[wad(1)] * 3)
    world.warp(DAY)
    assert world.vault.priceOf(world.weth.id) == (FRESH, *[wad(15_000)] * 3)
    world.vault.borrow(account, world.usdc.id, 1, world.borrower, sender=world.borrower)


def test_freeze__over_to_the_second__is_followed_by_the_feed_read_in_place(world: World):
    """The router has another adapter by now, which shows who is asked."""
    world.router.freeze(world.weth.token, sender=world.guardian)
    until = world.now + DAY
    other = feed_at(world, 1510)
    world.router.replace(world.weth.token, chainlink(world, other), sender=world.governor)
    for time, price in ((until - 1, 1510), (until, 1500)):
        world.warp(time - world.now)
        other.publish(wad(1510), sender=world.governor)
        world.set_price(world.weth, 1500)
        assert world.vault.priceOf(world.weth.id) == (FRESH, *[wad(price)] * 3)


def test_t75_ask_router_until__by_anyone_but_the_router__is_refused(world: World):
    for caller in (world.stranger, world.guardian, world.governor):
        with reverts("AccessManagedUnauthorized", caller):
            world.vault.askRouterUntil(2**40 - 1, sender=caller)


# ------------------------------------------------------------------------------------------------------------ sequencer


@pytest.fixture
def on_l2(world: World) -> Deployed:
    """All feeds stand behind a sequencer that is up since two hours; half an hour of grace. Its uptime feed."""
    sequencer = world.node.deploy("TestAggregator", 0, "up", sender=world.governor)
    sequencer.publishAt(0, world.now - 2 * HOUR, sender=world.governor)
    for asset in world.assets:
        world.set_asset(asset, *world.listings[asset.id], is_read_in_place=False)
        adapter = chainlink(world, asset.feed, sequencer=sequencer, grace=1800)
        world.router.replace(asset.token, adapter, sender=world.governor)
    oracles = OracleParameters(sequencer_feed=sequencer.address, sequencer_grace=1800)
    world.set_protocol(modules={"oracles": oracles})
    for asset in world.assets:
        world.set_asset(asset, *world.listings[asset.id])
    return sequencer


@pytest.mark.parametrize(("answer", "since", "status"), [(0, 1801, FRESH), (0, 1800, DEGRADED), (1, 7200, DEGRADED)])
def test_t54_prices__behind_a_sequencer__are_fresh_once_it_has_been_up_for_its_grace(
    world: World, on_l2: Deployed, answer: int, since: int, status: int
):
    on_l2.publishAt(answer, world.now - since, sender=world.governor)
    for asset in world.assets:
        assert world.vault.priceOf(asset.id)[0] == status


def test_t53_close_out__while_the_sequencer_is_said_to_be_down__goes_to_health_and_no_further(
    world: World, on_l2: Deployed
):
    """A false alarm stops nothing."""
    account = restorative_account(world)
    world.arm()
    on_l2.publish(1, sender=world.governor)
    result = world.result(world.close_out(account))
    assert result.regime == RESTORATIVE
    assert wad(1) <= result.health_after < wad("1.0000001")
    on_l2.publishAt(0, world.now - HOUR, sender=world.governor)


# ------------------------------------------------------------------------------------------------------------- in doubt


def test_close_out__with_sources_apart__asks_the_higher_and_exchanges_at_the_primary(world: World):
    asset, primary, secondary = two_sources(world, "TWO", 100)
    account = world.open_account({asset: 100}, {world.usdc: 7_000})
    world.arm()
    # by the primary far below, by the secondary still healthy: nobody can touch it
    primary.publish(wad(80), sender=world.governor)
    secondary.publish(wad(90), sender=world.governor)
    with reverts("AccountHealthy", ...):
        world.preview(account)
    # unhealthy by both: sold at what the primary says, as far as health by the one
    secondary.publish(wad(86), sender=world.governor)
    assert world.vault.priceOf(asset.id) == (DEGRADED, wad(86), wad(80), wad(80))
    result = world.result(world.close_out(account))
    assert result.health_before == 86 * 80 * wad(1) // 7_000
    [(seized, _, _)] = result.seized.values()
    [(repaid, _, _)] = result.repaid.values()
    paid, got = Fraction(repaid, 10**6), Fraction(seized, 10**18) * 80
    # P19: at the price exchanged the liquidator earns the penalty of the plan
    assert got >= paid * (1 + Fraction(5, 1000))
    assert abs(got / paid - 1 - Fraction(result.penalty_rate, 10**18)) < Fraction(1, 10**5)
    # at that price the account is healthy and no more: t C = B
    left = (100 - Fraction(seized, 10**18)) * 80 * Fraction(8, 10)
    owed = 7_000 - paid
    assert 0 <= left / owed - 1 < Fraction(1, 10**6)


def test_close_out__short_at_the_primary_and_covered_by_the_other__writes_nothing_off_and_leaves_it_covered(
    world: World,
):
    _, account = short_at_the_primary(world)
    idle, debt, *_ = world.vault.marketOf(world.usdc.id)
    result = world.result(world.close_out(account))
    [(repaid, bad_debt, _)] = result.repaid.values()
    assert (result.regime, bad_debt) == (TERMINAL, 0)
    assert world.vault.marketOf(world.usdc.id)[:2] == (idle + repaid, debt - repaid)
    # covered, to the digit, by what the other source says, and no further close-out while that is so
    value, _, _, owed, _ = world.vault.healthOf(account)
    assert 0 <= value - owed * 1005 // 1000 < wad("0.001")
    with reverts("AccountNotInsolvent", ...):
        world.vault.writeOff(account, sender=world.stranger)


def test_close_out__of_a_part_that_leaves_the_account_covered_by_the_other_source__is_as_large_as_was_asked(
    world: World,
):
    asset, account = short_at_the_primary(world)
    result = world.result(world.close_out(account, fill=wad("0.1")))
    # a tenth of everything, at the smallest penalty: 500 USD, and 500 / 1.005 up to a unit
    assert result.seized[asset.id][0] == wad(10)
    assert result.repaid[world.usdc.id][:2] == (497_512_438, 0)


def test_close_out__of_an_account_with_a_dollar_of_a_dead_asset__goes_on_without_it(world: World):
    account = world.open_account({world.weth: 10, world.wbtc: "0.00003334"}, {world.usdc: 12_000})
    world.set_price(world.weth, 1300)
    world.wbtc.feed.publish(0, sender=world.governor)
    with reverts("EmptySet"):
        world.preview(account, collaterals=world.wbtc.bit)
    world.arm()
    result = world.result(world.close_out(account))
    assert result.seized.keys() == {world.weth.id}
    assert wad("1.1") <= result.health_after < wad("1.1000001")


def test_bucket__of_a_collateral_in_doubt__refills_slowly(world: World):
    asset, primary, secondary = two_sources(world, "TWO", 100)
    terms = CollateralParameters(7500, 8000, 800, bucket_capacity=wad(1000), bucket_refill=wad("0.03"))
    world.set_protocol(bucket_minimum=wad(200), degraded_refill=wad("0.5"))
    world.set_asset(asset, terms, world.listings[asset.id][1], is_read_in_place=False)
    account = world.open_account({asset: 100}, {world.usdc: 7_000})
    world.arm()
    for feed in (primary, secondary):
        feed.publish(wad(80), sender=world.governor)

    def dollars(result: Result) -> int:
        return round(Fraction(result.seized[asset.id][0] * 80, 10**18))

    # 1 000 out, 600 back in 20 000 seconds, 300 at half the rate
    assert dollars(world.result(world.close_out(account))) == 1_000
    world.warp(20_000)
    assert dollars(world.preview(account)) == 600
    secondary.publish(wad(78), sender=world.governor)
    assert world.vault.priceOf(asset.id) == (DEGRADED, wad(80), wad(78), wad(80))
    assert dollars(world.preview(account)) == 300


# ----------------------------------------------------------------------------------------------------------- volatility


@pytest.fixture
def turbulent(world: World) -> Deployed:
    """WETH's target rises to 1.30 between 30 % and 60 % a year; sampled hourly, calm so far."""
    parameters = (DAY, HOUR, wad("0.3"), wad("0.6"))
    oracle = world.node.deploy("VolatilityOracle", world.router, *parameters, sender=world.governor)
    world.set_protocol(modules={"oracles": OracleParameters(volatility_oracle=oracle.address)})
    terms = CollateralParameters(8000, 8500, 800, most_target=13_000)
    world.set_asset(world.weth, terms, world.listings[world.weth.id][1])
    oracle.poke(world.weth.token, sender=world.stranger)
    return oracle


def shake(world: World, oracle: Deployed, hours: int) -> None:
    for hour in range(hours):
        world.warp(HOUR)
        world.set_price(world.weth, 1560 if hour % 2 else 1500)
        oracle.poke(world.weth.token, sender=world.stranger)


def test_volatility__lifts_the_target_of_an_account_by_what_it_holds_of_the_turbulent_asset(
    world: World, turbulent: Deployed
):
    account = restorative_account(world)
    assert world.preview(account).health_after // 10**12 == 1_100_000
    health = world.health(account)
    shake(world, turbulent, 25)
    world.set_price(world.weth, 1500)
    target = turbulent.targetHealthFactorWad(world.weth.token, wad("1.1"), wad("1.3"))
    assert wad("1.2") < target <= wad("1.3")
    # it never makes an account unhealthy
    assert world.health(account) == health
    # half of the account's collateral is WETH
    assert abs(world.preview(account).health_after - (wad("1.1") + target) // 2) < 10**12


@pytest.mark.parametrize("code", ["0x", "0xfe", "0x5f5ffd"], ids=["nothing", "burns gas", "reverts"])
def test_volatility__of_an_oracle_that_fails__leaves_the_target_where_it_is(
    world: World, turbulent: Deployed, code: str
):
    account = restorative_account(world)
    shake(world, turbulent, 25)
    world.set_price(world.weth, 1500)
    world.node.rpc.call("anvil_setCode", turbulent.address, code)
    assert world.preview(account).health_after // 10**12 == 1_100_000


def test_volatility__is_not_for_close_outs_in_doubt(world: World, turbulent: Deployed):
    account = restorative_account(world)
    shake(world, turbulent, 25)
    world.weth.feed.publishAt(wad(1500), world.now - HEARTBEAT - 1, sender=world.governor)
    assert world.preview(account).health_after // 10**12 == 1_000_000
