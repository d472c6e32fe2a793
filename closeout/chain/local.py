"""Transactions on a local chain with manual mining: sent raw, from any address, mined when we say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_utils.address import to_checksum_address

from closeout.chain.abi import ContractAbi, Revert
from closeout.chain.rpc import IpcClient, RpcError
from closeout.errors import NodeError
from closeout.toolchain.artifacts import Artifact

__all__ = ["Contract", "LocalChain", "Refused"]

# Far above any transaction here; a fixed limit spares an estimate per transaction.
GAS = 30_000_000
RICH = hex(10**30)


class Refused(NodeError):
    """A transaction that was expected to pass reverted."""

    def __init__(self, what: str, revert: Revert) -> None:
        super().__init__(f"{what}: reverted with {revert.name or revert.data}{revert.arguments or ''}")
        self.revert = revert


class LocalChain:
    """Sends, mines and reads. Every transaction has a fixed gas limit and costs nothing."""

    def __init__(self, rpc: IpcClient, artifacts: dict[str, Artifact]) -> None:
        self.rpc = rpc
        self.artifacts = artifacts
        self.errors = ContractAbi(*artifacts.values())
        self._nonces: dict[str, int] = {}

    def send(self, sender: str, to: str | None, data: str) -> str:
        """Queues a transaction and returns its hash; `mine` executes what is queued, in order."""
        if sender not in self._nonces:
            self.rpc.call("anvil_setBalance", sender, RICH)
            self._nonces[sender] = int(self.rpc.call("eth_getTransactionCount", sender, "latest"), 16)
        nonce = self._nonces[sender]
        self._nonces[sender] = nonce + 1
        transaction = {"from": sender, "data": data, "gas": hex(GAS), "gasPrice": "0x0", "nonce": hex(nonce)}
        if to is not None:
            transaction["to"] = to
        return str(self.rpc.call("eth_sendTransaction", transaction))

    def mine(self, timestamp: int) -> None:
        """Executes what is queued, in a block of that time; several blocks may have the same one."""
        self.rpc.call("evm_setNextBlockTimestamp", timestamp)
        self.rpc.call("evm_mine")

    def receipts(self, hashes: Sequence[str]) -> list[dict[str, Any]]:
        return self.rpc.call_many([("eth_getTransactionReceipt", [item]) for item in hashes])

    def call(self, to: str, data: str, sender: str | None = None) -> str:
        """`eth_call` on the latest state. Raises RpcError with the revert data where it reverts."""
        transaction = {"to": to, "data": data, "gas": hex(GAS)} | ({"from": sender} if sender else {})
        return str(self.rpc.call("eth_call", transaction, "latest"))

    def revert_of(self, sender: str, to: str, data: str) -> Revert:
        """Why a call reverts on the latest state: what a transaction that failed and changed nothing failed with."""
        try:
            self.call(to, data, sender)
        except RpcError as error:
            return self.errors.decode_revert(error.data)
        return Revert("", (), "0x")

    def deploy(self, name: str, *arguments: Any, sender: str, timestamp: int) -> Contract:
        """Deploys an artifact in a block of its own."""
        artifact = self.artifacts[name]
        code = artifact.bytecode + ContractAbi(artifact).constructor(*arguments)
        receipt = self._settle(f"deploying {name}", sender, None, code, timestamp)
        return Contract(self, to_checksum_address(receipt["contractAddress"]), artifact)

    def at(self, name: str, address: str) -> Contract:
        return Contract(self, address, self.artifacts[name])

    def _settle(self, what: str, sender: str, to: str | None, data: str, timestamp: int) -> dict[str, Any]:
        transaction = self.send(sender, to, data)
        self.mine(timestamp)
        receipt = self.receipts([transaction])[0]
        if receipt is None or int(receipt["status"], 16) != 1:
            raise Refused(what, self.revert_of(sender, to, data) if to else Revert("", (), "0x"))
        return receipt

    def transact(
        self, contract: Contract, function: str, *arguments: Any, sender: str, timestamp: int
    ) -> dict[str, Any]:
        """One transaction in a block of its own. Raises Refused where it reverts."""
        data = contract.encode(function, *arguments)
        return self._settle(f"{contract.name}.{function}", sender, contract.address, data, timestamp)


class Contract:
    """An address with an ABI."""

    def __init__(self, chain: LocalChain, address: str, artifact: Artifact) -> None:
        self.address = address
        self.name = artifact.name
        self.abi = ContractAbi(artifact)
        self._chain = chain

    def encode(self, function: str, *arguments: Any) -> str:
        return self.abi.functions[function].encode(*arguments)

    def read(self, function: str, *arguments: Any) -> Any:
        """A view, on the latest state."""
        return self.abi.functions[function].decode(self._chain.call(self.address, self.encode(function, *arguments)))
