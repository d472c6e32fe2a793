"""The commands of a deployment, run in this process, with what they print kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from closeout.config import NetworkConfig, NetworkFile
from closeout.deployment.command import run_deploy, run_handover, run_propose, run_verify
from closeout.deployment.drift import Verification
from closeout.deployment.ports import Rpc
from closeout.deployment.proposal import Proposal
from closeout.deployment.session import Session
from tests.support.networks import HASTE, KeySigner, Testnet

__all__ = ["Deployer", "changed", "execute", "schedule"]


@dataclass
class Deployer:
    """Who runs the commands. `rpc` stands between him and the node where a test puts something there."""

    network: Testnet
    config: NetworkConfig
    signer: KeySigner
    folder: Path
    rpc: Rpc | None = None
    said: str = ""

    def address(self, contract: str) -> str:
        """Where the record says that a contract is."""
        return next(item["address"] for item in self.session.record()["contracts"] if item["contract"] == contract)

    @property
    def session(self) -> Session:
        self._console = Console(file=io.StringIO(), width=300)
        return Session(
            self.config,
            self.rpc or self.network.rpc,
            self.network.anvil.uri,
            self.network.artifacts,
            self.folder,
            self._console,
        )

    def deploy(self, **options: Any) -> dict[str, Any] | None:
        return self._run(lambda: run_deploy(self.session, self.signer, **self._options(options)))

    def verify(self) -> Verification:
        return self._run(lambda: run_verify(self.session))

    def propose(self, config: NetworkConfig) -> Proposal:
        changed = replace(self, config=config)
        proposal = changed._run(lambda: run_propose(changed.session, self.folder / "proposals", 1_800_000_000))
        self.said = changed.said
        return proposal

    def handover(self, **options: Any) -> dict[str, Any] | None:
        return self._run(lambda: run_handover(self.session, self.signer, **self._options(options)))

    @staticmethod
    def _options(options: dict[str, Any]) -> dict[str, Any]:
        return {"dry_run": False, "ask": lambda _: True, "patience": HASTE} | options

    def _run(self, command: Callable[[], Any]) -> Any:
        try:
            return command()
        finally:
            self.said = self._console.file.getvalue()  # type: ignore[attr-defined]


def changed(config: NetworkConfig, **sections: Any) -> NetworkConfig:
    """The file with other values: `protocol={"fee_share": ...}`, `assets={"WETH": {"ramp": ...}}`."""

    def update(model: Any, changes: dict[str, Any]) -> Any:
        values = {}
        for key, value in changes.items():
            old = getattr(model, key)
            if isinstance(value, dict) and isinstance(old, dict):
                values[key] = old | {name: update(old[name], inner) for name, inner in value.items()}
            elif isinstance(value, dict):
                values[key] = update(old, value)
            else:
                values[key] = value
        return model.model_copy(update=values)

    content: NetworkFile = update(config.content, sections)
    return replace(config, content=content, digest="sha256:" + "0" * 64)


def schedule(network: Testnet, proposal: Proposal) -> None:
    """All changes, as the governor."""
    for data in proposal.schedules:
        assert network.send(proposal.governor, proposal.authority, data)["status"] == "0x1"


def execute(network: Testnet, proposal: Proposal) -> list[str]:
    """Status of each execution."""
    return [network.send(proposal.governor, proposal.authority, data)["status"] for data in proposal.executes]
