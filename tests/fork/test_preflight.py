"""What a file says and a chain contradicts is refused before anything is sent; a chain without the proxy gets it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from closeout.config import NetworkConfig
from closeout.config.schema import SequencerSection
from closeout.deployment.plan import PROXY
from closeout.deployment.preflight import check_chain, warnings
from closeout.errors import BadInput
from tests.support.networks import PUBLISHER, Testnet
from tests.support.sessions import Deployer, changed

NOWHERE = "0x00000000000000000000000000000000DeaDBeef"


def feed_of(config: NetworkConfig, asset: str = "WETH") -> str:
    return config.content.assets[asset].price.chainlink.feed


def publish(network: Testnet, feed: str, answer: int) -> None:
    network.call("TestAggregator", feed, "publish", answer, sender=PUBLISHER)


def publish_at(network: Testnet, feed: str, answer: int, age: int) -> None:
    network.call("TestAggregator", feed, "publishAt", answer, network.now() - age, sender=PUBLISHER)


def with_sequencer(config: NetworkConfig, feed: str) -> NetworkConfig:
    return changed(config, oracles={"sequencer": SequencerSection.model_construct(feed=feed, grace=3600)})


def weth(**feed: Any) -> dict[str, Any]:
    return {"assets": {"WETH": {"price": {"chainlink": feed}}}}


# what is done to the chain, what is changed in the file, and the line that comes of it
KINDS: dict[str, tuple[Callable[[Testnet, NetworkConfig], object], Callable[[NetworkConfig], NetworkConfig], str]] = {
    "another chain": (
        lambda *_: None,
        lambda config: changed(config, network={"chain_id": 1}),
        r"network\.chain_id: found 1, expected what the node says, 11155111",
    ),
    "token that is not there": (
        lambda *_: None,
        lambda config: changed(config, assets={"WETH": {"token": NOWHERE}}),
        rf"assets\.WETH\.token: found {NOWHERE}, where there is no contract, expected one on this chain",
    ),
    "token of other decimals": (
        lambda *_: None,
        lambda config: changed(config, assets={"WBTC": {"decimals": 18}}),
        r"assets\.WBTC\.decimals: found 18, expected what the token says, 8",
    ),
    "token that is none": (
        lambda network, config: network.rpc.call("anvil_setCode", config.content.assets["LINK"].token, "0xfe"),
        lambda config: config,
        r"assets\.LINK\.token: found 0x\w+, which does not tell its decimals, expected a token that does",
    ),
    "feed that is not there": (
        lambda *_: None,
        lambda config: changed(config, **weth(feed=NOWHERE)),
        rf"assets\.WETH\.price\.chainlink\.feed: found {NOWHERE}, where there is no contract",
    ),
    "feed of other decimals": (
        lambda *_: None,
        lambda config: changed(config, **weth(decimals=18)),
        r"assets\.WETH\.price\.chainlink\.decimals: found 18, expected what the feed says, 8",
    ),
    "feed that answers nothing": (
        lambda network, config: publish(network, feed_of(config), 0),
        lambda config: config,
        r"assets\.WETH\.price\.chainlink\.feed: found an answer of 0, expected a positive one",
    ),
    "feed that answers less than nothing": (
        lambda network, config: publish(network, feed_of(config), -5),
        lambda config: config,
        r"assets\.WETH\.price\.chainlink\.feed: found an answer of -5, expected a positive one",
    ),
    "feed that is late": (
        lambda network, config: publish_at(network, feed_of(config), 3000 * 10**8, 4000),
        lambda config: config,
        r"assets\.WETH\.price\.chainlink\.heartbeat: found an answer \d+ s old, expected one of at most heartbeat",
    ),
    "feed far from the reference": (
        lambda network, config: publish(network, feed_of(config), 2249 * 10**8),
        lambda config: config,
        r"assets\.WETH\.price\.chainlink\.feed: found an answer of 2249, expected within 25\.00 % of reference, 3000",
    ),
    "feed without its factor": (
        lambda network, config: publish(network, feed_of(config), 112 * 10**6),
        lambda config: changed(config, **weth(least=None)),
        r"assets\.WETH\.price\.chainlink\.feed: found an answer of 1\.12, expected within 25\.00 % of reference, 3000",
    ),
    "feed below least": (
        lambda network, config: publish(network, feed_of(config), 9 * 10**8),
        lambda config: config,
        r"assets\.WETH\.price\.chainlink\.least: found an answer of 9, expected one within least, 10",
    ),
    "feed above most": (
        lambda network, config: publish(network, feed_of(config), 1_000_001 * 10**8),
        lambda config: config,
        r"assets\.WETH\.price\.chainlink\.most: found an answer of 1000001, expected one within most, 1000000",
    ),
    "sequencer feed that is not there": (
        lambda *_: None,
        lambda config: with_sequencer(config, NOWHERE),
        rf"oracles\.sequencer\.feed: found {NOWHERE}, which does not answer, expected a feed that does",
    ),
    "sequencer feed that is a price": (
        lambda *_: None,
        lambda config: with_sequencer(config, feed_of(config)),
        r"oracles\.sequencer\.feed: found an answer of 300000000000 since \d+, expected 0 \(up\) or 1 \(down\)",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_chain__that_contradicts_the_file__is_refused_in_one_line(deployer: Deployer, kind: str):
    network, config = deployer.network, deployer.config
    network.publish_prices(config)
    spoil, change, expected = KINDS[kind]
    spoil(network, config)
    with pytest.raises(BadInput, match=expected) as caught:
        check_chain(change(config), network.rpc, network.artifacts)
    assert caught.value.exit_code == 2
    assert str(caught.value).startswith(f"{config.file}: ")
    assert "\n" not in str(caught.value)


def test_chain__that_agrees__passes(deployer: Deployer):
    deployer.network.publish_prices(deployer.config)
    check_chain(deployer.config, deployer.network.rpc, deployer.network.artifacts)


def test_nothing_is_sent__where_the_chain_contradicts_the_file(deployer: Deployer):
    publish(deployer.network, feed_of(deployer.config), 2249 * 10**8)
    with pytest.raises(BadInput, match="of reference, 3000"):
        deployer.deploy()
    assert deployer.network.rpc.call("eth_getTransactionCount", deployer.signer.address, "latest") == "0x0"


def test_governor__that_is_a_key__is_warned_of(deployer: Deployer):
    network, config = deployer.network, deployer.config
    [line] = warnings(config, network.rpc)
    assert line.endswith("is no contract; a governor should be a Safe")
    network.rpc.call("anvil_setCode", config.content.roles.governor.address, "0x00")
    assert warnings(config, network.rpc) == []


def test_chain__without_the_deployment_proxy__gets_it_by_its_presigned_transaction(deployer: Deployer):
    network = deployer.network
    network.publish_prices(deployer.config)
    code = network.rpc.call("eth_getCode", PROXY, "latest")
    network.rpc.call("anvil_setCode", PROXY, "0x")
    deployer.deploy()
    assert network.rpc.call("eth_getCode", PROXY, "latest") == code
    assert deployer.verify().drift == []


def test_reference__is_compared_exactly(deployer: Deployer):
    """A quarter away is within a quarter."""
    network, config = deployer.network, deployer.config
    network.publish_prices(config)
    for answer in (2250, 3750):
        publish(network, feed_of(config), answer * 10**8)
        check_chain(config, network.rpc, network.artifacts)
    publish(network, feed_of(config), 375_000_000_001)
    with pytest.raises(BadInput, match=r"3750\.00000001"):
        check_chain(config, network.rpc, network.artifacts)
    assert config.content.assets["WETH"].price.tolerance == Decimal("0.25")
