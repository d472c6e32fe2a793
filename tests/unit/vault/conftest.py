"""After every test of the Vault: its events tell every balance to the unit, and its tokens cover them (P1)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.books import assert_books_balance
from tests.support.world import World


@pytest.fixture(autouse=True)
def books_balance(request: pytest.FixtureRequest) -> Iterator[None]:
    world: World | None = request.getfixturevalue("world") if "world" in request.fixturenames else None
    yield
    if world is not None:
        assert_books_balance(world)
