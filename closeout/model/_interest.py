"""Accrual, supply shares and the kinked rate: section 1 of docs/liquidation.md."""

from __future__ import annotations

from dataclasses import dataclass, replace

from closeout.model._expwad import exp_wad
from closeout.model._positions import INDEX_ONE, MAX_INDEX, debt_units_down
from closeout.model._rounding import mul_div_down, mul_div_up
from closeout.units import BPS, RATE, SECONDS_PER_YEAR, WAD

MAX_RATE = 2**32 - 1
"""Largest yearly rate, nine decimals."""

_MAX_EXPONENT = 20 * WAD
_VIRTUAL_SHARES = 10**6
_VIRTUAL_ASSETS = 1


@dataclass(frozen=True, slots=True)
class RateParameters:
    """The two-slope model: `base`, `slope1`, `slope2` yearly rates with nine decimals; `kink` a utilisation in WAD."""

    base: int = 0
    slope1: int = 0
    slope2: int = 0
    kink_wad: int = 9 * WAD // 10

    def rate_at(self, utilisation_wad: int) -> int:
        """Yearly rate with nine decimals, every division rounded down, at most `MAX_RATE`."""
        if utilisation_wad <= self.kink_wad:
            rate = self.base + mul_div_down(self.slope1, utilisation_wad, self.kink_wad)
        else:
            over = utilisation_wad - self.kink_wad
            rate = self.base + self.slope1 + mul_div_down(self.slope2, over, WAD - self.kink_wad)
        return min(rate, MAX_RATE)


@dataclass(frozen=True, slots=True)
class Market:
    """Supply and debt of one asset. `idle` in token units; index with 17 decimals; rate yearly with nine."""

    accrued_at: int
    idle: int = 0
    debt_shares: int = 0
    supply_shares: int = 0
    index: int = INDEX_ONE
    rate: int = 0

    @property
    def debt(self) -> int:
        """Total debt, token units, rounded down."""
        return debt_units_down(self.debt_shares, self.index)

    @property
    def supply_assets(self) -> int:
        """What all supply shares are worth, token units."""
        return self.idle + self.debt

    @property
    def utilisation_wad(self) -> int:
        """Debt over supply, WAD, rounded down; 0 where there is no supply."""
        debt = self.debt
        return mul_div_down(debt, WAD, self.idle + debt) if debt else 0

    def shares_down(self, assets: int) -> int:
        """Supply shares minted for `assets`, rounded down."""
        return mul_div_down(assets, self.supply_shares + _VIRTUAL_SHARES, self.supply_assets + _VIRTUAL_ASSETS)

    def shares_up(self, assets: int) -> int:
        """Supply shares burnt for `assets`, rounded up."""
        return mul_div_up(assets, self.supply_shares + _VIRTUAL_SHARES, self.supply_assets + _VIRTUAL_ASSETS)

    def assets_down(self, shares: int) -> int:
        """What `shares` of supply are worth, token units, rounded down."""
        return mul_div_down(shares, self.supply_assets + _VIRTUAL_ASSETS, self.supply_shares + _VIRTUAL_SHARES)

    def assets_up(self, shares: int) -> int:
        """What `shares` of supply cost to mint, token units, rounded up."""
        return mul_div_up(shares, self.supply_assets + _VIRTUAL_ASSETS, self.supply_shares + _VIRTUAL_SHARES)

    def less(self, loss: int) -> Market:
        """Valued without `loss`, token units: the market as who leaves it finds it. Only for conversions."""
        return replace(self, idle=self.idle - min(loss, self.supply_assets))

    def moved(self, *, idle: int = 0, debt_shares: int = 0, supply_shares: int = 0) -> Market:
        """With changed totals."""
        return replace(
            self,
            idle=self.idle + idle,
            debt_shares=self.debt_shares + debt_shares,
            supply_shares=self.supply_shares + supply_shares,
        )

    def latched(self, parameters: RateParameters) -> Market:
        """With the rate of the utilisation it is at now."""
        return replace(self, rate=parameters.rate_at(self.utilisation_wad))


def grown_index(index: int, rate: int, seconds: int) -> int:
    """The debt index after `seconds` at a yearly `rate` (nine decimals), rounded up, at most `MAX_INDEX`."""
    if not rate or not seconds:
        return index
    exponent = min(mul_div_down(rate * (WAD // RATE), seconds, SECONDS_PER_YEAR), _MAX_EXPONENT)
    return min(mul_div_up(index, exp_wad(exponent), WAD), MAX_INDEX)


def accrued(market: Market, now: int, reserve_factor_bps: int) -> tuple[Market, int]:
    """The market at `now`, and how many supply shares of it are the treasury's part of the interest, rounded down."""
    index = grown_index(market.index, market.rate, now - market.accrued_at)
    if index == market.index:
        return replace(market, accrued_at=now), 0
    grown = replace(market, accrued_at=now, index=index)
    interest = grown.debt - market.debt
    fee = mul_div_down(interest, reserve_factor_bps, BPS)
    lenders_assets = grown.supply_assets - fee + _VIRTUAL_ASSETS
    fee_shares = mul_div_down(fee, grown.supply_shares + _VIRTUAL_SHARES, lenders_assets)
    return replace(grown, supply_shares=grown.supply_shares + fee_shares), fee_shares
