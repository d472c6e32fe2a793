"""One step of a history with all that was seen of it: on a chain, or on the model alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from closeout.model import INDEX_ONE, AccountId, CloseOutResult
from closeout.units import WAD
from tests.differential.pairs import State, Witness, place_of, result_of
from tests.differential.plays import Step
from tests.differential.settings import Setting
from tests.differential.simulation import Outcome
from tests.property.looks import AccountLook, Look, look_at
from tests.stateful.feeds import FedPlay
from tests.stateful.stage import Stage, watched
from tests.support.world import Result

Told = Result | str
"""What a close-out or its preview answered, or the name of its error."""


@dataclass(frozen=True)
class Record:
    """One step with the parameters it met and what the model was when it had played it."""

    step: Step
    setting: Setting
    state: State
    prices: tuple[int, ...]
    donated: tuple[int, ...]
    dead: frozenset[int]
    doubtful: frozenset[int]

    @classmethod
    def of(cls, step: Step, play: FedPlay, stage: Stage, last: Record | None = None) -> Record:
        """`last`: the record before, whose state a refused step leaves as it is."""
        if last is not None and step.refusal is not None:
            return replace(last, step=step)
        vault = play.vault
        count = range(len(vault.assets))
        return cls(
            step,
            play.setting,
            stage.state_of(play),
            tuple(vault.price_of(n) for n in count),
            tuple(vault.donated.get(n, 0) for n in count),
            frozenset(n for n in vault.moods if vault.is_dead(n)),
            frozenset(n for n in count if vault.is_doubtful(n)),
        )


@dataclass(frozen=True)
class Sight:
    """State before and after one step. What only a chain can tell is None, or empty, on the model alone.

    `still_due`: the answer to another whole close-out of `watched`, right after the step. `tries`: of a callback's
    script, whether each got through and what it was answered. `dead`: assets whose tokens refused to be sent;
    `doubtful`: whose prices are not fresh.
    """

    setting: Setting
    step: Step
    place: str
    before: Look
    after: Look
    refusal: str | None
    result: Result | None
    watched: AccountId
    donated: tuple[int, ...]
    dead: frozenset[int]
    doubtful: frozenset[int]
    preview: Told | None = None
    still_due: Told | None = None
    gas: int = 0
    tries: Sequence[tuple[bool, bytes]] = ()
    logs: Sequence[Any] = field(default=(), repr=False)

    @property
    def is_done(self) -> bool:
        return self.refusal is None

    @property
    def closed(self) -> AccountId | None:
        """The account that this step closed out, wholly or in part."""
        if self.result is None or not self.result.is_executed:
            return None
        account: AccountId = self.step.move.arguments[0].account
        return account

    def is_sure(self, look: AccountLook) -> bool:
        """Every price of an account is fresh."""
        return not any(look.collateral[n] or look.debt[n] for n in self.doubtful)

    # ------------------------------------------------------------------------------------------------ exact values

    def unit_value(self, asset: int) -> Fraction:
        """USD of one token unit, at the prices of the step."""
        return Fraction(self.after.prices[asset], WAD * 10 ** self.setting.assets[asset].decimals)

    def threshold(self, asset: int) -> Fraction:
        return Fraction(self.setting.assets[asset].collateral.liquidation_threshold, 10_000)

    def units_of(self, assets: Any) -> Fraction:
        """USD of one unit of each of these assets."""
        return sum((self.unit_value(n) for n in assets), Fraction(0))

    def share_of(self, asset: int) -> Fraction:
        """Token units of one debt share, after the step."""
        return Fraction(self.after.assets[asset].index, 100 * INDEX_ONE)

    def collateral_value(self, look: AccountLook) -> Fraction:
        return sum((units * self.unit_value(n) for n, units in enumerate(look.collateral) if units), Fraction(0))

    def weighted_value(self, look: AccountLook) -> Fraction:
        values = (u * self.unit_value(n) * self.threshold(n) for n, u in enumerate(look.collateral) if u)
        return sum(values, Fraction(0))

    def debt_value(self, look: AccountLook) -> Fraction:
        """Of debts in units, each of which is rounded up."""
        return sum((units * self.unit_value(n) for n, units in enumerate(look.debt) if units), Fraction(0))

    @staticmethod
    def debts_of(look: AccountLook) -> list[int]:
        return [n for n, units in enumerate(look.debt) if units]


def on_the_model(play: FedPlay, records: Sequence[Record], where: str) -> Iterator[Sight]:
    """The history as the reference model alone tells it."""
    before: Look | None = None
    for number, record in enumerate(records):
        after = look_at([value or 0 for value in record.state], record.prices, play.holders)
        step = record.step
        if before is not None:
            yield Sight(
                record.setting,
                step,
                place_of(step, number, where),
                before,
                after,
                step.refusal.name if step.refusal else None,
                result_of(step.answer) if isinstance(step.answer, CloseOutResult) else None,
                watched(step),
                record.donated,
                record.dead,
                record.doubtful,
            )
        before = after


def on_the_chain(stage: Stage, records: Sequence[Record], said: Sequence[Witness], where: str) -> Iterator[Sight]:
    """The history as the chain carried it out; of the model's only prices and what was set from outside."""
    before: Look | None = None
    for number, (record, one) in enumerate(zip(records, said, strict=True)):
        step = record.step
        after = before if one.seen is None else look_at(one.words, record.prices, stage.holders)
        if before is not None and after is not None:
            told = _told(stage, one.answer) if _is_close_out(step) else None
            yield Sight(
                record.setting,
                step,
                place_of(step, number, where),
                before,
                after,
                None if one.answer.is_done else stage.world.node.decode_revert(one.answer.data).name,
                told if isinstance(told, Result) else None,
                watched(step),
                record.donated,
                record.dead,
                record.doubtful,
                _told(stage, one.before[0]) if one.before else None,
                _told(stage, one.after[0]) if one.after else None,
                one.answer.gas,
                _tries(stage, one) if one.answer.is_done and len(one.after) > 1 else (),
                one.answer.logs,
            )
        before = after


def _is_close_out(step: Step) -> bool:
    return step.move.function == "closeOut" and step.move.target == "vault"


def _told(stage: Stage, outcome: Outcome) -> Told:
    if not outcome.is_done:
        return stage.world.node.decode_revert(outcome.data).name
    return Result.of(stage.decode("closeOut", outcome.data))


def _tries(stage: Stage, one: Witness) -> Sequence[tuple[bool, bytes]]:
    return [(bool(passed), answer) for passed, answer in stage.decode_outcomes(one.after[1].data)]
