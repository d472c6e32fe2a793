"""What must hold when it is over, whatever happened: asked of the chain, and of the files that the keeper left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closeout.chain.reader import NodeReader
from closeout.keeper.nonces import Slot, SlotState
from closeout.keeper.outbox import SqlOutbox
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList
from tests.chaos.market import Market
from tests.chaos.process import CHAIN_ID, OWNER, KeeperProcess

__all__ = ["Spent", "assert_books", "assert_ceilings", "assert_database", "left_over", "wait_recovered"]

WAD = 10**18


def left_over(market: Market, least_profit: int) -> list[tuple[int, float]]:
    """Unhealthy accounts that the simplest close-out would earn more on than the keeper asks, with what, USD."""
    base_fee = int(market.node.call("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    found = []
    for account in market.unhealthy():
        profit = market.best_profit(account, 2 * base_fee)
        if profit > least_profit * WAD:
            found.append((account, profit / WAD))
    return found


def wait_recovered(market: Market, least_profit: int, seconds: float) -> float:
    """Seconds until nothing is left that pays; arbitrageurs follow what the keeper sells."""
    began = time.monotonic()
    market.wait_blocks(1)
    while True:
        left = left_over(market, least_profit)
        if not left:
            return time.monotonic() - began
        assert time.monotonic() - began < seconds, f"{len(left)} accounts are left after {seconds} s: {left[:5]}"
        market.refill()
        time.sleep(0.5)


@dataclass(frozen=True)
class Spent:
    """All that the key did, by the chain."""

    transactions: int
    close_outs: int
    failed: int
    gas: int
    loss_wad: int


def assert_books(market: Market, keepers: list[KeeperProcess]) -> Spent:
    """Every transaction of the key is in an outbox; each outbox says what the chain says; none was spent twice."""
    node = market.node
    known: dict[str, Slot] = {}
    for keeper in keepers:
        outbox = SqlOutbox(keeper.database, OWNER)
        restored = outbox.restore()
        outbox.close()
        for slot in (*restored.slots, *restored.settled):
            known |= {attempt.hash: slot for attempt in slot.attempts}
    count = int(node.call("eth_getTransactionCount", OWNER, "latest"), 16)
    on_chain = _transactions_of_key(market)
    assert [int(item["nonce"], 16) for item in on_chain] == list(range(count))
    close_outs = failed = gas = loss = 0
    event = next(item for item in market.world.node._events.values() if item.name == "CloseOut")
    price = market.world.prices[market.world.weth.id]
    for item in on_chain:
        assert item["hash"] in known, f"{item['hash']} is in no outbox"
        receipt = node.call("eth_getTransactionReceipt", item["hash"])
        cost = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        gas += cost
        is_success = int(receipt["status"], 16) == 1
        done = sum(1 for log in receipt["logs"] if log["topics"][0] == event.topic)
        close_outs += done
        failed += not is_success
        if not done:
            loss += cost * price // WAD
        slot = known[item["hash"]]
        if slot.state in (SlotState.MINED, SlotState.FINAL):
            assert slot.inclusion is not None
            assert slot.inclusion.hash == item["hash"]
            assert slot.inclusion.is_success == is_success
            assert slot.inclusion.spent.gas == cost
            assert slot.inclusion.block_hash == receipt["blockHash"]
    return Spent(count, close_outs, failed, gas, loss)


def _transactions_of_key(market: Market) -> list[dict[str, Any]]:
    found = []
    for number in range(market.prepared.last_block, market.block_number() + 1):
        block = market.node.call("eth_getBlockByNumber", hex(number), True)
        found += [item for item in block["transactions"] if item["from"] == OWNER.lower()]
    return found


def assert_ceilings(spent: Spent, gas_ceiling: int, loss_ceiling_wad: int) -> None:
    """The whole run is within the hour."""
    assert spent.gas <= gas_ceiling, f"{spent.gas} wei of gas"
    assert spent.loss_wad <= loss_ceiling_wad, f"{spent.loss_wad / WAD} USD of losses"


def assert_database(market: Market, database: Path) -> int:
    """Every account that the watch-list knows is the chain's at the block where it stands, and none is missing."""
    world = market.world
    client = market.node.client()
    reader = NodeReader(client, world.node.artifacts, world.vault.address, world.lens.address)
    store = Store(database, world.vault.address, CHAIN_ID)
    try:
        watch = WatchList(reader, store)
        block = store.blocks()[-1]
        on_chain = reader.block(block.number)
        assert on_chain is not None
        assert on_chain.hash == block.hash, f"block {block.number} of the database is not the chain's"
        confirmations = reader.confirm(market.accounts, block)
        assert watch.differing(confirmations, block.timestamp) == []
        holding = [item.account for item in confirmations if item.collateral or item.debts]
        assert watch.account_count >= len(holding)
        return len(holding)
    finally:
        store.close()
        client.close()
