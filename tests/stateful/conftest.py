from __future__ import annotations

from collections.abc import Iterator

import pytest

from closeout.toolchain.artifacts import load
from tests.stateful.stage import Stage, forked


@pytest.fixture(scope="session")
def stages() -> Iterator[list[Stage]]:
    """One protocol per setting, on a fork of the testnet on which they were deployed."""
    with forked(load()) as found:
        yield found
