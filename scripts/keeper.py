"""ape run keeper: closes out what can be closed out at a profit, and shows what it does.

    ape run keeper --network ethereum:sepolia:node --paper           no key: what it would have earned
    ape run keeper --network ethereum:sepolia:node --account NAME    an account that Ape keeps
    python scripts/keeper.py --settings FILE                         without Ape: the node of the settings, the key in
                                                                     KEEPER_PRIVATE_KEY

Exit status: 0 stopped by a signal, 2 bad input (nothing was started), 3 the machine, node or database; else as in
closeout/errors.py. Every failure is one line.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click

from closeout.chain.keeping import Share, run_keeper
from closeout.chain.signing import AccountSigner, KeySigner
from closeout.errors import BadInput, CloseoutError
from closeout.keeper.sending import Signer
from closeout.keeper.settings import KeeperSettings, load_settings
from closeout.terminal import console

KEY = "KEEPER_PRIVATE_KEY"


def settings_file(network: str | None) -> Path:
    """`ethereum:sepolia:node` is config/keeper/sepolia.yaml, `base:sepolia` config/keeper/base-sepolia.yaml."""
    if network is None:
        raise BadInput("--settings", None, "a settings file, or --network to take the one of that name")
    ecosystem, _, rest = network.partition(":")
    name = rest.split(":")[0] or "local"
    return Path("config/keeper") / (f"{name}.yaml" if ecosystem in ("", "ethereum") else f"{ecosystem}-{name}.yaml")


@contextlib.contextmanager
def on_network(network: str, settings: KeeperSettings) -> Iterator[tuple[KeeperSettings, Any]]:
    """The settings with the node that Ape has for a network in front of their own, and Ape's provider."""
    from ape import networks  # half of the start, and only where it is asked for

    from closeout.chain.ape import node_of

    try:
        choice = networks.parse_network_choice(network)
        provider = choice.__enter__()
    except Exception as error:
        raise BadInput("--network", network, f"a network that Ape can connect to ({error})") from None
    try:
        urls = node_of(provider).urls
        node = settings.node.model_copy(
            update={
                "urls": [*urls, *(url for url in settings.node.urls if url not in urls)],
                "ws": settings.node.ws or getattr(provider, "ws_uri", None),
            }
        )
        yield settings.model_copy(update={"node": node}), provider
    finally:
        choice.__exit__(None, None, None)


def ape_signer(alias: str, provider: Any, chain_id: int) -> Signer:
    """An account that Ape keeps, unlocked now rather than at the first transaction."""
    from closeout.chain.ape import ApeSigner, account_named

    account = ApeSigner(account_named(alias), provider)
    account.unlock()
    return AccountSigner(account, chain_id)


def key_signer(chain_id: int) -> Signer:
    key = os.environ.get(KEY, "")
    if not key:
        raise BadInput(KEY, "nothing", "a private key in the environment, or --account NAME, or --paper")
    return KeySigner(key, chain_id)


def run(
    network: str | None, file: Path | None, account: str | None, paper: bool, log: Path | None, share: Share,
    stop: threading.Event,
) -> None:  # fmt: skip
    """Raises CloseoutError."""
    if not 0 <= share.worker < share.workers:
        raise BadInput("--worker", share.worker, f"0 to {share.workers - 1}")
    settings = load_settings(file or settings_file(network))
    with contextlib.ExitStack() as stack:
        provider = None
        if network is not None:
            settings, provider = stack.enter_context(on_network(network, settings))
        signer: Signer | None = None
        if not paper and account is not None:
            if provider is None:
                raise BadInput("--account", account, "--network beside it: Ape signs for a network")
            signer = ape_signer(account, provider, settings.chain_id)
        elif not paper:
            signer = key_signer(settings.chain_id)
        stream: TextIO | None = None
        if log is not None:
            try:
                stream = stack.enter_context(log.open("a", encoding="utf-8"))
            except OSError as error:
                raise BadInput("--log", str(log), f"a file that can be written ({error.strerror})") from None
        run_keeper(settings, signer, console(), stop, stream, share)


@click.command(short_help="Close out what can be closed out at a profit")
@click.option("--network", help="Ape's ecosystem:network:provider; its node goes before those of the settings.")
@click.option("--settings", type=click.Path(path_type=Path), help="[default: config/keeper/NETWORK.yaml]")
@click.option("--account", help="The alias of an account that Ape keeps.")
@click.option("--paper", is_flag=True, help="No key, nothing is sent: say what would have been earned.")
@click.option("--log", type=click.Path(path_type=Path), help="Structured logs, one JSON object a line, appended.")
@click.option("--worker", type=int, default=0, show_default=True, help="Which share of the accounts is ours, from 0.")
@click.option("--workers", type=int, default=1, show_default=True, help="Into how many shares they are divided.")
def cli(
    network: str | None, settings: Path | None, account: str | None, paper: bool, log: Path | None, worker: int,
    workers: int,
) -> None:  # fmt: skip
    """Watch every account of a Vault and close out what can be closed out at a profit."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        run(network, settings, account, paper, log, Share(worker, workers), stop)
    except CloseoutError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    cli()
