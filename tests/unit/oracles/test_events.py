"""What the oracles write down, they say in an event: which, of what, and with which figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.oracles.kit import fixed_price, quote_of
from tests.unit.oracles.stage import DAY, GOVERNOR, GUARDIAN, HOUR, STRANGER, WAD, Stage

PRICE = 2_000 * WAD
MINUTE = 60


def said(stage: Stage, act: Callable[[], Any]) -> list[tuple[Any, ...]]:
    """The events of one call: each one's name and values."""
    before = len(stage.node.journal)
    act()
    return [(log.name, *log.values.values()) for log in stage.node.journal[before:]]


def test_router__of_every_change__says_what_is_so_now(stage: Stage):
    router, token, source, other = stage.router(), stage.token(), fixed_price(stage, 2_000), fixed_price(stage, 2_010)
    asset, adapter = token.address, other.contract.address

    def poke() -> list[tuple[Any, ...]]:
        return said(stage, lambda: router.poke(token, sender=STRANGER))

    assert said(stage, lambda: router.activate(token, source.contract, PRICE + 1, sender=GOVERNOR)) == [
        ("GoodPriceRecorded", asset, PRICE, stage.now),
        ("AdapterSet", asset, source.contract.address, PRICE, PRICE + 1),
    ]
    assert said(stage, lambda: router.replace(token, other.contract, sender=GOVERNOR)) == [
        ("GoodPriceRecorded", asset, 2_010 * WAD, stage.now),
        ("AdapterSet", asset, adapter, 2_010 * WAD, PRICE),
    ]
    assert said(stage, lambda: router.setJumpBound(token, 30_00, sender=GOVERNOR)) == [("JumpBoundSet", asset, 30_00)]
    assert said(stage, lambda: router.setJumpBound(token, 0, sender=GOVERNOR)) == [("JumpBoundSet", asset, 0)]
    stage.wait(HOUR)
    quote_of(other, 3_000 * WAD)
    assert poke() == [("JumpNoted", asset, 3_000 * WAD, 2_010 * WAD)]
    stage.wait(HOUR)
    assert poke() == [("GoodPriceRecorded", asset, 3_000 * WAD, stage.now)]
    quote_of(other, 0)
    assert poke() == [("MissingNoted", asset, stage.now)]
    quote_of(other, 3_000 * WAD)
    assert poke() == [("MissingCleared", asset)]
    until = stage.now + DAY
    assert said(stage, lambda: router.freeze(token, sender=GUARDIAN)) == [("Frozen", asset, 3_000 * WAD, until)]
    assert said(stage, lambda: router.confirmFreeze(token, until + 1, sender=GOVERNOR)) == [
        ("FreezeConfirmed", asset, until + 1)
    ]
    assert said(stage, lambda: router.unfreeze(token, sender=GOVERNOR)) == [("Unfrozen", asset)]


def test_sources_apart__are_told_with_their_prices__then_since_when__then_that_it_is_over(stage: Stage):
    first, second = fixed_price(stage, 2_000), fixed_price(stage, 2_000)
    adapter = stage.deploy("DeviationAdapter", first.contract, second.contract, 200, 6 * HOUR)

    def poke() -> list[tuple[Any, ...]]:
        return said(stage, lambda: adapter.poke(sender=STRANGER))

    assert poke() == []
    quote_of(second, 1_500 * WAD)
    since = stage.now
    assert poke() == [("DisputeStarted", PRICE, 1_500 * WAD)]
    stage.wait(HOUR)
    assert poke() == [("DisputeSeen", since)]
    quote_of(second, PRICE)
    assert poke() == [("DisputeEnded",)]
    assert poke() == []


def test_rate_of_a_share__is_told_where_it_is_recorded__and_its_fall_where_it_is_noted(stage: Stage):
    asset = stage.token()
    vault = stage.deploy("TestShareVault", asset)
    asset.mint(STRANGER, 10**24, sender=STRANGER)
    asset.approve(vault, 10**24, sender=STRANGER)
    vault.deposit(10**24, STRANGER, sender=STRANGER)
    price = fixed_price(stage, 2_000).contract
    before = len(stage.node.journal)
    adapter = stage.deploy("Erc4626Adapter", vault, price, (1_000, 10, 30 * MINUTE))
    assert [(log.name, *log.values.values()) for log in stage.node.journal[before:]] == [("RateRecorded", WAD)]
    stage.node.rpc.call("anvil_setBalance", vault.address, "0xffffffffffffffff")
    asset.transfer(STRANGER, 10**23, sender=vault.address)
    rate = vault.convertToAssets(WAD)
    assert rate < WAD * 91 // 100
    assert said(stage, lambda: adapter.poke(sender=STRANGER)) == [("DropNoted", rate, WAD)]
    stage.wait(30 * MINUTE)
    assert said(stage, lambda: adapter.poke(sender=STRANGER)) == [("RateRecorded", rate)]


def test_sample_of_volatility__is_told_with_its_price_its_square_and_the_mean(stage: Stage):
    router, token, source = stage.router(), stage.token(), fixed_price(stage, 2_000)
    router.activate(token, source.contract, PRICE, sender=GOVERNOR)
    oracle = stage.deploy("VolatilityOracle", router, 2 * DAY, HOUR, WAD // 2, 2 * WAD)

    def poke() -> tuple[Any, ...]:
        [event] = said(stage, lambda: oracle.poke(token, sender=STRANGER))
        return event

    name, asset, price, sample, floor = poke()
    assert (name, asset, price, sample) == ("VolatilitySampled", token.address, PRICE, 0)
    stage.wait(HOUR)
    quote_of(source, PRICE * 101 // 100)
    _, _, price, sample, variance = poke()
    # a per cent in an hour, squared, a year of them
    assert price == PRICE * 101 // 100
    assert abs(sample - WAD * 0.00995033**2 * 8_760) < WAD * 1e-5
    assert min(floor, sample) < variance < max(floor, sample)
    found = oracle.volatilityOf(token)[0]
    assert abs(found * found // WAD - variance) <= 2 * found // WAD + 1
