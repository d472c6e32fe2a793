"""A configuration table as the RiskConfigurator publishes it: what contracts/libraries/Configuration.sol reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from closeout.chain.parameters import UNLIMITED, PriceSource
from closeout.model import AssetParameters, ProtocolParameters

HEARTBEAT = 86_400
FEED_DECIMALS = 18
READ_IN_PLACE = 4


@dataclass(frozen=True)
class Addresses:
    """What a table names besides numbers."""

    engine: str
    fund: str
    splitter: str
    treasury: str
    router: str
    volatility: str = "0x0"


def table_code(
    protocol: ProtocolParameters,
    assets: Sequence[AssetParameters],
    tokens: Sequence[str],
    feeds: Sequence[str],
    addresses: Addresses,
    most_targets: Mapping[int, int] | None = None,
) -> str:
    """The table for the reference model's parameters, 0x-prefixed; without interest.

    `most_targets`: how far volatility may lift the target of an asset, bps.
    """
    words = _protocol_words(protocol, len(assets), addresses)
    for n, (asset, token, feed) in enumerate(zip(assets, tokens, feeds, strict=True)):
        words += _asset_words(asset, int(token, 16), int(feed, 16), (most_targets or {}).get(n, 0))
    return "0x00" + b"".join(word.to_bytes(32, "big") for word in words).hex()


def _packed(*fields: tuple[int, int]) -> int:
    """Fields of so many bits each, from the lowest."""
    word = place = 0
    for value, bits in fields:
        assert 0 <= value < 2**bits, (value, bits)
        word |= value << place
        place += bits
    assert place <= 256
    return word


def _protocol_words(protocol: ProtocolParameters, count: int, addresses: Addresses) -> list[int]:
    engine, fund, splitter, treasury = (
        int(address, 16) for address in (addresses.engine, addresses.fund, addresses.splitter, addresses.treasury)
    )
    times = [(time, 32) for time in (protocol.grace_period, protocol.call_lifetime, protocol.backstop_delay)]
    return [
        _packed((engine, 160), (count, 8)),
        _packed((fund, 160), *times),
        splitter,
        treasury,
        _packed(
            (protocol.target_health_factor_wad, 64),
            (protocol.margin_call_health_factor_wad, 64),
            (protocol.hard_floor_wad, 64),
            (protocol.health_for_max_bonus_wad, 64),
        ),
        _packed((protocol.bonus_floor_wad, 64), (protocol.min_bonus_fraction_wad, 64), (protocol.fee_share_wad, 64)),
        _packed((protocol.min_debt_value_wad, 128), (protocol.min_debt_per_asset_wad, 128)),
        _packed((protocol.dust_value_wad, 128), (protocol.steepness_wad, 128)),
        _packed((protocol.bucket_minimum_wad, 128), (protocol.degraded_refill_wad, 64)),
        int(addresses.router, 16),
        0,
        int(addresses.volatility, 16),
    ]


def _asset_words(asset: AssetParameters, token: int, feed: int, most_target: int) -> list[int]:
    flags = asset.is_collateral | asset.is_borrowable << 1 | READ_IN_PLACE
    threshold = asset.liquidation_threshold_bps
    bucket, refill = (asset.bucket.capacity_wad, asset.bucket.refill_wad) if asset.bucket else (0, 0)
    return [
        _packed(
            (token, 160),
            (asset.decimals, 8),
            (flags, 8),
            (asset.ltv_bps, 16),
            (threshold, 16),
            (threshold, 16),
            (asset.max_bonus_bps, 16),
            (asset.reserve_factor_bps, 16),
        ),
        _packed((feed, 160), (FEED_DECIMALS, 8), (HEARTBEAT, 24), (PriceSource.deviation, 24)),
        _packed((1, 128), (2**128 - 1, 128)),
        _packed((0, 96), (asset.rate.kink_wad if asset.is_borrowable else 0, 64), (0, 24), (refill, 72)),
        _packed((asset.collateral_cap if asset.is_collateral else UNLIMITED, 112), (bucket, 128)),
        _packed(
            *((cap if asset.is_borrowable else 0, 112) for cap in (asset.supply_cap, asset.borrow_cap)),
            (0, 16),
            (most_target, 16),
        ),
        0,
    ]
