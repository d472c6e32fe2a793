"""The unit tests' chain with pools beside it; and one that is reached over HTTP, with a key of the keeper's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.keeper.chain_stage import ChainStage
from tests.support.node import Node
from tests.support.world import GENESIS, World
from tests.unit.conftest import node, standard, world
from tests.unit.periphery.conftest import flash, standard_flash
from tests.unit.periphery.stage import Flash

__all__ = ["chain", "flash", "node", "stage", "standard", "standard_flash", "world"]


@pytest.fixture(scope="session")
def chain() -> Iterator[ChainStage]:
    with Anvil() as anvil:
        yield ChainStage.of(Flash.standard(World.standard(Node(anvil.rpc, load(), GENESIS))), anvil.uri)


@pytest.fixture
def stage(chain: ChainStage) -> Iterator[ChainStage]:
    """For one test: what it does to the chain is undone."""
    with chain.world.node.rolled_back():
        yield replace(chain, flash=replace(chain.flash, world=chain.world.fork()))
