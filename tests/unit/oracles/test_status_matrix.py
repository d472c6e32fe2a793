"""Specification, section 9, as a table: every action at every status of a price that the account rests on.

Real feeds, adapters and router. The account holds two collaterals and owes two debts, all alike; of them a collateral,
a debt, or one of each is past its heartbeat (degraded) or gone (missing).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.support.node import Node, Reverted
from tests.support.world import (
    BORROWABLE,
    HEARTBEAT,
    NOT_COLLATERAL,
    Asset,
    Result,
    World,
    collateral,
    set_of,
    wad,
)

HOUR = 3600
STATUSES = ("fresh", "degraded", "missing")
PLACES = ("collateral", "debt", "several")
YES = ("done",) * 3
FRESH_ONLY = ("done", "PriceNotFresh", "PriceNotFresh")
ALL_CLOSED = ("to 1.10", "to 1.00", "to 1.10 without it")

# What comes of an action where the price in question is fresh, degraded, missing; of a collateral, a debt, or several.
EXPECTED: dict[str, dict[str, tuple[str, str, str]]] = {
    "deposit of an asset held": dict.fromkeys(PLACES, YES),
    "deposit of a new asset while owing": dict.fromkeys(PLACES, YES),
    "repayment": dict.fromkeys(PLACES, YES),
    "supply": dict.fromkeys(PLACES, YES),
    "redemption": dict.fromkeys(PLACES, YES),
    "claim": dict.fromkeys(PLACES, YES),
    "withdrawal without debt": dict.fromkeys(PLACES, YES),
    "withdrawal while owing": dict.fromkeys(PLACES, FRESH_ONLY),
    "borrowing": dict.fromkeys(PLACES, FRESH_ONLY),
    "rebalancing": dict.fromkeys(PLACES, FRESH_ONLY),
    "self-deleverage": dict.fromkeys(PLACES, FRESH_ONLY),
    "margin call": dict.fromkeys(PLACES, YES),
    "clearing a margin call": dict.fromkeys(PLACES, YES),
    "close-out of all": dict.fromkeys(PLACES, ALL_CLOSED),
    "close-out of it alone": dict.fromkeys(PLACES, ("to 1.10", "to 1.00", "EmptySet")),
    "close-out of the rest": dict.fromkeys(PLACES, ("to 1.10", "to 1.10", "to 1.10")),
    "write-off": dict.fromkeys(PLACES, YES),
}


@dataclass(frozen=True)
class Scene:
    """A market of four alike, an account in it, and another without debt."""

    world: World
    held: Asset
    other_held: Asset
    owed: Asset
    other_owed: Asset
    new: Asset
    account: int
    debtless: int

    @property
    def assets(self) -> tuple[Asset, ...]:
        return self.held, self.other_held, self.owed, self.other_owed

    def at(self, place: str) -> tuple[Asset, ...]:
        """Whose price is in question."""
        return {"collateral": (self.held,), "debt": (self.owed,), "several": (self.held, self.owed)}[place]

    def put(self, status: str, *assets: Asset) -> None:
        for asset in assets:
            if status == "degraded":
                stale = self.world.now - HEARTBEAT * 3 // 2
                asset.feed.publishAt(self.world.prices[asset.id], stale, sender=World.stranger)
            elif status == "missing":
                asset.feed.publishAt(0, 0, sender=World.stranger)

    def fall(self, price: str) -> None:
        """Both collaterals fall, and are recorded there, which takes two looks an hour apart."""
        for _ in range(2):
            self.world.warp(HOUR)
            for asset in (self.held, self.other_held):
                self.world.set_price(asset, price)
                self.world.router.poke(asset.token, sender=World.stranger)


@pytest.fixture(scope="module")
def scene(node: Node) -> Iterator[Scene]:
    with node.rolled_back():
        world = World(node)
        held, other_held, new = (
            world.list_asset(name, 18, 90, collateral(8000, 800)) for name in ("HELD", "OTHER", "NEW")
        )
        owed, other_owed = (world.list_asset(name, 6, 1, NOT_COLLATERAL, BORROWABLE) for name in ("OWED", "OWED TOO"))
        for asset in (owed, other_owed):
            world.supply(asset, 100_000)
            world.fund_party(World.liquidator, asset, 100_000)
            world.fund_party(World.borrower, asset, 1_000)
        for asset in (held, other_held, new):
            world.fund_party(World.borrower, asset, 1_000)
        world.credit(World.borrower, held, 1)
        debtless = world.open_account({held: 1, other_held: 1}, owner=World.receiver)
        account = world.open_account({held: 10, other_held: 10}, {owed: 600, other_owed: 600})
        yield Scene(world, held, other_held, owed, other_owed, new, account, debtless)


# -------------------------------------------------------------------------------------------------------------- actions

Action = Callable[[Scene, tuple[Asset, ...]], Any]


def _transact(name: str, arguments: Callable[[Scene], tuple[Any, ...]], sender: str = World.borrower) -> Action:
    return lambda scene, _: getattr(scene.world.vault, name)(*arguments(scene), sender=sender)


def _close(scene: Scene, it: tuple[Asset, ...], **sets: int) -> str:
    receipt = scene.world.close_out(scene.account, **sets)
    result: Result = World.result(receipt)
    taken = {*result.seized, *result.repaid}
    health = scene.world.health(scene.account)
    assert health == result.health_after > result.health_before
    for aim in ("1.10", "1.00"):
        if wad(aim) <= health < wad(aim) + 10**12:
            return f"to {aim}" + ("" if taken & {asset.id for asset in it} else " without it")
    raise AssertionError(f"ends at {health}")


def _close_all(scene: Scene, it: tuple[Asset, ...]) -> str:
    return _close(scene, it)


def _sides(scene: Scene, wanted: Callable[[Asset], bool]) -> dict[str, int]:
    """What is wanted of either side, or all of it where nothing is."""
    sides = {"collaterals": scene.assets[:2], "debts": scene.assets[2:]}
    return {side: set_of(*(filter(wanted, assets))) or set_of(*assets) for side, assets in sides.items()}


def _close_it(scene: Scene, it: tuple[Asset, ...]) -> str:
    return _close(scene, it, **_sides(scene, lambda asset: asset in it))


def _close_rest(scene: Scene, it: tuple[Asset, ...]) -> str:
    return _close(scene, it, **_sides(scene, lambda asset: asset not in it)).removesuffix(" without it")


def _clear(scene: Scene, it: tuple[Asset, ...]) -> None:
    scene.world.vault.marginCall(scene.account, sender=World.stranger)
    scene.world.set_price(scene.other_held, 120)
    scene.world.vault.clearMarginCall(scene.account, sender=World.stranger)


def _deleverage(scene: Scene, it: tuple[Asset, ...]) -> None:
    scene.world.close_out(scene.account)


def _opt_in(scene: Scene) -> None:
    terms = (wad("1.5"), wad("1.6"), wad("0.02"))
    scene.world.vault.setDeleverage(scene.account, terms, sender=World.borrower)


def _nothing(scene: Scene) -> None:
    pass


def _fall_below_one(scene: Scene) -> None:
    scene.fall("74")


def _fall_to_a_call(scene: Scene) -> None:
    scene.fall("77")


def _fall_to_dust(scene: Scene) -> None:
    scene.fall("0.0001")


def _rebalancing(scene: Scene) -> tuple[Any, ...]:
    return scene.account, ([], [(scene.other_owed.id, 1)], [(scene.other_held.id, 10**18)], []), World.borrower, b""


# what happens before the price is in question, and the action
ACTIONS: dict[str, tuple[Callable[[Scene], None], Action]] = {
    "deposit of an asset held": (
        _nothing,
        _transact("depositCollateral", lambda s: (s.account, s.held.id, 10**18)),
    ),
    "deposit of a new asset while owing": (
        _nothing,
        _transact("depositCollateral", lambda s: (s.account, s.new.id, 10**18)),
    ),
    "repayment": (_nothing, _transact("repay", lambda s: (s.account, s.owed.id, 10**6))),
    "supply": (_nothing, _transact("supply", lambda s: (s.owed.id, 10**6, World.borrower))),
    "redemption": (
        _nothing,
        _transact("redeem", lambda s: (s.owed.id, 10**12, World.lender, World.lender), World.lender),
    ),
    "claim": (_nothing, _transact("claim", lambda s: (s.held.id, 10**18, World.borrower))),
    "withdrawal without debt": (
        _nothing,
        _transact("withdrawCollateral", lambda s: (s.debtless, s.held.id, 10**18, World.receiver), World.receiver),
    ),
    "withdrawal while owing": (
        _nothing,
        _transact("withdrawCollateral", lambda s: (s.account, s.other_held.id, 1, World.borrower)),
    ),
    "borrowing": (_nothing, _transact("borrow", lambda s: (s.account, s.other_owed.id, 1, World.borrower))),
    "rebalancing": (_nothing, _transact("rebalance", _rebalancing)),
    "self-deleverage": (_opt_in, _deleverage),
    "margin call": (_fall_to_a_call, _transact("marginCall", lambda s: (s.account,), World.stranger)),
    "clearing a margin call": (_fall_to_a_call, _clear),
    "close-out of all": (_fall_below_one, _close_all),
    "close-out of it alone": (_fall_below_one, _close_it),
    "close-out of the rest": (_fall_below_one, _close_rest),
    "write-off": (_fall_to_dust, _transact("writeOff", lambda s: (s.account,), World.stranger)),
}


def outcome(scene: Scene, act: Action, place: str, status: str) -> str:
    """What comes of an action, on a chain that forgets it."""
    it = scene.at(place)
    with scene.world.node.rolled_back():
        staged = replace(scene, world=scene.world.fork())
        staged.put(status, *it)
        for asset in it:
            assert staged.world.vault.priceOf(asset.id)[0] == STATUSES.index(status)
        try:
            said = act(staged, it)
        except Reverted as revert:
            return str(revert.name)
        return said if isinstance(said, str) else "done"


@pytest.mark.parametrize("action", ACTIONS)
def test_status_matrix__of_an_action__is_that_of_the_specification(
    scene: Scene, action: str, record_property: Callable[[str, object], None]
) -> None:
    before, act = ACTIONS[action]
    with scene.world.node.rolled_back():
        staged = replace(scene, world=scene.world.fork())
        before(staged)
        found = {place: tuple(outcome(staged, act, place, status) for status in STATUSES) for place in PLACES}
    assert found == EXPECTED[action]
    for place in PLACES:
        record_property(f"{action}, {place}", " / ".join(found[place]))


def test_status_matrix__has_every_action_and_place() -> None:
    assert EXPECTED.keys() == ACTIONS.keys()
    assert all(rows.keys() == set(PLACES) for rows in EXPECTED.values())
