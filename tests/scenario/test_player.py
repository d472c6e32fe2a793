"""What happens when: the clock, the keeper, and what is written down after each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import pytest

from closeout.scenario import (
    AccountState,
    CloseOutRecord,
    Engine,
    ModelEngine,
    Outcome,
    Scenario,
    ScenarioResult,
    StepRecord,
    World,
    play,
)
from closeout.scenario.world import CloseOut, MarginCall, Move, SetFeed

Tree = dict[str, Any]
Played = Callable[..., ScenarioResult]
WAD = 10**18


class ScriptedEngine:
    """An engine that does nothing but remember what it was asked, and answer from a script."""

    name = "scripted"

    def __init__(self, healths: dict[str, int], refused: Sequence[str] = ()) -> None:
        self.healths = healths
        self.refused = refused
        self.calls: list[tuple[object, ...]] = []
        self.is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_closed = True

    def open(self, world: World) -> None:
        self.calls.append(("open", tuple(world.accounts)))

    def begin_block(self, time: int, prices_wad: Mapping[str, int]) -> None:
        self.calls.append(("begin", time, prices_wad["WETH"] // WAD))

    def poke(self) -> None:
        self.calls.append(("poke",))

    def set_feed(self, step: SetFeed) -> None:
        self.calls.append(("feed", step.asset, step.status))

    def act(self, step: Move | MarginCall) -> Outcome:
        self.calls.append(("act", step.kind))
        return Outcome(error="Refused") if step.account in self.refused else Outcome()

    def close_out(self, requests: Sequence[CloseOut]) -> list[Outcome]:
        self.calls.append(("close_out", *(request.account for request in requests)))
        return [self._close_out(request.account) for request in requests]

    def _close_out(self, account: str) -> Outcome:
        if account in self.refused:
            return Outcome(error="Refused")
        before, self.healths[account] = self.healths[account], self.healths[account] + WAD // 2
        nothing: dict[str, int] = {}
        return Outcome(
            record=CloseOutRecord(account, "capped", 0, before, before, nothing, nothing, nothing, nothing, nothing)
        )

    def settle_penalties(self) -> None:
        self.calls.append(("settle",))

    def accounts(self) -> Mapping[str, AccountState]:
        return {name: AccountState({}, {}, health) for name, health in self.healths.items()}

    def insurance(self) -> Mapping[str, int]:
        return {}

    def lenders(self) -> Mapping[str, int]:
        return {}


def times(result: ScenarioResult) -> list[int]:
    """The clock of each step."""
    return [step.time for step in result.steps]


def test_the_model_engine__is_an_engine() -> None:
    engine: Engine = ModelEngine()
    assert engine.name == "model"


def test_each_step_but_wait__is_one_second_after_the_one_before(tree: Tree, played: Played) -> None:
    tree["steps"] = [{"keeper": {}}, {"wait": "3600"}, {"prices": {"WETH": "1999"}}, {"keeper": {}}, {"wait": "0"}]
    result = played(tree)
    assert times(result) == [1, 3601, 3602, 3603, 3603]
    assert [step.kind for step in result.steps] == ["keeper", "wait", "prices", "keeper", "wait"]
    assert [step.index for step in result.steps] == [0, 1, 2, 3, 4]


def test_rows_of_a_price_path__follow_the_steps_and_keep_their_distances(tree: Tree, played: Played) -> None:
    tree["steps"] = [{"wait": "10"}]
    tree["price_path"] = {"file": "prices.csv", "time": "t", "columns": {"WETH": "eth"}}
    result = played(tree, "t,eth\n100,2000\n160,1900\n161,1990\n")
    assert times(result) == [10, 11, 71, 72]
    assert [step.index for step in result.steps] == [0, 1, 2, 3]
    assert [step.kind for step in result.steps] == ["wait", "price_path", "price_path", "price_path"]
    assert [step.prices_wad["WETH"] // WAD for step in result.steps] == [2000, 2000, 1900, 1990]


def test_the_keeper_of_a_path__acts_one_second_after_its_row(tree: Tree, load: Callable[..., Scenario]) -> None:
    tree["price_path"] = {"file": "prices.csv", "time": "t", "columns": {"WETH": "eth"}}
    engine = ScriptedEngine({"careful": WAD // 2, "leveraged": 2 * WAD})
    play(load(tree, "t,eth\n100,1500\n160,1400\n"), engine)
    assert engine.calls == [
        ("open", ("careful", "leveraged")),
        ("begin", 1, 1500),
        ("begin", 2, 1500),
        ("close_out", "careful"),
        ("begin", 61, 1400),
        ("begin", 62, 1400),
        ("settle",),
    ]


def test_a_path_without_keeper__closes_nothing_out(tree: Tree, played: Played) -> None:
    tree["price_path"] = {"file": "prices.csv", "time": "t", "columns": {"WETH": "eth"}, "keeper": "none"}
    result = played(tree, "t,eth\n100,1000\n160,900\n")
    assert result.summary.close_outs == 0
    assert result.steps[-1].accounts["careful"].health_wad is not None


def test_the_keeper__takes_the_lowest_health_first_and_then_the_name(tree: Tree, load: Callable[..., Scenario]) -> None:
    tree["steps"] = [{"keeper": {}}]
    healths = {"zoe": WAD // 2, "ann": WAD // 2, "low": WAD // 4, "well": WAD, "stuck": WAD // 3}
    engine = ScriptedEngine(healths, refused=["stuck"])
    result = play(load(tree), engine)
    rounds = [call[1:] for call in engine.calls if call[0] == "close_out"]
    # `low` is still unhealthy after its first close-out; `stuck` is refused and left alone
    assert rounds == [("low", "stuck", "ann", "zoe"), ("low",)]
    assert [record.account for record in result.steps[0].close_outs] == ["low", "ann", "zoe", "low"]
    assert result.steps[0].error is None


def test_a_refused_step__is_recorded_by_name_and_the_run_goes_on(tree: Tree, played: Played) -> None:
    tree["steps"] = [
        {"close_out": {"account": "careful"}},
        {"borrow": {"account": "careful", "asset": "USDC", "amount": "100000"}},
        {"withdraw": {"account": "careful", "asset": "WBTC", "amount": "1"}},
        {"deposit": {"account": "careful", "asset": "USDC", "amount": "1"}},
        {"deposit": {"account": "careful", "asset": "WETH", "amount": "0"}},
        {"margin_call": {"account": "careful"}},
        {"deposit": {"account": "careful", "asset": "WETH", "amount": "1"}},
    ]
    result = played(tree)
    assert [step.error for step in result.steps] == [
        "AccountHealthy",
        "BelowInitialMargin",
        "AssetNotHeld",
        "AssetNotCollateral",
        "ZeroAmount",
        "MarginCallRefused",
        None,
    ]
    opening = result.opening.accounts["careful"]
    assert all(step.accounts["careful"] == opening for step in result.steps[:-1])
    assert result.steps[-1].accounts["careful"].collateral["WETH"] == 11 * WAD


def test_an_asset_held_no_more__is_ignored_by_a_close_out(tree: Tree, played: Played) -> None:
    tree["steps"] = [
        {"prices": {"WETH": "1500"}},
        {"repay": {"account": "leveraged", "asset": "GUSD", "amount": "8500.25"}},
        {"prices": {"WETH": "100"}},
        {"close_out": {"account": "leveraged", "debt": ["GUSD", "USDC"]}},
        {"close_out": {"account": "leveraged", "debt": ["GUSD"]}},
    ]
    result = played(tree)
    assert [step.error for step in result.steps] == [None, None, None, None, "AccountHealthy"]
    assert set(result.steps[3].close_outs[0].repaid) == {"USDC"}


def test_a_set_and_a_fill__reach_the_engine(tree: Tree, played: Played) -> None:
    tree["steps"] = [
        {"prices": {"WETH": "1500"}},
        {"close_out": {"account": "leveraged", "collateral": ["WETH", "WBTC"], "debt": ["USDC"], "fill": "0.25"}},
        {"close_out": {"account": "leveraged", "debt": ["USDC"]}},
    ]
    first, second = (step.close_outs[0] for step in played(tree).steps[1:])
    assert set(first.repaid) == {"USDC"}
    assert set(first.seized) == {"WETH", "WBTC"}
    assert first.health_after_wad is not None
    assert second.health_after_wad is not None
    assert first.health_after_wad < 11 * WAD // 10 <= second.health_after_wad


def test_grace__puts_on_call_first_and_closes_out_when_it_is_over(tree: Tree, played: Played) -> None:
    tree["protocol"] = {"grace": {"period": "600", "hard_floor": "0.90"}}
    tree["steps"] = [
        {"prices": {"WETH": "1500"}},
        {"close_out": {"account": "leveraged"}},
        {"close_out": {"account": "leveraged"}},
        {"keeper": {}},
        {"wait": "600"},
        {"keeper": {}},
    ]
    result = played(tree)
    assert [step.error for step in result.steps] == [None, None, "GracePeriodRunning", None, None, None]
    assert [len(step.close_outs) for step in result.steps] == [0, 0, 0, 0, 0, 1]


def test_interest__accrues_while_the_clock_moves(tree: Tree, played: Played) -> None:
    tree["assets"]["USDC"]["borrow"] = {"rate": {"base": "0.05"}}
    tree["steps"] = [{"wait": "31536000"}]
    last = played(tree).steps[-1].accounts["careful"].debt["USDC"]
    # 5 % compounded by the second, and the first slope of a utilisation of 2.4 %
    assert 8_410_000_000 < last < 8_430_000_000


def test_progress__is_told_after_each_step(tree: Tree, load: Callable[..., Scenario]) -> None:
    tree["steps"] = [{"keeper": {}}, {"wait": "1"}]
    tree["price_path"] = {"file": "prices.csv", "columns": {"WETH": "eth"}}
    told: list[tuple[int, int, str]] = []

    def note(done: int, total: int, step: StepRecord) -> None:
        told.append((done, total, step.kind))

    with ModelEngine() as engine:
        play(load(tree), engine, note)
    assert told == [(1, 4, "keeper"), (2, 4, "wait"), (3, 4, "price_path"), (4, 4, "price_path")]


def test_an_account_that_is_never_closed_out_any_further__does_not_hold_the_keeper_up(
    tree: Tree, load: Callable[..., Scenario]
) -> None:
    class Stubborn(ScriptedEngine):
        def _close_out(self, account: str) -> Outcome:
            outcome = super()._close_out(account)
            self.healths[account] = WAD // 2
            return outcome

    tree["steps"] = [{"keeper": {}}]
    result = play(load(tree), Stubborn({"careful": WAD // 2}))
    assert len(result.steps[0].close_outs) == pytest.approx(1000)
