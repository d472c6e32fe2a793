"""PythAdapter on Pyth's own mock, fed with real payloads, and PythPoster before the real Vault."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from eth_keys import keys

from closeout.chain.parameters import BorrowParameters
from tests.support.node import Deployed, Reverted, reverts
from tests.support.world import World, account_of, wad
from tests.unit.oracles.pyth_wire import GUARDIAN_ADDRESS, PriceMessage, encode_update
from tests.unit.oracles.stage import HOUR, STRANGER, WAD, Stage, selector

ETH_USD = bytes.fromhex("ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace")
BTC_USD = bytes.fromhex("e62df6c8b4a85fe1a67db44dc12de5db330f7ac66b72dc658afedf0f4a415b43")
FEE = 7
RICH = "0x" + "f" * 16


@dataclass(frozen=True)
class Pyth:
    """Pyth's mock behind the wire format, and who posts to it."""

    stage: Stage
    wire: Deployed

    def message(self, usd: float, *, feed: bytes = ETH_USD, confidence: float = 1, age: int = 0) -> PriceMessage:
        return PriceMessage(feed, round(usd * 10**8), round(confidence * 10**8), -8, self.stage.now - age)

    def post(self, *messages: PriceMessage) -> None:
        self.pay(self.wire, self.wire.updatePriceFeeds.data([encode_update(messages)]), FEE * len(messages))

    def pay(self, to: Deployed, data: bytes, value: int, sender: str = STRANGER) -> None:
        """A transaction with Ether. Raises Reverted."""
        node = self.stage.node
        node.rpc.call("anvil_setBalance", sender, RICH)
        request = {
            "from": sender,
            "to": to.address,
            "data": "0x" + data.hex(),
            "value": hex(value),
            "gas": hex(5_000_000),
        }
        try:
            node.rpc.call("eth_call", request, "latest")
        except Exception as error:
            raise node.decode_revert(getattr(error, "data", None) or "0x") from None
        node.rpc.call("eth_sendTransaction", request | {"gasPrice": "0x0"})
        node.set_time(node.now)

    def adapter(
        self, *, confidence_bps: int = 50, heartbeat: int = 60, max_age: int = HOUR, ahead: int = 30
    ) -> Deployed:
        return self.stage.deploy("PythAdapter", self.wire, ETH_USD, (heartbeat, max_age, ahead, confidence_bps))


@pytest.fixture
def pyth(stage: Stage) -> Pyth:
    wire = stage.deploy("WirePyth", stage.deploy("TestPyth", 60, 0), GUARDIAN_ADDRESS, FEE)
    pyth = Pyth(stage, wire)
    pyth.post(pyth.message(2_000))
    return pyth


# ------------------------------------------------------------------------------------------------------------- payloads


def test_update__of_several_prices__is_proved_against_one_signed_root(pyth: Pyth):
    pyth.stage.wait(1)
    pyth.post(pyth.message(2_010), pyth.message(64_000, feed=BTC_USD), pyth.message(1, feed=b"\x07" * 32))
    assert pyth.stage.quote(pyth.adapter()).low == 2_010 * WAD
    assert pyth.wire.getPriceUnsafe(BTC_USD)[0] == 64_000 * 10**8


def test_update__with_a_price_that_was_tampered_with__is_refused(pyth: Pyth):
    update = bytearray(encode_update([pyth.message(2_000, age=-1), pyth.message(64_000, feed=BTC_USD)]))
    update[update.index(BTC_USD) + 39] ^= 1
    with reverts("InvalidUpdateData"):
        pyth.pay(pyth.wire, pyth.wire.updatePriceFeeds.data([bytes(update)]), 2 * FEE)


def test_update__signed_by_another_guardian__is_refused(pyth: Pyth):
    update = encode_update([pyth.message(2_000, age=-1)], signer=keys.PrivateKey(b"\x05" * 32))
    with reverts("InvalidWormholeVaa"):
        pyth.pay(pyth.wire, pyth.wire.updatePriceFeeds.data([update]), FEE)


def test_update__older_than_what_is_known__changes_nothing(pyth: Pyth):
    pyth.post(pyth.message(1_000, age=10))
    assert pyth.stage.quote(pyth.adapter()).low == 2_000 * WAD


# --------------------------------------------------------------------------------------------------------------- guards


@pytest.mark.parametrize(
    ("confidence", "low", "high", "status"),
    [
        (0, 2_000, 2_000, "fresh"),
        (10, 2_000, 2_000, "fresh"),  # exactly 50 bps
        (10.01, 1_989.99, 2_010.01, "degraded"),
        (400, 1_600, 2_400, "degraded"),  # exactly a fifth
    ],
)
def test_confidence__beyond_its_bound__is_the_doubt(
    pyth: Pyth, confidence: float, low: float, high: float, status: str
):
    adapter = pyth.adapter(confidence_bps=50)
    pyth.stage.wait(1)
    pyth.post(pyth.message(2_000, confidence=confidence))
    quote = pyth.stage.quote(adapter)
    assert (quote.low, quote.high, quote.status) == (round(low * 100) * 10**16, round(high * 100) * 10**16, status)
    assert adapter.primaryPrice() == 2_000 * WAD


def test_confidence__beyond_a_fifth__is_no_price(pyth: Pyth):
    adapter = pyth.adapter()
    pyth.stage.wait(1)
    pyth.post(pyth.message(2_000, confidence=400.01))
    with reverts("ConfidenceTooWide", 40_001_000_000, 40_000_000_000):
        adapter.price()


@pytest.mark.parametrize(("age", "kind"), [(60, "fresh"), (61, "degraded"), (HOUR, "degraded"), (HOUR + 1, "missing")])
def test_age__at_heartbeat_and_hard_limit__turns_one_second_later(pyth: Pyth, age: int, kind: str):
    adapter = pyth.adapter(heartbeat=60, max_age=HOUR)
    pyth.stage.wait(age)
    assert pyth.stage.ask(adapter).kind == kind


def test_publish_time__ahead_of_the_block__is_tolerated_within_bounds_and_reported_as_now(pyth: Pyth):
    adapter = pyth.adapter(ahead=30)
    pyth.post(pyth.message(2_000, age=-30))
    quote = pyth.stage.quote(adapter)
    assert (quote.status, quote.time) == ("fresh", pyth.stage.now)
    pyth.post(pyth.message(2_000, age=-31))
    with reverts("TimeInFuture", pyth.stage.now + 31, pyth.stage.now):
        adapter.price()


def with_exponent(stage: Stage, exponent: int, price: int) -> Deployed:
    """Pyth's mock with one price of that exponent."""
    mock = stage.deploy("TestPyth", 60, 0)
    update = mock.createPriceFeedUpdateData(ETH_USD, price, 0, exponent, price, 0, stage.now, stage.now - 1)
    mock.updatePriceFeeds([update], sender=STRANGER)
    return mock


@pytest.mark.parametrize("exponent", [-18, -10, -8, -5, 0])
def test_exponent__of_any_feed__gives_the_same_price(stage: Stage, exponent: int):
    mock = with_exponent(stage, exponent, 2 * 10 ** (-exponent) if exponent else 2)
    adapter = stage.deploy("PythAdapter", mock, ETH_USD, (60, HOUR, 0, 50))
    assert stage.quote(adapter).low == 2 * WAD


def test_exponent__of_more_than_eighteen_digits__loses_the_last_ones(stage: Stage):
    mock = with_exponent(stage, -20, 5 * 10**18 + 99)
    adapter = stage.deploy("PythAdapter", mock, ETH_USD, (60, HOUR, 0, 50))
    assert stage.quote(adapter).low == 5 * WAD // 100


@pytest.mark.parametrize(("exponent", "price", "low"), [(-30, 9 * 10**18, 9 * 10**6), (11, 10, 10**12 * WAD)])
def test_construction__at_the_last_exponents__has_the_price(stage: Stage, exponent: int, price: int, low: int):
    mock = with_exponent(stage, exponent, price)
    assert stage.quote(stage.deploy("PythAdapter", mock, ETH_USD, (60, HOUR, 0, 50))).low == low


@pytest.mark.parametrize("exponent", [-31, 12])
def test_construction__beyond_the_last_exponents__is_refused(stage: Stage, exponent: int):
    mock = with_exponent(stage, exponent, 10**18)
    with reverts("ExponentChanged", exponent, -8):
        stage.deploy("PythAdapter", mock, ETH_USD, (60, HOUR, 0, 50))


def test_construction__for_a_price_that_pyth_does_not_have__is_refused(pyth: Pyth):
    with pytest.raises(Reverted):
        pyth.stage.deploy("PythAdapter", pyth.wire, b"\x99" * 32, (60, HOUR, 30, 50))


# --------------------------------------------------------------------------------------------------------------- poster


@pytest.fixture
def poster(pyth: Pyth, world: World) -> Deployed:
    return pyth.stage.deploy("PythPoster", pyth.wire, world.vault)


def test_post__by_anyone__pays_pyths_fee_and_gives_the_rest_back(pyth: Pyth, poster: Deployed):
    pyth.stage.wait(1)
    pyth.pay(poster, poster.post.data([encode_update([pyth.message(2_020)])]), 10 * FEE)
    assert pyth.stage.quote(pyth.adapter()).low == 2_020 * WAD
    assert int(pyth.stage.node.rpc.call("eth_getBalance", poster.address, "latest"), 16) == 0
    assert int(pyth.stage.node.rpc.call("eth_getBalance", pyth.wire.address, "latest"), 16) == 2 * FEE
    pyth.stage.wait(1)
    with reverts("FeeTooLow", FEE - 1, FEE):
        pyth.pay(poster, poster.post.data([encode_update([pyth.message(2_030)])]), FEE - 1)


def test_post_and_call__with_a_stale_price__borrows_in_the_transaction_that_brings_a_fresh_one(
    pyth: Pyth, poster: Deployed, world: World
):
    adapter = pyth.adapter()
    priced = world.list_asset(
        "PETH", 18, 2_000, world.listings[world.weth.id][0], BorrowParameters(), feed=adapter, is_adapter=True
    )
    account = world.open_account({priced: 10})
    world.warp(HOUR)
    world.vault.setOperator(poster, True, sender=world.borrower)
    borrow = world.vault.borrow.data(account, world.usdc.id, world.usdc.units(5_000), world.borrower)
    with pytest.raises(Reverted):
        world.vault.borrow(account, world.usdc.id, world.usdc.units(5_000), world.borrower, sender=world.borrower)
    call = poster.postAndCall.data([encode_update([pyth.message(2_000)])], [borrow])
    pyth.pay(poster, call, FEE, sender=world.borrower)
    assert world.balance(world.usdc, world.borrower) == world.usdc.units(5_000)


def test_post_and_call__for_another_owners_account__is_refused_although_he_made_it_his_operator(
    pyth: Pyth, poster: Deployed, world: World
):
    account = world.open_account({world.weth: 10})
    world.vault.setOperator(poster, True, sender=world.borrower)
    stolen = world.vault.withdrawCollateral.data(account, world.weth.id, wad(1), STRANGER)
    with reverts("NotTheOwner", world.borrower, STRANGER):
        pyth.pay(poster, poster.postAndCall.data([], [stolen]), 0)


def test_post_and_call__of_anything_but_borrowing_and_withdrawing__is_refused(
    pyth: Pyth, poster: Deployed, world: World
):
    account = account_of(STRANGER)
    for call in (
        world.vault.repay.data(account, world.usdc.id, 1),
        world.vault.setOperator.data(STRANGER, True),
        world.vault.redeem.data(world.usdc.id, 1, STRANGER, STRANGER),
        b"",
    ):
        with reverts("CallNotForwarded", (call[:4] or bytes(4)).ljust(4, b"\0")):
            pyth.pay(poster, poster.postAndCall.data([], [call]), 0)


def test_post_and_call__that_the_vault_refuses__fails_with_the_vaults_own_error(
    pyth: Pyth, poster: Deployed, world: World
):
    account = account_of(STRANGER)
    call = world.vault.borrow.data(account, world.usdc.id, 1, STRANGER)
    with reverts("NotAuthorized", STRANGER, poster.address):
        pyth.pay(poster, poster.postAndCall.data([], [call]), 0)
    assert selector("borrow(uint256,uint256,uint256,address)") == call[:4]
