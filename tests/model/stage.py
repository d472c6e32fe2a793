"""A small stage for the Vault's twin: five assets, one account, and what a refusal must look like."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import pytest

from closeout.model import (
    AccountId,
    AssetParameters,
    ModelRevert,
    ProtocolParameters,
    Vault,
)
from closeout.units import WAD, parse_units

ETH, GOLD, USD, EUR, BOTH = range(5)
OWNER, STRANGER, LENDER, LIQUIDATOR = "owner", "stranger", "lender", "liquidator"
ACCOUNT = AccountId(OWNER, 7)

PROTOCOL = ProtocolParameters(
    target_health_factor_wad=parse_units("1.10", 18),
    margin_call_health_factor_wad=parse_units("1.05", 18),
    bonus_floor_wad=parse_units("0.005", 18),
    min_bonus_fraction_wad=parse_units("0.2", 18),
    health_for_max_bonus_wad=parse_units("0.90", 18),
    fee_share_wad=parse_units("0.2", 18),
    min_debt_value_wad=100 * WAD,
    dust_value_wad=WAD,
)


def collateral(name: str, decimals: int) -> AssetParameters:
    return AssetParameters(
        name, decimals, is_collateral=True, ltv_bps=8000, liquidation_threshold_bps=8500, max_bonus_bps=800
    )


def make_vault() -> Vault:
    """ETH at 2 000 and GOLD at 50 as collateral, USD and EUR at 1 to be borrowed, BOTH at 1 as either."""
    vault = Vault(PROTOCOL)
    vault.list_asset(collateral("ETH", 18), 2000 * WAD)
    vault.list_asset(replace(collateral("GOLD", 0), collateral_cap=10_000), 50 * WAD)
    vault.list_asset(AssetParameters("USD", 6, is_borrowable=True), WAD)
    vault.list_asset(AssetParameters("EUR", 18, is_borrowable=True, supply_cap=10**24, borrow_cap=10**23), WAD)
    vault.list_asset(replace(collateral("BOTH", 6), is_borrowable=True), WAD)
    for asset_id, decimals in ((USD, 6), (EUR, 18), (BOTH, 6)):
        vault.supply(LENDER, asset_id, 10 ** (decimals + 6))
    return vault


def opened(vault: Vault, eth: str = "10", usd: str = "12000") -> Vault:
    vault.deposit_collateral(OWNER, ACCOUNT, ETH, parse_units(eth, 18))
    vault.borrow(OWNER, ACCOUNT, USD, parse_units(usd, 6))
    vault.advance_to(vault.now + 1)
    return vault


@contextmanager
def refused(vault: Vault, name: str, *values: object) -> Iterator[None]:
    """The action is refused by that error, with those arguments where given, and nothing has changed."""
    before = deepcopy(vault._ledger)
    with pytest.raises(ModelRevert) as refusal:
        yield
    assert refusal.value.name == name
    assert not values or refusal.value.values == values
    assert vault._ledger == before
