"""Every network file that ships deploys; and what a file's check refuses, the contracts refuse too."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from closeout.chain.abi import ContractAbi
from closeout.chain.anvil import Anvil
from closeout.config import load_config
from closeout.config.checks import MAX_ASSETS
from closeout.config.loading import NetworkConfig
from closeout.config.schema import NetworkFile
from closeout.deployment.effects import Effects, Reader
from closeout.deployment.execution import execute
from closeout.deployment.protocol import draw_blueprint
from closeout.deployment.rehearsal import ForkSender
from closeout.deployment.sending import TransactionFailed
from closeout.toolchain.artifacts import Artifact
from closeout.toolchain.settings import ROOT
from closeout.yamlfile.fields import parse
from closeout.yamlfile.reading import read_yaml
from tests.support.networks import KeySigner, play_network
from tests.support.sessions import Deployer
from tests.support.trees import Change, Tree, both, change

NOBODY = "0x00000000000000000000000000000000000000A1"


@pytest.mark.parametrize("stem", ["base-sepolia", "local"])
def test_shipped_file__deploys_and_verifies(
    stem: str, artifacts: dict[str, Artifact], tmp_path: Path, record_property: Callable[[str, object], None]
):
    """The L2 with its sequencer's stand-in, the local chain with tokens and feeds of ours; Sepolia: everywhere else."""
    config = load_config(ROOT / f"config/{stem}.yaml")
    with play_network(config, artifacts) as network:
        signer = KeySigner("deployer")
        network.fund(signer.address)
        deployer = Deployer(network, config, signer, tmp_path)
        record = deployer.deploy()
        assert record is not None
        found = deployer.verify()
        assert found.drift == []
        record_property(f"{stem}, compared", len(found.rows))


def unchecked(*changes: Change) -> NetworkConfig:
    """A file that nobody checked for relations."""
    tree: Tree = read_yaml(ROOT / "config/sepolia.yaml", "network")
    both(*changes)(tree)
    content = parse(NetworkFile, tree)
    return NetworkConfig(ROOT / "config/sepolia.yaml", content, "")


# What a file says and what the contract that refuses it says.
RELATIONS: dict[str, tuple[Change, str]] = {
    "target above the Vault's": (change("protocol/target_health", "1.6"), r"ParameterOutOfRange\(b'targetHealthFactor"),
    "margin call above target": (change("protocol/margin_call_health", "1.2"), r"b'marginCallHealthFactor"),
    "weights that miss 1": (
        change("protocol/penalty_split/burn", "0.3"),
        r"^deploy PenaltySplitter at 0x\w+: would revert",
    ),
    "bucket minimum": (change("protocol/bucket_minimum", "199"), r"b'bucketMinimum"),
    "call lifetime": (
        both(change("protocol/grace/period", "7200"), change("protocol/call_lifetime", "7200")),
        r"b'callLifetime",
    ),
    "backstop delay": (change("protocol/backstop_delay", "604801"), r"b'backstopDelay"),
    "max age below heartbeat": (
        change("assets/WETH/price/chainlink/max_age", "3599"),
        r"^deploy ChainlinkAdapter at 0x\w+: would revert",
    ),
    "ltv at the threshold": (change("assets/WETH/collateral/ltv", "0.85"), r"b'ltv"),
    "threshold with bonus": (
        change("assets/WETH/collateral/liquidation_threshold", "0.94"),
        r"b'threshold \* \(1 \+ maxBonus\)",
    ),
    "bonus below the floor": (change("assets/WETH/collateral/max_bonus", "0.004"), r"b'maxBonus"),
    "deviations": (change("assets/WETH/collateral/liquidation_threshold", "0.93"), r"b'deviations"),
    "bucket without a minimum": (change("protocol/bucket_minimum", "0"), r"b'bucketMinimum"),
}


@pytest.fixture(scope="module")
def quiet(artifacts: dict[str, Artifact]) -> Any:
    """A chain that mines when told, with the file's tokens and feeds."""
    config = load_config(ROOT / "config/sepolia.yaml")
    with (
        play_network(config, artifacts) as network,
        Anvil(
            chain_id=config.content.network.chain_id, extra=("--fork-url", network.anvil.uri, "--no-storage-caching")
        ) as fork,
    ):
        yield fork


@pytest.mark.parametrize("relation", RELATIONS)
def test_relation__that_the_files_check_refuses__is_refused_on_chain(
    relation: str, quiet: Anvil, artifacts: dict[str, Artifact]
):
    apply, expected = RELATIONS[relation]
    snapshot = quiet.rpc.call("evm_snapshot")
    plan = draw_blueprint(unchecked(apply), NOBODY, artifacts).plan
    sender = ForkSender(quiet.rpc, NOBODY, ContractAbi(*artifacts.values()))
    with pytest.raises(TransactionFailed, match=expected):
        execute(plan, sender, Effects(Reader(quiet.rpc, artifacts), plan), confirmations=0)
    quiet.rpc.call("evm_revert", snapshot)


def test_most_assets__are_what_fits_the_table():
    """A mirrored constant, held to its source."""
    source = (ROOT / "contracts/libraries/Configuration.sol").read_text()
    found = re.search(r"MAX_ASSETS = (\d+);", source)
    assert found is not None
    assert int(found[1]) == MAX_ASSETS
