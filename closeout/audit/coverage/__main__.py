"""`python -m closeout.audit.coverage [tests]`: runs the tests with traces, then reports lines and branches."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence

from closeout.audit.coverage.builds import build
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.report import is_trusted, measure, missed, write_html
from closeout.audit.evidence import Row, record
from closeout.toolchain.settings import ROOT

FOLDER = ROOT / ".build" / "coverage"
TESTS = ("tests/unit", "tests/integration", "tests/differential", "tests/property", "tests/stateful/test_machine.py")
LEAST_LINES, LEAST_BRANCHES = 0.98, 0.95
SIZE = "0.05"
QUIET = ("-q", "--no-header", "--tb=short", "-p", "no:ape_test", "-p", "no:cacheprovider")


def run(tests: Sequence[str]) -> bool:
    """The tests, traced, few random cases each: what counts is where they go, not how often. Whether all passed."""
    environment = {"CLOSEOUT_COVERAGE": "1", "CLOSEOUT_TEST_SIZE": SIZE, "HYPOTHESIS_PROFILE": "coverage"}
    command = [sys.executable, "-m", "pytest", *QUIET, "-m", "not as_shipped", *tests]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode == 0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m closeout.audit.coverage", description=__doc__)
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--report-only", action="store_true", help="from the traces of earlier runs")
    parser.add_argument("--keep", action="store_true", help="add to the traces of earlier runs")
    given = parser.parse_args(arguments)
    started = time.monotonic()
    file = FOLDER / "hits.json"
    has_passed = True
    if not given.report_only:
        if not given.keep:
            file.unlink(missing_ok=True)
        has_passed = run(given.tests)
    hits = Hits()
    hits.merge(file)
    files = measure(ROOT, build(), hits)
    page = write_html(ROOT, files, FOLDER / "html")
    trusted = [one for one in files if is_trusted(one.source)]
    for one in trusted:
        print(f"{one.lines_hit:5} / {len(one.lines):<5} {one.branches_hit:5} / {one.branches_all:<5} {one.source}")
    known, unknown = missed(ROOT, trusted)
    for text in unknown:
        print(text)
    lines, lines_all = sum(one.lines_hit for one in trusted), sum(len(one.lines) for one in trusted)
    ways, ways_all = sum(one.branches_hit for one in trusted), sum(one.branches_all for one in trusted)
    is_enough = lines >= LEAST_LINES * lines_all and ways >= LEAST_BRANCHES * ways_all
    figures = f"{100 * lines / lines_all:.1f} % of lines, {100 * ways / ways_all:.1f} % of branches"
    print(f"trusted base: {figures} ({lines} of {lines_all}, {ways} of {ways_all}); {page.relative_to(ROOT)}")
    print(f"not reached: {len(known)} argued, {len(unknown)} not; {time.monotonic() - started:.0f} s")
    if not has_passed:
        print("tests failed: see above", file=sys.stderr)
    holds = is_enough and has_passed and not unknown
    record("coverage", [Row("coverage", figures, lines, "held" if holds else "FAILED")])
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
