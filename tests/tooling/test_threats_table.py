"""docs/threats.md lists all threats, and each has a test with its number or an argued line in docs/known-issues.md."""

from __future__ import annotations

import re

from closeout.audit.evidence import SUBJECTS, Row, combined, ids_in, table
from closeout.toolchain.settings import ROOT
from tests.support.evidence import known_issues

THREATS = [f"T{number:02}" for number in range(1, 81)]
PROPERTIES = [f"P{number}" for number in range(1, 24)]


def named_in_tests() -> set[str]:
    names = re.compile(r"^ *def (test_\w+)", re.MULTILINE)
    texts = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    return {subject for text in texts for name in names.findall(text) for subject in ids_in(name)}


def test_lists__hold_every_property_and_threat_once() -> None:
    assert list(SUBJECTS) == PROPERTIES + THREATS


def test_every_property_and_threat__has_a_test_by_number_or_an_argued_known_issue() -> None:
    answered = named_in_tests() | {f"T{number:02}" for number in known_issues()}
    assert [subject for subject in SUBJECTS if subject not in answered] == []


def test_ids__are_read_from_names_and_from_nothing_that_looks_like_them() -> None:
    assert ids_in("test_t04__t09_account__at_any_ratio__can_be_closed_out") == ["T04", "T09"]
    assert ids_in("test_p5_p6_an_account__lands") == ["P5", "P6"]
    assert ids_in("test_permit2__a_top_3_list__and_start5_pool") == []


def test_table__of_a_subject_that_failed_once__says_so_and_of_none__that_nothing_checked_it() -> None:
    rows = [Row("P1", "3 tests: unit", 7, "held"), Row("P1", "z3", 2, "FAILED"), Row("Slither", "0.11.6", 9, "held")]
    by_subject = {row.subject: row for row in combined(rows)}
    assert by_subject["P1"] == Row("P1", "3 tests: unit; z3", 9, "FAILED")
    assert by_subject["P2"].result == "NOT CHECKED"
    text = table(combined(rows)).splitlines()
    assert [line.split()[-1] for line in text if line.startswith("P1 ")] == ["FAILED"]
    assert "Slither" in text[-1]
    assert max(len(line) for line in text) < 170
