"""A state as somebody else knows it, put into a Vault's twin without the actions that led there."""

from __future__ import annotations

from collections.abc import Mapping

from closeout.model._accounts import Times
from closeout.model._interest import Market
from closeout.model._ledger import AccountId, Deleverage, Header
from closeout.model._vault_base import VaultBase

__all__ = ["place_account", "place_market"]

_NEVER = Times(0, 0)


def place_account(
    vault: VaultBase,
    account: AccountId,
    collateral: Mapping[int, int],
    debt_shares: Mapping[int, int],
    times: Times = _NEVER,
    deleverage: Deleverage | None = None,
) -> None:
    """What an account holds (token units) and owes (debt shares), instead of what it did. Nothing is checked."""
    ledger = vault._ledger
    before = vault._header(account)
    header = Header(
        tuple(sorted(asset_id for asset_id, units in collateral.items() if units)),
        tuple(sorted(asset_id for asset_id, shares in debt_shares.items() if shares)),
        times.called_at,
        times.acted_at,
    )
    with ledger.transaction():
        for asset_id in {*before.collateral_ids, *collateral}:
            ledger.put(ledger.collateral, (account, asset_id), collateral.get(asset_id) or None)
        for asset_id in {*before.debt_ids, *debt_shares}:
            ledger.put(ledger.debt_shares, (account, asset_id), debt_shares.get(asset_id) or None)
        ledger.put(ledger.headers, account, header)
        ledger.put(ledger.deleverages, account, deleverage)


def place_market(vault: VaultBase, asset_id: int, market: Market) -> None:
    """An asset's totals, instead of what they were. Nothing is checked."""
    with vault._ledger.transaction():
        vault._ledger.put(vault._ledger.markets, asset_id, market)
