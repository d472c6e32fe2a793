"""Threat 78: the largest account, all ten and five slots used, and no price that is read in place."""

from __future__ import annotations

from tests.support.expected import expected_close_out
from tests.support.watched import Watched
from tests.support.world import EVERYTHING, World, wad

BLOCK_GAS = 36_000_000


def watched_account(world: World) -> tuple[int, list[Watched]]:
    held = [Watched.listed(world, f"C{n}", 100, is_collateral=True, bonus=1_000 + n) for n in range(10)]
    owed = [Watched.listed(world, f"D{n}", 1, is_collateral=False) for n in range(5)]
    for one in owed:
        world.supply(one.asset, 100_000)
        world.fund_party(world.liquidator, one.asset, 10_000)
    account = world.open_account({one.asset: 10 for one in held}, {one.asset: 1_400 for one in owed})
    for one in held:
        one.publish(world, 84)
    assert world.health(account) < wad(1)
    return account, held


def test_t78_largest_account__with_chainlink_behind_deviation_everywhere__is_closed_out_within_a_twelfth_of_a_block(
    world: World,
):
    """Every token sent and every repayment pulled; thirty feeds read through forty-five adapters."""
    account, _ = watched_account(world)
    expected, *_ = expected_close_out(world, account)
    receipt = world.close_out(account)
    assert world.result(receipt) == expected
    assert receipt.gas < BLOCK_GAS // 12


def test_t78_largest_account__whose_sources_all_dispute_each_other__is_still_closed_out(world: World):
    """Every price degraded: a throttled close-out, within the same bound."""
    account, held = watched_account(world)
    for one in held:
        one.feeds[1].publish(wad(80), sender=world.governor)
    receipt = world.close_out(account, as_claims=EVERYTHING)
    assert world.result(receipt).is_executed
    assert receipt.gas < BLOCK_GAS // 12
