from __future__ import annotations

import pytest

from tests.differential.chains import engine, engine_harness, node
from tests.property.placed import Stage
from tests.support.node import Node

__all__ = ["engine", "engine_harness", "node"]


@pytest.fixture(scope="session")
def stage(node: Node) -> Stage:
    return Stage(node)
