"""The properties of a close-out as plain checks over one world, in exact fractions on the stored balances.

Each check asserts; each returns whether the world said anything about its property, so that a test can also assert
that enough of them did.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random

from closeout.model import (
    INDEX_ONE,
    MAX_UINT256,
    Extinction,
    ModelRevert,
    Plan,
    Regime,
    SeizedLeg,
    extinguish_all,
    seize,
    selected_collaterals,
    selected_debts,
    take_decided,
)
from closeout.units import RAY, WAD
from tests.differential import exact
from tests.worlds import World

NOISE = Fraction(1, 10**24)
"""USD. A value is an integer of 1e-27 USD; a thousand of those are no token's unit."""

SOLD_ROOM = Fraction(1001, 1000)
"""Sequences are known that sell 0.08 % more than one whole close-out; see `test_findings.py`."""

RELATIVE = Fraction(1, 10**15)
"""Rates and health factors have 18 digits, and denominators are 0.01 and more."""


@dataclass(frozen=True)
class Settled:
    """A close-out that was carried out: the plan, its legs, and the world it left.

    Values are those of the close-out: what is in its set at the prices it is exchanged at.
    """

    before: World
    plan: Plan
    rounds_down: bool
    """Repaid units were rounded down, so that `minDebtValue` is left (docs/liquidation.md, section 6)."""
    seized: dict[int, SeizedLeg]
    extinguished: dict[int, Extinction]
    after: World

    def seized_value(self) -> Fraction:
        return sum((leg.seized * self.before.unit_value(n) for n, leg in self.seized.items()), Fraction(0))

    def to_liquidator_value(self) -> Fraction:
        return sum((leg.to_liquidator * self.before.unit_value(n) for n, leg in self.seized.items()), Fraction(0))

    def repaid_value(self) -> Fraction:
        return sum((leg.repaid * self.before.unit_value(n) for n, leg in self.extinguished.items()), Fraction(0))

    def bad_debt_value(self) -> Fraction:
        return sum((leg.bad_debt * self.before.unit_value(n) for n, leg in self.extinguished.items()), Fraction(0))

    def collateral_units(self) -> Fraction:
        """Value of one unit of each selected collateral."""
        return sum((self.before.unit_value(n) for n in self.seized), Fraction(0))

    def debt_units(self) -> Fraction:
        """Value of one unit of each selected debt and, where interest has accrued, of one share."""
        return sum((self.before.unit_value(n) * _grain(self.before, n) for n in self.extinguished), Fraction(0))


def _grain(world: World, asset_id: int) -> Fraction:
    """How finely a debt divides, in token units: by the unit, and by the share, which is a hundredth at index 1."""
    index = world.indices[asset_id]
    return Fraction(1) if index == INDEX_ONE else 1 + Fraction(index, 100 * INDEX_ONE)


def settle(world: World) -> Settled | None:
    """Carries out what the world's request asks for; None where it is refused."""
    snapshot = world.snapshot()
    protocol = world.protocol
    try:
        planned = world.plan()
        chosen = selected_debts(world.debts, world.debt_set)
        terms = world.terms()
        taken = {debt.asset_id: debt for debt in chosen}
        plan, extinguished = extinguish_all(
            [taken.get(debt.asset_id, debt) for debt in world.debts],
            chosen,
            planned,
            snapshot,
            min_debt_value=terms.min_debt_value,
            fixed_penalty_wad=terms.fixed_penalty_wad,
            is_covered=terms.is_covered,
        )
    except ModelRevert:
        return None
    seized = {
        c.asset_id: seize(c, plan, snapshot, protocol.fee_share_wad, protocol.bonus_floor_wad)
        for c in selected_collaterals(world.collaterals, world.collateral_set)
    }
    collateral = {n: amount - (seized[n].seized if n in seized else 0) for n, amount in world.collateral.items()}
    shares = {n: s - (extinguished[n].shares if n in extinguished else 0) for n, s in world.debt_shares.items()}
    after = replace(
        world,
        collateral={n: amount for n, amount in collateral.items() if amount},
        debt_shares={n: s for n, s in shares.items() if s},
    )
    return Settled(world, planned, plan is not planned, seized, extinguished, after)


def check_p4(world: World) -> bool:
    """A close-out never lowers the health factor outside the terminal regime; there C / B stays.

    Both as the close-out counts them; of an account that is insolvent at exchange prices only, neither is said.
    """
    done = settle(world)
    if done is None or (done.plan.regime is Regime.TERMINAL and world.is_covered()):
        return False
    weighted, debt = world.weighted_collateral(), world.total_debt()
    left, owed = done.after.weighted_collateral(), done.after.total_debt()
    if done.plan.regime is not Regime.TERMINAL:
        # W' / B' >= W / B, as products; what is left of the debt may be next to nothing
        slack = weighted * debt * RELATIVE + NOISE * debt
        # rounded down against dust, up to a unit of each debt less is repaid than the plan says
        slack += weighted * done.debt_units() if done.rounds_down else 0
        assert left * debt >= weighted * owed - slack
        return True
    collateral, rest = world.total_collateral(), done.after.total_collateral()
    units = 2 * done.debt_units()
    difference = rest * debt - collateral * owed
    assert difference <= (done.collateral_units() + NOISE) * debt + RELATIVE * collateral * debt
    assert difference >= -(units + NOISE) * collateral - RELATIVE * collateral * debt
    return True


def check_p5(world: World) -> bool:
    """Where R* binds, a full close-out ends at the target, above it by no more than one unit of each token."""
    done = _settled_at_target(world)
    if done is None:
        return False
    target = world.target()
    left, owed = done.after.weighted_collateral(), done.after.total_debt()
    assert left >= target * owed
    units = sum((world.threshold(n) * world.unit_value(n) for n in done.seized), Fraction(0))
    assert left - units <= target * (owed + done.debt_units()) + NOISE
    return True


def check_p6(world: World) -> bool:
    """One unit less of every debt together with one unit more of every collateral would not reach the target."""
    done = _settled_at_target(world)
    if done is None:
        return False
    target = world.target()
    left, owed = done.after.weighted_collateral(), done.after.total_debt()
    units = sum((world.threshold(n) * world.unit_value(n) for n in done.seized), Fraction(0))
    assert left - units < target * (owed + done.debt_units()) + NOISE
    return True


def _settled_at_target(world: World) -> Settled | None:
    """Carried out, where the specification says that R* is what binds, and filled wholly."""
    done = settle(world)
    if done is None or done.rounds_down:
        return None
    return done if is_at_target(world) else None


def is_at_target(world: World) -> bool:
    """Whether the specification says that `R*` is what binds, clearly."""
    holdings, debts, doubts = world.exact_holdings(), world.exact_debts(), world.exact_doubts()
    verdict = exact.close_out(holdings, debts, world.exact_rules(), world.exact_request(), doubts)
    return verdict.is_target_reached and verdict.margin >= Fraction(1, 10**12)


def check_p8(world: World, random: Random) -> bool:
    """Splitting a close-out into several never seizes more in total than one.

    But where the dust rule is what keeps that one from more: after a part of it the set may be enough for all of the
    debt, and then that is closed out, at no higher a penalty.
    """
    world = replace(world, max_seized_value=MAX_UINT256)
    one = settle(replace(world, fill_wad=WAD))
    if one is None:
        return False
    seized = dict.fromkeys(one.seized, 0)
    steps, state = 0, world
    for fill in [random.choice((random.randint(1, WAD), WAD // 2, WAD // 10)) for _ in range(random.randint(1, 5))] + [
        WAD
    ]:
        part = settle(replace(state, fill_wad=fill))
        if part is None:
            continue
        state, steps = part.after, steps + 1
        for n, leg in part.seized.items():
            seized[n] += leg.seized
    for n, total in seized.items():
        most = one.seized[n].seized if not leaves_least(one) else _seized_for_all(one, n)
        # a unit of debt that rounding left behind is closed out in the next step, for some of the collateral
        rounding = steps * 2 * one.debt_units() + NOISE + RELATIVE * world.total_debt()
        rounding += _rounding_in_doubt(one, steps)
        assert total <= most + steps + rounding / world.unit_value(n), (n, total, most, steps)
    return steps > 1


def leaves_least(done: Settled) -> bool:
    """The dust rule of section 5 cut it short: as much is repaid as leaves `minDebtValue`."""
    least = done.before.terms().min_debt_value
    return 0 < least == done.before.snapshot().debt_value - done.plan.repaid_value


def _seized_for_all(done: Settled, n: int) -> int:
    """Units of a collateral that all of the account's debt takes of its set, at the penalty of this close-out."""
    world = done.before
    taken = world.total_debt() * (1 + Fraction(done.plan.penalty_rate_wad, WAD))
    there = sum((world.collateral[m] * world.unit_value(m) for m in done.seized), Fraction(0))
    return math.ceil(world.collateral[n] * min(Fraction(1), taken / there))


def _rounding_in_doubt(done: Settled, steps: int) -> Fraction:
    """In doubt, what may be seized is many times the cover, and what is rounded in the borrower's favour is cover."""
    world = done.before
    if done.plan.regime is not Regime.TERMINAL or not world.is_covered():
        return Fraction(0)
    snapshot = world.snapshot()
    decided = take_decided(world.collaterals, world.debts, world.collateral_set, world.debt_set)
    cost = Fraction(decided.set_collateral_value, snapshot.set_collateral_value)
    relief = Fraction(decided.set_debt_value, snapshot.set_debt_value)
    units = steps * 2 * (done.debt_units() + cost * done.collateral_units())
    return units * 2 / (cost - relief) if cost > relief else Fraction(0)


def check_stays_covered(world: World) -> bool:
    """Short at exchange prices only, an account is not closed out beyond what leaves it covered at deciding prices."""
    done = settle(world)
    if done is None or done.plan.regime is not Regime.TERMINAL or not world.is_covered():
        return False
    left = sum((held.value for held in done.after.exact_holdings().values()), Fraction(0))
    owed = sum(done.after.exact_debts().values(), Fraction(0))
    factor = 1 + Fraction(world.protocol.bonus_floor_wad, WAD)
    assert left >= factor * owed - NOISE - RELATIVE * factor * owed
    return True


def check_p12(world: World) -> bool:
    """No debt is written off while C >= (1 + bonusFloor) B; in the terminal regime in proportion to what is taken.

    The first at the prices that decide.
    """
    done = settle(world)
    if done is None:
        return False
    bad = done.bad_debt_value()
    decided = sum((held.value for held in world.exact_holdings().values()), Fraction(0))
    owed = sum(world.exact_debts().values(), Fraction(0))
    if decided >= (1 + Fraction(world.protocol.bonus_floor_wad, WAD)) * owed + NOISE * 10:
        assert bad == 0
        return True
    collateral, debt = world.total_collateral(), world.total_debt()
    extinguished = done.repaid_value() + bad
    rounding = (done.collateral_units() + NOISE) * debt + (done.debt_units() + NOISE) * collateral
    assert extinguished * collateral <= done.seized_value() * debt + rounding + RELATIVE * collateral * debt
    return bad > 0


def check_p13(world: World) -> bool:
    """Value seized <= (1 + mean maxBonus) x value repaid; the split adds up to the penalty, to the unit."""
    done = settle(world)
    if done is None:
        return False
    values = {n: world.collateral_value(n) for n in done.seized}
    mean = sum((world.max_bonus(n) * value for n, value in values.items()), Fraction(0)) / sum(values.values())
    most = (1 + mean) * done.repaid_value()
    if done.plan.regime is Regime.TERMINAL:
        # what is repaid is also bounded by what is extinguished, which is rounded down
        most += (1 + mean) * done.debt_units()
    assert done.seized_value() <= most + NOISE
    rate = Fraction(done.plan.penalty_rate_wad, WAD)
    for leg in done.seized.values():
        assert 0 <= leg.to_protocol <= leg.seized
        assert leg.to_liquidator + leg.to_protocol == leg.seized
        fee = leg.seized * rate * Fraction(world.protocol.fee_share_wad, WAD) / (1 + rate)
        assert leg.to_protocol <= fee
        floor = Fraction(world.protocol.bonus_floor_wad, WAD)
        if rate * (1 - Fraction(world.protocol.fee_share_wad, WAD)) > floor:
            assert leg.to_protocol >= fee - 1 - leg.seized * Fraction(1, WAD)
    return True


def check_p17(world: World, random: Random) -> bool:
    """No sequence of sets and fills sells more than one whole close-out, nor costs more than 1 % more penalty.

    Of random sequences, that is, and where no dust rule binds: `test_findings.py` has those that do more.
    """
    whole = settle(world.whole())
    if whole is None or _is_forced_by_dust(whole):
        return False
    sold = penalty = Fraction(0)
    steps, state = 0, world.whole()
    units = whole.collateral_units() + whole.debt_units()
    for _ in range(10):
        part = settle(random_request(random, state))
        if part is None:
            continue
        if _is_forced_by_dust(part):
            return False
        state, steps = part.after, steps + 1
        sold += part.seized_value()
        penalty += part.seized_value() - part.repaid_value()
        units += part.collateral_units() + part.debt_units()
    noise = units + NOISE + RELATIVE * world.total_debt()
    assert sold <= whole.seized_value() * SOLD_ROOM + noise, (float(sold), float(whole.seized_value()), steps)
    due = whole.seized_value() - whole.repaid_value()
    assert penalty <= due + abs(due) / 100 + noise, (float(penalty), float(due), steps)
    return steps > 1


def _is_forced_by_dust(done: Settled) -> bool:
    """More is closed out than the target needs, because less would leave dust."""
    snapshot = done.before.snapshot()
    minimum = done.before.protocol.min_debt_value_wad * (RAY // WAD)
    left = snapshot.debt_value - done.plan.repaid_value
    is_solvent = done.plan.regime is not Regime.TERMINAL
    return is_solvent and minimum > 0 and (snapshot.debt_value < minimum or left in (0, minimum))


def random_request(random: Random, world: World) -> World:
    """The same account, asked for any sets and any fill; no bucket, no backstop."""
    collaterals, debts = list(world.collateral), list(world.debt_shares)
    return replace(
        world.whole(),
        collateral_set=_any_of(random, collaterals),
        debt_set=_any_of(random, debts),
        fill_wad=random.choice((WAD, WAD, WAD // 2, random.randint(1, WAD))),
    )


def _any_of(random: Random, ids: list[int]) -> frozenset[int] | None:
    if not ids or random.random() < 0.3:
        return None
    return frozenset(random.sample(ids, random.randint(1, len(ids))))


def check_p18(world: World, random: Random) -> bool:
    """The result does not depend on the order in which assets were listed or deposited."""
    order = list(range(len(world.assets)))
    random.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    shuffled = replace(
        world,
        assets=tuple(world.assets[old] for old in order),
        prices_wad=tuple(world.prices_wad[old] for old in order),
        collateral={place[n]: world.collateral[n] for n in sorted(world.collateral, key=lambda _: random.random())},
        debt_shares={place[n]: world.debt_shares[n] for n in sorted(world.debt_shares, key=lambda _: random.random())},
        indices={place[n]: index for n, index in world.indices.items()},
        collateral_set=None if world.collateral_set is None else frozenset(place[n] for n in world.collateral_set),
        debt_set=None if world.debt_set is None else frozenset(place[n] for n in world.debt_set),
    )
    first, second = settle(world), settle(shuffled)
    if first is None or second is None:
        assert first is second
        return False
    assert first.plan == second.plan
    assert {place[n]: (leg.seized, leg.to_protocol) for n, leg in first.seized.items()} == {
        n: (leg.seized, leg.to_protocol) for n, leg in second.seized.items()
    }
    assert {place[n]: leg for n, leg in first.extinguished.items()} == second.extinguished
    return order != sorted(order)


def check_p19(world: World) -> bool:
    """A liquidator never loses at oracle prices, less one unit of each token.

    Where debt is written off; else less one share of each debt more, without which the target would be missed.
    """
    done = settle(world)
    if done is None:
        return False
    factor = 1 + Fraction(world.protocol.bonus_floor_wad, WAD)
    units = sum((world.unit_value(n) for n in done.extinguished), Fraction(0))
    if done.plan.regime is not Regime.TERMINAL or world.is_covered():
        units = done.debt_units()
    least = factor * (done.repaid_value() - units) - done.collateral_units()
    assert done.to_liquidator_value() >= least - NOISE
    return True


def check_p21(world: World, random: Random) -> bool:
    """Terminal settlement is pro rata over the debts, whatever the fills, sets and order."""
    first = settle(replace(world.whole(), fill_wad=WAD // 2))
    if first is None or first.plan.regime is not Regime.TERMINAL:
        return False
    factor = 1 + Fraction(world.protocol.bonus_floor_wad, WAD)
    expected = world.total_collateral() / (world.total_debt() * factor)
    if expected > 1 - Fraction(1, 10**6):
        return False  # so near to the border that a rounding crosses it
    repaid = dict.fromkeys(world.debt_shares, 0)
    extinguished = dict.fromkeys(world.debt_shares, 0)
    state, steps = world.whole(), 0
    for last in (False,) * random.randint(0, 6) + (True,):
        part = settle(state.whole() if last else random_request(random, state))
        if part is None:
            continue
        assert part.plan.regime is Regime.TERMINAL
        state, steps = part.after, steps + 1
        for n, leg in part.extinguished.items():
            repaid[n] += leg.repaid
            extinguished[n] += leg.repaid + leg.bad_debt
    for n in world.debt_shares:
        due = expected * extinguished[n]
        # every step rounds every token by a unit, and what one token loses the others' shares feel
        units = sum((world.unit_value(m) for m in (*world.collateral, *world.debt_shares)), Fraction(0))
        slack = steps * (2 + 3 * units / world.unit_value(n)) + due / 10**9
        assert abs(repaid[n] - due) <= slack, (n, repaid[n], float(due), float(slack))
    return steps > 1 and len(world.debt_shares) > 1


def check_p22(world: World) -> bool:
    """After a full restorative close-out another at the same prices and time is refused."""
    done = settle(world.whole())
    if done is None or done.plan.regime is not Regime.RESTORATIVE or done.rounds_down:
        return False
    try:
        done.after.plan()
    except ModelRevert as revert:
        assert revert.name == "AccountHealthy"
        return True
    raise AssertionError("a second close-out was admitted")


def check_p20(world: World, random: Random) -> bool:
    """A repayment or deposit by anyone never makes the borrower poorer after the close-out that follows.

    Of every regime: what the account is worth after a whole close-out is not lower for the gift. Of a repayment into a
    restorative account, literally: the penalty is not higher either.
    """
    world = world.whole()
    without = settle(world)
    if without is None:
        return False
    gifted = _gift(world, random)
    with_gift = settle(gifted)
    after = with_gift.after if with_gift else gifted
    worth, worth_with = _equity(without.after), _equity(after)
    noise = without.collateral_units() + 2 * without.debt_units() + NOISE + RELATIVE * world.total_collateral()
    assert worth_with >= worth - 2 * noise, (float(worth), float(worth_with))
    is_repayment = gifted.collateral == world.collateral
    if with_gift and is_repayment and without.plan.regime is Regime.RESTORATIVE:
        penalty = without.seized_value() - without.repaid_value()
        assert with_gift.seized_value() - with_gift.repaid_value() <= penalty + 2 * noise
    return True


def _gift(world: World, random: Random) -> World:
    part = Fraction(random.choice((1, 10, 100, 1000, random.randint(1, 1000))), 1000 * random.choice((1, 1, 100)))
    if random.random() < 0.5:
        n = random.choice(list(world.collateral))
        amount = world.collateral[n]
        most = world.assets[n].max_amount - amount
        return replace(world, collateral={**world.collateral, n: amount + min(most, max(1, int(amount * part)))})
    n = random.choice(list(world.debt_shares))
    left = world.debt_shares[n] - max(1, int(world.debt_shares[n] * min(part, Fraction(1))))
    debts = {m: shares for m, shares in {**world.debt_shares, n: left}.items() if shares > 0}
    return replace(world, debt_shares=debts)


def _equity(world: World) -> Fraction:
    return world.total_collateral() - world.total_debt()
