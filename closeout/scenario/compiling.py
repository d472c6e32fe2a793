"""From a checked scenario file to the chain's integers, with the checks that need the protocol's arithmetic."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from closeout.model import INDEX_ONE, MAX_AMOUNT, CollateralPosition, DebtPosition, debt_shares_up
from closeout.parameters import ASSET, PROTOCOL
from closeout.units import BPS, RAY, WAD, WAD_DECIMALS, format_units
from closeout.yamlfile.decimals import to_units
from closeout.yamlfile.problem import BadFile, dotted

from .schema import AssetModel, BorrowModel, MoveModel, ProtocolModel, ScenarioModel, StepModel
from .world import (
    Account,
    Asset,
    Borrowing,
    CloseOut,
    Collateral,
    Keeper,
    MarginCall,
    Move,
    MoveKind,
    Protocol,
    SetFeed,
    SetPrices,
    Step,
    Wait,
    World,
)

__all__ = ["compile_steps", "compile_world"]

_MOVES: tuple[MoveKind, ...] = ("deposit", "withdraw", "borrow", "repay")
_BPS_DECIMALS = 4
_RATE_DECIMALS = 9
_VALUE_DECIMALS = 27
_MAX_DEBT_SHARES = 2**112 - 1
_FITS = "an amount that fits into 112 bits of token units"


def compile_world(model: ScenarioModel) -> World:
    """The world that exists before the first step.

    Raises:
        BadFile: an amount beyond the chain's widths, debt above supply, below the minimum or above the margin.
    """
    debts = _debts(model)
    assets = {name: _asset(name, asset, debts.get(name, 0)) for name, asset in model.assets.items()}
    protocol = _protocol(model.protocol)
    accounts = _accounts(model, assets)
    world = World(
        protocol=protocol,
        assets=assets,
        accounts=accounts,
        insurance={name: _units(amount, assets[name].decimals) for name, amount in model.insurance.items()},
    )
    for name, asset in assets.items():
        _check_supply(name, asset, debts.get(name, 0), accounts)
    for account in accounts.values():
        _check_opening(account, world)
    return world


def compile_steps(model: ScenarioModel) -> tuple[Step, ...]:
    """The steps, in the chain's integers."""
    return tuple(_step(step, model.assets) for step in model.steps)


def _step(step: StepModel, assets: Mapping[str, AssetModel]) -> Step:
    if step.wait is not None:
        return Wait(step.wait)
    if step.prices is not None:
        return SetPrices({name: _wad(price) for name, price in step.prices.items()})
    if step.close_out is not None:
        body = step.close_out
        return CloseOut(body.account, body.collateral, body.debt, _wad(body.fill))
    if step.margin_call is not None:
        return MarginCall(step.margin_call.account)
    if step.feed is not None:
        return SetFeed(step.feed.asset, step.feed.status)
    if step.keeper is not None:
        return Keeper()
    for kind in _MOVES:
        move = getattr(step, kind)
        if isinstance(move, MoveModel):
            return Move(kind, move.account, move.asset, _units(move.amount, assets[move.asset].decimals))
    raise AssertionError(step.kind)


def _protocol(model: ProtocolModel) -> Protocol:
    call = model.margin_call_health
    if call is None:
        call = min(PROTOCOL.margin_call_health, model.target_health)
    return Protocol(
        target_health_wad=_wad(model.target_health),
        margin_call_health_wad=_wad(call),
        bonus_floor_wad=_wad(model.bonus.floor),
        min_bonus_fraction_wad=_wad(model.bonus.min_fraction),
        health_for_max_bonus_wad=_wad(model.bonus.health_for_max),
        steepness_wad=_wad(model.bonus.steepness),
        fee_share_wad=_wad(model.fee_share),
        insurance_weight_wad=_wad(model.penalty_split.insurance),
        treasury_weight_wad=_wad(model.penalty_split.treasury),
        burn_weight_wad=_wad(model.penalty_split.burn),
        min_debt_value_wad=_wad(model.min_debt_value),
        min_debt_per_asset_wad=_wad(model.min_debt_per_asset),
        dust_value_wad=_wad(model.dust_value),
        grace_period=model.grace.period,
        call_lifetime=max(PROTOCOL.call_lifetime, 2 * model.grace.period),
        backstop_delay=max(PROTOCOL.backstop_delay, model.grace.period),
        hard_floor_wad=_wad(model.grace.hard_floor),
        abandon_after=PROTOCOL.abandon_after,
        decay_period=PROTOCOL.decay_period,
    )


def _asset(name: str, model: AssetModel, debt: int) -> Asset:
    collateral = None
    if model.collateral is not None:
        collateral = Collateral(
            ltv_bps=_units(model.collateral.ltv, _BPS_DECIMALS),
            liquidation_threshold_bps=_units(model.collateral.liquidation_threshold, _BPS_DECIMALS),
            max_bonus_bps=_units(model.collateral.max_bonus, _BPS_DECIMALS),
        )
    borrowing, supply = None, 0
    if model.is_borrowable:
        terms = model.borrow or BorrowModel()
        borrowing = Borrowing(
            base_rate=_units(terms.rate.base, _RATE_DECIMALS),
            slope1_rate=_units(terms.rate.slope1, _RATE_DECIMALS),
            slope2_rate=_units(terms.rate.slope2, _RATE_DECIMALS),
            kink_wad=_wad(terms.rate.kink),
            reserve_factor_bps=_units(terms.reserve_factor, _BPS_DECIMALS),
        )
        if model.supply is None:
            # what 112 bits of units carry may be less: 5 192 296 tokens of 27 decimals
            supply = min(max(_units(ASSET.supply, model.decimals), ASSET.supply_over_debt * debt), MAX_AMOUNT)
        else:
            supply = _units(model.supply, model.decimals)
    return Asset(name, model.decimals, model.feed_decimals, _wad(model.price), collateral, borrowing, supply)


def _accounts(model: ScenarioModel, assets: Mapping[str, Asset]) -> dict[str, Account]:
    accounts: dict[str, Account] = {}
    opened: dict[str, int] = {}
    for name, account in model.accounts.items():
        owner = account.owner or name
        index = opened.get(owner, 0)
        opened[owner] = index + 1
        accounts[name] = Account(
            name=name,
            owner=owner,
            index=index,
            collateral={asset: _units(amount, assets[asset].decimals) for asset, amount in account.collateral.items()},
            debt={asset: _units(amount, assets[asset].decimals) for asset, amount in account.debt.items()},
        )
    return accounts


def _debts(model: ScenarioModel) -> dict[str, int]:
    """What all accounts together owe of each asset at the opening."""
    total: dict[str, int] = {}
    for account in model.accounts.values():
        for name, amount in account.debt.items():
            total[name] = total.get(name, 0) + _units(amount, model.assets[name].decimals)
    return total


def _check_supply(name: str, asset: Asset, debt: int, accounts: Mapping[str, Account]) -> None:
    if asset.supply_units > MAX_AMOUNT:
        found = format_units(asset.supply_units, asset.decimals)
        raise BadFile(dotted(("assets", name, "supply")), found, _FITS)
    if debt <= asset.supply_units and debt_shares_up(debt, INDEX_ONE) <= _MAX_DEBT_SHARES:
        return
    so_far = 0
    for account in accounts.values():
        so_far += account.debt.get(name, 0)
        if so_far > asset.supply_units:
            raise BadFile(
                dotted(("accounts", account.name, "debt", name)),
                f"{format_units(account.debt[name], asset.decimals)} (with the accounts above "
                f"{format_units(so_far, asset.decimals)})",
                f"together at most the supply, {format_units(asset.supply_units, asset.decimals)}",
            )
    raise BadFile(dotted(("assets", name)), f"debts of {format_units(debt, asset.decimals)}", _FITS)


def _check_opening(account: Account, world: World) -> None:
    """What the protocol would refuse: widths, the smallest debt, the initial margin."""
    for side, holding in (("collateral", account.collateral), ("debt", account.debt)):
        for name, amount in holding.items():
            if amount > MAX_AMOUNT:
                found = format_units(amount, world.assets[name].decimals)
                raise BadFile(dotted(("accounts", account.name, side, name)), found, _FITS)
    if not account.debt:
        return
    debt = sum(_debt_value(world.assets[name], amount) for name, amount in account.debt.items())
    power = sum(_borrowing_power(world.assets[name], amount) for name, amount in account.collateral.items())
    where = dotted(("accounts", account.name, "debt"))
    held = len(account.collateral) + len(account.debt)
    protocol = world.protocol
    minimum = (protocol.min_debt_value_wad + protocol.min_debt_per_asset_wad * held) * (RAY // WAD)
    if debt < minimum:
        expected = f"at least {_usd(minimum)} USD: min_debt_value and min_debt_per_asset for {held} assets"
        raise BadFile(where, f"debt worth {_usd(debt)} USD", expected)
    if debt * BPS > power:
        expected = f"at most {_usd(power // BPS)} USD, the initial margin of its collateral at the opening prices"
        raise BadFile(where, f"debt worth {_usd(debt)} USD", expected)


def _debt_value(asset: Asset, units: int) -> int:
    """RAY: as the protocol values the debt at index 1."""
    return DebtPosition(0, debt_shares_up(units, INDEX_ONE), INDEX_ONE, asset.price_wad, asset.decimals).value


def _borrowing_power(asset: Asset, units: int) -> int:
    """RAY times bps."""
    terms = asset.collateral
    return CollateralPosition(0, units, asset.price_wad, asset.decimals, 0, 0).value * terms.ltv_bps if terms else 0


def _usd(value: int) -> str:
    return format_units(value, _VALUE_DECIMALS)


def _units(value: Decimal, decimals: int) -> int:
    units = to_units(value, decimals)
    assert units is not None  # noqa: S101 - the schema and `checks` have bounded the digits
    return units


def _wad(value: Decimal) -> int:
    return _units(value, WAD_DECIMALS)
