"""One chain for all unit tests, deployed once; every test starts from the same state and leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.support.node import Node
from tests.support.world import GENESIS, World


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    with Anvil() as anvil:
        yield Node(anvil.rpc, load(), GENESIS)


@pytest.fixture(scope="session")
def standard(node: Node) -> World:
    """The protocol as every test finds it. Not to be changed: take `world`."""
    return World.standard(node)


@pytest.fixture
def world(node: Node, standard: World) -> Iterator[World]:
    """The standard world, for one test."""
    with node.rolled_back():
        yield standard.fork()
