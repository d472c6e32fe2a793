"""Issue 3: an indexer rebuilds every balance from logs alone. (After every other test here too: conftest.py.)

Random walks of several parties through every action, with interest on; compared after every ten steps.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from closeout.chain.parameters import BorrowParameters
from tests.support.accounts import restorative_account
from tests.support.indexer import Indexer
from tests.support.node import Reverted
from tests.support.tokens import Mood, list_switchable, set_mood
from tests.support.world import BORROWABLE, NEVER, NOT_COLLATERAL, UNLIMITED, Asset, World, account_of, collateral, wad

YEAR = 31_536_000
HOT = BorrowParameters(
    base=2 * 10**7,
    slope1=10**8,
    slope2=2 * 10**9,
    kink=wad("0.7"),
    reserve_factor=1500,
    supply_cap=UNLIMITED,
    borrow_cap=UNLIMITED,
    flash_fee=9,
)


class Walk:
    """Parties that do whatever comes to mind; what is refused is refused."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(seed)
        world.set_asset(world.usdc, collateral(9000, 500), HOT)
        world.set_asset(world.dai, NOT_COLLATERAL, HOT)
        world.set_asset(world.weth, collateral(8500, 800), HOT)
        self.odd = list_switchable(world, price=10, decimals=8)
        self.parties = [world.borrower, world.lender, world.liquidator, world.treasury, world.stranger]
        self.accounts = [account_of(party, n) for party in self.parties[:3] for n in (0, 1)]
        for party in self.parties:
            for asset in world.assets:
                world.fund_party(party, asset, 10_000_000)
            for asset in (world.usdc, world.dai):
                world.vault.supply(asset.id, asset.units(20_000), party, sender=party)
        for n, account in enumerate(self.accounts):
            owner = self.parties[n // 2]
            for asset, amount in (
                ((world.weth, 8), (self.odd, 500)) if n % 2 else ((world.wbtc, "0.5"), (world.weth, 2))
            ):
                world.vault.depositCollateral(account, asset.id, asset.units(amount), sender=owner)
            for asset in (world.usdc, world.dai):
                world.vault.borrow(account, asset.id, asset.units(3_000), owner, sender=owner)

    def step(self) -> None:
        try:
            self.random.choice(self.actions())()
        except Reverted as refusal:
            # whatever is refused is refused by name
            assert refusal.name, refusal

    def units(self, asset: Asset) -> int:
        """Worth up to some ten thousand dollars, down to a unit."""
        whole = {"WETH": 8, "WBTC": 1, "ODD": 900}.get(asset.symbol, 20_000)
        return max(1, int(whole * 10**asset.decimals * self.random.random() ** 3))

    def actions(self) -> list[Callable[[], object]]:
        vault, world, random = self.world.vault, self.world, self.random
        party, account = random.choice(self.parties), random.choice(self.accounts)
        owner = "0x" + (account >> 96).to_bytes(20, "big").hex()
        held, owed = ([world.assets[n] for n in side] for side in world.position(account))
        lent = random.choice([world.usdc, world.dai, world.weth])
        mine = random.choice([*held, world.weth, self.odd])
        debt = random.choice([*owed, world.dai])
        n, units = lent.id, self.units(lent)
        some = random.choice([self.units(mine), NEVER])
        to_repay = random.choice([self.units(debt), NEVER])
        token = world.node.at("SupplyToken", vault.supplyTokenOf(n))
        return [
            lambda: vault.supply(n, units, party, sender=party),
            lambda: vault.mint(n, units * 10**6, party, sender=party),
            lambda: vault.withdraw(n, units, party, party, sender=party),
            lambda: vault.redeem(n, vault.supplySharesOf(n, party), party, party, sender=party),
            lambda: token.transfer(random.choice(self.parties), 10**6, sender=party),
            lambda: vault.depositCollateral(account, mine.id, self.units(mine), sender=owner),
            lambda: vault.withdrawCollateral(account, mine.id, some, party, sender=owner),
            lambda: vault.borrow(account, n, units // 10 + 1, party, sender=owner),
            lambda: vault.repay(account, debt.id, to_repay, sender=party),
            lambda: vault.repayShares(account, debt.id, self.units(debt), sender=party),
            lambda: vault.repayWith(account, debt.id, to_repay, random.randrange(3), sender=party),
            lambda: self.credit(party, lent, units),
            lambda: vault.claim(n, vault.claimOf(party, n), party, sender=party),
            lambda: world.splitter.split(mine.id, sender=party),
            *[lambda: self.crash_and_close_out(party, account)] * 4,
            lambda: vault.marginCall(account, sender=party),
            *[lambda: self.let_time_pass()] * 2,
            lambda: set_mood(self.odd, sending=random.choice([Mood.ORDINARY, Mood.REVERTS])),
        ]

    def credit(self, party: str, asset: Asset, units: int) -> None:
        holder = self.random.choice([party, self.world.fund, self.world.splitter])
        self.world.vault.creditClaim(asset.id, units, holder, sender=party)

    def crash_and_close_out(self, party: str, account: int) -> None:
        """Prices of what the account has fall until it is unhealthy, far or just so; then they are as they were."""
        world = self.world
        world.warp(1)
        health = world.health(account)
        if health < 10**30:
            factor = wad(1) * wad(1) // health * self.random.choice([30, 70, 85, 95, 99]) // 100
            for asset in (world.weth, world.wbtc, self.odd):
                asset.feed.publish(world.prices[asset.id] * factor // wad(1), sender=world.governor)
        try:
            self.close_out(party, account)
            if self.random.random() < 0.3:
                world.vault.writeOff(account, sender=party)
        finally:
            self.let_time_pass()

    def let_time_pass(self) -> None:
        self.world.warp(self.random.choice([1, 60, 86_400, YEAR // 12]))
        # no price is ever too old
        for asset in self.world.assets:
            asset.feed.publish(self.world.prices[asset.id], sender=self.world.governor)

    def close_out(self, party: str, account: int) -> None:
        sets = {name: self.random.choice([0, 0, 2**127 - 1]) for name in ("as_claims", "from_shares", "from_claims")}
        fill = self.random.choice([wad(1), wad(1), wad("0.3")])
        self.world.close_out(account, sender=party, receiver=party, fill=fill, **sets)


@pytest.mark.parametrize("seed", range(12))
def test_events__of_a_random_walk_with_interest__tell_every_balance_to_the_unit(world: World, seed: int):
    walk = Walk(world, seed)
    for n in range(120):
        walk.step()
        if n % 10 == 0:
            Indexer(world.node, world.vault.address).replay(world.node.journal).compare(world)
    names = {log.name for log in world.node.journal}
    # it was a walk, not a standstill
    assert {"Accrued", "Borrowed", "CloseOut", "CollateralDeposited", "Supplied", "Withdrawn"} <= names


def test_events__of_a_close_out_paid_in_every_way__tell_every_balance(world: World):
    account = restorative_account(world)
    world.arm()
    world.supply(world.usdc, 50_000, lender=world.liquidator)
    world.credit(world.liquidator, world.usdc, 50_000)
    for settlement in ({}, {"from_shares": world.usdc.bit}, {"from_claims": world.usdc.bit, "as_claims": 1}):
        world.close_out(account, fill=wad("0.05"), **settlement)
        Indexer(world.node, world.vault.address).replay(world.node.journal).compare(world)
    world.splitter.split(world.weth.id, sender=world.stranger)


def test_events__of_an_index_that_grew_while_nobody_owed__are_there_when_somebody_does(world: World):
    """The debt of a borrower is shares times the index: the index must be known from the first share on."""
    borrowing = BorrowParameters(base=10**9, kink=wad(1), supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
    asset = world.list_asset("HOT", 6, 1, NOT_COLLATERAL, borrowing)
    world.supply(asset, 10_000)
    world.warp(86_400)
    account = world.open_account({world.weth: 10}, {asset: 5_000})
    known = Indexer(world.node, world.vault.address).replay(world.node.journal)
    # a day at 100 % a year: 1.0027…
    assert known.index[asset.id] // 10**13 == 10_027
    world.set_price(world.weth, 500)
    world.fund_party(world.liquidator, asset, 10_000)
    world.close_out(account, fill=wad("0.5"))


def test_events__of_tokens_that_misbehave__are_none_where_they_are_refused(world: World):
    token = world.node.deploy("SwitchableToken", "ODD", 18, sender=world.governor)
    odd = world.list_asset("ODD", 18, 1, collateral(8500, 800), BORROWABLE, token=token)
    world.fund_party(world.stranger, odd, 100)
    set_mood(odd, pulled=Mood.LIES)
    events = len(world.node.journal)
    with pytest.raises(Reverted):
        world.vault.supply(odd.id, 5, world.stranger, sender=world.stranger)
    assert len(world.node.journal) == events
