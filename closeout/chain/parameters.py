"""What the RiskConfigurator is given: the structs of interfaces/IRiskConfigurator.sol, in the chain's integers."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from closeout.chain.sources import ChainlinkSource, Source

__all__ = [
    "AssetListing",
    "BorrowParameters",
    "CollateralParameters",
    "CurveParameters",
    "LimitParameters",
    "OracleParameters",
    "PenaltyWeights",
    "PriceSource",
    "ProtocolParameters",
    "VolatilityParameters",
]

ZERO_ADDRESS = "0x" + "00" * 20
UNLIMITED = 2**112 - 1
DAY = 86_400


@dataclass(frozen=True)
class CurveParameters:
    """Health factors and penalty curve, WAD."""

    target_health_factor: int
    margin_call_health_factor: int
    health_for_max_bonus: int
    bonus_floor: int
    min_bonus_fraction: int
    fee_share: int
    steepness: int


@dataclass(frozen=True)
class LimitParameters:
    """Values WAD, times in seconds."""

    min_debt_value: int
    min_debt_per_asset: int
    dust_value: int
    bucket_minimum: int
    hard_floor: int
    grace_period: int
    call_lifetime: int
    backstop_delay: int
    # part of a bucket's refill that goes on while the price is in doubt, WAD
    degraded_refill: int = 25 * 10**16


@dataclass(frozen=True)
class PenaltyWeights:
    """How the protocol's part of a penalty is divided; WAD, adding up to 1."""

    insurance: int
    treasury: int
    burn: int


@dataclass(frozen=True)
class VolatilityParameters:
    """What the VolatilityOracle is made with: seconds, and annualised volatilities in WAD."""

    time_constant: int
    spacing: int
    calm: int
    turbulent: int


@dataclass(frozen=True)
class OracleParameters:
    """The router's times in seconds, and what of the oracles is the protocol's as a whole.

    `volatility`: deploy a VolatilityOracle, in place of the address.
    """

    abandon_after: int = 7 * DAY
    decay_period: int = 30 * DAY
    volatility_oracle: str = ZERO_ADDRESS
    sequencer_feed: str = ZERO_ADDRESS
    sequencer_grace: int = 0
    volatility: VolatilityParameters | None = None

    @property
    def sequencer(self) -> tuple[str, int]:
        """The uptime feed and its grace period, as adapters are given them."""
        return self.sequencer_feed, self.sequencer_grace


@dataclass(frozen=True)
class ProtocolParameters:
    """All that is not an asset. `max_target_health_factor` is the Vault's own bound, for good."""

    curve: CurveParameters
    limits: LimitParameters
    weights: PenaltyWeights
    treasury: str
    oracles: OracleParameters = OracleParameters()
    max_target_health_factor: int = 2 * 10**18


@dataclass(frozen=True)
class CollateralParameters:
    """Ratios in bps, cap in token units, bucket in WAD (per second). A threshold of 0: not collateral."""

    ltv: int = 0
    liquidation_threshold: int = 0
    max_bonus: int = 0
    cap: int = UNLIMITED
    bucket_capacity: int = 0
    bucket_refill: int = 0
    # bps; 0: volatility does not lift the target
    most_target: int = 0


@dataclass(frozen=True)
class BorrowParameters:
    """Rates a year with nine decimals, kink WAD, reserve factor and flash fee bps, caps in units.

    A supply cap of 0: not borrowable.
    """

    base: int = 0
    slope1: int = 0
    slope2: int = 0
    kink: int = 0
    reserve_factor: int = 0
    supply_cap: int = 0
    borrow_cap: int = 0
    rate_model: str = ZERO_ADDRESS
    flash_fee: int = 0


@dataclass(frozen=True)
class PriceSource:
    """An asset's price: its adapter, and `reference`, WAD, that it is held against when it is plugged in.

    A Chainlink feed is read in place while fresh unless that is switched off. `deviation`: by how much, bps, the market
    may move before the source answers anew. `jump`, bps: a fresh price further from the last good one is degraded; 0:
    none is.
    """

    adapter: Source
    reference: int
    may_be_read_in_place: bool = True
    deviation: int = 1
    jump: int = 0

    @property
    def is_read_in_place(self) -> bool:
        """A feed that is read in place knows nothing of the last good price that a jump is measured from."""
        return self.may_be_read_in_place and isinstance(self.adapter, ChainlinkSource) and self.jump == 0

    def terms(self) -> tuple[bool, int]:
        """The struct PriceTerms."""
        return self.is_read_in_place, self.deviation


@dataclass(frozen=True)
class AssetListing:
    """One call of `listAsset`."""

    token: str
    collateral: CollateralParameters
    borrowing: BorrowParameters
    source: PriceSource

    def arguments(self) -> tuple[object, ...]:
        return (self.token, astuple(self.collateral), astuple(self.borrowing), self.source.terms())
