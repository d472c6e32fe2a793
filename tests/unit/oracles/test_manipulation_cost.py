"""What it costs to move a 30-minute TWAP by 5 %: real swaps in real pools, in dollars, over liquidity.

`pytest -s` on this file prints the table that docs/oracles.md shows; that the two agree is a test.
"""

from __future__ import annotations

import math
import re
import sys
from decimal import Decimal
from typing import NamedTuple

import pytest

from closeout.toolchain.settings import ROOT
from tests.support.node import Deployed
from tests.unit.oracles.pools import BLOCK, Pool, create_pool
from tests.unit.oracles.stage import DAY, Stage

PRICE = 2_000
WINDOW = 1_800
BLOCKS = WINDOW // BLOCK
MOVE = Decimal("1.05")
# Full-range liquidity of so many dollars, both sides together; fee 0.3 %.
DEPTHS = (100_000, 1_000_000, 10_000_000, 100_000_000)
# In so many blocks of the window the price is pushed; arbitrage brings it back in the next.
PUSHED = (1, 5, 15, 75, 150)
DOCUMENT = ROOT / "docs" / "oracles.md"


class Cost(NamedTuple):
    """Dollars lost, and the largest sum put in on the way."""

    lost: Decimal
    needed: Decimal


def attacked(stage: Stage, depth: int, blocks: int, *, is_arbitraged: bool) -> Cost:
    """Pushes a fresh pool until its TWAP is 5 % higher."""
    with stage.node.rolled_back():
        pool = create_pool(stage, PRICE, cardinality=BLOCKS + 2)
        pool.provide(pool.liquidity_of(depth, PRICE))
        pool.move_to(PRICE + 1)
        pool.move_to(PRICE)
        stage.wait(WINDOW)
        adapter = pool.twap(stage.chainlink(stage.feed(1), heartbeat=2 * DAY, max_age=7 * DAY))
        start = Decimal(adapter.price()[0])
        # the mean of the ticks moves by the share of the window in which the price is pushed; one tick for the rounding
        level = PRICE * (MOVE * Decimal("1.0001")) ** (Decimal(BLOCKS) / blocks)
        lost, needed = _push(stage, pool, adapter, start, level, blocks, is_arbitraged)
        return Cost(lost, needed)


def _push(
    stage: Stage, pool: Pool, adapter: Deployed, start: Decimal, level: Decimal, blocks: int, is_arbitraged: bool
) -> tuple[Decimal, Decimal]:
    lost = needed = Decimal(0)
    for block in range(blocks):
        before = pool.won(PRICE)
        put_in = -Decimal(pool.actor.balance(pool.dollar))
        pool.move_to(level)
        needed = max(needed, (-Decimal(pool.actor.balance(pool.dollar)) - put_in) / 10**pool.dollar_decimals)
        if is_arbitraged:
            lost += before - pool.won(PRICE)
        stage.wait(BLOCK)
        if is_arbitraged or block == blocks - 1:
            pool.move_to(PRICE)
        if not is_arbitraged and block == blocks - 1:
            # nobody was there: the attacker takes his own price back, and pays the fee twice
            lost = -pool.won(PRICE)
    moved = Decimal(adapter.price()[0]) / start
    assert moved >= MOVE, moved
    assert moved < MOVE * Decimal("1.001")
    return lost, needed


def table(stage: Stage) -> str:
    """In Markdown."""
    head = [
        "pool",
        *(f"{n} block{'s' * (n > 1)}" for n in PUSHED),
        "nobody arbitrages",
        "capital, 1 block",
        "capital, 150 blocks",
    ]
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    for depth in DEPTHS:
        costs = [attacked(stage, depth, blocks, is_arbitraged=True) for blocks in PUSHED]
        alone = attacked(stage, depth, BLOCKS, is_arbitraged=False)
        figures = [cost.lost for cost in costs] + [alone.lost, costs[0].needed, costs[-1].needed]
        rows.append([shown(Decimal(depth)), *map(shown, figures)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def shown(dollars: Decimal) -> str:
    """Two significant digits."""
    digits = 10 ** max(0, math.floor(math.log10(dollars)) - 1)
    return f"{round(dollars / digits) * digits:,}".replace(",", " ")


# ---------------------------------------------------------------------------------------------------------------- tests


def test_table__is_the_one_in_the_documentation(stage: Stage):
    found = table(stage)
    sys.stdout.write(f"\n\nUSD to move a 30-minute TWAP by 5 %, at {PRICE} USD, fee 0.3 %:\n\n{found}\n")
    documented = re.search(r"<!-- manipulation cost -->\n\n(.*?)\n\n<!-- end -->", DOCUMENT.read_text(), re.DOTALL)
    assert documented is not None
    assert documented.group(1) == found


@pytest.mark.parametrize("blocks", [1, 150])
def test_cost__grows_in_proportion_to_liquidity(stage: Stage, blocks: int):
    small = attacked(stage, 1_000_000, blocks, is_arbitraged=True).lost
    large = attacked(stage, 10_000_000, blocks, is_arbitraged=True).lost
    assert abs(large / small - 10) < Decimal("0.01")


def test_cost__with_arbitrage_in_every_block__is_least_where_the_push_is_spread_over_the_whole_window(stage: Stage):
    costs = [attacked(stage, 1_000_000, blocks, is_arbitraged=True).lost for blocks in PUSHED]
    assert costs == sorted(costs, reverse=True)


def test_cost__where_nobody_arbitrages__is_the_fee_twice_and_next_to_nothing(stage: Stage):
    cost = attacked(stage, 1_000_000, BLOCKS, is_arbitraged=False)
    assert cost.lost < cost.needed / 100
