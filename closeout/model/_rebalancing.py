"""Borrowers' other ways: by shares, from what is inside the Vault, and many moves under one check at the end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from closeout.model._accounts import Accounts
from closeout.model._ledger import AccountId
from closeout.model._parameters import MAX_AMOUNT
from closeout.model._positions import debt_units_down, debt_units_up

AssetAmounts = tuple[tuple[int, int], ...]
"""Asset ids with token units, in order."""


class Payment(IntEnum):
    """What a repayment is made in."""

    TOKENS = 0
    SUPPLY_SHARES = 1
    CLAIMS = 2


@dataclass(frozen=True, slots=True)
class Rebalancing:
    """Moves of one account under one check. `MAX_UINT256` is all of a collateral withdrawn, or of a debt repaid."""

    withdrawals: AssetAmounts = ()
    borrows: AssetAmounts = ()
    deposits: AssetAmounts = ()
    repayments: AssetAmounts = ()


class Rebalances(Accounts):
    """What composes the moves of an account. A refusal raises ModelRevert and changes nothing."""

    def repay_with(self, caller: str, account: AccountId, asset_id: int, amount: int, payment: Payment) -> int:
        """Repays up to `amount` from what the caller has, here or inside the Vault; returns how much."""
        with self._ledger.transaction():
            repaid, market = self._remove_debt(account, asset_id, amount)
            if payment is Payment.SUPPLY_SHARES:
                # valued with the repayment counted in: debt and shares leave at the same value
                shares = market.less(self.uncovered_loss_of(asset_id)).shares_up(repaid)
                self._burn_supply(asset_id, caller, shares)
                market = market.moved(idle=-repaid, supply_shares=-shares)
            elif payment is Payment.CLAIMS:
                self._debit_claim(caller, asset_id, repaid)
            self._store_market(asset_id, market)
            if payment is Payment.TOKENS:
                self._pull(asset_id, caller, repaid)
            return repaid

    def repay_shares(self, caller: str, account: AccountId, asset_id: int, shares: int) -> int:
        """Repays at least `shares` of a debt, clamped to it; tokens rounded up."""
        return self.repay(caller, account, asset_id, debt_units_up(min(shares, MAX_AMOUNT), self._index_of(asset_id)))

    def borrow_shares(self, caller: str, account: AccountId, asset_id: int, shares: int, to: str | None = None) -> int:
        """Borrows what at most `shares` of debt stand for and returns it; tokens rounded down."""
        self._require_authorized(caller, account)
        amount = debt_units_down(min(shares, MAX_AMOUNT), self._index_of(asset_id))
        self.borrow(caller, account, asset_id, amount, to)
        return amount

    def _index_of(self, asset_id: int) -> int:
        # what is not listed has no index yet, so that nothing is all that can be asked of it
        return self._accrued(asset_id).index if 0 <= asset_id < len(self._assets) else 0

    def rebalance(self, caller: str, account: AccountId, moves: Rebalancing, receiver: str | None = None) -> None:
        """Takes out, then takes in; the initial margin and the smallest debt are checked once, at the end."""
        with self._ledger.transaction():
            self._require_authorized(caller, account)
            for asset_id, amount in moves.withdrawals:
                self._send(asset_id, receiver or caller, self._remove_collateral(account, asset_id, amount))
            for asset_id, amount in moves.borrows:
                self._add_debt(account, asset_id, amount)
                self._send(asset_id, receiver or caller, amount)
            for asset_id, amount in moves.deposits:
                _, is_rescue = self._add_collateral(caller, account, asset_id, amount)
                self._pull(asset_id, caller, amount)
                if not is_rescue:
                    self._require_collateral_cap(asset_id)
            for asset_id, amount in moves.repayments:
                repaid, market = self._remove_debt(account, asset_id, amount)
                self._store_market(asset_id, market)
                self._pull(asset_id, caller, repaid)
            if self._header(account).debt_ids:
                self._require_in_order(account)
