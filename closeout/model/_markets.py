"""Lenders and claims: the supply side of the Vault's twin."""

from __future__ import annotations

from closeout.model._interest import Market
from closeout.model._reverts import ModelRevert
from closeout.model._vault_base import INSURANCE_FUND, TREASURY, VaultBase


class Markets(VaultBase):
    """Supply, withdraw, redeem, claims. Amounts in token units; a refusal raises ModelRevert and changes nothing."""

    def supply(self, caller: str, asset_id: int, assets: int, receiver: str | None = None) -> int:
        """Supplies `assets` to be borrowed and returns the shares, rounded down."""
        with self._ledger.transaction():
            self._asset(asset_id)
            market = self._accrued(asset_id)
            shares = market.shares_down(assets)
            self._enter(caller, asset_id, market, assets, shares, receiver or caller)
            return shares

    def mint(self, caller: str, asset_id: int, shares: int, receiver: str | None = None) -> int:
        """Mints `shares` of supply and returns the assets they cost, rounded up."""
        with self._ledger.transaction():
            self._asset(asset_id)
            market = self._accrued(asset_id)
            assets = market.assets_up(shares)
            self._enter(caller, asset_id, market, assets, shares, receiver or caller)
            return assets

    def _enter(self, caller: str, asset_id: int, market: Market, assets: int, shares: int, receiver: str) -> None:
        if not assets or not shares:
            raise ModelRevert("ZeroAmount")
        asset = self._asset(asset_id)
        if not asset.is_borrowable:
            raise ModelRevert("AssetNotBorrowable", asset_id)
        total = market.supply_assets + assets
        if total > asset.supply_cap:
            raise ModelRevert("CapExceeded", asset_id, total, asset.supply_cap)
        self._store_market(asset_id, market.moved(idle=assets, supply_shares=shares))
        self._ledger.add(self._ledger.supply_shares, (receiver, asset_id), shares)
        self._pull(asset_id, caller, assets)

    def transfer_supply(self, caller: str, asset_id: int, to: str, shares: int) -> None:
        """Moves supply shares of the caller, as the asset's SupplyToken does. Principal stays, so the rate does too."""
        with self._ledger.transaction():
            self._asset(asset_id)
            market = self._accrued(asset_id)
            self._burn_supply(asset_id, caller, shares)
            self._put_market(asset_id, market)
            self._ledger.add(self._ledger.supply_shares, (to, asset_id), shares)

    def withdraw(
        self, caller: str, asset_id: int, assets: int, receiver: str | None = None, owner: str | None = None
    ) -> int:
        """Takes `assets` of supply out and returns the shares burnt, rounded up."""
        with self._ledger.transaction():
            self._asset(asset_id)
            market = self._accrued(asset_id)
            shares = market.less(self.uncovered_loss_of(asset_id)).shares_up(assets)
            self._exit(caller, asset_id, market, assets, shares, receiver or caller, owner or caller)
            return shares

    def redeem(
        self, caller: str, asset_id: int, shares: int, receiver: str | None = None, owner: str | None = None
    ) -> int:
        """Burns `shares` of supply and returns the assets, rounded down."""
        with self._ledger.transaction():
            self._asset(asset_id)
            market = self._accrued(asset_id)
            assets = market.less(self.uncovered_loss_of(asset_id)).assets_down(shares)
            self._exit(caller, asset_id, market, assets, shares, receiver or caller, owner or caller)
            return assets

    def _exit(
        self, caller: str, asset_id: int, market: Market, assets: int, shares: int, receiver: str, owner: str
    ) -> None:
        if not assets or not shares:
            raise ModelRevert("ZeroAmount")
        if caller != owner:
            raise ModelRevert("NotAuthorized", owner, caller)
        self._burn_supply(asset_id, owner, shares)
        if assets > market.idle:
            raise ModelRevert("InsufficientLiquidity", market.idle, assets)
        self._store_market(asset_id, market.moved(idle=-assets, supply_shares=-shares))
        self._send(asset_id, receiver, assets)

    def _burn_supply(self, asset_id: int, holder: str, shares: int) -> None:
        """Takes supply shares from a holder; the market's total is the caller's to lower."""
        balance = self.supply_shares_of(asset_id, holder)
        if shares > balance:
            raise ModelRevert("InsufficientShares", balance, shares)
        self._ledger.add(self._ledger.supply_shares, (holder, asset_id), -shares)

    def claim(self, caller: str, asset_id: int, amount: int, to: str | None = None) -> None:
        """Pays out `amount` of the caller's claims."""
        with self._ledger.transaction():
            if amount == 0:
                raise ModelRevert("ZeroAmount")
            self._asset(asset_id)
            self._debit_claim(caller, asset_id, amount)
            self._send(asset_id, to or caller, amount)

    def credit_claim(self, caller: str, asset_id: int, amount: int, holder: str) -> None:
        """Books tokens of the caller as a claim of `holder`. How the insurance fund is filled."""
        with self._ledger.transaction():
            if amount == 0:
                raise ModelRevert("ZeroAmount")
            self._asset(asset_id)
            self._pull(asset_id, caller, amount)
            self._ledger.add(self._ledger.claims, (holder, asset_id), amount)

    def _debit_claim(self, holder: str, asset_id: int, amount: int) -> None:
        balance = self.claim_of(holder, asset_id)
        if amount > balance:
            raise ModelRevert("InsufficientClaim", balance, amount)
        self._ledger.add(self._ledger.claims, (holder, asset_id), -amount)

    # -------------------------------------------------------------------------------------------------------- views

    def expected_loss_of(self, asset_id: int) -> int:
        """What the notes of insolvent accounts expect to become bad debt of an asset, token units."""
        return sum(loss for (_, noted), loss in self._ledger.noted_losses.items() if noted == asset_id)

    def uncovered_loss_of(self, asset_id: int) -> int:
        """Of that, what the insurance fund does not hold: who leaves leaves his part of it behind."""
        return max(0, self.expected_loss_of(asset_id) - self.claim_of(INSURANCE_FUND, asset_id))

    def market_of(self, asset_id: int) -> Market:
        """The market of one asset, accrued to now."""
        self._asset(asset_id)
        return self._accrued(asset_id)

    def supply_shares_of(self, asset_id: int, holder: str) -> int:
        """Supply shares of a holder; the treasury's with its part of the interest until now."""
        self._asset(asset_id)
        pending = self._accrue(asset_id)[1] if holder == TREASURY else 0
        return self._ledger.supply_shares.get((holder, asset_id), 0) + pending

    def claim_of(self, holder: str, asset_id: int) -> int:
        """Claims of a holder, token units."""
        return self._ledger.claims.get((holder, asset_id), 0)

    def balance_of(self, asset_id: int) -> int:
        """Tokens that the Vault holds."""
        return self._ledger.balances.get(asset_id, 0)

    def wallet_of(self, holder: str, asset_id: int) -> int:
        """Tokens that a holder got out of the Vault less those he put in: below 0 where he put in more."""
        return self._ledger.wallets.get((holder, asset_id), 0)
