"""Every balance rebuilt from the Vault's logs alone, to the unit, after random actions of everybody.

The world moves: interest on every asset, prices that fall by half, close-outs of every regime, bad debt with and
without a fund, write-offs, flash loans with a fee, penalties split, reserves and claims collected, a treasury that is
replaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from closeout.chain.abi import ContractAbi
from closeout.indexer import Indexer, LogsIncomplete
from tests.support.node import Deployed, Node, Receipt, Reverted, actor
from tests.support.world import NEVER, Asset, World, account_of, set_of, wad
from tests.unit.lending.markets import supply_token
from tests.unit.lending.stage import KINKED, set_borrowing

PARTIES = [actor(role) for role in ("first", "second", "third")]
ACCOUNTS = [account_of(party, index) for party in PARTIES for index in range(2)]
RESERVE_FACTOR = 2000
STEPS = 240


class Chaos:
    """Random calls by anybody; what reverts is counted and forgotten."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.random = world, Random(seed)
        self.treasuries = [world.treasury]
        self.done: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        world.vault.setOperator(PARTIES[1], True, sender=PARTIES[0])
        for party in (*PARTIES, world.treasury, world.liquidator):
            for asset in world.assets:
                world.give(party, asset, asset.units(10**9))
                asset.token.approve(world.fund, NEVER, sender=party)
        self.flash = world.node.deploy("ScriptedActor", sender=world.stranger)
        for asset in world.assets:
            world.give(self.flash, asset, asset.units(10**6))
            data = asset.token.approve.data(world.vault, NEVER)
            self.flash.execute(asset.token, data, sender=world.stranger)
        for account in ACCOUNTS[:4]:
            owner = self.owner(account)
            world.vault.depositCollateral(account, world.weth.id, world.weth.units(20), sender=owner)
            world.vault.depositCollateral(account, world.wbtc.id, world.wbtc.units(1), sender=owner)
        self.actions: list[tuple[int, Callable[[], Receipt | None]]] = [
            (4, self.deposit),
            (2, self.withdraw_collateral),
            (5, self.borrow),
            (2, self.borrow_shares),
            (2, self.repay),
            (2, self.repay_shares),
            (3, self.repay_with),
            (3, self.rebalance),
            (3, self.supply),
            (3, self.withdraw),
            (2, self.transfer),
            (2, self.claim),
            (1, self.credit),
            (2, self.flash_loan),
            (5, self.close_out),
            (2, self.write_off),
            (1, self.split),
            (1, self.collect),
            (1, self.change_treasury),
            (4, self.price),
            (4, self.wait),
            (1, self.multicall),
        ]

    def run(self, steps: int) -> None:
        weights = [weight for weight, _ in self.actions]
        for _ in range(steps):
            [(_, action)] = self.random.choices(self.actions, weights)
            name = action.__name__
            try:
                action()
                self.done[name] += 1
            except Reverted as revert:
                self.refused[f"{name}: {revert.name}"] += 1

    # ------------------------------------------------------------------------------------------------------ choices

    @property
    def holders(self) -> list[Any]:
        return [*PARTIES, self.world.lender, self.world.liquidator, *self.treasuries]

    def party(self) -> str:
        return self.random.choice(PARTIES)

    def account(self) -> int:
        return self.random.choice(ACCOUNTS)

    def owner(self, account: int) -> str:
        return f"0x{account >> 96:040x}"

    def asset(self) -> Asset:
        return self.random.choice(self.world.assets)

    def lent(self) -> Asset:
        return self.random.choice([self.world.weth, self.world.usdc, self.world.dai])

    def lender(self, asset: Asset) -> str:
        shares = self.world.vault.supplySharesOf
        some = [holder for holder in self.holders if shares(asset.id, holder)]
        return self.random.choice(some or self.holders)

    def units(self, asset: Asset, dollars: float = 50_000) -> int:
        value = int(dollars * self.random.random() ** 3 * 10**18) + 1
        return max(1, value * 10**asset.decimals // self.world.prices[asset.id])

    # ------------------------------------------------------------------------------------------------------ accounts

    def deposit(self) -> Receipt:
        account, asset = self.account(), self.asset()
        sender = self.random.choice([self.owner(account), self.owner(account), self.party()])
        return self.world.vault.depositCollateral(account, asset.id, self.units(asset), sender=sender)

    def withdraw_collateral(self) -> Receipt:
        account, asset = self.account(), self.asset()
        amount = self.random.choice([NEVER, self.units(asset, 10_000)])
        return self.world.vault.withdrawCollateral(account, asset.id, amount, self.party(), sender=self.owner(account))

    def room(self, account: int, asset: Asset) -> int:
        _, power, _, debt, _ = self.world.vault.healthOf(account)
        value = max(0, power - debt) * self.random.choice([999, 500, 100]) // 1000
        return value * 10**asset.decimals // self.world.prices[asset.id]

    def borrow(self) -> Receipt:
        account, asset = self.account(), self.lent()
        return self.world.vault.borrow(
            account, asset.id, self.room(account, asset), self.party(), sender=self.owner(account)
        )

    def borrow_shares(self) -> Receipt:
        account, asset = self.account(), self.lent()
        return self.world.vault.borrowShares(
            account, asset.id, 90 * self.room(account, asset), self.party(), sender=self.owner(account)
        )

    def debt(self) -> tuple[int, int, int]:
        account = self.random.choice([one for one in ACCOUNTS if self.world.position(one)[1]] or ACCOUNTS)
        owed = list(self.world.position(account)[1].items())
        asset_id, amount = self.random.choice(owed) if owed else (0, 1)
        return account, asset_id, self.random.choice([NEVER, amount, amount // 2, 1, amount - 1])

    def repay(self) -> Receipt:
        return self.world.vault.repay(*self.debt(), sender=self.party())

    def repay_shares(self) -> Receipt:
        return self.world.vault.repayShares(*self.debt(), sender=self.party())

    def repay_with(self) -> Receipt:
        account, asset_id, amount = self.debt()
        payment = self.random.choice([0, 1, 1, 2])
        asset = self.world.assets[asset_id]
        payer = self.lender(asset) if payment == 1 else self.party()
        if payment == 2:
            claims = self.world.vault.claimOf
            payer = max(self.holders, key=lambda holder: claims(holder, asset_id))
            amount = min(amount, claims(payer, asset_id))
        return self.world.vault.repayWith(account, asset_id, amount, payment, sender=payer)

    def rebalance(self) -> Receipt:
        account = self.account()
        held, owed = self.world.position(account)

        def some(ids: list[int], dollars: float) -> list[tuple[int, int]]:
            chosen = self.random.sample(ids, min(len(ids), self.random.randrange(3)))
            return [(n, self.units(self.world.assets[n], dollars)) for n in chosen]

        ids = [asset.id for asset in self.world.assets]
        moves = (some(list(held), 2_000), some(ids, 2_000), some(ids, 5_000), some(list(owed), 5_000))
        return self.world.vault.rebalance(account, moves, self.owner(account), b"", sender=self.owner(account))

    # -------------------------------------------------------------------------------------------- lenders and claims

    def supply(self) -> Receipt:
        asset, lender = self.lent(), self.party()
        if self.random.random() < 0.5:
            return self.world.vault.supply(asset.id, self.units(asset), self.party(), sender=lender)
        token = supply_token(self.world, asset)
        asset.token.approve(token, NEVER, sender=lender)
        return token.mint(self.units(asset) * 10**6, self.party(), sender=lender)

    def withdraw(self) -> Receipt:
        asset = self.lent()
        lender = self.lender(asset)
        shares = self.world.vault.supplySharesOf(asset.id, lender)
        part = shares // self.random.choice([1, 2, 10, 1000])
        return self.world.vault.redeem(asset.id, part, self.party(), lender, sender=lender)

    def transfer(self) -> Receipt:
        asset = self.lent()
        lender = self.lender(asset)
        token = supply_token(self.world, asset)
        part = token.balanceOf(lender) // self.random.choice([1, 2, 10])
        return token.transfer(self.random.choice(self.holders), part, sender=lender)

    def claim(self) -> Receipt:
        asset = self.asset()
        holder = max(self.holders, key=lambda one: self.world.vault.claimOf(one, asset.id))
        amount = self.world.vault.claimOf(holder, asset.id) // self.random.choice([1, 2])
        return self.world.vault.claim(asset.id, amount, holder, sender=holder)

    def credit(self) -> Receipt:
        asset = self.asset()
        holder = self.random.choice([*PARTIES, self.world.fund, self.world.splitter])
        return self.world.vault.creditClaim(asset.id, self.units(asset, 3_000), holder, sender=self.party())

    def flash_loan(self) -> Receipt:
        asset = self.lent()
        amount = self.world.idle(asset) // self.random.choice([1, 2])
        inside = self.asset()
        steps = [
            (self.world.vault.address, self.world.vault.supply.data(inside.id, self.units(inside), PARTIES[0])),
            (self.world.vault.address, self.world.vault.creditClaim.data(inside.id, self.units(inside), PARTIES[1])),
        ]
        self.flash.setScript(steps, False, sender=self.world.stranger)
        return self.world.vault.flashLoan(self.flash, asset.token, amount, b"x", sender=self.party())

    # ---------------------------------------------------------------------------------------------------- close-outs

    def close_out(self) -> Receipt:
        """After a fall of prices that brings the account anywhere below 1; they stay there, or come back."""
        account = self.random.choice([one for one in ACCOUNTS if self.world.position(one)[1]] or ACCOUNTS)
        held, _ = self.world.position(account)
        health, aim = self.world.health(account), self.random.randrange(300, 1_000)
        prices = {n: self.world.prices[n] for n in held}
        if wad(1) <= health < wad(1_000):
            for n, price in prices.items():
                self.publish(n, max(1, price * aim * 10**15 // health))
            self.world.warp(1)
        try:
            return self.close_out_now(account)
        finally:
            if self.random.random() < 0.7:
                for n, price in prices.items():
                    self.publish(n, price)

    def publish(self, asset_id: int, price: int) -> None:
        self.world.assets[asset_id].feed.publish(price, sender=self.world.governor)
        self.world.prices[asset_id] = price

    def close_out_now(self, account: int) -> Receipt:
        everything = set_of(*self.world.assets)
        receipt = self.world.close_out(
            account,
            sender=self.random.choice([self.world.liquidator, self.party()]),
            receiver=self.random.choice(self.holders),
            fill=wad(self.random.choice(["1", "0.5", "0.1"])),
            as_claims=self.random.choice([0, everything]),
            from_shares=self.random.choice([0, 0, everything]),
        )
        self.done[("healthy", "restorative", "capped", "terminal")[self.world.result(receipt).regime]] += 1
        return receipt

    def write_off(self) -> Receipt:
        """Of an account whose collateral fell to nothing, for this one call."""
        account = self.account()
        held, owed = self.world.position(account)
        if not owed or len(held) > 2:
            raise Reverted("writeOff", "no candidate", (), "0x")
        prices = {n: self.world.prices[n] for n in held}
        for n in held:
            self.publish(n, 10**6)
        try:
            return self.world.vault.writeOff(account, sender=self.party())
        finally:
            for n, price in prices.items():
                self.publish(n, price)

    def split(self) -> Receipt:
        return self.world.splitter.split(self.asset().id, sender=self.party())

    def collect(self) -> Receipt:
        asset, treasury = self.lent(), self.treasuries[-1]
        return self.world.vault.redeem(asset.id, 10**6, treasury, treasury, sender=treasury)

    def change_treasury(self) -> Receipt:
        self.treasuries.append(actor(f"treasury {len(self.treasuries)}"))
        return self.world.set_protocol(modules={"treasury": self.treasuries[-1]})

    # ------------------------------------------------------------------------------------------------ world and time

    def price(self) -> None:
        asset = self.random.choice(self.world.assets[:2])
        price = self.world.prices[asset.id] * self.random.choice([50, 80, 90, 110, 130, 150]) // 100
        self.publish(asset.id, price)
        self.world.warp(1)

    def wait(self) -> None:
        self.world.warp(self.random.choice([1, 7, 3_600, 86_400, 30 * 86_400]))

    def multicall(self) -> Receipt:
        account, asset = self.account(), self.lent()
        vault = self.world.vault
        owner = self.owner(account)
        calls = [
            vault.depositCollateral.data(account, self.world.weth.id, self.units(self.world.weth)),
            vault.borrow.data(account, asset.id, self.units(asset, 5_000), owner),
            vault.supply.data(asset.id, self.units(asset, 300), owner),
        ]
        return self.world.vault_code.multicall(calls, sender=owner)


# ------------------------------------------------------------------------------------------------------- rebuilding


def raw_logs(node: Node, vault: Deployed) -> list[dict[str, Any]]:
    return node.rpc.call("eth_getLogs", {"address": vault.address, "fromBlock": "0x0", "toBlock": "latest"})


def rebuilt(world: World) -> Indexer:
    """From raw logs, as a node gives them."""
    indexer = Indexer(world.vault.address, ContractAbi(world.node.artifacts["IVault"]).events)
    times: dict[str, int] = {}
    for log in raw_logs(world.node, world.vault):
        number = log["blockNumber"]
        if number not in times:
            times[number] = int(world.node.rpc.call("eth_getBlockByNumber", number, False)["timestamp"], 16)
        indexer.feed(log, times[number])
    return indexer


def check(world: World, indexer: Indexer, chaos: Chaos) -> None:
    now, vault = world.now, world.vault
    assert indexer.accounts == {account for account in ACCOUNTS if world.position(account) != ({}, {})}
    for account in ACCOUNTS:
        assert (indexer.collateral_of(account), indexer.debts_of(account, now)) == world.position(account)
    for asset in world.assets:
        market = indexer.market_of(asset.id, now, RESERVE_FACTOR)
        assert (market.idle, market.debt, market.supply_shares, market.index, market.rate) == vault.marketOf(asset.id)
        pending = market.supply_shares - indexer.market_of(asset.id, now).supply_shares
        treasury = chaos.treasuries[-1]
        for holder in (*chaos.holders, world.fund.address, world.splitter.address):
            expected = indexer.supply_shares_of(asset.id, holder)
            if holder == treasury:
                expected += indexer.reserves_of(asset.id) + pending
            assert expected == vault.supplySharesOf(asset.id, holder), (asset.symbol, holder)
            claims = indexer.claim_of(holder, asset.id)
            if holder == world.splitter.address:
                claims += indexer.penalties_of(asset.id)
            assert claims == vault.claimOf(holder, asset.id), (asset.symbol, holder)


def chaotic_world(standard: World) -> World:
    world = standard.fork()
    for asset in (world.weth, world.usdc, world.dai):
        set_borrowing(world, asset, reserve_factor=RESERVE_FACTOR, flash_fee=9, **KINKED)
        # the rate of the new parameters is latched by the next move
        world.supply(asset, 1)
    world.credit(world.fund, world.usdc, 5_000)
    return world


@pytest.mark.parametrize("seed", range(6))
def test_indexer__after_random_actions__has_every_balance_to_the_unit(node: Node, standard: World, seed: int):
    with node.rolled_back():
        world = chaotic_world(standard)
        chaos = Chaos(world, seed)
        for _ in range(3):
            chaos.run(STEPS // 3)
            check(world, rebuilt(world), chaos)
        # a run that does next to nothing proves nothing
        assert sum(chaos.done.values()) > STEPS // 2, chaos.refused
        assert chaos.done["close_out"] > 2


def test_indexer__fed_with_what_cannot_follow__says_so():
    indexer = Indexer()
    indexer.apply("ClaimCredited", {"holder": "0xA", "assetId": 0, "amount": 5}, 10)
    with pytest.raises(LogsIncomplete, match="-1 left, expected at least 0"):
        indexer.apply("Claimed", {"holder": "0xa", "assetId": 0, "to": "0xa", "amount": 6}, 11)
    with pytest.raises(LogsIncomplete, match="the log before it is of 11"):
        indexer.apply("Claimed", {"holder": "0xa", "assetId": 0, "to": "0xa", "amount": 5}, 9)


def test_indexer__fed_with_other_contracts_and_other_events__passes_them_over(world: World):
    indexer = rebuilt(world)
    log = raw_logs(world.node, world.vault)[-1]
    before = indexer.market_of(world.usdc.id, world.now)
    indexer.feed(log | {"address": world.receiver}, world.now)
    indexer.feed(log | {"topics": []}, world.now)
    indexer.apply("OperatorSet", {}, world.now)
    assert indexer.market_of(world.usdc.id, world.now) == before
    assert before.idle == world.idle(world.usdc)
