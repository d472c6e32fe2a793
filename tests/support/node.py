"""A chain of the test's own: contracts called by name, reverts as decoded errors, and a snapshot to go back to.

Half a millisecond per transaction: raw JSON-RPC over a Unix socket, one block per transaction, mined when we say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import decode
from eth_utils.crypto import keccak

from closeout.chain.abi import ContractAbi, Event, Function
from closeout.chain.rpc import IpcClient, RpcError
from closeout.toolchain.artifacts import Artifact

__all__ = ["Deployed", "Log", "Node", "Receipt", "Reverted", "actor", "reverts"]

GAS = 30_000_000
# Solidity's own errors, and those that Solady's libraries raise without declaring them in the ABI of who uses them.
OTHER_ERRORS = {
    "Error": ["string"],
    "Panic": ["uint256"],
    "TransferFailed": [],
    "TransferFromFailed": [],
    "ApproveFailed": [],
    "Overflow": [],
    "FullMulDivFailed": [],
    "MulDivFailed": [],
    "DivFailed": [],
    "ExpOverflow": [],
    "DeploymentFailed": [],
    "InvalidPointer": [],
}


def actor(role: str) -> str:
    """An address that stands for a role, in lower case, as decoded addresses are."""
    return "0x" + keccak(text=f"closeout test: {role}")[:20].hex()


class Reverted(Exception):
    """A call reverted. `name` is "" where the revert data fits no error that is known."""

    def __init__(self, call: str, name: str, arguments: tuple[Any, ...], data: str) -> None:
        super().__init__(f"{call} reverted with {name or data}{arguments if name else ''}")
        self.name, self.arguments, self.data = name, arguments, data


@contextmanager
def reverts(name: str, *arguments: Any) -> Iterator[None]:
    """The one call inside reverts with that custom error, and with exactly these arguments; "" stands for no data.

    `...` as the only argument accepts any arguments: for errors whose figures another test pins down.
    """
    try:
        yield
    except Reverted as revert:
        assert revert.name == name, f"expected {name}{arguments}: {revert}"
        if name == "":
            assert revert.data == "0x", str(revert)
        elif arguments != (...,):
            assert revert.arguments == arguments, f"expected {name}{arguments}: {revert}"
    else:
        raise AssertionError(f"expected a revert with {name}{arguments}, and nothing reverted")


@dataclass(frozen=True)
class Log:
    """One decoded event; values by the names of the declaration, time of its block."""

    name: str
    emitter: str
    values: Mapping[str, Any]
    time: int = 0


@dataclass(frozen=True)
class Receipt:
    """What a transaction left."""

    gas: int
    logs: list[Log] = field(repr=False)

    def events(self, name: str) -> list[Mapping[str, Any]]:
        return [log.values for log in self.logs if log.name == name]

    def event(self, name: str) -> Mapping[str, Any]:
        """The values of the only event of that name."""
        found = self.events(name)
        assert len(found) == 1, f"expected one {name}, found {len(found)} in {[log.name for log in self.logs]}"
        return found[0]


class Method:
    """One function of a contract. Called, it reads (view, pure) or sends a transaction."""

    def __init__(self, contract: Deployed, function: Function, is_view: bool) -> None:
        self._contract, self._function, self._is_view = contract, function, is_view

    def data(self, *arguments: Any) -> bytes:
        """Calldata."""
        return bytes.fromhex(self._function.encode(*(_plain(value) for value in arguments))[2:])

    def __call__(self, *arguments: Any, sender: str | Deployed | None = None) -> Any:
        if self._is_view:
            return self.ask(*arguments, sender=sender)
        if sender is None:
            raise TypeError(f"{self._function.name} sends a transaction: who is the sender?")
        node, contract = self._contract.node, self._contract
        return node.transact(
            _plain(sender), contract.address, self.data(*arguments), f"{contract}.{self._function.name}"
        )

    def ask(self, *arguments: Any, sender: str | Deployed | None = None) -> Any:
        """What the call would return now; changes nothing."""
        node, contract = self._contract.node, self._contract
        name = f"{contract}.{self._function.name}"
        answer = node.call(_plain(sender), contract.address, self.data(*arguments), name)
        return self._function.decode("0x" + answer.hex()) if self._function.has_outputs else None


class _Function(Function):
    def __init__(self, entry: dict[str, Any]) -> None:
        super().__init__(entry)
        self.has_outputs = bool(entry["outputs"])


class Deployed:
    """A contract at an address; its functions are attributes."""

    def __init__(self, node: Node, artifact: Artifact, address: str) -> None:
        self.node, self.address, self.name = node, address, artifact.name
        self._methods = {
            entry["name"]: Method(self, _Function(entry), entry["stateMutability"] in ("view", "pure"))
            for entry in artifact.abi
            if entry["type"] == "function"
        }

    def __getattr__(self, name: str) -> Method:
        try:
            return self.__dict__["_methods"][name]
        except KeyError:
            raise AttributeError(f"{self.__dict__.get('name')} has no function {name}") from None

    @property
    def methods(self) -> Mapping[str, Method]:
        return self._methods

    def __str__(self) -> str:
        return self.name


class Node:
    """The chain. `now` is the timestamp of every block until it is set anew; it never goes back."""

    def __init__(self, rpc: IpcClient, artifacts: dict[str, Artifact], now: int) -> None:
        self.rpc, self.artifacts, self.now = rpc, artifacts, now
        abi = ContractAbi(*artifacts.values())
        self._events: dict[str, Event] = abi.events
        self._errors = {
            keccak(text=f"{name}({','.join(types)})")[:4].hex(): (name, types) for name, types in OTHER_ERRORS.items()
        }
        self._decode_revert: Callable[[str | None], Any] = abi.decode_revert
        self._sent = 0
        # every event since the chain began, in order, less what was rolled back
        self.journal: list[Log] = []

    # -------------------------------------------------------------------------------------------------------- blocks

    def set_time(self, timestamp: int) -> None:
        """Mines an empty block of that time: what is read or sent from now on sees it."""
        self.now = timestamp
        self._mine()

    def _mine(self) -> None:
        # one after the other: the node works on requests that arrive together at the same time
        self.rpc.call("evm_setNextBlockTimestamp", self.now)
        self.rpc.call("evm_mine")

    @contextmanager
    def rolled_back(self) -> Iterator[None]:
        """What happens inside is undone. A snapshot is gone once it was reverted to: each use takes a fresh one."""
        snapshot, now, events = self.rpc.call("evm_snapshot"), self.now, len(self.journal)
        try:
            yield
        finally:
            assert self.rpc.call("evm_revert", snapshot) is True
            self.now = now
            del self.journal[events:]

    # --------------------------------------------------------------------------------------------------------- calls

    def transact(self, sender: str, to: str | None, data: bytes, name: str = "call") -> Receipt:
        """One transaction in a block of its own. Raises Reverted."""
        receipt = self._mined(sender, to, data)
        if int(receipt["status"], 16) != 1:
            if to is not None:
                self.call(sender, to, data, name)
            raise AssertionError(f"{name}: the transaction failed, and the same call on the state it left does not")
        logs = [self._log(log) for log in receipt["logs"]]
        self.journal += logs
        return Receipt(int(receipt["gasUsed"], 16), logs)

    def _mined(self, sender: str, to: str | None, data: bytes) -> dict[str, Any]:
        # a hash must never come twice: after going back to a snapshot the node would take it for known
        self._sent += 1
        transaction = {
            "from": sender,
            "data": "0x" + data.hex(),
            "gas": hex(GAS + self._sent % 1_000_000),
            "gasPrice": "0x0",
        }
        if to is not None:
            transaction["to"] = to
        self.rpc.call("eth_sendTransaction", transaction)
        self._mine()
        receipts = self.rpc.call("eth_getBlockReceipts", "latest")
        assert len(receipts) == 1, f"expected one transaction in the block, found {len(receipts)}"
        return receipts[0]

    def call(self, sender: str | None, to: str, data: bytes, name: str = "call") -> bytes:
        """A call on the latest state. Raises Reverted."""
        request = {"to": to, "data": "0x" + data.hex(), "gas": hex(GAS)} | ({"from": sender} if sender else {})
        try:
            return bytes.fromhex(self.rpc.call("eth_call", request, "latest")[2:])
        except RpcError as error:
            raise self.decode_revert(error.data or "0x", name) from None

    def decode_revert(self, data: str, call: str = "call") -> Reverted:
        """Revert data as an exception."""
        revert = self._decode_revert(data)
        if revert.name:
            return Reverted(call, revert.name, revert.arguments, data)
        name, types = self._errors.get(data[2:10], ("", []))
        arguments = decode(types, bytes.fromhex(data[10:])) if name else ()
        return Reverted(call, name, tuple(arguments), data)

    def _log(self, log: dict[str, Any]) -> Log:
        event = self._events.get(log["topics"][0]) if log["topics"] else None
        if event is None:
            return Log("", log["address"], {"data": log["data"]}, self.now)
        return Log(event.name, log["address"], dict(zip(event.fields, event.decode(log), strict=True)), self.now)

    # ----------------------------------------------------------------------------------------------------- contracts

    def deploy(self, name: str, *arguments: Any, sender: str) -> Deployed:
        """Deploys an artifact. Raises Reverted where its constructor does."""
        artifact = self.artifacts[name]
        code = artifact.bytecode + ContractAbi(artifact).constructor(*(_plain(value) for value in arguments))
        receipt = self._mined(sender, None, bytes.fromhex(code[2:]))
        if int(receipt["status"], 16) != 1:
            try:
                self.rpc.call("eth_call", {"from": sender, "data": code, "gas": hex(GAS)}, "latest")
            except RpcError as error:
                raise self.decode_revert(error.data or "0x", f"deploying {name}") from None
        self.journal += [self._log(log) for log in receipt["logs"]]
        return self.at(name, receipt["contractAddress"])

    def at(self, name: str, address: str) -> Deployed:
        return Deployed(self, self.artifacts[name], address.lower())


def _plain(value: Any) -> Any:
    """A contract stands for its address, also inside structs and arrays."""
    if isinstance(value, Deployed):
        return value.address
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value) if type(value) in (list, tuple) else value
    return value
