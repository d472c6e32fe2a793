"""The whole Vault as a twin: close-outs, margin calls and write-offs on top of lenders and accounts."""

from __future__ import annotations

from dataclasses import replace

from closeout.model._accounts import RAY_PER_WAD
from closeout.model._close_out import Regime
from closeout.model._ledger import AccountId, BucketState, Deleverage
from closeout.model._parameters import MAX_PENALTY_WAD
from closeout.model._positions import DebtPosition, debt_part_up
from closeout.model._preparation import Preparation, Prepared
from closeout.model._requests import CloseOutRequest, CloseOutResult, WriteOffResult
from closeout.model._reverts import ModelRevert
from closeout.model._rounding import MAX_UINT256, div_up
from closeout.model._settlement import RepaidLeg, SeizedLeg
from closeout.model._vault_base import INSURANCE_FUND, PENALTY_SPLITTER
from closeout.units import WAD


class Vault(Preparation):
    """An integer-exact twin of Vault.sol: same actions, same refusals by name, same token units.

    Amounts are token units, prices, values, rates and health factors WAD, times seconds. Holders are names; assets are
    ids in the order of listing. Every action takes its caller first; one that the contract would refuse raises
    ModelRevert with the name of the custom error and changes nothing.
    """

    def close_out(self, caller: str, request: CloseOutRequest) -> CloseOutResult:
        """Closes out an unhealthy account: the same fraction of every selected debt and collateral."""
        with self._ledger.transaction():
            prepared = self._prepare(request)
            result = self._result_of(request, prepared)
            if not result.is_executed:
                self._put_on_call(request.account)
                return result
            receiver = request.receiver or caller
            for seized in result.seized:
                self._book_seized(request.account, seized)
                self._pay_liquidator(seized, receiver, seized.asset_id in request.as_claims)
            debts = {debt.asset_id: debt for debt in prepared.debts}
            for repaid in result.repaid:
                self._book_repaid(request, debts[repaid.asset_id], prepared, repaid, caller)
            if result.regime is Regime.RESTORATIVE and self._has_size_limit(result):
                self._take_from_buckets(prepared)
            self._clear_call_if_healthy(request.account, result.health_factor_after_wad)
            return result

    def write_off(self, caller: str, account: AccountId) -> WriteOffResult:
        """Ends an insolvent account whose collateral is worth less than `dust_value`. Anyone may."""
        with self._ledger.transaction():
            prepared = Prepared(self._collaterals(account), self._debts(account))
            value, owed = prepared.collateral_value, prepared.debt_value
            if not prepared.is_insolvent(self._parameters.bonus_floor_wad):
                raise ModelRevert("AccountNotInsolvent", value // RAY_PER_WAD, div_up(owed, RAY_PER_WAD))
            dust = self._parameters.dust_value_wad
            if value and value >= dust * RAY_PER_WAD:
                raise ModelRevert("CollateralNotDust", value // RAY_PER_WAD, dust)
            prepared.write_off_rest()
            result = WriteOffResult(self._seized_legs(prepared), self._repaid_legs(prepared))
            for seized in result.seized:
                self._book_seized(account, seized)
            debts = {debt.asset_id: debt for debt in prepared.debts}
            for repaid in result.repaid:
                self._book_repaid(CloseOutRequest(account), debts[repaid.asset_id], prepared, repaid, caller)
            self._clear_call_if_healthy(account, MAX_UINT256)
            return result

    # ------------------------------------------------------------------------------------------------- margin calls

    def margin_call(self, account: AccountId) -> None:
        """Puts an account below the margin-call level on call; one that is on call stays as it is."""
        with self._ledger.transaction():
            health, level = self.health_of(account).health_factor_wad, self._parameters.margin_call_health_factor_wad
            if health >= level or self._is_on_call(self._header(account)):
                raise ModelRevert("MarginCallRefused", health, level)
            self._put_on_call(account)

    def clear_margin_call(self, account: AccountId) -> None:
        """Clears the call of an account that is back at the margin-call level."""
        with self._ledger.transaction():
            if not self._header(account).called_at:
                raise ModelRevert("NotOnCall", account)
            health, level = self.health_of(account).health_factor_wad, self._parameters.margin_call_health_factor_wad
            if health < level:
                raise ModelRevert("MarginCallRefused", health, level)
            self._clear_call_if_healthy(account, health)

    def set_deleverage(self, caller: str, account: AccountId, terms: Deleverage | None) -> None:
        """Opts an account in to being closed out early, or out. Only its owner, not an operator."""
        with self._ledger.transaction():
            if caller != account.owner:
                raise ModelRevert("NotAuthorized", account.owner, caller)
            if terms is not None:
                trigger, target = terms.trigger_health_factor_wad, terms.target_health_factor_wad
                is_health = (
                    WAD < trigger <= 2 * WAD and trigger < target <= self._parameters.max_target_health_factor_wad
                )
                if not is_health or not self._parameters.bonus_floor_wad <= terms.penalty_wad <= MAX_PENALTY_WAD:
                    raise ModelRevert("DeleverageOutOfRange", trigger, target, terms.penalty_wad)
            self._ledger.put(self._ledger.deleverages, account, terms)

    def _put_on_call(self, account: AccountId) -> None:
        self._set_header(account, replace(self._header(account), called_at=self._now))

    def _clear_call_if_healthy(self, account: AccountId, health: int) -> None:
        header = self._header(account)
        if header.called_at and health >= self._parameters.margin_call_health_factor_wad:
            self._set_header(account, replace(header, called_at=0))

    # --------------------------------------------------------------------------------------------------- settlement

    def _book_seized(self, account: AccountId, leg: SeizedLeg) -> None:
        balance = self._ledger.collateral[account, leg.asset_id]
        self._set_collateral(account, leg.asset_id, balance - leg.seized)
        self._ledger.add(self._ledger.claims, (PENALTY_SPLITTER, leg.asset_id), leg.to_protocol)
        self._ledger.add(self._ledger.claims, (INSURANCE_FUND, leg.asset_id), leg.to_insurance)

    def _pay_liquidator(self, leg: SeizedLeg, receiver: str, is_claim: bool) -> None:
        if is_claim:
            self._ledger.add(self._ledger.claims, (receiver, leg.asset_id), leg.to_liquidator)
        else:
            self._send(leg.asset_id, receiver, leg.to_liquidator)

    def _book_repaid(
        self, request: CloseOutRequest, debt: DebtPosition, prepared: Prepared, leg: RepaidLeg, caller: str
    ) -> None:
        """Burns debt, books bad debt to the fund and then the lenders, takes the repayment from the caller."""
        asset_id, account = leg.asset_id, request.account
        burnt = prepared.extinguished[asset_id].shares
        self._set_debt(account, asset_id, debt.shares - burnt)
        self._ledger.add(self._ledger.claims, (INSURANCE_FUND, asset_id), -leg.covered)
        if leg.bad_debt:
            self._realize_loss(account, asset_id, leg.bad_debt, is_last=burnt == debt.shares)
        market = self._accrued(asset_id).moved(idle=leg.repaid + leg.covered, debt_shares=-burnt)
        if asset_id in request.from_shares:
            # the loss is booked before shares are valued: who pays with them bears his part of it
            shares = market.less(self.uncovered_loss_of(asset_id)).shares_up(leg.repaid)
            self._burn_supply(asset_id, caller, shares)
            market = market.moved(idle=-leg.repaid, supply_shares=-shares)
        elif asset_id in request.from_claims:
            self._debit_claim(caller, asset_id, leg.repaid)
        else:
            self._pull(asset_id, caller, leg.repaid)
        self._store_market(asset_id, market)

    # --------------------------------------------------------------------------------------- losses not booked yet

    def note_insolvency(self, account: AccountId) -> None:
        """Notes what a whole close-out of an insolvent account would book as bad debt now; else lifts the note."""
        with self._ledger.transaction():
            prepared = Prepared(self._collaterals(account), self._debts(account))
            value, owed, floor = prepared.collateral_value, prepared.debt_value, self._parameters.bonus_floor_wad
            noted = [asset_id for holder, asset_id in self._ledger.noted_losses if holder == account]
            if not prepared.is_insolvent(floor) and not noted:
                raise ModelRevert("AccountNotInsolvent", value // RAY_PER_WAD, div_up(owed, RAY_PER_WAD))
            for asset_id in noted:
                self._ledger.put(self._ledger.noted_losses, (account, asset_id), None)
            if not prepared.is_insolvent(floor):
                return
            repaid_value = min(owed, div_up(value * WAD, WAD + floor))
            for debt in prepared.debts:
                loss = debt.units - debt_part_up(debt.shares, debt.index, repaid_value, owed)
                self._ledger.put(self._ledger.noted_losses, (account, debt.asset_id), loss or None)

    def noted_loss_of(self, account: AccountId, asset_id: int) -> int:
        """What is noted of one account's debt, token units."""
        return self._ledger.noted_losses.get((account, asset_id), 0)

    def _realize_loss(self, account: AccountId, asset_id: int, bad_debt: int, *, is_last: bool) -> None:
        """Takes booked bad debt off the note; with the last of the debt all of it."""
        noted = self.noted_loss_of(account, asset_id)
        left = 0 if is_last else max(0, noted - bad_debt)
        self._ledger.put(self._ledger.noted_losses, (account, asset_id), left or None)

    # -------------------------------------------------------------------------------------------------- size buckets

    def _has_size_limit(self, result: CloseOutResult) -> bool:
        return self._parameters.health_for_max_bonus_wad <= result.health_factor_before_wad < WAD

    def _take_from_buckets(self, prepared: Prepared) -> None:
        for collateral in prepared.collaterals:
            asset_id = collateral.asset_id
            if asset_id in prepared.seized and self._assets[asset_id].bucket is not None:
                value = replace(collateral.exchanged, amount=prepared.seized[asset_id].seized).value
                used = self._bucket_used(asset_id) + value // RAY_PER_WAD
                self._ledger.put(self._ledger.buckets, asset_id, BucketState(used, self._now))
