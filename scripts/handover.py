"""ape run handover --network ethereum:sepolia:RPC --account ALIAS --config config/sepolia.yaml

Everything to the governor, for good, in one transaction: he gets his roles behind their delays, the deployer
renounces all of his. Then the proof: every role is read, and the deployer holds none. Refused while the chain is not
what the file says.

Exit status: 0 handed over, 1 declined, drift or a right that was left, 2 bad input, 3 the node or a tool fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

from closeout.chain.commands import (
    account_option,
    config_options,
    dry_run_option,
    session_of,
    signer_of,
    yes_option,
)
from closeout.deployment.command import run_handover
from closeout.terminal import one_line_errors


@click.command(cls=ConnectedProviderCommand, short_help="Give everything to the governor")
@config_options
@account_option
@dry_run_option
@yes_option
def cli(file: Path, deployments: Path, account: str, dry_run: bool, yes: bool, provider: Any) -> None:
    """Hand the deployment over to its governor and prove that the deployer holds nothing."""
    with one_line_errors("interrupted; the same command goes on from here"):
        session = session_of(file, deployments, provider)
        signer = signer_of(account, provider)
        run_handover(
            session,
            signer,
            dry_run=dry_run,
            ask=lambda question: yes or click.confirm(question),
            unlock=signer.unlock,
        )
