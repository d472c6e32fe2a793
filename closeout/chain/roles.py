"""Who may call what: the roles of the Authority, and which function belongs to which. Worst cases: docs/roles.md.

One home: the deployment wires it, the verification compares with it, the tests try every function with every role.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

__all__ = [
    "DEPLOYER_ROLES",
    "FUNCTIONS",
    "GUARDED_BY_CANCELLER",
    "VETOED_BY_CANCELLER",
    "Role",
    "RoleHolders",
    "abi_name",
    "contract_roles",
    "governor_roles",
]


class Role(IntEnum):
    """Role numbers; 0 is AccessManager's own admin. The holder stands beside each."""

    ADMIN = 0  # the governor: roles, delays, which function belongs to whom
    CONFIGURATOR = 1  # the RiskConfigurator
    GUARDIAN = 2  # the guardian
    STEWARD = 3  # the steward
    GOVERNOR = 4  # the governor
    PARAMETERS = 5  # the governor, and the RiskSteward
    CONFIRMER = 6  # the governor, behind a shorter delay
    PAUSER = 7  # the PauseGuardian
    CANCELLER = 8  # the canceller
    ROUTER = 9  # the OracleRouter


FUNCTIONS: Mapping[tuple[str, str], Role] = MappingProxyType(
    {
        ("Vault", "setConfiguration"): Role.CONFIGURATOR,
        ("Vault", "setSupplyToken"): Role.CONFIGURATOR,
        ("Vault", "setPauses"): Role.PAUSER,
        ("Vault", "askRouterUntil"): Role.ROUTER,
        ("RiskConfigurator", "setProtocol"): Role.GOVERNOR,
        ("RiskConfigurator", "listAsset"): Role.GOVERNOR,
        ("RiskConfigurator", "setAsset"): Role.PARAMETERS,
        ("OracleRouter", "replace"): Role.GOVERNOR,
        ("OracleRouter", "activate"): Role.GOVERNOR,
        ("OracleRouter", "setJumpBound"): Role.GOVERNOR,
        ("OracleRouter", "freeze"): Role.GUARDIAN,
        ("OracleRouter", "confirmFreeze"): Role.CONFIRMER,
        ("OracleRouter", "unfreeze"): Role.CONFIRMER,
        ("RiskSteward", "anchor"): Role.GOVERNOR,
        ("RiskSteward", "step"): Role.STEWARD,
        ("PauseGuardian", "pause"): Role.GUARDIAN,
        ("PauseGuardian", "confirmPause"): Role.CONFIRMER,
        ("PauseGuardian", "unpause"): Role.CONFIRMER,
    }
)
"""Every restricted function of every contract, and who may call it."""


def abi_name(contract: str) -> str:
    """Whose ABI has a contract's functions: the Vault's code is in two halves, its interface is whole."""
    return "IVault" if contract == "Vault" else contract


# Not who may call them (AccessManager keeps that to the admin) but whose guardian may cancel them once they are
# scheduled. Taking a role away is not among them: no canceller can keep itself, or a stolen key, in office.
VETOED_BY_CANCELLER = (
    "grantRole",
    "labelRole",
    "setGrantDelay",
    "setRoleAdmin",
    "setRoleGuardian",
    "setTargetAdminDelay",
    "setTargetClosed",
    "setTargetFunctionRole",
    "updateAuthority",
)

GUARDED_BY_CANCELLER = (Role.GOVERNOR, Role.PARAMETERS, Role.CONFIRMER)

# What the deployer holds, without delay, until the handover.
DEPLOYER_ROLES = (Role.ADMIN, Role.GUARDIAN, Role.GOVERNOR, Role.PARAMETERS, Role.CONFIRMER)


@dataclass(frozen=True)
class RoleHolders:
    """The parties that have a role from the start; the governor comes with the handover."""

    guardian: str
    steward: str
    canceller: str

    def grants(self) -> Iterator[tuple[Role, str]]:
        yield Role.GUARDIAN, self.guardian
        yield Role.STEWARD, self.steward
        yield Role.CANCELLER, self.canceller


def contract_roles(contracts: Mapping[str, str]) -> Iterator[tuple[Role, str]]:
    """Roles that our own contracts hold, by address."""
    yield Role.CONFIGURATOR, contracts["RiskConfigurator"]
    yield Role.PARAMETERS, contracts["RiskSteward"]
    yield Role.PAUSER, contracts["PauseGuardian"]
    yield Role.ROUTER, contracts["OracleRouter"]


def governor_roles(delay: int, confirm_delay: int) -> dict[Role, int]:
    """What the governor holds after the handover, and behind which delay (seconds)."""
    return {Role.ADMIN: delay, Role.GOVERNOR: delay, Role.PARAMETERS: delay, Role.CONFIRMER: confirm_delay}
