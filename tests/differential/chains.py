"""The chain that differential and property tests share: one Anvil for a folder, with what they call on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.support.node import Deployed, Node
from tests.support.world import GENESIS, World


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    with Anvil() as anvil:
        yield Node(anvil.rpc, load(), GENESIS)


@pytest.fixture(scope="session")
def engine_harness(node: Node) -> Deployed:
    return node.deploy("EngineHarness", sender=World.governor)


@pytest.fixture(scope="session")
def engine(node: Node) -> Deployed:
    return node.deploy("LiquidationEngine", sender=World.governor)


@pytest.fixture(scope="session")
def maths(node: Node) -> Deployed:
    return node.deploy("MathHarness", sender=World.governor)
