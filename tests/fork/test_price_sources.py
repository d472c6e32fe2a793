"""Prices that are no single feed, jump bounds and the volatility oracle: deployed, verified, changed by proposals."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from closeout.config import NetworkConfig
from closeout.config.schema import SourceSection, VolatilitySection
from closeout.deployment.command import Drifted
from closeout.deployment.plan import PROXY
from closeout.errors import BadInput
from closeout.yamlfile.fields import parse
from tests.fork.conftest import forgotten
from tests.support.networks import PUBLISHER, KeySigner, Testnet
from tests.support.sessions import Deployer, changed, execute, schedule

DAY = 86_400
BASE = "0x00000000000000000000000000000000000000B1"
SECOND = "0x00000000000000000000000000000000000000b2"


def chainlink(feed: str, decimals: int) -> dict[str, Any]:
    return {"chainlink": {"feed": feed, "decimals": str(decimals), "heartbeat": "86400", "max_age": "172800"}}


def own_feed(config: NetworkConfig, asset: str) -> dict[str, Any]:
    """The source that the file has of an asset, as its text."""
    section = config.content.assets[asset].price.chainlink
    assert section is not None
    return {"chainlink": {key: str(value) for key, value in section if value is not None}}


def priced_by(config: NetworkConfig, asset: str, tree: dict[str, Any], **more: Any) -> NetworkConfig:
    """The file with another source for an asset's price."""
    source = parse(SourceSection, tree)
    kinds = {name: getattr(source, name) for name in SourceSection.model_fields}
    return changed(config, assets={asset: {"price": kinds | more}})


def rich(config: NetworkConfig) -> NetworkConfig:
    """LINK is 0.004 333... of what WETH is worth, WBTC is watched by a second feed, both markets may not jump."""
    product = {"cross": {"base": chainlink(BASE, 18), "quote": own_feed(config, "WETH")}}
    pair = {"primary": own_feed(config, "WBTC"), "secondary": chainlink(SECOND, 8)}
    watched = {"watched": pair | {"max_deviation": "0.02", "dispute_period": "86400"}}
    config = priced_by(config, "LINK", product, jump=Decimal("0.3"))
    config = priced_by(config, "WBTC", watched, jump=Decimal("0.2"))
    terms = {"time_constant": "259200", "spacing": "3600", "calm": "0.6", "turbulent": "1.2"}
    volatility = parse(VolatilitySection, terms)
    assets = {"LINK": {"collateral": {"most_target": Decimal("1.2")}}}
    return changed(config, oracles={"volatility": volatility}, assets=assets)


def publish(network: Testnet, plain: NetworkConfig) -> None:
    """All feeds at their references: the shipped ones, the ratio and the second."""
    network.publish_prices(plain)
    for feed, decimals, answer in ((BASE, 18, 13 * 10**18 // 3000), (SECOND, 8, 90_000 * 10**8)):
        network.put(feed, "TestAggregator", decimals, "feed")
        network.call("TestAggregator", feed, "publish", answer, sender=PUBLISHER)


@pytest.fixture(scope="module")
def once(network: Testnet, config: NetworkConfig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    """The whole protocol with all of it."""
    with forgotten(network):
        publish(network, config)
        signer = KeySigner("deployer")
        network.fund(signer.address)
        deployer = Deployer(network, rich(config), signer, tmp_path_factory.mktemp("rich"))
        deployer.deploy()
        yield deployer


@pytest.fixture
def deployer_of_all(once: Deployer) -> Iterator[Deployer]:
    with forgotten(once.network):
        yield once


def status_of(network: Testnet, deployer: Deployer, asset: str) -> int:
    token = deployer.config.content.assets[asset].token
    return int(network.read("OracleRouter", deployer.address("OracleRouter"), "readPrice", token)[0])


def test_deployment__of_every_kind__is_what_the_file_says(deployer_of_all: Deployer, config: NetworkConfig):
    deployer, network = deployer_of_all, deployer_of_all.network
    assert deployer.verify().drift == []
    deployed = [item["contract"] for item in deployer.session.record()["contracts"]]
    # WETH, USDC, two of WBTC and the base of LINK; the quote of LINK is WETH's
    assert deployed.count("ChainlinkAdapter") == 5
    assert {"CrossAdapter", "DeviationAdapter", "VolatilityOracle"} <= set(deployed)
    assert [status_of(network, deployer, name) for name in config.content.assets] == [0, 0, 0, 0]
    for name, is_in_place in {"WETH": True, "WBTC": False, "LINK": False, "USDC": True}.items():
        asset_id = list(config.content.assets).index(name)
        found = network.read("RiskConfigurator", deployer.address("RiskConfigurator"), "assetParameters", asset_id)
        assert found[3][0] is is_in_place, name


def test_jump__beyond_the_files_bound__is_in_doubt(deployer_of_all: Deployer):
    deployer, network = deployer_of_all, deployer_of_all.network
    for answer, expected in ((13 * 1.29, 0), (13 * 1.31, 1)):
        network.call("TestAggregator", BASE, "publish", int(answer * 10**18) // 3000, sender=PUBLISHER)
        assert status_of(network, deployer, "LINK") == expected


def test_drift__of_a_jump_bound__is_found(deployer_of_all: Deployer):
    deployer, network = deployer_of_all, deployer_of_all.network
    token = deployer.config.content.assets["LINK"].token
    router = deployer.address("OracleRouter")
    network.call("OracleRouter", router, "setJumpBound", token, 1000, sender=deployer.signer.address)
    with pytest.raises(Drifted):
        deployer.verify()
    assert "jump bound" in deployer.said
    assert "3000" in deployer.said


def proposed(governed: Deployer, wanted: NetworkConfig, plain: NetworkConfig) -> list[str]:
    """What the governor is told to do for another file; done, and then there is nothing more to propose."""
    network = governed.network
    proposal = governed.propose(wanted)
    for creation in proposal.creations:
        assert network.send(proposal.governor, PROXY, creation)["status"] == "0x1"
    schedule(network, proposal)
    network.wait(2 * DAY)
    publish(network, plain)
    assert execute(network, proposal) == ["0x1"] * len(proposal.changes)
    assert governed.propose(wanted).changes == ()
    return [change.function for change in proposal.changes]


def test_proposals__to_every_kind_and_back__are_executed_in_an_order_that_works(
    governed: Deployer, config: NetworkConfig
):
    """What is read in place ceases to be before its feed goes, and begins to be after its bound went."""
    publish(governed.network, config)
    there = proposed(governed, rich(config), config)
    to_wbtc = ["setAsset", "anchor", "activate", "setJumpBound"]
    assert there == ["setProtocol", *to_wbtc, *to_wbtc]
    back = proposed(governed, config, config)
    assert back == ["setProtocol", *["activate", "setJumpBound", "setAsset", "anchor"] * 2]


def test_proposal__of_a_jump_bound_alone__ends_reading_in_place_first(governed: Deployer, config: NetworkConfig):
    wanted = changed(config, assets={"LINK": {"price": {"jump": Decimal("0.3")}}})
    publish(governed.network, config)
    assert proposed(governed, wanted, config) == ["setAsset", "anchor", "setJumpBound"]


def test_source__without_a_contract__is_refused_before_anything_is_sent(deployer: Deployer, config: NetworkConfig):
    publish(deployer.network, config)
    nowhere = "0x00000000000000000000000000000000DeaDBeef"
    terms = {"heartbeat": "60", "max_age": "600", "max_ahead": "15", "max_confidence": "0.005"}
    pyth = {"pyth": {"contract": nowhere, "id": "0x" + "01" * 32} | terms}
    deployer.config = priced_by(config, "LINK", pyth)
    with pytest.raises(BadInput, match=rf"assets\.LINK\.price\.pyth\.contract: found {nowhere}, where there is no"):
        deployer.deploy()
    assert deployer.network.rpc.call("eth_getTransactionCount", deployer.signer.address, "latest") == "0x0"
