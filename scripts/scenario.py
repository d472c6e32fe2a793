"""ape run scenario FILE: plays a scenario on a fresh chain, or on the reference model, and tells what happened.

Exit status: 0 played, 2 bad input (nothing was started), 130 interrupted (what was started has been ended), else as in
closeout/errors.py. Every failure is one line.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from closeout.errors import CloseoutError, NotSupportedYet
from closeout.scenario.command import run_scenario
from closeout.scenario.engine import Engine
from closeout.scenario.model_engine import ModelEngine

LOCAL_NETWORKS = ("ethereum:local:foundry", "ethereum:local", "::foundry", "local")
INTERRUPTED = 130
TERMINATED = 143
# Tables need room; where the width is not a terminal's, it is ours to choose.
WIDTH_WITHOUT_TERMINAL = 160


def chain_engine(network: str, port: int) -> Engine:
    """The engine on a fresh Anvil chain. Raises NotSupportedYet for another network."""
    if network not in LOCAL_NETWORKS:
        raise NotSupportedYet("--network", network)
    from closeout.chain.engine import ChainEngine  # starts no chain, but loads what one needs

    return ChainEngine(port=port, log=sys.stderr)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(TERMINATED)


@click.command(short_help="Play a scenario file")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Result as JSON.  [default: build/FILE.json]")
@click.option("--report", type=click.Path(path_type=Path), help="Report as one HTML page.  [default: build/FILE.html]")
@click.option("--engine", type=click.Choice(["chain", "model"]), default="chain", show_default=True)
@click.option("--prices", type=click.Path(path_type=Path), help="Price history to play instead of price_path.file.")
@click.option("--network", default=LOCAL_NETWORKS[0], show_default=True, help="Where engine chain plays.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Anvil's port; 0 takes a free one.")
def cli(
    file: Path, out: Path | None, report: Path | None, engine: str, prices: Path | None, network: str, port: int
) -> None:
    """Play the scenario in FILE, print what happened, write it as JSON and as an HTML report."""
    output, progress = Console(), Console(stderr=True)
    for console in (output, progress):
        if not console.is_terminal:
            console.width = WIDTH_WITHOUT_TERMINAL
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Ape's own exits without a word
    try:
        run_scenario(
            file,
            lambda: ModelEngine() if engine == "model" else chain_engine(network, port),
            output,
            prices=prices,
            out=out or Path("build") / f"{file.stem}.json",
            report=report or Path("build") / f"{file.stem}.html",
            progress=progress,
        )
    except CloseoutError as error:
        click.echo(str(error), err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        click.echo("interrupted; nothing is left running", err=True)
        raise SystemExit(INTERRUPTED) from None
