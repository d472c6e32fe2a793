"""What a history that fails is told as: the steps that were left of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.stateful.machine import Run


@contextmanager
def told(run: Run) -> Iterator[Run]:
    yield run
