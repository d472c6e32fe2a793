"""The machine, run: on a fork of the testnet, by ordinary transactions, and on the reference model alone.

`make audit` (`CLOSEOUT_TEST_SIZE=10`) plays a million steps on the fork, a hundred thousand more by transactions.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from tests.differential.sizes import SIZE, least, sized
from tests.stateful.census import FLOORS, REGIMES, TOLD, report_of
from tests.stateful.counterexamples import told
from tests.stateful.feeds import FedPlay
from tests.stateful.judging import Census, judge, judge_on_the_model
from tests.stateful.machine import Run, run_machine
from tests.stateful.mining import mined
from tests.stateful.sights import Record
from tests.stateful.stage import Stage
from tests.support.evidence import looked_at

IS_AUDIT = SIZE >= 10
ON_THE_FORK = sized(100_000 if IS_AUDIT else 20_000)
BY_TRANSACTIONS = sized(10_000 if IS_AUDIT else 800)
ON_THE_MODEL = sized(3_000)
"""Steps."""
SHIFT = 10**5
"""Between the seeds of the three runs."""


def on_the_fork(stage: Stage, play: FedPlay, records: list[Record], census: Census, where: str) -> None:
    # what is refused as predicted changes nothing: the chain sees to that
    said = stage.witnessed([record.step for record in records], looks_at_all=False)
    judge(stage, records, said, census, where)


def by_transactions(stage: Stage, play: FedPlay, records: list[Record], census: Census, where: str) -> None:
    judge(stage, records, mined(stage, [record.step for record in records]), census, where)


def on_the_model(stage: Stage, play: FedPlay, records: list[Record], census: Census, where: str) -> None:
    judge_on_the_model(stage, play, records, census, where)


@pytest.fixture(scope="module")
def seen() -> Iterator[Census]:
    """What came of the run on the fork."""
    yield Census()


def test_p1_to_p23_hold_after_every_step_on_a_fork_of_the_testnet(stages: list[Stage], seen: Census) -> None:
    """Every external action; each step as the model says it, to the unit, or refused as the model predicts."""
    with told(Run(stages, on_the_fork, seen)) as run:
        run_machine(run, ON_THE_FORK)
    assert seen.steps >= ON_THE_FORK
    looked_at(seen.steps)


def test_p1_to_p23_hold_after_every_transaction_on_anvil(stages: list[Stage]) -> None:
    with told(Run(stages, by_transactions)) as run:
        census = run_machine(run, BY_TRANSACTIONS, start=SHIFT)
    assert census.steps >= BY_TRANSACTIONS
    looked_at(census.steps)


def test_p1_to_p23_hold_after_every_step_of_the_model_alone(stages: list[Stage]) -> None:
    with told(Run(stages, on_the_model)) as run:
        census = run_machine(run, ON_THE_MODEL, start=2 * SHIFT)
    assert census.steps >= ON_THE_MODEL
    looked_at(census.steps)


def test_machine__made_every_move_succeed_and_fail_often_enough(
    seen: Census, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine whose close-outs never happen proves nothing."""
    if not seen.steps:
        pytest.skip("looks at what the machine did on the fork")
    report = report_of(seen)
    with capsys.disabled():
        sys.stdout.write(f"\n{report}\n")
    for name, (done, refused) in FLOORS.items():
        found = seen.outcomes(name)
        assert found[0] >= least(done), f"{name} succeeded {found[0]} times of {sum(found)}\n{report}"
        assert found[1] >= least(refused), f"{name} was refused {found[1]} times of {sum(found)}\n{report}"
    for kind, count in REGIMES.items():
        found_kinds = sum(seen.moves[f"{move}: {kind}"] for move in ("close out", "close out and call back"))
        assert found_kinds >= least(count), f"{kind}: {found_kinds}\n{report}"


def _was_told(name: str) -> Callable[[Census], None]:
    def test(seen: Census) -> None:
        if not seen.steps:
            pytest.skip("looks at what the machine did on the fork")
        assert seen.told[name] >= least(TOLD[name]), f"{seen.told[name]} steps told something about {name}"
        looked_at(seen.told[name])

    test.__doc__ = f"So many steps on the fork said something about {name}, and none against it."
    return test


for _name in TOLD:
    globals()[f"test_{_name.lower().replace(' ', '_')}__told_by_steps_of_histories"] = _was_told(_name)
