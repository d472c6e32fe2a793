"""The shape of a scenario file: which keys there are, and what each may say by itself.

Relations between keys are checked in `checks`, amounts become the chain's integers in `loading`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from closeout.model import MAX_DECIMALS
from closeout.parameters import ASSET, PROTOCOL
from closeout.yamlfile.decimals import Bounds, parse_decimal
from closeout.yamlfile.fields import (
    Name,
    Strict,
    fraction,
    list_of,
    mapping_of,
    none_as_empty,
    number,
    parse,
    refusal,
    whole,
)

__all__ = [
    "AccountModel",
    "AssetModel",
    "BorrowModel",
    "CloseOutModel",
    "CollateralModel",
    "FeedModel",
    "GraceModel",
    "MoveModel",
    "PricePathModel",
    "ProtocolModel",
    "RateModel",
    "ScenarioModel",
    "StepModel",
    "parse_scenario",
]

# Rates are stored with nine decimals in 32 bits.
MAX_RATE = Decimal("4.294967295")
# The clock has 40 bits on chain; a single wait of thirty years is more than anyone asks for.
MAX_WAIT = Decimal(1_000_000_000)
MAX_GRACE = Decimal(31_536_000)
MAX_PRICE = Decimal(1_000_000_000_000)
MAX_VALUE = Decimal(1_000_000_000_000)
MAX_TOKENS = Decimal(100_000_000_000_000)


def _read_file_name(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise refusal(value, "the name of a CSV file")
    return value


def _read_steepness(value: Any) -> Decimal:
    parsed = parse_decimal(value)
    bounds = Bounds(Decimal("0.01"), Decimal(20), what="0, or a steepness")
    if parsed is None or not (parsed == 0 or bounds.allows(parsed)):
        raise refusal(value, str(bounds))
    return parsed


def _read_feed_decimals(value: Any) -> int:
    parsed = parse_decimal(value)
    if parsed is None or parsed not in (8, 18):
        raise refusal(value, "8 or 18")
    return int(parsed)


def _read_asset_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise refusal(value, "a list with at least one asset (leave the key out for all)")
    for name in value:
        if not isinstance(name, str):
            raise refusal(name, "the name of an asset")
    for name in value:
        if value.count(name) > 1:
            raise refusal(name, "each asset once")
    return tuple(value)


Price = Annotated[Decimal, number(Bounds(Decimal(0), MAX_PRICE, is_low_open=True, what="a price in USD"))]
Amount = Annotated[Decimal, number(Bounds(Decimal(0), MAX_TOKENS, None, what="an amount of whole tokens"))]
Holding = Annotated[
    Decimal, number(Bounds(Decimal(0), MAX_TOKENS, None, is_low_open=True, what="an amount of whole tokens"))
]
Value = Annotated[Decimal, number(Bounds(Decimal(0), MAX_VALUE, what="a value in USD"))]
Rate = Annotated[Decimal, number(Bounds(Decimal(0), MAX_RATE, 9, what="a yearly rate"))]
Weight = Annotated[Decimal, fraction("a weight", "0", "1", 18)]
Prices = Annotated[dict[str, Price], mapping_of("assets to prices", may_be_empty=False)]
Holdings = Annotated[dict[str, Holding], mapping_of("assets to amounts")]


class BonusModel(Strict):
    """The penalty curve."""

    floor: Annotated[Decimal, fraction("a ratio", "0", "0.20", 18)] = PROTOCOL.bonus_floor
    min_fraction: Annotated[Decimal, fraction("a ratio", "0", "1", 18)] = PROTOCOL.min_bonus_fraction
    health_for_max: Annotated[Decimal, fraction("a health factor", "0.5", "0.99", 18)] = PROTOCOL.health_for_max_bonus
    steepness: Annotated[Decimal, PlainValidator(_read_steepness)] = PROTOCOL.steepness


class PenaltySplitModel(Strict):
    """Where the protocol's part of a penalty goes; what is left out gets nothing."""

    insurance: Weight = Decimal(0)
    treasury: Weight = Decimal(0)
    burn: Weight = Decimal(0)


class GraceModel(Strict):
    """How long an account must have been on call before it can be closed out, and below which health at once."""

    period: Annotated[int, whole("a number of seconds", Decimal(0), MAX_GRACE)] = PROTOCOL.grace_period
    hard_floor: Annotated[Decimal, fraction("a health factor", "0", "1", 18)] = PROTOCOL.grace_hard_floor


_DEFAULT_SPLIT = PenaltySplitModel(
    insurance=PROTOCOL.insurance_weight, treasury=PROTOCOL.treasury_weight, burn=PROTOCOL.burn_weight
)


class ProtocolModel(Strict):
    """Parameters of the whole protocol. No `margin_call_health`: the default, or the target where that is lower."""

    target_health: Annotated[Decimal, fraction("a health factor", "1", "2", 18)] = PROTOCOL.target_health
    margin_call_health: Annotated[Decimal, fraction("a health factor", "1", "2", 18)] | None = None
    bonus: BonusModel = BonusModel()
    fee_share: Annotated[Decimal, fraction("a ratio", "0", "0.5", 18)] = PROTOCOL.fee_share
    penalty_split: PenaltySplitModel = _DEFAULT_SPLIT
    min_debt_value: Value = PROTOCOL.min_debt_value
    min_debt_per_asset: Value = PROTOCOL.min_debt_per_asset
    dust_value: Value = PROTOCOL.dust_value
    grace: GraceModel = GraceModel()


class CollateralModel(Strict):
    """An asset as collateral. Ratios are basis points on chain: at most four decimals."""

    ltv: Annotated[Decimal, fraction("a ratio", "0", "1", 4, high_open=True)] = ASSET.ltv
    liquidation_threshold: Annotated[Decimal, fraction("a ratio", "0", "0.99", 4, low_open=True)] = (
        ASSET.liquidation_threshold
    )
    max_bonus: Annotated[Decimal, fraction("a ratio", "0", "0.20", 4)] = ASSET.max_bonus


class RateModel(Strict):
    """Yearly rates of the two-slope model, and the utilisation at its kink."""

    base: Rate = ASSET.rate_base
    slope1: Rate = ASSET.rate_slope1
    slope2: Rate = ASSET.rate_slope2
    kink: Annotated[Decimal, fraction("a utilisation", "0", "1", 18, low_open=True)] = ASSET.rate_kink


class BorrowModel(Strict):
    """An asset as something to borrow."""

    rate: Annotated[RateModel, BeforeValidator(none_as_empty)] = RateModel()
    reserve_factor: Annotated[Decimal, fraction("a ratio", "0", "1", 4)] = ASSET.reserve_factor


class AssetModel(Strict):
    """A listed token. With `supply` it can be borrowed even where `borrow` is left out."""

    decimals: Annotated[int, whole("a number of decimals", Decimal(0), Decimal(MAX_DECIMALS))] = ASSET.decimals
    feed_decimals: Annotated[int, PlainValidator(_read_feed_decimals)] = ASSET.feed_decimals
    price: Price
    collateral: Annotated[CollateralModel | None, BeforeValidator(none_as_empty)] = None
    supply: Amount | None = None
    borrow: Annotated[BorrowModel | None, BeforeValidator(none_as_empty)] = None

    @property
    def is_borrowable(self) -> bool:
        """Whether accounts can borrow it."""
        return self.borrow is not None or self.supply is not None


class AccountModel(Strict):
    """What an account holds at the start."""

    owner: Name | None = None
    collateral: Holdings = Field(default_factory=dict)
    debt: Holdings = Field(default_factory=dict)


class CloseOutModel(Strict):
    """A close-out by a liquidator who takes any price."""

    account: Name
    collateral: Annotated[tuple[str, ...] | None, PlainValidator(_read_asset_list)] = None
    debt: Annotated[tuple[str, ...] | None, PlainValidator(_read_asset_list)] = None
    fill: Annotated[Decimal, fraction("a fraction", "0", "1", 18, low_open=True)] = Decimal(1)


class MoveModel(Strict):
    """A deposit, withdrawal, borrow or repayment, by the account's owner."""

    account: Name
    asset: Name
    amount: Amount


class MarginCallModel(Strict):
    """Puts an account on call."""

    account: Name


class FeedModel(Strict):
    """What becomes of an asset's feed from here on."""

    asset: Name
    status: Literal["stale", "dead", "fresh"]


class KeeperModel(Strict):
    """The keeper closes out what it can. No keys."""


class StepModel(Strict):
    """One step: exactly one of these keys."""

    wait: Annotated[int, whole("a number of seconds", Decimal(0), MAX_WAIT)] | None = None
    prices: Prices | None = None
    close_out: CloseOutModel | None = None
    deposit: MoveModel | None = None
    withdraw: MoveModel | None = None
    borrow: MoveModel | None = None
    repay: MoveModel | None = None
    margin_call: MarginCallModel | None = None
    feed: FeedModel | None = None
    keeper: Annotated[KeeperModel | None, BeforeValidator(none_as_empty)] = None

    @model_validator(mode="before")
    @classmethod
    def _check_one_key(cls, data: Any) -> Any:
        expected = f"exactly one key of {', '.join(cls.model_fields)}"
        if not isinstance(data, dict):
            raise refusal(data, f"a mapping with {expected}")
        if len(data) != 1:
            raise refusal(data, expected, found=f"{len(data)} keys ({', '.join(map(str, data)) or 'none'})")
        key, value = next(iter(data.items()))
        if value is None and key in cls.model_fields and key != "keeper":
            raise refusal(value, "what the step is about", key)
        return data

    @property
    def kind(self) -> str:
        """The name of the one key."""
        return next(iter(self.model_fields_set))


class PricePathModel(Strict):
    """A price history to replay after the steps."""

    file: Annotated[str, PlainValidator(_read_file_name)]
    time: Name = "timestamp"
    columns: Annotated[dict[str, Name], mapping_of("assets to columns", may_be_empty=False)]
    keeper: Literal["each", "none"] = "each"


class ScenarioModel(Strict):
    """A whole file."""

    name: Name | None = None
    protocol: Annotated[ProtocolModel, BeforeValidator(none_as_empty)] = ProtocolModel()
    assets: Annotated[dict[str, AssetModel], mapping_of("names to assets", may_be_empty=False)]
    insurance: Annotated[dict[str, Amount], mapping_of("assets to amounts")] = Field(default_factory=dict)
    accounts: Annotated[dict[str, AccountModel], mapping_of("names to accounts", may_be_empty=False)]
    steps: Annotated[list[StepModel], list_of("steps")] = Field(default_factory=list)
    price_path: PricePathModel | None = None


def parse_scenario(tree: Any) -> ScenarioModel:
    """The scenario that a tree of strings says.

    Raises:
        BadFile: naming the first key that is wrong, what it says and what was expected.
    """
    return parse(ScenarioModel, tree)
