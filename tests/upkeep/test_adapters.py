"""Pokes of adapters that keep a record: disputes and the rates of shares, alone and read by others."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.node import Deployed
from tests.support.watched import Watched
from tests.support.world import collateral, wad
from tests.unit.oracles.stage import selector
from tests.upkeep.stage import DAY, HOUR, Housekeeper, fresh

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
