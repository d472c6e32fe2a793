"""Deploys the protocol: one function for tests, scenarios and networks. What differs is the `Deployer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Protocol

from eth_utils.crypto import keccak

from closeout.chain.parameters import AssetListing, ProtocolParameters

__all__ = ["Deployer", "Deployment", "deploy_protocol"]

# Role numbers of the Authority (OpenZeppelin AccessManager); 0 is its admin, the governor.
GOVERNOR = 0
CONFIGURATOR = 1
GUARDIAN = 2
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
    extension = deployer.deploy("VaultExtension", most)
    vault = deployer.deploy("Vault", authority, extension, most)
    configurator = deployer.deploy("RiskConfigurator", authority, vault, most)
    engine = deployer.deploy("LiquidationEngine")
    fund = deployer.deploy("InsuranceFund", vault)
    splitter = deployer.deploy("PenaltySplitter", vault, fund, parameters.treasury, *astuple(weights))
    lens = deployer.deploy("Lens", vault)

    def authorise(function: str, role: int) -> None:
        selector = keccak(text=function)[:4]
        deployer.transact("Authority", authority, "setTargetFunctionRole", vault, [selector], role)

    authorise("setConfiguration(address)", CONFIGURATOR)
    authorise("setSupplyToken(uint256,address)", CONFIGURATOR)
    authorise("setPauses(uint128,uint128)", GUARDIAN)
    deployer.transact("Authority", authority, "grantRole", CONFIGURATOR, configurator, NO_DELAY)
    deployer.transact("Authority", authority, "grantRole", GUARDIAN, deployer.address, NO_DELAY)

    modules = (engine, fund, splitter, parameters.treasury)
    deployer.transact(
        "RiskConfigurator", configurator, "setProtocol", modules, astuple(parameters.curve), astuple(parameters.limits)
    )
    for asset in assets:
        deployer.transact("RiskConfigurator", configurator, "listAsset", *asset.arguments())
    return Deployment(
        {
            "Authority": authority,
            "VaultExtension": extension,
            "Vault": vault,
            "RiskConfigurator": configurator,
            "LiquidationEngine": engine,
            "InsuranceFund": fund,
            "PenaltySplitter": splitter,
            "Lens": lens,
        }
    )
