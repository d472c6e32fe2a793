"""The unit tests' chain and world, for tests of the whole."""

from __future__ import annotations

from tests.unit.conftest import node, standard, world

__all__ = ["node", "standard", "world"]
