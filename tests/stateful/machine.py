"""The Hypothesis machine: one rule per kind of move. The reference model plays along; the judgement comes at the end.

A rule takes a number, from which the move of that kind makes its choices, led by the model's state. So a history can be
cut down to the steps that matter, and every step still means something.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.differential.sizes import SEED
from tests.stateful.feeds import FedPlay
from tests.stateful.judging import Census
from tests.stateful.sights import Record
from tests.stateful.stage import Stage

STEPS = 100
"""Of a history, after its opening."""
OPENING = 15
"""About so many steps are an opening."""
AT_ONCE = 15
"""Histories of one run: few, since Hypothesis remembers all its choices, and since they resemble each other."""
SEEDS = st.integers(0, 2**32 - 1)
Judge = Callable[[Stage, FedPlay, list[Record], Census, str], None]


@dataclass(frozen=True)
class Failure:
    """A history that went wrong, as far as it was cut down, up to the step that did."""

    stage: Stage
    records: list[Record]
    reason: str

    @classmethod
    def of(cls, stage: Stage, records: list[Record], error: AssertionError) -> Failure:
        place = re.search(r"step (\d+) at", str(error))
        return cls(stage, records[: int(place[1]) + 1] if place else records, str(error))


@dataclass
class Run:
    """Where machines play, who judges, what came of it."""

    stages: Sequence[Stage]
    judge: Judge
    census: Census = field(default_factory=Census)
    failure: Failure | None = None


class Machine(RuleBasedStateMachine):
    """One history."""

    course: ClassVar[Run]

    def __init__(self) -> None:
        super().__init__()
        self.stage: Stage | None = None
        self.records: list[Record] = []

    @initialize(place=st.integers(0, 3), number=SEEDS)
    def open(self, place: int, number: int) -> None:
        """Lenders supply, accounts are opened."""
        self.stage = self.course.stages[place % len(self.course.stages)]
        self.play = self.stage.play(number)
        self.records = [Record.of(step, self.play, self.stage) for step in self.play.opening()]

    def make(self, kind: str, number: int) -> None:
        """One move."""
        assert self.stage is not None
        step = self.play.take(kind, number)
        self.records.append(Record.of(step, self.play, self.stage, self.records[-1]))
        note(f"{step.time}: {step.move.caller}: {step.move.name} {step.move.arguments}: {step.refusal or 'done'}")

    def teardown(self) -> None:
        # a history that Hypothesis broke off, or the model itself, is not judged
        if self.stage is None or sys.exc_info()[0] is not None:
            return
        course, where = self.course, f"'{self.stage.setting.name}'"
        try:
            course.judge(self.stage, self.play, self.records, course.census, where)
        except AssertionError as error:
            course.failure = Failure.of(self.stage, self.records, error)
            raise


def run_machine(run: Run, steps: int, start: int = 0, *, cuts_down: bool = True) -> Census:
    """Plays histories of so many steps in all, or a few more; raises what the first that fails, cut down, fails with.

    `start` shifts the seed. Histories of one run of Hypothesis resemble each other: there are many runs.
    """
    phases = (Phase.generate, Phase.shrink) if cuts_down else (Phase.generate,)
    kinds = run.stages[0].play(0).kinds
    number = start
    while run.census.steps < steps:
        left = -(-(steps - run.census.steps) // (STEPS + OPENING))
        chosen = settings(
            max_examples=min(AT_ONCE, left),
            stateful_step_count=STEPS + 1,
            deadline=None,
            database=None,
            derandomize=False,
            phases=phases,
            suppress_health_check=list(HealthCheck),
        )
        machine = seed(SEED * 10**6 + number)(_machine_of(kinds, run))
        run_state_machine_as_test(machine, settings=chosen)
        number += 1
    return run.census


def _machine_of(kinds: dict[str, int], run: Run) -> type[Machine]:
    members: dict[str, Any] = {"course": run}
    for kind, weight in kinds.items():
        # rules are chosen evenly: a kind has as many as its weight
        for copy in range(weight):
            members[f"{_identifier(kind)}_{copy}"] = _rule(kind)
    return type("Machine", (Machine,), members)


def _rule(kind: str) -> Any:
    def move(self: Machine, number: int) -> None:
        self.make(kind, number)

    move.__name__ = _identifier(kind)
    return rule(number=SEEDS)(move)


def _identifier(kind: str) -> str:
    # Hypothesis takes the first by name for the simplest: of that there are most
    return kind.replace(" ", "_") if kind != "close out" else "_close_out"
