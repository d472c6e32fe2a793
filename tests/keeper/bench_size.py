"""One size of `tests.keeper.bench`, in a process of its own: an order in on standard input, figures out."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from closeout.chain.abi import ContractAbi
from closeout.chain.http import HttpClient
from closeout.chain.pools import PoolReader
from closeout.chain.reader import NodeReader
from closeout.keeper.brain import BrainSettings, Keeper
from closeout.keeper.planner import PlannerSettings
from closeout.keeper.ports import Decision
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList
from closeout.toolchain.artifacts import Artifact, load
from closeout.units import WAD
from tests.support.node import Node

BATCH = 100
BLOCKS = 5
GWEI = 10**9
# name: asset ids and prices before and after, USD
MOVES = {"1 %": (1, 30_000, 27_500), "100 %": (0, 1_500, 1_400)}


class Counting:
    """A connection that counts: calls are messages sent, requests what is in them."""

    def __init__(self, inner: HttpClient) -> None:
        self._inner = inner
        self.calls = self.requests = 0

    def call(self, method: str, *params: Any) -> Any:
        return self.call_many([(method, params)])[0]

    def call_many(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        self.calls += 1
        self.requests += len(requests)
        return self._inner.call_many(requests)


def encoded(decision: Decision, flash: ContractAbi) -> list[str]:
    """The transactions' calldata: what is signed and sent."""
    calls = []
    for intent in decision.intents:
        sets = [sum(1 << asset_id for asset_id in ids) for ids in (intent.collaterals, intent.debts)]
        sales = [(int(sale.kind), sale.path, sale.part_wad) for sale in intent.sales]
        order = (intent.account, *sets, intent.fill_wad, intent.deadline, sales, list(intent.least_profits.items()))
        calls.append(flash.functions["closeOut"].encode(order))
    return calls


def per_account(rpc: HttpClient, artifacts: dict[str, Artifact], vault: str, accounts: list[int], count: int) -> float:
    """Seconds to ask for the health of so many accounts, one call each, batched."""
    health = ContractAbi(artifacts["IVault"]).functions["healthOf"]
    started, unhealthy = time.perf_counter(), 0
    for first in range(0, count, BATCH):
        batch = [accounts[n % len(accounts)] for n in range(first, min(first + BATCH, count))]
        answers = rpc.call_many(
            [("eth_call", ({"to": vault, "data": health.encode(account)}, "latest")) for account in batch]
        )
        unhealthy += sum(health.decode(answer)[4] < WAD for answer in answers)
    if not unhealthy:
        raise SystemExit("nobody was unhealthy: the price move did not happen")
    return time.perf_counter() - started


def main() -> None:
    order = json.load(sys.stdin)
    artifacts = load(log=None)
    rpc = HttpClient([order["uri"]], timeout_seconds=120)
    counting = Counting(rpc)
    node = Node(rpc, artifacts, int(rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16))  # type: ignore[arg-type]
    pools = PoolReader(counting, order["factory"])
    pools.find(order["tokens"])
    reader = NodeReader(counting, artifacts, order["vault"], order["lens"], pools)

    started = time.perf_counter()
    watch = WatchList(reader, Store(Path(order["database"]), order["vault"], 31337))
    loaded = time.perf_counter() - started
    planner = PlannerSettings(native_token=order["tokens"][0], priority_fee=20 * GWEI)
    keeper = Keeper(reader, watch, BrainSettings(planner=planner, verify_blocks=0))
    started = time.perf_counter()
    keeper.on_block(reader.head())
    caught_up = time.perf_counter() - started

    flash = ContractAbi(artifacts["FlashLiquidator"])
    moves, asked = {}, []
    for name, (asset_id, before, after) in MOVES.items():
        feed = node.at("TestAggregator", order["feeds"][asset_id])
        seconds, revalued = [], []
        for _ in range(BLOCKS):
            feed.publish(after * WAD, sender=order["governor"])
            head = reader.head()
            calls, requests = counting.calls, counting.requests
            started = time.perf_counter()
            decision = keeper.on_block(head)
            transactions = encoded(decision, flash)
            seconds.append(time.perf_counter() - started)
            calls, requests = counting.calls - calls, counting.requests - requests
            if len(transactions) != order["falling"]:
                raise SystemExit(f"{name}: {len(transactions)} transactions: {decision.refusals}")
            started = time.perf_counter()
            keeper._screen.revalue(keeper._screen._known())
            keeper._screen.candidates()
            revalued.append(time.perf_counter() - started)
        if order["asked"] and not asked:
            # those that fall, and as many healthy ones as there are real
            accounts = [watch.rows.account(row) for row in range(len(watch.rows))][-1_000:]
            asked.append(per_account(rpc, artifacts, order["vault"], accounts, order["asked"]))
        feed.publish(before * WAD, sender=order["governor"])
        keeper.on_block(reader.head())
        moves[name] = {
            "seconds": median(seconds),
            "revalued_seconds": median(revalued),
            "requests": requests,
            "calls": calls,
            "transactions": len(transactions),
        }
    json.dump(
        {
            "accounts": watch.account_count,
            "loaded_seconds": loaded,
            "caught_up_seconds": caught_up,
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "per_account_seconds": asked[0] if asked else None,
            "moves": moves,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    main()
