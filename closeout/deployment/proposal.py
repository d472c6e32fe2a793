"""The difference between chain and file, as calls that the governor schedules, waits for and executes.

What a file can change after a deployment: parameters, listings, role holders and delays. What it cannot, because it is
built in (the treasury of the splitter, weights, the Vault's own bound, the salt), is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

from eth_utils.address import to_checksum_address

from closeout.chain.abi import ContractAbi
from closeout.chain.parameters import AssetListing
from closeout.chain.roles import Role, RoleHolders, governor_roles
from closeout.chain.rpc import RpcError
from closeout.chain.sources import ADAPTERS
from closeout.errors import BadInput
from closeout.toolchain.artifacts import Artifact

from .authority import AuthorityState
from .effects import Reader, plain
from .protocol import Blueprint

__all__ = ["Change", "Proposal", "check_built_in", "draw_proposal"]

# A proposal may bring new ones: those of an asset, and of a module that is plugged in.
PLUGGED_IN = ("TestToken", "TestAggregator", "VolatilityOracle", *ADAPTERS)


@dataclass(frozen=True)
class Change:
    """One call that the governor makes, and in words what it changes."""

    target: str
    contract: str
    function: str
    data: str
    delay: int
    summary: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """Changes in the order in which they have to be executed."""

    chain_id: int
    authority: str
    governor: str
    changes: tuple[Change, ...]
    creations: tuple[str, ...]
    """Calls of the deployment proxy: contracts that have to be there first. Anybody may deploy them."""
    schedules: tuple[str, ...]
    executes: tuple[str, ...]
    """Calldata for the Authority, one per change."""


def draw_proposal(
    blueprint: Blueprint,
    record: Mapping[str, Any],
    state: AuthorityState,
    reader: Reader,
    artifacts: Mapping[str, Artifact],
) -> Proposal:
    """What the governor has to do so that the chain is what the file says.

    Raises BadInput where the file asks for what no proposal can change.
    """
    drawing = _Drawing(blueprint, record, state, reader, artifacts)
    changes = tuple(drawing.changes())
    abi = ContractAbi(artifacts["Authority"]).functions
    contracts = blueprint.deployment.contracts
    as_bytes = [bytes.fromhex(change.data[2:]) for change in changes]
    return Proposal(
        chain_id=blueprint.config.content.network.chain_id,
        authority=contracts["Authority"],
        governor=blueprint.config.content.roles.governor.address,
        changes=changes,
        creations=tuple(
            step.salt + step.init_code[2:]
            for step in blueprint.plan.creations
            if step.contract in PLUGGED_IN and reader.code(step.address) == "0x"
        ),
        # 0: as soon as the delay allows
        schedules=tuple(
            abi["schedule"].encode(change.target, data, 0) for change, data in zip(changes, as_bytes, strict=True)
        ),
        executes=tuple(
            abi["execute"].encode(change.target, data) for change, data in zip(changes, as_bytes, strict=True)
        ),
    )


def check_built_in(blueprint: Blueprint, record: Mapping[str, Any]) -> None:
    """What is built into contracts cannot be proposed: their addresses would be others. Raises BadInput."""
    recorded = {item["contract"]: item["address"] for item in record["contracts"]}
    for step in blueprint.plan.creations:
        if step.contract not in PLUGGED_IN and recorded.get(step.contract) != step.address:
            raise BadInput(
                f"{blueprint.config.file}: {step.contract}",
                f"arguments or code that belong at {step.address}",
                f"those of the deployment, at {recorded.get(step.contract)}: what a constructor was given "
                "(treasury, penalty_split, max_target_health, salt) takes a new contract, and code its own commit",
            )


class _Drawing:
    """Finds the changes, subject by subject."""

    def __init__(
        self,
        blueprint: Blueprint,
        record: Mapping[str, Any],
        state: AuthorityState,
        reader: Reader,
        artifacts: Mapping[str, Artifact],
    ) -> None:
        self._blueprint, self._record, self._state = blueprint, record, state
        self._reader, self._artifacts = reader, artifacts
        self._contracts = blueprint.deployment.contracts
        self._file = blueprint.config.content
        self._where = str(blueprint.config.file)

    def changes(self) -> Iterator[Change]:
        yield from self._protocol()
        yield from self._assets()
        yield from self._roles()

    def _change(
        self, contract: str, function: str, arguments: Sequence[Any], role: Role, summary: Sequence[str]
    ) -> Change:
        data = ContractAbi(self._artifacts[contract]).functions[function].encode(*arguments)
        governor = self._file.roles.governor
        delay = self._state.holders.get(role, {}).get(governor.address.lower(), governor.delay)
        return Change(self._contracts[contract], contract, function, data, delay, tuple(summary))

    def _protocol(self) -> Iterator[Change]:
        wanted = self._blueprint.parameters
        found = self._reader.read("Lens", self._contracts["Lens"], "protocol")
        modules = self._blueprint.modules
        lines = [*_differences("curve", wanted.curve, found[1]), *_differences("limits", wanted.limits, found[2])]
        if plain(modules) != plain(found[0]):
            lines.append(f"modules: {plain(found[0])} → {plain(modules)}")
        if lines:
            arguments = (modules, astuple(wanted.curve), astuple(wanted.limits))
            yield self._change("RiskConfigurator", "setProtocol", arguments, Role.GOVERNOR, lines)

    def _assets(self) -> Iterator[Change]:
        for asset_id, (name, listing) in enumerate(self._blueprint.listings.items()):
            found = self._parameters(asset_id)
            if found is None:
                yield self._activation(name, listing)
                yield from self._jump(name, listing, 0)
                yield self._change(
                    "RiskConfigurator", "listAsset", listing.arguments(), Role.GOVERNOR, [f"lists {name} as {asset_id}"]
                )
                yield self._anchor(name, asset_id)
                continue
            if found[0] != listing.token.lower():
                expected = (
                    f"{found[0]}, the token of asset {asset_id} on the chain: assets keep their order, append only"
                )
                raise BadInput(f"{self._where}: assets.{name}.token", listing.token, expected)
            parameters, source = (
                self._asset(name, listing, asset_id, found),
                self._source(name, listing, asset_id, found),
            )
            # a price that is read in place has to have a feed and no jump bound: it ceases to be before they go
            ceases = found[3][0] and not listing.source.is_read_in_place
            yield from (*parameters, *source) if ceases else (*source, *parameters)
        if (beyond := self._parameters(len(self._blueprint.listings))) is not None:
            expected = (
                f"{beyond[0]} too: what is listed stays listed (leave out `collateral` and `borrow` caps to delist)"
            )
            raise BadInput(f"{self._where}: assets", f"no asset with the token {beyond[0]}", expected)

    def _activation(self, name: str, listing: AssetListing) -> Change:
        adapter = self._blueprint.adapters[name]
        price = self._file.assets[name].price.reference
        return self._change(
            "OracleRouter",
            "activate",
            (listing.token, adapter, listing.source.reference),
            Role.GOVERNOR,
            [f"{name} is priced by {adapter}, held against {price:f} USD"],
        )

    def _source(self, name: str, listing: AssetListing, asset_id: int, found: Sequence[Any]) -> Iterator[Change]:
        """Another adapter or jump bound, and the table brought in line with the adapter where it reads its feed."""
        adapter, _, _, jump = self._reader.read(
            "OracleRouter", self._contracts["OracleRouter"], "sourceOf", listing.token
        )
        is_same = adapter == self._blueprint.adapters[name].lower()
        if not is_same:
            yield self._activation(name, listing)
        yield from self._jump(name, listing, jump)
        # what begins or ceases to be read in place, setAsset brings in line
        if not is_same and listing.source.is_read_in_place and found[3][0]:
            line = f"{name}: what is read in place is that adapter's feed"
            yield self._change("RiskConfigurator", "syncPriceSource", (asset_id,), Role.ADMIN, [line])

    def _jump(self, name: str, listing: AssetListing, found: int) -> Iterator[Change]:
        wanted = listing.source.jump
        if wanted != found:
            line = f"{name} jump bound: {found} → {wanted} bps"
            yield self._change("OracleRouter", "setJumpBound", (listing.token, wanted), Role.GOVERNOR, [line])

    def _asset(self, name: str, listing: AssetListing, asset_id: int, found: Sequence[Any]) -> Iterator[Change]:
        lines = [
            *_differences(f"{name} collateral", listing.collateral, found[1]),
            *_differences(f"{name} borrow", listing.borrowing, found[2]),
        ]
        terms = listing.source.terms()
        if terms != found[3]:
            lines.append(f"{name} price terms (read in place, deviation): {found[3]} → {terms}")
        if not lines:
            return
        ramp = self._file.assets[name].ramp if listing.collateral.liquidation_threshold < found[4] else 0
        if ramp:
            lines.append(f"{name}: the threshold falls over {ramp} s")
        arguments = (asset_id, *listing.arguments()[1:], ramp)
        yield self._change("RiskConfigurator", "setAsset", arguments, Role.PARAMETERS, lines)
        yield self._anchor(name, asset_id)

    def _anchor(self, name: str, asset_id: int) -> Change:
        return self._change(
            "RiskSteward", "anchor", (asset_id,), Role.GOVERNOR, [f"{name}: the steward's band is round these figures"]
        )

    def _parameters(self, asset_id: int) -> tuple[Any, ...] | None:
        try:
            found: tuple[Any, ...] = self._reader.read(
                "RiskConfigurator", self._contracts["RiskConfigurator"], "assetParameters", asset_id
            )
        except RpcError:
            return None
        return found

    def _roles(self) -> Iterator[Change]:
        if self._record["handover"] is None:
            return
        roles = self._file.roles
        wanted = [
            (role, account.lower(), 0)
            for role, account in RoleHolders(roles.guardian, roles.steward, roles.canceller).grants()
        ]
        governor = roles.governor
        for role, delay in governor_roles(governor.delay, governor.confirm_delay).items():
            wanted.append((role, governor.address.lower(), delay))
        keep = {(role, account) for role, account, _ in wanted}
        for role, account, delay in wanted:
            held = self._state.holders.get(role, {}).get(account)
            if held != delay:
                line = f"{role.name} to {account}, delay {delay} s" + ("" if held is None else f" instead of {held} s")
                yield self._change(
                    "Authority", "grantRole", (role, to_checksum_address(account), delay), Role.ADMIN, [line]
                )
        for role in (Role.GUARDIAN, Role.STEWARD, Role.CANCELLER, Role.CONFIRMER, Role.GOVERNOR, Role.ADMIN):
            for account in self._state.holders.get(role, {}):
                if (role, account) not in keep:
                    line = f"{role.name} taken from {account}"
                    yield self._change(
                        "Authority", "revokeRole", (role, to_checksum_address(account)), Role.ADMIN, [line]
                    )


def _differences(what: str, wanted: Any, found: Sequence[Any]) -> Iterator[str]:
    for item, value in zip(fields(wanted), found, strict=True):
        expected = getattr(wanted, item.name)
        if plain(expected) != plain(value):
            yield f"{what} {item.name.replace('_', ' ')}: {plain(value)} → {plain(expected)}"
