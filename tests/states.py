"""One account as a test states it: its prices and parameters, and a request; for every implementation there is.

A world states balances, so it can be put before the reference model, the contracts and the exact fractions alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final

from closeout.model import (
    INDEX_ONE,
    MAX_UINT256,
    AccountId,
    AssetParameters,
    CollateralPosition,
    DebtPosition,
    ModelRevert,
    Plan,
    ProtocolParameters,
    Quote,
    Snapshot,
    Status,
    Terms,
    Vault,
    health_factor,
    keep_covered,
    plan_close_out,
    take_decided,
    take_snapshot,
)
from closeout.units import RAY, WAD
from tests.differential.exact import Doubt, Holding, Request, Rules

ACCOUNT: Final = AccountId("borrower")
OPENED_AT: Final = 1


@dataclass(frozen=True)
class World:
    """One account before a close-out. Asset ids: the collaterals first, then the debts.

    `prices_wad` are what amounts are exchanged at, or were last; `quotes` tells of those that are not fresh. `targets`:
    what the volatility oracle says of single collaterals.
    """

    aim: str
    protocol: ProtocolParameters
    assets: tuple[AssetParameters, ...]
    prices_wad: tuple[int, ...]
    collateral: dict[int, int]
    debt_shares: dict[int, int]
    indices: dict[int, int]
    collateral_set: frozenset[int] | None = None
    debt_set: frozenset[int] | None = None
    fill_wad: int = WAD
    is_backstop: bool = False
    max_seized_value: int = MAX_UINT256
    quotes: Mapping[int, Quote] = field(default_factory=dict)
    targets: Mapping[int, int] = field(default_factory=dict)

    def quote(self, asset_id: int) -> Quote:
        return self.quotes.get(asset_id) or Quote.fresh(self.prices_wad[asset_id])

    @property
    def collaterals(self) -> list[CollateralPosition]:
        return [self._collateral(n, amount) for n, amount in self.collateral.items()]

    def _collateral(self, asset_id: int, amount: int) -> CollateralPosition:
        asset, quote = self.assets[asset_id], self.quote(asset_id)
        return CollateralPosition(
            asset_id,
            amount,
            quote.collateral_wad,
            asset.decimals,
            asset.liquidation_threshold_bps,
            asset.max_bonus_bps,
            quote.status,
            quote.exchange_wad,
        )

    @property
    def debts(self) -> list[DebtPosition]:
        return [self._debt(n, shares) for n, shares in self.debt_shares.items()]

    def _debt(self, asset_id: int, shares: int) -> DebtPosition:
        asset, quote = self.assets[asset_id], self.quote(asset_id)
        index = self.indices[asset_id]
        return DebtPosition(asset_id, shares, index, quote.debt_wad, asset.decimals, quote.status, quote.exchange_wad)

    def snapshot(self) -> Snapshot:
        return take_snapshot(self.collaterals, self.debts, self.collateral_set, self.debt_set)

    def terms(self) -> Terms:
        protocol = self.protocol
        return Terms(
            target_health_factor_wad=self._target_wad(),
            bonus_floor_wad=protocol.bonus_floor_wad,
            min_bonus_fraction_wad=protocol.min_bonus_fraction_wad,
            health_for_max_bonus_wad=protocol.health_for_max_bonus_wad,
            steepness_wad=protocol.steepness_wad,
            min_debt_value=0 if self.is_throttled else protocol.min_debt_value_wad * (RAY // WAD),
            fill_wad=self.fill_wad,
            max_seized_value=self.max_seized_value if self._has_size_limit() else MAX_UINT256,
            is_backstop=self.is_backstop,
            is_covered=self.is_covered(),
        )

    def _target_wad(self) -> int:
        target = self.protocol.target_health_factor_wad
        if self.is_throttled:
            return WAD
        priced = [c for c in self.collaterals if c.status is not Status.MISSING]
        raised = sum(c.value * (max(target, self.targets.get(c.asset_id, target)) - target) for c in priced)
        value = sum(c.value for c in priced)
        return target + raised // value if value else target

    @property
    def is_throttled(self) -> bool:
        """The set holds a price that is degraded."""
        return any(self.quote(n).status is Status.DEGRADED for n in self.in_sets())

    def in_sets(self) -> set[int]:
        """What the request names, has a price and, of collateral, is worth something at it: a unit of 1e-27 USD."""
        named = {
            n
            for n, amount in self.collateral.items()
            if (self.collateral_set is None or n in self.collateral_set) and self._collateral(n, amount).exchanged.value
        }
        named |= {n for n in self.debt_shares if self.debt_set is None or n in self.debt_set}
        return {n for n in named if self._is_priced(n)}

    def _is_priced(self, asset_id: int) -> bool:
        return self.quote(asset_id).status is not Status.MISSING

    def deciding_health_wad(self) -> int:
        """Which decides whether there is anything to close out."""
        weighted = sum(c.value * c.threshold_bps for c in self.collaterals)
        return health_factor(weighted, sum(debt.value for debt in self.debts))

    def is_covered(self) -> bool:
        """Whether collateral covers the debt and the smallest penalty, at the prices that decide."""
        owed = sum(debt.value for debt in self.debts)
        return sum(c.value for c in self.collaterals) * WAD >= owed * (WAD + self.protocol.bonus_floor_wad)

    def _has_size_limit(self) -> bool:
        return self.deciding_health_wad() >= self.protocol.health_for_max_bonus_wad

    def plan(self) -> Plan:
        health, terms = self.deciding_health_wad(), self.terms()
        if health >= WAD and not terms.fixed_penalty_wad:
            raise ModelRevert("AccountHealthy", health)
        snapshot = self.snapshot()
        decided = take_decided(self.collaterals, self.debts, self.collateral_set, self.debt_set)
        return keep_covered(plan_close_out(snapshot, terms), snapshot, terms, decided)

    def whole(self) -> World:
        """The same account, asked for all of it."""
        return replace(
            self,
            collateral_set=None,
            debt_set=None,
            fill_wad=WAD,
            is_backstop=False,
            max_seized_value=MAX_UINT256,
        )

    # ------------------------------------------------------------------------------------------- for exact fractions

    def unit_value(self, asset_id: int) -> Fraction:
        """Value of one token unit as the close-out counts it, USD: in a set what it is exchanged at."""
        return self._unit_at(asset_id, self._counted_wad(asset_id))

    def _unit_at(self, asset_id: int, price_wad: int) -> Fraction:
        return Fraction(price_wad, WAD * 10 ** self.assets[asset_id].decimals)

    def _counted_wad(self, asset_id: int) -> int:
        quote = self.quotes.get(asset_id)
        if quote is None:
            return self.prices_wad[asset_id]
        return quote.exchange_wad if asset_id in self.in_sets() else self._deciding_wad(asset_id)

    def _deciding_wad(self, asset_id: int) -> int:
        quote = self.quote(asset_id)
        return quote.collateral_wad if asset_id in self.collateral else quote.debt_wad

    def collateral_value(self, asset_id: int) -> Fraction:
        """USD, exact."""
        return self.collateral.get(asset_id, 0) * self.unit_value(asset_id)

    def debt_units(self, asset_id: int) -> Fraction:
        """Token units of a debt, exact: what its shares are worth."""
        return Fraction(self.debt_shares.get(asset_id, 0) * self.indices[asset_id], 100 * INDEX_ONE)

    def debt_value(self, asset_id: int) -> Fraction:
        """USD, exact."""
        return self.debt_units(asset_id) * self.unit_value(asset_id)

    def threshold(self, asset_id: int) -> Fraction:
        return Fraction(self.assets[asset_id].liquidation_threshold_bps, 10_000)

    def max_bonus(self, asset_id: int) -> Fraction:
        return Fraction(self.assets[asset_id].max_bonus_bps, 10_000)

    def total_collateral(self) -> Fraction:
        return sum((self.collateral_value(n) for n in self.collateral), Fraction(0))

    def weighted_collateral(self) -> Fraction:
        return sum((self.threshold(n) * self.collateral_value(n) for n in self.collateral), Fraction(0))

    def total_debt(self) -> Fraction:
        return sum((self.debt_value(n) for n in self.debt_shares), Fraction(0))

    def health(self) -> Fraction | None:
        """Exact health factor on the balances; None without debt."""
        debt = self.total_debt()
        return self.weighted_collateral() / debt if debt else None

    def target(self) -> Fraction:
        """The health factor that a full close-out of this request aims at, exact."""
        if self.is_throttled:
            return Fraction(1)
        aim = Fraction(self.protocol.target_health_factor_wad, WAD)
        priced = [n for n in self.collateral if self._is_priced(n)]
        value = sum((self.collateral_value(n) for n in priced), Fraction(0))
        if not value:
            return aim
        own = {n: max(aim, Fraction(self.targets.get(n, 0), WAD)) for n in priced}
        return sum((self.collateral_value(n) * own[n] for n in priced), Fraction(0)) / value

    def exact_rules(self) -> Rules:
        protocol = self.protocol
        return Rules(
            target=Fraction(protocol.target_health_factor_wad, WAD),
            bonus_floor=Fraction(protocol.bonus_floor_wad, WAD),
            min_bonus_fraction=Fraction(protocol.min_bonus_fraction_wad, WAD),
            health_for_max_bonus=Fraction(protocol.health_for_max_bonus_wad, WAD),
            steepness=Fraction(protocol.steepness_wad, WAD),
            min_debt_value=Fraction(protocol.min_debt_value_wad, WAD),
            targets={n: Fraction(target, WAD) for n, target in self.targets.items()},
        )

    def exact_holdings(self) -> dict[int, Holding]:
        return {
            n: Holding(amount * self._unit_at(n, self._deciding_wad(n)), self.threshold(n), self.max_bonus(n))
            for n, amount in self.collateral.items()
        }

    def exact_debts(self) -> dict[int, Fraction]:
        return {n: self.debt_units(n) * self._unit_at(n, self._deciding_wad(n)) for n in self.debt_shares}

    def exact_doubts(self) -> dict[int, Doubt]:
        """Of what the account holds and has no fresh price, what it is worth at the exchange price."""
        units = {n: Fraction(amount) for n, amount in self.collateral.items()}
        units |= {n: self.debt_units(n) for n in self.debt_shares}
        return {n: self._doubt(n, units[n]) for n in units if n in self.quotes}

    def _doubt(self, asset_id: int, units: Fraction) -> Doubt:
        quote = self.quotes[asset_id]
        is_missing = quote.status is Status.MISSING
        return Doubt(None if is_missing else units * self._unit_at(asset_id, quote.exchange_wad))

    def exact_request(self) -> Request:
        is_limited = self.max_seized_value != MAX_UINT256
        return Request(
            collaterals=self.collateral_set,
            debts=self.debt_set,
            fill=Fraction(self.fill_wad, WAD),
            is_backstop=self.is_backstop,
            size_limit=Fraction(self.max_seized_value, RAY) if is_limited else None,
        )

    # ------------------------------------------------------------------------------------------------ for the Vault

    def is_openable(self) -> bool:
        """Whether ordinary transactions lead here without waiting: no interest yet, whole units of debt."""
        is_fresh = all(index == INDEX_ONE for index in self.indices.values())
        return is_fresh and all(shares % 100 == 0 for shares in self.debt_shares.values())

    def open_vault(self, *, liquidity: int = 3) -> Vault:
        """The reference model's Vault with this account in it, opened at kinder prices, one second ago.

        `liquidity`: the lenders supply that many times what is borrowed.
        """
        gentle = replace(self.protocol, min_debt_value_wad=0, min_debt_per_asset_wad=0)
        vault = Vault(gentle, now=OPENED_AT)
        for asset in self.assets:
            vault.list_asset(asset, WAD)
        for n in self.debt_shares:
            vault.set_price(n, 1)
        for n, amount in self.collateral.items():
            vault.set_price(n, 10**30)
            vault.deposit_collateral(ACCOUNT.owner, ACCOUNT, n, amount)
        for n, shares in self.debt_shares.items():
            vault.supply("lender", n, max(1, shares // 100 * liquidity))
            vault.borrow(ACCOUNT.owner, ACCOUNT, n, shares // 100)
        for n in range(len(self.prices_wad)):
            vault.set_quote(n, self.quote(n))
        for n, target in self.targets.items():
            vault.set_volatility_target(n, target)
        vault.set_parameters(self.protocol)
        vault.advance_to(OPENED_AT + 1)
        return vault


def try_plan(world: World) -> Plan | str:
    """The plan, or the name of the error that refuses it."""
    try:
        return world.plan()
    except ModelRevert as revert:
        return revert.name
