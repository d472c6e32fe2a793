"""Deploys the protocol: one function for tests, scenarios and networks. What differs is the `Deployer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol

from eth_utils.crypto import keccak

from closeout.chain.parameters import AssetListing, OracleParameters, PriceSource, ProtocolParameters

__all__ = ["Deployer", "Deployment", "deploy_protocol", "list_asset", "modules_of"]

# Role numbers of the Authority (OpenZeppelin AccessManager); 0 is its admin, the governor.
GOVERNOR = 0
CONFIGURATOR = 1
GUARDIAN = 2
ROUTER = 3
NO_DELAY = 0


class Deployer(Protocol):
    """Sends transactions from one account and waits for them."""

    @property
    def address(self) -> str: ...

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


def deploy_protocol(deployer: Deployer, parameters: ProtocolParameters, assets: Sequence[AssetListing]) -> Deployment:
    """Deploys all contracts, wires the roles, sets the parameters and lists the assets in their order.

    The deployer ends as governor (admin of the Authority); handing over is a step of its own.
    """
    most = parameters.max_target_health_factor
    weights = parameters.weights
    authority = deployer.deploy("Authority", deployer.address)
    extension = deployer.deploy("VaultExtension", authority, most)
    vault = deployer.deploy("Vault", authority, extension, most)
    oracles = parameters.oracles
    router = deployer.deploy("OracleRouter", authority, vault, oracles.abandon_after, oracles.decay_period)
    configurator = deployer.deploy("RiskConfigurator", authority, vault, most)
    engine = deployer.deploy("LiquidationEngine")
    fund = deployer.deploy("InsuranceFund", vault)
    splitter = deployer.deploy("PenaltySplitter", vault, fund, parameters.treasury, *astuple(weights))
    lens = deployer.deploy("Lens", vault)

    def authorise(target: str, function: str, role: int) -> None:
        selector = keccak(text=function)[:4]
        deployer.transact("Authority", authority, "setTargetFunctionRole", target, [selector], role)

    authorise(vault, "setConfiguration(address)", CONFIGURATOR)
    authorise(vault, "setSupplyToken(uint256,address)", CONFIGURATOR)
    authorise(vault, "setPauses(uint128,uint128)", GUARDIAN)
    authorise(vault, "askRouterUntil(uint40)", ROUTER)
    authorise(router, "freeze(address)", GUARDIAN)
    deployer.transact("Authority", authority, "grantRole", CONFIGURATOR, configurator, NO_DELAY)
    deployer.transact("Authority", authority, "grantRole", ROUTER, router, NO_DELAY)
    deployer.transact("Authority", authority, "grantRole", GUARDIAN, deployer.address, NO_DELAY)

    modules = modules_of(engine, fund, splitter, parameters.treasury, router, oracles)
    deployer.transact(
        "RiskConfigurator", configurator, "setProtocol", modules, astuple(parameters.curve), astuple(parameters.limits)
    )
    for asset in assets:
        list_asset(deployer, router, configurator, oracles, asset)
    return Deployment(
        {
            "Authority": authority,
            "OracleRouter": router,
            "VaultExtension": extension,
            "Vault": vault,
            "RiskConfigurator": configurator,
            "LiquidationEngine": engine,
            "InsuranceFund": fund,
            "PenaltySplitter": splitter,
            "Lens": lens,
        }
    )


def modules_of(
    engine: str, fund: str, splitter: str, treasury: str, router: str, oracles: OracleParameters
) -> tuple[object, ...]:
    """The struct Modules of interfaces/IRiskConfigurator.sol."""
    beside = (oracles.volatility_oracle, oracles.sequencer_feed, oracles.sequencer_grace)
    return (engine, fund, splitter, treasury, router, *beside)


def list_asset(
    deployer: Deployer, router: str, configurator: str, oracles: OracleParameters, asset: AssetListing
) -> None:
    """Plugs the asset's price into the router, held against the reference, and lists it."""
    source = asset.source
    adapter = source.feed if source.is_adapter else deployer.deploy("ChainlinkAdapter", *_adapter(source, oracles))
    deployer.transact("OracleRouter", router, "activate", asset.token, adapter, source.reference)
    deployer.transact("RiskConfigurator", configurator, "listAsset", *asset.arguments())


def _adapter(source: PriceSource, oracles: OracleParameters) -> tuple[object, ...]:
    bounds = (source.heartbeat, source.max_age, source.least_answer, source.most_answer)
    return (source.feed, (*bounds, oracles.sequencer_feed, oracles.sequencer_grace))
