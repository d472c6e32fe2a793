"""`python -m closeout.audit.coverage [tests]`: runs the tests with traces, then reports lines and branches."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from closeout.audit.coverage.builds import build
from closeout.audit.coverage.hits import Hits
from closeout.audit.coverage.report import is_trusted, measure, write_html
from closeout.audit.evidence import Row, record
from closeout.toolchain.settings import ROOT

FOLDER = ROOT / ".build" / "coverage"
TESTS = ("tests/unit", "tests/integration", "tests/property", "tests/differential")
LEAST_LINES, LEAST_BRANCHES = 0.98, 0.95
# Bounds of gas are for the optimised code.
NO_GAS = "not gas and not block"
QUIET = ("-q", "--no-header", "--tb=line", "-p", "no:ape_test", "-p", "no:cacheprovider")


def run(tests: Sequence[str]) -> None:
    """The tests, traced, few random cases each: what counts is where they go, not how often."""
    environment = {"CLOSEOUT_TEST_SIZE": "0.05", "HYPOTHESIS_PROFILE": "mutation"} | os.environ
    command = [sys.executable, "-m", "pytest", *QUIET, "-k", NO_GAS, *tests]
    subprocess.run(command, cwd=ROOT, env=environment | {"CLOSEOUT_COVERAGE": "1"}, check=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m closeout.audit.coverage", description=__doc__)
    parser.add_argument("tests", nargs="*", default=TESTS)
    parser.add_argument("--report-only", action="store_true", help="from the traces of earlier runs")
    parser.add_argument("--keep", action="store_true", help="add to the traces of earlier runs")
    given = parser.parse_args(arguments)
    file = FOLDER / "hits.json"
    if not given.report_only:
        if not given.keep:
            file.unlink(missing_ok=True)
        run(given.tests)
    hits = Hits()
    hits.merge(file)
    files = measure(ROOT, build(), hits)
    page = write_html(ROOT, files, FOLDER / "html")
    trusted = [one for one in files if is_trusted(one.source)]
    for one in trusted:
        print(f"{one.lines_hit:5} / {len(one.lines):<5} {one.branches_hit:5} / {one.branches_all:<5} {one.source}")
    for text in (text for one in trusted for text in one.missed()):
        print(text)
    lines, lines_all = sum(one.lines_hit for one in trusted), sum(len(one.lines) for one in trusted)
    ways, ways_all = sum(one.branches_hit for one in trusted), sum(one.branches_all for one in trusted)
    is_enough = lines >= LEAST_LINES * lines_all and ways >= LEAST_BRANCHES * ways_all
    figures = f"{100 * lines / lines_all:.1f} % of lines, {100 * ways / ways_all:.1f} % of branches"
    print(f"trusted base: {figures} ({lines} of {lines_all}, {ways} of {ways_all}); {page.relative_to(ROOT)}")
    record("coverage", [Row("coverage", figures, lines, "held" if is_enough else "FAILED")])
    return 0 if is_enough else 1


if __name__ == "__main__":
    sys.exit(main())
