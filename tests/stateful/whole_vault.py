"""The reference model with everything else that can be called from outside.

Composed of the model's own actions: mint, the ERC-4626 face and its allowances, repaying from inside, rebalancing,
flash loans, signatures, multicall, the fund, donations, tokens that misbehave, and close-outs paid for on Uniswap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from closeout.model import (
    INSURANCE_FUND,
    MAX_AMOUNT,
    MAX_UINT256,
    PENALTY_SPLITTER,
    TREASURY,
    AccountId,
    AssetParameters,
    CloseOutRequest,
    CloseOutResult,
    CollateralPosition,
    Market,
    ModelRevert,
    ProtocolParameters,
    SeizedLeg,
    Vault,
    debt_shares_down,
    debt_units_down,
    debt_units_up,
    div_up,
    mul_div_up,
)
from closeout.model._ledger import Ledger
from closeout.units import BPS, WAD
from tests.support.tokens import Mood
from tests.unit.periphery.pool_math import Pool

FLASH = "flash liquidator"
DEAD = frozenset(
    {
        Mood.REVERTS,
        Mood.REVERTS_SILENTLY,
        Mood.RETURNS_FALSE,
        Mood.RETURNS_TWO,
        Mood.RETURNS_LITTLE,
        Mood.BURNS_GAS,
        Mood.REVERTS_BOMB,
    }
)
"""Moods in which a token moves nothing and says so, or says nothing that can be believed."""

Moves = Sequence[tuple[int, int]]
"""Asset ids with amounts, in order."""


def token_of(asset_id: int) -> str:
    """The party that an asset's token is."""
    return f"token {asset_id}"


def face_of(asset_id: int) -> str:
    """The party that an asset's SupplyToken is."""
    return f"supply token {asset_id}"


@dataclass(frozen=True, slots=True)
class FlashOrder:
    """A close-out of one pair, paid for by selling what was seized in the pool of the two."""

    account: AccountId
    collateral: int
    debt: int
    fill_wad: int
    sells_all: bool


@dataclass(frozen=True, slots=True)
class Ramp:
    """A threshold on its way down, bps; times in seconds."""

    start: int
    target: int
    ends_at: int
    duration: int


class NestingLedger(Ledger):
    """A transaction inside another is part of it."""

    _is_open = False

    @contextmanager
    def transaction(self) -> Iterator[None]:
        if self._is_open:
            yield
            return
        self._is_open = True
        try:
            with super().transaction():
                yield
        finally:
            self._is_open = False


class WholeVault(Vault):
    """Parties are names. What is set before a history begins: `flash_fees` (bps), `pools`, `weights`."""

    def __init__(self, parameters: ProtocolParameters, now: int = 1) -> None:
        super().__init__(parameters, now)
        self._ledger: NestingLedger = NestingLedger()
        self._margins_are_open = False
        self.allowances: dict[tuple[int, str, str], int] = {}
        self.moods: dict[int, tuple[Mood, Mood]] = {}
        self.nonces: dict[str, int] = {}
        self.fund_tokens: dict[int, int] = {}
        self.donated: dict[int, int] = {}
        self.pools: dict[frozenset[int], Pool] = {}
        self.token_addresses: dict[int, str] = {}
        self.flash_fees: dict[int, int] = {}
        self.ramps: dict[int, Ramp] = {}
        self.steward_next: dict[int, int] = {}
        self.weights: tuple[int, int] = (0, 0)

    # ------------------------------------------------------------------------------------------------------- tokens

    def _pull(self, asset_id: int, holder: str, amount: int) -> None:
        self.require_pull(asset_id, amount)
        super()._pull(asset_id, holder, amount)

    def require_pull(self, asset_id: int, amount: int, *, also_nothing: bool = False) -> None:
        """Refuses what a token that misbehaves does not move."""
        mood = self.moods.get(asset_id, (Mood.ORDINARY, Mood.ORDINARY))[1]
        if mood in DEAD and (amount or also_nothing):
            raise ModelRevert("TransferFromFailed")
        received = {Mood.LIES: 0, Mood.RETURNS_BOMB: 0, Mood.TAKES_FEE: amount - amount // 100}.get(mood, amount)
        if received != amount:
            raise ModelRevert("TransferMismatch", token_of(asset_id), amount, received)

    def _send(self, asset_id: int, holder: str, amount: int) -> None:
        if self.is_dead(asset_id):
            raise ModelRevert("TransferFailed")
        super()._send(asset_id, holder, amount)

    def is_dead(self, asset_id: int) -> bool:
        """Whether a token refuses to be sent."""
        return self.moods.get(asset_id, (Mood.ORDINARY, Mood.ORDINARY))[0] in DEAD

    def _pay_liquidator(self, leg: SeizedLeg, receiver: str, is_claim: bool) -> None:
        super()._pay_liquidator(leg, receiver, is_claim or self.is_dead(leg.asset_id))

    def donate(self, caller: str, asset_id: int, amount: int) -> None:
        """Tokens sent to the Vault uncalled: nobody's."""
        super()._pull(asset_id, caller, amount)
        self.donated[asset_id] = self.donated.get(asset_id, 0) + amount

    def feed_fund(self, caller: str, asset_id: int, amount: int) -> None:
        """Tokens sent to the insurance fund, to be absorbed."""
        self._ledger.add(self._ledger.wallets, (caller, asset_id), -amount)
        self.fund_tokens[asset_id] = self.fund_tokens.get(asset_id, 0) + amount

    def absorb(self, asset_id: int) -> int:
        """InsuranceFund.absorb."""
        amount = self.fund_tokens.get(asset_id, 0)
        self.credit_claim(INSURANCE_FUND, asset_id, amount, INSURANCE_FUND)
        self.fund_tokens[asset_id] = 0
        return amount

    def split(self, asset_id: int) -> None:
        """PenaltySplitter.split: to the fund inside the Vault, the rest in tokens."""
        with self._ledger.transaction():
            amount = self.claim_of(PENALTY_SPLITTER, asset_id)
            if amount:
                self.claim(PENALTY_SPLITTER, asset_id, amount)
            to_insurance = amount - sum(amount * weight // WAD for weight in self.weights)
            if to_insurance:
                self.credit_claim(PENALTY_SPLITTER, asset_id, to_insurance, INSURANCE_FUND)

    # ------------------------------------------------------------------------------------------------------ lenders

    def mint(self, caller: str, asset_id: int, shares: int, receiver: str) -> int:
        """Vault.mint."""
        with self._ledger.transaction():
            asset = self._asset(asset_id)
            market = self._accrued(asset_id)
            assets = _assets_up(market, shares)
            if not assets or not shares:
                raise ModelRevert("ZeroAmount")
            if not asset.is_borrowable:
                raise ModelRevert("AssetNotBorrowable", asset_id)
            total = market.supply_assets + assets
            if total > asset.supply_cap:
                raise ModelRevert("CapExceeded", asset_id, total, asset.supply_cap)
            self._store_market(asset_id, market.moved(idle=assets, supply_shares=shares))
            self._ledger.add(self._ledger.supply_shares, (receiver, asset_id), shares)
            self._pull(asset_id, caller, assets)
            return assets

    def face_deposit(self, caller: str, asset_id: int, assets: int, receiver: str) -> int:
        """SupplyToken.deposit: it takes the tokens first."""
        self.require_pull(asset_id, assets, also_nothing=True)
        return self.supply(caller, asset_id, assets, receiver)

    def face_mint(self, caller: str, asset_id: int, shares: int, receiver: str) -> int:
        """SupplyToken.mint."""
        self.require_pull(asset_id, _assets_up(self.market_of(asset_id), shares), also_nothing=True)
        return self.mint(caller, asset_id, shares, receiver)

    def face_withdraw(self, caller: str, asset_id: int, assets: int, receiver: str, owner: str) -> int:
        """SupplyToken.withdraw: by the owner, or out of an allowance."""
        with self._ledger.transaction():
            self._spend(asset_id, owner, caller, self._left_by(asset_id, self.market_of(asset_id)).shares_up(assets))
            return self.withdraw(owner, asset_id, assets, receiver, owner)

    def face_redeem(self, caller: str, asset_id: int, shares: int, receiver: str, owner: str) -> int:
        """SupplyToken.redeem."""
        with self._ledger.transaction():
            self._spend(asset_id, owner, caller, shares)
            return self.redeem(owner, asset_id, shares, receiver, owner)

    def face_approve(self, caller: str, asset_id: int, spender: str, shares: int) -> int:
        """SupplyToken.approve."""
        self.allowances[asset_id, caller, spender] = shares
        return 1

    def face_transfer(self, caller: str, asset_id: int, to: str, shares: int) -> int:
        """SupplyToken.transfer: no principal moves, so the rate stays."""
        with self._ledger.transaction():
            market, fee_shares = self._accrue(asset_id)
            if fee_shares:
                self._ledger.add(self._ledger.supply_shares, (TREASURY, asset_id), fee_shares)
            self._ledger.put(self._ledger.markets, asset_id, market)
            self._burn_supply(asset_id, caller, shares)
            self._ledger.add(self._ledger.supply_shares, (to, asset_id), shares)
            return 1

    def face_transfer_from(self, caller: str, asset_id: int, owner: str, to: str, shares: int) -> int:
        """SupplyToken.transferFrom: out of an allowance, also of one's own."""
        with self._ledger.transaction():
            self._spend(asset_id, owner, caller, shares, is_own=False)
            return self.face_transfer(owner, asset_id, to, shares)

    def _spend(self, asset_id: int, owner: str, caller: str, shares: int, *, is_own: bool = True) -> None:
        if caller == owner and is_own:
            return
        allowed = self.allowances.get((asset_id, owner, caller), 0)
        if allowed == MAX_UINT256:
            return
        if allowed < shares:
            raise ModelRevert("ERC20InsufficientAllowance", caller, allowed, shares)
        self._ledger.put(self.allowances, (asset_id, owner, caller), allowed - shares)

    def _left_by(self, asset_id: int, market: Market) -> Market:
        """The market as who leaves it finds it: less his part of losses that are noted."""
        return market.less(self.uncovered_loss_of(asset_id))

    def flash_loan(self, asset_id: int, amount: int, receiver: str) -> int:
        """Vault.flashLoan to a receiver that gives back what it owes."""
        with self._ledger.transaction():
            if amount == 0:
                raise ModelRevert("ZeroAmount")
            market = self._accrued(asset_id)
            if amount > market.idle:
                raise ModelRevert("InsufficientLiquidity", market.idle, amount)
            if self.is_dead(asset_id):
                raise ModelRevert("TransferFailed")
            fee = div_up(amount * self.flash_fees.get(asset_id, 0), BPS)
            self.require_pull(asset_id, amount + fee)
            self._store_market(asset_id, market.moved(idle=fee))
            super()._pull(asset_id, receiver, fee)
            return 1

    # ---------------------------------------------------------------------------------------------------- borrowers

    def repay_with(self, caller: str, account: AccountId, asset_id: int, amount: int, payment: int) -> int:
        """Vault.repayWith; `payment`: 0 tokens, 1 supply shares, 2 claims."""
        if payment == 0:
            return self.repay(caller, account, asset_id, amount)
        with self._ledger.transaction():
            if amount == 0:
                raise ModelRevert("ZeroAmount")
            if asset_id not in self._header(account).debt_ids:
                raise ModelRevert("AssetNotHeld", account, asset_id)
            [debt] = [debt for debt in self._debts(account) if debt.asset_id == asset_id]
            repaid = min(amount, debt.units)
            burnt = debt.shares if repaid == debt.units else debt_shares_down(repaid, debt.index)
            market = self._accrued(asset_id).moved(idle=repaid, debt_shares=-burnt)
            if payment == 1:
                shares = self._left_by(asset_id, market).shares_up(repaid)
                self._burn_supply(asset_id, caller, shares)
                market = market.moved(idle=-repaid, supply_shares=-shares)
            else:
                self._debit_claim(caller, asset_id, repaid)
            self._store_market(asset_id, market)
            self._set_debt(account, asset_id, debt.shares - burnt)
            return repaid

    def repay_shares(self, caller: str, account: AccountId, asset_id: int, shares: int) -> int:
        """Vault.repayShares."""
        return self.repay(
            caller, account, asset_id, debt_units_up(min(shares, MAX_AMOUNT), self._accrued(asset_id).index)
        )

    def borrow_shares(self, caller: str, account: AccountId, asset_id: int, shares: int, to: str) -> int:
        """Vault.borrowShares."""
        amount = debt_units_down(min(shares, MAX_AMOUNT), self._accrued(asset_id).index)
        self.borrow(caller, account, asset_id, amount, to)
        return amount

    def rebalance(
        self, caller: str, account: AccountId, moves: tuple[Moves, Moves, Moves, Moves], receiver: str
    ) -> None:
        """Vault.rebalance: withdrawals, borrows, deposits, repayments, and one look at the margins at the end."""
        withdrawals, borrows, deposits, repayments = moves
        with self._ledger.transaction():
            self._require_authorized(caller, account)
            self._margins_are_open = True
            try:
                for asset_id, amount in withdrawals:
                    self.withdraw_collateral(caller, account, asset_id, amount, receiver)
                for asset_id, amount in borrows:
                    self.borrow(caller, account, asset_id, amount, receiver)
                for asset_id, amount in deposits:
                    self.deposit_collateral(caller, account, asset_id, amount)
                for asset_id, amount in repayments:
                    self.repay(caller, account, asset_id, amount)
            finally:
                self._margins_are_open = False
            header = self._header(account)
            if header.debt_ids:
                self._require_initial_margin(account)
                self._require_minimum_debt(account, header)

    def _require_initial_margin(self, account: AccountId) -> None:
        if not self._margins_are_open:
            super()._require_initial_margin(account)

    def _require_minimum_debt(self, account: AccountId, header: Any) -> None:
        if not self._margins_are_open:
            super()._require_minimum_debt(account, header)

    def together(self, parts: Sequence[Callable[[WholeVault], Any]]) -> None:
        """Vault.multicall: all of it or nothing."""
        with self._ledger.transaction():
            for part in parts:
                part(self)

    # --------------------------------------------------------------------------------------------------- signatures

    def set_operator_by_signature(
        self, owner: str, operator: str, is_approved: bool, deadline: int, is_genuine: bool
    ) -> None:
        """Vault.setOperatorBySig. A forged signature uses up no nonce: the whole call is undone."""
        if self.now > deadline:
            raise ModelRevert("SignatureExpired", deadline, self.now)
        if not is_genuine:
            raise ModelRevert("SignatureInvalid", owner)
        self.nonces[owner] = self.nonces.get(owner, 0) + 1
        self.set_operator(owner, operator, is_approved)

    def invalidate_nonces(self, caller: str, following: int) -> None:
        """Vault.invalidateNonces."""
        current = self.nonces.get(caller, 0)
        if following <= current:
            raise ModelRevert("NonceNotLater", current, following)
        self.nonces[caller] = following

    # --------------------------------------------------------------------------------------------------- close-outs

    def flash_close_out(self, caller: str, order: FlashOrder) -> CloseOutResult:
        """FlashLiquidator.closeOut of one pair, over the pool of the two."""
        with self._ledger.transaction():
            request = CloseOutRequest(
                order.account,
                collaterals=frozenset({order.collateral}),
                debts=frozenset({order.debt}),
                fill_wad=order.fill_wad,
                receiver=FLASH,
            )
            result = self.close_out(FLASH, request)
            if not result.is_executed:
                raise ModelRevert("GraceNotStarted", order.account)
            self._trade(order, *self._amounts_of(order, result))
            for asset_id in (order.collateral, order.debt):
                left = self.wallet_of(FLASH, asset_id)
                self._ledger.add(self._ledger.wallets, (FLASH, asset_id), -left)
                self._ledger.add(self._ledger.wallets, (caller, asset_id), left)
            return result

    @staticmethod
    def _amounts_of(order: FlashOrder, result: CloseOutResult) -> tuple[int, int]:
        seized = sum(leg.to_liquidator for leg in result.seized if leg.asset_id == order.collateral)
        return seized, sum(leg.repaid for leg in result.repaid if leg.asset_id == order.debt)

    def _trade(self, order: FlashOrder, held: int, owed: int) -> None:
        key = frozenset({order.collateral, order.debt})
        pool, sold = self.pools[key], self.token_addresses[order.collateral]
        cost, gained = 0, 0
        if order.sells_all:
            if held:
                cost = held
                gained, pool = pool.sell(sold, held)
        elif owed:
            gained = owed
            cost, pool = pool.buy(self.token_addresses[order.debt], owed)
            if cost > held:
                raise ModelRevert("SaleTooLarge", token_of(order.collateral), held, cost)
        if gained < owed:
            raise ModelRevert("DebtNotCovered", token_of(order.debt), gained, owed)
        self._ledger.put(self.pools, key, pool)
        self._ledger.add(self._ledger.wallets, (FLASH, order.collateral), -cost)
        self._ledger.add(self._ledger.wallets, (FLASH, order.debt), gained)

    # ------------------------------------------------------------------------------------------------------- control

    def change_asset(self, asset_id: int, asset: AssetParameters, ramp: Ramp | None) -> None:
        """RiskConfigurator.setAsset: a lower threshold is reached on a line."""
        if asset.reserve_factor_bps != self._assets[asset_id].reserve_factor_bps:
            # interest until now is shared by the old terms
            with self._ledger.transaction():
                self._put_market(asset_id, self._accrued(asset_id))
        self._assets[asset_id] = asset
        self.ramps.pop(asset_id, None)
        if ramp is not None:
            self.ramps[asset_id] = ramp

    def threshold_of(self, asset_id: int) -> int:
        """Liquidation threshold now, bps: on its way down rounded up."""
        ramp = self.ramps.get(asset_id)
        if ramp is None or self.now >= ramp.ends_at:
            return self._assets[asset_id].liquidation_threshold_bps
        return ramp.target + div_up((ramp.start - ramp.target) * (ramp.ends_at - self.now), ramp.duration)

    def _collaterals(self, account: AccountId) -> list[CollateralPosition]:
        held = super()._collaterals(account)
        return [replace(c, threshold_bps=self.threshold_of(c.asset_id)) for c in held] if self.ramps else held


def _assets_up(market: Market, shares: int) -> int:
    """What exactly `shares` of supply cost, token units, rounded up: with the virtual unit and shares."""
    return mul_div_up(shares, market.supply_assets + 1, market.supply_shares + 10**6)
