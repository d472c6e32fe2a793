"""P15: every external function of every contract, called by everybody: who has the role passes, nobody else does.

The deployment is handed over, as on a network: what the deployer could do is gone, the governor acts behind his delays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from closeout.chain.deploy import deploy_protocol
from closeout.chain.roles import DEPLOYER_ROLES, FUNCTIONS, Role, RoleHolders, abi_name, contract_roles, governor_roles
from closeout.chain.rpc import RpcError
from tests.support.node import Node, actor
from tests.support.world import PARAMETERS, Deployer, World

DELAY, CONFIRM_DELAY = 172_800, 3_600
HOLDERS = RoleHolders(actor("guardian"), actor("steward"), actor("canceller"))
GOVERNOR, DEPLOYER = actor("the governor's Safe"), actor("governor")

PASSED, REFUSED, WAITS = "passed", "refused", "has to wait"
# How AccessManaged and AccessManager say no, and how they say not yet.
NO = ("AccessManagedUnauthorized", "AccessManagerUnauthorizedAccount", "AccessManagerUnauthorizedCall")
NOT_YET = ("AccessManagerNotScheduled", "AccessManagedRequiredDelay")

# Whatever else changes state is open to all. A new function has to be put here, or into closeout/chain/roles.py.
OPEN = {
    "Authority": {"multicall", "schedule", "execute", "cancel", "renounceRole", "consumeScheduledOp"},
    "Vault": {
        "borrow", "borrowShares", "claim", "clearMarginCall", "closeOut", "creditClaim", "depositCollateral",
        "flashLoan", "invalidateNonces", "marginCall", "mint", "multicall", "noteInsolvency", "permit", "rebalance",
        "redeem", "repay", "repayShares", "repayWith", "setDeleverage", "setOperator", "setOperatorBySig", "supply",
        "transferSupply", "withdraw", "withdrawCollateral", "writeOff",
    },
    "RiskConfigurator": {"syncPriceSource"},
    "PauseGuardian": {"lift"},
    "OracleRouter": {"poke"},
    "InsuranceFund": {"absorb"},
    "PenaltySplitter": {"split"},
    "SupplyToken": {
        "approve", "deposit", "mint", "permit", "redeem", "transfer", "transferFrom", "withdraw",
    },
}  # fmt: skip
# Of the Authority itself: AccessManager keeps them to the admin, behind his delay.
ADMINISTERED = {
    "labelRole", "grantRole", "revokeRole", "setRoleAdmin", "setRoleGuardian", "setGrantDelay", "setTargetFunctionRole",
    "setTargetAdminDelay", "setTargetClosed", "updateAuthority",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage(node: Node) -> Iterator[tuple[Node, dict[str, str]]]:
    """Contracts by name, deployed, with an asset listed, and handed over."""
    with node.rolled_back():
        world = World(node)
        world.list_asset("WETH", 18, 1500)
        deployer = Deployer(node, DEPLOYER)
        contracts = dict(deploy_protocol(deployer, PARAMETERS, [], HOLDERS).contracts)
        authority = node.at("Authority", contracts["Authority"])
        for role, delay in governor_roles(DELAY, CONFIRM_DELAY).items():
            authority.grantRole(role, GOVERNOR, delay, sender=DEPLOYER)
        for role in sorted(DEPLOYER_ROLES, reverse=True):
            authority.renounceRole(role, DEPLOYER, sender=DEPLOYER)
        contracts["SupplyToken"] = world.vault.supplyTokenOf(0)
        # reached through the Vault; by itself: below
        contracts["hidden half"] = contracts.pop("VaultExtension")
        yield node, contracts


def parties(contracts: dict[str, str]) -> dict[str, str]:
    """Everybody who can call: people, and those of our contracts that hold a role."""
    people = {
        "stranger": actor("stranger"),
        "deployer": DEPLOYER,
        "governor": GOVERNOR,
        "guardian": HOLDERS.guardian,
        "steward": HOLDERS.steward,
        "canceller": HOLDERS.canceller,
        "treasury": PARAMETERS.treasury,
    }
    ours = ("RiskConfigurator", "RiskSteward", "PauseGuardian", "OracleRouter", "LiquidationEngine", "InsuranceFund")
    return people | {name: contracts[name] for name in (*ours, "Vault", "Authority")}


def holders(contracts: dict[str, str]) -> dict[Role, dict[str, int]]:
    """Role → address → delay."""
    found: dict[Role, dict[str, int]] = {role: {} for role in Role}
    for role, holder in (*HOLDERS.grants(), *contract_roles(contracts)):
        found[role][holder.lower()] = 0
    for role, delay in governor_roles(DELAY, CONFIRM_DELAY).items():
        found[role][GOVERNOR.lower()] = delay
    return found


def functions_of(node: Node, contract: str) -> dict[str, dict[str, Any]]:
    if contract == "hidden half":
        return {}
    names = [abi_name(contract), contract] if abi_name(contract) != contract else [contract]
    entries = [entry for name in names for entry in node.artifacts[name].abi if entry["type"] == "function"]
    return {entry["name"]: entry for entry in entries}


def is_view(entry: dict[str, Any]) -> bool:
    return entry["stateMutability"] in ("view", "pure")


def type_of(item: dict[str, Any]) -> str:
    kind: str = item["type"]
    if kind.startswith("tuple"):
        return "(" + ",".join(type_of(part) for part in item["components"]) + ")" + kind[len("tuple") :]
    return kind


def nothing(item: dict[str, Any]) -> Any:
    """The zero of a type."""
    kind: str = item["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(nothing(part) for part in item["components"])
    if kind == "address":
        return "0x" + "00" * 20
    if kind == "bool":
        return False
    if kind == "string":
        return ""
    if kind.startswith("bytes"):
        return b"" if kind == "bytes" else b"\x00" * int(kind[len("bytes") :])
    return 0


def calldata(entry: dict[str, Any]) -> str:
    types = [type_of(item) for item in entry["inputs"]]
    selector = keccak(text=f"{entry['name']}({','.join(types)})")[:4]
    return "0x" + (selector + encode(types, [nothing(item) for item in entry["inputs"]])).hex()


def outcome(node: Node, caller: str, address: str, data: str) -> str:
    """What the gate says; what comes after it, with arguments of nothing, is another matter."""
    request = {"from": caller, "to": address, "data": data, "gas": hex(5_000_000)}
    try:
        node.rpc.call("eth_call", request, "latest")
    except RpcError as error:
        name = node.decode_revert(error.data or "0x").name
        return REFUSED if name in NO else WAITS if name in NOT_YET else PASSED
    return PASSED


def expected_outcome(contract: str, function: str, caller: str, held: dict[Role, dict[str, int]]) -> str:
    role = FUNCTIONS.get((contract, function))
    if role is None and contract == "Authority" and function in ADMINISTERED:
        role = Role.ADMIN
    if role is None:
        return PASSED
    delay = held[role].get(caller.lower())
    return REFUSED if delay is None else WAITS if delay else PASSED


def test_p15_every_function__by_every_party__passes_only_by_its_role(
    stage: tuple[Node, dict[str, str]], record_property: Callable[[str, object], None]
):
    node, contracts = stage
    held, callers = holders(contracts), parties(contracts)
    counts = {PASSED: 0, REFUSED: 0, WAITS: 0}
    wrong, functions = [], 0
    for contract, address in contracts.items():
        for name, entry in functions_of(node, contract).items():
            if contract == "Authority" and name in ("schedule", "execute", "cancel", "consumeScheduledOp"):
                continue  # refuse by what they are asked to do; below
            functions += 1
            for party, caller in callers.items():
                if name == "setAuthority":
                    # AccessManaged's own: the Authority alone
                    expected = PASSED if party == "Authority" else REFUSED
                else:
                    expected = expected_outcome(contract, name, caller, held)
                found = outcome(node, caller, address, calldata(entry))
                counts[found] += 1
                if found != expected:
                    wrong.append(f"{contract}.{name} by {party}: {found}, expected {expected}")
    assert wrong == []
    cells = functions * len(callers)
    assert sum(counts.values()) == cells
    record_property("functions, parties, cells", f"{functions}, {len(callers)}, {cells}")
    for found, count in counts.items():
        record_property(found, count)
    assert counts[REFUSED] > 300


def test_p15_every_function_that_changes_state__is_known_as_open_or_restricted(stage: tuple[Node, dict[str, str]]):
    """A function that nobody thought about fails here."""
    node, contracts = stage
    unknown = []
    assert all(name in functions_of(node, owner) for owner, names in OPEN.items() for name in names)
    for contract in contracts:
        for name, entry in functions_of(node, contract).items():
            is_known = (
                is_view(entry)
                or (contract, name) in FUNCTIONS
                or name in OPEN.get(contract, ())
                or name == "setAuthority"
                or (contract == "Authority" and name in ADMINISTERED)
            )
            if not is_known:
                unknown.append(f"{contract}.{name}")
    assert unknown == []


def test_p15_restricted_functions__are_exactly_those_that_the_contracts_restrict(stage: tuple[Node, dict[str, str]]):
    """A stranger is refused by what closeout/chain/roles.py lists and by nothing else: the table is complete."""
    node, contracts = stage
    stranger = actor("stranger")
    refused = {
        (contract, name)
        for contract, address in contracts.items()
        if contract != "Authority"
        for name, entry in functions_of(node, contract).items()
        if name != "setAuthority" and outcome(node, stranger, address, calldata(entry)) == REFUSED
    }
    assert refused == set(FUNCTIONS)


def test_p15_scheduling__is_for_those_who_may_call_after_a_delay(stage: tuple[Node, dict[str, str]]):
    node, contracts = stage
    authority = node.at("Authority", contracts["Authority"])
    held, callers = holders(contracts), parties(contracts)
    for (contract, function), role in FUNCTIONS.items():
        data = bytes.fromhex(calldata(functions_of(node, contract)[function])[2:])
        call = "0x" + authority.schedule.data(contracts[contract], data, 0).hex()
        for party, caller in callers.items():
            may = bool(held[role].get(caller.lower()))
            expected = PASSED if may else REFUSED
            assert outcome(node, caller, authority.address, call) == expected, (contract, function, party)


def test_p15_executing__needs_what_was_scheduled(stage: tuple[Node, dict[str, str]]):
    node, contracts = stage
    authority = node.at("Authority", contracts["Authority"])
    data = bytes.fromhex(calldata(functions_of(node, "RiskConfigurator")["setProtocol"])[2:])
    call = "0x" + authority.execute.data(contracts["RiskConfigurator"], data).hex()
    for party, caller in parties(contracts).items():
        expected = WAITS if party == "governor" else REFUSED
        assert outcome(node, caller, authority.address, call) == expected, party


def test_p15_hidden_half_of_the_vault__called_by_itself__has_the_same_gate(stage: tuple[Node, dict[str, str]]):
    """The VaultExtension has an address of its own, and storage of its own that nobody uses."""
    node, contracts = stage
    for (contract, function), role in FUNCTIONS.items():
        if contract != "Vault":
            continue
        data = calldata(functions_of(node, contract)[function])
        for party, caller in parties(contracts).items():
            assert outcome(node, caller, contracts["hidden half"], data) != PASSED or role is None, party
