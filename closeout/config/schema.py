"""The shape of a network file: which keys there are, and what each may say by itself.

Terms, units and defaults are those of a scenario file (`closeout.scenario.schema`); what only a real network has is
here. Every key is shown with its meaning in config/sepolia.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Self

from eth_utils.address import is_address, to_checksum_address
from pydantic import PlainValidator, model_validator

from closeout.model import MAX_DECIMALS
from closeout.scenario.schema import (
    Amount,
    BorrowModel,
    CollateralModel,
    GraceModel,
    PenaltySplitModel,
    Price,
    ProtocolModel,
    RateModel,
    Value,
)
from closeout.yamlfile.fields import Name, Strict, fraction, mapping_of, refusal, whole

__all__ = [
    "TEST",
    "AssetSection",
    "ChainlinkSection",
    "CrossSection",
    "Erc4626Section",
    "NetworkFile",
    "PriceSection",
    "ProtocolSection",
    "PythSection",
    "RolesSection",
    "SourceKind",
    "SourceSection",
    "UniswapSection",
    "VolatilitySection",
    "WatchedSection",
    "sources_in",
]

TEST = "test"
"""Where an address is asked for: deploy a token or feed of our own, for local chains and testnets."""

HOUR = Decimal(3600)
DAY = Decimal(86_400)
ZERO = "0x" + "00" * 20


def _read_address(value: Any) -> str:
    expected = "a checksummed address (0x and 40 hex digits)"
    if not isinstance(value, str) or not value.startswith("0x") or not is_address(value):
        raise refusal(value, expected)
    checksummed = str(to_checksum_address(value))
    if value == ZERO:
        raise refusal(value, "an address that is not zero")
    if value != checksummed:
        raise refusal(value, f"the checksummed {checksummed}")
    return value


def _read_address_or_test(value: Any) -> str:
    if value == TEST:
        return TEST
    if not isinstance(value, str) or not value.startswith("0x"):
        raise refusal(value, f"a checksummed address, or {TEST} on a network with test_contracts")
    return _read_address(value)


def _read_price_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch("0x[0-9a-f]{64}", value):
        raise refusal(value, "a Pyth price id (0x and 64 hex digits in lower case)")
    return value


def _read_flag(value: Any) -> bool:
    if value not in ("true", "false"):
        raise refusal(value, "true or false")
    return bool(value == "true")


def _read_network(value: Any) -> str:
    parts = value.split(":") if isinstance(value, str) else []
    if len(parts) != 2 or not all(part.replace("-", "").isalnum() for part in parts):
        raise refusal(value, "Ape's ecosystem:network, such as ethereum:sepolia")
    return str(value)


def _read_file_name(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 64 or not value.replace("-", "").isalnum():
        raise refusal(value, "a name of letters, digits and dashes: deployments/NAME.json")
    return value


def _seconds(low: Decimal, high: Decimal) -> PlainValidator:
    return whole("a number of seconds", low, high)


Address = Annotated[str, PlainValidator(_read_address)]
AddressOrTest = Annotated[str, PlainValidator(_read_address_or_test)]
Flag = Annotated[bool, PlainValidator(_read_flag)]


class NetworkSection(Strict):
    """Which chain the file is about, and how a deployment on it behaves."""

    name: Annotated[str, PlainValidator(_read_file_name)]
    ape: Annotated[str, PlainValidator(_read_network)]
    chain_id: Annotated[int, whole("a chain id", Decimal(1), Decimal(2**53))]
    # reorganisations of one block are ordinary, of more than a few are news
    confirmations: Annotated[int, whole("a number of blocks", Decimal(0), Decimal(64))]
    salt: Name
    test_contracts: Flag = False


class GovernorSection(Strict):
    """Who governs: admin of the Authority and holder of the governor's roles, behind two delays."""

    address: Address
    # a user must be able to see a change coming and leave; nobody waits a month for a fix
    delay: Annotated[int, _seconds(DAY, 30 * DAY)]
    # a guardian's freeze lasts a day: what confirms it has to be quicker
    confirm_delay: Annotated[int, _seconds(HOUR, 12 * HOUR)]


class RolesSection(Strict):
    """Who may do what; see docs/roles.md for the worst each can do."""

    governor: GovernorSection
    canceller: Address
    guardian: Address
    steward: Address
    treasury: Address


class ProtocolSection(ProtocolModel):
    """A scenario's protocol keys, and those that a scenario has no use for. Nothing that decides money is left out."""

    target_health: Annotated[Decimal, fraction("a health factor", "1", "2", 18)]
    margin_call_health: Annotated[Decimal, fraction("a health factor", "1", "2", 18)]
    fee_share: Annotated[Decimal, fraction("a ratio", "0", "0.5", 18)]
    penalty_split: PenaltySplitModel
    min_debt_value: Value
    min_debt_per_asset: Value
    dust_value: Value
    grace: GraceModel
    # no engine may ever restore more than this: an immutable of the Vault
    max_target_health: Annotated[Decimal, fraction("a health factor", "1", "2", 18)]
    bucket_minimum: Value
    # doubt slows a bucket down, and does not stop it
    degraded_refill: Annotated[Decimal, fraction("a ratio", "0.01", "1", 18)]
    call_lifetime: Annotated[int, _seconds(Decimal(1), 365 * DAY)]
    backstop_delay: Annotated[int, _seconds(Decimal(0), 365 * DAY)]


class SequencerSection(Strict):
    """An L2's sequencer uptime feed."""

    feed: AddressOrTest
    grace: Annotated[int, _seconds(Decimal(0), DAY)]


class VolatilitySection(Strict):
    """The volatility oracle, from which in a turbulent market the target health factor is lifted.

    The squared returns of prices `spacing` apart are averaged, their weight falling to 1/e in `time_constant`.
    """

    time_constant: Annotated[int, _seconds(6 * HOUR, 30 * DAY)]
    spacing: Annotated[int, _seconds(Decimal(600), 90 * HOUR)]
    # annualised, at and below which nothing is lifted, at and above which all that the assets allow
    calm: Annotated[Decimal, fraction("a volatility", "0", "10", 18, high_open=True)]
    turbulent: Annotated[Decimal, fraction("a volatility", "0", "10", 18, low_open=True)]


class OraclesSection(Strict):
    """The router: when a dead market's last good price is cut, and how fast; and what stands beside it."""

    abandon_after: Annotated[int, _seconds(3 * DAY, 90 * DAY)]
    decay_period: Annotated[int, _seconds(7 * DAY, 365 * DAY)]
    sequencer: SequencerSection | None = None
    volatility: VolatilitySection | None = None


class ChainlinkSection(Strict):
    """A Chainlink feed, and what is expected of it."""

    feed: AddressOrTest
    decimals: Annotated[int, whole("a number of decimals", Decimal(0), Decimal(36))]
    heartbeat: Annotated[int, _seconds(Decimal(1), 2 * DAY)]
    max_age: Annotated[int, _seconds(Decimal(1), 7 * DAY)]
    least: Price | None = None
    most: Price | None = None


class PythSection(Strict):
    """A price of a Pyth contract, which anyone brings up to date."""

    contract: Address
    id: Annotated[str, PlainValidator(_read_price_id)]
    heartbeat: Annotated[int, _seconds(Decimal(1), 7 * DAY)]
    max_age: Annotated[int, _seconds(Decimal(1), 7 * DAY)]
    # publishers' clocks run ahead of a block's by its building time
    max_ahead: Annotated[int, _seconds(Decimal(0), Decimal(60))]
    # confidence interval over price up to which nothing is in doubt
    max_confidence: Annotated[Decimal, fraction("a ratio", "0", "0.05", 4, low_open=True)]


class UniswapSection(Strict):
    """The time-weighted mean price of a token in a Uniswap V3 pool, times the price of the pool's other token."""

    # the asset's own where it is left out
    token: Address | None = None
    pool: Address
    quote: SourceSection
    window: Annotated[int, _seconds(Decimal(600), 4 * HOUR)]
    # the shortest time between two blocks: the pool writes at most one observation a block
    block_time: Annotated[int, _seconds(Decimal(1), Decimal(60))]
    # harmonic mean over the window, in the pool's own unit
    safe_liquidity: Annotated[int, whole("a liquidity", Decimal(1), Decimal(2**128 - 1))]
    least_liquidity: Annotated[int, whole("a liquidity", Decimal(1), Decimal(2**128 - 1))]


class CrossSection(Strict):
    """The product of two prices: of the asset in something, and of that in USD."""

    base: SourceSection
    quote: SourceSection


class Erc4626Section(Strict):
    """A share of an ERC-4626 vault: its rate times the price of the vault's asset."""

    # the asset's own where it is left out
    token: Address | None = None
    asset: SourceSection
    # of the rate, in a year; what it grows faster is not counted
    max_growth: Annotated[Decimal, fraction("a ratio", "0", "3", 4, low_open=True)]
    # a larger fall is in doubt until it has stood for so long
    max_drop: Annotated[Decimal, fraction("a ratio", "0", "0.05", 4)]
    confirm_after: Annotated[int, _seconds(Decimal(600), DAY)]


class WatchedSection(Strict):
    """Two prices that watch each other."""

    primary: SourceSection
    secondary: SourceSection
    max_deviation: Annotated[Decimal, fraction("a ratio", "0.001", "0.2", 4)]
    # apart for so long, the primary alone decides
    dispute_period: Annotated[int, _seconds(HOUR, 7 * DAY)]


class SourceSection(Strict):
    """Where a price comes from: one of these keys."""

    chainlink: ChainlinkSection | None = None
    pyth: PythSection | None = None
    uniswap: UniswapSection | None = None
    cross: CrossSection | None = None
    erc4626: Erc4626Section | None = None
    watched: WatchedSection | None = None

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        found = [name for name in SOURCE_KINDS if getattr(self, name) is not None]
        if len(found) != 1:
            expected = f"exactly one of {', '.join(SOURCE_KINDS)}"
            raise refusal(found, expected, found=f"{len(found)} sources" + (f" ({', '.join(found)})" if found else ""))
        return self

    @property
    def kind(self) -> SourceKind:
        """The section that says where."""
        return getattr(self, self.key)  # type: ignore[no-any-return]  # one of six fields, by its name

    @property
    def key(self) -> str:
        """Its name."""
        return next(name for name in SOURCE_KINDS if getattr(self, name) is not None)


SourceKind = ChainlinkSection | PythSection | UniswapSection | CrossSection | Erc4626Section | WatchedSection
SOURCE_KINDS = tuple(SourceSection.model_fields)
# the sources that a source reads, and whether they price the same token
READ = {"primary": True, "secondary": True, "base": True, "quote": False, "asset": False}


def sources_in(
    path: tuple[str, ...], source: SourceSection, *, is_own: bool = True
) -> Iterator[tuple[tuple[str, ...], SourceKind, bool]]:
    """A source and all that it reads, with their paths, and whether each prices the asset itself."""
    where = (*path, source.key)
    yield where, source.kind, is_own
    for key, is_same in READ.items():
        inner = getattr(source.kind, key, None)
        if isinstance(inner, SourceSection):
            yield from sources_in((*where, key), inner, is_own=is_own and is_same)


class PriceSection(SourceSection):
    """An asset's price, and what is expected of it."""

    # by how much the market may move before the source answers anew
    deviation: Annotated[Decimal, fraction("a ratio", "0", "0.1", 4, low_open=True)]
    reference: Price
    # how far the price may be from the reference: a missing factor or digit is a multiple
    tolerance: Annotated[Decimal, fraction("a ratio", "0", "0.25", 4, low_open=True)]
    # a fresh price further from the last good one is degraded
    jump: Annotated[Decimal, fraction("a ratio", "0.05", "0.6", 4)] | None = None


class BucketSection(Strict):
    """Limits the value seized of one collateral: what the bucket holds, and what flows back per hour, in USD."""

    capacity: Value
    refill_per_hour: Value


class CollateralSection(CollateralModel):
    """A scenario's collateral keys, all of them required, with a cap in whole tokens."""

    ltv: Annotated[Decimal, fraction("a ratio", "0", "1", 4, high_open=True)]
    liquidation_threshold: Annotated[Decimal, fraction("a ratio", "0", "0.99", 4, low_open=True)]
    max_bonus: Annotated[Decimal, fraction("a ratio", "0", "0.20", 4)]
    # where oracles.volatility is: the target that this collateral asks for in a turbulent market
    most_target: Annotated[Decimal, fraction("a health factor", "1", "2", 4)] | None = None
    cap: Amount
    bucket: BucketSection | None = None


class BorrowSection(BorrowModel):
    """A scenario's borrow keys, all of them required, with caps in whole tokens."""

    rate: RateModel
    reserve_factor: Annotated[Decimal, fraction("a ratio", "0", "1", 4)]
    supply_cap: Amount
    borrow_cap: Amount
    flash_fee: Annotated[Decimal, fraction("a ratio", "0", "0.01", 4)] = Decimal(0)


class AssetSection(Strict):
    """A listed asset: its token, its price, and what it may be used for."""

    token: AddressOrTest
    decimals: Annotated[int, whole("a number of decimals", Decimal(0), Decimal(MAX_DECIMALS))]
    price: PriceSection
    # over how long a lower liquidation threshold is reached, where a proposal lowers it
    ramp: Annotated[int, _seconds(DAY, 90 * DAY)] = 7 * 86_400
    collateral: CollateralSection | None = None
    borrow: BorrowSection | None = None


class NetworkFile(Strict):
    """A whole file."""

    network: NetworkSection
    roles: RolesSection
    protocol: ProtocolSection
    oracles: OraclesSection
    assets: Annotated[dict[str, AssetSection], mapping_of("names to assets", may_be_empty=False)]
