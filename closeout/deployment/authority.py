"""What the Authority says, whole: every role's holders, every wired function, every scheduled operation.

An AccessManager cannot be asked for its members: they are found in its events and then read from its state.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from closeout.chain.abi import Event
from closeout.chain.roles import Role
from closeout.chain.rpc import RpcError

from .effects import Reader
from .ports import Rpc

__all__ = ["AuthorityState", "Operation", "read_authority"]

# What public nodes answer in one go.
LOG_BLOCKS = 10_000


@dataclass(frozen=True)
class Operation:
    """A call that is scheduled and neither executed nor cancelled."""

    id: str
    nonce: int
    when: int
    caller: str
    target: str
    data: bytes


@dataclass
class AuthorityState:
    """Addresses in lower case."""

    holders: dict[int, dict[str, int]] = field(default_factory=dict)  # role → account → execution delay
    pending_delays: list[tuple[int, str, int, int]] = field(default_factory=list)  # role, account, delay, effect
    wiring: dict[tuple[str, bytes], int] = field(default_factory=dict)  # target, selector → role
    closed: set[str] = field(default_factory=set)
    admin_delays: dict[str, int] = field(default_factory=dict)
    role_admins: dict[int, int] = field(default_factory=dict)
    role_guardians: dict[int, int] = field(default_factory=dict)
    grant_delays: dict[int, int] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)

    def roles_of(self, account: str) -> list[int]:
        """The roles that an account has, or will have."""
        return sorted(role for role, holders in self.holders.items() if account.lower() in holders)


def read_authority(rpc: Rpc, reader: Reader, address: str, since: int) -> AuthorityState:
    """The state of the Authority that was deployed in block `since`."""
    state = AuthorityState()
    candidates: dict[int, set[str]] = {int(role): set() for role in Role}
    scheduled: dict[str, Operation] = {}
    wired: set[tuple[str, bytes]] = set()
    targets: set[str] = set()
    for event, values in _events(rpc, reader.abi("Authority").events, address, since):
        if event == "RoleGranted":
            candidates.setdefault(values["roleId"], set()).add(values["account"])
        elif event == "TargetFunctionRoleUpdated":
            wired.add((values["target"], values["selector"]))
        elif event in ("TargetClosed", "TargetAdminDelayUpdated"):
            targets.add(values["target"])
        elif event in ("RoleAdminChanged", "RoleGuardianChanged", "RoleGrantDelayChanged"):
            candidates.setdefault(values["roleId"], set())
        elif event == "OperationScheduled":
            operation = "0x" + values["operationId"].hex()
            scheduled[operation] = Operation(
                operation, values["nonce"], values["schedule"], values["caller"], values["target"], values["data"]
            )
        elif event in ("OperationExecuted", "OperationCanceled"):
            scheduled.pop("0x" + values["operationId"].hex(), None)

    def read(function: str, *arguments: Any) -> Any:
        return reader.read("Authority", address, function, *arguments)

    for role, accounts in sorted(candidates.items()):
        state.role_admins[role] = read("getRoleAdmin", role)
        state.role_guardians[role] = read("getRoleGuardian", role)
        state.grant_delays[role] = read("getRoleGrantDelay", role)
        for account in sorted(accounts):
            member_since, delay, pending, effect = read("getAccess", role, account)
            if member_since != 0:
                state.holders.setdefault(role, {})[account] = delay
                if effect != 0:
                    state.pending_delays.append((role, account, pending, effect))
    state.wiring = {key: read("getTargetFunctionRole", *key) for key in sorted(wired)}
    state.closed = {target for target in targets if read("isTargetClosed", target)}
    state.admin_delays = {target: read("getTargetAdminDelay", target) for target in sorted(targets)}
    # what expired can be scheduled again and cannot be executed
    state.operations = [item for item in scheduled.values() if read("getSchedule", bytes.fromhex(item.id[2:])) != 0]
    return state


def _events(rpc: Rpc, events: Mapping[str, Event], address: str, since: int) -> Iterator[tuple[str, dict[str, Any]]]:
    latest = int(rpc.call("eth_blockNumber"), 16)
    first, width = since, LOG_BLOCKS
    while first <= latest:
        last = min(first + width - 1, latest)
        request = {"address": address, "fromBlock": hex(first), "toBlock": hex(last)}
        try:
            logs = rpc.call("eth_getLogs", request)
        except RpcError:
            # some nodes allow less
            if width == 1:
                raise
            width = max(1, width // 4)
            continue
        for log in logs:
            event = events.get(log["topics"][0])
            if event is not None:
                yield event.name, dict(zip(event.fields, event.decode(log), strict=True))
        first = last + 1
