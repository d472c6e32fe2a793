from __future__ import annotations

import pytest

from tests.support.mathlib import Maths
from tests.support.node import Node
from tests.support.world import World


@pytest.fixture(scope="session")
def maths(node: Node) -> Maths:
    return Maths(node.deploy("MathHarness", sender=World.governor))
