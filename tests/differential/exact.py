"""A close-out in exact fractions: sections 2 to 5 and 9 of the protocol specification and nothing else.

Written from the specification alone (but for what a collateral without a price does to the penalty: that is told in
docs/liquidation.md). It knows no scales, no shares and no rounding, so it can tell whether the integer algorithm, the
contracts and the reference model compute what the specification says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from fractions import Fraction

_DIGITS = Context(prec=60)
ONE = Fraction(1)


@dataclass(frozen=True, slots=True)
class Holding:
    """One collateral: its value in USD, its liquidation threshold and its largest penalty."""

    value: Fraction
    threshold: Fraction
    max_bonus: Fraction


@dataclass(frozen=True, slots=True)
class Rules:
    """Parameters of the protocol; values in USD."""

    target: Fraction
    bonus_floor: Fraction
    min_bonus_fraction: Fraction
    health_for_max_bonus: Fraction
    steepness: Fraction
    min_debt_value: Fraction
    targets: Mapping[int, Fraction] = field(default_factory=dict)
    """What the volatility oracle says of single collaterals."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A price that is not fresh: what the balance is worth at what amounts are exchanged at; None: missing."""

    exchange_value: Fraction | None


@dataclass(frozen=True, slots=True)
class Request:
    """Sets of asset ids (None: all), the part of the largest close-out, and what the size buckets leave (None: off)."""

    collaterals: frozenset[int] | None = None
    debts: frozenset[int] | None = None
    fill: Fraction = ONE
    is_backstop: bool = False
    size_limit: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the specification says. Values in USD; fractions of every selected balance.

    `margin` is the smallest relative distance of any two numbers that were compared to decide: where it is next to
    nothing, integers may fairly decide the other way.
    """

    refusal: str | None
    margin: Fraction
    regime: str | None = None
    health: Fraction | None = None
    beta: Fraction = Fraction(0)
    largest: Fraction = Fraction(0)
    repaid: Fraction = Fraction(0)
    seized: Fraction = Fraction(0)
    extinguished: Fraction = Fraction(0)
    seized_part: Fraction = Fraction(0)
    repaid_part: Fraction = Fraction(0)
    extinguished_part: Fraction = Fraction(0)
    is_target_reached: bool = False


class Refused(Exception):
    """The specification refuses the close-out."""


@dataclass
class _Comparisons:
    margin: Fraction = field(default=ONE)

    def is_less(self, left: Fraction, right: Fraction) -> bool:
        scale = max(abs(left), abs(right))
        if scale:
            self.margin = min(self.margin, abs(left - right) / scale)
        return left < right


def exp(x: Fraction) -> Fraction:
    """The exponential function, correct to more than 40 digits."""
    quotient = _DIGITS.divide(Decimal(x.numerator), Decimal(x.denominator))
    return Fraction(_DIGITS.exp(quotient))


def bonus_part(health: Fraction, rules: Rules) -> Fraction:
    """s(H) of section 3."""
    x = min(max((1 - health) / (1 - rules.health_for_max_bonus), Fraction(0)), ONE)
    k = rules.steepness
    g = x if k == 0 else (1 - exp(-k * x)) / (1 - exp(-k))
    return rules.min_bonus_fraction + (1 - rules.min_bonus_fraction) * g


def close_out(
    collaterals: Mapping[int, Holding],
    debts: Mapping[int, Fraction],
    rules: Rules,
    request: Request,
    doubts: Mapping[int, Doubt] | None = None,
) -> Verdict:
    """The verdict of the specification on one account and one request. Values are at the prices that decide."""
    comparisons = _Comparisons()
    try:
        return _close_out(collaterals, debts, rules, request, doubts or {}, comparisons)
    except Refused as refusal:
        return Verdict(refusal=str(refusal), margin=comparisons.margin)


@dataclass(frozen=True, slots=True)
class _Sets:
    """Which assets a request takes, and what every balance counts at: in a set at what it is exchanged at."""

    collaterals: Mapping[int, Holding]
    debts: Mapping[int, Fraction]
    seizable: Mapping[int, Holding]
    priced: Mapping[int, Holding]
    repayable: Mapping[int, Fraction]
    is_throttled: bool

    @classmethod
    def of(
        cls,
        collaterals: Mapping[int, Holding],
        debts: Mapping[int, Fraction],
        request: Request,
        doubts: Mapping[int, Doubt],
    ) -> _Sets:
        def exchanged(n: int, value: Fraction) -> Fraction | None:
            return doubts[n].exchange_value if n in doubts else value

        seizable, repayable = {}, {}
        for n, held in collaterals.items():
            value = exchanged(n, held.value)
            if value and (request.collaterals is None or n in request.collaterals):
                seizable[n] = replace(held, value=value)
        for n, owed in debts.items():
            value = exchanged(n, owed)
            if value is not None and (request.debts is None or n in request.debts):
                repayable[n] = value
        counted = {**collaterals, **seizable}
        missing = {n for n, doubt in doubts.items() if doubt.exchange_value is None}
        return cls(
            counted,
            {**debts, **repayable},
            seizable,
            {n: held for n, held in counted.items() if n not in missing},
            repayable,
            any(n in doubts for n in (*seizable, *repayable)),
        )

    def target(self, rules: Rules) -> Fraction:
        if self.is_throttled:
            return ONE
        raised = sum(
            (held.value * max(rules.targets.get(n, rules.target) - rules.target, 0) for n, held in self.priced.items()),
            Fraction(0),
        )
        value = _total(self.priced)
        return rules.target + (raised / value if value else 0)


def _total(holdings: Mapping[int, Holding]) -> Fraction:
    return sum((c.value for c in holdings.values()), Fraction(0))


def _weighted(holdings: Mapping[int, Holding]) -> Fraction:
    return sum((c.threshold * c.value for c in holdings.values()), Fraction(0))


def _close_out(
    collaterals: Mapping[int, Holding],
    debts: Mapping[int, Fraction],
    rules: Rules,
    request: Request,
    doubts: Mapping[int, Doubt],
    compare: _Comparisons,
) -> Verdict:
    decided_value, decided_debt = _total(collaterals), sum(debts.values(), Fraction(0))
    if decided_debt == 0:
        raise Refused("AccountHealthy")
    decided_health = _weighted(collaterals) / decided_debt
    if not compare.is_less(decided_health, ONE):
        raise Refused("AccountHealthy")
    sets = _Sets.of(collaterals, debts, request, doubts)
    set_value, set_debt = _total(sets.seizable), sum(sets.repayable.values(), Fraction(0))
    if set_value == 0 or set_debt == 0:
        raise Refused("EmptySet")
    rules = replace(
        rules,
        target=sets.target(rules),
        min_debt_value=Fraction(0) if sets.is_throttled else rules.min_debt_value,
    )

    value, debt = _total(sets.collaterals), sum(sets.debts.values(), Fraction(0))
    health = _weighted(sets.collaterals) / debt
    priced_value, floor = _total(sets.priced), rules.bonus_floor
    part = bonus_part(health, rules)
    whole_b, set_b = _basket(sets.priced, part, floor), _basket(sets.seizable, part, floor)
    surplus = value / debt - 1
    if compare.is_less(1 + surplus, 1 + floor):
        if compare.is_less(decided_value, (1 + floor) * decided_debt):
            return _terminal(value, debt, set_value, set_debt, rules, request, health, compare)
        cover = decided_value - (1 + floor) * decided_debt
        set_decided = sum((collaterals[n].value for n in sets.seizable), Fraction(0))
        owed_decided = sum((debts[n] for n in sets.repayable), Fraction(0))
        return _in_doubt(set_value, set_debt, set_decided, owed_decided, cover, floor, request, health, compare)
    regime = "restorative" if compare.is_less(1 + whole_b, 1 + surplus) else "capped"

    beta = max(floor, min(set_b, surplus))
    tau = _weighted(sets.seizable) / set_value
    is_smaller = set_value < priced_value
    whole_beta, whole_tau = max(floor, min(whole_b, surplus)), _weighted(sets.priced) / priced_value
    if is_smaller:
        beta = min(
            beta,
            whole_beta * (rules.target - tau) / (rules.target - whole_tau * (1 + whole_beta) + whole_beta * tau),
        )
    if priced_value < value and tau:
        beta = min(beta, health / tau - 1)
    if (is_smaller or priced_value < value) and compare.is_less(1 + beta, 1 + floor):
        raise Refused("PenaltyBelowFloor")
    if is_smaller:
        most_sold = health if request.is_backstop else whole_tau * (1 + whole_beta)
        if compare.is_less(most_sold, tau * (1 + beta)):
            raise Refused("SetSellsTooMuch")

    wanted = (rules.target * debt - health * debt) / (rules.target - tau * (1 + beta))
    most = min(set_debt, set_value / (1 + beta))
    largest, is_target = _largest(wanted, most, debt, set_debt, set_value, beta, rules, compare)

    repaid, is_cut = largest * request.fill, False
    is_limited = regime == "restorative" and not compare.is_less(decided_health, rules.health_for_max_bonus)
    if request.size_limit is not None and is_limited:
        is_cut = compare.is_less(request.size_limit, repaid * (1 + beta))
        repaid = min(repaid, request.size_limit / (1 + beta))
    if debt >= rules.min_debt_value and _is_dust(debt - repaid, rules, debt, compare):
        if not is_cut:
            raise Refused("FillLeavesDust")
        repaid = debt - rules.min_debt_value
    seized = repaid * (1 + beta)
    return Verdict(
        refusal=None,
        margin=compare.margin,
        regime=regime,
        health=health,
        beta=beta,
        largest=largest,
        repaid=repaid,
        seized=seized,
        extinguished=repaid,
        seized_part=seized / set_value,
        repaid_part=repaid / set_debt,
        extinguished_part=repaid / set_debt,
        is_target_reached=is_target and repaid == largest,
    )


def _basket(holdings: Mapping[int, Holding], part: Fraction, floor: Fraction) -> Fraction:
    value = _total(holdings)
    mean = sum((c.max_bonus * part * c.value for c in holdings.values()), Fraction(0)) / value if value else Fraction(0)
    return max(floor, mean)


def _is_dust(left: Fraction, rules: Rules, debt: Fraction, compare: _Comparisons) -> bool:
    # distances are told relative to the whole debt: `left` is a difference
    if left <= 0:
        return False
    compare.margin = min(compare.margin, abs(left - rules.min_debt_value) / debt, left / debt)
    return left < rules.min_debt_value


def _largest(
    wanted: Fraction,
    most: Fraction,
    debt: Fraction,
    set_debt: Fraction,
    set_value: Fraction,
    beta: Fraction,
    rules: Rules,
    compare: _Comparisons,
) -> tuple[Fraction, bool]:
    """R_max, and whether it is R*."""
    if compare.is_less(debt, rules.min_debt_value):
        return most, False
    first = min(wanted, most)
    if not _is_dust(debt - first, rules, debt, compare):
        return first, wanted <= most
    if set_debt == debt and not compare.is_less(set_value, (1 + beta) * debt):
        return debt, False
    if debt == rules.min_debt_value:
        raise Refused("NothingToClose")
    return min(first, debt - rules.min_debt_value), False


def _terminal(
    value: Fraction,
    debt: Fraction,
    set_value: Fraction,
    set_debt: Fraction,
    rules: Rules,
    request: Request,
    health: Fraction,
    compare: _Comparisons,
) -> Verdict:
    factor = 1 + rules.bonus_floor
    largest = min(set_value, value * set_debt / debt) / factor
    repaid = largest * request.fill
    extinguished = repaid * debt * factor / value
    return Verdict(
        refusal=None,
        margin=compare.margin,
        regime="terminal",
        health=health,
        beta=rules.bonus_floor,
        largest=largest,
        repaid=repaid,
        seized=repaid * factor,
        extinguished=extinguished,
        seized_part=repaid * factor / set_value,
        repaid_part=repaid / set_debt,
        extinguished_part=extinguished / set_debt,
    )


def _in_doubt(
    set_value: Fraction,
    set_debt: Fraction,
    set_decided: Fraction,
    owed_decided: Fraction,
    cover: Fraction,
    floor: Fraction,
    request: Request,
    health: Fraction,
    compare: _Comparisons,
) -> Verdict:
    """Short at exchange prices only: nothing is written off, and the account stays covered at the others."""
    largest = min(set_debt, set_value / (1 + floor))
    repaid = largest * request.fill
    cost = repaid * (1 + floor) / set_value * set_decided - (1 + floor) * repaid / set_debt * owed_decided
    if cost > cover:
        repaid *= cover / cost
    return Verdict(
        refusal=None,
        margin=compare.margin,
        regime="terminal",
        health=health,
        beta=floor,
        largest=largest,
        repaid=repaid,
        seized=repaid * (1 + floor),
        extinguished=repaid,
        seized_part=repaid * (1 + floor) / set_value,
        repaid_part=repaid / set_debt,
        extinguished_part=repaid / set_debt,
    )
