"""ape run deploy --network ethereum:sepolia:RPC --account ALIAS --config config/sepolia.yaml

Deploys what the file says: checks it whole, holds it against the chain, rehearses on a fork, says what it will do and
cost, asks once, deploys, writes deployments/NAME.json. After a crash the same command goes on where it stopped;
nothing is deployed twice.

Exit status: 0 deployed, 1 declined or a transaction failed, 2 bad input (nothing was sent), 3 the node or a tool
fails.
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
from closeout.chain.explorer import EtherscanExplorer, has_key, publish_all
from closeout.deployment.command import run_deploy
from closeout.terminal import one_line_errors


@click.command(cls=ConnectedProviderCommand, short_help="Deploy the protocol to a network")
@config_options
@account_option
@dry_run_option
@yes_option
def cli(file: Path, deployments: Path, account: str, dry_run: bool, yes: bool, provider: Any) -> None:
    """Deploy what the network file says, or go on with it."""
    with one_line_errors("interrupted; the same command goes on from here"):
        session = session_of(file, deployments, provider)
        signer = signer_of(account, provider)
        publish = None
        if has_key() and not dry_run and not provider.network.is_local:
            explorer = EtherscanExplorer.of(provider)
            publish = lambda record: publish_all(explorer, record, session.artifacts)  # noqa: E731
        run_deploy(
            session,
            signer,
            dry_run=dry_run,
            ask=lambda question: yes or click.confirm(question),
            publish=publish,
            unlock=signer.unlock,
        )
