"""The whole plan on a fork of the network, before it is done in earnest: whether it works, and what it costs."""

from __future__ import annotations

from typing import Any

from closeout.chain.abi import ContractAbi
from closeout.chain.anvil import Anvil
from closeout.chain.rpc import RpcError

from .journal import Mined
from .ports import Rpc
from .sending import MOST_GAS, TransactionFailed, reason

__all__ = ["ForkSender", "fork_of", "fork_options"]

RICH = hex(10**24)
# one block after the other, as far apart as the slowest of our chains makes them
BLOCK_SECONDS = 12


def fork_of(uri: str, chain_id: int) -> Anvil:
    """A chain of our own that starts where the network stands. Nothing of it is kept."""
    return Anvil(chain_id=chain_id, extra=fork_options(uri))


def fork_options(uri: str) -> tuple[str, ...]:
    """Anvil's options for a fork of a node that may be slow."""
    # cached on disk, a fork would be taken for another one of the same chain and block
    return ("--fork-url", uri, "--no-storage-caching", "--timeout", "60000", "--retries", "10")


class ForkSender:
    """The `Sender` of a rehearsal: from any address without its key, a block per transaction."""

    def __init__(self, rpc: Rpc, address: str, errors: ContractAbi | None = None) -> None:
        self.address, self._errors = address, errors
        self.rpc = rpc
        self.rpc.call("anvil_setBalance", address, RICH)

    def ask(self, method: str, *params: Any) -> Any:
        return self.rpc.call(method, *params)

    def seen(self, step: str) -> Mined | None:  # noqa: ARG002 - a fork remembers nothing
        return None

    def finish(self, step: str) -> Mined | None:  # noqa: ARG002
        return None

    def await_confirmations(self, block: int, confirmations: int) -> None:
        """A fork does not reorganise."""

    def await_code(self, address: str) -> None:
        """Raises TransactionFailed where there is no contract after the next block."""
        self.mine()
        if self.ask("eth_getCode", address, "latest") == "0x":
            raise TransactionFailed(f"{address}: no contract there")

    def mine(self, seconds: int = BLOCK_SECONDS) -> None:
        """The next block, so much later."""
        latest = int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        self.ask("evm_setNextBlockTimestamp", latest + seconds)
        self.ask("evm_mine")

    def send(self, step: str, to: str, data: str, value: int = 0) -> Mined:
        request = {"from": self.address, "to": to, "data": data, "value": hex(value), "gas": hex(MOST_GAS)}
        transaction = self.ask("eth_sendTransaction", request | {"gasPrice": "0x0"})
        self.mine()
        receipt = self.ask("eth_getTransactionReceipt", transaction)
        if int(receipt["status"], 16) != 1:
            try:
                self.ask("eth_call", request, "latest")
            except RpcError as error:
                raise TransactionFailed(f"{step}: would revert ({reason(error, self._errors)})") from None
            raise TransactionFailed(f"{step}: would revert")
        return Mined(step, transaction, int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16))
