"""Passes of upkeep on a chain: what is due is done once, what is not is left alone, and nothing stops the rest."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from closeout.chain.parameters import CollateralParameters, OracleParameters
from closeout.chain.rpc import RpcError
from closeout.deployment.journal import Journal
from closeout.errors import BadInput, EnvironmentProblem
from closeout.upkeep.chores import Chore, Chores
from closeout.upkeep.decisions import ShareRecord, ShareTerms, State, judge_share
from tests.support.accounts import restorative_account, terminal_account
from tests.support.node import Deployed
from tests.support.watched import Watched
from tests.support.world import Asset, World, collateral, wad
from tests.unit.oracles.stage import selector
from tests.upkeep.stage import DAY, HOUR, Housekeeper

POKES = {f"OracleRouter.poke {symbol}" for symbol in ("WETH", "WBTC", "USDC", "DAI")}


def fresh(housekeeper: Housekeeper) -> Housekeeper:
    """The same with a record that knows what was listed since."""
    return Housekeeper.on(housekeeper.world, housekeeper.folder)


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


# ------------------------------------------------------------------------------------------------------------- disputes


@pytest.fixture
def watched(housekeeper: Housekeeper) -> tuple[Housekeeper, Watched, Deployed]:
    """An asset behind a DeviationAdapter of 1 % and a day."""
    world = housekeeper.world
    asset = Watched.listed(world, "LSD", 100, is_collateral=True)
    adapter = world.node.at("DeviationAdapter", world.router.adapterOf(asset.asset.token))
    return fresh(housekeeper), asset, adapter


def test_dispute__is_started__kept_alive__decided__and_ended(watched: tuple[Housekeeper, Watched, Deployed]):
    housekeeper, asset, adapter = watched
    world, poke = housekeeper.world, "DeviationAdapter.poke LSD"
    assert poke not in housekeeper.run()
    assert housekeeper.why(poke) == "not due: the sources are together"

    asset.feeds[1].publish(wad(90), sender=world.governor)
    assert housekeeper.run()[poke] == "sent"
    started = world.now
    assert adapter.dispute() == (started, started)
    assert housekeeper.why(poke) == "due: the sources are apart: starts a dispute"
    assert poke not in housekeeper.run()

    for quarter in range(1, 4):
        world.node.set_time(started + quarter * DAY // 4 - 1)
        assert poke not in housekeeper.run()
        world.warp(1)
        assert housekeeper.run()[poke] == "sent"
        assert adapter.dispute() == (started, world.now)
        assert adapter.price()[3] == 1
    world.node.set_time(started + DAY)
    assert housekeeper.run()[poke] == "sent"
    assert housekeeper.why(poke) == "due: the dispute has stood for its period: the primary decides"
    assert (adapter.price()[0], adapter.price()[3]) == (wad(100), 0)
    assert poke not in housekeeper.run()

    asset.publish(world, 100)
    assert housekeeper.run()[poke] == "sent"
    assert adapter.dispute() == (0, 0)
    assert poke not in housekeeper.run()


def test_dispute__is_decided_as_soon_as_its_period_is_over__although_it_was_seen_a_moment_before(
    watched: tuple[Housekeeper, Watched, Deployed],
):
    housekeeper, asset, adapter = watched
    world = housekeeper.world
    asset.feeds[1].publish(wad(90), sender=world.governor)
    housekeeper.run()
    since = adapter.dispute()[0]
    world.node.set_time(since + DAY - 1)
    adapter.poke(sender=world.stranger)
    assert "DeviationAdapter.poke LSD" not in housekeeper.run()
    world.warp(1)
    assert housekeeper.run()["DeviationAdapter.poke LSD"] == "sent"
    assert adapter.price()[3] == 0


def test_dispute__that_was_forgotten__is_started_anew(watched: tuple[Housekeeper, Watched, Deployed]):
    housekeeper, asset, adapter = watched
    world = housekeeper.world
    asset.feeds[1].publish(wad(90), sender=world.governor)
    housekeeper.run()
    world.warp(DAY + 1)
    assert housekeeper.run()["DeviationAdapter.poke LSD"] == "sent"
    assert adapter.dispute() == (world.now, world.now)


def test_dispute__of_which_a_source_is_missing__is_nobodys_to_see(watched: tuple[Housekeeper, Watched, Deployed]):
    housekeeper, asset, adapter = watched
    asset.feeds[1].publish(0, sender=housekeeper.world.governor)
    assert "DeviationAdapter.poke LSD" not in housekeeper.run()
    assert housekeeper.why("DeviationAdapter.poke LSD") == "not due: a source is missing: nothing to compare"
    assert adapter.dispute() == (0, 0)


# --------------------------------------------------------------------------------------------------------------- shares


@pytest.fixture
def shares(housekeeper: Housekeeper) -> tuple[Housekeeper, Deployed, Deployed, Deployed]:
    """A share of 6 and 12 decimals on a token priced by a DeviationAdapter: housekeeper, token, its feed, adapter."""
    world = housekeeper.world
    deploy = world.node.deploy
    token = deploy("TestToken", "gold", "GOLD", 6, sender=world.governor)
    vault = deploy("TestShareVault", token, sender=world.governor)
    token.mint(world.lender, 10**12, sender=world.governor)
    token.approve(vault, 2**255, sender=world.lender)
    vault.deposit(10**12, world.lender, sender=world.lender)
    feeds = [deploy("LiveAggregator", 18, "GOLD / USD", sender=world.governor) for _ in range(2)]
    for feed in feeds:
        feed.publish(wad(50), sender=world.governor)
    bounds = (DAY, 2 * DAY, 1, 10**48, "0x" + "00" * 20, 0)
    sources = [deploy("ChainlinkAdapter", feed, bounds, sender=world.governor) for feed in feeds]
    inner = deploy("DeviationAdapter", *sources, 100, DAY, sender=world.governor)
    outer = deploy("Erc4626Adapter", vault, inner, (1_000, 10, HOUR), sender=world.governor)
    world.list_asset("SHARE", 6, 50, collateral(8_000, 1_000), token=vault, feed=outer, is_adapter=True)
    return fresh(housekeeper), token, feeds[1], outer


def test_nested_adapter__is_found_behind_the_one_that_is_listed__and_poked_before_it(
    shares: tuple[Housekeeper, Deployed, Deployed, Deployed],
):
    housekeeper, _, feed, _ = shares
    world = housekeeper.world
    feed.publish(wad(40), sender=world.governor)
    world.warp(15 * DAY)
    done = list(housekeeper.run())
    assert done[:2] == ["DeviationAdapter.poke SHARE", "Erc4626Adapter.poke SHARE"]
    assert "DeviationAdapter.poke SHARE" not in housekeeper.run()


def test_dispute__of_which_a_source_answers_what_no_adapter_may__is_nobodys_to_see(housekeeper: Housekeeper):
    """What a poke would not count, counts for nothing here either."""
    world = housekeeper.world
    source = world.node.deploy("ProgrammableSource", sender=world.governor)

    def program(signature: str, *words: int) -> None:
        data = b"".join(word.to_bytes(32, "big") for word in words)
        source.program(selector(signature), 0, data, sender=world.governor)

    program("gasBound()", 100_000)
    good = (wad(90), wad(90), world.now, 0)
    program("price()", *good)
    program("primaryPrice()", wad(90))
    feed = world.node.deploy("LiveAggregator", 18, "ODD / USD", sender=world.governor)
    feed.publish(wad(100), sender=world.governor)
    bounds = (DAY, 2 * DAY, 1, 10**48, "0x" + "00" * 20, 0)
    chainlink = world.node.deploy("ChainlinkAdapter", feed, bounds, sender=world.governor)
    adapter = world.node.deploy("DeviationAdapter", chainlink, source, 2_000, DAY, sender=world.governor)
    world.list_asset("ODD", 18, 100, collateral(8_000, 1_000), feed=adapter, is_adapter=True)
    housekeeper = fresh(housekeeper)
    poke = "DeviationAdapter.poke ODD"
    unsound = [
        (wad(50), wad(40), world.now, 1),
        (0, wad(50), world.now, 1),
        (wad(50), 10**30 + 1, world.now, 1),
        (wad(50), wad(50), world.now + 1, 0),
        (wad(50), wad(50), world.now, 2),
        (wad(50), wad(51), world.now, 0),
    ]
    for answer in unsound:
        program("price()", *answer)
        assert poke not in housekeeper.run(is_dry=True), answer
        assert housekeeper.why(poke) == "not due: a source is missing: nothing to compare"
        with world.node.rolled_back():
            adapter.poke(sender=world.stranger)
            assert adapter.dispute() == (0, 0)
    program("price()", wad(50), wad(51), world.now, 1)
    assert housekeeper.run()[poke] == "sent"
    assert adapter.dispute() == (world.now, world.now)


def test_cross_adapter__is_looked_through(housekeeper: Housekeeper):
    world = housekeeper.world
    base, quote = (Watched.listed(world, symbol, 10, is_collateral=True) for symbol in ("BASE", "QUOTE"))
    hidden = []
    for watched in (base, quote):
        sources = [world.node.at("DeviationAdapter", world.router.adapterOf(watched.asset.token))] * 2
        hidden.append(world.node.deploy("DeviationAdapter", *sources, 100, DAY, sender=world.governor))
    cross = world.node.deploy("CrossAdapter", *hidden, sender=world.governor)
    world.list_asset("CROSS", 18, 100, collateral(8_000, 1_000), feed=cross, is_adapter=True)
    housekeeper = fresh(housekeeper)
    housekeeper.run()
    found = [row.chore.call.address.lower() for row in housekeeper.rows if row.chore.subject.startswith("CROSS 0x")]
    assert found == [adapter.address for adapter in hidden]


def test_adapter_that_two_assets_share__is_one_chore(housekeeper: Housekeeper):
    world = housekeeper.world
    asset = Watched.listed(world, "LSD", 100, is_collateral=True)
    adapter = world.node.at("DeviationAdapter", world.router.adapterOf(asset.asset.token))
    cross = world.node.deploy("CrossAdapter", adapter, adapter, sender=world.governor)
    world.list_asset("TWIN", 18, 10_000, collateral(8_000, 1_000), feed=cross, is_adapter=True)
    housekeeper = fresh(housekeeper)
    housekeeper.run()
    assert [row.chore.subject[:3] for row in housekeeper.rows if row.chore.name == "DeviationAdapter.poke"] == ["LSD"]


def test_share__whose_record_lags__is_recorded(shares: tuple[Housekeeper, Deployed, Deployed, Deployed]):
    housekeeper, _, _, adapter = shares
    world, poke = housekeeper.world, "Erc4626Adapter.poke SHARE"
    assert poke not in housekeeper.run()
    # nothing grew: growth is kept for a fortnight, and then a poke a day is due
    _, begun, _ = adapter.record()
    world.node.set_time(begun + 15 * DAY - 1)
    assert poke not in housekeeper.run()
    world.warp(1)
    assert housekeeper.run()[poke] == "sent"
    assert adapter.record()[1] == world.now - 14 * DAY
    assert housekeeper.why(poke) == "due: the record lags by 1 d of growth"
    assert poke not in housekeeper.run()


def test_share__that_grows_as_fast_as_it_may__is_recorded_daily(
    shares: tuple[Housekeeper, Deployed, Deployed, Deployed],
):
    housekeeper, token, _, adapter = shares
    world, poke = housekeeper.world, "Erc4626Adapter.poke SHARE"
    # 11 % a year, of a bound of 10
    daily = 10**12 * 11 // 100 // 365
    dues = []
    for _ in range(6):
        world.warp(DAY // 2)
        token.mint(adapter.SHARE(), daily // 2, sender=world.governor)
        dues.append(poke in housekeeper.run())
    assert dues == [False, True, False, True, False, True]


def test_share__that_fell__is_noted__confirmed_once_it_stood(shares: tuple[Housekeeper, Deployed, Deployed, Deployed]):
    housekeeper, token, _, adapter = shares
    world, poke = housekeeper.world, "Erc4626Adapter.poke SHARE"
    vault = adapter.SHARE()
    before = adapter.record()[0]
    world.node.rpc.call("anvil_setBalance", vault, hex(10**18))
    token.transfer(world.stranger, 10**11, sender=vault)
    assert housekeeper.run()[poke] == "sent"
    assert adapter.record()[2] == world.now
    assert poke not in housekeeper.run()
    world.warp(HOUR - 1)
    assert poke not in housekeeper.run()
    world.warp(1)
    assert housekeeper.run()[poke] == "sent"
    assert adapter.record()[0] == pytest.approx(before * 0.9, rel=1e-6)


def test_share__that_fell_for_a_moment__is_in_doubt_no_longer(
    shares: tuple[Housekeeper, Deployed, Deployed, Deployed],
):
    housekeeper, token, _, adapter = shares
    world, poke = housekeeper.world, "Erc4626Adapter.poke SHARE"
    vault = adapter.SHARE()
    world.node.rpc.call("anvil_setBalance", vault, hex(10**18))
    token.transfer(world.stranger, 10**11, sender=vault)
    housekeeper.run()
    token.transfer(vault, 10**11, sender=world.stranger)
    assert housekeeper.run()[poke] == "sent"
    assert adapter.record()[2] == 0


@pytest.mark.parametrize("seed", range(3))
def test_share__whatever_happens_to_its_rate__is_poked_where_that_changes_something(
    shares: tuple[Housekeeper, Deployed, Deployed, Deployed], seed: int
):
    """A poke that is not due would have moved the record by less than a day of growth; one that is due, by as much."""
    housekeeper, token, _, adapter = shares
    world, vault, random = housekeeper.world, adapter.SHARE(), Random(seed)
    world.node.rpc.call("anvil_setBalance", vault, hex(10**20))
    seen = set()
    for _ in range(25):
        world.warp(random.choice((HOUR // 2, HOUR, DAY, 9 * DAY)))
        part = token.balanceOf(vault) * random.choice((1, 20, 500)) // 100_000
        match random.randrange(3):
            case 0:
                token.mint(vault, part, sender=world.governor)
            case 1:
                token.transfer(world.stranger, part, sender=vault)
        before = adapter.record()
        is_due = "Erc4626Adapter.poke SHARE" in housekeeper.run(is_dry=True)
        with world.node.rolled_back():
            adapter.poke(sender=world.stranger)
            after = adapter.record()
        is_doubt_moved = (after[2] == 0) != (before[2] == 0)
        assert is_due == (is_doubt_moved or after[0] < before[0] or after[1] - before[1] >= DAY), (before, after)
        seen.add(is_due)
        if is_due:
            housekeeper.run()
            assert adapter.record() == after
    assert seen == {True, False}


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


# -------------------------------------------------------------------------------------------------- what goes wrong


def test_adapter_that_is_broken__is_a_row__and_the_rest_is_done(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    world.node.rpc.call("anvil_setCode", world.router.adapterOf(world.wbtc.token), "0xfe")
    assert housekeeper.run() == dict.fromkeys(POKES, "sent")
    assert housekeeper.why("OracleRouter.poke WBTC") == "due: the price is missing: notes it"
    assert housekeeper.why("RiskConfigurator.syncPriceSource WBTC").startswith("failed: ")
    assert "1 could not be looked at" in housekeeper.said


# a word of 1 to every question, but to `poke` a revert: with an error of ours and nothing, or nonsense, behind it
HOSTILE = "0x5f3560e01c63{poke}1460165760015f5260205ff35b63{error}5f52{rest}"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("6004601cfd", "failed: an answer that makes no sense ("),
        ("5f196020526044601cfd", f"not due: not before {2**256 - 1}"),
        ("62030d40601cfd", "not due: not before 01 Jan 00:00:00"),
    ],
    ids=["no figures", "no time", "a bomb"],
)
def test_adapter__that_reverts_with_nonsense__stops_nothing_else(housekeeper: Housekeeper, rest: str, why: str):
    world = housekeeper.world
    world.warp(HOUR)
    selectors = {
        "poke": selector("poke()").hex(),
        "error": selector("PokedTooSoon(uint256,uint256)").hex(),
    }
    code = HOSTILE.format(**selectors, rest=rest)
    world.node.rpc.call("anvil_setCode", world.router.adapterOf(world.weth.token), code)
    assert housekeeper.run() == dict.fromkeys(POKES, "sent")
    assert housekeeper.why("DeviationAdapter.poke WETH").startswith(why)
    assert max(len(row.judgement.why) for row in housekeeper.rows) <= 200


def test_token__that_calls_itself_like_an_instruction_to_the_table__is_printed_as_it_is(housekeeper: Housekeeper):
    housekeeper.world.list_asset("[/b]", 18, 10, collateral(8_000, 1_000))
    housekeeper.run()
    assert "OracleRouter.poke                 [/b] " in housekeeper.said


def test_answer__that_cannot_be_reckoned_with__is_a_failure_of_its_chore_alone(housekeeper: Housekeeper):
    node = housekeeper.world.node
    chores = Chores(node.rpc, node.artifacts, {}, {}, housekeeper.signer.address)
    call = chores.call("Erc4626Adapter", housekeeper.world.weth.feed.address, "poke")
    terms = ShareTerms(max_growth_bps_per_year=0, max_drop_bps=0, confirm_after=HOUR)
    chore = Chore(call, "SHARE", lambda: judge_share(DAY, ShareRecord(1, 1, 0), 1, 1, terms))
    assert chores.judged(chore).state is State.FAILED


def test_token_that_is_broken__goes_by_its_address(housekeeper: Housekeeper):
    world = housekeeper.world
    odd = world.list_asset("ODD", 18, 10, collateral(8_000, 1_000))
    world.node.rpc.call("anvil_setCode", odd.token.address, "0xfe")
    world.warp(HOUR)
    # it was listed after the record was written
    assert set(housekeeper.run()) == {*POKES, f"OracleRouter.poke {odd.token.address[:10]}"}


def test_chore__that_somebody_does_while_ours_is_on_its_way__is_no_failure(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    raced: list[Asset] = []

    def race(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_sendRawTransaction" and not raced:
            raced.append(world.weth)
            world.router.poke(world.weth.token, sender=world.stranger)

    done = housekeeper.run(before=race)
    assert done.pop("OracleRouter.poke WETH") == "somebody else was first"
    assert set(done.values()) == {"sent"}
    assert len(done) == 3
    lost = next(row for row in housekeeper.rows if housekeeper.title(row) == "OracleRouter.poke WETH")
    assert lost.gas > 0
    assert lost.transaction in housekeeper.said


def test_chore__that_somebody_does_before_ours_is_sent__is_not_sent(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    raced: list[Asset] = []

    def race(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_gasPrice" and not raced:
            raced.append(world.weth)
            world.router.poke(world.weth.token, sender=world.stranger)

    done = housekeeper.run(before=race)
    assert done["OracleRouter.poke WETH"].startswith("not sent: not before")
    assert housekeeper.sent == 3


def test_pass__that_died_with_a_transaction_signed__is_ended_by_the_next_one(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)

    def die(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_sendRawTransaction":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        housekeeper.run(before=die)
    assert housekeeper.sent == 0
    done = housekeeper.run()
    assert "sent by an earlier pass" in housekeeper.said
    assert len(done) == 3
    assert housekeeper.sent == 4
    assert not (housekeeper.folder / ".journal/local-upkeep.jsonl").exists()
    assert "sent by an earlier pass" not in (housekeeper.run(), housekeeper.said)[1]


def test_account__from_which_something_else_sends__is_left_alone(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    request = {"from": housekeeper.signer.address, "to": world.stranger, "gasPrice": "0x0"}
    world.node.rpc.call("eth_sendTransaction", request)
    with pytest.raises(EnvironmentProblem, match="a key of its own"):
        housekeeper.run()
    assert "4 of 8 due, 0 sent" in housekeeper.said
    world.warp(0)
    assert len(housekeeper.run()) == 4


def test_pass__while_another_one_runs__is_refused(housekeeper: Housekeeper):
    housekeeper.world.warp(HOUR)
    other = Journal(housekeeper.folder / ".journal/local-upkeep.jsonl", plan="another", chain_id=31337)
    with pytest.raises(EnvironmentProblem, match="another process is at it"):
        housekeeper.run()
    other.close()
    assert housekeeper.sent == 0


def test_node__that_refuses_everything__is_an_error(housekeeper: Housekeeper):
    def refuse(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_estimateGas":
            raise RpcError(method, {"code": -32601, "message": "the method does not exist"})

    with pytest.raises(EnvironmentProblem, match=r"none of 8 chores could be looked at: .*the method does not exist"):
        housekeeper.run(before=refuse)


def test_chain__that_is_not_the_files__is_refused(housekeeper: Housekeeper, monkeypatch: pytest.MonkeyPatch):
    rpc = housekeeper.world.node.rpc
    call = rpc.call

    def answer(method: str, *params: Any) -> Any:
        return "0x1" if method == "eth_chainId" else call(method, *params)

    monkeypatch.setattr(rpc, "call", answer)
    with pytest.raises(BadInput, match="found 'chain 1', expected chain 31337"):
        housekeeper.run()


def test_dry_run__says_what_is_due__and_sends_and_keeps_nothing(housekeeper: Housekeeper, tmp_path: Path):
    world = housekeeper.world
    terminal_account(world)
    world.warp(HOUR)
    done = housekeeper.run(is_dry=True, with_accounts=True)
    assert set(done) > POKES
    assert len(done) == 5
    assert all(row.judgement.gas > 21_000 for row in housekeeper.rows if row.is_due)
    assert "5 of 9 due, nothing was sent" in housekeeper.said
    assert housekeeper.sent == 0
    assert [file.name for file in tmp_path.iterdir()] == ["local.json"]
