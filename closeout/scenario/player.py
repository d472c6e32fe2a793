"""Plays a scenario on an engine: what happens when, and what is written down.

Time. The clock stands at 0 after the opening. `wait: n` moves it by n. Every other step is one block, one second after
the step before it. The first row of a price path comes one second after the last step; the rows after it keep the
distances of their timestamps; the keeper acts one second after its row (with rows one second apart: in the second of
the next row, before it).

The keeper takes the unhealthy accounts, lowest health factor first, then by name, and closes out each one: whole
account, whole fill. It looks again until it finds nothing left to do; an account whose close-out is refused, or only
put it on call, is left alone until the next look at a later time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from closeout.model import Quote
from closeout.units import WAD

from .engine import AccountState, CloseOutRecord, Engine
from .result import ScenarioResult, StepRecord, summarise
from .world import CloseOut, Keeper, MarginCall, Move, PricePath, Scenario, SetFeed, SetPrices, Step, Wait

__all__ = ["Progress", "play"]

Progress = Callable[[int, int, StepRecord], None]
"""Called after each step: steps done, steps in all, the step's record."""

KEEPER_DELAY = 1
# A close-out that leaves an account unhealthy repays something; nothing real needs more than a few.
MAX_ROUNDS = 1000


def play(scenario: Scenario, engine: Engine, progress: Progress | None = None) -> ScenarioResult:
    """Opens the world on `engine` and plays all steps, then the price path. The caller opens and closes the engine."""
    return _Player(scenario, engine, progress).play()


class _Player:
    def __init__(self, scenario: Scenario, engine: Engine, progress: Progress | None) -> None:
        self._scenario = scenario
        self._engine = engine
        self._progress = progress
        self._clock = 0
        self._prices: Mapping[str, int] = {name: asset.price_wad for name, asset in scenario.world.assets.items()}
        self._quotes: Mapping[str, Quote] = {}
        self._records: list[StepRecord] = []
        self._has_feed_steps = scenario.has_feed_steps
        path = scenario.price_path
        self._total = len(scenario.steps) + (len(path.rows) if path else 0)

    def play(self) -> ScenarioResult:
        self._engine.open(self._scenario.world)
        opening = StepRecord(-1, "opening", 0, None, self._prices, self._engine.accounts(), ())
        for step in self._scenario.steps:
            self._play_step(step)
        if self._scenario.price_path is not None:
            self._play_path(self._scenario.price_path)
        self._engine.settle_penalties()
        summary = summarise(self._scenario, self._records, self._engine.insurance(), self._engine.lenders())
        return ScenarioResult(self._scenario, self._engine.name, opening, tuple(self._records), summary)

    def _play_step(self, step: Step) -> None:
        self._clock += step.seconds if isinstance(step, Wait) else 1
        if isinstance(step, SetPrices):
            self._prices = {**self._prices, **step.prices_wad}
        self._begin_block(self._clock)

        error: str | None = None
        close_outs: list[CloseOutRecord] = []
        match step:
            case Wait() | SetPrices():
                pass
            case SetFeed():
                self._engine.set_feed(step)
                self._quotes = self._with_feed(step)
            case Move() | MarginCall():
                error = self._engine.act(step).error
            case CloseOut():
                outcome = self._engine.close_out([step])[0]
                error = outcome.error
                close_outs += [outcome.record] if outcome.record else []
            case Keeper():
                accounts, close_outs = self._run_keeper()
                self._record(step.kind, self._clock, accounts, close_outs=close_outs)
                return
            case _:
                assert_never(step)
        self._record(step.kind, self._clock, self._engine.accounts(), error, close_outs)

    def _play_path(self, path: PricePath) -> None:
        start = self._clock + 1
        for time, row in zip(path.times, path.rows, strict=True):
            row_time = start + time - path.times[0]
            self._prices = {**self._prices, **dict(zip(path.assets, row, strict=True))}
            self._begin_block(row_time)
            self._clock = row_time
            close_outs: list[CloseOutRecord] = []
            if path.with_keeper:
                self._clock = row_time + KEEPER_DELAY
                self._begin_block(self._clock)
                accounts, close_outs = self._run_keeper()
            else:
                accounts = self._engine.accounts()
            self._record("price_path", row_time, accounts, close_outs=close_outs)

    def _with_feed(self, step: SetFeed) -> Mapping[str, Quote]:
        """What feeds that are not fresh say: they stand at what they said last."""
        others = {name: quote for name, quote in self._quotes.items() if name != step.asset}
        if step.status == "fresh":
            return others
        known = self._quotes.get(step.asset)
        price = known.debt_wad if known else self._prices[step.asset]
        stands = Quote.degraded(price, price, price) if step.status == "stale" else Quote.missing(price)
        return {**others, step.asset: stands}

    def _begin_block(self, time: int) -> None:
        self._engine.begin_block(time, self._prices)
        if self._has_feed_steps:
            self._engine.poke()

    def _run_keeper(self) -> tuple[Mapping[str, AccountState], list[CloseOutRecord]]:
        accounts = self._engine.accounts()
        close_outs: list[CloseOutRecord] = []
        left_alone: set[str] = set()
        for _ in range(MAX_ROUNDS):
            due = sorted(
                (state.health_wad, name)
                for name, state in accounts.items()
                if state.health_wad is not None and state.health_wad < WAD and name not in left_alone
            )
            if not due:
                break
            requests = [CloseOut(name, None, None, WAD) for _, name in due]
            for request, outcome in zip(requests, self._engine.close_out(requests), strict=True):
                if outcome.record is None:
                    left_alone.add(request.account)
                else:
                    close_outs.append(outcome.record)
            accounts = self._engine.accounts()
        return accounts, close_outs

    def _record(
        self,
        kind: str,
        time: int,
        accounts: Mapping[str, AccountState],
        error: str | None = None,
        close_outs: list[CloseOutRecord] | None = None,
    ) -> None:
        done = tuple(close_outs or ())
        record = StepRecord(len(self._records), kind, time, error, self._prices, accounts, done, self._quotes)
        self._records.append(record)
        if self._progress is not None:
            self._progress(len(self._records), self._total, record)
