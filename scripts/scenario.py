"""ape run scenario FILE: plays a scenario on a fresh chain, or on the reference model, and tells what happened.

Exit status: 0 played, 2 bad input (nothing was started), 130 interrupted (what was started has been ended), else as in
closeout/errors.py. Every failure is one line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from closeout.errors import NotSupportedYet
from closeout.scenario.command import run_scenario
from closeout.scenario.engine import Engine
from closeout.scenario.model_engine import ModelEngine
from closeout.terminal import console, one_line_errors

LOCAL_NETWORKS = ("ethereum:local:foundry", "ethereum:local", "::foundry", "local")


def chain_engine(network: str, port: int) -> Engine:
    """The engine on a fresh Anvil chain. Raises NotSupportedYet for another network."""
    if network not in LOCAL_NETWORKS:
        raise NotSupportedYet("--network", network)
    from closeout.chain.engine import ChainEngine  # starts no chain, but loads what one needs

    return ChainEngine(port=port, log=sys.stderr)


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
    with one_line_errors("interrupted; nothing is left running"):
        run_scenario(
            file,
            lambda: ModelEngine() if engine == "model" else chain_engine(network, port),
            console(),
            prices=prices,
            out=out or Path("build") / f"{file.stem}.json",
            report=report or Path("build") / f"{file.stem}.html",
            progress=console(stderr=True),
        )
