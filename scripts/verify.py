"""ape run verify --network ethereum:sepolia:RPC --config config/sepolia.yaml: is the chain what file and record say?

Reads everything (code, parameters, roles and delays, wiring, ownership) and changes nothing. For a cron job.

Exit status: 0 no drift, 1 drift (with a table of it), 2 bad input, 3 the node fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

from closeout.chain.commands import config_options, session_of
from closeout.deployment.command import run_verify
from closeout.terminal import one_line_errors


@click.command(cls=ConnectedProviderCommand, short_help="Compare a deployment with its file")
@config_options
def cli(file: Path, deployments: Path, provider: Any) -> None:
    """Compare the chain with the network file and the record of its deployment."""
    with one_line_errors("interrupted"):
        run_verify(session_of(file, deployments, provider))
