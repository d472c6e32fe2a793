"""The list of Slither's findings that were looked at lets through what it names, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from closeout.audit.static.findings import Accepted, Finding, accepted, detectors_off, findings_of, sift


def element(kind: str, name: str, parent: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "name": name, "type_specific_fields": {"parent": parent} if parent else {}}


VAULT = element("contract", "Vault")
BORROW = element("function", "borrow", VAULT)


@pytest.mark.parametrize(
    ("first", "where"),
    [
        (BORROW, "Vault.borrow"),
        (element("variable", "_locked", VAULT), "Vault._locked"),
        (element("variable", "amount", BORROW), "Vault.borrow"),
        (element("node", "amount == 0", BORROW), "Vault.borrow"),
    ],
)
def test_finding__about_a_function_a_variable_or_a_line__is_named_by_contract_and_function(
    first: dict[str, Any], where: str
) -> None:
    entry = {"check": "timestamp", "impact": "Low", "description": "a\n\tb", "elements": [first]}
    assert findings_of({"results": {"detectors": [entry]}}) == [Finding("timestamp", "Low", where, "a b")]


def test_sift__of_a_finding_that_no_entry_covers__leaves_it_open() -> None:
    known = [Accepted("timestamp", "Vault.borrow", "why"), Accepted("calls-loop", "Lens.*", "why")]
    covered = Finding("timestamp", "Low", "Vault.borrow", "")
    other_check = Finding("calls-loop", "Low", "Vault.borrow", "")
    other_place = Finding("timestamp", "Low", "Vault.borrowMore", "")
    loop = Finding("calls-loop", "Low", "Lens.markets", "")
    assert sift([covered, other_check, other_place, loop], known) == ([other_check, other_place], [])


def test_sift__with_an_entry_that_fits_nothing__calls_it_stale() -> None:
    stale = Accepted("timestamp", "Vault.gone", "why")
    assert sift([], [stale]) == ([], [stale])


def test_list__argues_every_entry_and_names_no_whole_contract() -> None:
    assert all(len(entry.why) > 5 and not entry.pattern.endswith("*") for entry in accepted())
    assert all(len(why) > 40 for why in detectors_off().values())
