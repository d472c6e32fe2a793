"""Every bound of every constructor: on it is taken, one beyond is refused with its name, the value and the bounds.

And the gas that an adapter says it needs: its own and all of its sources', each as the rule of 63/64 lets it through.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.kit import PRICE_ID, Source, fixed_price, honest_pool, honest_pyth
from tests.unit.oracles.stage import DAY, GOVERNOR, HOUR, NOBODY, WAD, Stage

MINUTE = 60
PRICE = 2_000 * WAD
OWN_GAS = 30_000
MAX_GAS_BOUND = 5_000_000


def pool(stage: Stage, base: Deployed) -> Deployed:
    """A pool that remembers five hours of the longest blocks."""
    source = Source(stage, stage.deploy("ProgrammableSource"), "pool", honest_pool)
    slot0 = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
    source.say("slot0()", slot0, 1, 0, 0, 20_000, 20_000, 0, True)
    source.say("token0()", ["address"], base.address)
    source.say("token1()", ["address"], stage.token(6).address)
    return source.contract


def chainlink(stage: Stage, **given: int) -> Deployed:
    return stage.chainlink(stage.feed(2_000), **given)


def pyth(stage: Stage, heartbeat: int = 60, max_age: int = HOUR, ahead: int = 30, confidence: int = 50) -> Deployed:
    source = Source(stage, stage.deploy("ProgrammableSource"), "pyth", honest_pyth)
    source.honest(source)
    return stage.deploy("PythAdapter", source.contract, PRICE_ID, (heartbeat, max_age, ahead, confidence))


def twap(stage: Stage, window: int = 30 * MINUTE, block: int = 12, safe: int = 9, least: int = 1) -> Deployed:
    base, dollar = stage.token(), fixed_price(stage, 1)
    parameters = (window, block, safe, least)
    return stage.deploy("UniswapV3TwapAdapter", pool(stage, base), base, dollar.contract, parameters)


def share(stage: Stage, growth: int = 1_000, drop: int = 10, confirm: int = 30 * MINUTE) -> Deployed:
    vault, asset = stage.deploy("TestShareVault", stage.token()), fixed_price(stage, 2_000)
    return stage.deploy("Erc4626Adapter", vault, asset.contract, (growth, drop, confirm))


def deviation(stage: Stage, most: int = 200, period: int = 6 * HOUR) -> Deployed:
    first, second = fixed_price(stage, 2_000), fixed_price(stage, 2_000)
    return stage.deploy("DeviationAdapter", first.contract, second.contract, most, period)


def router(stage: Stage, **given: int) -> Deployed:
    return stage.router(**given)


def volatility(
    stage: Stage, constant: int = 2 * DAY, spacing: int = HOUR, calm: int = WAD // 2, turbulent: int = 2 * WAD
) -> Deployed:
    return stage.deploy("VolatilityOracle", NOBODY, constant, spacing, calm, turbulent)


@dataclass(frozen=True)
class Bound:
    """`name` is the contract's word for what `key` sets, given beside it what leaves it the whole range."""

    make: Callable[..., Deployed]
    key: str
    name: str
    least: int
    most: int
    beside: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.make.__name__} {self.name}"


def bound(make: Callable[..., Deployed], key: str, name: str, least: int, most: int, **beside: Any) -> Bound:
    return Bound(make, key, name, least, most, beside)


BOUNDS = [
    bound(chainlink, "heartbeat", "heartbeat", 1, 2 * DAY, max_age=2 * DAY),
    bound(chainlink, "max_age", "maxAge", HOUR, 7 * DAY),
    bound(chainlink, "grace", "sequencerGrace", 0, DAY),
    bound(pyth, "heartbeat", "heartbeat", 1, 7 * DAY, max_age=7 * DAY),
    bound(pyth, "max_age", "maxAge", 60, 7 * DAY),
    bound(pyth, "ahead", "maxAhead", 0, 60),
    bound(pyth, "confidence", "maxConfidence", 1, 5_00),
    bound(twap, "window", "window", 10 * MINUTE, 4 * HOUR),
    bound(twap, "block", "blockTime", 1, 60),
    bound(twap, "least", "leastLiquidity", 1, 9),
    bound(share, "growth", "maxGrowth", 1, 300_00),
    bound(share, "drop", "maxDrop", 0, 5_00),
    bound(share, "confirm", "confirmAfter", 10 * MINUTE, DAY),
    bound(deviation, "most", "maxDeviation", 10, 20_00),
    bound(deviation, "period", "disputePeriod", HOUR, 7 * DAY),
    bound(router, "abandon_after", "abandonAfter", 3 * DAY, 90 * DAY),
    bound(router, "decay_period", "decayPeriod", 7 * DAY, 365 * DAY),
    bound(volatility, "constant", "timeConstant", 6 * HOUR, 30 * DAY, spacing=10 * MINUTE),
    bound(volatility, "spacing", "spacing", 10 * MINUTE, 6 * HOUR),
    bound(volatility, "turbulent", "turbulent", 1, 10 * WAD, calm=0),
    bound(volatility, "calm", "calm", 0, 2 * WAD - 1),
]


@pytest.mark.parametrize("bound", BOUNDS, ids=str)
def test_parameter__on_each_bound__is_taken_and_beyond_it_refused(stage: Stage, bound: Bound):
    for value in (bound.least, bound.most):
        bound.make(stage, **bound.beside, **{bound.key: value})
    beyond = [bound.most + 1] if bound.least == 0 else [bound.least - 1, bound.most + 1]
    for value in beyond:
        with reverts("ParameterOutOfRange", bound.name.encode().ljust(32, b"\0"), value, bound.least, bound.most):
            bound.make(stage, **bound.beside, **{bound.key: value})


def passed_on(gas: int) -> int:
    """What there must be for a call to get so much."""
    return gas + gas // 63 + 1


def test_gas_bound__of_every_adapter__is_its_own_and_what_its_sources_may_burn(stage: Stage):
    source = passed_on(200_000)
    assert pyth(stage).gasBound() == OWN_GAS + passed_on(100_000)
    assert chainlink(stage).gasBound() == OWN_GAS + passed_on(100_000)
    assert twap(stage).gasBound() == OWN_GAS + passed_on(300_000) + source
    assert share(stage).gasBound() == OWN_GAS + passed_on(500_000) + source
    assert deviation(stage).gasBound() == OWN_GAS + 4 * source
    cross = stage.deploy("CrossAdapter", fixed_price(stage, 1).contract, fixed_price(stage, 2_000).contract)
    assert cross.gasBound() == OWN_GAS + 2 * source
    market, token = stage.router(), stage.token()
    with reverts("AssetUnknown", token.address):
        stage.deploy("MarkToModelAdapter", market, token)
    market.activate(token, fixed_price(stage, 2_000).contract, PRICE, sender=GOVERNOR)
    model = stage.deploy("MarkToModelAdapter", market, token)
    assert model.gasBound() == 4 * OWN_GAS + 4 * passed_on(MAX_GAS_BOUND)
