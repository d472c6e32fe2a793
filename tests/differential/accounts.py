"""The accounts that engine, model and exact fractions are asked about: random worlds, prices in doubt, opt-ins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from closeout.model import Decided, Plan, Snapshot, Terms, plan_close_out, take_decided
from closeout.units import WAD
from tests.differential import exact
from tests.differential.sizes import seeded
from tests.doubts import make_doubtful_world
from tests.worlds import AIMS, World, make_world

SMALLEST_VALUE = Fraction(1, 10**27)
"""USD. What is worth less is worth 0 in the integers, and section 4 keeps what is worth 0 out of every set."""


@dataclass(frozen=True)
class Case:
    """One account and one request. `penalty_wad` is that of an owner who opted in to being deleveraged, else 0."""

    number: int
    world: World
    snapshot: Snapshot
    terms: Terms
    penalty_wad: int = 0

    def model(self) -> Plan:
        return plan_close_out(self.snapshot, self.terms)

    def decided(self) -> Decided:
        world = self.world
        return take_decided(world.collaterals, world.debts, world.collateral_set, world.debt_set)

    def verdict(self) -> exact.Verdict:
        """What the specification says, in exact fractions."""
        holdings = {n: held for n, held in self.world.exact_holdings().items() if held.value >= SMALLEST_VALUE}
        rules, request = self.world.exact_rules(), self.world.exact_request()
        if self.penalty_wad:
            return _deleveraged(self, holdings, rules, request)
        return exact.close_out(holdings, self.world.exact_debts(), rules, request, self.world.exact_doubts())


def _deleveraged(
    case: Case, holdings: dict[int, exact.Holding], rules: exact.Rules, request: exact.Request
) -> exact.Verdict:
    """Section 7 is section 4 with a fixed penalty. All of section 4 holds with thresholds and target scaled by the
    same number: here by one that puts the account below 1.
    """
    health = case.world.health()
    assert health is not None
    scale = 1 / (2 * health)
    penalty = Fraction(case.penalty_wad, WAD)
    scaled = {n: exact.Holding(held.value, held.threshold * scale, penalty) for n, held in holdings.items()}
    own = replace(
        rules, target=Fraction(case.terms.target_health_factor_wad, WAD) * scale, min_bonus_fraction=Fraction(1)
    )
    return exact.close_out(scaled, case.world.exact_debts(), own, request)


def _with_health(world: World, health_wad: int) -> World:
    """The same account with more debt: at that health factor, or a little above."""
    health = world.snapshot().health_factor_wad
    return replace(world, debt_shares={n: shares * health // health_wad for n, shares in world.debt_shares.items()})


def ordinary(number: int) -> Case:
    """A liquidation, of any aim in turn."""
    world = make_world(seeded("engine", number), AIMS[number % len(AIMS)])
    return Case(number, world, world.snapshot(), world.terms())


def doubtful(number: int) -> Case:
    """A liquidation of an account whose prices are degraded or missing, some or all; of volatile collateral."""
    world = make_doubtful_world(seeded("doubt", number), AIMS[number % len(AIMS)])
    return Case(number, world, world.snapshot(), world.terms())


def opted_in(number: int) -> Case:
    """A healthy account whose owner opted in, below his trigger."""
    random = seeded("deleverage", number)
    world = replace(make_world(random, "healthy"), max_seized_value=2**256 - 1)
    # near 1 the penalty is often more than there is beyond the debt
    nearer = max(WAD + WAD // 1000, int(WAD * random.choice((1.002, random.uniform(1, 1.2)))))
    world = _with_health(world, min(nearer, world.snapshot().health_factor_wad))
    floor = max(1, world.protocol.bonus_floor_wad)
    penalty = random.choice((floor, WAD // 5, WAD // 5, random.randint(floor, WAD // 5)))
    health = world.snapshot().health_factor_wad
    target = random.choice((health + 1, 2 * WAD, random.randint(health + 1, 2 * WAD)))
    terms = replace(world.terms(), target_health_factor_wad=target, fixed_penalty_wad=penalty)
    return Case(number, world, world.snapshot(), terms, penalty)
