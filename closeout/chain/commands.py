"""The options that the commands on a network share, and what they are turned into. Here Ape's command line is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from closeout.chain.ape import ApeSigner, account_named, node_of
from closeout.deployment.session import Session, open_session
from closeout.terminal import console

__all__ = ["account_option", "config_options", "dry_run_option", "session_of", "signer_of", "yes_option"]

F = TypeVar("F", bound=Callable[..., Any])


def config_options(command: F) -> F:
    """--config FILE and --deployments FOLDER."""
    file = click.option("--config", "file", type=click.Path(path_type=Path), required=True, help="The network file.")
    folder = click.option(
        "--deployments",
        type=click.Path(path_type=Path),
        default=Path("deployments"),
        show_default=True,
        help="Where records are.",
    )
    return file(folder(command))


def account_option(command: F) -> F:
    """--account ALIAS."""
    return click.option(
        "--account", required=True, help="Ape account; APE_ACCOUNTS_<ALIAS>_PASSPHRASE is its passphrase on a server."
    )(command)


def yes_option(command: F) -> F:
    """--yes."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def dry_run_option(command: F) -> F:
    """--dry-run."""
    return click.option("--dry-run", is_flag=True, help="On a fork of the network only; needs no key.")(command)


def session_of(file: Path, folder: Path, provider: Any) -> Session:
    """The session on the network that --network connected to. Raises CloseoutError."""
    node = node_of(provider)
    network = f"{provider.network.ecosystem.name}:{provider.network.name}"
    return open_session(file, network, node, node.urls[0], folder, console())


def signer_of(alias: str, provider: Any) -> ApeSigner:
    """The account as a signer. Raises BadInput where there is none of that alias."""
    return ApeSigner(account_named(alias), provider)
