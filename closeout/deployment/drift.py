"""File and record against the chain: code, parameters, roles and delays, wiring, ownership. What differs is drift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from closeout.chain.abi import ContractAbi
from closeout.chain.parameters import AssetListing
from closeout.chain.roles import (
    DEPLOYER_ROLES,
    FUNCTIONS,
    GUARDED_BY_CANCELLER,
    VETOED_BY_CANCELLER,
    Role,
    RoleHolders,
    abi_name,
    contract_roles,
    governor_roles,
)
from closeout.chain.rpc import RpcError
from closeout.toolchain.artifacts import Artifact

from .authority import AuthorityState, read_authority
from .effects import Reader, plain
from .plan import create2_address
from .ports import Rpc
from .protocol import Blueprint
from .record import code_hash, deployed_since

__all__ = ["Row", "Verification", "verify"]

# keccak-256 of "eip1967.proxy.implementation" and ".admin", less one
PROXY_SLOTS = (
    "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
    "0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103",
)
NOTHING = "0x" + "00" * 32
MODULES = ("engine", "insurance fund", "penalty splitter", "treasury", "oracle router")


@dataclass(frozen=True)
class Row:
    """One thing that was compared."""

    area: str
    what: str
    expected: str
    found: str

    @property
    def is_drift(self) -> bool:
        return self.expected != self.found


@dataclass(frozen=True)
class Verification:
    """All that was compared, and what is worth knowing without being drift."""

    rows: Sequence[Row]
    notes: Sequence[str]

    @property
    def drift(self) -> list[Row]:
        return [row for row in self.rows if row.is_drift]


def verify(
    blueprint: Blueprint, record: Mapping[str, Any], rpc: Rpc, artifacts: Mapping[str, Artifact], block: str = "latest"
) -> Verification:
    """Reads everything and changes nothing. A contract that does not answer is a row too, not an error."""
    check = _Check(blueprint, record, rpc, Reader(rpc, artifacts, block))
    rows = [*check.identity(), *check.code(), *check.ownership(), *check.protocol(), *check.assets()]
    authority = blueprint.deployment["Authority"]
    try:
        state = read_authority(rpc, check.reader, authority, deployed_since(record))
    except RpcError:
        rows.append(Row("roles", f"Authority at {authority}", "readable", "unreadable"))
        return Verification(rows, [])
    rows += [*check.roles(state), *check.wiring(state)]
    return Verification(rows, list(check.notes(state)))


class _Check:
    """The comparisons, one subject each."""

    def __init__(self, blueprint: Blueprint, record: Mapping[str, Any], rpc: Rpc, reader: Reader) -> None:
        self.blueprint, self.record, self.rpc, self.reader = blueprint, record, rpc, reader
        self.contracts = blueprint.deployment.contracts
        self.file = blueprint.config.content

    def identity(self) -> Iterator[Row]:
        chain_id = int(self.rpc.call("eth_chainId"), 16)
        yield Row("file", "chain id", str(self.file.network.chain_id), str(chain_id))
        yield Row("file", "digest of the record", self.blueprint.config.digest, self.record["configDigest"])

    def code(self) -> Iterator[Row]:
        """Each contract stands where its source, arguments and salt say, with the code that was recorded."""
        recorded = {item["address"]: item for item in self.record["contracts"]}
        for step in self.blueprint.plan.creations:
            item = recorded.pop(step.address, None)
            yield Row("code", f"{step.contract} recorded at", step.address, item["address"] if item else "nowhere")
            if item is None:
                continue
            yield Row("code", f"{step.contract} address", create2_address(step.salt, step.init_code), step.address)
            yield Row("code", f"{step.contract} creation code", code_hash(step.init_code), item["creationCodeHash"])
            found = code_hash(self.reader.code(step.address))
            yield Row("code", f"{step.contract} code", item["codeHash"], found)
        for address, item in recorded.items():
            yield Row("code", f"{item['contract']} at {address}", "not in the file", "in the record")

    def ownership(self) -> Iterator[Row]:
        """Nobody owns a contract, none is a proxy, and what is managed is managed by our Authority."""
        managed = {contract for contract, _ in FUNCTIONS}
        for step in self.blueprint.plan.creations:
            yield Row("owner", f"{step.contract}.owner()", "none", self._owner(step.address))
            for slot in PROXY_SLOTS:
                found = self.rpc.call("eth_getStorageAt", step.address, slot, "latest")
                yield Row("owner", f"{step.contract} proxy slot {slot[:10]}…", NOTHING, "0x" + found[2:].zfill(64))
            if step.contract in managed:
                found = self._answer(step.contract, step.address, "authority")
                yield Row("owner", f"{step.contract}.authority()", _shown(self.contracts["Authority"]), _shown(found))

    def _owner(self, address: str) -> str:
        try:
            answer = self.rpc.call("eth_call", {"to": address, "data": "0x8da5cb5b"}, "latest")
        except RpcError:
            return "none"
        return "none" if len(answer) < 66 or int(answer, 16) == 0 else "0x" + answer[26:66]

    def protocol(self) -> Iterator[Row]:
        expected = self.blueprint.parameters
        try:
            modules, curve, limits = self.reader.read("Lens", self.contracts["Lens"], "protocol")
        except RpcError:
            yield Row("protocol", "parameters", "readable", "unreadable")
            return
        names = (*MODULES, "volatility oracle", "sequencer feed", "sequencer grace")
        yield from _rows("protocol", "", names, self.blueprint.modules, modules)
        yield from _fields("protocol", "", expected.curve, curve)
        yield from _fields("protocol", "", expected.limits, limits)

    def assets(self) -> Iterator[Row]:
        """Every asset of the file as the chain has it, and none beside."""
        vault = self.contracts["Vault"]
        for name, listing in self.blueprint.listings.items():
            found = self._answer("IVault", vault, "assetIdOf", listing.token)
            recorded = self.record["assets"].get(name, {})
            yield Row(name, "asset id", str(recorded.get("id", "not recorded")), _shown(found))
            if not isinstance(found, int):
                continue
            yield from self._asset(name, listing, found)
            supply_token = self._answer("IVault", vault, "supplyTokenOf", found)
            yield Row(name, "supply token", _shown(recorded.get("supplyToken")), _shown(supply_token))
        beyond = self._parameters(len(self.blueprint.listings))
        extra = beyond[0] if isinstance(beyond, tuple) else "none"
        yield Row("assets", "beyond the file", "none", _shown(extra))

    def _asset(self, name: str, listing: AssetListing, asset_id: int) -> Iterator[Row]:
        found = self._parameters(asset_id)
        if not isinstance(found, tuple):
            yield Row(name, "parameters", "readable", str(found))
            return
        token, collateral, borrowing, price, _, _ = found
        yield Row(name, "token", _shown(listing.token), _shown(token))
        yield from _fields(name, "collateral ", listing.collateral, collateral)
        yield from _fields(name, "borrow ", listing.borrowing, borrowing)
        yield from _rows(name, "price ", ("read in place", "deviation"), listing.source.terms(), price)
        yield from self._source(name, listing, asset_id)
        anchor = self._answer("RiskSteward", self.contracts["RiskSteward"], "anchorOf", asset_id)
        if isinstance(anchor, tuple):
            yield from _fields(name, "steward's anchor, collateral ", listing.collateral, anchor[0])
            yield from _fields(name, "steward's anchor, borrow ", listing.borrowing, anchor[1])

    def _source(self, name: str, listing: AssetListing, asset_id: int) -> Iterator[Row]:
        """The router asks the adapter of the file, whose address commits to feed and bounds, and the Vault the same."""
        source = self._answer("OracleRouter", self.contracts["OracleRouter"], "sourceOf", listing.token)
        adapter, _, _, jump = source if isinstance(source, tuple) else ("no answer",) * 4
        yield Row(name, "adapter", _shown(self.blueprint.adapters[name]), _shown(adapter))
        yield Row(name, "jump bound", str(listing.source.jump), _shown(jump))
        data = self.reader.abi("RiskConfigurator").functions["syncPriceSource"].encode(asset_id)
        try:
            self.rpc.call("eth_call", {"to": self.contracts["RiskConfigurator"], "data": data}, "latest")
            found = "another than the router's"
        except RpcError as error:
            # nothing to bring in line is what it says where all is well
            revert = self.reader.abi("RiskConfigurator").decode_revert(error.data)
            found = "the router's" if revert.name == "PriceSourceUnchanged" else f"unreadable: {revert.name or error}"
        yield Row(name, "source in the table", "the router's", found)

    def roles(self, state: AuthorityState) -> Iterator[Row]:
        expected = self._holders()
        for role in sorted({*expected, *state.holders}):
            label = _role(role)
            wanted, found = expected.get(role, {}), state.holders.get(role, {})
            for account in sorted({*wanted, *found}):
                yield Row("roles", f"{label} of {account}", _held(wanted.get(account)), _held(found.get(account)))
        for role, account, delay, effect in state.pending_delays:
            yield Row("roles", f"{_role(role)} of {account}", "no pending delay", f"{delay} s from {effect} on")
        for role in sorted(state.role_admins):
            label = _role(role)
            guardian = Role.CANCELLER if role in GUARDED_BY_CANCELLER else Role.ADMIN
            yield Row("roles", f"admin of {label}", str(int(Role.ADMIN)), str(state.role_admins[role]))
            yield Row("roles", f"guardian of {label}", str(int(guardian)), str(state.role_guardians[role]))
            yield Row("roles", f"grant delay of {label}", "0", str(state.grant_delays[role]))

    def _holders(self) -> dict[int, dict[str, int]]:
        """Role → holder → delay, as file and record say."""
        roles = self.file.roles
        held: dict[int, dict[str, int]] = {}
        for role, account in contract_roles(self.contracts):
            held.setdefault(role, {})[account.lower()] = 0
        for role, account in RoleHolders(roles.guardian, roles.steward, roles.canceller).grants():
            held.setdefault(role, {})[account.lower()] = 0
        if self.record["handover"] is None:
            for role in DEPLOYER_ROLES:
                held.setdefault(role, {})[self.record["deployer"].lower()] = 0
        else:
            governor = roles.governor
            for role, delay in governor_roles(governor.delay, governor.confirm_delay).items():
                held.setdefault(role, {})[governor.address.lower()] = delay
        return held

    def wiring(self, state: AuthorityState) -> Iterator[Row]:
        """Which function belongs to whom, and nothing else does."""
        expected: dict[tuple[str, bytes], tuple[str, Role]] = {}

        def add(contract: str, functions: Sequence[str], role: Callable[[str], Role]) -> None:
            abi: ContractAbi = self.reader.abi(abi_name(contract))
            for function in functions:
                key = (self.contracts[contract].lower(), abi.functions[function].selector)
                expected[key] = (f"{contract}.{function}", role(function))

        for contract in dict.fromkeys(contract for contract, _ in FUNCTIONS):
            names = [name for owner, name in FUNCTIONS if owner == contract]
            add(contract, names, lambda name, contract=contract: FUNCTIONS[contract, name])  # type: ignore[misc]
        add("Authority", VETOED_BY_CANCELLER, lambda _: Role.GOVERNOR)
        for key in sorted({*expected, *state.wiring}):
            label, role = expected.get(key, (f"{key[0]} selector 0x{key[1].hex()}", Role.ADMIN))
            yield Row("wiring", label, _role(role), _role(state.wiring.get(key, Role.ADMIN)))
        for contract in dict.fromkeys(["Authority", *(contract for contract, _ in FUNCTIONS)]):
            address = self.contracts[contract].lower()
            yield Row("wiring", f"{contract} is", "open", "closed" if address in state.closed else "open")
            yield Row("wiring", f"{contract} admin delay", "0", str(state.admin_delays.get(address, 0)))

    def notes(self, state: AuthorityState) -> Iterator[str]:
        """Worth knowing, and no drift: what waits, what runs, what is paused."""
        names = {address.lower(): name for name, address in self.contracts.items()}
        for item in state.operations:
            target = names.get(item.target, item.target)
            call = f"a call of {target}, selector 0x{item.data[:4].hex()}"
            yield f"scheduled: {call}, by {item.caller}, from {item.when} on"
        for name in self.blueprint.listings:
            found = self._parameters(self.record["assets"].get(name, {}).get("id", -1))
            if isinstance(found, tuple) and found[4] != found[1][1]:
                yield f"{name}: the liquidation threshold ramps, {found[4]} bps now, {found[1][1]} at {found[5]}"
        for name, listing in self.blueprint.listings.items():
            source = self._answer("OracleRouter", self.contracts["OracleRouter"], "sourceOf", listing.token)
            if isinstance(source, tuple) and source[2] > self._now():
                yield f"frozen: the price of {name}, until {source[2]}"
        paused = self._answer("PauseGuardian", self.contracts["PauseGuardian"], "paused")
        if isinstance(paused, tuple) and any(paused):
            yield f"paused: borrowing of assets {_bits(paused[0])}, withdrawing of {_bits(paused[1])}"
        if self.record["handover"] is None:
            yield "not handed over: the deployer governs, without delay"

    def _answer(self, contract: str, address: str, function: str, *arguments: Any) -> Any:
        try:
            return self.reader.read(contract, address, function, *arguments)
        except RpcError:
            return "no answer"

    def _now(self) -> int:
        return int(self.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def _parameters(self, asset_id: int) -> Any:
        return self._answer("RiskConfigurator", self.contracts["RiskConfigurator"], "assetParameters", asset_id)


def _fields(area: str, prefix: str, expected: Any, found: Sequence[Any]) -> Iterator[Row]:
    names = [item.name for item in fields(expected)]
    yield from _rows(area, prefix, names, [getattr(expected, name) for name in names], found)


def _rows(area: str, prefix: str, names: Sequence[str], expected: Sequence[Any], found: Sequence[Any]) -> Iterator[Row]:
    for name, wanted, value in zip(names, expected, found, strict=True):
        yield Row(area, prefix + name.replace("_", " "), _shown(wanted), _shown(value))


def _shown(value: Any) -> str:
    return str(plain(value))


def _held(delay: int | None) -> str:
    return "not held" if delay is None else f"held, delay {delay} s"


def _role(role: int) -> str:
    return Role(role).name if role in set(Role) else f"role {role}"


def _bits(number: int) -> str:
    return ", ".join(str(bit) for bit in range(number.bit_length()) if number >> bit & 1) or "none"
