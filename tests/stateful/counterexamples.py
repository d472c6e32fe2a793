"""A history that fails, as a scenario file: the account concerned as it was before the last step, and that step.

`ape run scenario FILE` replays it on the contracts, `--engine model` on the reference model: where a contract is broken
the two differ. What a scenario cannot say (lenders, claims, pauses, operators) is left to the steps Hypothesis prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from closeout.model import AccountId, CloseOutRequest
from closeout.toolchain.settings import ROOT
from closeout.units import WAD, format_units
from tests.differential.settings import Listed, Setting
from tests.property.looks import AccountLook, Look, look_at
from tests.stateful.machine import Failure, Run
from tests.stateful.sights import Record

FOLDER = ROOT / "build" / "counterexamples"
MOST = 10**30
"""The largest price, WAD."""
MOVES = {"deposit": "deposit", "withdraw collateral": "withdraw", "borrow": "borrow", "repay": "repay"}


@contextmanager
def told(run: Run, folder: Path = FOLDER) -> Iterator[Run]:
    """A failure inside leaves a scenario file, and says so."""
    run.failure = None
    try:
        yield run
    except AssertionError as error:
        tree = scenario_of(run.failure) if run.failure else None
        if tree is None:
            raise
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{len(list(folder.glob('*.yaml'))) + 1:03}.yaml"
        text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120)
        file.write_text(text)
        raise AssertionError(f"{error}\n\nape run scenario {file}\n\n{text}") from error


def scenario_of(failure: Failure) -> dict[str, Any] | None:
    """The tree of a scenario file; None where its last step is none that a scenario knows."""
    *_, before, last = failure.records
    account = _account_of(last)
    look = look_at([value or 0 for value in before.state], before.prices, failure.stage.holders)
    if account is None or not any(look.accounts[account].collateral):
        return None
    setting, held = last.setting, look.accounts[account]
    names = [n for n in range(len(setting.assets)) if held.collateral[n] or held.debt[n] or n in _named(last)]
    opening = _opening_prices(setting, held, last.prices)
    return {
        "name": f"counter-example: {last.step.move.name}",
        "protocol": _protocol(setting),
        "assets": {setting.assets[n].name: _asset(setting.assets[n], look, n, held, opening[n]) for n in names},
        "insurance": _fund(setting, look, names, failure),
        "accounts": {
            "account": {
                "collateral": _amounts(setting, held.collateral),
                "debt": _amounts(setting, held.debt),
            }
        },
        "steps": [
            {"prices": {setting.assets[n].name: format_units(last.prices[n], 18) for n in names}},
            *_call(look, account, last),
            _step(setting, last, names),
        ],
    }


def _account_of(record: Record) -> AccountId | None:
    move = record.step.move
    subject = move.arguments[0] if move.arguments else None
    account = getattr(subject, "account", subject)
    is_known = isinstance(subject, CloseOutRequest) or move.name in MOVES or move.name == "margin call"
    return account if is_known and isinstance(account, AccountId) else None


def _named(record: Record) -> set[int]:
    """The asset that a move of an account is about."""
    move = record.step.move
    return {move.arguments[1]} if move.name in MOVES else set()


def _protocol(setting: Setting) -> dict[str, Any]:
    curve, limits, weights = setting.parameters.curve, setting.parameters.limits, setting.parameters.weights
    return {
        "target_health": _wad(curve.target_health_factor),
        "margin_call_health": _wad(curve.margin_call_health_factor),
        "bonus": {
            "floor": _wad(curve.bonus_floor),
            "min_fraction": _wad(curve.min_bonus_fraction),
            "health_for_max": _wad(curve.health_for_max_bonus),
            "steepness": _wad(curve.steepness),
        },
        "fee_share": _wad(curve.fee_share),
        "penalty_split": {
            "insurance": _wad(weights.insurance),
            "treasury": _wad(weights.treasury),
            "burn": _wad(weights.burn),
        },
        "min_debt_value": _wad(limits.min_debt_value),
        "min_debt_per_asset": _wad(limits.min_debt_per_asset),
        "dust_value": _wad(limits.dust_value),
        "grace": {"period": limits.grace_period, "hard_floor": _wad(limits.hard_floor)},
    }


def _asset(asset: Listed, look: Look, n: int, held: AccountLook, price: int) -> dict[str, Any]:
    tree: dict[str, Any] = {"decimals": asset.decimals, "price": format_units(price, 18)}
    if asset.collateral.liquidation_threshold:
        tree["collateral"] = {
            "ltv": format_units(asset.collateral.ltv, 4),
            "liquidation_threshold": format_units(asset.collateral.liquidation_threshold, 4),
            "max_bonus": format_units(asset.collateral.max_bonus, 4),
        }
    if asset.borrowing.supply_cap:
        # without interest: what happened in time is in the balances already
        tree["borrow"] = {"rate": {"base": "0", "slope1": "0", "slope2": "0", "kink": "0.9"}, "reserve_factor": "0"}
        tree["supply"] = format_units(max(1, look.assets[n].idle + held.debt[n]), asset.decimals)
    return tree


def _fund(setting: Setting, look: Look, names: list[int], failure: Failure) -> dict[str, str]:
    place = failure.stage.holders.index("insurance fund")
    claims = {n: look.assets[n].claims_of[place] for n in names}
    return {
        setting.assets[n].name: format_units(units, setting.assets[n].decimals) for n, units in claims.items() if units
    }


def _amounts(setting: Setting, units: tuple[int, ...]) -> dict[str, str]:
    return {setting.assets[n].name: format_units(u, setting.assets[n].decimals) for n, u in enumerate(units) if u}


def _opening_prices(setting: Setting, held: AccountLook, prices: tuple[int, ...]) -> list[int]:
    """Kinder prices, at which the account's debts are within its margin: collateral dearer by powers of ten."""

    def value(n: int, units: int, at: list[int]) -> int:
        return units * at[n] * 10 ** (27 - setting.assets[n].decimals)

    opening = list(prices)
    for _ in range(60):
        power = sum(value(n, u, opening) * setting.assets[n].collateral.ltv for n, u in enumerate(held.collateral))
        if power > sum(value(n, u, opening) for n, u in enumerate(held.debt)) * 11_000:
            break
        for n, units in enumerate(held.collateral):
            opening[n] = min(MOST, opening[n] * 10) if units else opening[n]
        for n, units in enumerate(held.debt):
            opening[n] = max(1, opening[n] // 10) if units and max(opening) == MOST else opening[n]
    return opening


def _call(look: Look, account: AccountId, last: Record) -> list[dict[str, Any]]:
    """Where the account was on call, for how long."""
    called_at = look.accounts[account].called_at
    if not called_at or last.step.move.name == "margin call":
        return []
    return [{"margin_call": {"account": "account"}}, {"wait": last.step.time - called_at}]


def _step(setting: Setting, record: Record, names: list[int]) -> dict[str, Any]:
    move = record.step.move
    if move.name == "margin call":
        return {"margin_call": {"account": "account"}}
    if move.name in MOVES:
        _, n, amount, *_ = move.arguments
        asset = setting.assets[n]
        return {
            MOVES[move.name]: {
                "account": "account",
                "asset": asset.name,
                "amount": format_units(min(amount, 10**14 * 10**asset.decimals), asset.decimals),
            }
        }
    request: CloseOutRequest = move.arguments[0]
    step: dict[str, Any] = {"account": "account", "fill": _wad(min(WAD, max(1, request.fill_wad)))}
    for key, chosen in (("collateral", request.collaterals), ("debt", request.debts)):
        if chosen is not None:
            # of what a set names, what the account does not hold is ignored
            step[key] = [setting.assets[n].name for n in sorted(chosen) if n in names]
    return {"close_out": step}


def _wad(value: int) -> str:
    return format_units(value, 18)
