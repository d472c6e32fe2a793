"""Markets in any state a lender can find them in: built by ordinary transactions from a few drawn numbers."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from closeout.chain.parameters import UNLIMITED, BorrowParameters
from tests.support.node import Deployed, actor
from tests.support.world import NOT_COLLATERAL, Asset, World, account_of
from tests.unit.lending.stage import KINKED

__all__ = ["ALICE", "BOB", "BOOKED", "DECIMALS", "NOTED", "MarketState", "open_market", "states", "supply_token"]

DECIMALS = (0, 2, 6, 8, 18, 27)
BOOKED, NOTED = 1, 2
# two lenders; roles by size, since nothing else tells them apart
ALICE, BOB = actor("large lender"), actor("small lender")


@dataclass(frozen=True)
class MarketState:
    """Amounts in whole tokens at 100 USD; what was borrowed, and what was donated, in thousandths.

    `lost`: 0 for nothing, BOOKED for a loss that was booked, NOTED for one that was only noted.
    """

    decimals: int = 18
    large: int = 5_000
    small: int = 10
    borrowed: int = 0
    seconds: int = 0
    lost: int = 0
    donated: int = 0
    reserve_factor: int = 1000


def states() -> st.SearchStrategy[MarketState]:
    return st.builds(
        MarketState,
        decimals=st.sampled_from(DECIMALS),
        # 27 decimals: the debt of an asset is at most 51 922 tokens, so that its shares fit 112 bits
        large=st.integers(100, 10_000),
        small=st.integers(1, 100),
        borrowed=st.sampled_from((0, 0, 1, 300, 800, 999, 1000)),
        # five years at 80 %: fifty times as much, which of 27 decimals still fits the 112 bits of a supply cap
        seconds=st.sampled_from((0, 1, 3_600, 31_536_000, 5 * 31_536_000)),
        lost=st.sampled_from((0, 0, 0, BOOKED, NOTED)),
        donated=st.sampled_from((0, 0, 1, 1000)),
        reserve_factor=st.sampled_from((0, 1000, 10_000)),
    )


def supply_token(world: World, asset: Asset) -> Deployed:
    return world.node.at("SupplyToken", world.vault.supplyTokenOf(asset.id))


def open_market(world: World, state: MarketState) -> tuple[Asset, Deployed]:
    """Lists an asset and brings its market into that state; the asset and its SupplyToken."""
    borrowing = BorrowParameters(
        supply_cap=UNLIMITED, borrow_cap=UNLIMITED, reserve_factor=state.reserve_factor, **KINKED
    )
    asset = world.list_asset("X", state.decimals, 100, NOT_COLLATERAL, borrowing)
    world.supply(asset, state.large, ALICE)
    world.supply(asset, state.small, BOB)
    units = asset.units(state.large + state.small) * state.borrowed // 1000
    if units * 100 >= 100 * 10**state.decimals:
        borrower = account_of(world.borrower, 7)
        # 1 500 USD each: 13 times the debt at least, so that a year at 80 % is only written off on purpose
        world.fund_party(world.borrower, world.weth, 10_000)
        world.vault.depositCollateral(borrower, world.weth.id, world.weth.units(10_000), sender=world.borrower)
        world.vault.borrow(borrower, asset.id, units, world.borrower, sender=world.borrower)
        world.warp(1)
        if state.lost:
            # the collateral falls to 60 % of the debt, and the whole account is closed out, or everybody waits for that
            debt = world.vault.healthOf(borrower)[3]
            with_price = max(1, debt * 6 // 10 // 10_000)
            world.weth.feed.publish(with_price, sender=world.governor)
            world.give(world.liquidator, asset, units * 2)
            if state.lost == BOOKED:
                world.close_out(borrower)
            else:
                world.vault.noteInsolvency(borrower, sender=world.stranger)
    if state.seconds:
        world.warp(state.seconds)
    if state.donated:
        gift = asset.units(state.large) * state.donated // 1000
        asset.token.mint(world.vault, gift, sender=world.stranger)
        asset.token.mint(world.vault.supplyTokenOf(asset.id), gift, sender=world.stranger)
    return asset, supply_token(world, asset)
