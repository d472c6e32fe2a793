"""A stylised price path through published waypoints: how the shipped price history was made.

    python -m closeout.scenario.waypoints WAYPOINTS.yaml > PATH.csv

Between two waypoints a price moves by the same percentage in equal times. An asset that follows another takes the
other's deviation from such a line as well, from one of its own waypoints to the next, and still meets each of them.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from closeout.yamlfile.tree import parse_yaml

__all__ = ["Waypoints", "read_waypoints", "rows"]

_CENT = Decimal("0.01")
_FORMAT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Waypoints:
    """Published prices per column, as (seconds since the start, logarithm), and how to fill the time between."""

    start: datetime
    seconds: int
    every: int
    outage: tuple[int, int]
    follow: Mapping[str, str]
    prices: Mapping[str, Sequence[tuple[int, Decimal]]]


def read_waypoints(file: Path) -> Waypoints:
    """The waypoints in a YAML file, each column in the order of time."""
    tree: dict[str, Any] = parse_yaml(file.read_text(encoding="utf-8"))
    start = _time(tree["start"])

    def since_start(text: str) -> int:
        return int((_time(text) - start).total_seconds())

    return Waypoints(
        start=start,
        seconds=since_start(tree["end"]),
        every=int(tree["every"]),
        outage=(since_start(tree["outage"]["from"]), since_start(tree["outage"]["until"])),
        follow=tree["follow"],
        prices={
            name: [(since_start(time), Decimal(price).ln()) for time, price in points.items()]
            for name, points in tree["waypoints"].items()
        },
    )


def rows(waypoints: Waypoints) -> Iterator[tuple[str, ...]]:
    """The CSV's rows: a header, then a time and a price per column; none in the outage."""
    yield ("timestamp", *waypoints.prices)
    down, up = waypoints.outage
    times = sorted({*range(0, waypoints.seconds + 1, waypoints.every), down, up})
    for time in times:
        if not down < time < up:
            prices = (str(_price(waypoints, name, time).quantize(_CENT)) for name in waypoints.prices)
            yield ((waypoints.start + timedelta(seconds=time)).strftime(_FORMAT), *prices)


def _price(waypoints: Waypoints, name: str, time: int) -> Decimal:
    points = waypoints.prices[name]
    logarithm = _between(points, time)
    if name in waypoints.follow:
        other = waypoints.prices[waypoints.follow[name]]
        ends = [point_time for point_time, _ in _segment(points, time)]
        chord = [(end, _between(other, end)) for end in ends]
        logarithm += _between(other, time) - _between(chord, time)
    return logarithm.exp()


def _segment(points: Sequence[tuple[int, Decimal]], time: int) -> Sequence[tuple[int, Decimal]]:
    """The two points that `time` lies between."""
    right = min(max(bisect_right([point_time for point_time, _ in points], time), 1), len(points) - 1)
    return points[right - 1 : right + 1]


def _between(points: Sequence[tuple[int, Decimal]], time: int) -> Decimal:
    (left, low), (right, high) = _segment(points, time)
    return low + (high - low) * (time - left) / (right - left)


def _time(text: str) -> datetime:
    return datetime.strptime(text, _FORMAT).replace(tzinfo=UTC)


def main() -> None:
    """Writes the CSV to standard output."""
    for row in rows(read_waypoints(Path(sys.argv[1]))):
        sys.stdout.write(",".join(row) + "\n")


if __name__ == "__main__":
    main()
