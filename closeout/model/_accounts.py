"""Borrowers: the accounts of the Vault's twin."""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, replace

from closeout.model._interest import Market
from closeout.model._ledger import AccountId, Header
from closeout.model._markets import Markets
from closeout.model._parameters import MAX_AMOUNT, MAX_COLLATERALS, MAX_DEBTS
from closeout.model._positions import debt_shares_down, debt_shares_up, health_factor
from closeout.model._reverts import ModelRevert
from closeout.model._rounding import MAX_UINT256, div_up
from closeout.units import BPS

RAY_PER_WAD = 10**9


@dataclass(frozen=True, slots=True)
class Position:
    """What an account holds, token units by asset id; debts rounded up."""

    collateral: dict[int, int]
    debt: dict[int, int]


@dataclass(frozen=True, slots=True)
class Health:
    """What an account is worth, WAD. `health_factor_wad` is the largest uint256 without debt."""

    collateral_value: int
    borrowing_power: int
    maintenance_value: int
    debt_value: int
    health_factor_wad: int


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds; 0: never. `called_at` of a margin call, `acted_at` of the last borrow, or withdrawal with debt left."""

    called_at: int
    acted_at: int


def _with(ids: tuple[int, ...], asset_id: int) -> tuple[int, ...]:
    items = list(ids)
    insort(items, asset_id)
    return tuple(items)


def _without(ids: tuple[int, ...], asset_id: int) -> tuple[int, ...]:
    return tuple(item for item in ids if item != asset_id)


class Accounts(Markets):
    """Deposit, withdraw, borrow, repay. Amounts in token units; a refusal raises ModelRevert and changes nothing."""

    def deposit_collateral(self, caller: str, account: AccountId, asset_id: int, amount: int) -> None:
        """Puts collateral into an account. Anyone may top up what is there; a new asset only owner or operator.

        No cap stops a top-up of an account that owes (P16).
        """
        with self._ledger.transaction():
            is_new, is_rescue = self._add_collateral(caller, account, asset_id, amount)
            header = self._header(account)
            if is_new and header.debt_ids:
                self._require_minimum_debt(account, header)
            self._pull(asset_id, caller, amount)
            if not is_rescue:
                self._require_collateral_cap(asset_id)

    def withdraw_collateral(
        self, caller: str, account: AccountId, asset_id: int, amount: int, to: str | None = None
    ) -> int:
        """Takes collateral out and returns how much; `MAX_UINT256` is all of it. Leaves the initial margin intact."""
        with self._ledger.transaction():
            self._require_authorized(caller, account)
            withdrawn = self._remove_collateral(account, asset_id, amount)
            if self._header(account).debt_ids:
                self._require_initial_margin(account)
            self._send(asset_id, to or caller, withdrawn)
            return withdrawn

    def borrow(self, caller: str, account: AccountId, asset_id: int, amount: int, to: str | None = None) -> int:
        """Borrows against the whole account and returns the debt shares, rounded up. Leaves the initial margin."""
        with self._ledger.transaction():
            self._require_authorized(caller, account)
            shares = self._add_debt(account, asset_id, amount)
            self._require_in_order(account)
            self._send(asset_id, to or caller, amount)
            return shares

    def repay(self, caller: str, account: AccountId, asset_id: int, amount: int) -> int:
        """Repays up to `amount` of a debt, from the caller, and returns how much. Anyone may."""
        with self._ledger.transaction():
            repaid, market = self._remove_debt(account, asset_id, amount)
            self._store_market(asset_id, market)
            self._pull(asset_id, caller, repaid)
            return repaid

    # -------------------------------------------------------------------------------------------------------- views

    def position_of(self, account: AccountId) -> Position:
        """Collaterals and debts of an account."""
        collaterals = {
            asset_id: self._ledger.collateral[account, asset_id] for asset_id in self._header(account).collateral_ids
        }
        return Position(collaterals, {debt.asset_id: debt.units for debt in self._debts(account)})

    def health_of(self, account: AccountId) -> Health:
        """WAD sums of an account at the prices that decide: collateral down, debt up."""
        value = power = weighted = 0
        for collateral in self._collaterals(account):
            worth = collateral.value
            value += worth
            power += worth * self._assets[collateral.asset_id].ltv_bps
            weighted += worth * collateral.threshold_bps
        owed = sum(debt.value for debt in self._debts(account))
        return Health(
            collateral_value=value // RAY_PER_WAD,
            borrowing_power=power // (BPS * RAY_PER_WAD),
            maintenance_value=weighted // (BPS * RAY_PER_WAD),
            debt_value=div_up(owed, RAY_PER_WAD),
            health_factor_wad=health_factor(weighted, owed),
        )

    def times_of(self, account: AccountId) -> Times:
        """When an account was put on call, and when it last borrowed or withdrew."""
        header = self._header(account)
        return Times(header.called_at, header.acted_at)

    # --------------------------------------------------------------------------------------------------- the moves

    def _add_collateral(self, caller: str, account: AccountId, asset_id: int, amount: int) -> tuple[bool, bool]:
        """Books a deposit; whether the asset is new to the account, and whether no cap may stop it."""
        if amount == 0:
            raise ModelRevert("ZeroAmount")
        asset = self._asset(asset_id)
        if not asset.is_collateral:
            raise ModelRevert("AssetNotCollateral", asset_id)
        header = self._header(account)
        is_new = asset_id not in header.collateral_ids
        if is_new:
            if asset_id in header.debt_ids:
                raise ModelRevert("AssetHeldAsDebt", asset_id)
            self._require_authorized(caller, account)
            if len(header.collateral_ids) == MAX_COLLATERALS:
                raise ModelRevert("TooManyAssets", MAX_COLLATERALS)
            self._set_header(account, replace(header, collateral_ids=_with(header.collateral_ids, asset_id)))
        balance = self._ledger.collateral.get((account, asset_id), 0) + amount
        if balance > asset.max_amount:
            raise ModelRevert("AmountTooLarge", balance, asset.max_amount)
        self._ledger.put(self._ledger.collateral, (account, asset_id), balance)
        return is_new, not is_new and bool(header.debt_ids)

    def _require_collateral_cap(self, asset_id: int) -> None:
        cap = self._assets[asset_id].collateral_cap
        held = self.balance_of(asset_id) - self._ledger.markets[asset_id].idle
        if held > cap:
            raise ModelRevert("CapExceeded", asset_id, held, cap)

    def _remove_collateral(self, account: AccountId, asset_id: int, amount: int) -> int:
        """Books a withdrawal; how much it comes to."""
        header = self._header(account)
        if asset_id not in header.collateral_ids:
            raise ModelRevert("AssetNotHeld", account, asset_id)
        balance = self._ledger.collateral[account, asset_id]
        withdrawn = balance if amount == MAX_UINT256 else amount
        if withdrawn == 0:
            raise ModelRevert("ZeroAmount")
        if withdrawn > balance:
            raise ModelRevert("InsufficientCollateral", balance, withdrawn)
        self._set_collateral(account, asset_id, balance - withdrawn)
        if header.debt_ids:
            if asset_id in self._paused_withdrawing:
                raise ModelRevert("ActionPaused", asset_id)
            self._set_acted(account)
        return withdrawn

    def _add_debt(self, account: AccountId, asset_id: int, amount: int) -> int:
        """Books a debt taken on; its shares, rounded up."""
        if amount == 0:
            raise ModelRevert("ZeroAmount")
        asset = self._asset(asset_id)
        if not asset.is_borrowable:
            raise ModelRevert("AssetNotBorrowable", asset_id)
        if asset_id in self._paused_borrowing:
            raise ModelRevert("ActionPaused", asset_id)
        header = self._header(account)
        if asset_id in header.collateral_ids:
            raise ModelRevert("AssetHeldAsCollateral", asset_id)
        if asset_id not in header.debt_ids and len(header.debt_ids) == MAX_DEBTS:
            raise ModelRevert("TooManyAssets", MAX_DEBTS)
        market = self._accrued(asset_id)
        if amount > market.idle:
            raise ModelRevert("InsufficientLiquidity", market.idle, amount)
        shares = debt_shares_up(amount, market.index)
        market = market.moved(idle=-amount, debt_shares=shares)
        if market.debt > asset.borrow_cap:
            raise ModelRevert("CapExceeded", asset_id, market.debt, asset.borrow_cap)
        if market.debt_shares > MAX_AMOUNT:
            raise ModelRevert("AmountTooLarge", market.debt_shares, MAX_AMOUNT)
        self._store_market(asset_id, market)
        self._set_debt(account, asset_id, self._ledger.debt_shares.get((account, asset_id), 0) + shares)
        self._set_acted(account)
        return shares

    def _remove_debt(self, account: AccountId, asset_id: int, amount: int) -> tuple[int, Market]:
        """Books a repayment of the account; what it comes to, and the market with it, not stored yet."""
        if amount == 0:
            raise ModelRevert("ZeroAmount")
        if asset_id not in self._header(account).debt_ids:
            raise ModelRevert("AssetNotHeld", account, asset_id)
        [debt] = [debt for debt in self._debts(account) if debt.asset_id == asset_id]
        repaid = min(amount, debt.units)
        shares = debt.shares if repaid == debt.units else debt_shares_down(repaid, debt.index)
        self._set_debt(account, asset_id, debt.shares - shares)
        return repaid, self._accrued(asset_id).moved(idle=repaid, debt_shares=-shares)

    # ----------------------------------------------------------------------------------------------------- internal

    def _set_header(self, account: AccountId, header: Header) -> None:
        self._ledger.put(self._ledger.headers, account, header)

    def _set_acted(self, account: AccountId) -> None:
        self._set_header(account, replace(self._header(account), acted_at=self._now))

    def _set_collateral(self, account: AccountId, asset_id: int, amount: int) -> None:
        """Writes a collateral that the account holds already; at 0 it is held no more."""
        self._ledger.put(self._ledger.collateral, (account, asset_id), amount or None)
        if not amount:
            header = self._header(account)
            self._set_header(account, replace(header, collateral_ids=_without(header.collateral_ids, asset_id)))

    def _set_debt(self, account: AccountId, asset_id: int, shares: int) -> None:
        """Writes the shares of a debt; from 0 it is held, at 0 it is held no more."""
        self._ledger.put(self._ledger.debt_shares, (account, asset_id), shares or None)
        header = self._header(account)
        if (asset_id in header.debt_ids) != bool(shares):
            ids = _with(header.debt_ids, asset_id) if shares else _without(header.debt_ids, asset_id)
            self._set_header(account, replace(header, debt_ids=ids))

    def _require_in_order(self, account: AccountId) -> None:
        """What a borrow leaves: the initial margin, and no less debt than the smallest."""
        self._require_initial_margin(account)
        self._require_minimum_debt(account, self._header(account))

    def _require_fresh(self, account: AccountId) -> None:
        """Every price of the account is fresh. Raises PriceNotFresh(assetId)."""
        header = self._header(account)
        for asset_id in (*header.collateral_ids, *header.debt_ids):
            if not self._quotes[asset_id].is_fresh:
                raise ModelRevert("PriceNotFresh", asset_id)

    def _require_initial_margin(self, account: AccountId) -> None:
        self._require_fresh(account)
        power = sum(c.value * self._assets[c.asset_id].ltv_bps for c in self._collaterals(account))
        owed = sum(debt.value for debt in self._debts(account))
        if owed * BPS > power:
            raise ModelRevert("BelowInitialMargin", power // (BPS * RAY_PER_WAD), div_up(owed, RAY_PER_WAD))

    def _require_minimum_debt(self, account: AccountId, header: Header) -> None:
        parameters = self._parameters
        assets_held = len(header.collateral_ids) + len(header.debt_ids)
        minimum = parameters.min_debt_value_wad + parameters.min_debt_per_asset_wad * assets_held
        owed = sum(debt.value for debt in self._debts(account))
        if owed < minimum * RAY_PER_WAD:
            raise ModelRevert("DebtBelowMinimum", div_up(owed, RAY_PER_WAD), minimum)
