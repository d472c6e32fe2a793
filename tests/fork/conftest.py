"""A chain that plays Sepolia with the shipped file of that network; FORK_URL puts a fork of a real one in its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from closeout.config import NetworkConfig, load_config
from closeout.deployment.protocol import SOURCES
from closeout.toolchain.artifacts import Artifact, load
from closeout.toolchain.settings import ROOT
from tests.support.networks import KeySigner, Testnet, play_network, with_references
from tests.support.sessions import Deployer


@pytest.fixture(scope="session")
def artifacts() -> dict[str, Artifact]:
    return load(only=SOURCES)


@pytest.fixture(scope="session")
def shipped() -> NetworkConfig:
    return load_config(ROOT / "config/sepolia.yaml")


@pytest.fixture(scope="module")
def network(shipped: NetworkConfig, artifacts: dict[str, Artifact]) -> Iterator[Testnet]:
    with play_network(shipped, artifacts, os.environ.get("FORK_URL") or None) as chain:
        yield chain


@pytest.fixture(scope="module")
def config(shipped: NetworkConfig, network: Testnet) -> NetworkConfig:
    """The shipped file, with today's prices where the feeds are real."""
    return with_references(shipped, network) if network.is_real else shipped


@contextmanager
def forgotten(network: Testnet) -> Iterator[None]:
    """What happens inside, the chain forgets."""
    snapshot = network.rpc.call("evm_snapshot")
    try:
        yield
    finally:
        assert network.rpc.call("evm_revert", snapshot) is True


def copied(deployer: Deployer, folder: Path) -> Deployer:
    """The same deployer with the records so far, in a folder of the test's own."""
    shutil.copytree(deployer.folder, folder, dirs_exist_ok=True)
    return replace(deployer, folder=folder)


@pytest.fixture
def deployer(network: Testnet, config: NetworkConfig, tmp_path: Path) -> Iterator[Deployer]:
    """Somebody with a key and coins, who has done nothing yet."""
    with forgotten(network):
        signer = KeySigner("deployer")
        network.fund(signer.address)
        yield Deployer(network, config, signer, tmp_path)


@pytest.fixture(scope="module")
def once_deployed(
    network: Testnet, config: NetworkConfig, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployer]:
    with forgotten(network):
        signer = KeySigner("deployer")
        network.fund(signer.address)
        deployer = Deployer(network, config, signer, tmp_path_factory.mktemp("deployed"))
        deployer.deploy()
        yield deployer


@pytest.fixture
def deployed(once_deployed: Deployer, tmp_path: Path) -> Iterator[Deployer]:
    """The protocol as the file says, not handed over."""
    with forgotten(once_deployed.network):
        yield copied(once_deployed, tmp_path)


@pytest.fixture
def governed(deployed: Deployer) -> Deployer:
    """The same, handed over."""
    deployed.handover()
    return deployed
