"""The shipped price path is what its waypoints make of it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from closeout.scenario.waypoints import read_waypoints, rows
from closeout.yamlfile.tree import parse_yaml

SCENARIOS = Path(__file__).parents[2] / "config" / "scenarios"
WAYPOINTS = SCENARIOS / "crash-2021-05-19-waypoints.yaml"
PATH = SCENARIOS / "crash-2021-05-19-waypoints.csv"


def test_the_shipped_path__is_made_from_its_waypoints() -> None:
    made = "".join(",".join(row) + "\n" for row in rows(read_waypoints(WAYPOINTS)))
    assert made == PATH.read_text(encoding="utf-8")


def test_the_shipped_path__meets_every_waypoint_that_falls_on_a_row() -> None:
    header, *lines = (line.split(",") for line in PATH.read_text(encoding="utf-8").splitlines())
    by_time = {line[0]: dict(zip(header, line, strict=True)) for line in lines}
    met = 0
    for name, points in parse_yaml(WAYPOINTS.read_text(encoding="utf-8"))["waypoints"].items():
        for time, price in points.items():
            if time in by_time:
                met += 1
                assert Decimal(by_time[time][name]) == round(Decimal(price), 2)
    assert met >= 20


def test_the_shipped_path__says_nothing_in_the_outage() -> None:
    times = [line.split(",")[0] for line in PATH.read_text(encoding="utf-8").splitlines()[1:]]
    assert not [time for time in times if "2021-05-19T12:30:00Z" < time < "2021-05-19T13:10:00Z"]
    assert len(times) > 400
