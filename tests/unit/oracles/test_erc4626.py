"""Erc4626Adapter on OpenZeppelin's vault: yield, donations, losses, and looking in the middle of its transactions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.kit import Source, fixed_price
from tests.unit.oracles.stage import DAY, HOUR, STRANGER, WAD, Stage

YEAR = 365 * DAY
MINUTE = 60
PRICE = 2_000
GROWTH_BPS, DROP_BPS, CONFIRM = 1_000, 10, 30 * MINUTE


@dataclass(frozen=True)
class Shares:
    """A vault with a million of its asset in it, and an adapter for its shares."""

    stage: Stage
    asset: Deployed
    vault: Deployed
    adapter: Deployed

    @property
    def unit(self) -> int:
        return 10 ** self.asset.decimals()

    def donate(self, fraction: float) -> None:
        """Transfers a part of what the vault holds to it."""
        self.asset.mint(self.vault, int(self.vault.totalAssets() * fraction), sender=STRANGER)

    def lose(self, fraction: float) -> None:
        """The vault's assets are gone: a loss, or a slashing."""
        node, vault = self.stage.node, self.vault.address
        node.rpc.call("anvil_setBalance", vault, "0xffffffffffffffff")
        self.asset.transfer("0x" + "11" * 20, int(self.vault.totalAssets() * fraction), sender=vault)

    @property
    def rate(self) -> float:
        return self.vault.convertToAssets(10 ** self.vault.decimals()) / self.unit


def make(stage: Stage, decimals: int = 18, kind: str = "TestShareVault", growth: int = GROWTH_BPS) -> Shares:
    asset = stage.token(decimals)
    vault = stage.deploy(kind, asset)
    asset.mint(STRANGER, 10**6 * 10**decimals, sender=STRANGER)
    asset.approve(vault, 2**256 - 1, sender=STRANGER)
    vault.deposit(10**6 * 10**decimals, STRANGER, sender=STRANGER)
    price = fixed_price(stage, PRICE).contract
    adapter = stage.deploy("Erc4626Adapter", vault, price, (growth, DROP_BPS, CONFIRM))
    return Shares(stage, asset, vault, adapter)


def dollars(wad: int) -> float:
    return wad / WAD


# --------------------------------------------------------------------------------------------------------------- growth


@pytest.mark.parametrize("decimals", [6, 8, 18, 27])
def test_yield__within_the_cap__is_fresh_at_the_vaults_own_rate(stage: Stage, decimals: int):
    shares = make(stage, decimals)
    for _ in range(10):
        stage.wait(HOUR)
        shares.donate(0.05 / 365 / 24)
        quote = stage.quote(shares.adapter)
        assert quote.status == "fresh", dollars(quote.low)
        assert dollars(quote.low) == pytest.approx(PRICE * shares.rate, rel=1e-12)


def test_yield__poked_in_every_block__keeps_within_the_cap_all_the_same(stage: Stage):
    # what a record is made of must not run away by the one unit that a rate may be ahead of its growth
    shares = make(stage, 6)
    shares.donate(0.5)
    before = shares.adapter.capWad()
    for _ in range(200):
        shares.adapter.poke(sender=STRANGER)
    assert shares.adapter.capWad() == before
    for _ in range(100):
        stage.wait(12)
        shares.adapter.poke(sender=STRANGER)
    # compounded a hundred times, which is next to nothing more
    assert shares.adapter.capWad() <= before * math.exp(0.1 * 1200 / YEAR) + 1_000


def test_yield__paid_out_once_a_week__is_fresh_although_somebody_pokes_in_every_hour_before(stage: Stage):
    shares = make(stage)
    # the first fortnight is there to gather what later lumps need
    for _ in range(14):
        stage.wait(DAY)
        shares.adapter.poke(sender=STRANGER)
    for _ in range(4):
        for _ in range(24 * 7):
            stage.wait(HOUR)
            shares.adapter.poke(sender=STRANGER)
        shares.donate(0.09 * 7 / 365)
        assert stage.ask(shares.adapter).kind == "fresh"


def test_rate__of_whole_units__may_be_one_of_them_ahead_of_its_growth(stage: Stage):
    shares = make(stage, 6)
    for units, kind in ((1, "fresh"), (2, "degraded")):
        with stage.node.rolled_back():
            # a million shares: a donation of a dollar is a unit of the rate
            shares.asset.mint(shares.vault, units * shares.unit + 1, sender=STRANGER)
            assert shares.vault.convertToAssets(shares.unit) == shares.unit + units
            assert stage.ask(shares.adapter).kind == kind


def test_growth__that_did_not_come__is_kept_for_a_fortnight_and_no_longer(stage: Stage):
    shares = make(stage)
    stage.wait(YEAR)
    shares.adapter.poke(sender=STRANGER)
    assert shares.adapter.record() == (WAD, stage.now - 14 * DAY, 0)
    assert shares.adapter.capWad() == WAD + WAD * 14 // 3_650


def test_donation__beyond_the_cap__is_degraded_with_the_capped_rate_as_low(stage: Stage):
    shares = make(stage)
    shares.donate(2)
    quote = stage.quote(shares.adapter)
    assert quote.status == "degraded"
    assert dollars(quote.low) == PRICE
    # the doubt does not go with the donation: an account held by these shares can still be closed out
    assert dollars(quote.high) == pytest.approx(PRICE * 1.1)
    assert shares.adapter.primaryPrice() == quote.low


def test_donation__that_stays__is_only_let_in_at_the_speed_of_growth(stage: Stage):
    shares = make(stage)
    shares.donate(0.001)
    assert stage.ask(shares.adapter).kind == "degraded"
    # 0.1 % at 10 % a year
    stage.wait(int(YEAR * 0.01))
    assert shares.adapter.capWad() == WAD * 1001 // 1000
    assert stage.ask(shares.adapter).kind == "fresh"


# --------------------------------------------------------------------------------------------------------------- losses


def test_loss__within_the_tolerance__is_taken_as_it_comes(stage: Stage):
    shares = make(stage)
    shares.lose(0.0009)
    quote = stage.quote(shares.adapter)
    assert quote.status == "fresh"
    assert dollars(quote.low) == pytest.approx(PRICE * 0.9991)


def test_loss__beyond_it__is_in_doubt_until_it_has_stood(stage: Stage):
    shares = make(stage)
    shares.lose(0.2)
    quote = stage.quote(shares.adapter)
    assert (quote.status, dollars(quote.high)) == ("degraded", PRICE)
    assert dollars(quote.low) == pytest.approx(PRICE * 0.8)
    assert dollars(shares.adapter.primaryPrice()) == PRICE
    shares.adapter.poke(sender=STRANGER)
    stage.wait(CONFIRM - 1)
    shares.adapter.poke(sender=STRANGER)
    assert stage.ask(shares.adapter).kind == "degraded"
    stage.wait(1)
    shares.adapter.poke(sender=STRANGER)
    quote = stage.quote(shares.adapter)
    assert quote.status == "fresh"
    assert dollars(quote.low) == pytest.approx(PRICE * 0.8)


def test_loss__seen_better_in_between_by_anyone__starts_its_time_anew(stage: Stage):
    shares = make(stage)
    shares.lose(0.2)
    shares.adapter.poke(sender=STRANGER)
    stage.wait(CONFIRM - 1)
    shares.donate(0.2499)
    shares.adapter.poke(sender=STRANGER)
    assert shares.adapter.record()[2] == 0
    shares.lose(0.2)
    stage.wait(1)
    shares.adapter.poke(sender=STRANGER)
    assert stage.ask(shares.adapter).kind == "degraded"
    assert shares.adapter.record()[2] == stage.now


# ---------------------------------------------------------------------------------------------------- rates of no sense


def told(stage: Stage, decimals: int, assets: int) -> tuple[Source, Deployed]:
    """A share vault that says what a share is worth, in units of an asset of so many decimals; an adapter's price."""
    source = Source(stage, stage.deploy("ProgrammableSource"), "share vault", lambda _: None)
    source.say("decimals()", ["uint8"], decimals)
    source.say("asset()", ["address"], stage.token(decimals).address)
    worth(source, assets)
    return source, fixed_price(stage, PRICE).contract


def worth(source: Source, assets: int) -> None:
    source.say("convertToAssets(uint256)", ["uint256"], assets)


@pytest.mark.parametrize("assets", [0, 10**9 - 1, 10**57 + 10**9])
def test_construction__at_a_rate_of_nothing_or_beyond_any_price__is_refused(stage: Stage, assets: int):
    vault, price = told(stage, 27, assets)
    with reverts("PriceOutOfRange", assets // 10**9, 10**30):
        stage.deploy("Erc4626Adapter", vault.contract, price, (GROWTH_BPS, DROP_BPS, CONFIRM))


@pytest.mark.parametrize("assets", [0, 10**9 - 1, 10**66 + 1])
def test_rate__of_nothing_or_beyond_any_price__is_none(stage: Stage, assets: int):
    vault, price = told(stage, 27, 10**27)
    adapter = stage.deploy("Erc4626Adapter", vault.contract, price, (GROWTH_BPS, DROP_BPS, CONFIRM))
    worth(vault, assets)
    with reverts("SourceMissing", vault.contract.address):
        adapter.price()


# ---------------------------------------------------------------------------------------------------------- re-entrancy


@pytest.mark.parametrize("action", ["redeem", "deposit"])
def test_look__in_the_middle_of_the_vaults_transaction__is_degraded_and_bounded(stage: Stage, action: str):
    shares = make(stage, kind="CallbackShareVault")
    attacker = stage.deploy("RateAttacker", shares.vault, shares.adapter)
    shares.asset.mint(attacker, 10**6 * WAD, sender=STRANGER)
    attacker.deposit(10**5 * WAD, sender=STRANGER)
    if action == "redeem":
        attacker.redeem(shares.vault.balanceOf(attacker), sender=STRANGER)
        assert attacker.rateWad() < WAD * 92 // 100
        # low may be the lie, high and what is exchanged at may not
        assert (attacker.high(), attacker.primary()) == (PRICE * WAD, PRICE * WAD)
    else:
        attacker.deposit(5 * 10**5 * WAD, sender=STRANGER)
        assert attacker.rateWad() > WAD * 140 // 100
        assert (attacker.low(), attacker.primary()) == (PRICE * WAD, PRICE * WAD)
        assert attacker.high() == PRICE * WAD * 11 // 10
    assert attacker.status() == 1
    # afterwards all is as it was
    quote = stage.quote(shares.adapter)
    assert (quote.status, dollars(quote.low)) == ("fresh", pytest.approx(PRICE))


def test_look__that_pokes_twice_to_make_a_lie_the_record__fails_where_anyone_pokes_between(stage: Stage):
    shares = make(stage, kind="CallbackShareVault")
    attacker = stage.deploy("RateAttacker", shares.vault, shares.adapter)
    shares.asset.mint(attacker, 10**6 * WAD, sender=STRANGER)

    def lie() -> None:
        attacker.deposit(10**5 * WAD, sender=STRANGER)
        attacker.redeem(shares.vault.balanceOf(attacker), sender=STRANGER)

    lie()
    assert shares.adapter.record()[2] == stage.now
    stage.wait(10 * MINUTE)
    shares.adapter.poke(sender=STRANGER)
    assert shares.adapter.record()[2] == 0
    stage.wait(CONFIRM)
    lie()
    assert shares.adapter.record()[0] >= WAD


# --------------------------------------------------------------------------------------------------------- construction


def test_construction__over_an_asset_of_two_decimals__is_refused(stage: Stage):
    with reverts("ParameterOutOfRange", b"assetDecimals".ljust(32, b"\0"), 2, 6, 36):
        make(stage, 2)
