"""Each oracle test leaves the chain as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.node import Node
from tests.unit.oracles.stage import Stage


@pytest.fixture
def stage(node: Node) -> Iterator[Stage]:
    with node.rolled_back():
        yield Stage(node)
