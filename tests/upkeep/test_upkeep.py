"""Passes of upkeep on a chain: what is due is done once, what is not is left alone, and nothing stops the rest."""

from __future__ import annotations

from typing import Any

import pytest

from closeout.chain.parameters import CollateralParameters, OracleParameters
from closeout.chain.rpc import RpcError
from tests.support.accounts import restorative_account, terminal_account
from tests.support.world import World, wad
from tests.upkeep.stage import DAY, HOUR, POKES, Housekeeper

# --------------------------------------------------------------------------------------------------------------- router


def test_poke__is_due_an_hour_after_the_last_record_and_not_before(housekeeper: Housekeeper):
    world = housekeeper.world
    recorded = {asset.id: world.router.lastGoodOf(asset.token)[1] for asset in world.assets}
    world.node.set_time(min(recorded.values()) + HOUR - 1)
    assert housekeeper.run() == {}
    assert housekeeper.why("OracleRouter.poke WETH").startswith("not due: not before 15 Jan 09:00:0")
    assert housekeeper.sent == 0
    assert "nothing of 8 is due" in housekeeper.said
    world.node.set_time(max(recorded.values()) + HOUR)
    world.set_price(world.weth, 1_600)
    assert housekeeper.run() == dict.fromkeys(POKES, "sent")
    assert housekeeper.sent == 4
    assert world.router.lastGoodOf(world.weth.token)[:2] == (wad(1_600), world.now)


def test_assets__go_by_the_names_of_the_record(housekeeper: Housekeeper):
    file = housekeeper.folder / "local.json"
    file.write_text(file.read_text().replace('"WETH"', '"ETHER"'))
    housekeeper.run()
    assert housekeeper.why("OracleRouter.poke ETHER").startswith("not due")


def test_key__is_unlocked_once_and_only_where_something_is_sent(housekeeper: Housekeeper):
    unlocked = []
    senders = set()

    def watch(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_estimateGas":
            senders.add(params[0]["from"])

    housekeeper.run(unlock=lambda: unlocked.append(housekeeper.sent), before=watch)
    assert unlocked == []
    housekeeper.world.warp(HOUR)
    housekeeper.run(unlock=lambda: unlocked.append(housekeeper.sent), before=watch)
    assert unlocked == [0]
    # as whom it simulates is who would send
    assert senders == {housekeeper.signer.address}


def test_second_pass__right_after_the_first__finds_nothing_due(housekeeper: Housekeeper):
    housekeeper.world.warp(HOUR)
    assert len(housekeeper.run()) == 4
    assert housekeeper.run() == {}
    assert housekeeper.sent == 4


def test_missing_price__is_noted_once__and_cleared_when_it_is_back(housekeeper: Housekeeper):
    world = housekeeper.world
    world.set_price(world.weth, 0)
    assert housekeeper.run() == {"OracleRouter.poke WETH": "sent"}
    assert housekeeper.why("OracleRouter.poke WETH") == "due: the price is missing: notes it"
    assert world.router.lastGoodOf(world.weth.token)[2] == world.now
    world.warp(2 * HOUR)
    housekeeper.run()
    assert housekeeper.why("OracleRouter.poke WETH") == "not due: no fresh price to record"
    world.set_price(world.weth, 1_500)
    assert housekeeper.run() == {"OracleRouter.poke WETH": "sent"}
    assert housekeeper.why("OracleRouter.poke WETH").startswith("due: the price is back, missing since")
    assert world.router.lastGoodOf(world.weth.token)[2] == 0


def test_price_in_doubt__is_not_recorded(housekeeper: Housekeeper):
    world = housekeeper.world
    world.router.freeze(world.weth.token, sender=world.governor)
    world.warp(HOUR)
    assert set(housekeeper.run()) == POKES - {"OracleRouter.poke WETH"}
    assert housekeeper.why("OracleRouter.poke WETH") == "not due: no fresh price to record"


# -------------------------------------------------------------------------------------------------------- other chores


def test_pause__that_is_over__is_lifted__and_a_running_one_is_not(housekeeper: Housekeeper):
    world = housekeeper.world
    world.pauser.pause(world.weth.bit | world.usdc.bit, world.weth.bit, sender=world.guardian)
    world.warp(HOUR)
    world.pauser.pause(0, world.wbtc.bit, sender=world.guardian)
    # of WETH only borrowing is over in time
    world.pauser.confirmPause(0, world.weth.bit, world.now + 20 * DAY, sender=world.governor)
    world.node.set_time(world.now + 7 * DAY - HOUR - 1)
    assert not [title for title in housekeeper.run() if "lift" in title]
    assert housekeeper.why("PauseGuardian.lift USDC borrowing").startswith("not due: paused until 22 Jan")
    world.warp(1)
    assert {title: done for title, done in housekeeper.run().items() if "lift" in title} == {
        "PauseGuardian.lift WETH borrowing": "sent",
        "PauseGuardian.lift USDC borrowing": "sent",
    }
    assert tuple(world.pauser.paused()) == (0, world.weth.bit | world.wbtc.bit)
    world.open_account({world.weth: 10}, {world.usdc: 1_000})
    assert not [title for title in housekeeper.run() if "lift" in title]
    assert housekeeper.why("PauseGuardian.lift WBTC withdrawing").startswith("not due: paused until")


def test_source__that_the_router_has_changed__is_brought_in_line(housekeeper: Housekeeper):
    world = housekeeper.world
    bounds = (DAY // 2, 2 * DAY, 1, 10**48, "0x" + "00" * 20, 0)
    adapter = world.node.deploy("ChainlinkAdapter", world.weth.feed, bounds, sender=world.governor)
    world.router.replace(world.weth.token, adapter, sender=world.governor)
    table = world.vault.configuration()
    assert housekeeper.run() == {"RiskConfigurator.syncPriceSource WETH": "sent"}
    assert world.vault.configuration() != table
    assert housekeeper.run() == {}
    assert housekeeper.why("RiskConfigurator.syncPriceSource WETH") == "not due: the table's source is the router's"


def test_volatility__is_sampled_of_what_it_may_lift(housekeeper: Housekeeper):
    world, poke = housekeeper.world, "VolatilityOracle.poke WETH"
    oracle = world.node.deploy(
        "VolatilityOracle", world.router, DAY, HOUR, wad("0.3"), wad("0.6"), sender=world.governor
    )
    world.set_protocol(modules={"oracles": OracleParameters(volatility_oracle=oracle.address)})
    terms = CollateralParameters(8000, 8500, 800, most_target=13_000)
    world.set_asset(world.weth, terms, world.listings[world.weth.id][1])
    assert housekeeper.run() == {poke: "sent"}
    assert housekeeper.why(poke) == "due: never sampled"
    assert oracle.volatilityOf(world.weth.token)[1] == world.now
    assert housekeeper.run() == {}
    world.warp(HOUR)
    assert set(housekeeper.run()) == {*POKES, poke}


# ------------------------------------------------------------------------------------------------------------- accounts


def noted(world: World, account: int) -> dict[int, int]:
    return {asset.id: loss for asset in world.assets if (loss := world.vault.notedLossOf(account, asset.id))}


@pytest.mark.parametrize("at_once", [1, 100])
def test_insolvent_account__is_noted__and_a_solvent_one_is_not(
    housekeeper: Housekeeper, monkeypatch: pytest.MonkeyPatch, at_once: int
):
    monkeypatch.setattr("closeout.upkeep.accounts.ACCOUNTS_PER_CALL", at_once)
    world = housekeeper.world
    world.set_price(world.weth, 2_500)
    account = world.open_account({world.weth: 10}, {world.usdc: 9_000, world.dai: 7_000}, index=1)
    # unhealthy, and its collateral is worth more than its debt
    restorative_account(world)
    assert housekeeper.run() == {}
    [done] = housekeeper.run(with_accounts=True).items()
    assert done == (f"Vault.noteInsolvency {housekeeper.rows[-1].chore.subject}", "sent")
    assert housekeeper.rows[-1].chore.call.arguments == (account,)
    assert len(housekeeper.rows) == 9
    assert "accounts: 2 owe something" in housekeeper.said
    found = noted(world, account)
    assert found
    with world.node.rolled_back():
        world.arm()
        repaid = world.result(world.close_out(account)).repaid
        assert found == {asset_id: loss for asset_id, (_, loss, _) in repaid.items() if loss}
    assert housekeeper.run(with_accounts=True) == {}
    assert housekeeper.rows[-1].judgement.why == "the note is what it should be"


def test_note__that_is_out_by_more_than_a_hundredth__is_renewed__and_lifted_of_an_account_that_is_solvent_again(
    housekeeper: Housekeeper,
):
    world = housekeeper.world
    account = terminal_account(world)
    housekeeper.run(with_accounts=True)
    before = noted(world, account)
    prices = dict(world.prices)
    held = [asset for asset in world.assets if asset.id in world.vault.positionOf(account)[0]]
    for asset in held:
        asset.feed.publish(prices[asset.id] * 9_999 // 10_000, sender=world.governor)
    assert housekeeper.run(with_accounts=True) == {}
    for asset in held:
        asset.feed.publish(prices[asset.id] * 9 // 10, sender=world.governor)
    assert list(housekeeper.run(with_accounts=True).values()) == ["sent"]
    assert all(loss > before[asset_id] for asset_id, loss in noted(world, account).items())
    for asset in held:
        asset.feed.publish(prices[asset.id] * 3, sender=world.governor)
    assert list(housekeeper.run(with_accounts=True).values()) == ["sent"]
    assert housekeeper.rows[-1].judgement.why == "solvent again: lifts the note"
    assert noted(world, account) == {}
    assert housekeeper.run(with_accounts=True) == {}


def test_account__that_cannot_be_valued__is_a_row_that_says_so(housekeeper: Housekeeper):
    world = housekeeper.world
    restorative_account(world)
    world.pauser.pause(world.dai.bit, 0, sender=world.guardian)
    # no price in place, and nobody to ask for it
    world.set_price(world.weth, 0)
    world.node.rpc.call("anvil_setCode", world.router.address, "0xfe")
    assert housekeeper.run(with_accounts=True) == {}
    assert housekeeper.rows[-1].chore.name == "Vault.noteInsolvency"
    assert housekeeper.rows[-1].judgement.state.value == "failed"
    assert housekeeper.why("PauseGuardian.lift DAI borrowing").startswith("not due: paused until")


def test_accounts__read_in_ranges_that_the_node_allows__are_all_there(housekeeper: Housekeeper):
    world = housekeeper.world
    account = terminal_account(world)
    widest = 7

    def refuse(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_getLogs" and "fromBlock" in params[0]:
            width = int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) + 1
            if width > widest:
                raise RpcError(method, {"code": -32005, "message": f"more than {widest} blocks"})

    housekeeper.run(with_accounts=True, before=refuse)
    assert noted(world, account)


def test_accounts__of_a_later_pass__are_read_from_where_the_first_one_ended(housekeeper: Housekeeper):
    world = housekeeper.world
    terminal_account(world)
    housekeeper.run(with_accounts=True)
    read = []

    def watch(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_getLogs":
            read.append(params[0].get("fromBlock"))

    first = int(world.node.rpc.call("eth_blockNumber"), 16)
    world.warp(1)
    housekeeper.run(with_accounts=True, before=watch)
    assert all(block is None or int(block, 16) >= first - 1 for block in read)
    assert read
