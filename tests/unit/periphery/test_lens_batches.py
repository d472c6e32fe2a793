"""Many accounts in one call: one whose values cannot be told says so, and fails nobody else."""

from __future__ import annotations

import pytest

from tests.support.accounts import restorative_account
from tests.support.node import Deployed, reverts
from tests.support.world import NOT_BORROWABLE, NOT_COLLATERAL, Asset, World, collateral, wad
from tests.unit.periphery.views import Account, error_of, report

NO_REASON = ("Unanswered", ())


def healthy_account(world: World, index: int) -> int:
    return world.open_account({world.weth: 5}, {world.usdc: 1_000}, index=index)


def list_adapter_asset(world: World) -> tuple[Asset, Deployed]:
    """A collateral whose price comes from an adapter that does as it is told."""
    adapter = world.node.deploy("RawAnswer", sender=world.governor)
    answer_price(world, adapter, 7)
    asset = world.list_asset("ADAPT", 18, 7, collateral(7000, 1000), NOT_BORROWABLE, feed=adapter, is_adapter=True)
    return asset, adapter


def answer_price(world: World, adapter: Deployed, price: int) -> None:
    words = (wad(price), wad(price), world.now, 0)
    adapter.setAnswer(b"".join(word.to_bytes(32, "big") for word in words), False, sender=world.governor)


class TestAccounts:
    def test_each__is_as_if_asked_alone(self, world: World) -> None:
        accounts = [healthy_account(world, 1), restorative_account(world), 999]
        found = [Account(*values) for values in world.lens.accountsOf(accounts)]
        assert found == [Account(*world.lens.accountOf(account)) for account in accounts]
        reports = [report(values) for values in world.lens.reportsOf(accounts)]
        assert reports == [report(world.lens.reportOf(account)) for account in accounts]
        assert [values.failure for values in reports] == [b"", b"", b""]

    def test_none__is_an_empty_answer(self, world: World) -> None:
        assert world.lens.accountsOf([]) == ()
        assert world.lens.reportsOf([]) == ()
        assert world.lens.closeOutsOf([]) == ()
        assert world.lens.previewsOf([]) == ()

    def test_one_with_a_dead_feed__says_so__and_the_others_are_answered(self, world: World) -> None:
        bad, good = restorative_account(world), healthy_account(world, 1)
        holdings = world.vault.positionOf(bad)
        world.wbtc.feed.publish(0, sender=world.governor)
        found = [Account(*values) for values in world.lens.accountsOf([good, bad, good])]
        assert found[0] == found[2] == Account(*world.lens.accountOf(good))
        assert error_of(world, found[1].failure) == ("PriceMissing", (world.wbtc.id,))
        assert found[1][:9] == (*holdings, 0, 0, 0, 0, 0)
        reports = [report(values) for values in world.lens.reportsOf([good, bad, good])]
        assert [error_of(world, values.sums.failure)[0] for values in reports] == ["", "PriceMissing", ""]
        close_outs = world.lens.closeOutsOf([good, bad, good])
        assert [error_of(world, refusal)[0] for _, refusal, _ in close_outs] == [
            "AccountHealthy",
            "PriceMissing",
            "AccountHealthy",
        ]

    def test_those_with_a_price_that_burns_all_gas__fail_alone(self, world: World) -> None:
        asset, adapter = list_adapter_asset(world)
        bad = [world.open_account({asset: 1000, world.weth: 1}, {world.usdc: 1_000}, index=n) for n in (10, 11)]
        good = [healthy_account(world, index) for index in range(2, 8)]
        alone = [Account(*world.lens.accountOf(account)) for account in good]
        adapter.setBurning(sender=world.governor)
        with reverts("", ...):
            world.lens.accountOf(bad[0])
        accounts = [bad[0], *good[:3], bad[1], *good[3:]]
        wanted = [NO_REASON, *[None] * 3, NO_REASON, *[None] * 3]

        found = [Account(*values) for values in world.lens.accountsOf(accounts)]
        assert [values for values in found if not values.failure] == alone
        assert [error_of(world, values.failure) if values.failure else None for values in found] == wanted
        reports = [report(values) for values in world.lens.reportsOf(accounts)]
        assert [values.sums for values in reports if values.sums.health_factor] == alone
        close_outs = [error_of(world, refusal) for _, refusal, _ in world.lens.closeOutsOf(accounts)]
        assert [error if error == NO_REASON else None for error in close_outs] == wanted
        assert {name for name, _ in close_outs} == {NO_REASON[0], "AccountHealthy"}

    @pytest.mark.parametrize("size", [0, 4, 32, 20_000])
    def test_one_with_a_price_that_reverts_with_anything__fails_alone(self, world: World, size: int) -> None:
        asset, adapter = list_adapter_asset(world)
        bad, good = world.open_account({asset: 1000}, index=1), healthy_account(world, 2)
        adapter.setAnswer(b"\x5a" * size, True, sender=world.governor)
        found = [Account(*values) for values in world.lens.accountsOf([bad, good])]
        assert found[1] == Account(*world.lens.accountOf(good))
        assert found[0].failure
        assert found[0].health_factor == 0

    def test_sixty_accounts__fit_into_one_call(self, world: World) -> None:
        accounts = [restorative_account(world), *(healthy_account(world, index) for index in range(1, 60))]
        reports = [report(values) for values in world.lens.reportsOf(accounts)]
        assert [values.failure for values in reports] == [b""] * 60
        assert [values.close_out.is_possible for values in reports] == [True] + [False] * 59


class TestLargestAccount:
    def test_report__of_ten_collaterals_and_five_debts__is_within_an_entrys_gas(self, world: World) -> None:
        """Lens.LARGEST_ENTRY_GAS: what one entry gets at least."""
        plain = world.listings[world.weth.id]
        collaterals = [world.list_asset(f"C{i}", 18, 10, plain[0], NOT_BORROWABLE) for i in range(10)]
        debts = [world.list_asset(f"D{i}", 18, 1, NOT_COLLATERAL, plain[1]) for i in range(5)]
        for asset in debts:
            world.supply(asset, 100_000)
        account = world.open_account(dict.fromkeys(collaterals, 100), dict.fromkeys(debts, 1_500))
        for asset in collaterals:
            world.set_price(asset, "8.5")
        found = report(world.lens.reportOf(account))
        assert (len(found.collaterals), len(found.debts)) == (10, 5)
        assert found.close_out.is_possible
        asked = {"to": world.lens.address, "data": "0x" + world.lens.reportOf.data(account).hex()}
        assert int(world.node.rpc.call("eth_estimateGas", asked), 16) < 6_000_000 // 2
