"""Slither's findings, and which of them were looked at and argued (accepted.yaml)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Accepted", "Finding", "accepted", "detectors_off", "findings_of", "sift"]

LIST = Path(__file__).with_name("accepted.yaml")


@dataclass(frozen=True)
class Finding:
    """One finding: the detector, and the function or variable it is about, as `Contract.name`."""

    check: str
    impact: str
    where: str
    text: str


@dataclass(frozen=True)
class Accepted:
    """A detector's findings in functions that match a pattern, with the argument why they are none."""

    check: str
    pattern: str
    why: str

    def covers(self, finding: Finding) -> bool:
        return finding.check == self.check and fnmatchcase(finding.where, self.pattern)


def accepted(file: Path = LIST) -> list[Accepted]:
    found = []
    for entry in yaml.safe_load(file.read_text())["accepted"]:
        for pattern in entry["where"]:
            found.append(Accepted(entry["check"], pattern, entry["why"]))
    return found


def detectors_off(file: Path = LIST) -> dict[str, str]:
    """Detectors that are not run, each with the reason."""
    off: dict[str, str] = yaml.safe_load(file.read_text())["detectors off"]
    return off


def findings_of(report: dict[str, Any]) -> list[Finding]:
    """The findings of Slither's JSON."""
    return [
        Finding(entry["check"], entry["impact"], _where(entry), re.sub(r"\s+", " ", entry["description"]).strip())
        for entry in report["results"].get("detectors", [])
    ]


def _where(entry: dict[str, Any]) -> str:
    """`Contract.function` or `Contract.variable` of the first element that stands in a contract."""
    for element in entry["elements"]:
        parent = element.get("type_specific_fields", {}).get("parent")
        while parent is not None and parent["type"] not in ("contract", "function"):
            parent = parent.get("type_specific_fields", {}).get("parent")
        if parent is None:
            continue
        if parent["type"] == "function":
            above = parent.get("type_specific_fields", {}).get("parent")
            return f"{above['name']}.{parent['name']}" if above else str(parent["name"])
        return f"{parent['name']}.{element['name']}"
    return str(entry["elements"][0]["name"]) if entry["elements"] else ""


def sift(findings: list[Finding], known: list[Accepted]) -> tuple[list[Finding], list[Accepted]]:
    """What nobody looked at, and which entries of the list fit nothing any more."""
    open_ = [finding for finding in findings if not any(entry.covers(finding) for entry in known)]
    stale = [entry for entry in known if not any(entry.covers(finding) for finding in findings)]
    return open_, stale
