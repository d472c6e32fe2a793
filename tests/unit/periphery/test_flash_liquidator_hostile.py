"""Strangers, hostile tokens and hostile paths: none gets anything out of a flash close-out, or into one."""

from __future__ import annotations

from fractions import Fraction

import pytest
from eth_abi.abi import encode

from tests.support.expected import expected_close_out
from tests.support.node import Deployed, actor, reverts
from tests.support.world import NOT_BORROWABLE, Asset, World, collateral, wad
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Flash, Profit, Sale, one_and_one, to_liquidator

FEE, STABLE_FEE = 3_000, 500
# SwitchableToken.Mood
ORDINARY, REVERTS, RETURNS_FALSE, TAKES_FEE, CALLS = 0, 1, 3, 9, 12
ATTACKER = actor("attacker")
NOTHING_CLOSED = (0, True, 0, 0, 0, [], [])


def list_switchable(flash: Flash) -> Asset:
    """A collateral whose token misbehaves when told to, with a pool."""
    world = flash.world
    token = world.node.deploy("SwitchableToken", "SWITCH", 18, sender=world.governor)
    asset = world.list_asset("SWITCH", 18, 20, collateral(8000, 900), NOT_BORROWABLE, token=token)
    flash.pools["SWITCH/WETH"] = flash.trading.open_pool(world, asset, world.weth)
    return asset


def mixed_account(world: World, asset: Asset, ether: int = 6, others: int = 500, debt: int = 16_000) -> int:
    """6 WETH at 1 500 and 500 SWITCH at 20 against 16 000 USDC: restorative."""
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: ether, asset: others}, {world.usdc: debt})
    world.set_price(world.weth, 1500)
    assert world.health(account) < wad(1)
    return account


def attacks(flash: Flash, account: int) -> dict[str, tuple[Deployed, bytes]]:
    """Calls that somebody might try from inside a close-out."""
    world, contract = flash.world, flash.contract
    owed = (10**18, -1, bytes.fromhex(world.weth.token.address[2:]))
    thief = world.request(account, receiver=ATTACKER)
    return {
        "close out again": (contract, contract.closeOut.data(flash.order(account, [], []))),
        "pretend to be the Vault": (contract, contract.onCloseOut.data(NOTHING_CLOSED, b"")),
        "pretend to be a pool": (contract, contract.uniswapV3SwapCallback.data(*owed)),
        "close out at the Vault": (world.vault, world.vault.closeOut.data(thief, b"")),
        "withdraw a claim": (world.vault, world.vault.claim.data(world.weth.id, 1, ATTACKER)),
    }


# while the collateral is being sold, and when the Vault is done and the caller is being paid
REFUSALS = {
    "close out again": ("Reentrancy", "Reentrancy"),
    "pretend to be the Vault": ("UnexpectedCallback", "UnexpectedCallback"),
    "pretend to be a pool": ("UnexpectedCallback", "UnexpectedCallback"),
    "close out at the Vault": ("Reentrancy", "AccountHealthy"),
    "withdraw a claim": ("Reentrancy", "InsufficientClaim"),
}


class TestStrangers:
    def test_callbacks__are_refused_to_everybody(self, flash: Flash) -> None:
        fake = flash.world.node.deploy("ScriptedActor", sender=ATTACKER)
        contract = flash.contract
        for stranger in (ATTACKER, flash.searcher, flash.pools["WETH/USDC"].address, flash.world.vault.address):
            with reverts("UnexpectedCallback", stranger):
                contract.onCloseOut(NOTHING_CLOSED, b"", sender=stranger)
            with reverts("UnexpectedCallback", stranger):
                contract.uniswapV3SwapCallback(1, -1, b"\0" * 20, sender=stranger)
        with reverts("UnexpectedCallback", fake.address):
            fake.execute(contract, contract.onCloseOut.data(NOTHING_CLOSED, b""), sender=ATTACKER)

    def test_fake_vault_that_calls_back__with_a_table_and_sales_of_its_own__is_refused(self, flash: Flash) -> None:
        """Even with something lying there: what it would sell or approve is not for it to say."""
        world, contract = flash.world, flash.contract
        world.weth.token.mint(contract, 10**18, sender=ATTACKER)
        sale = Sale(SELL_ALL, [world.weth, world.usdc], [FEE]).encoded()
        data = encode(["address", "(uint8,bytes,uint256)[]"], [world.vault.configuration(), [sale]])
        claim_all = (0, True, 0, 0, 0, [], [(world.weth.id, 10**18, 0, 0)])
        with reverts("UnexpectedCallback", ATTACKER):
            contract.onCloseOut(claim_all, data, sender=ATTACKER)
        assert world.weth.token.allowance(contract, ATTACKER) == 0

    def test_flash_loan_in_its_name__is_refused(self, flash: Flash) -> None:
        world = flash.world
        with reverts(""):
            world.vault.flashLoan(flash.contract, world.usdc.token, 10**6, b"", sender=ATTACKER)

    def test_close_out_that_a_stranger_sends_to_it__calls_the_stranger_back__not_it(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        world.arm(ATTACKER)
        with reverts(""):
            world.close_out(account, sender=ATTACKER, receiver=flash.contract.address, data=b"x")

    def test_what_lies_there_by_mistake__is_the_next_callers__and_spoils_nothing(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        expected, _, _ = expected_close_out(world, account)
        for asset, units in ((world.usdc, 5_000_000), (world.weth, 7), (world.dai, 11)):
            asset.token.mint(flash.contract, units, sender=ATTACKER)
        world.give(ATTACKER, world.weth, 13)
        world.vault.creditClaim(world.weth.id, 13, flash.contract, sender=ATTACKER)
        sale = Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])
        cost = flash.state().buy(sale.tokens, [FEE], expected.repaid[world.usdc.id][0] - 5_000_000)

        flash.close_out(account, [sale], [Profit(world.dai)])

        assert flash.purse() == {"WETH": to_liquidator(expected, world.weth) + 7 - cost, "DAI": 11}
        # nobody owns that claim, and nobody is worse off for it
        assert world.vault.claimOf(flash.contract, world.weth.id) == 13


class TestReentrancy:
    @pytest.mark.parametrize("attack", REFUSALS)
    @pytest.mark.parametrize(("kind", "phase"), [(SELL_ALL, 0), (BUY_MISSING, 1)], ids=["in a sale", "at the end"])
    def test_hostile_collateral__calls_from_inside__and_is_refused(
        self, flash: Flash, attack: str, kind: int, phase: int
    ) -> None:
        """The hook runs in every transfer: to here, to the pool, what is left to the caller. It tells of the last."""
        world = flash.world
        hostile = list_switchable(flash)
        account = mixed_account(world, hostile)
        sales = [
            Sale(SELL_ALL, [world.weth, world.usdc], [FEE]),
            Sale(kind, [hostile, world.weth, world.usdc], [FEE, FEE]),
        ]
        with world.node.rolled_back():
            flash.close_out(account, sales, [])
            undisturbed = flash.purse()
        target, data = attacks(flash, account)[attack]
        hostile.token.setHook(target, data, sender=ATTACKER)
        hostile.token.setMood(CALLS, CALLS, sender=ATTACKER)

        flash.close_out(account, sales, [])

        assert hostile.token.hookPassed() is False
        answer = world.node.decode_revert("0x" + hostile.token.hookAnswer().hex())
        assert answer.name == REFUSALS[attack][phase]
        assert flash.purse() == undisturbed
        flash.assert_empty()

    @pytest.mark.parametrize("attack", ["close out again", "pretend to be the Vault", "pretend to be a pool"])
    def test_hostile_token_on_the_path__calls_from_inside__and_is_refused(self, flash: Flash, attack: str) -> None:
        """Anyone can make a real pool of his own token; who sells through it does so at his own risk, and alone."""
        world = flash.world
        account = one_and_one(world)
        hostile = world.node.deploy("SwitchableToken", "HOP", 18, sender=ATTACKER)
        weth, usdc = world.weth.token, world.usdc.token
        depth = {hostile.address: 10**24, weth.address: 10**22}
        flash.trading.open_bare_pool(depth, FEE, Fraction(100), base=weth.address)
        depth = {hostile.address: 10**24, usdc.address: 15 * 10**12}
        flash.trading.open_bare_pool(depth, FEE, Fraction(10**17, 1_500_000), base=usdc.address)
        sale = Sale(BUY_MISSING, [weth, hostile, usdc], [FEE, FEE])
        (profit,) = flash.expect(account, [sale], [Profit(world.weth)])
        target, data = attacks(flash, account)[attack]
        hostile.setHook(target, data, sender=ATTACKER)
        hostile.setMood(CALLS, CALLS, sender=ATTACKER)

        flash.close_out(account, [sale], [Profit(world.weth, profit)])

        assert hostile.hookPassed() is False
        assert world.node.decode_revert("0x" + hostile.hookAnswer().hex()).name == REFUSALS[attack][0]
        assert flash.purse() == {"WETH": profit}
        assert hostile.balanceOf(flash.contract) == 0

    def test_two_close_outs_in_one_transaction__do_not_know_of_each_other(self, flash: Flash) -> None:
        """Transient state outlives a call. The first leaves a claim to be collected, the second does not."""
        world = flash.world
        switch = list_switchable(flash)
        accounts = [mixed_account(world, switch)]
        world.set_price(world.weth, 2000)
        accounts.append(world.open_account({world.weth: 10}, {world.usdc: 13_000}, index=1))
        world.set_price(world.weth, 1500)
        switch.token.setBlacklisted(flash.contract, True, sender=world.governor)
        searcher = world.node.deploy("ScriptedActor", sender=flash.searcher)
        usdc, part = world.usdc.token, wad("0.3")
        # what the held-back part of the debt costs is lent to the contract, and comes back with the rest
        lent = 20_000 * 10**6
        usdc.mint(searcher, 2 * lent, sender=world.governor)
        sale = Sale(SELL_ALL, [world.weth, world.usdc], [FEE])
        script = [(usdc, usdc.approve.data(world.vault, 1))]
        pools, left = flash.state(), 2 * lent
        expected = [expected_close_out(world, account, fill=part)[0] for account in accounts]
        for account, result in zip(accounts, expected, strict=True):
            script.append((usdc, usdc.transfer.data(flash.contract, lent)))
            order = flash.order(account, [sale], [], fill=part)
            script.append((flash.contract, flash.contract.closeOut.data(order)))
            left += pools.sell(sale.tokens, [FEE], to_liquidator(result, world.weth))
            left -= result.repaid[world.usdc.id][0]
        searcher.setScript(script, True, sender=flash.searcher)

        # a flash loan of one unit is what makes this actor do all of it in one transaction
        world.vault.flashLoan(searcher, usdc, 1, b"", sender=flash.searcher)

        assert usdc.balanceOf(searcher) == left
        assert switch.token.balanceOf(searcher) == to_liquidator(expected[0], switch)
        flash.assert_empty()


class TestTokens:
    def test_collateral_that_may_not_be_sent_here__is_paid_out_to_the_caller(self, flash: Flash) -> None:
        """A small part: what the rest sells for still covers the debt."""
        world = flash.world
        switch = list_switchable(flash)
        account = mixed_account(world, switch, ether=10, others=5, debt=13_000)
        switch.token.setBlacklisted(flash.contract, True, sender=world.governor)
        expected, _, _ = expected_close_out(world, account)
        sale = Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])
        cost = flash.state().buy(sale.tokens, [FEE], expected.repaid[world.usdc.id][0])
        parts = {asset.symbol: to_liquidator(expected, asset) for asset in (world.weth, switch)}

        flash.close_out(account, [sale], [Profit(switch, parts["SWITCH"])])

        assert flash.purse() == {"WETH": parts["WETH"] - cost, "SWITCH": parts["SWITCH"]}
        flash.assert_empty()

    def test_collateral_that_may_not_be_sent_here__cannot_be_sold(self, flash: Flash) -> None:
        world = flash.world
        switch = list_switchable(flash)
        account = mixed_account(world, switch)
        switch.token.setBlacklisted(flash.contract, True, sender=world.governor)
        sale = Sale(BUY_MISSING, [switch, world.weth, world.usdc], [FEE, FEE])
        needed = flash.state().buy(sale.tokens, sale.fees, world.preview(account).repaid[world.usdc.id][0])
        with reverts("SaleTooLarge", switch.token.address, 0, needed):
            flash.close_out(account, [sale], [])

    @pytest.mark.parametrize("mood", [REVERTS, RETURNS_FALSE])
    def test_collateral_that_does_not_move_at_all__is_named__and_can_be_left_out(self, flash: Flash, mood: int) -> None:
        world = flash.world
        switch = list_switchable(flash)
        account = mixed_account(world, switch)
        expected, _, _ = expected_close_out(world, account)
        switch.token.setMood(mood, mood, sender=world.governor)
        world.usdc.token.mint(flash.contract, expected.repaid[world.usdc.id][0], sender=flash.searcher)
        with reverts("LegHeldBack", switch.id, to_liquidator(expected, switch)):
            flash.close_out(account, [], [])
        # nobody came while it was on call: then a set may be of one collateral alone
        world.vault.marginCall(account, sender=flash.searcher)
        world.warp(world.parameters.limits.backstop_delay + 1)
        world.set_price(world.weth, 1000)
        sale = Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])
        flash.close_out(account, [sale], [Profit(world.weth, 1)], collaterals=world.weth.bit)
        flash.assert_empty()

    def test_profit_token_that_keeps_a_fee__counts_as_what_arrives(self, flash: Flash) -> None:
        world = flash.world
        switch = list_switchable(flash)
        account = mixed_account(world, switch)
        sales = [
            Sale(SELL_ALL, [world.weth, world.usdc], [FEE]),
            Sale(BUY_MISSING, [switch, world.weth, world.usdc], [FEE, FEE]),
            Sale(SELL_ALL, [switch, world.weth], [FEE]),
        ]
        paid = world.node.deploy("SwitchableToken", "PAID", 18, sender=ATTACKER)
        depth = {paid.address: 10**24, world.weth.token.address: 10**22}
        flash.trading.open_bare_pool(depth, FEE, Fraction(100), base=world.weth.token.address)
        sales.append(Sale(SELL_ALL, [world.weth, paid], [FEE]))
        order = list(flash.order(account, sales, []))
        order[6] = [(paid.address, 0)]
        (honest,) = flash.contract.closeOut.ask(tuple(order), sender=flash.searcher)
        paid.setMood(TAKES_FEE, ORDINARY, sender=ATTACKER)
        order[6] = [(paid.address, honest)]
        # it takes a hundredth when the pool sends it, and another when it is sent on
        arrives = honest - honest // 100
        arrives -= arrives // 100
        with reverts("ProfitTooSmall", paid.address, arrives, honest):
            flash.contract.closeOut(tuple(order), sender=flash.searcher)

    def test_tether_like_debt_and_collateral__work(self, flash: Flash) -> None:
        world = flash.world
        supply_side = world.list_asset(
            "USDT",
            6,
            1,
            collateral(8500, 500),
            world.listings[world.usdc.id][1],
            token=world.node.deploy("TetherLikeToken", "USDT", 6, sender=world.governor),
        )
        world.supply(supply_side, 1_000_000)
        flash.pools["USDT/WETH"] = flash.trading.open_pool(world, supply_side, world.weth)
        world.set_price(world.weth, 2000)
        owing = world.open_account({world.weth: 10}, {supply_side: 13_000})
        world.set_price(world.weth, 1500)
        expected, _, _ = expected_close_out(world, owing)
        buying = Sale(BUY_MISSING, [world.weth, supply_side], [FEE])
        cost = flash.state().buy(buying.tokens, [FEE], expected.repaid[supply_side.id][0])
        flash.close_out(owing, [buying], [Profit(world.weth, 1)])
        assert flash.purse() == {"WETH": to_liquidator(expected, world.weth) - cost}
        flash.assert_empty()

        holding = world.open_account({supply_side: 20_000}, {world.weth: 10}, index=1)
        world.set_price(world.weth, 1750)
        expected, _, _ = expected_close_out(world, holding)
        selling = Sale(SELL_ALL, [supply_side, world.weth], [FEE])
        bought = flash.state().sell(selling.tokens, [FEE], to_liquidator(expected, supply_side))
        # the pools still stand where ether was cheaper
        assert bought > expected.repaid[world.weth.id][0]
        before = flash.purse()["WETH"]
        flash.close_out(holding, [selling], [Profit(world.weth, 1)])
        assert flash.purse() == {"WETH": before + bought - expected.repaid[world.weth.id][0]}
        flash.assert_empty()
