"""The loop: every block once, a failure is told and the next block is tried, watchers cannot end it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from closeout.errors import CloseoutError, NodeError
from closeout.keeper.fakes import FakeBrain, FakeReader
from closeout.keeper.ports import AssetConfiguration, Block, Configuration, Decision, Price, PriceStatus
from closeout.keeper.sender import Happened, What
from closeout.keeper.sending import Job, OutboxUnwritable, Worth
from closeout.keeper.service import MOST_FAULTS, Failure, FailureKind, Service, Step, figures
from closeout.model import AssetParameters, ProtocolParameters

WAD = 10**18
WETH, USDC = "0x" + "0a" * 20, "0x" + "0b" * 20
CONFIGURATION = Configuration(
    ProtocolParameters(11 * WAD // 10, 105 * WAD // 100, WAD // 200, WAD // 5, 9 * WAD // 10),
    (
        AssetConfiguration(WETH, AssetParameters(name="WETH", decimals=18)),
        AssetConfiguration(USDC, AssetParameters(name="USDC", decimals=6)),
    ),
)


class FakeWorker:
    def __init__(self) -> None:
        self.seen: list[tuple[Decision, Worth, Sequence[Job]]] = []
        self.raises: list[Exception] = []
        self.says: list[Happened] = []

    def on_block(self, decision: Decision, worth: Worth, jobs: Sequence[Job] = ()) -> list[Happened]:
        if self.raises:
            raise self.raises.pop(0)
        self.seen.append((decision, worth, jobs))
        return self.says


class Watcher:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.failures: list[Failure] = []
        self.silences: list[float] = []

    def on_step(self, step: Step) -> None:
        self.steps.append(step)

    def on_failure(self, failure: Failure) -> None:
        self.failures.append(failure)

    def on_silence(self, seconds: float) -> None:
        self.silences.append(seconds)


class PricedBrain(FakeBrain):
    """Decides nothing, at these prices."""

    prices: tuple[Price, ...] = (Price.fresh(2_000 * WAD, 0), Price.fresh(WAD, 0))

    def on_block(self, block: Block) -> Decision:
        return replace(super().on_block(block), prices=self.prices)


class Stage:
    def __init__(self) -> None:
        self.reader, self.brain, self.worker, self.watcher = FakeReader(), PricedBrain(), FakeWorker(), Watcher()
        self.reader.settings = CONFIGURATION
        self.service = Service(self.reader, self.brain, self.worker, 0, [self.watcher], clock=lambda: 1_800_000_100.0)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_block__seen_twice__is_worked_on_once(stage: Stage) -> None:
    assert stage.service.step() is not None
    assert stage.service.step() is None

    assert len(stage.worker.seen) == 1
    assert len(stage.watcher.silences) == 1


def test_block__of_the_same_height_after_a_reorg__is_worked_on(stage: Stage) -> None:
    stage.reader.mine()
    stage.service.step()
    stage.reader.drop(1)
    stage.reader.mine()
    stage.service.step()

    assert [decision.block.number for decision, *_ in stage.worker.seen] == [1, 1]


def test_worth__is_of_the_blocks_prices(stage: Stage) -> None:
    stage.service.step()
    _, worth, _ = stage.worker.seen[0]

    assert worth.native_price_wad == 2_000 * WAD
    assert worth.of(USDC.upper().replace("0X", "0x"), 1_500_000) == 3 * WAD // 2
    assert worth.of("0x" + "ee" * 20, 1) == 0


def test_worth__of_a_price_that_went_missing__is_what_it_was_last(stage: Stage) -> None:
    stage.service.step()
    stage.brain.prices = (Price(PriceStatus.MISSING, 0, 0, 0, 0), Price.fresh(WAD, 0))
    stage.reader.mine()
    stage.service.step()
    stage.brain.prices = ()
    stage.reader.mine()
    stage.service.step()

    assert [worth.native_price_wad for _, worth, _ in stage.worker.seen] == [2_000 * WAD] * 3


def test_node__failing__is_told_and_the_same_block_is_tried_again(stage: Stage) -> None:
    stage.reader.failures = [NodeError("dead"), NodeError("dead")]
    assert stage.service.step() is None
    assert stage.service.step() is None
    assert stage.service.step() is not None

    told = stage.watcher.failures
    assert [(item.kind, item.in_a_row) for item in told] == [(FailureKind.NODE, 1), (FailureKind.NODE, 2)]
    stage.reader.failures = [NodeError("dead")]
    stage.service.step()
    assert told[-1].in_a_row == 1


def test_sender__failing_halfway__sees_the_block_again(stage: Stage) -> None:
    stage.worker.raises = [OutboxUnwritable("keeper.db: database or disk is full")]
    stage.service.step()
    step = stage.service.step()

    assert stage.watcher.failures[0].kind is FailureKind.DISK
    assert step is not None
    assert step.block.number == 0


def test_fault_of_ours__is_told_with_its_trace_and_ends_it_only_after_many(stage: Stage) -> None:
    stage.worker.raises = [ZeroDivisionError("oops")] * MOST_FAULTS
    for _ in range(MOST_FAULTS - 1):
        stage.service.step()
    assert "ZeroDivisionError: oops" in stage.watcher.failures[0].text
    assert "Traceback" in stage.watcher.failures[0].trace
    with pytest.raises(CloseoutError, match=f"{MOST_FAULTS} blocks in a row"):
        stage.service.step()


def test_watcher__that_raises__ends_nobody_elses_work(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(Watcher):
        def on_step(self, step: Step) -> None:
            raise ValueError(f"broken at {step.block.number}")

    service = Service(stage.reader, stage.brain, stage.worker, 0, [Broken(), stage.watcher])
    assert service.step() is not None
    assert len(stage.watcher.steps) == 1
    assert "broken" in capsys.readouterr().err


def test_step__tells_the_blocks_age_by_our_clock_and_the_nearest_accounts(stage: Stage) -> None:
    step = stage.service.step()

    assert step is not None
    assert step.age == 100
    assert step.nearest == ()


def test_run__asked_to_stop__ends_after_the_block(stage: Stage) -> None:
    stop = threading.Event()

    class Heads:
        def wait(self, seconds: float) -> None:
            assert seconds == 3
            stage.reader.mine()
            if len(stage.worker.seen) == 3:
                stop.set()

    stage.service.run(Heads(), stop, 3)
    assert len(stage.worker.seen) == 3


def test_prepare_and_jobs__run_at_every_block() -> None:
    stage = Stage()
    calls: list[str] = []
    job = Job(("approve", 1), USDC, "0x")
    service = Service(
        stage.reader, stage.brain, stage.worker, 0, (), lambda: [job], prepare=lambda: calls.append("prepared")
    )
    service.step()

    assert calls == ["prepared"]
    assert stage.worker.seen[0][2] == [job]


def test_figures__of_a_step__count_what_happened(stage: Stage) -> None:
    stage.worker.says = [
        Happened(What.SENT, ("close out", 1)),
        Happened(What.SUCCEEDED, ("close out", 2), net_wad=5 * WAD // 2),
        Happened(What.FAILED, ("close out", 3), net_wad=-WAD),
    ]
    found = figures(stage.service.step())

    assert (found["sent"], found["mined"], float(found["net_usd"])) == (1, 2, 1.5)
    assert figures(None) == {}
