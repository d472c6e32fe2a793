"""Collects which test looked at which property or threat, and at how many cases; prints the table where it is asked to.

A test's subjects are in its name (`test_p5_...`, `test_t34__...`). Its cases are the examples that Hypothesis tried,
what it or its helpers counted with `looked_at`, or else 1. `CLOSEOUT_EVIDENCE=1`, which `make test` sets, prints the
table at the end.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from closeout.audit.evidence import SUBJECTS, Row, combined, ids_in, record, table
from closeout.toolchain.settings import ROOT

__all__ = ["Evidence", "looked_at"]

CASES = "cases looked at"
EXAMPLES = re.compile(r"(\d+) passing")
KNOWN_ISSUE = re.compile(r"[Tt]hreats? ((?:\d+(?:, | and )?)+)")

_counted = [0]


def looked_at(cases: int) -> None:
    """The test that is running has looked at so many more cases."""
    _counted[0] += cases


@dataclass
class _Found:
    tests: set[str] = field(default_factory=set)
    cases: int = 0
    failed: int = 0
    excepted: int = 0


class Evidence:
    """A pytest plugin."""

    def __init__(self) -> None:
        self._found: defaultdict[str, _Found] = defaultdict(_Found)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[Any]:
        _counted[0] = 0
        try:
            return (yield)
        finally:
            examples = sum(map(int, EXAMPLES.findall(getattr(item, "hypothesis_statistics", ""))))
            item.user_properties.append((CASES, max(1, _counted[0], examples)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and not report.failed:
            return
        name = report.nodeid.split("::")[-1].split("[")[0]
        for subject in ids_in(name):
            found = self._found[subject]
            found.tests.add(report.nodeid.split("[")[0])
            found.cases += next((count for key, count in report.user_properties if key == CASES), 0)
            found.failed += report.failed
            found.excepted += report.skipped and hasattr(report, "wasxfail")

    def rows(self) -> list[Row]:
        """One row per subject that a test looked at, and per threat that known-issues.md answers."""
        rows = []
        for subject, found in self._found.items():
            folders = sorted({test.split("::")[0].removeprefix("tests/").split("/test_")[0] for test in found.tests})
            result = "FAILED" if found.failed else "held, with known exceptions" if found.excepted else "held"
            rows.append(Row(subject, f"{len(found.tests)} tests: {', '.join(folders)}", found.cases, result))
        answered = [f"T{n:02}" for n in sorted(known_issues())]
        return rows + [
            Row(subject, "docs/known-issues.md", 0, "known issue") for subject in answered if subject not in self._found
        ]

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not os.environ.get("CLOSEOUT_EVIDENCE"):
            return
        record("tests", self.rows())
        terminalreporter.section("what checked what")
        terminalreporter.write_line(table(row for row in combined(self.rows()) if row.subject in SUBJECTS))


def known_issues() -> set[int]:
    """The threats that docs/known-issues.md answers, by number."""
    text = (ROOT / "docs" / "known-issues.md").read_text()
    return {int(number) for listed in KNOWN_ISSUE.findall(text) for number in re.findall(r"\d+", listed)}
