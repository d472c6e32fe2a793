"""Close-outs under every status of the prices they rest on, told by the real Vault.

They are those of the model, to the unit, and have the properties of one close-out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from closeout.model import ModelRevert, Regime, Status, _close_out, health_factor
from closeout.units import WAD
from tests import states
from tests.differential.sizes import least, sized
from tests.model import checks
from tests.property.doubtful import DoubtfulStage, doubtful_worlds
from tests.property.placed import Seen
from tests.property.pools import Pool, holds
from tests.support.node import Node
from tests.worlds import World

# of fewer none shows each broken model
COUNT = max(400, sized(1600))


@pytest.fixture(scope="module")
def pool(node: Node) -> Pool:
    return Pool.of(DoubtfulStage(node), doubtful_worlds("doubt", COUNT))


def test_vault_and_model__close_out_the_same_under_every_status(pool: Pool) -> None:
    compare(pool)


def compare(pool: Pool) -> None:
    """The contracts' answer to every account is the model's, to the unit."""
    for number, one in enumerate(pool.seen):
        try:
            one.world.plan()
            expected = checks.settle(one.world)
            refusal = None if expected else "NothingToClose"
        except ModelRevert as revert:
            expected, refusal = None, revert.name
        assert one.refusal == refusal, (number, one.world)
        if one.settled is None or expected is None:
            continue
        assert one.settled.seized == expected.seized, (number, one.world)
        assert one.settled.extinguished == expected.extinguished, (number, one.world)
        assert one.result is not None
        assert one.result.health_before == one.world.deciding_health_wad()
        assert one.result.health_after == _health(expected.after), (number, one.world)


BROKEN: dict[str, tuple[object, str, Callable[..., object]]] = {
    "in doubt all is closed out": (states, "keep_covered", lambda plan, *_: plan),
    "in doubt debt is written off": (states.World, "is_covered", lambda _: False),
    "a full penalty is paid beside a missing price": (_close_out, "_within_health", lambda _: WAD),
    "volatility lifts nothing": (
        states.World,
        "_target_wad",
        lambda world: WAD if world.is_throttled else world.protocol.target_health_factor_wad,
    ),
    "a price in doubt throttles nothing": (states.World, "is_throttled", property(lambda _: False)),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_model_that_differs_in_doubt__is_caught(pool: Pool, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    owner, name, wrong = BROKEN[broken]
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(AssertionError):
        compare(pool)


def _health(world: World) -> int:
    return world.deciding_health_wad() if world.debt_shares else health_factor(0, 0)


def test_p9_preview_equals_close_out(pool: Pool) -> None:
    assert all(one.preview == (one.result or one.refusal) for one in pool.seen)


def test_close_outs__are_of_every_regime_and_status(pool: Pool, record_property: Callable[[str, object], None]) -> None:
    seen = Counter(label for one in pool.seen for label in _labels(one))
    for name, count in sorted(seen.items()):
        record_property(name, count)
    for name, count in {
        "throttled RESTORATIVE": 100,
        "throttled CAPPED": 40,
        "throttled TERMINAL": 250,
        "beside a missing price RESTORATIVE": 60,
        "beside a missing price TERMINAL": 150,
        "in doubt": 60,
        "lifted target": 40,
        "PenaltyBelowFloor": 20,
        "EmptySet": 100,
    }.items():
        assert seen[name] >= least(count), seen


def _labels(one: Seen) -> list[str]:
    if one.settled is None:
        return [str(one.refusal)]
    world, regime = one.world, one.settled.plan.regime
    is_beside = any(world.quote(n).status is Status.MISSING for n in world.collateral)
    told = {
        f"throttled {regime.name}": world.is_throttled,
        f"beside a missing price {regime.name}": is_beside,
        "in doubt": regime is Regime.TERMINAL and world.is_covered(),
        "lifted target": world.terms().target_health_factor_wad > world.protocol.target_health_factor_wad,
    }
    return [name for name, is_so in told.items() if is_so]


def test_p4_a_close_out_never_lowers_the_health_factor__under_every_status(pool: Pool) -> None:
    holds(checks.check_p4, pool.settle, pool.worlds, 600)


def test_p5_a_full_close_out_lands_on_the_target__under_every_status(pool: Pool) -> None:
    holds(checks.check_p5, pool.settle, pool.worlds, 80)


def test_p6_it_is_minimal__under_every_status(pool: Pool) -> None:
    holds(checks.check_p6, pool.settle, pool.worlds, 80)


def test_p7_an_account_that_is_healthy_where_it_is_decided__is_not_closed_out(pool: Pool) -> None:
    healthy = [one for one in pool.seen if one.world.deciding_health_wad() >= WAD]
    assert all(one.refusal == "AccountHealthy" for one in healthy)
    assert len(healthy) >= least(60)


def test_p11_every_unhealthy_account_without_a_missing_price__can_be_closed_out(pool: Pool) -> None:
    whole = [one.world.whole() for one in pool.seen if one.world.deciding_health_wad() < WAD]
    priced = [w for w in whole if not any(quote.status is Status.MISSING for quote in w.quotes.values())]
    assert all(one.settled is not None for one in pool.stage.see_all(priced))
    assert len(priced) >= least(100)


def test_p12_no_debt_is_written_off_in_doubt(pool: Pool) -> None:
    holds(checks.check_p12, pool.settle, pool.worlds, 700)


def test_p13_seized_within_the_mean_bonus__under_every_status(pool: Pool) -> None:
    holds(checks.check_p13, pool.settle, pool.worlds, 700)


def test_p19_a_liquidator_never_loses_at_exchange_prices__under_every_status(pool: Pool) -> None:
    holds(checks.check_p19, pool.settle, pool.worlds, 700)


def test_in_doubt__a_close_out_leaves_the_account_covered_where_it_is_decided(pool: Pool) -> None:
    holds(checks.check_stays_covered, pool.settle, pool.worlds, 60)
