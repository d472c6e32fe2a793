"""Close-outs without capital: what is left over, by the reference model and the pools' arithmetic."""

from __future__ import annotations

from tests.support.accounts import capped_account, restorative_account, terminal_account, three_and_two
from tests.support.expected import expected_close_out
from tests.support.world import CAPPED, NO_DEBT, RESTORATIVE, TERMINAL, Asset, Result, wad
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Flash, Profit, Sale, one_and_one, to_liquidator

FEE, STABLE_FEE = 3_000, 500


def repaid(result: Result, asset: Asset) -> int:
    return result.repaid[asset.id][0]


def test_pool_arithmetic__agrees_with_uniswaps_own_quoter(flash: Flash) -> None:
    """What all figures below rest on."""
    world = flash.world
    routes = [
        ([world.weth, world.usdc], [FEE], 10**18),
        ([world.usdc, world.weth], [FEE], 7_000 * 10**6),
        ([world.wbtc, world.weth, world.dai], [FEE, FEE], 3 * 10**7),
        ([world.usdc, world.dai], [STABLE_FEE], 1),
        ([world.dai, world.usdc], [STABLE_FEE], 123_456_789 * 10**12 + 1),
    ]
    for assets, fees, amount in routes:
        sale = Sale(SELL_ALL, assets, fees)
        assert flash.state().sell(sale.tokens, fees, amount) == flash.trading.uniswap.quote(sale.encoded()[1], amount)


class TestOneCollateralOneDebt:
    def test_debt_bought_exactly__the_rest_of_the_collateral_is_the_profit(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        expected, _, _ = expected_close_out(world, account)
        assert expected.regime == RESTORATIVE
        sale = Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])
        cost = flash.state().buy(sale.tokens, [FEE], repaid(expected, world.usdc))
        profit = to_liquidator(expected, world.weth) - cost
        assert profit > 0

        assert flash.purse() == {}
        receipt = flash.close_out(account, [sale], [Profit(world.weth, profit)])

        assert world.result(receipt) == expected
        assert flash.purse() == {"WETH": profit}
        flash.assert_empty()

    def test_all_collateral_sold__what_the_debt_did_not_take_is_the_profit(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        expected, _, _ = expected_close_out(world, account)
        sale = Sale(SELL_ALL, [world.weth, world.usdc], [FEE])
        bought = flash.state().sell(sale.tokens, [FEE], to_liquidator(expected, world.weth))
        profit = bought - repaid(expected, world.usdc)
        assert profit > 0

        flash.close_out(account, [sale], [Profit(world.usdc, profit)])

        assert flash.purse() == {"USDC": profit}
        flash.assert_empty()

    def test_surplus_of_a_debt_token__can_be_sold_on_into_another(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        expected, _, _ = expected_close_out(world, account)
        sales = [
            Sale(SELL_ALL, [world.weth, world.usdc], [FEE]),
            Sale(SELL_ALL, [world.usdc, world.dai], [STABLE_FEE]),
        ]
        pools = flash.state()
        bought = pools.sell(sales[0].tokens, [FEE], to_liquidator(expected, world.weth))
        profit = pools.sell(sales[1].tokens, [STABLE_FEE], bought - repaid(expected, world.usdc))

        flash.close_out(account, sales, [Profit(world.dai, profit)])

        assert flash.purse() == {"DAI": profit}
        flash.assert_empty()

    def test_partial_fill__takes_and_repays_the_part(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        fill = wad("0.3")
        expected, _, _ = expected_close_out(world, account, fill=fill)
        sale = Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])
        cost = flash.state().buy(sale.tokens, [FEE], repaid(expected, world.usdc))

        receipt = flash.close_out(account, [sale], [Profit(world.weth)], fill=fill)

        assert world.result(receipt) == expected
        assert world.health(account) < wad("1.1")
        assert flash.purse() == {"WETH": to_liquidator(expected, world.weth) - cost}
        flash.assert_empty()

    def test_return_value__tells_the_profit_beforehand(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        sale = Sale(SELL_ALL, [world.weth, world.usdc], [FEE])
        told = flash.expect(account, [sale], [Profit(world.usdc), Profit(world.weth)])
        flash.close_out(account, [sale], [])
        assert flash.purse() == {"USDC": told[0]}
        assert told[1] == 0

    def test_interest_that_accrues_meanwhile__is_bought_too(self, flash: Flash) -> None:
        """The order names no amount: what it was made for and what it meets may differ."""
        world = flash.world
        account = one_and_one(world)
        order = [Sale(BUY_MISSING, [world.weth, world.usdc], [FEE])], [Profit(world.weth, 1)]
        before = repaid(world.preview(account), world.usdc)
        world.set_price(world.weth, 1490)
        assert repaid(world.preview(account), world.usdc) > before
        flash.close_out(account, *order)
        flash.assert_empty()


class TestBaskets:
    def test_two_collaterals__the_first_sold_whole_and_the_second_as_far_as_needed(self, flash: Flash) -> None:
        world = flash.world
        account = restorative_account(world)
        expected, _, _ = expected_close_out(world, account)
        sales = [
            Sale(SELL_ALL, [world.wbtc, world.weth, world.usdc], [FEE, FEE]),
            Sale(BUY_MISSING, [world.weth, world.usdc], [FEE]),
        ]
        pools = flash.state()
        bought = pools.sell(sales[0].tokens, [FEE, FEE], to_liquidator(expected, world.wbtc))
        assert 0 < bought < repaid(expected, world.usdc)
        cost = pools.buy(sales[1].tokens, [FEE], repaid(expected, world.usdc) - bought)

        receipt = flash.close_out(account, sales, [Profit(world.weth, 1)])

        assert world.result(receipt) == expected
        assert flash.purse() == {"WETH": to_liquidator(expected, world.weth) - cost}
        flash.assert_empty()

    def test_three_collaterals_two_debts__everything_ends_in_one_profit_token(self, flash: Flash) -> None:
        world = flash.world
        account = three_and_two(world)
        link = world.assets[-1]
        flash.pools["LINK/WETH"] = flash.trading.open_pool(world, link, world.weth)
        expected, _, _ = expected_close_out(world, account)
        assert (len(expected.seized), len(expected.repaid)) == (3, 2)
        sales = [
            Sale(SELL_ALL, [link, world.weth, world.dai, world.usdc], [FEE, FEE, STABLE_FEE]),
            Sale(BUY_MISSING, [world.wbtc, world.weth, world.usdc], [FEE, FEE]),
            Sale(SELL_ALL, [world.wbtc, world.weth], [FEE]),
            Sale(BUY_MISSING, [world.weth, world.dai], [FEE]),
            Sale(SELL_ALL, [world.weth, world.usdc], [FEE]),
        ]
        pools = flash.state()
        held = {asset.symbol: to_liquidator(expected, asset) for asset in (world.weth, world.wbtc, link)}
        bought = pools.sell(sales[0].tokens, sales[0].fees, held["LINK"])
        assert bought < repaid(expected, world.usdc)
        held["WBTC"] -= pools.buy(sales[1].tokens, sales[1].fees, repaid(expected, world.usdc) - bought)
        held["WETH"] += pools.sell(sales[2].tokens, sales[2].fees, held["WBTC"])
        held["WETH"] -= pools.buy(sales[3].tokens, sales[3].fees, repaid(expected, world.dai))
        profit = pools.sell(sales[4].tokens, sales[4].fees, held["WETH"])

        receipt = flash.close_out(account, sales, [Profit(world.usdc, profit)])

        assert world.result(receipt) == expected
        assert flash.purse() == {"USDC": profit}
        flash.assert_empty()

    def test_leftovers_that_no_profit_names__are_the_searchers_too(self, flash: Flash) -> None:
        world = flash.world
        account = restorative_account(world)
        expected, _, _ = expected_close_out(world, account)
        sales = [
            Sale(SELL_ALL, [world.weth, world.usdc], [FEE]),
            Sale(BUY_MISSING, [world.wbtc, world.weth, world.usdc], [FEE, FEE]),
        ]
        pools = flash.state()
        bought = pools.sell(sales[0].tokens, sales[0].fees, to_liquidator(expected, world.weth))
        cost = pools.buy(sales[1].tokens, sales[1].fees, repaid(expected, world.usdc) - bought)

        flash.close_out(account, sales, [])

        assert flash.purse() == {"WBTC": to_liquidator(expected, world.wbtc) - cost}
        flash.assert_empty()

    def test_leftovers_sold_for_a_third_token_that_no_profit_names__are_the_searchers_too(self, flash: Flash) -> None:
        world = flash.world
        account = one_and_one(world)
        expected, _, _ = expected_close_out(world, account)
        sales = [
            Sale(BUY_MISSING, [world.weth, world.usdc], [FEE]),
            Sale(SELL_ALL, [world.weth, world.dai], [FEE]),
        ]
        pools = flash.state()
        left = to_liquidator(expected, world.weth)
        left -= pools.buy(sales[0].tokens, [FEE], repaid(expected, world.usdc))

        flash.close_out(account, sales, [])

        assert flash.purse() == {"DAI": pools.sell(sales[1].tokens, [FEE], left)}
        flash.assert_empty()


class TestRegimes:
    def test_capped__the_penalty_is_what_is_left_over_the_debt(self, flash: Flash) -> None:
        world = flash.world
        account = capped_account(world)
        expected, _, _ = expected_close_out(world, account)
        assert expected.regime == CAPPED
        sale = Sale(SELL_ALL, [world.weth, world.usdc], [FEE])
        bought = flash.state().sell(sale.tokens, [FEE], to_liquidator(expected, world.weth))

        receipt = flash.close_out(account, [sale], [Profit(world.usdc, 1)])

        assert world.result(receipt) == expected
        assert world.health(account) == NO_DEBT
        assert flash.purse() == {"USDC": bought - repaid(expected, world.usdc)}
        flash.assert_empty()

    def test_terminal__pays_the_floor_and_leaves_the_loss_to_the_lenders(self, flash: Flash) -> None:
        world = flash.world
        account = terminal_account(world)
        expected, _, _ = expected_close_out(world, account)
        assert expected.regime == TERMINAL
        assert all(bad_debt > 0 for _, bad_debt, _ in expected.repaid.values())
        sales = [
            Sale(BUY_MISSING, [world.weth, world.usdc], [FEE]),
            Sale(BUY_MISSING, [world.weth, world.dai], [FEE]),
        ]
        pools = flash.state()
        cost = pools.buy(sales[0].tokens, [FEE], repaid(expected, world.usdc))
        cost += pools.buy(sales[1].tokens, [FEE], repaid(expected, world.dai))

        receipt = flash.close_out(account, sales, [Profit(world.weth, 1)])

        assert world.result(receipt) == expected
        assert len(receipt.events("BadDebt")) == 2
        assert flash.purse() == {"WETH": to_liquidator(expected, world.weth) - cost}
        flash.assert_empty()
