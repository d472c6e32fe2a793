"""Pools are deployed once; every test starts from their first state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.world import World
from tests.unit.periphery.stage import Flash


@pytest.fixture(scope="session")
def standard_flash(standard: World) -> Flash:
    """Not to be changed: take `flash`."""
    return Flash.standard(standard)


@pytest.fixture
def flash(standard_flash: Flash, world: World) -> Flash:
    """The standard world with pools, for one test."""
    return replace(standard_flash, world=world, pools=dict(standard_flash.pools))
