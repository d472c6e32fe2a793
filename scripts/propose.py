"""ape run propose config/sepolia.yaml --network ethereum:sepolia:RPC

The difference between chain and file, as governance calls: prints each change in words and as calldata, and writes two
batches for Safe's transaction builder, one that schedules, and one that executes after the delay. Sends nothing.

Exit status: 0 written, or nothing to propose; 2 bad input, or a change that no proposal can make; 3 the node fails.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

from closeout.chain.commands import session_of
from closeout.deployment.command import run_propose
from closeout.terminal import one_line_errors


@click.command(cls=ConnectedProviderCommand, short_help="Turn a changed file into governance calls")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--deployments", type=click.Path(path_type=Path), default=Path("deployments"), show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("proposals"), show_default=True)
def cli(file: Path, deployments: Path, out: Path, provider: Any) -> None:
    """Propose what makes the chain as FILE says."""
    with one_line_errors("interrupted"):
        run_propose(session_of(file, deployments, provider), out, int(time.time()))
