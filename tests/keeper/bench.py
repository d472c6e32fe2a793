"""`make bench-keeper`: a keeper that knows all accounts by heart, beside one that asks the node about each.

One real chain (Anvil, the real contracts and pools) with 1 000 real accounts, of which ten fall below the margin with
each of two price moves: of WBTC, which 1 % of all accounts hold, and of WETH, which all hold. The other accounts, up to
a million, are in the keeper's database alone: for it they are like the others, and the chain needs none of them to
answer. Each size runs in a process of its own, so that its memory is its own.

What is timed is one block each: from its header to the encoded transactions, every call of the node included. The
other way, that of the published bots: one health call per account, a hundred to a batch of JSON-RPC, over the same
connection; where there are more accounts than real ones they are asked in turn, which costs the node the same. Its
figure ends where it knows who is unhealthy: planning is not in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from rich.console import Console
from rich.table import Table

from closeout.chain.anvil import Anvil
from closeout.chain.http import HttpClient
from closeout.chain.reader import NodeReader
from closeout.keeper.journal import Entry, Kind
from closeout.keeper.ports import Block
from closeout.keeper.store import Change, Store
from closeout.toolchain.artifacts import load
from closeout.toolchain.settings import ROOT
from tests.support.node import Node, actor
from tests.support.world import GENESIS, World
from tests.unit.lending.stage import KINKED, set_borrowing
from tests.unit.periphery.stage import Flash

SIZES = (1_000, 100_000, 1_000_000)
# asked one by one up to here: a million calls take minutes and say no more
MOST_ASKED = 100_000
REAL = 1_000
FALLING = 10
CHUNK = 50_000
OUTPUT = ROOT / "build" / "bench-keeper.json"
GOALS = {"revalued": 0.5, "memory": 2_000, "calls": 100, "times": 50}


def open_accounts(world: World) -> None:
    """Ten that fall with WBTC, ten that fall with WETH, the others careful; every owner has a hundred."""
    for number in range(REAL):
        owner = actor(f"owner {number // 100}")
        if number < FALLING:
            held, owed = {world.wbtc: 1}, {world.usdc: 20_900}
        elif number < 2 * FALLING:
            held, owed = {world.weth: 10}, {world.usdc: 11_950}
        else:
            held, owed = {world.weth: 10}, {world.usdc: 4_000 + number}
        world.open_account(held, owed, owner=owner, index=number % 100)


def balances(count: int) -> Iterator[tuple[int, list[tuple[Entry, int]]]]:
    """Accounts with their entries: WETH, one in a hundred WBTC as well, one or two debts, far from the margin."""
    random, owner = Random(7), int(actor("somebody else"), 16)
    for number in range(count):
        account = (owner + number // 1_000) << 96 | number % 1_000
        weth = random.randint(10**18, 100 * 10**18)
        value = weth * 1_500 // 10**18
        entries: list[tuple[Entry, int]] = [((Kind.COLLATERAL, (account, 0)), weth)]
        if number % 100 == 0:
            entries.append(((Kind.COLLATERAL, (account, 1)), random.randint(10**6, 10**8)))
        owed = value * random.randint(20, 60) // 100
        first = owed if number % 2 else owed // 2
        entries.append(((Kind.DEBT_SHARES, (account, 2)), 100 * first * 10**6))
        if first != owed:
            entries.append(((Kind.DEBT_SHARES, (account, 3)), 100 * (owed - first) * 10**18))
        yield account, entries


def write_database(path: Path, world: World, blocks: list[Block], count: int) -> None:
    """Accounts that only the keeper knows, as if the first, empty, blocks had brought them."""
    store = Store(path, world.vault.address, 31337)
    accounts, places = balances(count), iter(blocks)
    left = count
    while left > 0:
        after: dict[Entry, object | None] = {}
        for _ in range(min(CHUNK, left)):
            after.update(next(accounts)[1])
        left -= CHUNK
        block = next(places)
        store.save(Change(block, {}, after), block.number)
    store.close()


def run(size: int, world: World, flash: Flash, node_uri: str, blocks: list[Block]) -> dict[str, Any]:
    """One size, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="closeout-bench-") as folder:
        path = Path(folder) / "keeper.sqlite"
        write_database(path, world, blocks, size - REAL)
        order = {
            "uri": node_uri,
            "database": str(path),
            "vault": world.vault.address,
            "lens": world.lens.address,
            "factory": flash.trading.uniswap.factory,
            "tokens": [asset.token.address for asset in world.assets],
            "feeds": [asset.feed.address for asset in world.assets],
            "governor": world.governor,
            "size": size,
            "asked": size if size <= MOST_ASKED else 0,
            "falling": FALLING,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.keeper.bench_size"],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=False,
        )
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def show(results: list[dict[str, Any]], output: Console) -> bool:
    """The table, and whether every goal that was measured is met."""
    table = Table(title="One block, from its header to the encoded transactions", title_justify="left")
    for column in ("accounts", "touched", "block", "of it, all re-valued", "memory", "node requests", "in calls"):
        table.add_column(column, justify="right")
    table.add_column("one call per account", justify="right")
    table.add_column("times faster", justify="right")
    table.add_column("times fewer requests", justify="right")
    is_met = True
    for result in results:
        for name, case in result["moves"].items():
            asked = result["per_account_seconds"]
            ratio, fewer = (asked / case["seconds"], result["accounts"] / case["requests"]) if asked else (None, None)
            table.add_row(
                f"{result['accounts']:,}",
                name,
                f"{case['seconds'] * 1000:.0f} ms",
                f"{case['revalued_seconds'] * 1000:.1f} ms",
                f"{result['memory_mb']:,.0f} MB",
                f"{case['requests']:,}",
                f"{case['calls']}",
                f"{asked:.1f} s" if asked else "not run",
                f"{ratio:,.0f}" if ratio else "",
                f"{fewer:,.0f}" if fewer else "",
            )
            is_met &= case["revalued_seconds"] < GOALS["revalued"] and result["memory_mb"] < GOALS["memory"]
            if result["accounts"] == MOST_ASKED and ratio and fewer:
                is_met &= ratio >= GOALS["times"] and fewer >= GOALS["calls"]
    output.print(table)
    goals = (
        f"goals: a million accounts re-valued in {GOALS['revalued']} s and {GOALS['memory']} MB; at {MOST_ASKED:,} "
        f"at least {GOALS['calls']} times fewer requests and {GOALS['times']} times faster"
    )
    output.print(f"{goals}: {'met' if is_met else 'MISSED'}")
    return is_met


def main() -> int:
    output = Console(width=180)
    with Anvil(states=200) as anvil:
        node = Node(anvil.rpc, load(), GENESIS)
        reader = NodeReader(HttpClient([anvil.uri]), node.artifacts, actor("nobody"), actor("nobody"))
        blocks = []
        for _ in range(SIZES[-1] // CHUNK + 1):
            node.set_time(node.now)
            blocks.append(reader.head())
        world = World.standard(node)
        world.supply(world.usdc, 100_000_000)
        for asset in (world.weth, world.usdc, world.dai):
            set_borrowing(world, asset, reserve_factor=2_000, **KINKED)
        flash = Flash.standard(world)
        flash.trading.open_pool(world, world.wbtc, world.usdc)
        open_accounts(world)
        results = [run(size, world, flash, anvil.uri, blocks) for size in SIZES]
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(json.dumps(results, indent=2) + "\n")
    is_met = show(results, output)
    output.print(f"written to {OUTPUT.relative_to(ROOT)}")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
