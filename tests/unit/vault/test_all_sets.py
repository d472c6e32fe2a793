"""Every set that a liquidator can name of one account: five collaterals, three debts, 256 subsets, in every regime."""

from __future__ import annotations

from collections import Counter

import pytest

from closeout.model import ModelRevert
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import (
    BORROWABLE,
    CAPPED,
    NOT_BORROWABLE,
    NOT_COLLATERAL,
    RESTORATIVE,
    TERMINAL,
    Asset,
    World,
    collateral,
    set_of,
    wad,
)

# symbol, decimals, USD per token, amount, threshold and bonus in bps
HELD = (
    ("A", 18, 1_500, 7, 8500, 500),
    ("B", 8, 30_000, "0.3", 7500, 1000),
    ("C", 6, 2, 5_000, 8000, 800),
    ("D", 0, 3, 3_333, 7000, 1500),
    ("E", 27, 12, 800, 9000, 300),
)
OWED = (("X", 6, 16_000), ("Y", 18, 12_000), ("Z", 2, 8_000))


def five_and_three(world: World, percent: int) -> tuple[int, list[Asset], list[Asset]]:
    """The account after all its collateral fell to so many per cent."""
    held = [
        world.list_asset(symbol, decimals, price, collateral(threshold, bonus), NOT_BORROWABLE)
        for symbol, decimals, price, _, threshold, bonus in HELD
    ]
    owed = [world.list_asset(symbol, decimals, 1, NOT_COLLATERAL, BORROWABLE) for symbol, decimals, _ in OWED]
    for asset in owed:
        world.supply(asset, 100_000)
    account = world.open_account(
        {asset: row[3] for asset, row in zip(held, HELD, strict=True)},
        {asset: row[2] for asset, row in zip(owed, OWED, strict=True)},
    )
    for asset, row in zip(held, HELD, strict=True):
        world.set_price(asset, f"{row[2] * percent / 100:.4f}")
    for asset in owed:
        world.fund_party(world.liquidator, asset, 100_000)
    return account, held, owed


@pytest.mark.parametrize(("percent", "regime"), [(88, RESTORATIVE), (75, CAPPED), (70, TERMINAL)])
@pytest.mark.parametrize("fill", ["1", "0.4"])
def test_t77_close_out__of_every_subset_of_five_and_three__follows_the_rules_or_is_refused_whole(
    world: World, percent: int, regime: int, fill: str
):
    world.set_protocol(dust_value=0)
    account, held, owed = five_and_three(world, percent)
    balances = world.position(account)
    outcomes: Counter[str] = Counter()
    for n in range(2**8):
        sets = {
            "collaterals": set_of(*(asset for i, asset in enumerate(held) if n >> i & 1)),
            "debts": set_of(*(asset for i, asset in enumerate(owed) if n >> (5 + i) & 1)),
            "fill": wad(fill),
        }
        with world.node.rolled_back():
            try:
                expected, *_ = expected_close_out(world, account, **sets)
            except ModelRevert as refusal:
                outcomes[refusal.name] += 1
                with reverts(refusal.name, *refusal.values):
                    world.close_out(account, **sets)
                assert world.position(account) == balances
                continue
            outcomes["done"] += 1
            assert expected.regime == regime
            result = world.result(world.close_out(account, **sets))
            assert result == expected
            left, still_owed = world.position(account)
            for asset_id, amount in balances[0].items():
                assert left.get(asset_id, 0) == amount - result.seized.get(asset_id, (0,))[0]
            for asset_id, units in balances[1].items():
                repaid, bad_debt, _ = result.repaid.get(asset_id, (0, 0, 0))
                assert still_owed.get(asset_id, 0) == units - repaid - bad_debt
            assert set(result.seized) == {a.id for a in held if sets["collaterals"] & a.bit}
            assert set(result.repaid) == {a.id for a in owed if sets["debts"] & a.bit}
            if regime != TERMINAL:
                assert result.health_after >= result.health_before
    # no collateral, or no debt: 8 + 32 - 1
    assert outcomes["EmptySet"] == 39
    assert outcomes["done"] == 217 if regime == TERMINAL else outcomes["done"] >= 30, outcomes
