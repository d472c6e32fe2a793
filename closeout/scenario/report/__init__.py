"""A result as one HTML page that needs nothing else: no network, no library, no font."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from ..result import ScenarioResult
from .sections import account_cards, close_out_table, costs, figures, gains, parameters, refusals, subtitle
from .series import report_data

__all__ = ["render_report", "write_report"]


def write_report(result: ScenarioResult, file: Path) -> None:
    """Writes the page."""
    file.write_text(render_report(result), encoding="utf-8")


def render_report(result: ScenarioResult) -> str:
    """The page, as text."""
    data = json.dumps(report_data(result), separators=(",", ":"), ensure_ascii=False)
    return Template(_part("page.html")).substitute(
        title=escape(result.scenario.name),
        style=_part("page.css"),
        script=_part("page.js"),
        # Nothing that ends a script element or starts a comment survives in the data.
        data=data.replace("<", "\\u003c"),
        subtitle=subtitle(result),
        figures=figures(result),
        cards=account_cards(result),
        close_outs=close_out_table(result),
        gains=gains(result),
        costs=costs(result),
        refusals=refusals(result),
        parameters=parameters(result),
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
