"""Drift made by hand, one kind at a time, and found: each by the row that names it, and by exit status 1."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from closeout.chain.deploy import NO_DELAY
from closeout.chain.roles import Role
from closeout.deployment.command import Drifted
from closeout.deployment.drift import verify
from closeout.deployment.plan import Recorder, transaction
from tests.support.networks import KeySigner
from tests.support.sessions import Deployer, changed

NOBODY = "0x" + "00" * 20
STRANGER = "0x00000000000000000000000000000000DeaDBeef"
PUBLIC_ROLE = 2**64 - 1


class Hand:
    """What a hand can do to a deployment, as the deployer that still governs it, or as the chain itself."""

    def __init__(self, deployer: Deployer) -> None:
        self.deployer, self.network = deployer, deployer.network

    def call(self, contract: str, function: str, *arguments: object) -> None:
        address = self.deployer.address(contract)
        self.network.call(contract, address, function, *arguments, sender=self.deployer.signer.address)

    def selector(self, contract: str, function: str) -> bytes:
        return self.network.selector(contract, function)

    def parameters(self) -> list[list[object]]:
        """Modules, curve and limits as they are, to be changed."""
        return [list(part) for part in self.network.read("Lens", self.deployer.address("Lens"), "protocol")]

    def set_protocol(self, part: int, field: int, value: object) -> None:
        parts = self.parameters()
        parts[part][field] = value
        self.call("RiskConfigurator", "setProtocol", *map(tuple, parts))

    def set_asset(self, asset_id: int, part: int, field: int, value: object) -> None:
        configurator = self.deployer.address("RiskConfigurator")
        found = self.network.read("RiskConfigurator", configurator, "assetParameters", asset_id)
        parts = [list(item) for item in found[1:4]]
        parts[part][field] = value
        self.call("RiskConfigurator", "setAsset", asset_id, *map(tuple, parts), 0)

    def feed(self, contract: str, function: str, *arguments: object) -> None:
        """Of the router, with what the file's own assets are called by."""
        self.call(contract, function, self.deployer.config.content.assets["LINK"].token, *arguments)

    def new_adapter(self, asset: str) -> str:
        """Another adapter of the same feed, with another limit."""
        price = self.deployer.config.content.assets[asset].price.chainlink
        recorder = Recorder(self.deployer.signer.address, self.network.artifacts, "by hand")
        bounds = (price.heartbeat - 1, price.max_age, 1, 10**48, NOBODY, 0)
        address = recorder.deploy("ChainlinkAdapter", price.feed, bounds)
        [step] = recorder.steps
        assert self.network.send(self.deployer.signer.address, *transaction(step))["status"] == "0x1"
        return address

    def put_code(self, contract: str) -> None:
        self.network.rpc.call("anvil_setCode", self.deployer.address(contract), "0x6001600101")

    def put_slot(self, contract: str, slot: str) -> None:
        value = "0x" + "00" * 12 + STRANGER[2:]
        self.network.rpc.call("anvil_setStorageAt", self.deployer.address(contract), slot, value)


IMPLEMENTATION = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc"
# an owner() that answers with a stranger, whatever else is asked
OWNED = "0x73" + STRANGER[2:] + "5f5260205ff3"

KINDS: dict[str, tuple[Callable[[Hand], None], str]] = {
    "code replaced": (lambda hand: hand.put_code("InsuranceFund"), r"code \| InsuranceFund code"),
    "code gone": (
        lambda hand: hand.network.rpc.call("anvil_setCode", hand.deployer.address("PenaltySplitter"), "0x"),
        r"code \| PenaltySplitter code",
    ),
    "made a proxy": (lambda hand: hand.put_slot("Vault", IMPLEMENTATION), r"owner \| Vault proxy slot"),
    "got an owner": (
        lambda hand: hand.network.rpc.call("anvil_setCode", hand.deployer.address("PenaltySplitter"), OWNED),
        r"owner \| PenaltySplitter\.owner\(\)",
    ),
    "curve": (lambda hand: hand.set_protocol(1, 5, 3 * 10**17), r"protocol \| fee share"),
    "limit": (lambda hand: hand.set_protocol(2, 2, 2 * 10**18), r"protocol \| dust value"),
    "module": (lambda hand: hand.set_protocol(0, 3, STRANGER), r"protocol \| treasury"),
    "ratio": (lambda hand: hand.set_asset(0, 0, 0, 7900), r"WETH \| collateral ltv"),
    "cap": (lambda hand: hand.set_asset(1, 0, 3, 10**8), r"WBTC \| collateral cap"),
    "rate": (lambda hand: hand.set_asset(3, 1, 1, 60_000_000), r"USDC \| borrow slope1"),
    "anchor": (
        lambda hand: (hand.set_asset(2, 0, 0, 5900), hand.call("RiskSteward", "anchor", 2)),
        r"LINK \| steward's anchor, collateral ltv",
    ),
    "deviation": (lambda hand: hand.set_asset(2, 2, 1, 150), r"LINK \| price deviation"),
    "not read in place": (lambda hand: hand.set_asset(2, 2, 0, False), r"LINK \| price read in place"),
    "jump bound": (
        lambda hand: (hand.set_asset(2, 2, 0, False), hand.feed("OracleRouter", "setJumpBound", 2000)),
        r"LINK \| jump bound",
    ),
    "adapter": (
        lambda hand: hand.feed("OracleRouter", "activate", hand.new_adapter("LINK"), 13 * 10**18),
        r"LINK \| adapter",
    ),
    "adapter, and a table behind it": (
        lambda hand: hand.feed("OracleRouter", "activate", hand.new_adapter("LINK"), 13 * 10**18),
        r"LINK \| source in the table",
    ),
    "a role given": (
        lambda hand: hand.call("Authority", "grantRole", Role.GUARDIAN, STRANGER, NO_DELAY),
        r"roles \| GUARDIAN of 0x0+deadbeef",
    ),
    "a role taken": (
        lambda hand: hand.call("Authority", "revokeRole", Role.PAUSER, hand.deployer.address("PauseGuardian")),
        r"roles \| PAUSER of 0x\w+",
    ),
    "a delay changed": (
        lambda hand: hand.call("Authority", "grantRole", Role.GOVERNOR, hand.deployer.signer.address, 60),
        r"roles \| GOVERNOR of 0x\w+",
    ),
    "a role nobody knows": (
        lambda hand: hand.call("Authority", "grantRole", 99, STRANGER, NO_DELAY),
        r"roles \| role 99 of 0x0+deadbeef",
    ),
    "a role's guardian": (
        lambda hand: hand.call("Authority", "setRoleGuardian", Role.GOVERNOR, Role.GUARDIAN),
        r"roles \| guardian of GOVERNOR",
    ),
    "a role's admin": (
        lambda hand: hand.call("Authority", "setRoleAdmin", Role.STEWARD, Role.GUARDIAN),
        r"roles \| admin of STEWARD",
    ),
    "a function opened to all": (
        lambda hand: hand.call(
            "Authority",
            "setTargetFunctionRole",
            hand.deployer.address("Vault"),
            [hand.selector("IVault", "setPauses")],
            PUBLIC_ROLE,
        ),
        r"wiring \| Vault\.setPauses",
    ),
    "a function that is none of ours": (
        lambda hand: hand.call(
            "Authority", "setTargetFunctionRole", hand.deployer.address("Vault"), [b"\x12\x34\x56\x78"], Role.GUARDIAN
        ),
        r"wiring \| 0x\w+ selector 0x12345678",
    ),
    "a target closed": (
        lambda hand: hand.call("Authority", "setTargetClosed", hand.deployer.address("RiskConfigurator"), True),
        r"wiring \| RiskConfigurator is",
    ),
    "another authority": (
        lambda hand: hand.call(
            "Authority", "updateAuthority", hand.deployer.address("PauseGuardian"), hand.deployer.address("Vault")
        ),
        r"owner \| PauseGuardian\.authority\(\)",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_drift__made_by_hand__is_found_and_named(
    deployed: Deployer, kind: str, record_property: Callable[[str, object], None]
):
    make, expected = KINDS[kind]
    make(Hand(deployed))
    with pytest.raises(Drifted, match=r"sepolia: \d+ of \d+ compared are not what they should be") as caught:
        deployed.verify()
    assert caught.value.exit_code == 1
    session = deployed.session
    record = session.record()
    rows = verify(session.deployed(record), record, session.rpc, session.artifacts).drift
    named = [row for row in rows if re.search(expected, f"{row.area} | {row.what}")]
    assert named, [f"{row.area} | {row.what}" for row in rows]
    for row in named:
        # what is printed is what was found
        assert row.found in deployed.said.replace("\n", "")
    for row in named:
        record_property(kind, f"{row.area}, {row.what}: expected {row.expected}, found {row.found}")


def test_drift__of_the_file__is_found(deployed: Deployer):
    """Somebody changed the file and proposed nothing."""
    other = changed(deployed.config, protocol={"dust_value": Decimal(2)})
    with pytest.raises(Drifted):
        replace(deployed, config=other).verify()


def test_drift__of_what_the_steward_did__is_found_until_the_file_says_so(deployed: Deployer):
    """A step is allowed, and the file is what the team wants: either the file follows, or a proposal undoes it."""
    network, steward = deployed.network, deployed.config.content.roles.steward
    configurator = deployed.address("RiskConfigurator")
    _, collateral, borrowing, *_ = network.read("RiskConfigurator", configurator, "assetParameters", 2)
    stepped = (5950, *collateral[1:])
    network.call("RiskSteward", deployed.address("RiskSteward"), "step", 2, stepped, borrowing, 0, sender=steward)
    with pytest.raises(Drifted):
        deployed.verify()
    assert "collateral ltv" in deployed.said


def test_paused__is_a_note_and_no_drift(deployed: Deployer):
    network, guardian = deployed.network, deployed.config.content.roles.guardian
    network.call("PauseGuardian", deployed.address("PauseGuardian"), "pause", 0b101, 0b10, sender=guardian)
    assert "paused: borrowing of assets 0, 2, withdrawing of 1" in deployed.verify().notes


def test_scheduled__is_a_note_and_no_drift(governed: Deployer):
    proposal = governed.propose(changed(governed.config, protocol={"fee_share": Decimal("0.3")}))
    network = governed.network
    assert network.send(proposal.governor, proposal.authority, proposal.schedules[0])["status"] == "0x1"
    notes = governed.verify().notes
    assert any(note.startswith("scheduled: a call of RiskConfigurator, selector 0x") for note in notes)


def test_record__of_another_network__is_refused(deployed: Deployer):
    file = deployed.folder / "sepolia.json"
    file.write_text(file.read_text().replace('"chainId": 11155111', '"chainId": 1'))
    with pytest.raises(Exception, match="chainId: found 1, expected the chain id of the network file"):
        deployed.verify()


def test_deployer__with_another_key__has_no_part_in_the_verification(deployed: Deployer):
    """A cron job has no key at all."""
    assert replace(deployed, signer=KeySigner("nobody")).verify().drift == []


def test_kinds__are_those_of_the_issue():
    """Code hashes, parameters, roles and delays, adapters, owner-less-ness: at least one kind of each."""
    areas = {re.split(r" \\?\|", expected)[0] for _, expected in KINDS.values()}
    assert {"code", "owner", "protocol", "roles", "wiring"} <= areas
