"""The parts of a report that are text and tables: whole without any script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from closeout.units import BPS, WAD_DECIMALS, format_units

from ..accounting import AccountCost, account_costs, parties
from ..display import Clock, amounts_text, health_text, money_text, percent_text
from ..engine import CloseOutRecord
from ..result import ScenarioResult, Value, token_value
from ..world import Asset

__all__ = ["account_cards", "close_out_table", "costs", "figures", "gains", "parameters", "refusals", "subtitle"]

_REGIMES = ("restorative", "capped", "terminal")
# A longer table scrolls by itself, so that what follows stays within reach.
_MOST_ROWS_IN_FULL = 40


def subtitle(result: ScenarioResult) -> str:
    """What was played, on one line."""
    clock, world = Clock(result), result.scenario.world
    parts = [
        f"{len(world.accounts)} accounts",
        f"{len(world.assets)} assets",
        f"{len(result.steps):,} steps",
        f"engine {result.engine}",
    ]
    if result.steps:
        zone = " UTC" if clock.epoch is not None else ""
        parts.append(f"{clock.text(result.steps[0].time)} to {clock.text(result.steps[-1].time)}{zone}")
    return escape(" · ".join(parts))


def figures(result: ScenarioResult) -> str:
    """The headline numbers."""
    summary = result.summary
    records = [record for step in result.steps for record in step.close_outs]
    counts = {name: sum(record.regime == name for record in records) for name in _REGIMES}
    by_regime = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "no account fell below 1"
    items = account_costs(result)
    whole = sum((cost.whole.penalty for cost in items), Value())
    whole_sold = sum((cost.whole.seized for cost in items), Value())
    rate = _share(summary.penalty, summary.repaid)
    outcome = parties(result)
    to_lenders = money_text(Value(-outcome.lenders.amount, outcome.lenders.decimals))
    borne = f"{to_lenders} of it the lenders'" if summary.bad_debt.amount else "every debt was repaid in full"
    tiles = [
        ("Close-outs", str(summary.close_outs), by_regime),
        ("Debt repaid", money_text(summary.repaid), "by liquidators, for the borrowers"),
        ("Collateral seized", money_text(summary.seized), f"{money_text(whole_sold)} if closed as a whole"),
        ("Penalties", money_text(summary.penalty), f"{rate} of what was repaid"),
        ("If closed as a whole", money_text(whole), "in penalties, at each first close-out"),
        ("Bad debt", money_text(summary.bad_debt), borne),
    ]
    return "".join(
        f'<div class="figure"><dt>{escape(name)}</dt><dd>{escape(value)}</dd><p>{escape(note)}</p></div>'
        for name, value, note in tiles
    )


def account_cards(result: ScenarioResult) -> str:
    """One card per account: what it is, a place for its chart, what happened to it."""
    world = result.scenario.world
    cost_of = {cost.account: cost for cost in account_costs(result)}
    last = result.steps[-1] if result.steps else result.opening
    cards = []
    for position, (name, account) in enumerate(world.accounts.items()):
        cost = cost_of.get(name)
        owner = f'<span class="owner">{escape(account.owner)}</span>' if account.owner != name else ""
        holdings = (
            f"{amounts_text(account.collateral, world.assets)} against {amounts_text(account.debt, world.assets)}"
        )
        fate = _fate(result, name)
        cards.append(
            f'<article class="card" data-account="{position}" data-fate="{fate}">'
            f"<header><h3>{escape(name)}</h3>{owner}"
            f'<span class="now">{health_text(last.accounts[name].health_wad)}</span></header>'
            f'<p class="holdings">{escape(holdings)}</p>'
            f'<div class="mini" data-mini="{position}"></div>'
            f"<footer>{escape(_card_footer(cost))}</footer></article>"
        )
    return "".join(cards)


def _card_footer(cost: AccountCost | None) -> str:
    if cost is None:
        return "never closed out"
    times = "once" if cost.close_outs == 1 else f"{cost.close_outs} times"
    return f"closed out {times}, penalties {money_text(cost.penalty)}; as a whole {money_text(cost.whole.penalty)}"


def _fate(result: ScenarioResult, name: str) -> str:
    """The worst regime an account was closed out in."""
    seen = {r.regime for step in result.steps for r in step.close_outs if r.account == name}
    return next((regime for regime in reversed(_REGIMES) if regime in seen), "none")


def close_out_table(result: ScenarioResult) -> str:
    """Every close-out, in order."""
    clock, assets = Clock(result), result.scenario.world.assets
    positions = {name: position for position, name in enumerate(result.scenario.world.accounts)}
    has_gas = any(record.gas for step in result.steps for record in step.close_outs)
    headings = ["When" + (" (UTC)" if clock.epoch is not None else ""), "Account", "Regime", "Health factor"]
    numeric = ["Repaid", "Seized", "Penalty", "Bad debt"] + (["Gas"] if has_gas else [])
    rows = []
    for step in result.steps:
        for record in step.close_outs:
            prices = step.prices_wad
            repaid, seized = token_value(record.repaid, prices, assets), token_value(record.seized, prices, assets)
            bad_debt = token_value(record.bad_debt, prices, assets)
            cells = [
                f'<td class="when">{escape(clock.text(step.time))}</td>',
                f'<td class="name">{escape(record.account)}</td>',
                f'<td><span class="regime {record.regime}">{record.regime}</span></td>',
                f'<td class="num nowrap">{_health_change(record)}</td>',
                _amount_cell(money_text(repaid), amounts_text(record.repaid, assets, "\n")),
                _amount_cell(money_text(seized), amounts_text(record.seized, assets, "\n")),
                _amount_cell(money_text(seized - repaid), percent_text(record.penalty_rate_wad)),
                _amount_cell(money_text(bad_debt), amounts_text(record.bad_debt, assets, "\n"))
                if record.bad_debt
                else '<td class="num none">–</td>',
            ]
            if has_gas:
                cells.append(f'<td class="num">{record.gas:,}</td>' if record.gas else '<td class="num none">–</td>')
            rows.append(f'<tr data-account="{positions[record.account]}">{"".join(cells)}</tr>')
    if not rows:
        return '<p class="empty">Nothing was closed out.</p>'
    return _table(headings, numeric, rows)


def _health_change(record: CloseOutRecord) -> str:
    return f"{health_text(record.health_before_wad)} → {health_text(record.health_after_wad)}"


def _amount_cell(value: str, detail: str) -> str:
    lines = "<br>".join(escape(line) for line in detail.split("\n"))
    return f'<td class="num">{escape(value)}<small>{lines}</small></td>'


def gains(result: ScenarioResult) -> str:
    """What each party gained and lost, as bars about a common zero."""
    outcome = parties(result)
    rows = [
        ("Borrowers", outcome.borrowers, "collateral seized, less the debt it paid for or wrote off"),
        ("Liquidators", outcome.liquidators, "their part of the collateral, less what they repaid"),
        ("Insurance fund", outcome.insurance, "its part of the penalties, less the bad debt it covered"),
        ("Treasury", outcome.treasury, "its part of the penalties"),
        ("Burnt", outcome.burnt, "the part of the penalties nobody gets"),
        ("Lenders", outcome.lenders, "bad debt that no fund covered"),
    ]
    widest = max(abs(float(value)) for _, value, _ in rows) or 1.0
    lines = []
    for party, value, note in rows:
        width = 50 * abs(float(value)) / widest
        side, sign = ("left", "minus") if value.amount < 0 else ("right", "plus")
        lines.append(
            f'<div class="gain"><div class="party"><b>{party}</b><small>{note}</small></div>'
            f'<div class="bar"><i class="{side} {sign}" style="width:{width:.2f}%"></i></div>'
            f'<div class="num value">{money_text(value, signed=True)}</div></div>'
        )
    total = money_text(outcome.total)
    return "".join(lines) + f'<p class="note">Together {total}: at oracle prices a close-out only moves value.</p>'


def costs(result: ScenarioResult) -> str:
    """Beside each other: what the close-outs cost each account, and what one whole close-out would have."""
    items = account_costs(result)
    if not items:
        return '<p class="empty">Nothing was closed out.</p>'
    widest = max(max(float(cost.penalty), float(cost.whole.penalty)) for cost in items) or 1.0
    rows = []
    for cost in items:
        bars = "".join(
            f'<i class="{kind}" style="width:{100 * float(value) / widest:.2f}%"></i>'
            for kind, value in (("ours", cost.penalty), ("whole", cost.whole.penalty))
        )
        rows.append(
            f'<tr><td class="name">{escape(cost.account)}<small>first at {_first_health(cost)}</small></td>'
            f'<td class="bars">{bars}</td>{_pair(cost.penalty, cost.whole.penalty)}'
            f"{_pair(cost.seized, cost.whole.seized)}"
            f"{_pair(cost.equity, cost.whole_equity, lower_is_better=False)}</tr>"
        )
    rows.append(_total_row(items))
    head = (
        '<tr><th rowspan="2">Account</th><th rowspan="2"></th><th colspan="2">Penalties</th>'
        '<th colspan="2">Collateral sold</th><th colspan="2">Left at the end</th></tr>'
        "<tr>" + '<th class="num">as it was</th><th class="num">as a whole</th>' * 3 + "</tr>"
    )
    return f'<div class="scroll"><table class="costs"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


def _total_row(items: Sequence[AccountCost]) -> str:
    def total(values: Iterable[Value]) -> Value:
        return sum(values, Value())

    penalties = _pair(total(c.penalty for c in items), total(c.whole.penalty for c in items))
    sold = _pair(total(c.seized for c in items), total(c.whole.seized for c in items))
    left = _pair(total(c.equity for c in items), total(c.whole_equity for c in items), lower_is_better=False)
    return f'<tr class="total"><td>All</td><td class="bars"></td>{penalties}{sold}{left}</tr>'


def _pair(ours: Value, whole: Value, *, lower_is_better: bool = True) -> str:
    difference = (ours - whole).amount
    is_better = difference < 0 if lower_is_better else difference > 0
    better = (" better", "") if is_better else ("", " better") if difference else ("", "")
    return f'<td class="num{better[0]}">{money_text(ours)}</td><td class="num{better[1]}">{money_text(whole)}</td>'


def _first_health(cost: AccountCost) -> str:
    own = (record for record in cost.first.close_outs if record.account == cost.account)
    return health_text(next(own).health_before_wad)


def refusals(result: ScenarioResult) -> str:
    """Steps that the protocol refused, by the name of its error."""
    clock = Clock(result)
    rows = [
        f'<tr><td>{step.index}</td><td class="when">{escape(clock.text(step.time))}</td>'
        f"<td>{escape(step.kind)}</td><td><code>{escape(step.error)}</code></td></tr>"
        for step in result.steps
        if step.error
    ]
    if not rows:
        return ""
    table = _table(["Step", "When", "Kind", "Error"], [], rows)
    lead = '<p class="lead">A refused step changes nothing; the run goes on.</p>'
    return f"<section><h2>Refused steps</h2>{lead}{table}</section>"


def parameters(result: ScenarioResult) -> str:
    """What the run was made with."""
    protocol, assets = result.scenario.world.protocol, result.scenario.world.assets
    facts = [
        ("target health factor", _wad(protocol.target_health_wad)),
        ("margin call below", _wad(protocol.margin_call_health_wad)),
        ("bonus floor", percent_text(protocol.bonus_floor_wad)),
        ("share of the bonus at 1", percent_text(protocol.min_bonus_fraction_wad)),
        ("largest bonus at", _wad(protocol.health_for_max_bonus_wad)),
        ("steepness", _wad(protocol.steepness_wad)),
        ("protocol's share", percent_text(protocol.fee_share_wad)),
        ("smallest debt", f"${_wad(protocol.min_debt_value_wad)}"),
        ("grace", f"{protocol.grace_period:,} s" if protocol.grace_period else "none"),
    ]
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    rows = [_asset_row(asset) for asset in assets.values()]
    table = _table(["Asset"], ["Decimals", "LTV", "Threshold", "Largest bonus", "Supply"], rows)
    path = result.scenario.price_path
    source = f'<p class="note">Prices replayed from {escape(path.source)}, {len(path.rows):,} rows.</p>' if path else ""
    return f'<dl class="facts">{cells}</dl>{table}{source}'


def _asset_row(asset: Asset) -> str:
    terms = asset.collateral
    ratios = (terms.ltv_bps, terms.liquidation_threshold_bps, terms.max_bonus_bps) if terms else (None, None, None)
    cells = "".join(f'<td class="num">{_bps(ratio)}</td>' for ratio in ratios)
    supply = amounts_text({asset.name: asset.supply_units}, {asset.name: asset}) if asset.borrowing else "–"
    return (
        f'<tr><td class="name">{escape(asset.name)}</td><td class="num">{asset.decimals}</td>{cells}'
        f'<td class="num">{escape(supply)}</td></tr>'
    )


def _table(headings: Sequence[str], numeric: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    head += "".join(f'<th class="num">{escape(text)}</th>' for text in numeric)
    kind = "scroll long" if len(rows) > _MOST_ROWS_IN_FULL else "scroll"
    return f'<div class="{kind}"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _share(part: Value, whole: Value) -> str:
    return f"{100 * float(part) / float(whole):.2f} %" if whole.amount else "nothing"


def _wad(value: int) -> str:
    return format_units(value, WAD_DECIMALS)


def _bps(value: int | None) -> str:
    return "–" if value is None else f"{format_units(value * 100, len(str(BPS)) - 1)} %"
