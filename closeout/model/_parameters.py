"""What the protocol and its assets are set to, with the bounds of section 1 of the protocol specification."""

from __future__ import annotations

from dataclasses import dataclass

from closeout.errors import BadInput
from closeout.model._interest import MAX_RATE, RateParameters
from closeout.units import BPS, WAD

MAX_AMOUNT = 2**112 - 1
"""Largest balance of anything, token units."""

MAX_WHOLE_TOKENS = 10**14
MAX_DECIMALS = 27
MAX_PRICE_WAD = 10**12 * WAD
MAX_COLLATERALS = 10
MAX_DEBTS = 5
MAX_ASSETS = 127
MAX_PENALTY_WAD = WAD // 5
_MAX_THRESHOLD = 99 * WAD // 100
_DAY = 86_400
NO_INTEREST = RateParameters()


class ParameterOutOfBounds(BadInput):
    """A parameter outside section 1 of the protocol specification: its name, its value, the bound."""


def _require(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise ParameterOutOfBounds(name, value, expected)


@dataclass(frozen=True, slots=True)
class ProtocolParameters:
    """Parameters of the whole protocol. Rates, fractions, health factors and values in WAD, times in seconds.

    Raises ParameterOutOfBounds, naming the field. Everything with a default is off by it.
    """

    target_health_factor_wad: int
    margin_call_health_factor_wad: int
    bonus_floor_wad: int
    min_bonus_fraction_wad: int
    health_for_max_bonus_wad: int
    steepness_wad: int = 0
    fee_share_wad: int = 0
    min_debt_value_wad: int = 0
    min_debt_per_asset_wad: int = 0
    dust_value_wad: int = 0
    grace_period: int = 0
    hard_floor_wad: int = WAD
    call_lifetime: int = 7 * _DAY
    backstop_delay: int = 2 * _DAY
    bucket_minimum_wad: int = 0
    degraded_refill_wad: int = WAD // 4
    max_target_health_factor_wad: int = 2 * WAD

    def __post_init__(self) -> None:
        target, call = self.target_health_factor_wad, self.margin_call_health_factor_wad
        limit = min(2 * WAD, self.max_target_health_factor_wad)
        _require(WAD <= call <= target, "margin_call_health_factor_wad", call, "between 1 and the target")
        _require(target <= limit, "target_health_factor_wad", target, f"at most {limit}")
        eta = self.health_for_max_bonus_wad
        _require(50 * WAD <= 100 * eta <= 99 * WAD, "health_for_max_bonus_wad", eta, "between 0.5 and 0.99")
        fraction = self.min_bonus_fraction_wad
        _require(0 <= fraction <= WAD, "min_bonus_fraction_wad", fraction, "between 0 and 1")
        floor = self.bonus_floor_wad
        _require(0 <= floor <= MAX_PENALTY_WAD, "bonus_floor_wad", floor, "between 0 and 0.20")
        steepness = self.steepness_wad
        is_steepness = steepness == 0 or WAD <= 100 * steepness <= 2000 * WAD
        _require(is_steepness, "steepness_wad", steepness, "0, or between 0.01 and 20")
        fee = self.fee_share_wad
        _require(0 <= 2 * fee <= WAD, "fee_share_wad", fee, "between 0 and 0.5")
        for name in ("min_debt_value_wad", "min_debt_per_asset_wad", "dust_value_wad"):
            value = getattr(self, name)
            _require(0 <= value < 2**128, name, value, "between 0 and 2^128")
        refill = self.degraded_refill_wad
        _require(0 <= refill <= WAD, "degraded_refill_wad", refill, "between 0 and 1")
        _require(0 <= self.hard_floor_wad <= WAD, "hard_floor_wad", self.hard_floor_wad, "between 0 and 1")
        for name in ("grace_period", "call_lifetime", "backstop_delay"):
            value = getattr(self, name)
            _require(0 <= value < 2**32, name, value, "between 0 and 2^32 seconds")
        _require(
            self.grace_period < self.call_lifetime, "call_lifetime", self.call_lifetime, "longer than the grace period"
        )
        minimum = self.bucket_minimum_wad
        is_minimum = minimum == 0 or minimum >= 2 * self.min_debt_value_wad
        _require(is_minimum, "bucket_minimum_wad", minimum, "0, or at least twice min_debt_value_wad")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Size limit of one collateral: value that close-outs may seize, WAD, and its refill, WAD per second."""

    capacity_wad: int
    refill_wad: int


@dataclass(frozen=True, slots=True)
class AssetParameters:
    """Parameters of one asset. Fractions in bps, caps in token units.

    Raises ParameterOutOfBounds, naming the field.
    """

    name: str
    decimals: int
    is_collateral: bool = False
    is_borrowable: bool = False
    ltv_bps: int = 0
    liquidation_threshold_bps: int = 0
    max_bonus_bps: int = 0
    reserve_factor_bps: int = 0
    rate: RateParameters = NO_INTEREST
    collateral_cap: int = MAX_AMOUNT
    supply_cap: int = MAX_AMOUNT
    borrow_cap: int = MAX_AMOUNT
    bucket: Bucket | None = None

    def __post_init__(self) -> None:
        name = self.name
        _require(0 <= self.decimals <= MAX_DECIMALS, f"{name}.decimals", self.decimals, f"0 to {MAX_DECIMALS}")
        threshold, bonus = self.liquidation_threshold_bps, self.max_bonus_bps
        if self.is_collateral:
            _require(0 <= self.ltv_bps < threshold, f"{name}.ltv_bps", self.ltv_bps, "below the liquidation threshold")
            is_solvent = threshold * (BPS + bonus) * WAD <= _MAX_THRESHOLD * BPS * BPS
            _require(is_solvent, f"{name}.liquidation_threshold_bps", threshold, "t (1 + maxBonus) at most 0.99")
            _require(0 <= 5 * bonus <= BPS, f"{name}.max_bonus_bps", bonus, "at most 0.20")
        _require(0 <= self.reserve_factor_bps <= BPS, f"{name}.reserve_factor_bps", self.reserve_factor_bps, "0 to 1")
        rate = self.rate
        for slope, value in (("base", rate.base), ("slope1", rate.slope1), ("slope2", rate.slope2)):
            _require(0 <= value <= MAX_RATE, f"{name}.rate.{slope}", value, "a yearly rate of at most 4.29")
        _require(0 < rate.kink_wad <= WAD, f"{name}.rate.kink_wad", rate.kink_wad, "above 0, at most 1")
        for cap in ("collateral_cap", "supply_cap", "borrow_cap"):
            value = getattr(self, cap)
            _require(0 <= value <= MAX_AMOUNT, f"{name}.{cap}", value, "at most 2^112 - 1 units")

    @property
    def max_amount(self) -> int:
        """Most of this asset that one account can hold, token units."""
        whole: int = 10**self.decimals
        return min(MAX_AMOUNT, MAX_WHOLE_TOKENS * whole)

    def check_with(self, protocol: ProtocolParameters) -> None:
        """Relations to the protocol's parameters. Raises ParameterOutOfBounds."""
        if self.is_collateral:
            bonus = self.max_bonus_bps
            is_above = bonus * WAD >= protocol.bonus_floor_wad * BPS
            _require(is_above, f"{self.name}.max_bonus_bps", bonus, "at least the bonus floor")
