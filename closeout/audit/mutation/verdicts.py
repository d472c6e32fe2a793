"""A pytest plugin of the bench: writes the tests that fail to a file, and ends a test that a mutant makes run for ever.

The time is the processor's, so that a loaded machine ends no test.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

FILE = "CLOSEOUT_MUTATION_FAILED"
# ten times what the longest test takes
MOST_SECONDS = 120


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[Any]:
    signal.signal(signal.SIGPROF, _stop)
    # again and again: a test may try once more what did not end
    signal.setitimer(signal.ITIMER_PROF, MOST_SECONDS, MOST_SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _stop(_number: int, _frame: FrameType | None) -> None:
    pytest.fail(f"not done after {MOST_SECONDS} s of the processor")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.failed:
        _write(report.nodeid)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.failed:
        _write(report.nodeid)


def _write(name: str) -> None:
    with Path(os.environ[FILE]).open("a") as file:
        file.write(name + "\n")
