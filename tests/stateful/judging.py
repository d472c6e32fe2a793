"""Plays a recorded history where it is to be played, and holds it to the model, the ledger and every invariant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from tests.differential.pairs import Witness, place_of
from tests.stateful.feeds import FedPlay
from tests.stateful.invariants import INVARIANTS, ON_A_CHAIN
from tests.stateful.ledger import Ledger
from tests.stateful.sights import Record, Sight, on_the_chain, on_the_model
from tests.stateful.stage import Stage

Check = Callable[[Sight], bool]


@dataclass
class Census:
    """How often what happened: moves by their outcome, and steps that told something about a property."""

    steps: int = 0
    moves: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)

    def outcomes(self, move: str) -> tuple[int, int]:
        """How often a move succeeded and was refused."""
        return self.moves[f"{move}: done"], sum(count for _, count in self._refusals(move))

    def refusals(self, move: str) -> list[str]:
        """Why it was refused, most often first."""
        return [f"{name} {count}" for name, count in sorted(self._refusals(move), key=lambda item: -item[1])]

    def _refusals(self, move: str) -> list[tuple[str, int]]:
        found = [(name.removeprefix(f"{move}: "), n) for name, n in self.moves.items() if name.startswith(f"{move}: ")]
        # what a close-out came to begins with a small letter, an error's name with a large one
        return [(name, count) for name, count in found if name[:1].isupper()]

    def count_steps(self, records: Sequence[Record], pair_counts: Counter[str]) -> None:
        """After `records` were compared: what the pair counted."""
        self.steps += len(records)
        self.moves += pair_counts
        pair_counts.clear()


def judge(
    stage: Stage,
    records: Sequence[Record],
    said: Sequence[Witness],
    census: Census,
    where: str,
    *,
    compares: bool = True,
    only: Iterable[str] = (*INVARIANTS, "ledger"),
) -> None:
    """Raises AssertionError where the chain does what it must not. `compares`: also beside the model, to the unit.

    `only`: of the invariants, by name.
    """
    checks = {name: check for name, check in INVARIANTS.items() if name in set(only)}
    if compares:
        for number, (record, one) in enumerate(zip(records, said, strict=True)):
            stage.compare(record.step, record.state, one, place_of(record.step, number, where))
    ledger = Ledger(stage) if "ledger" in only else None
    if ledger is not None and said:
        ledger.follow_logs(said[0].answer.logs, records[0].step.time)
    for sight in on_the_chain(stage, records, said, where):
        _ask(sight, checks, census)
        if ledger is not None:
            ledger.follow(sight)
            is_told = ledger.check(sight)
            census.told["ledger"] += is_told
            census.told["P14"] += is_told
    census.count_steps(records, stage.counts)


def judge_on_the_model(stage: Stage, play: FedPlay, records: Sequence[Record], census: Census, where: str) -> None:
    """The same of the reference model alone; what only a chain can tell is left out."""
    checks = {name: check for name, check in INVARIANTS.items() if name not in ON_A_CHAIN}
    for sight in on_the_model(play, records, where):
        _ask(sight, checks, census)
    for record in records:
        stage.count(record.step)
    census.count_steps(records, stage.counts)


def _ask(sight: Sight, checks: dict[str, Check], census: Census) -> None:
    for name, check in checks.items():
        try:
            census.told[name] += check(sight)
        except AssertionError as failure:
            raise AssertionError(f"{name}: {failure}") from failure
