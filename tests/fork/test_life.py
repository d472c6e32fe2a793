"""The whole life of a deployment: rehearsed, deployed, verified, proposed, waited for, executed, handed over."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from closeout.chain.roles import DEPLOYER_ROLES, Role
from closeout.config import NetworkConfig
from closeout.deployment.command import Declined, Drifted
from closeout.deployment.plan import PROXY
from closeout.deployment.safe import builder_checksum
from closeout.errors import BadInput
from tests.support.networks import KeySigner, Testnet, play_network
from tests.support.sessions import Deployer, changed, execute, schedule

DAY = 86_400


def sent_by(deployer: Deployer) -> int:
    return int(deployer.network.rpc.call("eth_getTransactionCount", deployer.signer.address, "latest"), 16)


# ------------------------------------------------------------------------------------------------------------- deployed


def test_deployment__of_the_shipped_file__is_what_the_file_says(
    deployer: Deployer, record_property: Callable[[str, object], None]
):
    record = deployer.deploy()
    assert record is not None
    took = next(line for line in deployer.said.splitlines() if line.startswith("deployed in "))
    gas = sum(item["gas"] for item in (*record["contracts"], *record["calls"]))
    record_property("a full deployment", f"{took}, {len(record['calls'])} calls, {gas:,} gas")
    record_property("of which contracts", len(record["contracts"]))
    assert sent_by(deployer) == len(record["contracts"]) + len(record["calls"])
    found = deployer.verify()
    record_property("compared by verify", len(found.rows))
    assert found.drift == []
    assert "compared, all as file and record say" in deployer.said
    assert "note: not handed over: the deployer governs, without delay" in deployer.said


def test_deployment__run_again__sends_nothing_and_writes_the_same_record(deployer: Deployer):
    first = deployer.deploy()
    sent = sent_by(deployer)
    assert deployer.deploy() == first
    assert sent_by(deployer) == sent
    assert deployer.said.count("there already: ") == sent


def test_record__names_addresses_arguments_blocks_code_hashes_digest_and_compiler(
    deployed: Deployer, config: NetworkConfig
):
    record = json.loads((deployed.folder / "sepolia.json").read_text())
    assert (record["network"], record["chainId"]) == ("sepolia", 11155111)
    assert (record["deployer"], record["configDigest"]) == (deployed.signer.address, config.digest)
    assert record["compiler"]["version"] == "0.8.30"
    assert record["compiler"]["viaIR"] is True
    vault = next(item for item in record["contracts"] if item["contract"] == "Vault")
    authority = next(item for item in record["contracts"] if item["contract"] == "Authority")
    assert vault["arguments"][0] == authority["address"]
    for item in record["contracts"]:
        assert item["block"] > 0
        assert len(item["codeHash"]) == len(item["creationCodeHash"]) == 66
    assert [asset["id"] for asset in record["assets"].values()] == [0, 1, 2, 3]


def test_addresses__are_known_before_anything_is_sent(deployer: Deployer):
    deployer.deploy(dry_run=True)
    foretold = {line.split(" at ")[1].split()[0] for line in deployer.said.splitlines() if " deploy " in line}
    record = deployer.deploy()
    assert record is not None
    assert {item["address"] for item in record["contracts"]} == foretold


def test_dry_run__says_steps_and_cost_and_sends_nothing(deployer: Deployer):
    assert deployer.deploy(dry_run=True, ask=lambda _: pytest.fail("a dry run asks nothing")) is None
    assert sent_by(deployer) == 0
    assert "RiskConfigurator.setProtocol" in deployer.said
    assert " gas at " in deployer.said
    assert "the rehearsal: " in deployer.said
    assert list(deployer.folder.iterdir()) == []


def test_question__answered_no__sends_nothing(deployer: Deployer):
    asked: list[str] = []
    with pytest.raises(Declined):
        deployer.deploy(ask=lambda question: asked.append(question) is not None)
    assert asked == [f"Deploy to sepolia as {deployer.signer.address}?"]
    assert sent_by(deployer) == 0


def test_fork_of_the_network__is_deployed_to_like_the_network(
    network: Testnet, config: NetworkConfig, artifacts: Any, tmp_path: Any
):
    with play_network(config, artifacts, network.anvil.uri) as fork:
        signer = KeySigner("fork")
        fork.fund(signer.address)
        deployer = Deployer(fork, config, signer, tmp_path)
        deployer.deploy()
        assert deployer.verify().drift == []
    assert network.rpc.call("eth_getTransactionCount", signer.address, "latest") == "0x0"


# ------------------------------------------------------------------------------------------------------------- governed


def test_life__from_deployment_to_a_governed_change__at_every_stage_is_what_it_should_be(
    deployer: Deployer, network: Testnet, config: NetworkConfig
):
    """Deploy, verify, hand over, change the file, propose, wait, execute, verify the new file."""
    deployer.deploy()
    record = deployer.handover()
    assert record is not None
    assert record["handover"]["block"] > 0
    assert f"{deployer.signer.address} holds no role and nothing that is scheduled" in deployer.said
    assert deployer.verify().drift == []

    successor = KeySigner("guardian").address
    wanted = changed(
        config,
        protocol={"fee_share": Decimal("0.3")},
        roles={"guardian": successor},
        assets={
            "WETH": {"collateral": {"ltv": Decimal("0.78"), "liquidation_threshold": Decimal("0.83")}},
            "USDC": {"borrow": {"supply_cap": Decimal(30_000_000)}},
        },
    )
    with pytest.raises(Drifted):
        replace(deployer, config=wanted).verify()
    proposal = deployer.propose(wanted)
    calls = [f"{change.contract}.{change.function}" for change in proposal.changes]
    assert calls == [
        "RiskConfigurator.setProtocol",
        "RiskConfigurator.setAsset",
        "RiskSteward.anchor",
        "RiskConfigurator.setAsset",
        "RiskSteward.anchor",
        "Authority.grantRole",
        "Authority.revokeRole",
    ]
    assert "curve fee share: 200000000000000000 → 300000000000000000" in deployer.said
    assert "WETH collateral liquidation threshold: 8500 → 8300" in deployer.said
    assert "WETH: the threshold falls over 604800 s" in deployer.said

    assert execute(network, proposal) == ["0x0"] * len(calls), "nothing can be executed that was not scheduled"
    schedule(network, proposal)
    assert execute(network, proposal) == ["0x0"] * len(calls), "nothing can be executed before its delay"
    network.wait(2 * DAY)
    assert execute(network, proposal) == ["0x1"] * len(calls)

    after = replace(deployer, config=wanted, folder=deployer.folder)
    record_file = deployer.folder / "sepolia.json"
    record_file.write_text(record_file.read_text().replace(config.digest, wanted.digest))
    found = after.verify()
    assert found.drift == []
    assert any(note.startswith("WETH: the liquidation threshold ramps, 8500 bps now, 8300 at") for note in found.notes)
    network.wait(7 * DAY)
    assert not any("ramps" in note for note in after.verify().notes)
    assert after.propose(wanted).changes == ()


def test_proposal__of_a_new_asset__deploys_its_adapter_first_and_lists_it_last(
    governed: Deployer, network: Testnet, config: NetworkConfig
):
    """The governor's Safe deploys the adapter in the batch that schedules: no other key is needed."""
    token, feed = KeySigner("a token").address, KeySigner("a feed").address
    network.put(token, "TestToken", "NEW", "NEW", 18)
    link = config.content.assets["LINK"]
    chainlink = link.price.chainlink.model_copy(update={"feed": feed})
    price = link.price.model_copy(update={"chainlink": chainlink, "reference": Decimal(7)})
    asset = link.model_copy(update={"token": token, "price": price})
    content = config.content.model_copy(update={"assets": dict(config.content.assets) | {"NEW": asset}})
    wanted = replace(config, content=content)
    network.put(feed, "TestAggregator", 8, "NEW")
    network.call("TestAggregator", feed, "publish", 7 * 10**8, sender=governed.signer.address)

    proposal = governed.propose(wanted)
    calls = [f"{change.contract}.{change.function}" for change in proposal.changes]
    assert calls == ["OracleRouter.activate", "RiskConfigurator.listAsset", "RiskSteward.anchor"]
    assert len(proposal.creations) == 1
    assert "lists NEW as 4" in governed.said
    assert network.send(proposal.governor, PROXY, proposal.creations[0])["status"] == "0x1"
    schedule(network, proposal)
    network.wait(2 * DAY)
    network.publish_prices(wanted)
    assert execute(network, proposal) == ["0x1"] * 3
    assert governed.propose(wanted).changes == ()


def test_proposal__of_another_feed__deploys_its_adapter_and_brings_the_table_in_line(
    governed: Deployer, network: Testnet, config: NetworkConfig
):
    feed = KeySigner("a feed").address
    network.put(feed, "TestAggregator", 8, "LINK")
    wanted = changed(config, assets={"LINK": {"price": {"chainlink": {"feed": feed}}}})
    network.publish_prices(wanted)
    proposal = governed.propose(wanted)
    calls = [f"{change.contract}.{change.function}" for change in proposal.changes]
    assert calls == ["OracleRouter.activate", "RiskConfigurator.syncPriceSource"]
    assert network.send(proposal.governor, PROXY, proposal.creations[0])["status"] == "0x1"
    schedule(network, proposal)
    network.wait(2 * DAY)
    network.publish_prices(wanted)
    assert execute(network, proposal) == ["0x1"] * 2
    assert governed.propose(wanted).changes == ()


def test_proposal__that_reorders_or_drops_assets__is_refused(governed: Deployer, config: NetworkConfig):
    assets = dict(config.content.assets)
    dropped = {name: asset for name, asset in assets.items() if name != "USDC"}
    reordered = {"LINK": assets["LINK"]} | assets
    for wanted, expected in (
        (dropped, "expected .* too: what is listed stays listed"),
        (reordered, r"assets\.LINK\.token: found .*, the token of asset 0 on the chain"),
    ):
        content = config.content.model_copy(update={"assets": wanted})
        with pytest.raises(BadInput, match=expected):
            governed.propose(replace(config, content=content))


def test_safe_batches__schedule_and_execute_the_same_calls(governed: Deployer, config: NetworkConfig):
    proposal = governed.propose(changed(config, protocol={"fee_share": Decimal("0.3")}))
    files = sorted((governed.folder / "proposals").iterdir())
    assert [file.name.split("-")[-1] for file in files] == ["execute.json", "schedule.json"]
    for file, calls in zip(files, (proposal.executes, proposal.schedules), strict=True):
        batch = json.loads(file.read_text())
        assert (batch["version"], batch["chainId"]) == ("1.0", "11155111")
        assert batch["meta"]["createdFromSafeAddress"] == config.content.roles.governor.address
        assert batch["meta"]["checksum"] == builder_checksum(batch)
        assert [item["data"] for item in batch["transactions"]] == list(calls)
        assert {item["to"] for item in batch["transactions"]} == {proposal.authority}


def test_canceller__cancels_what_waits__and_cannot_keep_himself_in_office(
    governed: Deployer, network: Testnet, config: NetworkConfig
):
    canceller = config.content.roles.canceller
    successor = KeySigner("canceller").address
    proposal = governed.propose(changed(config, protocol={"fee_share": Decimal("0.3")}, roles={"canceller": successor}))
    assert [change.function for change in proposal.changes] == ["setProtocol", "grantRole", "revokeRole"]
    schedule(network, proposal)
    statuses = []
    for change in proposal.changes:
        data = network.encode("Authority", "cancel", proposal.governor, change.target, bytes.fromhex(change.data[2:]))
        statuses.append(network.send(canceller, proposal.authority, data)["status"])
    assert statuses == ["0x1", "0x1", "0x0"]
    network.wait(2 * DAY)
    assert execute(network, proposal) == ["0x0", "0x0", "0x1"]


@pytest.mark.parametrize(
    ("sections", "what"),
    [
        ({"roles": {"treasury": "0x000000000000000000000000000000000000bEEF"}}, "PenaltySplitter"),
        ({"protocol": {"max_target_health": Decimal("1.4")}}, "VaultExtension"),
        ({"network": {"salt": "another"}}, "Authority"),
    ],
)
def test_proposal__of_what_is_built_in__is_refused_by_name(
    governed: Deployer, config: NetworkConfig, sections: dict[str, Any], what: str
):
    with pytest.raises(BadInput, match=rf"{what}: found 'arguments or code that belong at 0x\w+', expected those of"):
        governed.propose(changed(config, **sections))


# ------------------------------------------------------------------------------------------------------- handed over


def test_handover__leaves_the_deployer_nothing(deployed: Deployer, network: Testnet):
    authority = deployed.address("Authority")
    for role in DEPLOYER_ROLES:
        assert network.read("Authority", authority, "hasRole", role, deployed.signer.address) == (True, 0)
    deployed.handover()
    for role in (*Role, *range(9, 20)):
        assert network.read("Authority", authority, "hasRole", role, deployed.signer.address)[0] is False
    data = network.encode("Authority", "grantRole", Role.ADMIN, deployed.signer.address, 0)
    assert network.send(deployed.signer.address, authority, data)["status"] == "0x0"


def test_handover__of_a_deployment_that_drifted__is_refused(deployed: Deployer, network: Testnet):
    authority = deployed.address("Authority")
    stranger = KeySigner("stranger").address
    network.call("Authority", authority, "grantRole", Role.GUARDIAN, stranger, 0, sender=deployed.signer.address)
    with pytest.raises(Drifted, match="not handed over while 1 things differ"):
        deployed.handover()


def test_handover__by_another_account__is_refused(deployed: Deployer):
    other = replace(deployed, signer=KeySigner("other"))
    with pytest.raises(Declined, match="did not deploy this"):
        other.handover()


def test_handover__twice__changes_nothing(deployed: Deployer):
    first = deployed.handover()
    sent = sent_by(deployed)
    second = deployed.handover()
    assert first is not None
    assert second is not None
    assert second["handover"] == first["handover"]
    assert sent_by(deployed) == sent
