"""What schemas of our files are made of: scalars, mappings, models that refuse unknown keys; errors in one line."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .decimals import Bounds, parse_decimal
from .problem import BadFile, dotted, one_of, shown

__all__ = [
    "Name",
    "Strict",
    "fraction",
    "list_of",
    "mapping_of",
    "none_as_empty",
    "number",
    "parse",
    "refusal",
    "whole",
]

LONGEST_NAME = 64


def refusal(value: Any, expected: str, key: str | None = None, found: str | None = None) -> PydanticCustomError:
    context: dict[str, Any] = {"found": found or shown(value), "expected": expected}
    if key is not None:
        context["key"] = key
    return PydanticCustomError("refused", "{expected}", context)


def number(bounds: Bounds) -> PlainValidator:
    def read(value: Any) -> Decimal:
        parsed = parse_decimal(value)
        if parsed is None or not bounds.allows(parsed):
            raise refusal(value, str(bounds))
        return parsed

    return PlainValidator(read)


def whole(what: str, low: Decimal, high: Decimal) -> PlainValidator:
    bounds = Bounds(low, high, decimals=0, what=what)

    def read(value: Any) -> int:
        parsed = parse_decimal(value)
        if parsed is None or not bounds.allows(parsed):
            raise refusal(value, str(bounds))
        return int(parsed)

    return PlainValidator(read)


def fraction(what: str, low: str, high: str, decimals: int, *, low_open: bool = False, high_open: bool = False) -> Any:
    return number(Bounds(Decimal(low), Decimal(high), decimals, low_open, high_open, what))


def _read_name(value: Any) -> str:
    expected = f"a name of 1 to {LONGEST_NAME} printable characters"
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_NAME or not value.isprintable():
        raise refusal(value, expected)
    return value


def mapping_of(what: str, *, may_be_empty: bool = True) -> BeforeValidator:
    """A mapping with names as keys; nothing at all counts as an empty one where that is allowed."""

    def check(value: Any) -> Any:
        if value is None and may_be_empty:
            return {}
        if not isinstance(value, dict) or not (value or may_be_empty):
            raise refusal(value, f"a mapping from {what}")
        for key in value:
            if not isinstance(key, str) or not 0 < len(key) <= LONGEST_NAME or not key.isprintable():
                raise refusal(key, f"a name of 1 to {LONGEST_NAME} printable characters")
        return value

    return BeforeValidator(check)


def list_of(what: str) -> BeforeValidator:
    def check(value: Any) -> Any:
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            raise refusal(value, f"a list of {what}")
        return list(value)

    return BeforeValidator(check)


def none_as_empty(value: Any) -> Any:
    return {} if value is None else value


Name = Annotated[str, PlainValidator(_read_name)]


class Strict(BaseModel):
    """Refuses unknown keys by name; a required key that is missing reaches its reader as nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, data: Any) -> Any:
        names = list(cls.model_fields)
        if not isinstance(data, dict):
            raise refusal(data, f"a mapping with the keys {', '.join(names)}" if names else "an empty mapping: {}")
        for key, value in data.items():
            if key not in cls.model_fields:
                expected = one_of(names) if names else "no key"
                raise refusal(value, expected, str(key), f"an unknown key (with {shown(value)})")
        missing = {name: None for name, field in cls.model_fields.items() if field.is_required() and name not in data}
        return data | missing


Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], tree: Any) -> Model:
    """The model that a tree of strings says.

    Raises:
        BadFile: naming the first key that is wrong, what it says and what was expected.
    """
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        raise _translated(error) from None


def _translated(error: ValidationError) -> BadFile:
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    path: list[str | int] = list(first["loc"])
    if first["type"] == "refused":
        path += [context["key"]] if "key" in context else []
        return BadFile(dotted(path), str(context["found"]), str(context["expected"]))
    if first["type"] == "literal_error":
        return BadFile(dotted(path), shown(first["input"]), str(context["expected"]).replace("'", ""))
    return BadFile(dotted(path), shown(first["input"]), first["msg"])
