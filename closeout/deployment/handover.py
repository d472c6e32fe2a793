"""Everything to the governor, in one transaction: he gets his roles behind their delays, the deployer renounces his.

One transaction, so that there is no moment at which nobody governs, and none at which a forgotten right is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from closeout.chain.deploy import encode_calls
from closeout.chain.roles import DEPLOYER_ROLES, Role, governor_roles
from closeout.toolchain.artifacts import Artifact

from .authority import AuthorityState
from .plan import Plan, Recorder
from .protocol import Blueprint

__all__ = ["draw_handover", "holdings_of"]


def draw_handover(blueprint: Blueprint, deployer: str, artifacts: Mapping[str, Artifact]) -> Plan:
    """The handover as a plan of one step."""
    recorder = Recorder(deployer, artifacts, "")
    calls = encode_calls(artifacts, "Authority", _calls(blueprint, deployer))
    recorder.transact("Authority", blueprint.deployment["Authority"], "multicall", calls)
    return recorder.plan()


def _calls(blueprint: Blueprint, deployer: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    governor = blueprint.config.content.roles.governor
    for role, delay in governor_roles(governor.delay, governor.confirm_delay).items():
        yield "grantRole", (role, governor.address, delay)
    # the admin's right goes last: it is what gives the others away
    for role in sorted(DEPLOYER_ROLES, key=lambda role: role == Role.ADMIN):
        yield "renounceRole", (role, deployer)


def holdings_of(account: str, state: AuthorityState) -> list[str]:
    """What an account can still do, by role, delay or a call that waits; empty where it holds nothing."""
    held = [f"role {Role(role).name if role in set(Role) else role}" for role in state.roles_of(account)]
    held += [f"a scheduled call of {item.target}" for item in state.operations if item.caller == account.lower()]
    return held
