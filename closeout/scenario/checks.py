"""Relations between the keys of a scenario: what the protocol would refuse to list, and names that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from closeout.model import MAX_COLLATERALS, MAX_DEBTS
from closeout.yamlfile.decimals import to_units
from closeout.yamlfile.problem import BadFile, dotted, one_of, shown

from .schema import (
    AssetModel,
    CloseOutModel,
    CollateralModel,
    FeedModel,
    MoveModel,
    ProtocolModel,
    ScenarioModel,
    StepModel,
)

__all__ = ["check_collateral", "check_protocol", "check_scenario"]

# docs: `tau (1 + beta) < 1` for every basket
MAX_THRESHOLD_WITH_BONUS = Decimal("0.99")
MAX_ASSETS = 127


def check_scenario(model: ScenarioModel) -> None:
    """Checks everything that needs no price history and no arithmetic of the protocol.

    Raises:
        BadFile: naming the key's path, what it says and what was expected.
    """
    check_protocol(model.protocol)
    if len(model.assets) > MAX_ASSETS:
        raise BadFile("assets", f"{len(model.assets)} assets", f"at most {MAX_ASSETS}")
    for name, asset in model.assets.items():
        _check_asset(name, asset, model.protocol)
    for name, amount in model.insurance.items():
        _check_amount(("insurance", name), name, amount, model.assets)
    for name, account in model.accounts.items():
        _check_account(("accounts", name), model.assets, account.collateral, account.debt)
    _check_steps(model)
    if model.price_path is not None:
        for name in model.price_path.columns:
            _check_asset_name(("price_path", "columns", name), name, model.assets)


def check_protocol(protocol: ProtocolModel) -> None:
    """Relations among the protocol's own keys. Raises BadFile."""
    call, target = protocol.margin_call_health, protocol.target_health
    if call is not None and call > target:
        raise BadFile("protocol.margin_call_health", f"{call:f}", f"at most target_health, {target:f}")
    split = protocol.penalty_split
    # at most 18 decimals each: 28 digits carry the sum exactly
    total = split.insurance + split.treasury + split.burn
    if total != 1:
        raise BadFile("protocol.penalty_split", f"weights that add up to {total:f}", "weights that add up to 1")


def _check_asset(name: str, asset: AssetModel, protocol: ProtocolModel) -> None:
    path = ("assets", name)
    if to_units(asset.price, asset.feed_decimals) is None:
        expected = f"a price with at most {asset.feed_decimals} decimals, as its feed has"
        raise BadFile(dotted((*path, "price")), f"{asset.price:f}", expected)
    if asset.collateral is None and not asset.is_borrowable:
        raise BadFile(dotted(path), "neither collateral nor borrow", "at least one of them")
    if asset.supply is not None:
        _check_digits((*path, "supply"), asset.supply, asset)
    if asset.collateral is not None:
        check_collateral((*path, "collateral"), asset.collateral, protocol)


def check_collateral(where: tuple[str, ...], terms: CollateralModel, protocol: ProtocolModel) -> None:
    """Relations among an asset's terms as collateral and the protocol's. Raises BadFile."""
    if terms.ltv >= terms.liquidation_threshold:
        expected = f"less than liquidation_threshold, {terms.liquidation_threshold:f}"
        raise BadFile(dotted((*where, "ltv")), f"{terms.ltv:f}", expected)
    if terms.max_bonus < protocol.bonus.floor:
        expected = f"at least protocol.bonus.floor, {protocol.bonus.floor:f}"
        raise BadFile(dotted((*where, "max_bonus")), f"{terms.max_bonus:f}", expected)
    product = terms.liquidation_threshold * (1 + terms.max_bonus)
    if product > MAX_THRESHOLD_WITH_BONUS:
        raise BadFile(
            dotted((*where, "liquidation_threshold")),
            f"{terms.liquidation_threshold:f}, which makes t (1 + max_bonus) = {product:f}",
            f"t (1 + max_bonus) of at most {MAX_THRESHOLD_WITH_BONUS}",
        )


def _check_account(
    path: tuple[str, ...],
    assets: Mapping[str, AssetModel],
    collateral: Mapping[str, Decimal],
    debt: Mapping[str, Decimal],
) -> None:
    for name, amount in collateral.items():
        where = (*path, "collateral", name)
        _check_amount(where, name, amount, assets)
        if assets[name].collateral is None:
            raise BadFile(dotted(where), f"{name}, which has no collateral key", "an asset that is collateral")
    for name, amount in debt.items():
        where = (*path, "debt", name)
        _check_amount(where, name, amount, assets)
        if not assets[name].is_borrowable:
            raise BadFile(dotted(where), f"{name}, which has no borrow key", "an asset that can be borrowed")
        if name in collateral:
            raise BadFile(dotted(where), f"{name} on both sides", "each asset as collateral or as debt, not both")
    for side, held, most in (("collateral", collateral, MAX_COLLATERALS), ("debt", debt, MAX_DEBTS)):
        if len(held) > most:
            raise BadFile(dotted((*path, side)), f"{len(held)} assets", f"at most {most}")


def _check_steps(model: ScenarioModel) -> None:
    ever_collateral = {name: set(account.collateral) for name, account in model.accounts.items()}
    ever_debt = {name: set(account.debt) for name, account in model.accounts.items()}
    for index, step in enumerate(model.steps):
        path: tuple[str | int, ...] = ("steps", index, step.kind)
        body = _body(step)
        if step.prices is not None:
            _check_prices(path, step.prices, model.assets)
        account = getattr(body, "account", None)
        if account is not None and account not in model.accounts:
            expected = f"the name of an account: {one_of(list(model.accounts))}"
            raise BadFile(dotted((*path, "account")), shown(account), expected)
        if isinstance(body, FeedModel):
            _check_asset_name((*path, "asset"), body.asset, model.assets)
        if isinstance(body, MoveModel):
            _check_asset_name((*path, "asset"), body.asset, model.assets)
            _check_digits((*path, "amount"), body.amount, model.assets[body.asset])
            if step.kind == "deposit":
                ever_collateral[body.account].add(body.asset)
            elif step.kind == "borrow":
                ever_debt[body.account].add(body.asset)
        if isinstance(body, CloseOutModel):
            _check_set((*path, "collateral"), body.collateral, ever_collateral[body.account], model.assets)
            _check_set((*path, "debt"), body.debt, ever_debt[body.account], model.assets)


def _check_prices(path: tuple[str | int, ...], prices: Mapping[str, Decimal], assets: Mapping[str, AssetModel]) -> None:
    for name, price in prices.items():
        where = (*path, name)
        _check_asset_name(where, name, assets)
        decimals = assets[name].feed_decimals
        if to_units(price, decimals) is None:
            raise BadFile(dotted(where), f"{price:f}", f"a price with at most {decimals} decimals, as its feed has")


def _check_set(
    path: tuple[str | int, ...], names: Iterable[str] | None, ever_held: set[str], assets: Mapping[str, AssetModel]
) -> None:
    for name in names or ():
        _check_asset_name(path, name, assets)
        if name not in ever_held:
            held = one_of(sorted(ever_held)) if ever_held else "none"
            raise BadFile(dotted(path), shown(name), f"an asset that the account has held by then: {held}")


def _check_amount(path: tuple[str, ...], name: str, amount: Decimal, assets: Mapping[str, AssetModel]) -> None:
    _check_asset_name(path, name, assets)
    _check_digits(path, amount, assets[name])


def _check_asset_name(path: tuple[str | int, ...], name: str, assets: Mapping[str, AssetModel]) -> None:
    if name not in assets:
        raise BadFile(dotted(path), f"unknown asset {shown(name)}", one_of(list(assets)))


def _check_digits(path: tuple[str | int, ...], amount: Decimal, asset: AssetModel) -> None:
    if to_units(amount, asset.decimals) is None:
        expected = f"at most {asset.decimals} decimals, as the token has"
        raise BadFile(dotted(path), f"{amount:f}", expected)


def _body(step: StepModel) -> Any:
    return getattr(step, step.kind)
