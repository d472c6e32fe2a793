"""P1 to P23 of the specification, each asked of every step of every history.

A check returns whether the step said anything about its property, so that a run can also assert that enough did. What
compares one close-out with others of the same account (P8, P17, P18, P20, P21) is asked of the accounts that histories
come to, by the checks of `tests/model/checks.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

from closeout.model import AccountId, Regime, debt_shares_up
from closeout.units import WAD
from tests.differential.plays import USERS, Move
from tests.differential.settings import model_parameters
from tests.model import checks
from tests.model.checks import NOISE, RELATIVE
from tests.property.looks import AccountLook, Look
from tests.property.test_histories import (
    MARGINED,
    concerned_by,
    covers_everything,
    keeps_its_margin,
    keeps_share_values,
    leaves_the_healthy_alone,
)
from tests.property.test_reach import GAS_BOUND
from tests.stateful.parts import ACTOR, Bundle
from tests.stateful.sights import Sight
from tests.support.world import Result
from tests.worlds import World

REENTRANCY = bytes.fromhex("ab143c06")
"""Selector of `Reentrancy()`."""
BAD_TOKEN = (bytes.fromhex("7939f424"), bytes.fromhex("43a670fe"))
"""Selectors of Solady's `TransferFromFailed()`, and of `TransferMismatch(address,uint256,uint256)`."""
COMPARED = 5
"""One in so many close-outs is compared with others of the same account."""


# ------------------------------------------------------------------------------------------------- what belongs to whom


def may_lose_by(move: Move) -> set[str]:
    """Who may be poorer after a move: see `concerned_by`; also who gave the caller an allowance, or pays a fee."""
    concerned = concerned_by(move)
    if move.name in ("withdraw by face", "redeem by face"):
        concerned.add(move.arguments[2])
    elif move.name == "transfer shares from":
        concerned.add(move.arguments[0])
    elif move.name == "flash loan":
        concerned.add(ACTOR)
    elif move.name == "multicall":
        [bundle] = move.arguments
        assert isinstance(bundle, Bundle)
        concerned = concerned.union(*(may_lose_by(part) for part in bundle.moves))
    return concerned


def p1(sight: Sight) -> bool:
    """The Vault holds what it owes, and what was given to nobody."""
    if not any(sight.donated):
        covers_everything(sight.after, sight.place)
        return True
    assets = tuple(
        replace(asset, vault_balance=asset.vault_balance - gift)
        for asset, gift in zip(sight.after.assets, sight.donated, strict=True)
    )
    covers_everything(replace(sight.after, assets=assets), sight.place)
    return True


def p2(sight: Sight) -> bool:
    """At fixed prices and time nobody loses anything to somebody else's call. Rounding: two units of each token."""
    if not sight.is_done or sight.step.move.name in ("prices", "write off"):
        return False
    # what nobody repays is the lenders' loss; of a close-out over Uniswap the result is not known here
    is_loss = sight.result is not None and any(bad for _, bad, _ in sight.result.repaid.values())
    if is_loss or sight.step.move.name == "flash close out":
        return False
    decimals = [asset.decimals for asset in sight.setting.assets]
    for user in set(USERS) - may_lose_by(sight.step.move):
        if _has(sight.before, user) == _has(sight.after, user):
            # by the value of his shares alone he loses where P10 fails
            continue
        before, after = sight.before.equity(user, decimals), sight.after.equity(user, decimals)
        room = 2 * sight.units_of(range(len(decimals)))
        assert after >= before - room, f"{sight.place}: {user} loses {float(before - after)}"
    return True


def _has(look: Look, user: str) -> list[Any]:
    """All that a user has, in units."""
    place = USERS.index(user)
    rows: list[Any] = [(a.wallets[place], a.claims_of[place], a.shares_of[place]) for a in look.assets]
    rows += [(a.collateral, a.debt) for account, a in look.accounts.items() if account.owner == user]
    return rows


def p3(sight: Sight) -> bool:
    """No borrow or withdrawal leaves less than the initial margin."""
    return keeps_its_margin(_moment(sight))


def p7(sight: Sight) -> bool:
    """A healthy account loses nothing to anyone; and nobody's account loses to what is not about it."""
    concerned = may_lose_by(sight.step.move)
    is_still = all(b.index == a.index for b, a in zip(sight.before.assets, sight.after.assets, strict=True))
    for account, before in sight.before.accounts.items():
        if account.owner in concerned:
            continue
        after = sight.after.accounts[account]
        assert all(a >= b for a, b in zip(after.collateral, before.collateral, strict=True)), sight.place
        assert not is_still or all(a <= b for a, b in zip(after.debt, before.debt, strict=True)), sight.place
    return leaves_the_healthy_alone(_moment(sight))


def p10(sight: Sight) -> bool:
    """A supply share falls only by bad debt, a debt index never."""
    return keeps_share_values(_moment(sight))


def _moment(sight: Sight) -> Any:
    # what the checks of histories look at is the same by name
    return sight


# ------------------------------------------------------------------------------------------------------ one close-out


def _closed(sight: Sight) -> tuple[AccountId, Result, AccountLook, AccountLook] | None:
    account = sight.closed
    if account is None or sight.result is None:
        return None
    return account, sight.result, sight.before.accounts[account], sight.after.accounts[account]


def _closed_for_sure(sight: Sight) -> tuple[AccountId, Result, AccountLook, AccountLook] | None:
    """At fresh prices: in doubt more than one price counts, and the comparison with the model tells."""
    closed = _closed(sight)
    return closed if closed is not None and sight.is_sure(closed[2]) else None


def p4(sight: Sight) -> bool:
    """A close-out never lowers the health factor; in the terminal regime C / B stays."""
    closed = _closed_for_sure(sight)
    if closed is None:
        return False
    _, result, before, after = closed
    units = 2 * sight.units_of(sight.debts_of(before))
    if result.regime != Regime.TERMINAL:
        weighted, debt = sight.weighted_value(before), sight.debt_value(before)
        left, owed = sight.weighted_value(after), sight.debt_value(after)
        assert left * debt >= weighted * owed - weighted * units - (weighted * RELATIVE + NOISE) * debt, sight.place
        return True
    if any(to_insurance for _, _, to_insurance in result.seized.values()) or not any(after.debt):
        return False
    collateral, debt = sight.collateral_value(before), sight.debt_value(before)
    difference = sight.collateral_value(after) * debt - collateral * sight.debt_value(after)
    room = RELATIVE * collateral * debt + NOISE * (debt + collateral)
    assert difference <= sight.units_of(result.seized) * debt + units * collateral + room, sight.place
    assert difference >= -units * collateral - room, sight.place
    return True


def _reaches_target(sight: Sight) -> tuple[Fraction, Result, AccountLook, AccountLook] | None:
    """The target, where `R*` is what bound a whole fill: no balance ran out, no dust rule, no size bucket."""
    closed = _closed_for_sure(sight)
    if closed is None:
        return None
    account, result, before, after = closed
    request = sight.step.move.arguments[0]
    limits, assets = sight.setting.parameters.limits, sight.setting.assets
    if result.regime != Regime.RESTORATIVE or request.fill_wad != WAD:
        return None
    if any(not after.collateral[n] or assets[n].collateral.bucket_capacity for n in result.seized):
        return None
    if all(not after.debt[n] for n in result.repaid):
        return None
    least = Fraction(limits.min_debt_value, WAD) + 2 * sight.units_of(sight.debts_of(before))
    if sight.debt_value(after) <= least:
        return None
    target = sight.setting.parameters.curve.target_health_factor
    if result.health_before >= WAD:
        target = sight.before.accounts[account].deleverage[1]
    return Fraction(target, WAD), result, before, after


def p5_p6(sight: Sight) -> bool:
    """A whole restorative close-out lands on the target, and is minimal by one unit of each token."""
    reached = _reaches_target(sight)
    if reached is None:
        return False
    target, result, before, after = reached
    left, owed = sight.weighted_value(after), sight.debt_value(after)
    debts = sight.units_of(sight.debts_of(before))
    units = sum((sight.threshold(n) * sight.unit_value(n) for n in result.seized), Fraction(0))
    room = RELATIVE * left
    assert left >= target * (owed - debts) - room, f"P5 {sight.place}"
    assert left - units < target * (owed + debts) + NOISE + room, f"P6 {sight.place}"
    return True


def p9(sight: Sight) -> bool:
    """The preview is what the close-out did, or why it was refused, unless by who is to pay."""
    if sight.preview is None:
        return False
    if sight.result is not None:
        assert sight.preview == sight.result, f"{sight.place}: {sight.preview}, done {sight.result}"
        return True
    if isinstance(sight.preview, str):
        assert sight.preview == sight.refusal, f"{sight.place}: previewed {sight.preview}, refused {sight.refusal}"
    else:
        assert sight.refusal in UNPAYABLE, f"{sight.place}: previewed, refused {sight.refusal}"
    return True


UNPAYABLE = {"InsufficientClaim", "InsufficientShares", "TransferFromFailed", "TransferMismatch"}


def p11(sight: Sight) -> bool:
    """An unhealthy account can be closed out: now, after its grace, or after the second of its last borrow."""
    look = sight.after.accounts[sight.watched]
    if sight.still_due is None or look.health_factor >= WAD or not sight.is_sure(look):
        return False
    # what a callback burns is its own
    assert sight.gas <= GAS_BOUND or sight.closed is None or sight.tries, sight.place
    if isinstance(sight.still_due, Result) or sight.still_due in ("GracePeriodRunning", "AccountActedNow"):
        return isinstance(sight.still_due, Result)
    if sight.still_due == "EmptySet":
        # without collateral of any value it can be written off: writeOff asks for no more than that
        assert look.collateral_value == 0, sight.place
        return True
    assert sight.still_due == "NothingToClose", f"{sight.place}: {sight.watched} {sight.still_due}"
    assert sight.debt_value(look) <= sight.units_of(sight.debts_of(look)), sight.place
    return False


def p12(sight: Sight) -> bool:
    """No debt of a solvent account is written off; an account that has no collateral left of a loss has no debt."""
    closed = _closed_for_sure(sight)
    if closed is None:
        return False
    _, result, before, after = closed
    if not any(bad for _, bad, _ in result.repaid.values()):
        return False
    floor = 1 + Fraction(sight.setting.parameters.curve.bonus_floor, WAD)
    assert sight.collateral_value(before) < floor * sight.debt_value(before) + NOISE, sight.place
    assert any(after.collateral) or not any(after.debt), sight.place
    return True


def p13(sight: Sight) -> bool:
    """Seized within the mean of the largest bonuses; what is the protocol's is part of the penalty."""
    closed = _closed_for_sure(sight)
    if closed is None or closed[1].health_before >= WAD:
        return False
    _, result, before, _ = closed
    taken = {n: seized - rest for n, (seized, _, rest) in result.seized.items() if seized - rest}
    if not taken:
        return False
    values = {n: before.collateral[n] * sight.unit_value(n) for n in taken}
    bonus = {n: Fraction(sight.setting.assets[n].collateral.max_bonus, 10_000) for n in taken}
    mean = sum((bonus[n] * value for n, value in values.items()), Fraction(0)) / sum(values.values())
    repaid = sum((units * sight.unit_value(n) for n, (units, _, _) in result.repaid.items()), Fraction(0))
    sold = sum((units * sight.unit_value(n) for n, units in taken.items()), Fraction(0))
    most = (1 + mean) * (repaid + sight.units_of(result.repaid) * (result.regime == Regime.TERMINAL))
    assert sold <= most + NOISE, sight.place
    rate, share = Fraction(result.penalty_rate, WAD), Fraction(sight.setting.parameters.curve.fee_share, WAD)
    for seized, to_protocol, to_insurance in result.seized.values():
        assert 0 <= to_protocol <= (seized - to_insurance) * rate * share / (1 + rate), sight.place
    return True


def section_5(sight: Sight) -> bool:
    """No close-out leaves a debt between nothing and the smallest, but where it was there before, or under water."""
    closed = _closed_for_sure(sight)
    if closed is None or closed[1].regime == Regime.TERMINAL:
        return False
    _, _, before, after = closed
    least = Fraction(sight.setting.parameters.limits.min_debt_value, WAD)
    if sight.debt_value(before) - sight.units_of(sight.debts_of(before)) < least or not least:
        return False
    # units are rounded up: of a debt that is worth the least there may seem more, never less
    assert not any(after.debt) or sight.debt_value(after) >= least, sight.place
    return True


def p19(sight: Sight) -> bool:
    """A liquidator gets at least the floor above what he repays, less one unit of each token.

    Where no debt is written off also less one share of each debt: docs/invariants.md.
    """
    closed = _closed_for_sure(sight)
    if closed is None:
        return False
    _, result, _, _ = closed
    units = sight.units_of(result.repaid)
    if result.regime != Regime.TERMINAL:
        units += sum((sight.unit_value(n) * sight.share_of(n) for n in result.repaid), Fraction(0))
    repaid = sum((units * sight.unit_value(n) for n, (units, _, _) in result.repaid.items()), Fraction(0))
    got = sum(((s - p - i) * sight.unit_value(n) for n, (s, p, i) in result.seized.items()), Fraction(0))
    floor = 1 + Fraction(sight.setting.parameters.curve.bonus_floor, WAD)
    least = floor * (repaid - units) - sight.units_of(result.seized)
    assert got >= least - NOISE, sight.place
    return True


def p21(sight: Sight) -> bool:
    """Under water every debt named is repaid the same part of what is extinguished of it: C / (B (1 + floor))."""
    closed = _closed_for_sure(sight)
    if closed is None or closed[1].regime != Regime.TERMINAL:
        return False
    _, result, before, _ = closed
    if any(rest for _, _, rest in result.seized.values()):
        return False
    floor = 1 + Fraction(sight.setting.parameters.curve.bonus_floor, WAD)
    due = sight.collateral_value(before) / (sight.debt_value(before) * floor)
    owed = sight.units_of((*sight.debts_of(before), *result.seized))
    for n, (repaid, bad, _) in result.repaid.items():
        room = 3 + 3 * owed / sight.unit_value(n) + (repaid + bad) * RELATIVE * 1000
        assert abs(repaid - due * (repaid + bad)) <= room, f"{sight.place}: {n}"
    return True


def p22(sight: Sight) -> bool:
    """After a whole restorative close-out that reached the target another is refused."""
    if sight.still_due is None or _reaches_target(sight) is None or sight.result is None:
        return False
    if sight.result.health_before >= WAD or any(sight.after.accounts[sight.watched].deleverage):
        return False
    assert sight.still_due == "AccountHealthy", f"{sight.place}: {sight.still_due}"
    return True


def p23(sight: Sight) -> bool:
    """A collateral whose token is dead becomes the receiver's claim, to the unit; wallets tell of the others."""
    closed = _closed(sight)
    if closed is None or not sight.dead & closed[1].seized.keys():
        return False
    request = sight.step.move.arguments[0]
    users = (*USERS, ACTOR)
    place = list(users).index(request.receiver)
    for n, (seized, to_protocol, to_insurance) in closed[1].seized.items():
        before, after = sight.before.assets[n], sight.after.assets[n]
        # holders are the users first; the actor stands last
        place = users.index(request.receiver) if request.receiver != ACTOR else -1
        gained = after.claims_of[place] - before.claims_of[place]
        moved = after.wallets[place] - before.wallets[place]
        amount = seized - to_protocol - to_insurance
        is_claim = n in sight.dead or n in request.as_claims
        assert (gained, moved) == ((amount, 0) if is_claim else (0, amount)), f"{sight.place}: asset {n}"
    return True


# --------------------------------------------------------------------------------------------------- who may do what


def p15(sight: Sight) -> bool:
    """What is a role's is refused to everybody else."""
    if sight.step.move.name != "trespass":
        return False
    assert sight.refusal in ("AccessManagedUnauthorized", "NotSupplyToken"), f"{sight.place}: {sight.refusal}"
    return True


RELIEF = {
    "repay": {"ZeroAmount"},
    "repay shares": {"ZeroAmount"},
    "repay from inside": {"ZeroAmount", "InsufficientClaim", "InsufficientShares"},
    "deposit": {"ZeroAmount", "AmountTooLarge"},
}
MISBEHAVING = {"TransferFromFailed", "TransferMismatch"}


def p16(sight: Sight) -> bool:
    """No pause, cap or bucket stops a repayment, or a top-up of an account that owes."""
    allowed = RELIEF.get(sight.step.move.name)
    if allowed is None:
        return False
    account, asset = sight.step.move.arguments[:2]
    look = sight.before.accounts[account]
    if asset >= len(look.debt) or not any(look.debt):
        return False
    is_top_up = sight.step.move.name == "deposit"
    if not (look.collateral if is_top_up else look.debt)[asset]:
        return False
    assert sight.refusal in {None, *allowed, *MISBEHAVING}, f"{sight.place}: {sight.refusal}"
    return sight.is_done


def section_9(sight: Sight) -> bool:
    """Who borrows, or withdraws and owes, does it at fresh prices alone."""
    if not sight.is_done or sight.step.move.name not in MARGINED:
        return False
    look = sight.after.accounts[sight.step.move.arguments[0]]
    assert not any(look.debt) or sight.is_sure(look), sight.place
    return any(look.debt) and bool(sight.doubtful)


def t74(sight: Sight) -> bool:
    """Nothing that is tried from inside a callback gets through."""
    if not sight.tries:
        return False
    [script, _] = sight.step.move.before[0].arguments
    for name, (passed, answer) in zip(script.tries, sight.tries, strict=True):
        # a face takes the tokens before it asks the Vault, and a token may refuse, or send less
        allowed = (REENTRANCY, *BAD_TOKEN) if name == "deposit by face" else (REENTRANCY,)
        assert not passed, f"{sight.place}: {name}, {answer.hex()}"
        assert answer[:4] in allowed, f"{sight.place}: {name}, {answer.hex()}"
    return True


# -------------------------------------------------------------------------------- one close-out beside others like it


def world_of(sight: Sight) -> World | None:
    """The account of a close-out as it was before it, for the checks that compare. Debts in whole units."""
    account = sight.closed
    if account is None:
        return None
    look, setting = sight.before.accounts[account], sight.setting
    indices = {n: sight.before.assets[n].index for n in sight.debts_of(look)}
    request = sight.step.move.arguments[0]
    return World(
        aim="history",
        protocol=replace(model_parameters(setting.parameters), dust_value_wad=0),
        assets=tuple(asset.in_the_model() for asset in setting.assets),
        prices_wad=sight.before.prices,
        collateral={n: units for n, units in enumerate(look.collateral) if units},
        debt_shares={n: debt_shares_up(look.debt[n], index) for n, index in indices.items()},
        indices=indices,
        collateral_set=request.collaterals,
        debt_set=request.debts,
        fill_wad=request.fill_wad,
    )


def compared(check: Callable[[World, Random], bool]) -> Callable[[Sight], bool]:
    """A check over worlds as one over steps, of some of the close-outs."""

    def checked(sight: Sight) -> bool:
        if _closed_for_sure(sight) is None or sight.result is None or sight.result.health_before % COMPARED:
            return False
        if (
            sight.closed is None
            or not any(sight.before.accounts[sight.closed].collateral)
            or sight.result.health_before >= WAD
        ):
            return False
        world = world_of(sight)
        assert world is not None
        try:
            return check(world, Random(sight.result.health_before))
        except AssertionError as failure:
            raise AssertionError(f"{sight.place}: {failure}\n{world}") from failure

    return checked


INVARIANTS: dict[str, Callable[[Sight], bool]] = {
    "P1": p1,
    "P2": p2,
    "P3": p3,
    "P4": p4,
    "P5 P6": p5_p6,
    "P7": p7,
    "P8": compared(checks.check_p8),
    "P9": p9,
    "P10": p10,
    "P11": p11,
    "P12": p12,
    "P13": p13,
    "P15": p15,
    "P16": p16,
    "P17": compared(checks.check_p17),
    "P18": compared(checks.check_p18),
    "P19": p19,
    "P20": compared(checks.check_p20),
    "P21": p21,
    "P22": p22,
    "P23": p23,
    "section 5": section_5,
    "section 9": section_9,
    "T74": t74,
}
"""P14, and that every balance follows from the logs, need more than one step: see `ledger.py`."""

ON_A_CHAIN = {"P9", "P11", "P22", "T74"}
"""What the model alone cannot tell: it has no preview, no gas and no callbacks."""
