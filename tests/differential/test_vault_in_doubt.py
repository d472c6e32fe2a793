"""The whole Vault against the reference model where prices are degraded or missing, and where volatility lifts targets.

As `test_vault_against_model.py`: random histories on both, every answer, refusal and balance equal to the unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from closeout.model import CloseOutResult, Regime, Status, _accounts
from tests.differential.doubtful import DOUBTFUL, DoubtfulPair, DoubtfulPlay, DoubtfulSetting
from tests.differential.plays import Step
from tests.differential.sizes import least, seeded, sized
from tests.support.node import Node

HISTORIES = sized(10)
STEPS = 80

# How often what must have happened at least, over all settings. Close-outs of thousands of accounts in doubt:
# tests/property/test_doubt.py.
WANTED = {
    "borrow: PriceNotFresh": 60,
    "borrow: done": 60,
    "clear margin call: done": 1,
    "close out: AccountHealthy": 90,
    "close out: EmptySet": 30,
    "close out: capped": 1,
    "close out: restorative": 6,
    "close out: terminal": 25,
    "close out: throttled": 8,
    "deposit: done": 120,
    "margin call: done": 10,
    "repay: done": 30,
    "withdraw collateral: PriceNotFresh": 3,
    "write off: done": 2,
}


class CountingPlay(DoubtfulPlay):
    """Notes of each close-out what of its prices was not fresh."""

    seen: Counter[str]

    def __iter__(self) -> Iterator[Step]:
        self.seen = Counter()
        for step in super().__iter__():
            if step.move.name == "close out" and isinstance(step.answer, CloseOutResult) and step.answer.is_executed:
                self._note(step.answer)
            yield step

    def _note(self, answer: CloseOutResult) -> None:
        legs = {leg.asset_id for leg in (*answer.seized, *answer.repaid)}
        statuses = {self.vault.quote_of(n).status for n in legs}
        self.seen["close out: throttled"] += Status.DEGRADED in statuses
        above = answer.health_factor_after_wad > self.vault.parameters.target_health_factor_wad * 102 // 100
        is_restored = answer.regime is Regime.RESTORATIVE and answer.health_factor_before_wad < 10**18
        self.seen["close out: to a lifted target"] += is_restored and above


@pytest.fixture(scope="module")
def pairs(node: Node) -> dict[str, DoubtfulPair]:
    return {setting.name: DoubtfulPair.of(setting, node) for setting in DOUBTFUL}


@pytest.mark.parametrize("setting", DOUBTFUL, ids=lambda setting: setting.name)
def test_vault_and_model__answer_alike_under_every_status(
    pairs: dict[str, DoubtfulPair], setting: DoubtfulSetting
) -> None:
    pair = pairs[setting.name]
    for number in range(HISTORIES):
        play = CountingPlay(setting, seeded(setting.name, number), STEPS)
        pair.check(play, f"history {number} of '{setting.name}'")
        pair.counts.update(play.seen)


def test_histories__took_every_path_that_doubt_opens(pairs: dict[str, DoubtfulPair]) -> None:
    counts: Counter[str] = sum((pair.counts for pair in pairs.values()), start=Counter())
    if not counts:
        pytest.skip("looks at what the histories did")
    for name, count in WANTED.items():
        assert counts[name] >= least(count), f"{name}: {dict(sorted(counts.items()))}"


def test_a_model_that_lends_at_any_price__is_caught(
    pairs: dict[str, DoubtfulPair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_accounts.Accounts, "_require_fresh", lambda *_: None)
    known, setting = pairs[DOUBTFUL[0].name], DOUBTFUL[0]
    pair = DoubtfulPair(setting, known.world, known.view, known.publisher)
    with pytest.raises(AssertionError, match="the model"):
        for number in range(20):
            pair.check(DoubtfulPlay(setting, seeded(setting.name, number), STEPS), "broken")
