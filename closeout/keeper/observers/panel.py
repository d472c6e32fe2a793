"""The live table: who is nearest to liquidation, prices and their age, what was done, what is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from closeout.keeper.breaker import Spending, Trip
from closeout.keeper.observers.naming import AssetName, account_text, usd_text
from closeout.keeper.ports import PriceStatus
from closeout.keeper.sender import Happened, What
from closeout.keeper.service import Failure, Step
from closeout.units import WAD, WAD_DECIMALS, format_units

__all__ = ["Panel"]

MOST_ACCOUNTS = 10
MOST_DONE = 10
MOST_TROUBLES = 5
HEALTH_DECIMALS = 4
GWEI = 10**9
QUIET = (What.RESENT, What.HELD_BACK, What.TOO_DEAR, What.WOULD_REVERT)
GOOD = {What.SUCCEEDED: "green", What.WOULD_EARN: "green", What.FAILED: "red", What.FOREIGN: "red"}


class Panel:
    """An observer and a context manager. Without a terminal: one line per thing that happened."""

    def __init__(
        self,
        console: Console,
        title: str,
        assets: Sequence[AssetName],
        trip: Callable[[], Trip | None] = lambda: None,
        spent: Callable[[], Spending] = lambda: Spending(0, 0),
    ) -> None:
        self._console, self._title, self._assets = console, title, assets
        self._trip, self._spent = trip, spent
        self._done: deque[tuple[str, Happened]] = deque(maxlen=MOST_DONE)
        self._troubles: deque[tuple[str, str]] = deque(maxlen=MOST_TROUBLES)
        self._profit_wad = 0
        self._counts: dict[What, int] = {}
        self._step: Step | None = None
        self._live = Live(console=console, auto_refresh=False, screen=False) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        self._console.print(self._summary(), highlight=False)

    # -------------------------------------------------------------------------------------------------------- observer

    def on_step(self, step: Step) -> None:
        is_first = self._step is None
        self._step = step
        when = datetime.fromtimestamp(step.block.timestamp, UTC).strftime("%H:%M:%S")
        if is_first and self._live is None:
            self._say(f"{when} block {step.block.number}: watching {step.decision.workload.accounts} accounts")
        for item in step.happened:
            self._counts[item.what] = self._counts.get(item.what, 0) + 1
            if item.what in (What.SUCCEEDED, What.FAILED, What.USED_UP, What.WOULD_EARN):
                self._profit_wad += item.net_wad
            if item.what not in QUIET:
                self._done.appendleft((when, item))
                if self._live is None:
                    self._say(f"{when} block {step.block.number}: {_line(item)}")
        for asset_id, units in step.decision.bad_debt.items():
            asset = self._assets[asset_id]
            self._trouble(when, f"bad debt: {format_units(units, asset.decimals)} {asset.symbol}")
        if self._live is not None:
            self._live.update(self.render(), refresh=True)

    def on_failure(self, failure: Failure) -> None:
        when = datetime.now(UTC).strftime("%H:%M:%S")
        if failure.in_a_row == 1:
            self._trouble(when, f"{failure.kind.value}: {failure.text}")
        if self._live is not None and self._step is not None:
            self._live.update(self.render(), refresh=True)

    def on_silence(self, seconds: float) -> None:
        """The age of the block in the heading says it."""
        if self._live is not None and self._step is not None:
            self._live.update(self.render(seconds), refresh=True)

    def _trouble(self, when: str, text: str) -> None:
        self._troubles.appendleft((when, text))
        if self._live is None:
            self._say(f"{when} trouble: {text}")

    def _say(self, text: str) -> None:
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    # ---------------------------------------------------------------------------------------------------------- render

    def render(self, silence: float = 0.0) -> RenderableType:
        """The whole picture as it is now; only after a first step."""
        parts: list[RenderableType] = [self._heading(silence), self._accounts(), self._prices()]
        if self._done:
            parts.append(self._last())
        if self._troubles:
            parts.append(self._trouble_table())
        return Group(*parts)

    def _heading(self, silence: float) -> RenderableType:
        step = self._step
        if step is None:
            return Text(f"{self._title}: waiting for a first block")
        work = step.decision.workload
        age = f"{max(step.age, silence):.0f} s old"
        milliseconds, fee = f"{step.seconds * 1000:,.0f} ms", f"{step.block.base_fee / GWEI:,.2f} gwei"
        line = (
            f"[bold]{escape(self._title)}[/]  block {step.block.number:,}, {age}, worked on in {milliseconds}"
            f"  base fee {fee}  {work.accounts:,} accounts, {len(step.decision.candidates)} due"
        )
        spent, trip = self._spent(), self._trip()
        money = (
            f"profit [bold]{usd_text(self._profit_wad, is_signed=True)}[/] since the start"
            f"  last hour: gas {spent.gas / WAD:,.4f} ether, losses {usd_text(spent.loss_wad)}"
        )
        if trip is not None:
            money += f"  [bold red]nothing is sent: {trip.value}[/]"
        return Text.from_markup(line + "\n" + money)

    def _accounts(self) -> RenderableType:
        table = Table("account", title="nearest to liquidation", title_justify="left", expand=False)
        for heading in ("health", "distance", "collateral", "debt"):
            table.add_column(heading, justify="right")
        assert self._step is not None  # noqa: S101 - rendered after a step only
        for line in self._step.nearest[:MOST_ACCOUNTS]:
            health = _health(line.health_factor_wad)
            distance = (line.health_factor_wad - WAD) * 10_000 // WAD
            style = "red" if distance < 0 else "yellow" if distance < 500 else None
            table.add_row(
                account_text(line.account), health, f"{distance / 100:+.2f} %",
                usd_text(line.collateral_value_wad), usd_text(line.debt_value_wad), style=style,
            )  # fmt: skip
        return table

    def _prices(self) -> RenderableType:
        table = Table("asset", title="prices", title_justify="left", expand=False)
        for heading in ("USD", "age"):
            table.add_column(heading, justify="right")
        table.add_column("status")
        assert self._step is not None  # noqa: S101 - rendered after a step only
        for asset, price in zip(self._assets, self._step.decision.prices, strict=False):
            style = {PriceStatus.FRESH: None, PriceStatus.DEGRADED: "yellow", PriceStatus.MISSING: "red"}[price.status]
            is_there = price.status is not PriceStatus.MISSING
            table.add_row(
                asset.symbol, format_units(price.exchange_wad, WAD_DECIMALS) if is_there else "–",
                f"{self._step.block.timestamp - price.time} s", price.status.name.lower(), style=style,
            )  # fmt: skip
        return table

    def _last(self) -> RenderableType:
        table = Table("time", "what", "account", title="last done", title_justify="left", expand=False)
        for heading in ("net", "gas"):
            table.add_column(heading, justify="right")
        table.add_column("detail", overflow="ellipsis", no_wrap=True, max_width=40)
        for when, item in self._done:
            is_settled = bool(item.gas or item.net_wad)
            table.add_row(
                when, f"{item.key[0]}: {item.what.value}", _subject(item),
                usd_text(item.net_wad, is_signed=True) if is_settled else "",
                f"{item.gas / WAD:.5f}" if item.gas else "", escape(item.detail), style=GOOD.get(item.what),
            )  # fmt: skip
        return table

    def _trouble_table(self) -> RenderableType:
        table = Table("time", "what is wrong", title="troubles", title_justify="left", expand=False, style="red")
        for when, text in self._troubles:
            table.add_row(when, escape(text))
        return table

    def _summary(self) -> str:
        counts = ", ".join(f"{self._counts[what]} {what.value}" for what in What if what in self._counts)
        profit = usd_text(self._profit_wad, is_signed=True)
        return escape(f"{self._title}: {counts or 'nothing was done'}; profit {profit}")


def _health(health_factor_wad: int) -> str:
    """Rounded down: what is below 1 never reads as 1."""
    scaled = health_factor_wad * 10**HEALTH_DECIMALS // WAD
    return f"{scaled // 10**HEALTH_DECIMALS:,}.{scaled % 10**HEALTH_DECIMALS:0{HEALTH_DECIMALS}d}"


def _subject(item: Happened) -> str:
    return account_text(item.key[1]) if item.key[0] in ("close out", "margin call", "write off") else ""


def _line(item: Happened) -> str:
    text = f"{item.key[0]} {_subject(item)} {item.what.value}".replace("  ", " ")
    if item.gas or item.net_wad:
        text += f", net {usd_text(item.net_wad, is_signed=True)}"
    if item.gas:
        text += f", gas {item.gas / WAD:.6f} ether"
    return text + (f" ({item.detail})" if item.detail else "")
