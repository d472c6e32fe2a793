"""The same account under a peer's rule and under ours, with numbers: what the rules of this protocol are there for.

A peer's rule is computed here in exact fractions; ours is what the contracts do.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from closeout.units import WAD
from tests.model.checks import Settled
from tests.property.by_hand import Held, account
from tests.property.placed import Stage
from tests.worlds import World

MICRO = Fraction(1, 10**6)
"""USD: one unit of the tokens here."""


def health(world: World) -> Fraction:
    found = world.health()
    assert found is not None
    return found


def settled(stage: Stage, world: World) -> Settled:
    done = stage.settle(world)
    assert done is not None
    return done


def test_the_pair_that_makes_a_solvent_account_worse__is_refused(stage: Stage) -> None:
    """One pair, up to half of the debt, 5 % bonus: a peer's liquidator takes the collateral with the highest threshold.

    500 USD at 94 % and 1 000 USD at 60 % against 1 150 USD: solvent by 30 %, health factor 0.93. The peer's pair sells
    all of the better collateral and leaves 0.89; the next liquidation is due at once. Here that set is refused, and the
    whole account ends at its target.
    """
    world = account([Held("500", 94, 5), Held("1000", 60, 5)], ["1150"])
    repaid = Fraction(500) / Fraction(105, 100)
    assert repaid < Fraction(1150, 2)
    peer = (Fraction(60, 100) * 1000) / (1150 - repaid)
    assert round(float(health(world)), 4) == 0.9304
    assert round(float(peer), 4) == 0.8905
    assert peer < health(world)

    pair = stage.see(replace(world, collateral_set=frozenset({0})))
    assert pair.refusal == "SetSellsTooMuch"
    done = settled(stage, world)
    assert Fraction(105, 100) <= health(done.after) < Fraction(105, 100) + 10 * MICRO


def test_the_formula_that_misses_its_target__lands_on_it_here(stage: Stage) -> None:
    """A peer solves for the target with the liquidator's 5 % and takes 2 % more for its insurance: 1.0436, not 1.05.

    1 237.50 USD at 80 % against 1 000 USD. Here the whole penalty of 7 % is in the formula; the protocol's part is
    taken out of it afterwards.
    """
    threshold, bonus, fee, target = Fraction(80, 100), Fraction(5, 100), Fraction(2, 100), Fraction(105, 100)
    world = account([Held("1237.5", 80, 7)], ["1000"], fee_share_wad=2 * WAD // 7)
    weighted, debt = world.weighted_collateral(), world.total_debt()
    repaid = (target * debt - weighted) / (target - threshold * (1 + bonus))
    peer = (weighted - threshold * (1 + bonus + fee) * repaid) / (debt - repaid)
    assert peer == Fraction(10436, 10000)

    done = settled(stage, world)
    assert target <= health(done.after) < target + 10 * MICRO
    assert abs(done.repaid_value() - Fraction(60) / (target - threshold * Fraction(107, 100))) <= MICRO
    to_protocol = sum(leg.to_protocol for leg in done.seized.values()) * MICRO
    assert abs(to_protocol - done.seized_value() * fee / Fraction(107, 100)) <= 2 * MICRO


def test_the_set_that_sells_five_times_what_is_needed__is_refused(stage: Stage) -> None:
    """Restoring a target with one pair: the safest collateral hardly helps, so five times as much of it is sold.

    8 510 USD at 94 % and 5 854.71 USD at 34 % against 10 000 USD, health factor 0.999. Over the whole account 1 595 USD
    have to be repaid; over the better collateral alone 8 095 USD, nearly all of it sold.
    """
    world = account([Held("8510", 94, 5), Held("5854.705882", 34, 5)], ["10000"])
    weighted, debt, target = world.weighted_collateral(), world.total_debt(), Fraction(105, 100)
    assert abs(health(world) - Fraction(999, 1000)) < MICRO
    missing = target * debt - weighted
    one_pair = missing / (target - Fraction(94, 100) * Fraction(105, 100))
    assert one_pair * Fraction(105, 100) <= 8510

    done = settled(stage, world)
    assert round(done.repaid_value()) == 1595
    assert one_pair / done.repaid_value() > 5
    assert Fraction(105, 100) <= health(done.after) < Fraction(105, 100) + 10 * MICRO
    assert stage.see(replace(world, collateral_set=frozenset({0}))).refusal == "SetSellsTooMuch"


def test_the_dust_that_blocks_a_deficit__blocks_nothing_here(stage: Stage) -> None:
    """A peer books a loss only where no collateral of any kind is left: one cent of a second token keeps it from that.

    900 USD and a cent against 1 200 USD. The peer's pair takes the 900 USD for 895.52 and leaves 304.48 USD of debt
    beside the cent: it grows, and no lender is told. Here the pair's own set, naming only the larger collateral, books
    the loss in the same transaction; the cent goes to the insurance fund.
    """
    world = account([Held("900", 80, 5), Held("0.01", 80, 5)], ["1200"], dust=1)
    peer_left = 1200 - 900 / Fraction(1005, 1000)
    assert round(float(peer_left), 2) == 304.48

    one = stage.see(replace(world, collateral_set=frozenset({0})))
    assert one.result is not None
    assert one.settled is not None
    assert not one.settled.after.debt_shares
    assert not one.settled.after.collateral
    repaid, bad_debt, _ = one.result.repaid[2]
    assert repaid + bad_debt == 1_200_000_000
    assert abs(bad_debt * MICRO - peer_left) < Fraction(2, 100)
    assert one.result.seized[1] == (10_000, 0, 10_000)


def test_a_repayment_that_unlocks_a_larger_close_out__takes_nothing_more_here(stage: Stage) -> None:
    """A peer closes half of a debt, and all of one below 2 000 USD: 51 repaid of 2 050 USD unlock 924 USD more.

    With a bonus of 5 % the helper takes 46 USD more out of the account than he could have. Here the gift makes the
    close-out smaller, by more than the gift.
    """
    held = [Held("2670", 75, 5)]
    without = settled(stage, account(held, ["2050"], min_debt=100))
    gifted = settled(stage, account(held, ["2003"], min_debt=100))
    peer_more = 2050 - 51 - Fraction(2050, 2)
    assert round(float(peer_more)) == 974
    saved = without.repaid_value() - gifted.repaid_value()
    assert saved > 47
    penalty = without.seized_value() - without.repaid_value()
    assert gifted.seized_value() - gifted.repaid_value() < penalty
