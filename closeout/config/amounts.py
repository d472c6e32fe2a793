"""The figures of a network file as the chain's integers: what the contracts are given, and what is read back."""

from __future__ import annotations

from decimal import Decimal

from closeout.chain.parameters import (
    BorrowParameters,
    CollateralParameters,
    CurveParameters,
    LimitParameters,
    OracleParameters,
    PenaltyWeights,
    ProtocolParameters,
    VolatilityParameters,
)
from closeout.chain.sources import (
    MOST_ANSWER,
    ChainlinkSource,
    CrossSource,
    PythSource,
    ShareSource,
    Source,
    TwapSource,
    WatchedSource,
)
from closeout.units import WAD_DECIMALS, parse_units

from .schema import (
    AssetSection,
    ChainlinkSection,
    CrossSection,
    Erc4626Section,
    NetworkFile,
    ProtocolSection,
    PythSection,
    SourceSection,
    UniswapSection,
    VolatilitySection,
    WatchedSection,
)

__all__ = [
    "borrow_parameters",
    "bps",
    "collateral_parameters",
    "feed_answer",
    "protocol_parameters",
    "source_of",
    "wad",
]

_BPS_DECIMALS = 4
_RATE_DECIMALS = 9
_HOUR = 3600


def wad(value: Decimal) -> int:
    """A figure with 18 decimals."""
    return parse_units(value, WAD_DECIMALS)


def bps(value: Decimal) -> int:
    """A ratio in basis points."""
    return parse_units(value, _BPS_DECIMALS)


def _rate(value: Decimal) -> int:
    return parse_units(value, _RATE_DECIMALS)


def feed_answer(price: Decimal | None, decimals: int, otherwise: int) -> int:
    """A price as the feed would answer it."""
    return otherwise if price is None else parse_units(price, decimals)


def protocol_parameters(file: NetworkFile, sequencer_feed: str) -> ProtocolParameters:
    """What `setProtocol` and the constructors are given."""
    protocol = file.protocol
    split = protocol.penalty_split
    return ProtocolParameters(
        curve=_curve(protocol),
        limits=_limits(protocol),
        weights=PenaltyWeights(wad(split.insurance), wad(split.treasury), wad(split.burn)),
        treasury=file.roles.treasury,
        oracles=OracleParameters(
            abandon_after=file.oracles.abandon_after,
            decay_period=file.oracles.decay_period,
            sequencer_feed=sequencer_feed,
            sequencer_grace=file.oracles.sequencer.grace if file.oracles.sequencer else 0,
            volatility=_volatility(file.oracles.volatility),
        ),
        max_target_health_factor=wad(protocol.max_target_health),
    )


def _curve(protocol: ProtocolSection) -> CurveParameters:
    return CurveParameters(
        target_health_factor=wad(protocol.target_health),
        margin_call_health_factor=wad(protocol.margin_call_health),
        health_for_max_bonus=wad(protocol.bonus.health_for_max),
        bonus_floor=wad(protocol.bonus.floor),
        min_bonus_fraction=wad(protocol.bonus.min_fraction),
        fee_share=wad(protocol.fee_share),
        steepness=wad(protocol.bonus.steepness),
    )


def _limits(protocol: ProtocolSection) -> LimitParameters:
    return LimitParameters(
        min_debt_value=wad(protocol.min_debt_value),
        min_debt_per_asset=wad(protocol.min_debt_per_asset),
        dust_value=wad(protocol.dust_value),
        bucket_minimum=wad(protocol.bucket_minimum),
        degraded_refill=wad(protocol.degraded_refill),
        hard_floor=wad(protocol.grace.hard_floor),
        grace_period=protocol.grace.period,
        call_lifetime=protocol.call_lifetime,
        backstop_delay=protocol.backstop_delay,
    )


def _volatility(section: VolatilitySection | None) -> VolatilityParameters | None:
    if section is None:
        return None
    return VolatilityParameters(section.time_constant, section.spacing, wad(section.calm), wad(section.turbulent))


def source_of(section: SourceSection, token: str) -> Source:
    """Where the price of `token` comes from. A feed that is to be deployed still has the name it has in the file.

    Of what a price is multiplied with, the token is not known: its source says it where it needs one (`checks.py`).
    """
    match kind := section.kind:
        case ChainlinkSection():
            least, most = feed_answer(kind.least, kind.decimals, 1), feed_answer(kind.most, kind.decimals, MOST_ANSWER)
            return ChainlinkSource(kind.feed, kind.heartbeat, kind.max_age, least, most)
        case PythSection():
            price_id, confidence = bytes.fromhex(kind.id[2:]), bps(kind.max_confidence)
            return PythSource(kind.contract, price_id, kind.heartbeat, kind.max_age, kind.max_ahead, confidence)
        case UniswapSection():
            base, quote = kind.token or token, source_of(kind.quote, "")
            liquidity = kind.safe_liquidity, kind.least_liquidity
            return TwapSource(kind.pool, base, quote, kind.window, kind.block_time, *liquidity)
        case CrossSection():
            return CrossSource(source_of(kind.base, token), source_of(kind.quote, ""))
        case Erc4626Section():
            growth, drop = bps(kind.max_growth), bps(kind.max_drop)
            return ShareSource(kind.token or token, source_of(kind.asset, ""), growth, drop, kind.confirm_after)
        case WatchedSection():
            pair = source_of(kind.primary, token), source_of(kind.secondary, token)
            return WatchedSource(*pair, bps(kind.max_deviation), kind.dispute_period)


def collateral_parameters(asset: AssetSection) -> CollateralParameters:
    """An asset as collateral; all zero where it is none."""
    terms = asset.collateral
    if terms is None:
        return CollateralParameters(cap=0)
    bucket = terms.bucket
    return CollateralParameters(
        ltv=bps(terms.ltv),
        liquidation_threshold=bps(terms.liquidation_threshold),
        max_bonus=bps(terms.max_bonus),
        cap=parse_units(terms.cap, asset.decimals),
        bucket_capacity=wad(bucket.capacity) if bucket else 0,
        bucket_refill=wad(bucket.refill_per_hour) // _HOUR if bucket else 0,
        most_target=0 if terms.most_target is None else bps(terms.most_target),
    )


def borrow_parameters(asset: AssetSection) -> BorrowParameters:
    """An asset to be borrowed; all zero where it is not."""
    terms = asset.borrow
    if terms is None:
        return BorrowParameters()
    return BorrowParameters(
        base=_rate(terms.rate.base),
        slope1=_rate(terms.rate.slope1),
        slope2=_rate(terms.rate.slope2),
        kink=wad(terms.rate.kink),
        reserve_factor=bps(terms.reserve_factor),
        supply_cap=parse_units(terms.supply_cap, asset.decimals),
        borrow_cap=parse_units(terms.borrow_cap, asset.decimals),
        flash_fee=bps(terms.flash_fee),
    )
