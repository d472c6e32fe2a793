"""OracleRouter: which adapter counts, what a good price is, what a freeze holds, and who may do what."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.node import Deployed, reverts
from tests.unit.oracles.kit import Source, fixed_price, quote_of
from tests.unit.oracles.stage import DAY, GOVERNOR, GUARDIAN, HOUR, STRANGER, USD, WAD, Stage

PRICE = 2_000 * WAD
WEEK = 7 * DAY


@dataclass(frozen=True)
class Market:
    """A router with one asset, priced by an adapter that says what it is told."""

    stage: Stage
    router: Deployed
    token: Deployed
    adapter: Source

    def say(self, wad: int, high: int | None = None, *, primary: int = 0) -> None:
        """Fresh; with `high` degraded."""
        quote_of(self.adapter, wad, high, status=0 if high is None else 1, primary=primary)

    def die(self) -> None:
        quote_of(self.adapter, 0)

    def poke(self) -> None:
        self.router.poke(self.token, sender=STRANGER)

    @property
    def reading(self) -> tuple[str, int, int, int]:
        found = self.stage.reading(self.router, self.token)
        return found.status, found.collateral, found.debt, found.exchange

    @property
    def last_good(self) -> int:
        return int(self.router.lastGoodOf(self.token)[0])


@pytest.fixture
def market(stage: Stage) -> Market:
    market = Market(stage, stage.router(), stage.token(), fixed_price(stage, 2_000))
    market.router.activate(market.token, market.adapter.contract, PRICE, sender=GOVERNOR)
    return market


# -------------------------------------------------------------------------------------------------------------- reading


def test_reading__of_a_fresh_price__is_the_same_for_every_question(market: Market):
    assert market.reading == ("fresh", PRICE, PRICE, PRICE)


def test_reading__of_a_price_in_doubt__counts_collateral_high_and_debt_low(market: Market):
    market.say(PRICE * 9 // 10, PRICE * 12 // 10, primary=PRICE)
    assert market.reading == ("degraded", PRICE * 12 // 10, PRICE * 9 // 10, PRICE)


@pytest.mark.parametrize(("primary", "exchanged"), [(1, PRICE * 9 // 10), (PRICE * 5, PRICE * 12 // 10)])
def test_reading__of_an_adapter_whose_primary_lies_outside_its_doubt__exchanges_within_it(
    market: Market, primary: int, exchanged: int
):
    market.say(PRICE * 9 // 10, PRICE * 12 // 10, primary=primary)
    assert market.reading[3] == exchanged


def test_reading__of_a_missing_price__is_the_last_good_one_and_exchanges_nothing(market: Market):
    market.die()
    assert market.reading == ("missing", PRICE, PRICE, 0)


@pytest.mark.parametrize("mood", [0, 2, 7], ids=["honest", "out of gas", "slow"])
@pytest.mark.parametrize("status", [0, 1])
def test_reading__by_a_caller_with_too_little_gas__is_the_same_or_none(market: Market, mood: int, status: int):
    market.say(PRICE, PRICE if status else None)
    market.adapter.be(mood)
    meter = market.stage.deploy("GasMeter")
    call = market.router.readPrice.data(market.token)
    is_done, used, answer = meter.measure.ask(market.router, call, 0)
    assert is_done
    refused = 0
    for gas in range(5_000, used + 250_000, 2_500):
        is_done, _, found = meter.measure.ask(market.router, call, gas)
        refused += not is_done
        assert not is_done or found == answer
    assert refused


def test_reading__of_an_asset_without_an_adapter__is_refused(market: Market):
    with reverts("AssetUnknown", market.router.address):
        market.router.readPrice(market.router)


def test_fresh_price__of_anything_less__is_refused(market: Market):
    assert market.router.freshPrice(market.token)[0] == PRICE
    for low, high in ((PRICE, PRICE), (0, None)):
        market.say(low, high)
        with reverts("PriceNotFresh", market.token.address):
            market.router.freshPrice(market.token)


# --------------------------------------------------------------------------------------------------------------- quotes


def test_get_quote__between_any_decimals_and_the_dollar__is_rounded_down(stage: Stage, market: Market):
    six = stage.token(6)
    market.router.activate(six, fixed_price(stage, 3).contract, 3 * WAD, sender=GOVERNOR)
    quote = market.router.getQuote
    assert quote(WAD, market.token, six) == 2_000 * 10**6 // 3
    assert quote(10**6, six, market.token) == 3 * WAD // 2_000
    assert quote(WAD, market.token, USD) == PRICE
    assert quote(PRICE, USD, market.token) == WAD
    assert quote(PRICE - 1, USD, market.token) == WAD - 1
    assert quote(1, market.token, six) == 0
    assert quote(0, six, six) == 0
    assert quote(10**50, six, six) == 10**50


def test_get_quote__of_an_unknown_pair_or_of_data_in_doubt__says_so_in_erc_7726s_words(market: Market):
    stranger = market.router.address
    with reverts("OracleUnsupportedPair", stranger, USD):
        market.router.getQuote(1, stranger, USD)
    market.say(PRICE, PRICE)
    with reverts("OracleUntrustedData", market.token.address, USD):
        market.router.getQuote(1, market.token, USD)


# ------------------------------------------------------------------------------------------------------------ last good


def test_poke__by_anyone__records_a_fresh_price_once_an_hour(market: Market):
    market.say(PRICE * 11 // 10)
    with reverts("PokedTooSoon", market.stage.now + HOUR, market.stage.now):
        market.poke()
    market.stage.wait(HOUR)
    market.poke()
    assert market.router.lastGoodOf(market.token) == (PRICE * 11 // 10, market.stage.now, 0)


def test_poke__of_a_degraded_price__records_nothing(market: Market):
    market.stage.wait(HOUR)
    market.say(PRICE, PRICE)
    with reverts("PriceNotFresh", market.token.address):
        market.poke()


def test_poke__of_a_price_that_jumped__counts_only_when_it_is_seen_again_an_hour_later(market: Market):
    market.stage.wait(HOUR)
    market.say(PRICE // 2)
    market.poke()
    assert market.last_good == PRICE
    market.stage.wait(HOUR - 1)
    with reverts("PokedTooSoon", market.stage.now + 1, market.stage.now):
        market.poke()
    market.stage.wait(1)
    # near what was noted, far from what was good
    market.say(PRICE * 55 // 100)
    market.poke()
    assert market.last_good == PRICE * 55 // 100


def test_poke__of_a_price_that_jumps_about__records_nothing_until_it_stands(market: Market):
    for price in (PRICE // 2, PRICE * 3, PRICE // 4):
        market.stage.wait(HOUR)
        market.say(price)
        market.poke()
        assert market.last_good == PRICE
    market.stage.wait(HOUR)
    market.poke()
    assert market.last_good == PRICE // 4


def test_poke__of_a_missing_price__notes_since_when_and_clears_it_when_the_market_is_back(market: Market):
    market.die()
    market.poke()
    since = market.stage.now
    assert market.router.lastGoodOf(market.token)[2] == since
    market.stage.wait(60)
    with reverts("PriceNotFresh", market.token.address):
        market.poke()
    # a degraded price shows that the market lives, and is no good price
    market.say(PRICE * 2, PRICE * 2)
    market.poke()
    assert market.router.lastGoodOf(market.token) == (PRICE, since, 0)


def test_missing_collateral__after_abandonment__falls_to_nothing_while_debt_stays_at_the_last_good_price(
    market: Market,
):
    market.die()
    market.poke()
    market.stage.wait(7 * DAY)
    assert market.reading == ("missing", PRICE, PRICE, 0)
    market.stage.wait(15 * DAY)
    assert market.reading == ("missing", PRICE // 2, PRICE, 0)
    market.stage.wait(15 * DAY)
    assert market.reading == ("missing", 0, PRICE, 0)


def test_missing_collateral__that_nobody_recorded_as_missing__does_not_fall(market: Market):
    market.die()
    market.stage.wait(365 * DAY)
    assert market.reading == ("missing", PRICE, PRICE, 0)


# ----------------------------------------------------------------------------------------------------------- activation


def test_activate__far_from_the_reference__is_refused(stage: Stage, market: Market):
    adapter = fixed_price(stage, 2_000).contract
    for reference in (0, PRICE * 100 // 126, PRICE * 126 // 100, 2**256 - 1):
        with reverts("AdapterDiffers", PRICE, reference, 25_00):
            market.router.activate(market.token, adapter, reference, sender=GOVERNOR)
    market.router.activate(market.token, adapter, PRICE * 125 // 100, sender=GOVERNOR)
    assert market.router.adapterOf(market.token) == adapter.address


def test_activate__where_the_present_adapter_is_dead__needs_only_the_reference(stage: Stage, market: Market):
    market.die()
    market.poke()
    market.router.activate(market.token, fixed_price(stage, 1_900).contract, PRICE, sender=GOVERNOR)
    assert market.reading[0] == "fresh"
    assert market.router.lastGoodOf(market.token) == (1_900 * WAD, stage.now, 0)


@pytest.mark.parametrize(
    ("price", "is_near"), [(2_000, True), (2_100, True), (2_101, False), (1_905, True), (1_904, False)]
)
def test_replace__by_an_adapter_that_disagrees_with_the_present_one__is_refused(
    stage: Stage, market: Market, price: int, is_near: bool
):
    adapter = fixed_price(stage, price).contract
    if is_near:
        market.router.replace(market.token, adapter, sender=GOVERNOR)
    else:
        with reverts("AdapterDiffers", price * WAD, PRICE, 5_00):
            market.router.replace(market.token, adapter, sender=GOVERNOR)


def test_replace__of_an_adapter_in_wide_doubt__has_to_agree_with_both_ends(stage: Stage, market: Market):
    market.say(PRICE, PRICE * 12 // 10, primary=PRICE)
    with reverts("AdapterDiffers", PRICE, PRICE * 12 // 10, 5_00):
        market.router.replace(market.token, fixed_price(stage, 2_000).contract, sender=GOVERNOR)


def test_replace__of_a_dead_adapter__is_refused(stage: Stage, market: Market):
    market.die()
    with reverts("SourceMissing", market.adapter.contract.address):
        market.router.replace(market.token, fixed_price(stage, 2_000).contract, sender=GOVERNOR)


def test_activate__of_an_adapter_that_is_not_fresh_or_needs_too_much_gas__is_refused(stage: Stage, market: Market):
    other = fixed_price(stage, 2_000)
    quote_of(other, PRICE, PRICE, status=1)
    with reverts("AdapterNotFresh", other.contract.address):
        market.router.activate(market.token, other.contract, PRICE, sender=GOVERNOR)
    other.honest(other)
    for bound in (0, 5_000_001):
        other.say("gasBound()", ["uint256"], bound)
        with reverts("ParameterOutOfRange", b"gasBound".ljust(32, b"\0"), bound, 1, 5_000_000):
            market.router.activate(market.token, other.contract, PRICE, sender=GOVERNOR)


def test_activate__of_an_adapter_that_answers_only_with_more_gas_than_it_says__is_refused(stage: Stage, market: Market):
    other = fixed_price(stage, 2_000)
    other.be(7)
    other.say("gasBound()", ["uint256"], 50_000)
    with reverts("AdapterNotFresh", other.contract.address):
        market.router.activate(market.token, other.contract, PRICE, sender=GOVERNOR)


# --------------------------------------------------------------------------------------------------------------- freeze


def test_freeze__holds_the_last_good_price_degraded_for_a_day(market: Market):
    market.say(PRICE // 100)
    market.router.freeze(market.token, sender=GUARDIAN)
    until = market.stage.now + DAY
    assert market.router.anyFrozenUntil() == until
    assert market.router.sourceOf(market.token) == (market.adapter.contract.address, 200_000, until, 0)
    assert market.reading == ("degraded", PRICE, PRICE, PRICE)
    market.stage.wait(DAY - 1)
    assert market.reading[0] == "degraded"
    market.stage.wait(1)
    assert market.reading == ("fresh", PRICE // 100, PRICE // 100, PRICE // 100)


def test_freeze__that_ends_before_another__leaves_the_last_end_where_it_was(stage: Stage, market: Market):
    other = stage.token()
    market.router.activate(other, market.adapter.contract, PRICE, sender=GOVERNOR)
    market.router.freeze(other, sender=GUARDIAN)
    last = stage.now + 2 * DAY
    market.router.confirmFreeze(other, last, sender=GOVERNOR)
    market.router.freeze(market.token, sender=GUARDIAN)
    assert market.router.anyFrozenUntil() == last
    assert market.router.sourceOf(market.token)[2] == stage.now + DAY


def test_freeze__of_an_asset_with_a_jump_bound__ends_at_the_same_second(market: Market):
    market.router.setJumpBound(market.token, 30_00, sender=GOVERNOR)
    market.router.freeze(market.token, sender=GUARDIAN)
    market.stage.wait(DAY - 1)
    assert market.reading[0] == "degraded"
    market.stage.wait(1)
    assert market.reading[0] == "fresh"


def test_freeze__of_a_price_that_is_missing__leaves_it_missing(market: Market):
    market.die()
    market.router.freeze(market.token, sender=GUARDIAN)
    assert market.reading[0] == "missing"


def test_freeze__is_not_poked_away(market: Market):
    market.router.freeze(market.token, sender=GUARDIAN)
    market.stage.wait(HOUR)
    market.say(PRICE // 100)
    with reverts("PriceNotFresh", market.token.address):
        market.poke()
    assert market.last_good == PRICE


def test_freeze__again_within_a_week__is_refused(market: Market):
    market.router.freeze(market.token, sender=GUARDIAN)
    frozen_at = market.stage.now
    market.stage.wait(WEEK - 1)
    with reverts("FrozenTooSoon", frozen_at + WEEK, market.stage.now):
        market.router.freeze(market.token, sender=GUARDIAN)
    market.stage.wait(1)
    market.router.freeze(market.token, sender=GUARDIAN)
    assert market.reading[0] == "degraded"


def test_freeze__confirmed_by_the_governor__lasts_until_he_says_and_no_longer_than_a_month(market: Market):
    with reverts("NotFrozen", market.token.address):
        market.router.confirmFreeze(market.token, market.stage.now + DAY, sender=GOVERNOR)
    market.router.freeze(market.token, sender=GUARDIAN)
    with reverts("ParameterOutOfRange", ...):
        market.router.confirmFreeze(market.token, market.stage.now + 30 * DAY + 1, sender=GOVERNOR)
    market.router.confirmFreeze(market.token, market.stage.now + 3 * DAY, sender=GOVERNOR)
    market.stage.wait(3 * DAY - 1)
    assert market.reading[0] == "degraded"
    market.stage.wait(1)
    assert market.reading[0] == "fresh"


def test_freeze__ends_when_the_governor_ends_it_or_gives_the_asset_another_adapter(stage: Stage, market: Market):
    market.router.freeze(market.token, sender=GUARDIAN)
    market.router.unfreeze(market.token, sender=GOVERNOR)
    assert market.reading[0] == "fresh"
    with reverts("NotFrozen", market.token.address):
        market.router.unfreeze(market.token, sender=GOVERNOR)
    stage.wait(WEEK)
    market.router.freeze(market.token, sender=GUARDIAN)
    market.router.activate(market.token, fixed_price(stage, 2_000).contract, PRICE, sender=GOVERNOR)
    assert market.reading[0] == "fresh"


# ----------------------------------------------------------------------------------------------------------- jump bound


def test_jump_bound__is_off_until_it_is_set__and_then_degrades_a_fresh_price_that_jumped(market: Market):
    market.say(PRICE // 2)
    assert market.reading[0] == "fresh"
    market.router.setJumpBound(market.token, 30_00, sender=GOVERNOR)
    assert market.reading == ("degraded", PRICE, PRICE // 2, PRICE // 2)
    market.say(PRICE * 13 // 10)
    assert market.reading[0] == "fresh"
    market.say(PRICE * 13 // 10 + 1)
    assert market.reading == ("degraded", PRICE * 13 // 10 + 1, PRICE, PRICE * 13 // 10 + 1)


def test_jump_bound__is_over_once_the_new_price_is_good_or_the_old_one_a_day_old(market: Market):
    market.router.setJumpBound(market.token, 30_00, sender=GOVERNOR)
    market.say(PRICE // 2)
    with market.stage.node.rolled_back():
        market.stage.wait(DAY)
        assert market.reading[0] == "degraded"
        market.stage.wait(1)
        assert market.reading[0] == "fresh"
    for _ in range(2):
        market.stage.wait(HOUR)
        market.poke()
    assert market.reading[0] == "fresh"


@pytest.mark.parametrize("bound", [1, 4_99, 60_01])
def test_jump_bound__that_makes_no_sense__is_refused(market: Market, bound: int):
    with reverts("ParameterOutOfRange", ...):
        market.router.setJumpBound(market.token, bound, sender=GOVERNOR)


def test_jump_bound__of_an_asset_without_an_adapter__is_refused(stage: Stage, market: Market):
    token = stage.token()
    with reverts("AssetUnknown", token.address):
        market.router.setJumpBound(token, 30_00, sender=GOVERNOR)


# --------------------------------------------------------------------------------------------------------------- rights


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("activate", (0, 0, PRICE)),
        ("replace", (0, 0)),
        ("setJumpBound", (0, 1_000)),
        ("freeze", (0,)),
        ("confirmFreeze", (0, 1)),
        ("unfreeze", (0,)),
    ],
)
def test_control__by_anyone_but_its_role__is_refused(market: Market, function: str, arguments: tuple[int, ...]):
    addresses = [market.token.address if value == 0 else value for value in arguments]
    roles = {GOVERNOR, GUARDIAN, STRANGER} - ({GUARDIAN} if function == "freeze" else {GOVERNOR})
    for sender in roles:
        with reverts("AccessManagedUnauthorized", sender):
            getattr(market.router, function)(*addresses, sender=sender)


def test_router__has_no_function_that_takes_a_price_to_answer_with(market: Market):
    # what is there to be called with a number: a reference, which is only compared; a bound; a time
    changing = {name for name, m in market.router.methods.items() if not m._is_view}
    assert changing == {
        "activate",
        "confirmFreeze",
        "freeze",
        "poke",
        "replace",
        "setAuthority",
        "setJumpBound",
        "unfreeze",
    }
