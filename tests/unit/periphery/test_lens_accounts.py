"""What the Lens says about one account, against the Vault itself and against exact fractions."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from tests.support.accounts import ACCOUNTS, capped_account, restorative_account, terminal_account, three_and_two
from tests.support.expected import expected_close_out
from tests.support.node import reverts
from tests.support.world import EVERYTHING, NEVER, NO_DEBT, Asset, World, collateral, wad
from tests.unit.periphery.views import Account, Report, error_of, report

DAY = 86_400

FRESH, MISSING = 0, 2


def report_of(world: World, account: int) -> Report:
    return report(world.lens.reportOf(account))


def publish(world: World, asset: Asset, price_wad: int) -> None:
    """A price to the last digit."""
    asset.feed.publish(price_wad, sender=world.governor)


def value(world: World, asset_id: int, amount: int) -> Fraction:
    """WAD."""
    return Fraction(amount * world.prices[asset_id], 10 ** world.assets[asset_id].decimals)


def random_account(world: World, random: Random) -> int:
    """Two collaterals and two debts of odd amounts and prices, healthy or not."""
    for asset, low, high in ((world.weth, 1000, 4000), (world.wbtc, 20_000, 80_000), (world.dai, 1, 1)):
        world.set_price(asset, f"{random.randint(low, high)}.{random.randrange(10**9)}")
    account = world.open_account(
        {world.weth: f"1.{random.randrange(10**18)}", world.wbtc: f"0.{random.randint(1, 10**7):08}"}
    )
    power = world.vault.healthOf(account)[1]
    part = random.randint(75, 99)
    for asset, share in ((world.usdc, 40), (world.dai, 60)):
        units = power * part * share // 10**4 * 10**asset.decimals // world.prices[asset.id] + 1
        world.vault.borrow(account, asset.id, units, world.borrower, sender=world.borrower)
    world.warp(1)
    return account


class TestAccount:
    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_sums_and_balances__are_the_vaults(self, world: World, kind: str) -> None:
        account = ACCOUNTS[kind](world)
        position, health = world.vault.positionOf(account), world.vault.healthOf(account)
        assert Account(*world.lens.accountOf(account)) == (*position, *health, b"")
        assert report_of(world, account).sums == (*position, *health, b"")

    def test_account_that_does_not_exist__is_empty_and_healthy(self, world: World) -> None:
        found = report_of(world, 12345)
        assert found.sums == ((), (), (), (), 0, 0, 0, 0, NO_DEBT, b"")
        assert (found.collaterals, found.debts, found.borrowable_value) == ([], [], 0)
        assert error_of(world, found.close_out.refusal) == ("AccountHealthy", (NO_DEBT,))

    def test_lines__give_each_balance_with_its_price_value_and_threshold(self, world: World) -> None:
        account = three_and_two(world)
        found = report_of(world, account)
        held, owed = world.position(account)
        assert {line.asset_id: line.amount for line in found.collaterals} == held
        assert {line.asset_id: line.amount for line in found.debts} == owed
        for line in found.collaterals:
            listing = world.listings[line.asset_id][0]
            assert line.token == world.assets[line.asset_id].token.address
            assert line.price == (FRESH, world.prices[line.asset_id])
            assert line.threshold == listing.liquidation_threshold
            assert line.value == value(world, line.asset_id, line.amount) // 1
        for line in found.debts:
            assert line.token == world.assets[line.asset_id].token.address
            assert line.price == (FRESH, world.prices[line.asset_id])
            assert line.value == -(-value(world, line.asset_id, line.amount) // 1)

    @pytest.mark.parametrize("seed", range(4))
    def test_lines_of_odd_amounts__round_collateral_down_and_debt_up(self, world: World, seed: int) -> None:
        found = report_of(world, random_account(world, Random(seed)))
        collaterals = [(line.value, value(world, line.asset_id, line.amount)) for line in found.collaterals]
        debts = [(line.value, value(world, line.asset_id, line.amount)) for line in found.debts]
        assert any(exact.denominator > 1 for _, exact in collaterals)
        assert any(exact.denominator > 1 for _, exact in debts)
        assert all(told == exact // 1 for told, exact in collaterals)
        assert all(told == -(-exact // 1) for told, exact in debts)

    def test_borrowable_value__can_be_borrowed_to_the_unit(self, world: World) -> None:
        account = world.open_account({world.weth: 10}, {world.usdc: 5_000})
        borrowable = report_of(world, account).borrowable_value
        assert borrowable == 10 * wad(1500) * 80 // 100 - wad(5_000)
        units = borrowable * 10**6 // 10**18
        with reverts("BelowInitialMargin", ...):
            world.vault.borrow(account, world.usdc.id, units + 1, world.borrower, sender=world.borrower)
        world.vault.borrow(account, world.usdc.id, units, world.borrower, sender=world.borrower)
        assert report_of(world, account).borrowable_value == 0

    def test_borrowable_value_of_an_account_beyond_its_margin__is_zero(self, world: World) -> None:
        assert report_of(world, restorative_account(world)).borrowable_value == 0

    def test_times_and_deleverage__are_told(self, world: World) -> None:
        account = restorative_account(world)
        terms = wad("1.2"), wad("1.3"), wad("0.01")
        world.vault.setDeleverage(account, terms, sender=world.borrower)
        called_at = world.warp(10)
        world.vault.marginCall(account, sender=world.stranger)
        found = report_of(world, account)
        assert found.deleverage == terms
        assert (found.called_at, found.acted_at) == (called_at, world.vault.timesOf(account)[1])
        assert found.acted_at > 0

    def test_missing_price__counts_at_the_last_good_one__and_is_in_no_close_out(self, world: World) -> None:
        account = three_and_two(world)
        before = report_of(world, account)
        publish(world, world.wbtc, 0)
        found = report_of(world, account)
        assert found.sums == before.sums
        statuses = {line.asset_id: line.price.status for line in found.collaterals}
        assert statuses == {n: MISSING if n == world.wbtc.id else FRESH for n in statuses}
        assert {line.price.status for line in found.debts} == {FRESH}
        assert found.result.seized.keys() == before.result.seized.keys() - {world.wbtc.id}


class TestLiquidationPrice:
    @pytest.mark.parametrize("seed", range(12))
    def test_of_a_collateral__is_the_lowest_healthy_price__all_else_being_equal(self, world: World, seed: int) -> None:
        account = random_account(world, Random(seed))
        checked = 0
        for line in report_of(world, account).collaterals:
            asset = world.assets[line.asset_id]
            if line.liquidation_price == 0:
                publish(world, asset, 1)
                assert world.health(account) >= wad(1)
            else:
                publish(world, asset, line.liquidation_price)
                assert world.health(account) >= wad(1)
                # a digit of the price, and what a digit of the debt's value is in it
                digit = 10**asset.decimals * 10**4 // (line.amount * line.threshold) + 1
                publish(world, asset, line.liquidation_price - 1 - digit)
                assert world.health(account) < wad(1)
                checked += 1
            publish(world, asset, line.price.deciding)
        assert checked

    @pytest.mark.parametrize("seed", range(12))
    def test_of_a_debt__is_a_price_at_which_it_is_healthy__and_not_far_above(self, world: World, seed: int) -> None:
        account = random_account(world, Random(seed))
        for line in report_of(world, account).debts:
            asset = world.assets[line.asset_id]
            publish(world, asset, line.liquidation_price)
            assert world.health(account) >= wad(1)
            # one unit of each debt is what rounding can cost, less than a millionth here
            publish(world, asset, line.liquidation_price * (10**6 + 1) // 10**6 + 1)
            assert world.health(account) < wad(1)
            publish(world, asset, line.price.deciding)

    def test_without_debt__no_price_makes_the_account_liquidatable(self, world: World) -> None:
        account = world.open_account({world.weth: 1})
        (line,) = report_of(world, account).collaterals
        assert line.liquidation_price == 0

    def test_where_the_others_suffice__no_price_makes_the_account_liquidatable(self, world: World) -> None:
        account = world.open_account({world.weth: 10, world.wbtc: "0.01"}, {world.usdc: 5_000})
        prices = {line.asset_id: line.liquidation_price for line in report_of(world, account).collaterals}
        assert prices[world.wbtc.id] == 0
        assert prices[world.weth.id] > 0

    def test_on_a_ramp__follows_the_threshold_of_now__and_beyond_it_there_is_none(self, world: World) -> None:
        account = world.open_account({world.weth: 10, world.wbtc: "0.1"}, {world.usdc: 5_000})
        world.set_asset(world.weth, collateral(0, 800, ltv=0), world.listings[world.weth.id][1], ramp=10 * DAY)
        world.warp(2 * DAY)
        weth, wbtc = report_of(world, account).collaterals
        assert weth.threshold == 8500 * 8 // 10
        publish(world, world.weth, weth.liquidation_price)
        assert world.health(account) >= wad(1)
        publish(world, world.weth, weth.liquidation_price - 1)
        assert world.health(account) < wad(1)
        world.set_price(world.weth, 1500)
        world.warp(8 * DAY)
        weth, wbtc = report_of(world, account).collaterals
        assert (weth.threshold, weth.liquidation_price) == (0, NEVER)
        assert wbtc.liquidation_price > wbtc.price.deciding


class TestCloseOut:
    @pytest.mark.parametrize("kind", ACCOUNTS)
    def test_unhealthy_account__is_told_what_a_close_out_would_do(self, world: World, kind: str) -> None:
        account = ACCOUNTS[kind](world)
        expected, _, _ = expected_close_out(world, account)
        found = report_of(world, account)
        assert found.close_out.is_possible
        assert found.close_out.refusal == b""
        assert found.result == expected
        world.arm()
        assert world.result(world.close_out(account)) == expected

    def test_healthy_account__is_told_why_not(self, world: World) -> None:
        account = world.open_account({world.weth: 10}, {world.usdc: 5_000})
        found = report_of(world, account).close_out
        assert not found.is_possible
        assert error_of(world, found.refusal) == ("AccountHealthy", (world.health(account),))

    def test_account_of_this_second__is_told_why_not(self, world: World) -> None:
        account = restorative_account(world)
        world.set_price(world.weth, 2000)
        world.vault.borrow(account, world.usdc.id, 1, world.borrower, sender=world.borrower)
        world.set_price(world.weth, 1500)
        found = report_of(world, account).close_out
        assert error_of(world, found.refusal) == ("AccountActedNow", (world.now,))

    def test_account_that_would_only_be_put_on_call__is_neither_possible_nor_refused(self, world: World) -> None:
        world.set_protocol(grace_period=3600)
        account = restorative_account(world)
        found = report_of(world, account)
        assert (found.close_out.is_possible, found.close_out.refusal) == (False, b"")
        assert found.result.health_before == found.sums.health_factor
        world.vault.marginCall(account, sender=world.stranger)
        found = report_of(world, account).close_out
        assert error_of(world, found.refusal) == ("GracePeriodRunning", (world.now + 3600, world.now))

    def test_previews_of_many_requests__are_each_what_the_call_would_do_alone(self, world: World) -> None:
        accounts = [restorative_account(world)]
        world.set_price(world.weth, 2500)
        accounts += [world.open_account({world.weth: 10}, {world.usdc: 14_500}, index=1)]
        accounts += [world.open_account({world.weth: 10}, {world.usdc: 9_000, world.dai: 7_000}, index=2)]
        accounts += [world.open_account({world.weth: 10}, {world.usdc: 100}, index=3)]
        world.set_price(world.weth, 1500)
        requests = [
            *(world.request(account) for account in accounts),
            world.request(accounts[0], fill=wad("0.25")),
            world.request(accounts[0], collaterals=world.weth.bit),
            world.request(accounts[2], debts=world.dai.bit),
            world.request(accounts[1], deadline=world.now - 1),
            world.request(accounts[1], collaterals=0, debts=EVERYTHING),
        ]
        world.arm()
        found = world.lens.previewsOf(requests)
        assert len(found) == len(requests)
        outcomes = []
        for request, (is_possible, refusal, result) in zip(requests, found, strict=True):
            if is_possible:
                with world.node.rolled_back():
                    receipt = world.vault.closeOut(request, b"", sender=world.liquidator)
                    assert receipt.event("CloseOut")["result"] == result
                outcomes.append("")
            else:
                name, arguments = error_of(world, refusal)
                with reverts(name, *arguments):
                    world.vault.closeOut(request, b"", sender=world.liquidator)
                outcomes.append(name)
        refused = ["SetSellsTooMuch", "", "DeadlinePassed", "EmptySet"]
        assert outcomes == ["", "", "", "AccountHealthy", "", *refused]
        assert world.lens.closeOutsOf(accounts) == found[: len(accounts)]

    def test_kinds_of_accounts__are_what_their_names_say(self, world: World) -> None:
        """What the tests above take for granted."""
        for regime, make in enumerate((restorative_account, capped_account, terminal_account), 1):
            with world.node.rolled_back():
                assert report_of(world, make(world)).result.regime == regime


def test_views__while_the_vault_is_locked__refuse_as_it_does(world: World) -> None:
    account = restorative_account(world)
    actor = world.node.deploy("ScriptedActor", sender=world.liquidator)
    world.arm(actor)
    names = ("accountOf", "reportOf")
    script = [(world.lens, getattr(world.lens, name).data(account)) for name in names]
    script += [(world.lens, world.lens.marketOf.data(0)), (world.lens, world.lens.lenderOf.data(0, world.lender))]
    script += [(world.usdc.token, world.usdc.token.approve.data(world.vault, NEVER))]
    actor.setScript(script, False, sender=world.liquidator)
    order = world.vault.closeOut.data(world.request(account, receiver=actor.address), b"x")
    actor.execute(world.vault, order, sender=world.liquidator)
    outcomes = actor.outcomes()
    refused = [world.node.decode_revert("0x" + answer.hex()).name for passed, answer in outcomes if not passed]
    assert refused == ["Reentrancy"] * 4
