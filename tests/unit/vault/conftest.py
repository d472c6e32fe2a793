"""After every test of the Vault: its events tell every balance to the unit, and its tokens cover them (P1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.indexer import Indexer
from tests.support.world import World


@pytest.fixture(autouse=True)
def books_balance(request: pytest.FixtureRequest) -> Iterator[None]:
    world: World | None = request.getfixturevalue("world") if "world" in request.fixturenames else None
    yield
    if world is not None and not request.node.get_closest_marker("unbalanced"):
        Indexer(world.node, world.vault.address).replay(world.node.journal).compare(world)
