"""A price history from a CSV file: every gap and every non-number is refused by row and column."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from closeout.units import WAD_DECIMALS
from closeout.yamlfile.decimals import Bounds, parse_decimal, to_units
from closeout.yamlfile.problem import BadFile, one_of, shown

from .schema import MAX_PRICE, PricePathModel
from .world import PricePath

__all__ = ["read_price_path"]

_MAX_TIME = 2**40 - 1
_TIME_EXPECTED = "a time in ISO 8601 UTC or whole unix seconds"


def read_price_path(model: PricePathModel, file: Path, feed_decimals: Mapping[str, int]) -> PricePath:
    """The history in `file`, with the columns that `model` names.

    Raises:
        BadFile: naming the file, the row (the first below the header is row 1) and the column.
    """
    name = file.name
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            return _read(csv.reader(stream, strict=True), model, feed_decimals, name)
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else (error.strerror or "an error").lower()
        raise BadFile("price_path.file", f"{shown(str(model.file))} ({reason})", "a readable CSV file") from None
    except UnicodeDecodeError:
        raise BadFile("", "bytes that are not UTF-8", "a CSV file", name) from None
    except csv.Error as error:
        raise BadFile("", f"something else ({error})", "a CSV file", name) from None


def _read(
    lines: Iterator[Sequence[str]], model: PricePathModel, feed_decimals: Mapping[str, int], name: str
) -> PricePath:
    header = [cell.strip() for cell in next(lines, [])]
    time_at = _column(header, model.time, "price_path.time", name)
    columns = [
        (asset, column, _column(header, column, f"price_path.columns.{asset}", name))
        for asset, column in model.columns.items()
    ]
    bounds = {
        asset: Bounds(
            Decimal(0), MAX_PRICE, min(feed_decimals[asset], WAD_DECIMALS), is_low_open=True, what="a price in USD"
        )
        for asset in model.columns
    }
    times: list[int] = []
    rows: list[tuple[int, ...]] = []
    blank = 0
    for number, cells in enumerate(lines, start=1):
        if not cells or cells == [""]:
            blank = blank or number
            continue
        if blank:
            raise BadFile(f"row {blank}", "an empty row", "prices without a gap", name)
        if len(cells) != len(header):
            raise BadFile(f"row {number}", f"{len(cells)} cells", f"{len(header)}, as in the header", name)
        time = _time(cells[time_at])
        place = f"row {number}, column {model.time}"
        if time is None:
            raise BadFile(place, shown(cells[time_at].strip() or None), _TIME_EXPECTED, name)
        if times and time <= times[-1]:
            raise BadFile(place, shown(cells[time_at].strip()), "a time after that of the row above", name)
        times.append(time)
        places = ((cells[at], bounds[asset], f"row {number}, column {column}") for asset, column, at in columns)
        rows.append(tuple(_price(cell, limits, where, name) for cell, limits, where in places))
    if not rows:
        raise BadFile("", "no rows", "at least one row of prices below the header", name)
    return PricePath(tuple(times), tuple(model.columns), tuple(rows), model.keeper == "each", name)


def _column(header: Sequence[str], column: str, key: str, name: str) -> int:
    if header.count(column) != 1:
        found = f"no column {shown(column)}" if column not in header else f"{header.count(column)} columns {column}"
        known = one_of([cell for cell in header if cell]) if any(header) else "a header with the names of the columns"
        raise BadFile(key, f"{found} in {name}", known)
    return header.index(column)


def _price(cell: str, bounds: Bounds, place: str, name: str) -> int:
    text = cell.strip()
    number = parse_decimal(text)
    if number is None or not bounds.allows(number):
        raise BadFile(place, shown(text or None), str(bounds), name)
    price = to_units(number, WAD_DECIMALS)
    assert price is not None  # noqa: S101 - the bounds allow no more than 18 decimals
    return price


def _time(cell: str) -> int | None:
    text = cell.strip()
    number = parse_decimal(text)
    if number is not None:
        seconds = to_units(number, 0)
        return seconds if seconds is not None and seconds <= _MAX_TIME else None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    if elapsed.microseconds or not 0 <= elapsed.days * 86_400 + elapsed.seconds <= _MAX_TIME:
        return None
    return elapsed.days * 86_400 + elapsed.seconds
