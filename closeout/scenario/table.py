"""What happened, on a terminal: progress while it runs, tables when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .accounting import account_costs, parties
from .display import Clock, amounts_text, health_text, money_text, percent_text
from .engine import AccountState
from .player import Progress as ProgressHook
from .result import ScenarioResult, StepRecord, token_value

__all__ = ["print_result", "progress_bar"]

_MOST_CLOSE_OUTS = 60
# Columns of a terminal from which on the table of accounts shows balances as well.
_WIDE = 140
_REGIME_STYLES = {"restorative": "green", "capped": "yellow", "terminal": "red"}
_LINES_WITHOUT_TERMINAL = 10


@contextmanager
def progress_bar(console: Console) -> Iterator[ProgressHook]:
    """A hook for the player: a bar on a terminal, ten lines in all where there is none."""
    if not console.is_terminal:
        yield _lines(console)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[close_outs]} close-outs"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("opening the accounts", total=None, close_outs=0)
        close_outs = 0

        def advance(done: int, total: int, step: StepRecord) -> None:
            nonlocal close_outs
            close_outs += len(step.close_outs)
            what = "replaying prices" if step.kind == "price_path" else "playing steps"
            progress.update(task, completed=done, total=total, description=what, close_outs=close_outs)

        yield advance


def _lines(console: Console) -> ProgressHook:
    close_outs = 0

    def advance(done: int, total: int, step: StepRecord) -> None:
        nonlocal close_outs
        close_outs += len(step.close_outs)
        if done == total or done * _LINES_WITHOUT_TERMINAL // total > (done - 1) * _LINES_WITHOUT_TERMINAL // total:
            console.print(f"{done:>6} of {total} steps, {close_outs} close-outs", highlight=False)

    return advance


def print_result(result: ScenarioResult, console: Console) -> None:
    """The accounts, the close-outs, the steps that were refused, and who gained and lost."""
    console.print()
    console.print(_accounts(result, is_wide=console.width >= _WIDE))
    if any(step.close_outs for step in result.steps):
        console.print(_close_outs(result))
        console.print(_parties(result))
    refused = [step for step in result.steps if step.error]
    if refused:
        console.print(_refused(result, refused))
    console.print(_summary_line(result), highlight=False)


def _accounts(result: ScenarioResult, *, is_wide: bool) -> Table:
    table = Table(title=f"Accounts: {escape(result.scenario.name)}", title_justify="left", title_style="bold")
    table.add_column("account", overflow="fold")
    if is_wide:
        table.add_column("owner", overflow="fold")
    before, after = ("collateral", "debt", "health"), ("collateral after", "debt after", "health after")
    for heading in (*before, "close-outs", *after) if is_wide else ("health", "close-outs", "health after"):
        table.add_column(heading, justify="right")
    for heading in ("penalty paid", "as a whole"):
        table.add_column(heading, justify="right", style="bold")
    last = result.steps[-1] if result.steps else result.opening
    costs = {cost.account: cost for cost in account_costs(result)}
    for name, account in result.scenario.world.accounts.items():
        cost = costs.get(name)
        owner = escape(account.owner) if account.owner != name else ""
        first = 0 if is_wide else 2
        table.add_row(
            escape(name),
            *([owner] if is_wide else []),
            *_state_cells(result, result.opening, name)[first:],
            str(cost.close_outs) if cost else "",
            *_state_cells(result, last, name)[first:],
            money_text(cost.penalty) if cost else "",
            money_text(cost.whole.penalty) if cost else "",
        )
    table.caption = "as a whole: what closing the account entirely at its first close-out would have cost"
    table.caption_justify = "left"
    return table


def _state_cells(result: ScenarioResult, step: StepRecord, name: str) -> tuple[str, str, str]:
    state: AccountState = step.accounts[name]
    assets = result.scenario.world.assets
    return (
        money_text(token_value(state.collateral, step.prices_wad, assets)),
        money_text(token_value(state.debt, step.prices_wad, assets)),
        health_text(state.health_wad),
    )


def _close_outs(result: ScenarioResult) -> Table:
    clock, assets = Clock(result), result.scenario.world.assets
    table = Table(title="Close-outs", title_justify="left", title_style="bold")
    table.add_column("when" + (" (UTC)" if clock.epoch is not None else ""), no_wrap=True)
    table.add_column("account", overflow="fold")
    table.add_column("regime")
    table.add_column("health", justify="right", no_wrap=True)
    for heading in ("repaid", "seized"):
        table.add_column(heading, overflow="fold")
    for heading in ("penalty", "bad debt"):
        table.add_column(heading, justify="right")
    rows = [(step, record) for step in result.steps for record in step.close_outs]
    for step, record in rows[:_MOST_CLOSE_OUTS]:
        bad_debt = token_value(record.bad_debt, step.prices_wad, assets)
        style = _REGIME_STYLES.get(record.regime, "")
        table.add_row(
            clock.text(step.time),
            escape(record.account),
            f"[{style}]{record.regime}[/]" if style else record.regime,
            f"{health_text(record.health_before_wad)} → {health_text(record.health_after_wad)}",
            escape(amounts_text(record.repaid, assets, "\n")),
            escape(amounts_text(record.seized, assets, "\n")),
            percent_text(record.penalty_rate_wad),
            money_text(bad_debt) if bad_debt.amount else "",
        )
    if len(rows) > _MOST_CLOSE_OUTS:
        table.caption = f"and {len(rows) - _MOST_CLOSE_OUTS} more, in the result and in the report"
    return table


def _parties(result: ScenarioResult) -> Table:
    table = Table(title="Gained and lost", title_justify="left", title_style="bold")
    table.add_column("party")
    table.add_column("USD", justify="right")
    outcome = parties(result)
    for party, value in (
        ("borrowers", outcome.borrowers),
        ("liquidators", outcome.liquidators),
        ("insurance fund", outcome.insurance),
        ("treasury", outcome.treasury),
        ("burnt", outcome.burnt),
        ("lenders", outcome.lenders),
    ):
        table.add_row(party, money_text(value, signed=True))
    return table


def _refused(result: ScenarioResult, steps: list[StepRecord]) -> Table:
    clock = Clock(result)
    table = Table(title="Refused", title_justify="left", title_style="bold")
    for heading in ("step", "when", "kind", "error"):
        table.add_column(heading)
    for step in steps:
        table.add_row(str(step.index), clock.text(step.time), step.kind, str(step.error))
    return table


def _summary_line(result: ScenarioResult) -> str:
    summary = result.summary
    return (
        f"{len(result.steps)} steps on engine {result.engine}: {summary.close_outs} close-outs, repaid "
        f"{money_text(summary.repaid)}, seized {money_text(summary.seized)}, penalties {money_text(summary.penalty)}, "
        f"bad debt {money_text(summary.bad_debt)}"
    )
