"""The reference model's Vault, set to one block of the real one: what a close-out would come to, to the unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from closeout.keeper.ports import Configuration, Price
from closeout.model import (
    AccountId,
    CloseOutRequest,
    CloseOutResult,
    Deleverage,
    Market,
    ModelRevert,
    Quote,
    Times,
    Vault,
    place_account,
    place_market,
)
from closeout.units import WAD

__all__ = ["Account", "Twin"]

_ANY_PRICE = 1


@dataclass(frozen=True, slots=True)
class Account:
    """An account as the watch-list knows it, with its times (seconds; 0: never) as the chain says."""

    id: int
    collateral: Mapping[int, int]
    debt_shares: Mapping[int, int]
    called_at: int = 0
    acted_at: int = 0
    deleverage: Deleverage | None = None


class Twin:
    """Previews close-outs at one block's prices and a stated time.

    Size buckets count as full: they are off by default, and the simulation right before sending knows better.
    """

    def __init__(
        self, configuration: Configuration, prices: Sequence[Price], markets: Sequence[Market], now: int
    ) -> None:
        self._vault = Vault(configuration.protocol, now)
        for asset, price, market in zip(configuration.assets, prices, markets, strict=True):
            # what may be deposited or borrowed plays no part, and a ramp may stand below its asset's initial margin
            parameters = replace(
                asset.parameters,
                is_collateral=False,
                ltv_bps=0,
                liquidation_threshold_bps=asset.threshold_bps(now),
            )
            asset_id = self._vault.list_asset(parameters, _ANY_PRICE)
            if price.debt_wad:
                self._vault.set_quote(asset_id, price.quote)
            else:
                # never known: the Vault has no answer for who holds it, and the chain has said so
                self._vault.set_quote(asset_id, Quote.missing(_ANY_PRICE, 0))
            if asset.volatility_target_wad is not None:
                self._vault.set_volatility_target(asset_id, asset.volatility_target_wad)
            place_market(self._vault, asset_id, market)

    def preview(
        self,
        account: Account,
        collaterals: frozenset[int] | None = None,
        debts: frozenset[int] | None = None,
        fill_wad: int = WAD,
    ) -> CloseOutResult:
        """Raises ModelRevert as the Vault would."""
        whose = AccountId("", account.id)
        times = Times(account.called_at, account.acted_at)
        place_account(self._vault, whose, account.collateral, account.debt_shares, times, account.deleverage)
        try:
            return self._vault.preview_close_out(CloseOutRequest(whose, collaterals, debts, fill_wad))
        finally:
            place_account(self._vault, whose, {}, {})

    def can_write_off(self, account: Account) -> bool:
        """Whether the Vault would write the account off: insolvent, and what it holds is dust."""
        whose = AccountId("", account.id)
        before = {asset_id: self._vault.market_of(asset_id) for asset_id in account.debt_shares}
        place_account(self._vault, whose, account.collateral, account.debt_shares)
        try:
            self._vault.write_off("", whose)
        except ModelRevert:
            return False
        finally:
            place_account(self._vault, whose, {}, {})
            for asset_id, market in before.items():
                place_market(self._vault, asset_id, market)
        return True
