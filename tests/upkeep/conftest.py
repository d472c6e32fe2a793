"""The unit tests' chain with a record of its deployment, and somebody who runs passes of upkeep on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fork.conftest import artifacts, config, deployed, network, once_deployed, shipped
from tests.support.world import World
from tests.unit.conftest import node, standard, world
from tests.upkeep.stage import Housekeeper

__all__ = [
    "artifacts",
    "config",
    "deployed",
    "housekeeper",
    "network",
    "node",
    "once_deployed",
    "shipped",
    "standard",
    "world",
]


@pytest.fixture
def housekeeper(world: World, tmp_path: Path) -> Housekeeper:
    """On the standard world, right after it was deployed: every price was recorded moments ago."""
    return Housekeeper.on(world, tmp_path)
