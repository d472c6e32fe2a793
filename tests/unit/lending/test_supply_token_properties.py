"""SupplyToken against the checks of the public ERC-4626 property suites, on markets of any decimals in any state.

The suites (a16z's erc4626-tests, Trail of Bits' properties) ask for inequalities; the conversion here is the Vault's
own, so that previews must be exact, to the unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.differential.sizes import sized
from tests.support.node import Deployed, Node, Reverted
from tests.support.world import NEVER, Asset, World
from tests.unit.lending.markets import ALICE, BOB, NOTED, MarketState, open_market, states
from tests.unit.lending.stage import books

SPREAD = st.integers(0, 10**6)


@contextmanager
def market(node: Node, standard: World, state: MarketState) -> Iterator[tuple[World, Asset, Deployed]]:
    with node.rolled_back():
        world = standard.fork()
        asset, token = open_market(world, state)
        for party in (ALICE, BOB, world.stranger):
            asset.token.approve(token, NEVER, sender=party)
        yield world, asset, token


def part(most: int, spread: int) -> int:
    """Anything from 1 to `most`, the ends more often than the middle."""
    if spread < 10:
        return max(1, min(most, spread))
    if spread > 10**6 - 10:
        return max(1, most - (10**6 - spread))
    return max(1, most * spread // 10**6)


def answer(call: object, *arguments: object, sender: str) -> int | None:
    """What a call would return, or None where it would revert."""
    try:
        return call.ask(*arguments, sender=sender)  # type: ignore[attr-defined]
    except Reverted:
        return None


# ------------------------------------------------------------------------------------------------ previews and actions


@settings(max_examples=sized(25))
@given(state=states(), spread=SPREAD)
def test_preview_deposit__of_any_amount__is_what_deposit_mints(
    node: Node, standard: World, state: MarketState, spread: int
):
    with market(node, standard, state) as (world, asset, token):
        assets = part(asset.units(20_000), spread)
        world.give(world.stranger, asset, assets)
        shares = token.previewDeposit(assets)
        before, others = books(world, asset), token.balanceOf(ALICE)
        token.deposit(assets, BOB, sender=world.stranger)
        after = books(world, asset)
        assert asset.token.balanceOf(world.stranger) == 0
        assert after.shares - before.shares == shares
        assert (after.idle - before.idle, after.held - before.held, after.debt) == (assets, assets, before.debt)
        assert token.balanceOf(ALICE) == others
        assert after.share_price >= before.share_price


@settings(max_examples=sized(25))
@given(state=states(), spread=SPREAD)
def test_preview_mint__of_any_shares__is_what_mint_takes_and_mints_exactly(
    node: Node, standard: World, state: MarketState, spread: int
):
    with market(node, standard, state) as (world, asset, token):
        shares = part(token.convertToShares(asset.units(20_000)), spread)
        assets = token.previewMint(shares)
        assert assets > 0
        world.give(world.stranger, asset, assets + 5)
        before = books(world, asset)
        mine = token.balanceOf(BOB)
        token.mint(shares, BOB, sender=world.stranger)
        after = books(world, asset)
        assert asset.token.balanceOf(world.stranger) == 5
        assert token.balanceOf(BOB) - mine == shares
        assert (after.idle - before.idle, after.shares - before.shares) == (assets, shares)
        assert after.share_price >= before.share_price
        # nothing stays in between
        assert asset.token.balanceOf(token) == asset.units(state.large) * state.donated // 1000


@settings(max_examples=sized(25))
@given(state=states(), spread=SPREAD)
def test_preview_withdraw__of_any_amount__is_what_withdraw_burns(
    node: Node, standard: World, state: MarketState, spread: int
):
    with market(node, standard, state) as (world, asset, token):
        most = token.maxWithdraw(ALICE)
        if most == 0:
            assert answer(token.withdraw, 1, ALICE, ALICE, sender=ALICE) is None
            return
        assets = part(most, spread)
        shares = token.previewWithdraw(assets)
        before, mine = books(world, asset), token.balanceOf(ALICE)
        token.withdraw(assets, world.receiver, ALICE, sender=ALICE)
        after = books(world, asset)
        assert asset.token.balanceOf(world.receiver) == assets
        assert shares > 0
        assert mine - token.balanceOf(ALICE) == before.shares - after.shares == shares
        assert (before.idle - after.idle, before.held - after.held) == (assets, assets)
        assert after.share_price >= before.share_price


@settings(max_examples=sized(25))
@given(state=states(), spread=SPREAD)
def test_preview_redeem__of_any_shares__is_what_redeem_pays(
    node: Node, standard: World, state: MarketState, spread: int
):
    with market(node, standard, state) as (world, asset, token):
        most = token.maxRedeem(ALICE)
        if most == 0:
            return
        shares = part(most, spread)
        assets = token.previewRedeem(shares)
        if assets == 0:
            assert answer(token.redeem, shares, ALICE, ALICE, sender=ALICE) is None
            return
        before, mine = books(world, asset), token.balanceOf(ALICE)
        token.redeem(shares, world.receiver, ALICE, sender=ALICE)
        after = books(world, asset)
        assert asset.token.balanceOf(world.receiver) == assets
        assert mine - token.balanceOf(ALICE) == before.shares - after.shares == shares
        assert before.idle - after.idle == assets
        assert after.share_price >= before.share_price


@settings(max_examples=sized(25))
@given(state=states(), assets=st.integers(0, 2**111), shares=st.integers(0, 2**131))
def test_conversions__of_any_figure__stand_between_the_previews_and_never_revert(
    node: Node, standard: World, state: MarketState, assets: int, shares: int
):
    with market(node, standard, state) as (_, _, token):
        assert token.previewDeposit(assets) == token.convertToShares(assets) <= token.previewWithdraw(assets)
        assert token.previewRedeem(shares) <= token.convertToAssets(shares) <= token.previewMint(shares)
        if state.lost != NOTED:  # of a loss that is noted, who leaves leaves his part behind
            assert token.previewWithdraw(assets) - token.convertToShares(assets) <= 1
            assert token.previewRedeem(shares) == token.convertToAssets(shares)
        assert token.previewMint(shares) - token.convertToAssets(shares) <= 1
        assert token.convertToAssets(token.convertToShares(assets)) <= assets
        assert token.convertToShares(token.convertToAssets(shares)) <= shares
        # nothing for nothing, and never something for nothing
        assert (
            token.previewWithdraw(0) == token.previewMint(0) == token.previewDeposit(0) == token.previewRedeem(0) == 0
        )
        assert token.previewWithdraw(max(1, assets)) > 0
        assert token.previewMint(max(1, shares)) > 0
        assert token.totalAssets() >= token.convertToAssets(token.totalSupply())


# ---------------------------------------------------------------------------------------------------------------- max*


@settings(max_examples=sized(25))
@given(state=states(), cap=st.integers(0, 12_000), small=st.booleans())
def test_max__of_everything__is_accepted_and_one_more_is_not(
    node: Node, standard: World, state: MarketState, cap: int, small: bool
):
    with market(node, standard, state) as (world, asset, token):
        as_collateral, borrowing = world.listings[asset.id]
        changed = {name: getattr(borrowing, name) for name in borrowing.__dataclass_fields__}
        changed["supply_cap"] = asset.units(cap)
        world.set_asset(asset, as_collateral, type(borrowing)(**changed))
        lender = BOB if small else ALICE
        purse = asset.units(100_000)
        world.give(lender, asset, purse)
        for preview, action, most in (
            (token.previewDeposit, token.deposit, token.maxDeposit(lender)),
            (token.previewMint, token.mint, token.maxMint(lender)),
        ):
            if most and preview(most):
                assert answer(action, most, lender, sender=lender) == preview(most)
        deposit, mint = token.maxDeposit(lender), token.maxMint(lender)
        assert answer(token.deposit, deposit + 1, lender, sender=lender) is None
        # the largest deposit is exact; the shares that it buys may be one short of the largest mint
        assert token.previewMint(mint) <= deposit
        assert token.previewMint(mint + 10**6 * (books(world, asset).shares // 10**6 + 1)) > deposit

        withdraw, redeem = token.maxWithdraw(lender), token.maxRedeem(lender)
        if withdraw:
            assert answer(token.withdraw, withdraw, lender, lender, sender=lender) == token.previewWithdraw(withdraw)
        assert answer(token.withdraw, withdraw + 1, lender, lender, sender=lender) is None
        if redeem:
            assert answer(token.redeem, redeem, lender, lender, sender=lender) == token.previewRedeem(redeem) > 0
        assert answer(token.redeem, token.balanceOf(lender) + 1, lender, lender, sender=lender) is None
        assert withdraw <= world.idle(asset)
        assert token.previewRedeem(redeem) <= world.idle(asset)


# --------------------------------------------------------------------------------------------------------- round trips


@settings(max_examples=sized(25))
@example(state=MarketState(decimals=0, large=100, small=1, borrowed=300, seconds=0, lost=1), spread=1_000_000)
@given(state=states(), spread=SPREAD)
def test_round_trips__of_any_amount__never_pay(node: Node, standard: World, state: MarketState, spread: int):
    with market(node, standard, state) as (world, asset, token):
        me = world.stranger
        purse = asset.units(40_000)
        world.give(me, asset, purse)
        world.vault.supply(asset.id, purse // 2, me, sender=me)
        assets = part(asset.units(20_000), spread)
        shares = token.previewDeposit(assets)

        def play(*steps: tuple[object, int]) -> list[int]:
            """The answers of two actions in a row, taken back."""
            with node.rolled_back():
                answers = []
                for call, amount in steps:
                    others = (me,) if call in (token.deposit, token.mint) else (me, me)
                    answers.append(call.ask(amount, *others, sender=me))  # type: ignore[attr-defined]
                    call(amount, *others, sender=me)  # type: ignore[operator]
                return answers

        # all that was supplied may be a unit more than its shares are worth: what can be taken out is what can go round
        if shares and token.previewRedeem(shares) and assets <= token.maxWithdraw(me):
            got, back = play((token.deposit, assets), (token.redeem, shares))
            assert (got, back <= assets) == (shares, True)
            _, burnt = play((token.deposit, assets), (token.withdraw, assets))
            assert burnt >= shares
            cost, back = play((token.mint, shares), (token.redeem, shares))
            assert back <= cost
            cost, burnt = play((token.mint, shares), (token.withdraw, token.previewMint(shares)))
            assert burnt >= shares
            assert cost >= assets - 1 or shares < 10**6
            back, got = play((token.redeem, shares), (token.deposit, token.previewRedeem(shares)))
            assert got <= shares
            back, cost = play((token.redeem, shares), (token.mint, shares))
            assert cost >= back
            burnt, got = play((token.withdraw, assets), (token.deposit, assets))
            assert got <= burnt
            burnt, cost = play((token.withdraw, assets), (token.mint, token.previewWithdraw(assets)))
            assert cost >= assets


# ------------------------------------------------------------------------------------------------------------ attacks


@settings(max_examples=sized(25))
@given(
    decimals=st.sampled_from((0, 6, 18, 27)),
    first=st.integers(1, 10**6),
    gift=st.integers(0, 10**9),
    victim=st.integers(1, 10**9),
    through_token=st.booleans(),
)
def test_t66__t67_first_depositor__whatever_he_deposits_and_donates__takes_nothing_from_the_second(
    node: Node, standard: World, decimals: int, first: int, gift: int, victim: int, through_token: bool
):
    with node.rolled_back():
        world = standard.fork()
        asset, token = open_market(world, MarketState(decimals=decimals, large=1, small=1))
        for lender in (ALICE, BOB):
            world.vault.redeem(asset.id, token.balanceOf(lender), lender, lender, sender=lender)
        assert books(world, asset).supply_assets == 0
        attacker, honest = world.stranger, world.lender
        world.give(attacker, asset, first + gift)
        world.give(honest, asset, victim)
        world.vault.supply(asset.id, first, attacker, sender=attacker)
        asset.token.transfer(token if through_token else world.vault, gift, sender=attacker)
        # a donation moves no figure at all
        assert token.totalAssets() == first
        assert token.previewDeposit(victim) == victim * 10**6
        world.vault.supply(asset.id, victim, honest, sender=honest)
        world.vault.redeem(asset.id, token.balanceOf(attacker), attacker, attacker, sender=attacker)
        world.vault.redeem(asset.id, token.balanceOf(honest), honest, honest, sender=honest)
        assert asset.token.balanceOf(honest) == victim
        assert asset.token.balanceOf(attacker) == first


@pytest.mark.parametrize("rounds", [40])
def test_t66_first_depositor__who_rounds_in_and_out_for_ever__cannot_make_a_share_dear(world: World, rounds: int):
    """Stealth donation: every rounding is the market's, so that he inflates a share by what he loses himself."""
    asset, token = open_market(world, MarketState(decimals=0, large=1, small=1))
    for lender in (ALICE, BOB):
        world.vault.redeem(asset.id, token.balanceOf(lender), lender, lender, sender=lender)
    attacker = world.stranger
    world.give(attacker, asset, 10**6)
    world.vault.supply(asset.id, 2, attacker, sender=attacker)
    for _ in range(rounds):
        # burns as many shares as may be for a unit, leaving dust shares behind it
        world.vault.mint(asset.id, 1, attacker, sender=attacker)
    spent = 10**6 - asset.token.balanceOf(attacker)
    assert spent == 2 + rounds
    # a share for a unit each time: nearly all of it is the virtual shares', and a victim loses less than a unit
    world.give(world.lender, asset, 1_000)
    world.vault.supply(asset.id, 1_000, world.lender, sender=world.lender)
    assert token.previewRedeem(token.balanceOf(world.lender)) >= 999
    assert token.previewRedeem(token.balanceOf(attacker)) < spent
