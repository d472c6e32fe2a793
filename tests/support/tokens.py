"""Tokens that misbehave: those of contracts/mocks/tokens, listed as collateral or as something to borrow."""

from __future__ import annotations

from enum import IntEnum

from tests.support.world import BORROWABLE, NOT_BORROWABLE, NOT_COLLATERAL, Asset, World, collateral

__all__ = ["Mood", "list_debt", "list_switchable", "set_mood"]


class Mood(IntEnum):
    """SwitchableToken.Mood."""

    ORDINARY = 0
    REVERTS = 1
    REVERTS_SILENTLY = 2
    RETURNS_FALSE = 3
    RETURNS_TWO = 4
    RETURNS_LITTLE = 5
    BURNS_GAS = 6
    RETURNS_BOMB = 7
    REVERTS_BOMB = 8
    TAKES_FEE = 9
    LIES = 10
    ROBS = 11
    CALLS = 12


def list_switchable(world: World, *, price: str | int = 1500, decimals: int = 18, borrowable: bool = False) -> Asset:
    """An ordinary token that can be told to misbehave; collateral like WETH, or to be borrowed."""
    token = world.node.deploy("SwitchableToken", "ODD", decimals, sender=world.governor)
    kind = (NOT_COLLATERAL, BORROWABLE) if borrowable else (collateral(8500, 800), NOT_BORROWABLE)
    return world.list_asset("ODD", decimals, price, *kind, token=token)


def list_debt(world: World, token_name: str, *, decimals: int = 6, supply: str | int = 1_000_000) -> Asset:
    """A token of the zoo as something to borrow, with a lender."""
    token = world.node.deploy(token_name, "ODD", decimals, sender=world.governor)
    asset = world.list_asset("ODD", decimals, 1, NOT_COLLATERAL, BORROWABLE, token=token)
    world.supply(asset, supply)
    return asset


def set_mood(asset: Asset, *, sending: Mood = Mood.ORDINARY, pulled: Mood = Mood.ORDINARY) -> None:
    asset.token.setMood(sending, pulled, sender=World.governor)
