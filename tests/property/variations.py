"""The same worlds closed out another way: settled otherwise, insured, after their grace, opted in by their owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.differential.simulation import Block, Call
from tests.property.placed import NOW, Between, Seen, Stage
from tests.support.node import Deployed, actor
from tests.support.world import EVERYTHING
from tests.worlds import World

GRACE = 3_600
COVER = 10**6
"""Token units that the insurance fund holds of each debt's asset, where it is to hold some."""


def nothing(_stage: Stage, _world: World) -> Sequence[Block]:
    return []


@dataclass(frozen=True)
class Feature:
    """What is asked differently. `payer`: by whose name on the stage; `between`: what happens before."""

    request: Mapping[str, Any]
    between: Between = nothing
    payer: str = "liquidator"
    closes_at: int = NOW


class Variation(Stage):
    """The stage with a feature on: the same Vault, tokens and accounts."""

    def __init__(self, stage: Stage, feature: Feature) -> None:
        self.__dict__ = dict(stage.__dict__)
        self._feature = feature
        self.closes_at = feature.closes_at

    def request(self, world: World, **changes: Any) -> tuple[Any, ...]:
        return super().request(world, **(dict(self._feature.request) | changes))

    def call(self, contract: Deployed, data: bytes, sender: str | None = None) -> Call:
        return super().call(contract, data, sender or getattr(self, self._feature.payer))

    def see_all(
        self, worlds: Iterable[World], engine: Deployed | None = None, *, between: Between | None = None
    ) -> list[Seen]:
        return super().see_all(worlds, engine, between=between or self._feature.between)


def crediting(holder: Callable[[Stage], str], units: Callable[[World, int], int]) -> Between:
    """Claims of each debt's asset for a holder, paid for by the liquidator."""

    def before(stage: Stage, world: World) -> Sequence[Block]:
        given = [stage.vault.creditClaim.data(n, units(world, n), holder(stage)) for n in world.debt_shares]
        return [Block(NOW, [stage.call(stage.vault, data, stage.liquidator) for data in given])]

    return before


def enough(world: World, asset_id: int) -> int:
    return int(world.debt_units(asset_id)) + 2


def calling(stage: Stage, _world: World) -> Sequence[Block]:
    """Somebody puts the account on call."""
    return [Block(NOW, [stage.call(stage.vault, stage.vault.marginCall.data(stage.account))])]


FEATURES: dict[str, Feature] = {
    "collateral as claims": Feature({"as_claims": EVERYTHING}),
    "some collateral as claims, to another": Feature({"as_claims": 0b10101, "receiver": actor("another")}),
    "paid from claims": Feature({"from_claims": EVERYTHING}, crediting(lambda stage: stage.liquidator, enough)),
    "paid from supply shares": Feature({"from_shares": EVERYTHING}, payer="lender"),
    "no token moves": Feature({"from_shares": EVERYTHING, "as_claims": EVERYTHING}, payer="lender"),
    "insured": Feature({}, crediting(lambda stage: stage.protocol.fund.address, lambda _world, _n: COVER)),
    "after its grace": Feature({}, calling, closes_at=NOW + GRACE),
}
