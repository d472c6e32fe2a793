"""Deploys the protocol: one function for tests, scenarios and networks. What differs is the `Deployer`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any, Protocol

from closeout.chain.abi import ContractAbi
from closeout.chain.parameters import AssetListing, OracleParameters, ProtocolParameters
from closeout.chain.roles import (
    DEPLOYER_ROLES,
    FUNCTIONS,
    GUARDED_BY_CANCELLER,
    VETOED_BY_CANCELLER,
    Role,
    RoleHolders,
    abi_name,
    contract_roles,
)
from closeout.chain.sources import deploy_adapter
from closeout.toolchain.artifacts import Artifact

__all__ = [
    "PROTOCOL_SOURCES",
    "Deployer",
    "Deployment",
    "deploy_protocol",
    "encode_calls",
    "list_asset",
    "modules_of",
]

NO_DELAY = 0
# What has to be compiled for `deploy_protocol`, and to call what it deployed.
PROTOCOL_SOURCES = (
    "contracts/Authority.sol",
    "contracts/Vault.sol",
    "contracts/VaultExtension.sol",
    "contracts/RiskConfigurator.sol",
    "contracts/RiskSteward.sol",
    "contracts/PauseGuardian.sol",
    "contracts/LiquidationEngine.sol",
    "contracts/InsuranceFund.sol",
    "contracts/PenaltySplitter.sol",
    "contracts/oracles/OracleRouter.sol",
    "contracts/oracles/ChainlinkAdapter.sol",
    "contracts/periphery/Lens.sol",
    "interfaces/IVault.sol",
)


class Deployer(Protocol):
    """Sends transactions from one account and waits for them, or writes down what it would send."""

    @property
    def address(self) -> str: ...

    @property
    def artifacts(self) -> Mapping[str, Artifact]: ...

    def deploy(self, name: str, *arguments: Any) -> str:
        """Deploys the contract of that name; its address."""

    def transact(self, name: str, address: str, function: str, *arguments: Any) -> None:
        """Calls a function of the contract `name` at `address`. Raises where it reverts."""


@dataclass(frozen=True)
class Deployment:
    """Addresses by contract name; of the tokens' feeds nothing: they are not ours."""

    contracts: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.contracts[name]


def deploy_protocol(
    deployer: Deployer,
    parameters: ProtocolParameters,
    assets: Sequence[AssetListing],
    holders: RoleHolders | None = None,
) -> Deployment:
    """Deploys all contracts, wires the roles, sets the parameters and lists the assets in their order.

    The deployer ends with every right of the governor and without delay; handing over is a step of its own.
    """
    most = parameters.max_target_health_factor
    contracts: dict[str, str] = {}

    def deploy(name: str, *arguments: Any) -> str:
        contracts[name] = deployer.deploy(name, *arguments)
        return contracts[name]

    authority = deploy("Authority", deployer.address)
    extension = deploy("VaultExtension", authority, most)
    vault = deploy("Vault", authority, extension, most)
    oracles = parameters.oracles
    router = deploy("OracleRouter", authority, vault, oracles.abandon_after, oracles.decay_period)
    configurator = deploy("RiskConfigurator", authority, vault, most)
    steward = deploy("RiskSteward", authority, configurator)
    deploy("PauseGuardian", authority, vault)
    engine = deploy("LiquidationEngine")
    fund = deploy("InsuranceFund", vault)
    splitter = deploy("PenaltySplitter", vault, fund, parameters.treasury, *astuple(parameters.weights))
    deploy("Lens", vault)
    if oracles.volatility is not None:
        volatility_oracle = deploy("VolatilityOracle", router, *astuple(oracles.volatility))
        oracles = replace(oracles, volatility_oracle=volatility_oracle)

    wiring = encode_calls(deployer.artifacts, "Authority", _wiring(deployer, contracts, holders))
    deployer.transact("Authority", authority, "multicall", wiring)

    modules = modules_of(engine, fund, splitter, parameters.treasury, router, oracles)
    deployer.transact(
        "RiskConfigurator", configurator, "setProtocol", modules, astuple(parameters.curve), astuple(parameters.limits)
    )
    for asset_id, asset in enumerate(assets):
        list_asset(deployer, router, configurator, oracles, asset)
        deployer.transact("RiskSteward", steward, "anchor", asset_id)
    return Deployment(contracts)


def modules_of(
    engine: str, fund: str, splitter: str, treasury: str, router: str, oracles: OracleParameters
) -> tuple[object, ...]:
    """The struct Modules of interfaces/IRiskConfigurator.sol."""
    beside = (oracles.volatility_oracle, oracles.sequencer_feed, oracles.sequencer_grace)
    return (engine, fund, splitter, treasury, router, *beside)


def list_asset(
    deployer: Deployer, router: str, configurator: str, oracles: OracleParameters, asset: AssetListing
) -> None:
    """Plugs the asset's price into the router, held against the reference, with its jump bound, and lists it."""
    source = asset.source
    adapter = deploy_adapter(deployer, source.adapter, oracles.sequencer)
    deployer.transact("OracleRouter", router, "activate", asset.token, adapter, source.reference)
    if source.jump:
        deployer.transact("OracleRouter", router, "setJumpBound", asset.token, source.jump)
    deployer.transact("RiskConfigurator", configurator, "listAsset", *asset.arguments())


def _wiring(
    deployer: Deployer, contracts: Mapping[str, str], holders: RoleHolders | None
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Calls of the Authority: which function belongs to which role, and who has it."""

    def selectors(contract: str, functions: Sequence[str]) -> list[bytes]:
        abi = ContractAbi(deployer.artifacts[abi_name(contract)])
        return [abi.functions[function].selector for function in functions]

    for role in Role:
        for contract in dict.fromkeys(contract for contract, _ in FUNCTIONS):
            functions = [name for (owner, name), needed in FUNCTIONS.items() if owner == contract and needed == role]
            if functions:
                yield "setTargetFunctionRole", (contracts[contract], selectors(contract, functions), role)
    vetoed = selectors("Authority", VETOED_BY_CANCELLER)
    yield "setTargetFunctionRole", (contracts["Authority"], vetoed, Role.GOVERNOR)
    for role in GUARDED_BY_CANCELLER:
        yield "setRoleGuardian", (role, Role.CANCELLER)
    for role, holder in (*contract_roles(contracts), *(holders.grants() if holders else ())):
        yield "grantRole", (role, holder, NO_DELAY)
    for role in DEPLOYER_ROLES:
        if role != Role.ADMIN:
            yield "grantRole", (role, deployer.address, NO_DELAY)


def encode_calls(
    artifacts: Mapping[str, Artifact], contract: str, calls: Iterator[tuple[str, tuple[Any, ...]]]
) -> list[bytes]:
    """Calldata of several calls of one contract, for its multicall."""
    functions = ContractAbi(artifacts[contract]).functions
    return [bytes.fromhex(functions[name].encode(*arguments)[2:]) for name, arguments in calls]
