"""A Vault that was put together is the Vault that got there by actions."""

from __future__ import annotations

from closeout.model import AccountId, CloseOutRequest, Deleverage, Times, Vault, place_account, place_market
from closeout.units import WAD
from tests.keeper.markets import CONFIGURATION, DAI, PROTOCOL, USDC, WETH, wad

OWNER = AccountId("owner", 3)
OPENED, NOW = 1_000, 5_000


def listed(now: int) -> Vault:
    vault = Vault(PROTOCOL, now)
    for asset, price in zip(CONFIGURATION.assets, (2_000, 30_000, 1, 1), strict=True):
        vault.list_asset(asset.parameters, wad(price))
    return vault


def lived() -> Vault:
    """An account that borrowed two assets, and a price that fell."""
    vault = listed(OPENED)
    for asset_id, units in ((USDC, 10**12), (DAI, 10**24)):
        vault.supply("lender", asset_id, units)
    vault.deposit_collateral("owner", OWNER, WETH, 10 * 10**18)
    vault.borrow("owner", OWNER, USDC, 9_000 * 10**6)
    vault.borrow("owner", OWNER, DAI, 4_000 * 10**18)
    vault.set_price(WETH, wad(1_500))
    vault.advance_to(NOW)
    return vault


def test_place__what_actions_led_to__closes_out_to_the_same_units():
    original, twin = lived(), listed(NOW)
    twin.set_price(WETH, wad(1_500))
    for asset_id in (USDC, DAI):
        place_market(twin, asset_id, original.market_of(asset_id))
        assert twin.market_of(asset_id) == original.market_of(asset_id) != listed(NOW).market_of(asset_id)
    position = original.position_of(OWNER)
    place_account(twin, OWNER, position.collateral, {a: 100 * u for a, u in position.debt.items()}, Times(0, OPENED))
    assert twin.position_of(OWNER) == position
    request = CloseOutRequest(OWNER, debts=frozenset({DAI}), fill_wad=WAD // 3)
    assert twin.preview_close_out(request) == original.preview_close_out(request)


def test_place__somebody_in_the_place_of_another__leaves_nothing_behind():
    twin = lived()
    terms = Deleverage(wad("1.2"), wad("1.3"), wad("0.01"))
    place_account(twin, OWNER, {USDC: 5}, {}, deleverage=terms)
    assert twin._ledger.deleverages == {OWNER: terms}
    assert (twin.position_of(OWNER).collateral, twin.position_of(OWNER).debt) == ({USDC: 5}, {})
    place_account(twin, OWNER, {}, {})
    assert (twin.position_of(OWNER).collateral, twin.position_of(OWNER).debt) == ({}, {})
    assert (twin.times_of(OWNER), twin._ledger.deleverages) == (Times(0, 0), {})
