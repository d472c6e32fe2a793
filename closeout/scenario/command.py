"""A whole run, as a person asks for it: read, play, show, write. Without a terminal's own affairs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from closeout.errors import BadInput

from .engine import Engine
from .loading import load_scenario
from .player import play
from .report import write_report
from .result import ScenarioResult, write_json
from .table import print_result, progress_bar

__all__ = ["run_scenario"]


def run_scenario(
    file: Path,
    make_engine: Callable[[], Engine],
    output: Console,
    *,
    prices: Path | None = None,
    out: Path | None = None,
    report: Path | None = None,
    progress: Console | None = None,
) -> ScenarioResult:
    """Plays `file` on the engine that `make_engine` makes, and writes what is asked for.

    Everything is read and checked, the places to write to included, before the engine is made. The engine is left
    whatever happens. Raises CloseoutError.
    """
    scenario = load_scenario(file, prices)
    for name, place in (("--out", out), ("--report", report)):
        if place is not None:
            _prepare(name, place)
    with make_engine() as engine, progress_bar(progress or output) as hook:
        result = play(scenario, engine, hook)
    print_result(result, output)
    if out is not None:
        write_json(result, out)
        output.print(f"result: {out}", highlight=False, soft_wrap=True)
    if report is not None:
        write_report(result, report)
        output.print(f"report: {report}", highlight=False, soft_wrap=True)
    return result


def _prepare(option: str, place: Path) -> None:
    """Makes the folder; refuses a place that cannot be written to before an hour's run ends there."""
    if place.is_dir():
        raise BadInput(option, str(place), "a file, not a folder")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(option, str(place), f"a file in a folder that can be made ({error.strerror})") from None
    if not os.access(place if place.exists() else place.parent, os.W_OK):
        raise BadInput(option, str(place), "a file that can be written")
