"""The unit tests' chain and world, for gas figures."""

from __future__ import annotations

from tests.unit.conftest import node, standard, world

__all__ = ["node", "standard", "world"]
