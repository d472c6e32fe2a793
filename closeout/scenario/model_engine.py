"""The engine without a chain: the reference model's Vault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from closeout.model import (
    INSURANCE_FUND,
    MAX_UINT256,
    PENALTY_SPLITTER,
    AccountId,
    Answer,
    AssetParameters,
    CloseOutRequest,
    CloseOutResult,
    ModelRevert,
    ProtocolParameters,
    Quote,
    RateParameters,
    RouterRecord,
    Vault,
    mul_div_down,
)
from closeout.units import WAD

from .engine import AccountState, CloseOutRecord, Outcome
from .world import Account, Asset, CloseOut, FeedStatus, MarginCall, Move, Protocol, SetFeed, World

__all__ = ["ModelEngine", "protocol_parameters"]

# The model's clock starts above 0: 0 stands for "never".
_OPENED_AT = 1
_LENDER = "lender"
_LIQUIDATOR = "liquidator"
_SPONSOR = "sponsor"


def protocol_parameters(protocol: Protocol) -> ProtocolParameters:
    """A scenario's protocol as the model takes it."""
    return ProtocolParameters(
        target_health_factor_wad=protocol.target_health_wad,
        margin_call_health_factor_wad=protocol.margin_call_health_wad,
        bonus_floor_wad=protocol.bonus_floor_wad,
        min_bonus_fraction_wad=protocol.min_bonus_fraction_wad,
        health_for_max_bonus_wad=protocol.health_for_max_bonus_wad,
        steepness_wad=protocol.steepness_wad,
        fee_share_wad=protocol.fee_share_wad,
        min_debt_value_wad=protocol.min_debt_value_wad,
        min_debt_per_asset_wad=protocol.min_debt_per_asset_wad,
        dust_value_wad=protocol.dust_value_wad,
        grace_period=protocol.grace_period,
        hard_floor_wad=protocol.hard_floor_wad,
        call_lifetime=protocol.call_lifetime,
        backstop_delay=protocol.backstop_delay,
    )


def _asset_parameters(asset: Asset) -> AssetParameters:
    parameters = AssetParameters(name=asset.name, decimals=asset.decimals)
    if asset.collateral is not None:
        terms = asset.collateral
        parameters = replace(
            parameters,
            is_collateral=True,
            ltv_bps=terms.ltv_bps,
            liquidation_threshold_bps=terms.liquidation_threshold_bps,
            max_bonus_bps=terms.max_bonus_bps,
        )
    if asset.borrowing is not None:
        borrowing = asset.borrowing
        rate = RateParameters(
            borrowing.base_rate, borrowing.slope1_rate, borrowing.slope2_rate, kink_wad=borrowing.kink_wad
        )
        parameters = replace(parameters, is_borrowable=True, rate=rate, reserve_factor_bps=borrowing.reserve_factor_bps)
    return parameters


def _account_id(account: Account) -> AccountId:
    # Holders of tokens are names in the model: an owner must not be taken for the lender.
    return AccountId(f"owner {account.owner}", account.index)


@dataclass(slots=True)
class _Feed:
    """A feed, its adapter and what the router keeps of it. `price_wad`: last published."""

    price_wad: int
    record: RouterRecord
    status: FeedStatus = "fresh"

    @classmethod
    def of(cls, asset: Asset, protocol: Protocol) -> _Feed:
        times = {"abandon_after": protocol.abandon_after, "decay_period": protocol.decay_period}
        return cls(asset.price_wad, RouterRecord(asset.price_wad, _OPENED_AT, **times))

    @property
    def is_fresh(self) -> bool:
        return self.status == "fresh"

    @property
    def answer(self) -> Answer | None:
        """What its adapter says. A stale price is in doubt from end to end at the same figure."""
        price = self.price_wad
        answers = {"fresh": Answer.fresh(price), "stale": Answer.degraded(price, price, price), "dead": None}
        return answers[self.status]

    def quote(self, now: int) -> Quote:
        return self.record.quote(self.answer, now)

    def poke(self, now: int) -> None:
        with suppress(ModelRevert):
            self.record.poke(self.answer, now)


class ModelEngine:
    """Plays a scenario on the twin Vault. Implements `Engine`."""

    name = "model"

    def __init__(self) -> None:
        self._vault: Vault | None = None
        self._world: World | None = None
        self._ids: dict[str, int] = {}
        self._names: list[str] = []
        self._accounts: dict[str, AccountId] = {}
        self._prices: dict[str, int] = {}
        self._feeds: dict[str, _Feed] = {}
        self._held: dict[str, tuple[dict[str, int], dict[str, int]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def open(self, world: World) -> None:
        """See `Engine`. The minimum of a debt is in force from after the opening: it is meant for all of an account."""
        parameters = protocol_parameters(world.protocol)
        vault = Vault(replace(parameters, min_debt_value_wad=0, min_debt_per_asset_wad=0), now=_OPENED_AT)
        self._vault, self._world = vault, world
        self._names = list(world.assets)
        self._prices = {name: asset.price_wad for name, asset in world.assets.items()}
        self._feeds = {name: _Feed.of(asset, world.protocol) for name, asset in world.assets.items()}
        for name, asset in world.assets.items():
            asset_id = self._ids[name] = vault.list_asset(_asset_parameters(asset), asset.price_wad)
            if asset.supply_units:
                vault.supply(_LENDER, asset_id, asset.supply_units)
        for name, units in world.insurance.items():
            if units:
                vault.credit_claim(_SPONSOR, self._ids[name], units, INSURANCE_FUND)
        for name, account in world.accounts.items():
            account_id = self._accounts[name] = _account_id(account)
            for asset_name, units in account.collateral.items():
                vault.deposit_collateral(account_id.owner, account_id, self._ids[asset_name], units)
            for asset_name, units in account.debt.items():
                vault.borrow(account_id.owner, account_id, self._ids[asset_name], units)
        vault.set_parameters(parameters)

    def begin_block(self, time: int, prices_wad: Mapping[str, int]) -> None:
        """See `Engine`."""
        vault = self._open_vault
        vault.advance_to(_OPENED_AT + time)
        for name, price in prices_wad.items():
            feed = self._feeds[name]
            if not feed.is_fresh:
                vault.set_quote(self._ids[name], feed.quote(vault.now))
            elif feed.price_wad != price:
                feed.price_wad = price
                vault.set_price(self._ids[name], price)
        self._prices = dict(prices_wad)

    def poke(self) -> None:
        """See `Engine`."""
        for name, feed in self._feeds.items():
            feed.poke(self._open_vault.now)
            self._show(name)

    def set_feed(self, step: SetFeed) -> None:
        """See `Engine`."""
        feed = self._feeds[step.asset]
        feed.status = step.status
        if feed.is_fresh:
            feed.price_wad = self._prices[step.asset]
        self._show(step.asset)

    def _show(self, name: str) -> None:
        vault = self._open_vault
        vault.set_quote(self._ids[name], self._feeds[name].quote(vault.now))

    def act(self, step: Move | MarginCall) -> Outcome:
        """See `Engine`."""
        account = self._accounts[step.account]
        try:
            if isinstance(step, MarginCall):
                self._open_vault.margin_call(account)
            else:
                self._move(step, account)
        except ModelRevert as revert:
            return Outcome(error=revert.name)
        return Outcome()

    def _move(self, step: Move, account: AccountId) -> None:
        vault, asset_id = self._open_vault, self._ids[step.asset]
        match step.kind:
            case "deposit":
                vault.deposit_collateral(account.owner, account, asset_id, step.units)
            case "withdraw":
                vault.withdraw_collateral(account.owner, account, asset_id, step.units)
            case "borrow":
                vault.borrow(account.owner, account, asset_id, step.units)
            case "repay":
                vault.repay(account.owner, account, asset_id, step.units)

    def close_out(self, requests: Sequence[CloseOut]) -> list[Outcome]:
        """See `Engine`."""
        return [self._close_out(request) for request in requests]

    def _close_out(self, request: CloseOut) -> Outcome:
        try:
            result = self._open_vault.close_out(
                _LIQUIDATOR,
                CloseOutRequest(
                    account=self._accounts[request.account],
                    collaterals=self._set_of(request.collateral),
                    debts=self._set_of(request.debt),
                    fill_wad=request.fill_wad,
                ),
            )
        except ModelRevert as revert:
            return Outcome(error=revert.name)
        return Outcome(record=self._record(request.account, result)) if result.is_executed else Outcome()

    def _set_of(self, names: Iterable[str] | None) -> frozenset[int] | None:
        return None if names is None else frozenset(self._ids[name] for name in names)

    def _record(self, account: str, result: CloseOutResult) -> CloseOutRecord:
        after = result.health_factor_after_wad
        return CloseOutRecord(
            account=account,
            regime=result.regime.name.lower(),
            penalty_rate_wad=result.penalty_rate_wad,
            health_before_wad=result.health_factor_before_wad,
            health_after_wad=None if after == MAX_UINT256 else after,
            repaid=self._named((leg.asset_id, leg.repaid) for leg in result.repaid),
            seized=self._named((leg.asset_id, leg.seized) for leg in result.seized),
            to_protocol=self._named((leg.asset_id, leg.to_protocol + leg.to_insurance) for leg in result.seized),
            bad_debt=self._named((leg.asset_id, leg.bad_debt) for leg in result.repaid),
            covered=self._named((leg.asset_id, leg.covered) for leg in result.repaid),
        )

    def settle_penalties(self) -> None:
        """See `Engine`. As the penalty splitter does it: treasury and burn rounded down, the rest is the fund's."""
        vault, protocol = self._open_vault, self._opened_world.protocol
        for asset_id in self._ids.values():
            amount = vault.claim_of(PENALTY_SPLITTER, asset_id)
            if not amount:
                continue
            vault.claim(PENALTY_SPLITTER, asset_id, amount)
            to_treasury = mul_div_down(amount, protocol.treasury_weight_wad, WAD)
            to_burn = mul_div_down(amount, protocol.burn_weight_wad, WAD)
            if amount > to_treasury + to_burn:
                vault.credit_claim(PENALTY_SPLITTER, asset_id, amount - to_treasury - to_burn, INSURANCE_FUND)

    def accounts(self) -> Mapping[str, AccountState]:
        """See `Engine`."""
        return {name: self._state(name, account) for name, account in self._accounts.items()}

    def _state(self, name: str, account: AccountId) -> AccountState:
        vault = self._open_vault
        position = vault.position_of(account)
        collateral, debt = self._named(position.collateral.items()), self._named(position.debt.items())
        known = self._held.get(name)
        if known != (collateral, debt):
            known = self._held[name] = (collateral, debt)
        health = vault.health_of(account).health_factor_wad if debt else None
        # Balances that did not change are the same objects as before: whoever writes them can tell.
        return AccountState(known[0], known[1], health)

    def insurance(self) -> Mapping[str, int]:
        """See `Engine`."""
        vault = self._open_vault
        return self._named((asset_id, vault.claim_of(INSURANCE_FUND, asset_id)) for asset_id in self._ids.values())

    def lenders(self) -> Mapping[str, int]:
        """See `Engine`."""
        vault, worth = self._open_vault, {}
        for name, asset in self._opened_world.assets.items():
            if asset.borrowing:
                asset_id = self._ids[name]
                shares = vault.supply_shares_of(asset_id, _LENDER)
                worth[name] = vault.market_of(asset_id).assets_down(shares)
        return worth

    @property
    def _open_vault(self) -> Vault:
        assert self._vault is not None, "open the engine first"  # noqa: S101
        return self._vault

    @property
    def _opened_world(self) -> World:
        assert self._world is not None, "open the engine first"  # noqa: S101
        return self._world

    def _named(self, amounts: Iterable[tuple[int, int]]) -> dict[str, int]:
        return {self._names[asset_id]: units for asset_id, units in amounts if units}
