"""What every test shares. Fixtures of one kind of test live beside those tests."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.evidence import CASES, Evidence

# before any other module of the tests is imported: what they load and start is changed underneath them
COVERAGE = None
if os.environ.get("CLOSEOUT_COVERAGE"):
    from tests.support.tracing import Coverage

    COVERAGE = Coverage()

# A chain answers in its own time: no deadline per example. CI tries the same examples each time, so that a red run can
# be repeated; a developer's runs look at new ones.
settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
# Which test fails is all that a mutant is asked: the example need not be made small.
settings.register_profile(
    "mutation", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate), database=None, print_blob=False
)
# Traced, an example takes many times as long, and goes where the last one went.
settings.register_profile("coverage", settings.get_profile("mutation"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev"))

# a run on contracts with a planted bug, which must fail: tests/stateful/test_broken_twins.py
if twin := os.environ.get("CLOSEOUT_BROKEN_TWIN"):
    from tests.stateful.broken.overlay import install

    install(twin)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", action="store_true", help="print at the end what tests measured, by test")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """`record_property` of each test that passed; see `make figures`."""
    if not config.getoption("--figures"):
        return
    terminalreporter.section("figures")
    for report in terminalreporter.getreports("passed"):
        # the evidence table has how many cases each test looked at
        figures = [(name, value) for name, value in report.user_properties if name != CASES]
        if report.when == "call" and figures:
            terminalreporter.write_line(report.nodeid)
            for name, value in figures:
                terminalreporter.write_line(f"    {name}: {value}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Evidence(), "closeout-evidence")
    if COVERAGE is not None:
        config.pluginmanager.register(COVERAGE, "closeout-coverage")
