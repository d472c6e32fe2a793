"""The unit tests' chain and world, with pools beside them."""

from __future__ import annotations

from tests.unit.conftest import node, standard, world
from tests.unit.periphery.conftest import flash, standard_flash

__all__ = ["flash", "node", "standard", "standard_flash", "world"]
