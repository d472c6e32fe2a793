"""Passes of upkeep on the unit tests' chain, run in this process, with what they print kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from closeout.config import load_config
from closeout.deployment.record import FORMAT, write_record
from closeout.deployment.session import Session
from closeout.toolchain.settings import ROOT
from closeout.upkeep.command import Row, run_upkeep
from tests.support.networks import HASTE, KeySigner
from tests.support.world import World

__all__ = ["DAY", "HOUR", "POKES", "Housekeeper", "Interference", "fresh"]

HOUR, DAY = 3_600, 86_400
ETHER = 10**18
POKES = {f"OracleRouter.poke {symbol}" for symbol in ("WETH", "WBTC", "USDC", "DAI")}
"""Of the standard world."""

Interference = Callable[[str, tuple[Any, ...]], None]
"""Called before a request reaches the node, with its method and parameters."""


class Mining:
    """The node, which mines what it is sent at once; `before` does what else happens just then."""

    def __init__(self, world: World, before: Interference | None) -> None:
        self._world, self._before = world, before

    def call(self, method: str, *params: Any) -> Any:
        if self._before is not None:
            self._before(method, params)
        answer = self._world.node.rpc.call(method, *params)
        if method == "eth_sendRawTransaction":
            self._world.warp(0)
        return answer


@dataclass
class Housekeeper:
    """Who runs the passes, with a key of his own."""

    world: World
    folder: Path
    signer: KeySigner
    said: str = ""
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def on(cls, world: World, folder: Path) -> Housekeeper:
        contracts = {
            "Vault": world.vault,
            "Lens": world.lens,
            "RiskConfigurator": world.configurator,
            "PauseGuardian": world.pauser,
        }
        record = {
            "format": FORMAT,
            "chainId": 31337,
            "contracts": [
                {"contract": name, "address": place.address, "block": 0} for name, place in contracts.items()
            ],
            "assets": {asset.symbol: {"token": asset.token.address} for asset in world.assets},
        }
        write_record(record, folder / "local.json")
        signer = KeySigner("housekeeper")
        world.node.rpc.call("anvil_setBalance", signer.address, hex(ETHER))
        return cls(world, folder, signer)

    @property
    def sent(self) -> int:
        """Transactions that were mined."""
        return int(self.world.node.rpc.call("eth_getTransactionCount", self.signer.address, "latest"), 16)

    def run(self, *, is_dry: bool = False, before: Interference | None = None, **options: Any) -> dict[str, str]:
        """One pass; what it did, by chore and subject, of those that were due."""
        console = Console(file=io.StringIO(), width=300)
        config = load_config(ROOT / "config/local.yaml")
        session = Session(config, Mining(self.world, before), "", self.world.node.artifacts, self.folder, console)
        try:
            signer = None if is_dry else self.signer
            self.rows = list(run_upkeep(session, self.signer.address, signer, patience=HASTE, **options))
        finally:
            self.said = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
        return {self.title(row): row.done for row in self.rows if row.is_due}

    @staticmethod
    def title(row: Row) -> str:
        """`OracleRouter.poke WETH`; of an adapter by its asset alone."""
        return f"{row.chore.name} {row.chore.subject.split(' 0x')[0]}"

    def why(self, title: str) -> str:
        """What the last pass said of a chore, whether it is due: `not due: not before …`."""
        found = [row.judgement for row in self.rows if self.title(row) == title]
        assert len(found) == 1, f"{len(found)} of {title} among {[self.title(row) for row in self.rows]}"
        return f"{found[0].state.value}: {found[0].why}"


def fresh(housekeeper: Housekeeper) -> Housekeeper:
    """The same with a record that knows what was listed since."""
    return Housekeeper.on(housekeeper.world, housekeeper.folder)
