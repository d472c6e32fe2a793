"""OracleRouter's record against its twin: random histories of pokes, freezes and outages, equal after every step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from eth_abi.abi import encode

from closeout.model import Answer, ModelRevert, RouterRecord
from closeout.units import WAD
from tests.differential.simulation import Block, Call, Outcome, simulate
from tests.differential.sizes import least, seeded, sized
from tests.support.node import Deployed, Node
from tests.unit.oracles.stage import DAY, GOVERNOR, GUARDIAN, HOUR, STRANGER, Stage, selector

HISTORIES = sized(150)
STEPS = 60
PRICE = 2_000 * WAD
DECAY = 20 * DAY
START = 1_900_000_000
ADAPTER = ["uint256", "uint256", "uint256", "uint8"]


@dataclass(frozen=True)
class Market:
    """A router with one asset, and an adapter that says what it is told."""

    router: Deployed
    token: Deployed
    source: Deployed

    @classmethod
    def of(cls, node: Node) -> Market:
        stage = Stage(node)
        router, token = stage.router(abandon_after=3 * DAY, decay_period=DECAY), stage.token()
        source = stage.deploy("ProgrammableSource")
        market = cls(router, token, source)
        source.program(selector("gasBound()"), 0, encode(["uint256"], [200_000]), sender=STRANGER)
        return market

    def call(self, sender: str, contract: Deployed, name: str, *arguments: Any) -> Call:
        return Call(sender, contract.address, "0x" + getattr(contract, name).data(*arguments).hex())

    def says(self, answer: Answer | None, time: int) -> list[Call]:
        """The adapter's answer from now on; None: it has none."""
        if answer is None:
            return [self.call(STRANGER, self.source, "setMood", 1)]
        quote = encode(ADAPTER, [answer.low_wad, answer.high_wad, time, 0 if answer.is_fresh else 1])
        return [
            self.call(STRANGER, self.source, "setMood", 0),
            self.call(STRANGER, self.source, "program", selector("price()"), 0, quote),
            self.call(
                STRANGER,
                self.source,
                "program",
                selector("primaryPrice()"),
                0,
                encode(["uint256"], [answer.primary_wad]),
            ),
        ]


VIEWS = ("readPrice", "lastGoodOf", "sourceOf")


@dataclass(frozen=True)
class Step:
    """A call at a time, with what the twin says to it and what it is afterwards."""

    block: Block
    name: str
    refusal: ModelRevert | None
    quote: tuple[int, ...]
    last_good: tuple[int, int, int]
    frozen_until: int


class History:
    """One asset's market, and what is done to its record; made on the twin first."""

    def __init__(self, market: Market, random: Random) -> None:
        self._market, self._random = market, random
        self._now = START
        self._price = PRICE
        self.record = RouterRecord(PRICE, START, abandon_after=3 * DAY, decay_period=DECAY)

    def __iter__(self) -> Iterator[Step]:
        for _ in range(STEPS):
            yield self._step()

    def opening(self) -> Block:
        market = self._market
        activation = market.call(GOVERNOR, market.router, "activate", market.token, market.source, PRICE)
        return Block(START, [*market.says(Answer.fresh(PRICE), START), activation])

    def _step(self) -> Step:
        random, market = self._random, self._market
        outage = random.choice((DAY, 3 * DAY, 12 * DAY, 30 * DAY))
        self._now += random.choice((1, 60, HOUR - 1, HOUR, HOUR, 2 * HOUR, DAY, outage))
        moved = int(self._price * random.choice((1, 1, random.uniform(0.95, 1.06), random.uniform(0.5, 1.6))))
        self._price = min(10**29, max(1, moved))
        answer = self._answer()
        name, call, play = self._move(answer)
        refusal = None
        try:
            play()
        except ModelRevert as revert:
            refusal = revert
        quote, now = self.record.quote(answer, self._now), self._now
        looks = [market.call(STRANGER, market.router, view, market.token) for view in VIEWS]
        return Step(
            Block(now, [*market.says(answer, now), call, *looks]),
            name,
            refusal,
            (quote.status, quote.collateral_wad, quote.debt_wad, quote.exchange_wad),
            self.record.last_good,
            self.record.frozen_until,
        )

    def _answer(self) -> Answer | None:
        kind, price = self._random.random(), self._price
        if kind < 0.6:
            return Answer.fresh(price)
        if kind < 0.8:
            return None
        return Answer.degraded(max(1, price * 9 // 10), price * 11 // 10, price)

    def _move(self, answer: Answer | None) -> tuple[str, Call, Callable[[], object]]:
        market, record, now = self._market, self.record, self._now
        kind = self._random.choice(["poke"] * 8 + ["freeze", "confirm", "unfreeze", "jump bound"])
        if kind == "freeze":
            return kind, market.call(GUARDIAN, market.router, "freeze", market.token), lambda: record.freeze(now)
        if kind == "confirm":
            until = now + self._random.choice((-1, 0, DAY, 30 * DAY, 30 * DAY + 1))
            call = market.call(GOVERNOR, market.router, "confirmFreeze", market.token, until)
            return kind, call, lambda: record.confirm_freeze(until, now)
        if kind == "unfreeze":
            return kind, market.call(GOVERNOR, market.router, "unfreeze", market.token), lambda: record.unfreeze(now)
        if kind == "jump bound":
            bps = self._random.choice((0, 500, 1000, 6000))
            call = market.call(GOVERNOR, market.router, "setJumpBound", market.token, bps)
            return kind, call, lambda: record.set_jump_bound(bps)
        return kind, market.call(STRANGER, market.router, "poke", market.token), lambda: record.poke(answer, now)


@pytest.fixture(scope="module")
def market(node: Node) -> Market:
    return Market.of(node)


@pytest.fixture(scope="module")
def counts() -> Counter[str]:
    return Counter()


def test_router_and_twin__keep_the_same_record_and_tell_the_same_prices(
    node: Node, market: Market, counts: Counter[str]
) -> None:
    for number in range(HISTORIES):
        history = History(market, seeded("router", number))
        steps = list(history)
        outcomes = iter(simulate(node.rpc, [[history.opening(), *(step.block for step in steps)]])[0])
        for _ in history.opening().calls:
            assert next(outcomes).is_done
        for place, step in enumerate(steps):
            *said, done, reading, last_good, source = [next(outcomes) for _ in step.block.calls]
            where = f"history {number}, step {place}: {step.name} at {step.block.time}"
            assert all(outcome.is_done for outcome in said), where
            _compare_answer(node, step, done, where)
            assert _words(reading)[:4] == step.quote, where
            assert _words(last_good) == step.last_good, where
            assert _words(source)[2] == step.frozen_until, where
            counts[f"{step.name}: {step.refusal.name if step.refusal else 'done'}"] += 1
            counts[f"status {step.quote[0]}"] += 1
            counts["cut"] += 0 < step.quote[1] < step.quote[2]
            counts["nothing left"] += step.quote[1] == 0


def _compare_answer(node: Node, step: Step, outcome: Outcome, where: str) -> None:
    if step.refusal is None:
        assert outcome.is_done, f"{where}: {node.decode_revert(outcome.data)}"
        return
    revert = node.decode_revert(outcome.data)
    assert not outcome.is_done and revert.name == step.refusal.name, f"{where}: {revert}, the twin {step.refusal}"
    if step.refusal.name in ("PokedTooSoon", "FrozenTooSoon"):
        assert revert.arguments == step.refusal.values, f"{where}: {revert}, the twin {step.refusal}"


def _words(outcome: Outcome) -> tuple[int, ...]:
    raw = bytes.fromhex(outcome.data[2:])
    return tuple(int.from_bytes(raw[place : place + 32], "big") for place in range(0, len(raw), 32))


def test_histories__took_every_path_of_the_record(counts: Counter[str]) -> None:
    if not counts:
        pytest.skip("looks at what the histories did")
    for name, count in {
        "poke: done": 2000,
        "poke: PokedTooSoon": 300,
        "poke: PriceNotFresh": 500,
        "freeze: done": 100,
        "freeze: FrozenTooSoon": 50,
        "confirm: done": 20,
        "confirm: NotFrozen": 100,
        "confirm: ParameterOutOfRange": 10,
        "unfreeze: done": 20,
        "jump bound: done": 300,
        "status 0": 2000,
        "status 1": 1000,
        "status 2": 1000,
        "cut": 25,
        "nothing left": 10,
    }.items():
        assert counts[name] >= least(count), dict(sorted(counts.items()))


def test_a_twin_that_differs__is_caught(node: Node, market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that believes every jump at once."""
    monkeypatch.setattr("closeout.model._router._is_step", lambda *_: False)
    with pytest.raises(AssertionError, match="history"):
        test_router_and_twin__keep_the_same_record_and_tell_the_same_prices(node, market, Counter())
