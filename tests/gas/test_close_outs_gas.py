"""Gas of whole close-outs by size and settlement: `make figures` prints it. Whole transactions, interest off.

`tests/gas/compare.py` has them beside the peers'; here is what the way of settling costs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.accounts import capped_account, largest_account, three_and_two
from tests.support.world import EVERYTHING, World

SIZES: dict[str, Callable[[World], int]] = {
    "1 + 1": capped_account,
    "3 + 2": three_and_two,
    "10 + 5": largest_account,
}
SETTLEMENTS: dict[str, dict[str, Any]] = {
    "tokens sent, tokens pulled": {},
    "claims credited, tokens pulled": {"as_claims": EVERYTHING},
    "claims credited, supply shares burnt": {"as_claims": EVERYTHING, "from_shares": EVERYTHING},
}


@pytest.mark.parametrize("size", SIZES)
def test_gas__of_a_whole_close_out__by_how_it_is_settled(
    world: World, size: str, record_property: Callable[[str, object], None]
):
    account = SIZES[size](world)
    world.arm()
    for asset in world.assets:
        world.fund_party(world.liquidator, asset, 100_000)
    for name, changes in SETTLEMENTS.items():
        # who pays with shares is a lender
        party = world.lender if "from_shares" in changes else world.liquidator
        with world.node.rolled_back():
            receipt = world.close_out(account, sender=party, receiver=party, **changes)
        moved = [log for log in receipt.logs if log.name == "Transfer"]
        assert bool(moved) == (name != "claims credited, supply shares burnt")
        record_property(name, receipt.gas)
        assert receipt.gas < 2_500_000
