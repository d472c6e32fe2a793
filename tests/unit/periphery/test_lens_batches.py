"""Many accounts in one call: one whose values cannot be told says so, and fails nobody else."""

from __future__ import annotations

import pytest

from tests.support.accounts import restorative_account
from tests.support.node import reverts
from tests.support.world import NOT_BORROWABLE, NOT_COLLATERAL, Asset, World, collateral, wad
from tests.unit.periphery.views import Account, error_of, report

NO_REASON = ("Unanswered", ())


def healthy_account(world: World, index: int) -> int:
    return world.open_account({world.weth: 5}, {world.usdc: 1_000}, index=index)


def list_adapter_asset(world: World) -> tuple[Asset, str]:
    """A collateral whose price comes through the router from its adapter."""
    asset = world.list_asset("ADAPT", 18, 7, collateral(7000, 1000), NOT_BORROWABLE, is_read_in_place=False)
    return asset, world.router.adapterOf(asset.token)


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

    def test_one_with_a_dead_feed__is_answered_at_its_last_good_price__and_the_others_too(self, world: World) -> None:
        bad, good = restorative_account(world), healthy_account(world, 1)
        before = [Account(*values) for values in world.lens.accountsOf([good, bad, good])]
        world.wbtc.feed.publish(0, sender=world.governor)
        assert [Account(*values) for values in world.lens.accountsOf([good, bad, good])] == before
        close_outs = world.lens.closeOutsOf([good, bad, good])
        assert [is_possible for is_possible, *_ in close_outs] == [False, True, False]

    def test_those_without_a_router__fail_alone__and_say_so(self, world: World) -> None:
        """What nobody foresees: a router that answers nothing. Whose prices are not asked of it does not notice."""
        asset, _ = list_adapter_asset(world)
        bad = [world.open_account({asset: 1000, world.weth: 1}, {world.usdc: 1_000}, index=n) for n in (10, 11)]
        good = [healthy_account(world, index) for index in range(2, 8)]
        alone = [Account(*world.lens.accountOf(account)) for account in good]
        world.node.rpc.call("anvil_setCode", world.router.address, "0xfe")
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
    def test_one_whose_adapter_reverts_with_anything__is_missing_a_price__and_no_more(
        self, world: World, size: int
    ) -> None:
        asset, adapter = list_adapter_asset(world)
        bad, good = world.open_account({asset: 1000}, index=1), healthy_account(world, 2)
        before = [Account(*values) for values in world.lens.accountsOf([bad, good])]
        world.node.rpc.call("anvil_setCode", adapter, world.node.artifacts["RawAnswer"].deployed_bytecode)
        world.node.at("RawAnswer", adapter).setAnswer(b"\x5a" * size, True, sender=world.governor)
        assert [Account(*values) for values in world.lens.accountsOf([bad, good])] == before
        [line] = report(world.lens.reportOf(bad)).collaterals
        assert line.price == (2, wad(7))

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
