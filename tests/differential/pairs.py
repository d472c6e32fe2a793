"""A Vault on a chain beside the reference model: the same histories, every answer and every balance compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from closeout.chain.abi import ContractAbi, Function
from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    PENALTY_SPLITTER,
    TREASURY,
    AccountId,
    CloseOutRequest,
    CloseOutResult,
    ModelRevert,
    Vault,
)
from closeout.units import WAD
from tests.differential.plays import ACCOUNTS, HOLDERS, USERS, Move, Play, Step
from tests.differential.settings import Setting
from tests.differential.simulation import Block, Call, Outcome, simulate, words_of
from tests.support.node import Deployed, Node, actor
from tests.support.world import EVERYTHING, NEVER, Result, World, account_of

State = list[int | None]
"""The model's figures in the order of WholeView; None: not part of the model."""
PURSE = 2**160
"""What every user has of every token: more than any history moves."""


@dataclass(frozen=True)
class Witness:
    """What the chain made of one step: its answer, what WholeView then sees, and what else was asked.

    `seen` None: nobody looked, since what is refused changes nothing.
    """

    answer: Outcome
    seen: Outcome | None
    before: Sequence[Outcome] = ()
    after: Sequence[Outcome] = ()

    @cached_property
    def words(self) -> list[int]:
        """What was seen, in plain words."""
        assert self.seen is not None
        return words_of(self.seen.data)


def place_of(step: Step, number: int, where: str) -> str:
    """Where in a history a step stands, for whoever reads a failure."""
    return f"{where}, step {number} at {step.time}: {step.move.caller}: {step.move.name} {step.move.arguments}"


@dataclass
class Pair:
    """One protocol on both sides. `counts`: how often which move was answered how."""

    setting: Setting
    world: World
    view: Deployed
    publisher: Deployed
    counts: Counter[str] = field(default_factory=Counter)

    holders: ClassVar[tuple[str, ...]] = HOLDERS
    users: ClassVar[tuple[str, ...]] = USERS

    @classmethod
    def of(cls, setting: Setting, node: Node) -> Pair:
        world = setting.on_chain(node)
        for asset in world.assets:
            for user in cls.users:
                world.give(actor(user), asset, PURSE)
        view, publisher = (node.deploy(name, sender=World.governor) for name in ("WholeView", "FeedPublisher"))
        return cls(setting, world, view, publisher)

    def __post_init__(self) -> None:
        self._functions: dict[str, Function] = ContractAbi(self.world.node.artifacts["IVault"]).functions

    # ------------------------------------------------------------------------------------------------------ playing

    def check(self, play: Play, where: str) -> int:
        """Plays a history on both sides and compares every step; returns how many there were."""
        steps: list[Step] = []
        states: list[State] = []
        for step in play:
            steps.append(step)
            states.append(self.state_of(play))
        for number, (step, state, said) in enumerate(zip(steps, states, self.witnessed(steps), strict=True)):
            self.compare(step, state, said, place_of(step, number, where))
        return len(steps)

    def compare(self, step: Step, state: State, said: Witness, place: str) -> None:
        """Asserts that the chain answers and holds what the model does."""
        self._compare_answer(step, said.answer, place)
        if said.seen is not None:
            assert said.seen.is_done, (
                f"{place}: what came of it cannot be read: {self.world.node.decode_revert(said.seen.data)}"
            )
            self._compare_state(state, said.words, place)
        self.count(step)

    def witnessed(self, steps: Sequence[Step], *, looks_at_all: bool = True) -> list[Witness]:
        """What the chain makes of each step. Not `looks_at_all`: only at what came of steps that the model allows."""
        asked = []
        for step in steps:
            looks = looks_at_all or step.refusal is None
            asked.append((self.ahead(step), [self.look] if looks else [], self.behind(step) if looks else []))
        blocks = [
            Block(step.time, [*ahead, *map(self.call, (*step.move.before, step.move)), *look, *behind])
            for step, (ahead, look, behind) in zip(steps, asked, strict=True)
        ]
        outcomes = iter(simulate(self.world.node.rpc, [blocks])[0])
        said = []
        for step, (ahead, look, behind) in zip(steps, asked, strict=True):
            before = [next(outcomes) for _ in ahead]
            setup = [next(outcomes) for _ in step.move.before]
            assert all(one.is_done for one in setup), f"{step.move}: cannot be prepared"
            answer, seen = next(outcomes), next(outcomes) if look else None
            said.append(Witness(answer, seen, before, [next(outcomes) for _ in behind]))
        return said

    def ahead(self, step: Step) -> list[Call]:  # noqa: ARG002 (for those who look)
        """Calls that look at the state before a step, in its block."""
        return []

    def behind(self, step: Step) -> list[Call]:  # noqa: ARG002 (for those who look)
        """Calls that look at what came of it."""
        return []

    def count(self, step: Step) -> None:
        """Counts a step by its name and by how it was answered."""
        name = step.move.name
        self.counts[f"{name}: {step.refusal.name if step.refusal else 'done'}"] += 1
        if isinstance(step.answer, CloseOutResult):
            self.counts[f"{name}: {_kind(step.answer)}"] += 1

    # --------------------------------------------------------------------------------------------------- translation

    def address_of(self, party: str) -> str:
        special = {
            TREASURY: self.world.treasury,
            INSURANCE_FUND: self.world.fund.address,
            PENALTY_SPLITTER: self.world.splitter.address,
        }
        return special.get(party) or actor(party)

    def on_chain(self, value: Any) -> Any:
        """A value of the model as the contracts have it: parties as addresses, accounts as ids, sets as bits."""
        if isinstance(value, str):
            return self.address_of(value)
        if isinstance(value, AccountId):
            return account_of(self.address_of(value.owner), value.index)
        if isinstance(value, frozenset):
            return sum(1 << n for n in value)
        if isinstance(value, CloseOutRequest):
            return self._request(value)
        return value

    def _request(self, request: CloseOutRequest) -> tuple[Any, ...]:
        sets = [EVERYTHING if s is None else self.on_chain(s) for s in (request.collaterals, request.debts)]
        assert request.receiver is not None
        return (
            self.on_chain(request.account),
            *sets,
            request.fill_wad,
            request.deadline if request.deadline != MAX_UINT256 else NEVER,
            self.address_of(request.receiver),
            *(self.on_chain(s) for s in (request.as_claims, request.from_shares, request.from_claims)),
            list(request.least_seized.items()),
            list(request.most_repaid.items()),
        )

    def target_of(self, move: Move) -> Deployed:
        """The contract that a move calls, where it is not the Vault."""
        return {"splitter": self.world.splitter}[move.target]

    def call(self, move: Move) -> Call:
        """The transaction of a move."""
        world = self.world
        if move.name == "prices":
            feeds = [asset.feed.address for asset in world.assets]
            data = self.publisher.publish.data(feeds, list(move.arguments[1]))
            return Call(world.governor, self.publisher.address, "0x" + data.hex())
        arguments = [self.on_chain(value) for value in move.arguments]
        if move.target != "vault":
            contract = self.target_of(move)
            data = getattr(contract, move.function).data(*arguments)
            return Call(self.address_of(move.caller), contract.address, "0x" + data.hex())
        return Call(
            self.address_of(move.caller), world.vault.address, self._functions[move.function].encode(*arguments)
        )

    @cached_property
    def look(self) -> Call:
        """Everything that the Vault says, by WholeView."""
        accounts = [self.on_chain(account) for account in ACCOUNTS]
        tokens = [asset.token.address for asset in self.world.assets]
        holders = [self.address_of(holder) for holder in self.holders]
        data = self.view.read.data(self.world.vault.address, accounts, tokens, holders)
        return Call(World.stranger, self.view.address, "0x" + data.hex())

    # -------------------------------------------------------------------------------------------------------- answers

    def _compare_answer(self, step: Step, outcome: Outcome, place: str) -> None:
        if step.refusal is not None:
            assert not outcome.is_done, f"{place}: the model refuses with {step.refusal}"
            revert = self.world.node.decode_revert(outcome.data)
            assert _is_same_refusal(step, revert.name), f"{place}: {revert}, the model refuses with {step.refusal}"
            if revert.name not in ANY_LEG:
                assert revert.arguments == self._arguments_of(step.refusal), f"{place}: {revert}, model {step.refusal}"
            return
        assert outcome.is_done, (
            f"{place}: {self.world.node.decode_revert(outcome.data)}, the model answers {step.answer}"
        )
        if isinstance(step.answer, CloseOutResult):
            said = Result.of(self._functions["closeOut"].decode(outcome.data))
            assert said == result_of(step.answer), f"{place}: {said}, the model {step.answer}"
        elif isinstance(step.answer, int):
            assert int(outcome.data, 16) == step.answer, f"{place}: {int(outcome.data, 16)}, the model {step.answer}"

    def _arguments_of(self, refusal: ModelRevert) -> tuple[Any, ...]:
        return tuple(self.on_chain(value) for value in refusal.values)

    # --------------------------------------------------------------------------------------------------------- state

    def state_of(self, play: Play) -> State:
        """The model's state, in the order of WholeView."""
        return list(_values(play.vault, play))

    @cached_property
    def _names(self) -> list[str]:
        return list(_names(len(self.setting.assets), self.holders))

    def _compare_state(self, expected: State, words: list[int], place: str) -> None:
        for name, value, word in zip(self._names, expected, words, strict=True):
            assert value is None or value == word, f"{place}: {name} is {word}, in the model {value}"


def _kind(answer: CloseOutResult) -> str:
    if not answer.is_executed:
        return "put on call"
    return "opted in" if answer.health_factor_before_wad >= WAD else answer.regime.name.lower()


def result_of(answer: CloseOutResult) -> Result:
    """A close-out of the model in the shape of the contracts'."""
    return Result(
        answer.regime,
        answer.is_executed,
        answer.penalty_rate_wad,
        answer.health_factor_before_wad,
        answer.health_factor_after_wad,
        {leg.asset_id: (leg.seized, leg.to_protocol, leg.to_insurance) for leg in answer.seized},
        {leg.asset_id: (leg.repaid, leg.bad_debt, leg.covered) for leg in answer.repaid},
    )


# Legs of a close-out are looked at in the order in which the account took them on, in the model in that of the assets:
# which of several that fail is found first is nobody's concern.
UNPAID = {"InsufficientClaim", "InsufficientShares", "TransferFromFailed", "TransferMismatch"}
ANY_LEG = {"SlippageExceeded", "PriceNotFresh", *UNPAID}


def _is_same_refusal(step: Step, name: str) -> bool:
    assert step.refusal is not None
    return name == step.refusal.name or ("close out" in step.move.name and {name, step.refusal.name} <= UNPAID)


def _names(count: int, holders: Sequence[str]) -> Iterator[str]:
    """What each value of `_values` is."""
    for account in ACCOUNTS:
        yield from (f"collateral {n} of {account}" for n in range(count))
        yield from (f"debt {n} of {account}" for n in range(count))
        yield from (f"{what} of {account}" for what in OF_ACCOUNT)
    for n in range(count):
        yield from (f"{what} {n}" for what in OF_ASSET)
        for holder in holders:
            yield from (f"{what} {n} of {holder}" for what in OF_HOLDER)


OF_ACCOUNT = (
    "collateral value",
    "borrowing power",
    "maintenance value",
    "debt value",
    "health factor",
    "time of the call",
    "time of the last action",
    "trigger",
    "target",
    "penalty",
)
OF_ASSET = ("idle", "debt", "supply shares", "index", "rate", "balance of the Vault")
OF_HOLDER = ("supply shares", "claim", "wallet")


def _values(vault: Vault, play: Play) -> Iterator[int | None]:
    """The model's state, in the order of WholeView."""
    count = len(vault.assets)
    for account in ACCOUNTS:
        position, health, times = vault.position_of(account), vault.health_of(account), vault.times_of(account)
        yield from (position.collateral.get(n, 0) for n in range(count))
        yield from (position.debt.get(n, 0) for n in range(count))
        yield from (health.collateral_value, health.borrowing_power, health.maintenance_value, health.debt_value)
        yield from (health.health_factor_wad, times.called_at, times.acted_at)
        terms = play.deleverages.get(account)
        yield from (
            (terms.trigger_health_factor_wad, terms.target_health_factor_wad, terms.penalty_wad) if terms else (0, 0, 0)
        )
    for n in range(count):
        market = vault.market_of(n)
        yield from (market.idle, market.debt, market.supply_shares, market.index, market.rate, vault.balance_of(n))
        for holder in play.holders:
            yield vault.supply_shares_of(n, holder)
            yield vault.claim_of(holder, n)
            # what the splitter pays out in tokens is no part of the model
            yield PURSE + vault.wallet_of(holder, n) if holder in play.users else None
