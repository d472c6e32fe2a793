"""What all rooms of the Vault's twin share: configuration, time, prices, storage."""

from __future__ import annotations

from collections.abc import Iterable

from closeout.model._interest import Market, accrued
from closeout.model._ledger import AccountId, Header, Ledger
from closeout.model._parameters import (
    MAX_ASSETS,
    MAX_PRICE_WAD,
    AssetParameters,
    ParameterOutOfBounds,
    ProtocolParameters,
)
from closeout.model._positions import CollateralPosition, DebtPosition
from closeout.model._quotes import Quote, Status
from closeout.model._reverts import ModelRevert
from closeout.units import WAD

INSURANCE_FUND = "insurance fund"
PENALTY_SPLITTER = "penalty splitter"
TREASURY = "treasury"
"""Holders of claims and supply shares that are the protocol's own. Everybody else is any other name."""

_NO_HEADER = Header()


class VaultBase:
    """Configuration, clock, prices and storage of one Vault. Time is in seconds and starts above 0."""

    def __init__(self, parameters: ProtocolParameters, now: int = 1) -> None:
        if now < 1:
            raise ParameterOutOfBounds("now", now, "a time above 0")
        self._parameters = parameters
        self._assets: list[AssetParameters] = []
        self._quotes: list[Quote] = []
        self._volatility_targets: dict[int, int] = {}
        self._now = now
        self._paused_borrowing: frozenset[int] = frozenset()
        self._paused_withdrawing: frozenset[int] = frozenset()
        self._ledger = Ledger()

    # ------------------------------------------------------------------------------------------------ configuration

    @property
    def parameters(self) -> ProtocolParameters:
        """The protocol's parameters."""
        return self._parameters

    @property
    def assets(self) -> tuple[AssetParameters, ...]:
        """Listed assets; an asset's id is its place here."""
        return tuple(self._assets)

    @property
    def now(self) -> int:
        """Time in seconds."""
        return self._now

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """Every account that ever held something, in order of first use."""
        return tuple(self._ledger.headers)

    def list_asset(self, asset: AssetParameters, price_wad: int) -> int:
        """Lists an asset and returns its id. Raises ParameterOutOfBounds."""
        if len(self._assets) == MAX_ASSETS:
            raise ParameterOutOfBounds("assets", len(self._assets) + 1, f"at most {MAX_ASSETS}")
        asset.check_with(self._parameters)
        asset_id = len(self._assets)
        self._assets.append(asset)
        self._quotes.append(Quote.missing(0))
        self.set_price(asset_id, price_wad)
        self._ledger.markets[asset_id] = Market(accrued_at=self._now)
        return asset_id

    def set_parameters(self, parameters: ProtocolParameters) -> None:
        """Plugs in other protocol parameters. Raises ParameterOutOfBounds."""
        for asset in self._assets:
            asset.check_with(parameters)
        self._parameters = parameters

    def set_price(self, asset_id: int, price_wad: int) -> None:
        """Sets a fresh price of a whole token, WAD. Raises ParameterOutOfBounds unless above 0, at most 1e12 USD."""
        self.set_quote(asset_id, Quote.fresh(price_wad))

    def set_quote(self, asset_id: int, quote: Quote) -> None:
        """Sets what is known of a price. Raises ParameterOutOfBounds.

        A price is above 0 and at most 1e12 USD. In doubt, collateral counts at no less than debt, and what is exchanged
        lies between the two; a missing collateral may be cut to nothing.
        """
        name, low, high = f"{self._asset(asset_id).name}.price", quote.debt_wad, quote.collateral_wad
        if not 0 < low <= MAX_PRICE_WAD:
            raise ParameterOutOfBounds(name, low, "above 0, at most 1e12 USD")
        if quote.status is Status.MISSING:
            if not 0 <= high <= low:
                raise ParameterOutOfBounds(name, high, f"at most the last good price, {low}")
        elif not low <= high <= MAX_PRICE_WAD:
            raise ParameterOutOfBounds(name, high, f"at least {low}, at most 1e12 USD")
        elif not low <= quote.exchange_wad <= high:
            raise ParameterOutOfBounds(name, quote.exchange_wad, f"between {low} and {high}")
        self._quotes[asset_id] = quote

    def quote_of(self, asset_id: int) -> Quote:
        """What is known of the price of one whole token."""
        self._asset(asset_id)
        return self._quotes[asset_id]

    def price_of(self, asset_id: int) -> int:
        """Price of one whole token that amounts are exchanged at, WAD; the last good one where it is missing."""
        quote = self.quote_of(asset_id)
        return quote.debt_wad if quote.status is Status.MISSING else quote.exchange_wad

    def set_volatility_target(self, asset_id: int, target_wad: int | None) -> None:
        """What the volatility oracle says an account of this collateral alone should end at; None: nothing."""
        self._asset(asset_id)
        if target_wad is None:
            self._volatility_targets.pop(asset_id, None)
            return
        most = self._parameters.max_target_health_factor_wad
        if not WAD <= target_wad <= most:
            raise ParameterOutOfBounds(f"{self._assets[asset_id].name}.target", target_wad, f"between 1 and {most}")
        self._volatility_targets[asset_id] = target_wad

    def advance_to(self, now: int) -> None:
        """Moves the clock; never back."""
        if now < self._now:
            raise ParameterOutOfBounds("now", now, f"at least {self._now}")
        self._now = now

    def set_pauses(self, borrowing: Iterable[int] = (), withdrawing: Iterable[int] = ()) -> None:
        """Stops borrowing of, and withdrawing while owing from, the assets in the two sets."""
        self._paused_borrowing = frozenset(borrowing)
        self._paused_withdrawing = frozenset(withdrawing)

    def set_operator(self, caller: str, operator: str, is_approved: bool) -> None:
        """Lets `operator` act for all of the caller's accounts, or no longer."""
        with self._ledger.transaction():
            self._ledger.put(self._ledger.operators, (caller, operator), is_approved or None)

    # ----------------------------------------------------------------------------------------------------- internal

    def _asset(self, asset_id: int) -> AssetParameters:
        if not 0 <= asset_id < len(self._assets):
            raise ModelRevert("AssetNotListed", asset_id)
        return self._assets[asset_id]

    def _header(self, account: AccountId) -> Header:
        return self._ledger.headers.get(account, _NO_HEADER)

    def _require_authorized(self, caller: str, account: AccountId) -> None:
        if caller != account.owner and not self.is_operator(account.owner, caller):
            raise ModelRevert("NotAuthorized", account.owner, caller)

    def is_operator(self, owner: str, operator: str) -> bool:
        """Whether `operator` may act for the accounts of `owner`."""
        return self._ledger.operators.get((owner, operator), False)

    def _accrued(self, asset_id: int) -> Market:
        """The market at this second, not stored."""
        return self._accrue(asset_id)[0]

    def _accrue(self, asset_id: int) -> tuple[Market, int]:
        return accrued(self._ledger.markets[asset_id], self._now, self._assets[asset_id].reserve_factor_bps)

    def _store_market(self, asset_id: int, market: Market) -> None:
        """Writes an accrued market that an action changed, with the rate of what it left."""
        self._put_market(asset_id, market.latched(self._assets[asset_id].rate))

    def _put_market(self, asset_id: int, market: Market) -> None:
        """Writes an accrued market; books the treasury's shares."""
        _, fee_shares = self._accrue(asset_id)
        if fee_shares:
            self._ledger.add(self._ledger.supply_shares, (TREASURY, asset_id), fee_shares)
        self._ledger.put(self._ledger.markets, asset_id, market)

    def _pull(self, asset_id: int, holder: str, amount: int) -> None:
        """Tokens from a holder's wallet into the Vault."""
        self._ledger.add(self._ledger.wallets, (holder, asset_id), -amount)
        self._ledger.add(self._ledger.balances, asset_id, amount)

    def _send(self, asset_id: int, holder: str, amount: int) -> None:
        """Tokens from the Vault into a holder's wallet."""
        self._ledger.add(self._ledger.wallets, (holder, asset_id), amount)
        self._ledger.add(self._ledger.balances, asset_id, -amount)

    def _collaterals(self, account: AccountId) -> list[CollateralPosition]:
        """The account's collaterals at this second's deciding prices, in ascending asset ids."""
        positions = []
        for asset_id in self._header(account).collateral_ids:
            asset, quote = self._assets[asset_id], self._quotes[asset_id]
            positions.append(
                CollateralPosition(
                    asset_id,
                    self._ledger.collateral[account, asset_id],
                    quote.collateral_wad,
                    asset.decimals,
                    asset.liquidation_threshold_bps,
                    asset.max_bonus_bps,
                    quote.status,
                    quote.exchange_wad,
                )
            )
        return positions

    def _debts(self, account: AccountId) -> list[DebtPosition]:
        """The account's debts, accrued to this second, at its deciding prices, in ascending asset ids."""
        positions = []
        for asset_id in self._header(account).debt_ids:
            quote = self._quotes[asset_id]
            positions.append(
                DebtPosition(
                    asset_id,
                    self._ledger.debt_shares[account, asset_id],
                    self._accrued(asset_id).index,
                    quote.debt_wad,
                    self._assets[asset_id].decimals,
                    quote.status,
                    quote.exchange_wad,
                )
            )
        return positions
