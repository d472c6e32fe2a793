"""The whole Vault against the reference model: random histories of several users, played on both.

After every step the answer (or the custom error, with its figures) and every balance are equal to the unit. With
interest as without: both follow the same integers at the same times. All calls are ordinary transactions on Anvil.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from closeout.model import Market, SeizedLeg, _preparation, _settlement, _vault, mul_div_up
from tests.differential.pairs import Pair
from tests.differential.plays import Play
from tests.differential.settings import SETTINGS, Setting
from tests.differential.sizes import least, seeded, sized
from tests.support.node import Node

HISTORIES = sized(25)
STEPS = 80

# How often what must have happened at least, over all settings: each is a path on which the two might differ.
WANTED = {
    "borrow: ActionPaused": 10,
    "borrow: AssetHeldAsCollateral": 70,
    "borrow: BelowInitialMargin": 60,
    "borrow: DebtBelowMinimum": 60,
    "borrow: InsufficientLiquidity": 30,
    "borrow: NotAuthorized": 55,
    "borrow: done": 260,
    "claim: InsufficientClaim": 30,
    "claim: done": 45,
    "clear margin call: MarginCallRefused": 9,
    "clear margin call: done": 4,
    "close out: AccountActedNow": 20,
    "close out: AccountHealthy": 240,
    "close out: DeadlinePassed": 20,
    "close out: EmptySet": 25,
    "close out: FillLeavesDust": 3,
    "close out: FillOutOfRange": 70,
    "close out: GracePeriodRunning": 35,
    "close out: InsufficientClaim": 20,
    "close out: InsufficientShares": 15,
    "close out: NothingToClose": 4,
    "close out: SetSellsTooMuch": 1,
    "close out: SlippageExceeded": 30,
    "close out: capped": 10,
    "close out: opted in": 6,
    "close out: put on call": 10,
    "close out: restorative": 55,
    "close out: terminal": 135,
    "credit claim: done": 100,
    "deposit: AmountTooLarge": 20,
    "deposit: AssetNotCollateral": 100,
    "deposit: CapExceeded": 7,
    "deposit: NotAuthorized": 30,
    "deposit: done": 345,
    "margin call: MarginCallRefused": 140,
    "margin call: done": 30,
    "note insolvency: AccountNotInsolvent": 50,
    "note insolvency: done": 30,
    "redeem: InsufficientLiquidity": 4,
    "redeem: NotAuthorized": 10,
    "redeem: done": 80,
    "repay: done": 115,
    "set deleverage: DeleverageOutOfRange": 25,
    "set deleverage: done": 120,
    "set operator: done": 30,
    "set pauses: done": 40,
    "split: done": 30,
    "supply: CapExceeded": 7,
    "supply: done": 475,
    "withdraw collateral: BelowInitialMargin": 40,
    "withdraw collateral: InsufficientCollateral": 9,
    "withdraw collateral: done": 135,
    "withdraw: InsufficientShares": 15,
    "withdraw: NotAuthorized": 10,
    "withdraw: done": 90,
    "write off: AccountNotInsolvent": 120,
    "write off: CollateralNotDust": 5,
    "write off: done": 10,
}


@pytest.fixture(scope="module")
def pairs(node: Node) -> dict[str, Pair]:
    return {setting.name: Pair.of(setting, node) for setting in SETTINGS}


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_vault_and_model__answer_alike_and_hold_the_same_after_every_step(
    pairs: dict[str, Pair], setting: Setting, record_property: Callable[[str, object], None]
) -> None:
    steps = 0
    for number in range(HISTORIES):
        where = f"history {number} of '{setting.name}'"
        steps += pairs[setting.name].check(Play(setting, seeded(setting.name, number), STEPS), where)
    record_property("histories", HISTORIES)
    record_property("steps without a difference", steps)
    assert steps >= HISTORIES * STEPS


def test_histories__took_every_path_on_which_the_two_might_differ(
    pairs: dict[str, Pair], record_property: Callable[[str, object], None]
) -> None:
    counts: Counter[str] = sum((pair.counts for pair in pairs.values()), start=Counter())
    if not counts:
        pytest.skip("looks at what the histories did")
    for name, count in sorted(counts.items()):
        record_property(name, count)
    for name, count in WANTED.items():
        assert counts[name] >= least(count), f"{name}: {dict(sorted(counts.items()))}"


# ------------------------------------------------------------------------------------------------------ broken models


def _seizes_up(collateral: Any, plan: Any, snapshot: Any, *rest: Any) -> Any:
    leg = _settlement.seize(collateral, plan, snapshot, *rest)
    most = mul_div_up(collateral.amount, plan.seized_value, snapshot.set_collateral_value)
    return SeizedLeg(leg.asset_id, most, leg.to_protocol)


def _mints_up(self: Market, assets: int) -> int:
    return self.shares_up(assets)


def _clears_nothing(self: Any, account: Any, health: int) -> None:
    pass


def _covers_all(self: Any, asset_id: int) -> int:
    return 0


# What is broken of the model, and the setting that shows it.
BROKEN: dict[str, tuple[str, Any, str, Callable[..., Any]]] = {
    "seized is rounded up": ("limits", _preparation, "seize", _seizes_up),
    "supply shares are rounded up": ("limits", Market, "shares_down", _mints_up),
    "a close-out clears no margin call": ("limits", _vault.Vault, "_clear_call_if_healthy", _clears_nothing),
    "who leaves leaves nothing behind": ("plain", _vault.Vault, "uncovered_loss_of", _covers_all),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_model_that_differs__is_caught(pairs: dict[str, Pair], monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    name, owner, attribute, wrong = BROKEN[broken]
    monkeypatch.setattr(owner, attribute, wrong)
    setting = next(setting for setting in SETTINGS if setting.name == name)
    pair = Pair(setting, pairs[name].world, pairs[name].view, pairs[name].publisher)
    with pytest.raises(AssertionError, match="the model"):
        for number in range(40):
            pair.check(Play(setting, seeded(name, number), STEPS), "broken")
