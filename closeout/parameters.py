"""Defaults of a real deployment, in one home: what a scenario leaves out is what a mainnet listing would have.

Ratios are plain numbers (0.05 = 5 %), values USD, times seconds, as in a scenario file.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

__all__ = ["ASSET", "PROTOCOL", "AssetDefaults", "ProtocolDefaults"]


class ProtocolDefaults:
    """What holds for all accounts."""

    # A close-out sells what lifts the account here and no more: 10 % is a few hours of an ordinary day's volatility,
    # so that the same account is not back a block later, and still far from selling all of it.
    target_health: Final = Decimal("1.10")
    # Half of the way: the warning comes before the maintenance margin does. Never above the target.
    margin_call_health: Final = Decimal("1.05")
    # What a keeper gets even from an account that is under water: pays gas on a position of minDebtValue and up.
    bonus_floor: Final = Decimal("0.005")
    # At H = 1 a fifth of the largest bonus: an account just below the margin loses little.
    min_bonus_fraction: Final = Decimal("0.2")
    # At H = 0.90 all of it: by then speed is worth more than price.
    health_for_max_bonus: Final = Decimal("0.90")
    # A straight line between the two.
    steepness: Final = Decimal("0")
    # A fifth of the penalty above the floor is the protocol's; the rest is what competition among keepers works on.
    fee_share: Final = Decimal("0.2")
    # Half of that fills the fund that pays bad debt first.
    insurance_weight: Final = Decimal("0.5")
    treasury_weight: Final = Decimal("0.3")
    burn_weight: Final = Decimal("0.2")
    # USD. The smallest debt worth a keeper's gas.
    min_debt_value: Final = Decimal("100")
    # USD per asset held: closing out many assets costs more gas.
    min_debt_per_asset: Final = Decimal("0")
    # USD. Collateral worth less than this is not worth a transaction: the account may be written off.
    dust_value: Final = Decimal("1")
    # Off: an unhealthy account can be closed out at once.
    grace_period: Final = 0
    grace_hard_floor: Final = Decimal("1")
    # Seconds. A margin call says something about a week, not about a year; at least twice a grace period.
    call_lifetime: Final = 7 * 86_400
    # Seconds. Nobody came in two days: a liquidator who leaves an illiquid collateral out is better than none.
    backstop_delay: Final = 2 * 86_400
    # Seconds for which a price may be missing before its collateral is worth less: longer than any outage of a feed.
    abandon_after: Final = 7 * 86_400
    # Seconds in which a collateral without a market comes to nothing: bad debt is booked within a quarter.
    decay_period: Final = 30 * 86_400


class AssetDefaults:
    """What an asset is listed with where nothing else is said."""

    decimals: Final = 18
    # 18 decimals carry every price of a scenario exactly; Chainlink's USD feeds have 8.
    feed_decimals: Final = 18
    # A liquid collateral: t (1 + maxBonus) = 0.864, far below the 0.99 that keeps a basket solvent.
    ltv: Final = Decimal("0.75")
    liquidation_threshold: Final = Decimal("0.80")
    max_bonus: Final = Decimal("0.08")
    # A stablecoin's two slopes: cheap up to 90 % utilisation, dear above it, so that lenders can leave.
    rate_base: Final = Decimal("0")
    rate_slope1: Final = Decimal("0.04")
    rate_slope2: Final = Decimal("0.75")
    rate_kink: Final = Decimal("0.9")
    reserve_factor: Final = Decimal("0.1")
    # Whole tokens that a lender puts in; twice the debts of the opening where that is more: an asset without a
    # `supply` limits nobody.
    supply: Final = Decimal("10000000")
    supply_over_debt: Final = 2


PROTOCOL: Final = ProtocolDefaults()
ASSET: Final = AssetDefaults()
