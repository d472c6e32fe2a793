"""The shape of a scenario file: which keys there are, and what each may say by itself.

Relations between keys are checked in `checks`, amounts become the chain's integers in `loading`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from closeout.model import MAX_DECIMALS
from closeout.parameters import ASSET, PROTOCOL

from .decimals import Bounds, parse_decimal
from .problem import BadScenario, dotted, one_of, shown

__all__ = [
    "AccountModel",
    "AssetModel",
    "BorrowModel",
    "CloseOutModel",
    "CollateralModel",
    "GraceModel",
    "MoveModel",
    "PricePathModel",
    "ProtocolModel",
    "RateModel",
    "ScenarioModel",
    "StepModel",
    "parse_scenario",
]

LONGEST_NAME = 64
# Rates are stored with nine decimals in 32 bits.
MAX_RATE = Decimal("4.294967295")
# The clock has 40 bits on chain; a single wait of thirty years is more than anyone asks for.
MAX_WAIT = Decimal(1_000_000_000)
MAX_GRACE = Decimal(31_536_000)
MAX_PRICE = Decimal(1_000_000_000_000)
MAX_VALUE = Decimal(1_000_000_000_000)
MAX_TOKENS = Decimal(100_000_000_000_000)


def _refusal(value: Any, expected: str, key: str | None = None, found: str | None = None) -> PydanticCustomError:
    context: dict[str, Any] = {"found": found or shown(value), "expected": expected}
    if key is not None:
        context["key"] = key
    return PydanticCustomError("refused", "{expected}", context)


def _number(bounds: Bounds) -> PlainValidator:
    def read(value: Any) -> Decimal:
        number = parse_decimal(value)
        if number is None or not bounds.allows(number):
            raise _refusal(value, str(bounds))
        return number

    return PlainValidator(read)


def _whole(what: str, low: Decimal, high: Decimal) -> PlainValidator:
    bounds = Bounds(low, high, decimals=0, what=what)

    def read(value: Any) -> int:
        number = parse_decimal(value)
        if number is None or not bounds.allows(number):
            raise _refusal(value, str(bounds))
        return int(number)

    return PlainValidator(read)


def _fraction(what: str, low: str, high: str, decimals: int, *, low_open: bool = False, high_open: bool = False) -> Any:
    return _number(Bounds(Decimal(low), Decimal(high), decimals, low_open, high_open, what))


def _read_name(value: Any) -> str:
    expected = f"a name of 1 to {LONGEST_NAME} printable characters"
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise _refusal(value, expected)
    return value


def _read_file_name(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _refusal(value, "the name of a CSV file")
    return value


def _read_steepness(value: Any) -> Decimal:
    number = parse_decimal(value)
    bounds = Bounds(Decimal("0.01"), Decimal(20), what="0, or a steepness")
    if number is None or not (number == 0 or bounds.allows(number)):
        raise _refusal(value, str(bounds))
    return number


def _read_feed_decimals(value: Any) -> int:
    number = parse_decimal(value)
    if number is None or number not in (8, 18):
        raise _refusal(value, "8 or 18")
    return int(number)


def _mapping_of(what: str, *, may_be_empty: bool = True) -> BeforeValidator:
    """A mapping with names as keys; nothing at all counts as an empty one where that is allowed."""

    def check(value: Any) -> Any:
        if value is None and may_be_empty:
            return {}
        if not isinstance(value, dict) or not (value or may_be_empty):
            raise _refusal(value, f"a mapping from {what}")
        for key in value:
            if not isinstance(key, str) or not 0 < len(key) <= LONGEST_NAME or not key.isprintable():
                raise _refusal(key, f"a name of 1 to {LONGEST_NAME} printable characters")
        return value

    return BeforeValidator(check)


def _list_of(what: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise _refusal(value, f"a list of {what}")
        return list(value)

    return BeforeValidator(check)


def _read_asset_list(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise _refusal(value, "a list with at least one asset (leave the key out for all)")
    for name in value:
        if not isinstance(name, str):
            raise _refusal(name, "the name of an asset")
    for name in value:
        if value.count(name) > 1:
            raise _refusal(name, "each asset once")
    return tuple(value)


def _none_as_empty(value: Any) -> Any:
    return {} if value is None else value


Name = Annotated[str, PlainValidator(_read_name)]
Price = Annotated[Decimal, _number(Bounds(Decimal(0), MAX_PRICE, is_low_open=True, what="a price in USD"))]
Amount = Annotated[Decimal, _number(Bounds(Decimal(0), MAX_TOKENS, None, what="an amount of whole tokens"))]
Holding = Annotated[
    Decimal, _number(Bounds(Decimal(0), MAX_TOKENS, None, is_low_open=True, what="an amount of whole tokens"))
]
Value = Annotated[Decimal, _number(Bounds(Decimal(0), MAX_VALUE, what="a value in USD"))]
Rate = Annotated[Decimal, _number(Bounds(Decimal(0), MAX_RATE, 9, what="a yearly rate"))]
Weight = Annotated[Decimal, _fraction("a weight", "0", "1", 18)]
Prices = Annotated[dict[str, Price], _mapping_of("assets to prices", may_be_empty=False)]
Holdings = Annotated[dict[str, Holding], _mapping_of("assets to amounts")]


class _Strict(BaseModel):
    """Refuses unknown keys by name; a required key that is missing reaches its reader as nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        names = list(cls.model_fields)
        if not isinstance(data, dict):
            raise _refusal(data, f"a mapping with the keys {', '.join(names)}" if names else "an empty mapping: {}")
        for key, value in data.items():
            if key not in cls.model_fields:
                expected = one_of(names) if names else "no key"
                raise _refusal(value, expected, str(key), f"an unknown key (with {shown(value)})")
        missing = {name: None for name, field in cls.model_fields.items() if field.is_required() and name not in data}
        return data | missing


class BonusModel(_Strict):
    """The penalty curve."""

    floor: Annotated[Decimal, _fraction("a ratio", "0", "0.20", 18)] = PROTOCOL.bonus_floor
    min_fraction: Annotated[Decimal, _fraction("a ratio", "0", "1", 18)] = PROTOCOL.min_bonus_fraction
    health_for_max: Annotated[Decimal, _fraction("a health factor", "0.5", "0.99", 18)] = PROTOCOL.health_for_max_bonus
    steepness: Annotated[Decimal, PlainValidator(_read_steepness)] = PROTOCOL.steepness


class PenaltySplitModel(_Strict):
    """Where the protocol's part of a penalty goes; what is left out gets nothing."""

    insurance: Weight = Decimal(0)
    treasury: Weight = Decimal(0)
    burn: Weight = Decimal(0)


class GraceModel(_Strict):
    """How long an account must have been on call before it can be closed out, and below which health at once."""

    period: Annotated[int, _whole("a number of seconds", Decimal(0), MAX_GRACE)] = PROTOCOL.grace_period
    hard_floor: Annotated[Decimal, _fraction("a health factor", "0", "1", 18)] = PROTOCOL.grace_hard_floor


_DEFAULT_SPLIT = PenaltySplitModel(
    insurance=PROTOCOL.insurance_weight, treasury=PROTOCOL.treasury_weight, burn=PROTOCOL.burn_weight
)


class ProtocolModel(_Strict):
    """Parameters of the whole protocol. No `margin_call_health`: the default, or the target where that is lower."""

    target_health: Annotated[Decimal, _fraction("a health factor", "1", "2", 18)] = PROTOCOL.target_health
    margin_call_health: Annotated[Decimal, _fraction("a health factor", "1", "2", 18)] | None = None
    bonus: BonusModel = BonusModel()
    fee_share: Annotated[Decimal, _fraction("a ratio", "0", "0.5", 18)] = PROTOCOL.fee_share
    penalty_split: PenaltySplitModel = _DEFAULT_SPLIT
    min_debt_value: Value = PROTOCOL.min_debt_value
    min_debt_per_asset: Value = PROTOCOL.min_debt_per_asset
    dust_value: Value = PROTOCOL.dust_value
    grace: GraceModel = GraceModel()


class CollateralModel(_Strict):
    """An asset as collateral. Ratios are basis points on chain: at most four decimals."""

    ltv: Annotated[Decimal, _fraction("a ratio", "0", "1", 4, high_open=True)] = ASSET.ltv
    liquidation_threshold: Annotated[Decimal, _fraction("a ratio", "0", "0.99", 4, low_open=True)] = (
        ASSET.liquidation_threshold
    )
    max_bonus: Annotated[Decimal, _fraction("a ratio", "0", "0.20", 4)] = ASSET.max_bonus


class RateModel(_Strict):
    """Yearly rates of the two-slope model, and the utilisation at its kink."""

    base: Rate = ASSET.rate_base
    slope1: Rate = ASSET.rate_slope1
    slope2: Rate = ASSET.rate_slope2
    kink: Annotated[Decimal, _fraction("a utilisation", "0", "1", 18, low_open=True)] = ASSET.rate_kink


class BorrowModel(_Strict):
    """An asset as something to borrow."""

    rate: Annotated[RateModel, BeforeValidator(_none_as_empty)] = RateModel()
    reserve_factor: Annotated[Decimal, _fraction("a ratio", "0", "1", 4)] = ASSET.reserve_factor


class AssetModel(_Strict):
    """A listed token. With `supply` it can be borrowed even where `borrow` is left out."""

    decimals: Annotated[int, _whole("a number of decimals", Decimal(0), Decimal(MAX_DECIMALS))] = ASSET.decimals
    feed_decimals: Annotated[int, PlainValidator(_read_feed_decimals)] = ASSET.feed_decimals
    price: Price
    collateral: Annotated[CollateralModel | None, BeforeValidator(_none_as_empty)] = None
    supply: Amount | None = None
    borrow: Annotated[BorrowModel | None, BeforeValidator(_none_as_empty)] = None

    @property
    def is_borrowable(self) -> bool:
        """Whether accounts can borrow it."""
        return self.borrow is not None or self.supply is not None


class AccountModel(_Strict):
    """What an account holds at the start."""

    owner: Name | None = None
    collateral: Holdings = Field(default_factory=dict)
    debt: Holdings = Field(default_factory=dict)


class CloseOutModel(_Strict):
    """A close-out by a liquidator who takes any price."""

    account: Name
    collateral: Annotated[tuple[str, ...] | None, PlainValidator(_read_asset_list)] = None
    debt: Annotated[tuple[str, ...] | None, PlainValidator(_read_asset_list)] = None
    fill: Annotated[Decimal, _fraction("a fraction", "0", "1", 18, low_open=True)] = Decimal(1)


class MoveModel(_Strict):
    """A deposit, withdrawal, borrow or repayment, by the account's owner."""

    account: Name
    asset: Name
    amount: Amount


class MarginCallModel(_Strict):
    """Puts an account on call."""

    account: Name


class KeeperModel(_Strict):
    """The keeper closes out what it can. No keys."""


class StepModel(_Strict):
    """One step: exactly one of these keys."""

    wait: Annotated[int, _whole("a number of seconds", Decimal(0), MAX_WAIT)] | None = None
    prices: Prices | None = None
    close_out: CloseOutModel | None = None
    deposit: MoveModel | None = None
    withdraw: MoveModel | None = None
    borrow: MoveModel | None = None
    repay: MoveModel | None = None
    margin_call: MarginCallModel | None = None
    keeper: Annotated[KeeperModel | None, BeforeValidator(_none_as_empty)] = None

    NOT_YET: ClassVar[tuple[str, ...]] = ("feed",)

    @model_validator(mode="before")
    @classmethod
    def _check_one_key(cls, data: Any) -> Any:
        expected = f"exactly one key of {', '.join(cls.model_fields)}"
        if not isinstance(data, dict):
            raise _refusal(data, f"a mapping with {expected}")
        for key in cls.NOT_YET:
            if key in data:
                raise _refusal(data[key], f"no {key} step: not supported yet", key, f"a {key} step")
        if len(data) != 1:
            raise _refusal(data, expected, found=f"{len(data)} keys ({', '.join(map(str, data)) or 'none'})")
        key, value = next(iter(data.items()))
        if value is None and key in cls.model_fields and key != "keeper":
            raise _refusal(value, "what the step is about", key)
        return data

    @property
    def kind(self) -> str:
        """The name of the one key."""
        return next(iter(self.model_fields_set))


class PricePathModel(_Strict):
    """A price history to replay after the steps."""

    file: Annotated[str, PlainValidator(_read_file_name)]
    time: Name = "timestamp"
    columns: Annotated[dict[str, Name], _mapping_of("assets to columns", may_be_empty=False)]
    keeper: Literal["each", "none"] = "each"


class ScenarioModel(_Strict):
    """A whole file."""

    name: Name | None = None
    protocol: Annotated[ProtocolModel, BeforeValidator(_none_as_empty)] = ProtocolModel()
    assets: Annotated[dict[str, AssetModel], _mapping_of("names to assets", may_be_empty=False)]
    insurance: Annotated[dict[str, Amount], _mapping_of("assets to amounts")] = Field(default_factory=dict)
    accounts: Annotated[dict[str, AccountModel], _mapping_of("names to accounts", may_be_empty=False)]
    steps: Annotated[list[StepModel], _list_of("steps")] = Field(default_factory=list)
    price_path: PricePathModel | None = None


def parse_scenario(tree: Any) -> ScenarioModel:
    """The scenario that a tree of strings says.

    Raises:
        BadScenario: naming the first key that is wrong, what it says and what was expected.
    """
    try:
        return ScenarioModel.model_validate(tree)
    except ValidationError as error:
        raise _translated(error) from None


def _translated(error: ValidationError) -> BadScenario:
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    path: list[str | int] = list(first["loc"])
    if first["type"] == "refused":
        path += [context["key"]] if "key" in context else []
        return BadScenario(dotted(path), str(context["found"]), str(context["expected"]))
    if first["type"] == "literal_error":
        return BadScenario(dotted(path), shown(first["input"]), str(context["expected"]).replace("'", ""))
    return BadScenario(dotted(path), shown(first["input"]), first["msg"])
