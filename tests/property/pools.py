"""The accounts that the properties are told over, and what the contracts made of them: settled once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

import pytest

from tests.differential.sizes import least, seeded
from tests.model import checks
from tests.model.checks import Settled
from tests.property.placed import Seen, Stage, without_limits
from tests.support.evidence import looked_at
from tests.support.node import Deployed
from tests.worlds import AIMS, World, make_world

Settle = Callable[[World], Settled | None]


def some_worlds(name: str, count: int, aims: Sequence[str] = AIMS) -> list[World]:
    """Random accounts of these aims in turn, without dust values and size buckets."""
    return [without_limits(make_world(seeded(name, n), aims[n % len(aims)])) for n in range(count)]


@dataclass(frozen=True)
class Pool:
    """Accounts with the close-outs that were asked for."""

    stage: Stage
    seen: list[Seen]

    @classmethod
    def of(cls, stage: Stage, worlds: list[World], engine: Deployed | None = None) -> Pool:
        return cls(stage, stage.see_all(worlds, engine))

    @property
    def worlds(self) -> list[World]:
        return [one.world for one in self.seen]

    def settle(self, world: World) -> Settled | None:
        """What the contracts made of a world: of one in the pool, as it was made."""
        known = self._known.get(id(world))
        return known.settled if known else self.stage.settle(world)

    @property
    def _known(self) -> dict[int, Seen]:
        found: dict[int, Seen] | None = self.__dict__.get("_by_id")
        if found is None:
            found = {id(one.world): one for one in self.seen}
            self.__dict__["_by_id"] = found
        return found


@contextmanager
def told_by(settle: Settle) -> Iterator[None]:
    """The checks of tests/model/checks.py ask these contracts instead of the model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "settle", settle)
        yield


def holds(check: Callable[[World], bool], settle: Settle, worlds: Sequence[World], wanted: int) -> None:
    """The property holds for every account, and enough of them said something about it."""
    told = 0
    looked_at(len(worlds))
    with told_by(settle):
        for number, world in enumerate(worlds):
            try:
                told += check(world)
            except AssertionError as failure:
                raise AssertionError(f"account {number}: {failure}\n{world}") from failure
    assert told >= least(wanted), f"only {told} accounts told anything"


def at_random(check: Callable[[World, Random], bool]) -> Callable[[World], bool]:
    """A check that makes choices, each account's its own."""
    numbers: dict[int, int] = {}

    def checked(world: World) -> bool:
        number = numbers.setdefault(id(world), len(numbers))
        return check(world, seeded(check.__name__, number))

    return checked
