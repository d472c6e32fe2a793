"""What the four commands share: the file, the network it is about, the compiled contracts, the folder of records."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from closeout.config.loading import NetworkConfig, load_config
from closeout.errors import BadInput
from closeout.toolchain.artifacts import Artifact, load

from .effects import Reader
from .ports import Rpc
from .protocol import SOURCES, Blueprint, draw_blueprint
from .record import load_record

__all__ = ["Session", "open_session"]

FORK_SUFFIX = "-fork"


@dataclass(frozen=True)
class Session:
    """One command's run. `uri` is where a fork can be made from."""

    config: NetworkConfig
    rpc: Rpc
    uri: str
    artifacts: Mapping[str, Artifact]
    folder: Path
    console: Console
    is_fork: bool = False

    @property
    def record_file(self) -> Path:
        """A fork's record is never mistaken for the network's."""
        return self.folder / f"{self.config.name}{FORK_SUFFIX if self.is_fork else ''}.json"

    def journal_file(self, command: str) -> Path:
        """What one of the commands that send signed and saw."""
        return self.folder / ".journal" / f"{self.record_file.stem}-{command}.jsonl"

    @property
    def reader(self) -> Reader:
        return Reader(self.rpc, self.artifacts)

    def record(self) -> dict[str, Any]:
        """What was deployed. Raises BadInput where there is no record."""
        record = load_record(self.record_file)
        if record["chainId"] != self.config.content.network.chain_id:
            raise BadInput(f"{self.record_file}: chainId", record["chainId"], "the chain id of the network file")
        return record

    def deployed(self, record: Mapping[str, Any]) -> Blueprint:
        """The blueprint of what was deployed, by this file and code, for the deployer of the record."""
        return draw_blueprint(self.config, str(record["deployer"]), self.artifacts)


def open_session(file: Path, network: str, rpc: Rpc, uri: str, folder: Path, console: Console) -> Session:
    """Reads and checks the file, holds it against the network that was named, compiles what is needed.

    Raises CloseoutError.
    """
    config = load_config(file)
    wanted = config.content.network.ape
    if network not in (wanted, wanted + FORK_SUFFIX):
        raise BadInput("--network", network, f"{wanted}, which {file} is about (or a fork of it)")
    artifacts = load(only=SOURCES, log=sys.stderr)
    return Session(config, rpc, uri, artifacts, folder, console, network.endswith(FORK_SUFFIX))
