"""ape run upkeep --network ethereum:sepolia:RPC --account ALIAS --config config/sepolia.yaml

What anybody may do and somebody has to: one pass over pokes of oracles, pauses that are over, price sources and, with
--accounts, notes of losses. Looks what is due now, sends that, waits for it. For a cron job with a key of its own.

Exit status: 0 done, also where somebody else was first; 2 bad input, 3 the node or a tool fails, 4 something is due and
gas costs more than --most-gwei.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand

from closeout.chain.commands import config_options, session_of, signer_of
from closeout.chain.keeping import NOBODY
from closeout.errors import BadInput
from closeout.terminal import one_line_errors
from closeout.toolchain.artifacts import load
from closeout.units import parse_units
from closeout.upkeep.chores import SOURCES
from closeout.upkeep.command import run_upkeep

GWEI_DECIMALS = 9


@click.command(cls=ConnectedProviderCommand, short_help="Do what is due for a deployment and open to anybody")
@config_options
@click.option("--account", help="Ape account; APE_ACCOUNTS_<ALIAS>_PASSPHRASE is its passphrase on a server.")
@click.option("--dry-run", is_flag=True, help="Say what is due, send nothing; needs no key.")
@click.option("--most-gwei", help="Send nothing while gas costs more than this.")
@click.option("--accounts", is_flag=True, help="Losses of insolvent accounts too: reads the Vault's logs, once all.")
def cli(
    file: Path, deployments: Path, account: str | None, dry_run: bool, most_gwei: str | None, accounts: bool,
    provider: Any,
) -> None:  # fmt: skip
    """Poke, lift, synchronise and note what is due."""
    with one_line_errors("interrupted; the next pass goes on from here"):
        most = parse_units(most_gwei, GWEI_DECIMALS, "--most-gwei") if most_gwei is not None else None
        if account is None and not dry_run:
            raise BadInput("--account", "nothing", "an account that `ape accounts list` shows, or --dry-run")
        signer = signer_of(account, provider) if account is not None else None
        session = session_of(file, deployments, provider)
        session = replace(session, artifacts={**load(only=SOURCES, log=sys.stderr), **session.artifacts})
        run_upkeep(
            session,
            signer.address if signer is not None else NOBODY,
            None if dry_run else signer,
            with_accounts=accounts,
            most_gas_price=most,
            unlock=signer.unlock if signer is not None else lambda: None,
        )
