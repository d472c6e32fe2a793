"""What goes wrong, one function each: it runs while the prices fall, and what it returns is what was seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from tests.chaos.market import GWEI, Market
from tests.chaos.node import ChaosNode
from tests.chaos.process import OWNER, KeeperProcess
from tests.chaos.proxy import Proxy

__all__ = ["FAULTS", "SHORT", "Fault", "Scene"]

HOUR = 3_600


@dataclass
class Scene:
    """All that a fault may touch. `fall` takes the prices one step down; `keepers` are all that ever ran."""

    market: Market
    node: ChaosNode
    proxy: Proxy
    keeper: KeeperProcess
    make_twin: Callable[[], KeeperProcess]
    random: Random
    factor: float = 1.0
    keepers: list[KeeperProcess] = field(default_factory=list)

    def fall(self, step: float = 0.04) -> None:
        self.factor -= step
        self.market.fall(self.factor)

    def crash(self, seconds: float, steps: int = 3) -> None:
        """So many steps down over so many seconds."""
        for _ in range(steps):
            self.fall()
            time.sleep(seconds / steps)


class Fault(Protocol):
    def __call__(self, scene: Scene) -> str: ...


def calm(scene: Scene) -> str:
    """Nothing at all: what a crash is like without a fault."""
    scene.crash(9)
    return "no fault"


def node_restarted(scene: Scene) -> str:
    scene.fall()
    time.sleep(1.5)
    scene.node.stop()
    time.sleep(5)
    scene.node.start()
    scene.market.attach()
    scene.crash(6, 2)
    return f"{_failures(scene, 'node')} blocks failed"


def node_behind(scene: Scene) -> str:
    scene.market.wait_blocks(32)
    scene.proxy.lag = 30
    scene.crash(12)
    time.sleep(20)
    sent = len(scene.keeper.transactions("sent"))
    scene.proxy.lag = 0
    return f"{sent} sent while it was 30 blocks behind"


def websocket_dropped(scene: Scene) -> str:
    scene.proxy.drops_every = 5
    scene.crash(20, 4)
    scene.proxy.drops_every = 0
    return f"{scene.proxy.dropped} connections cut"


def rpc_spoiled(scene: Scene) -> str:
    scene.proxy.spoils = 0.5
    scene.crash(16, 4)
    scene.proxy.spoils = 0
    spoiled = ", ".join(f"{count} {kind}" for kind, count in scene.proxy.spoiled.items())
    return f"answers: {spoiled}; {_failures(scene, 'node')} blocks failed"


def reorganised(scene: Scene) -> str:
    """One to ten blocks, each over close-outs that had been mined."""
    undone = 0
    for depth in range(1, 11):
        before = scene.market.transactions_of(OWNER)
        scene.fall(0.015)
        until = time.monotonic() + 6
        while scene.market.transactions_of(OWNER) == before and time.monotonic() < until:
            time.sleep(0.05)
        scene.market.wait_blocks(depth - 1)
        done = scene.market.transactions_of(OWNER)
        scene.node.call("anvil_reorg", depth, [])
        undone += done - scene.market.transactions_of(OWNER)
        # the feeds' own transactions went with the blocks
        scene.market.fall(scene.factor)
    assert undone > 0, "no reorganisation undid a close-out"
    return f"{undone} transactions undone in 10 reorganisations"


def rival(scene: Scene) -> str:
    scene.market.arm_rival()
    taken = 0
    for _ in range(3):
        scene.fall()
        scene.market.wait_blocks(1)
        half = scene.market.unhealthy()[::2]
        scene.market.rival_closes_out(half)
        taken += len(half)
        time.sleep(2)
    beaten = sum(len(scene.keeper.transactions(what)) for what in ("cancelled", "failed", "would revert"))
    return f"the rival went for {taken}; {beaten} times ours came too late"


def base_fee_hundredfold(scene: Scene) -> str:
    """Close-outs are in flight when it rises, and more accounts fall due while it is high."""
    scene.fall()
    until = time.monotonic() + 15
    steps = [12.0, 8.0, 4.0]
    while (left := until - time.monotonic()) > 0:
        scene.node.call("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
        if steps and left < steps[0]:
            steps.pop(0)
            scene.fall(0.03)
        time.sleep(0.3)
    scene.node.call("anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    dear = sum(1 for item in scene.keeper.events("refused") if item["reason"] == "too_dear")
    sent = len(scene.keeper.transactions("sent"))
    assert dear > 0, "nothing was too dear at a hundredfold"
    return f"{dear} accounts let be as too dear, {sent} closed out all the same"


def pool_drained(scene: Scene) -> str:
    """Accounts fall due when ether's pools pay a tenth."""
    scene.market.drain()
    scene.market.wait_blocks(2)
    for _ in range(2):
        scene.factor -= 0.04
        scene.market.fall(scene.factor, with_pools=False)
        scene.market.wait_blocks(4)
    refused = {item["account"] for item in scene.keeper.events("refused")}
    assert refused, "nobody was refused although nothing could be sold"
    scene.market.refill()
    return f"{len(refused)} accounts refused while nothing could be sold"


def clock_skewed(scene: Scene) -> str:
    for hours in (1, -1, 24):
        scene.keeper.skew(hours * HOUR)
        scene.crash(4, 1)
    ages = [item["age"] for item in scene.keeper.events("block")]
    scene.keeper.skew(0)
    return f"blocks seemed {min(ages) / HOUR:+.0f} h to {max(ages) / HOUR:+.0f} h old"


def killed(scene: Scene) -> str:
    for _ in range(4):
        scene.fall(0.025)
        time.sleep(scene.random.uniform(0.2, 2.5))
        scene.keeper.kill()
        scene.keeper.start()
        time.sleep(scene.random.uniform(1.0, 4.0))
    return f"{scene.keeper.starts - 1} kills"


def disk_full(scene: Scene) -> str:
    scene.fall()
    time.sleep(2)
    scene.keeper.limit_files(4_096)
    scene.crash(8, 2)
    before = scene.market.transactions_of(OWNER)
    time.sleep(3)
    assert scene.market.transactions_of(OWNER) == before, "sent something that could not be written down"
    scene.keeper.limit_files(None)
    return "nothing could be written, and nothing was sent"


def two_keepers(scene: Scene) -> str:
    twin = scene.make_twin()
    scene.keepers.append(twin)
    twin.start()
    twin.wait_ready()
    scene.crash(20, 5)
    stood_by = sum(len(keeper.transactions("standing by")) for keeper in scene.keepers)
    return f"stood by {stood_by} times"


def _failures(scene: Scene, kind: str) -> int:
    return sum(1 for item in scene.keeper.events("failed") if item["kind"] == kind)


FAULTS: dict[str, Fault] = {
    "no fault": calm,
    "node killed and restarted": node_restarted,
    "node 30 blocks behind": node_behind,
    "websocket dropped every 5 s": websocket_dropped,
    "429, garbage, time-outs": rpc_spoiled,
    "reorganisations of 1 to 10 blocks": reorganised,
    "rival takes half": rival,
    "base fee × 100": base_fee_hundredfold,
    "pool drained": pool_drained,
    "clock skew": clock_skewed,
    "keeper killed by SIGKILL": killed,
    "disk full": disk_full,
    "two keepers with one key": two_keepers,
}
# What `make test` looks at; the others take `make chaos`.
SHORT = ("429, garbage, time-outs", "keeper killed by SIGKILL")
