"""What a flash close-out refuses: less profit than stated, debts it cannot cover, sales that cannot be carried out."""

from __future__ import annotations

from fractions import Fraction

import pytest

from closeout.chain.uniswap import encode_path
from tests.support.node import Reverted, actor, reverts
from tests.support.world import NEVER, wad
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Flash, Profit, Sale, one_and_one

FEE, STABLE_FEE = 3_000, 500
SANDWICHER = actor("sandwicher")


def buy(flash: Flash) -> Sale:
    return Sale(BUY_MISSING, [flash.world.weth, flash.world.usdc], [FEE])


def sell(flash: Flash) -> Sale:
    return Sale(SELL_ALL, [flash.world.weth, flash.world.usdc], [FEE])


class TestProfit:
    def test_profit_as_stated__passes_and_one_unit_more_is_refused(self, flash: Flash) -> None:
        account = one_and_one(flash.world)
        weth = flash.world.weth
        (profit,) = flash.expect(account, [buy(flash)], [Profit(weth)])
        with reverts("ProfitTooSmall", weth.token.address, profit, profit + 1):
            flash.close_out(account, [buy(flash)], [Profit(weth, profit + 1)])
        flash.close_out(account, [buy(flash)], [Profit(weth, profit)])
        assert flash.purse() == {"WETH": profit}

    def test_each_profit_token__has_its_own_least(self, flash: Flash) -> None:
        account = one_and_one(flash.world)
        weth, usdc = flash.world.weth, flash.world.usdc
        (profit,) = flash.expect(account, [buy(flash)], [Profit(weth)])
        with reverts("ProfitTooSmall", usdc.token.address, 0, 1):
            flash.close_out(account, [buy(flash)], [Profit(weth, profit), Profit(usdc, 1)])

    def test_profit__is_what_the_caller_has_more__not_what_he_has(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        world.give(flash.searcher, world.weth, 10**24)
        (profit,) = flash.expect(account, [buy(flash)], [Profit(world.weth)])
        assert profit < 10**18
        with reverts("ProfitTooSmall", world.weth.token.address, profit, profit + 1):
            flash.close_out(account, [buy(flash)], [Profit(world.weth, profit + 1)])

    def test_sandwich__that_would_take_more_than_the_stated_profit_leaves__is_refused(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        (profit,) = flash.expect(account, [sell(flash)], [Profit(world.usdc)])
        # somebody sells half a percent of the pool's ether before us
        uniswap, front = flash.trading.uniswap, 66 * 10**18
        world.weth.token.mint(uniswap.provider.address, front, sender=SANDWICHER)
        uniswap.swap(encode_path([world.weth.token.address, world.usdc.token.address], [FEE]), front)
        (worse,) = flash.expect(account, [sell(flash)], [Profit(world.usdc)])
        assert worse < profit * 7 // 10
        with reverts("ProfitTooSmall", world.usdc.token.address, worse, profit * 99 // 100):
            flash.close_out(account, [sell(flash)], [Profit(world.usdc, profit * 99 // 100)])

    def test_refusal__leaves_everything_as_it_was(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        before = world.position(account), world.idle(world.usdc), flash.pools["WETH/USDC"].slot0()
        with reverts("ProfitTooSmall", ...):
            flash.close_out(account, [buy(flash)], [Profit(world.weth, 10**18)])
        assert (world.position(account), world.idle(world.usdc), flash.pools["WETH/USDC"].slot0()) == before


class TestSales:
    def test_no_sale_at_all__the_debt_is_not_covered(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        owed = world.preview(account).repaid[world.usdc.id][0]
        with reverts("DebtNotCovered", world.usdc.token.address, 0, owed):
            flash.close_out(account, [], [])

    def test_sale_into_the_wrong_token__the_debt_is_not_covered(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        owed = world.preview(account).repaid[world.usdc.id][0]
        with reverts("DebtNotCovered", world.usdc.token.address, 0, owed):
            flash.close_out(account, [Sale(SELL_ALL, [world.weth, world.dai], [FEE])], [])

    def test_buying_what_is_no_debt__buys_nothing(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        (profit,) = flash.expect(account, [buy(flash)], [Profit(world.weth)])
        no_debt = Sale(BUY_MISSING, [world.weth, world.dai], [FEE])
        assert flash.expect(account, [no_debt, buy(flash)], [Profit(world.weth)]) == [profit]

    def test_selling_what_is_to_be_repaid__sells_nothing(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        (profit,) = flash.expect(account, [buy(flash)], [Profit(world.weth)])
        back = Sale(SELL_ALL, [world.usdc, world.weth], [FEE])
        assert flash.expect(account, [buy(flash), back], [Profit(world.weth)]) == [profit]

    def test_pool_far_below_the_oracle__the_collateral_does_not_suffice(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        seized, to_protocol, _ = world.preview(account).seized[world.weth.id]
        owed = world.preview(account).repaid[world.usdc.id][0]
        uniswap, flood = flash.trading.uniswap, 5_000 * 10**18
        world.weth.token.mint(uniswap.provider.address, flood, sender=SANDWICHER)
        uniswap.swap(encode_path([world.weth.token.address, world.usdc.token.address], [FEE]), flood)
        needed = flash.state().buy(buy(flash).tokens, [FEE], owed)
        with reverts("SaleTooLarge", world.weth.token.address, seized - to_protocol, needed):
            flash.close_out(account, [buy(flash)], [])

    def test_pool_that_does_not_exist__is_named(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        tokens = world.weth.token.address, world.usdc.token.address
        with reverts("PoolMissing", *tokens, 10_000):
            flash.close_out(account, [Sale(BUY_MISSING, [world.weth, world.usdc], [10_000])], [])

    @pytest.mark.parametrize("length", [0, 19, 20, 42, 44, 65, 67])
    def test_path_of_a_length_that_no_path_has__is_refused(self, flash: Flash, length: int) -> None:
        account = one_and_one(flash.world)
        path = bytes(range(length))
        order = list(flash.order(account, [], []))
        order[5] = [(SELL_ALL, path, wad(1))]
        with reverts("PathMalformed", path):
            flash.contract.closeOut(tuple(order), sender=flash.searcher)

    @pytest.mark.parametrize("kind", [BUY_MISSING, SELL_ALL])
    def test_pool_whose_liquidity_ends__is_named(self, flash: Flash, kind: int) -> None:
        world = flash.world
        account = one_and_one(world)
        weth, usdc = world.weth.token.address, world.usdc.token.address
        amounts = {weth: 2 * 10**18, usdc: 3_000 * 10**6}
        price = Fraction(1_500 * 10**6, 10**18)
        pool = flash.trading.open_bare_pool(amounts, STABLE_FEE, price, base=weth, reach=10)
        result = world.preview(account)
        seized, to_protocol, _ = result.seized[world.weth.id]
        token, asked = (weth, seized - to_protocol) if kind == SELL_ALL else (usdc, result.repaid[world.usdc.id][0])
        with pytest.raises(Reverted) as caught:
            flash.close_out(account, [Sale(kind, [world.weth, world.usdc], [STABLE_FEE])], [])
        assert caught.value.name == "LiquidityExhausted"
        *named, filled = caught.value.arguments
        assert named == [pool.address, token, asked]
        assert 0 < filled < asked


class TestTheVaultsOwnRefusals:
    def test_deadline__is_the_vaults(self, flash: Flash) -> None:
        account = one_and_one(flash.world)
        now = flash.world.now
        with reverts("DeadlinePassed", now - 1, now):
            flash.close_out(account, [buy(flash)], [], deadline=now - 1)
        flash.close_out(account, [buy(flash)], [], deadline=now)

    def test_healthy_account__is_refused_with_its_health(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        world.set_price(world.weth, 1600)
        with reverts("AccountHealthy", world.health(account)):
            flash.close_out(account, [buy(flash)], [])

    def test_account_that_would_only_be_put_on_call__is_refused__and_closed_out_after_its_grace(
        self, flash: Flash
    ) -> None:
        world = flash.world
        world.set_protocol(grace_period=3600)
        account = one_and_one(world)
        with reverts("GraceNotStarted", account):
            flash.close_out(account, [buy(flash)], [])
        world.vault.marginCall(account, sender=flash.searcher)
        with reverts("GracePeriodRunning", world.now + 3600, world.now):
            flash.close_out(account, [buy(flash)], [])
        world.warp(3600)
        flash.close_out(account, [buy(flash)], [Profit(world.weth, 1)])
        flash.assert_empty()

    def test_smaller_set__is_the_vaults_to_admit(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        with reverts("EmptySet"):
            flash.close_out(account, [buy(flash)], [], collaterals=world.wbtc.bit)
        with reverts("FillOutOfRange", wad("1.1")):
            flash.close_out(account, [buy(flash)], [], fill=wad("1.1"), deadline=NEVER)
