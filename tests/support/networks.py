"""A chain of our own that plays Sepolia: its chain id, its tokens and feeds at their real addresses, a fixed history.

Blocks are two seconds apart by their timestamps, and come faster than that: what a test waits for is ten times shorter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from closeout.chain.abi import ContractAbi
from closeout.chain.anvil import Anvil
from closeout.chain.http import HttpClient
from closeout.config import NetworkConfig
from closeout.config.amounts import feed_answer
from closeout.config.schema import TEST
from closeout.deployment.effects import Reader
from closeout.deployment.ports import Rpc
from closeout.deployment.rehearsal import fork_options
from closeout.deployment.sending import Patience
from closeout.toolchain.artifacts import Artifact

__all__ = ["BLOCK_SECONDS", "HASTE", "PUBLISHER", "KeySigner", "Testnet", "play_network", "with_references"]

GENESIS = 1_800_000_000
BLOCK_SECONDS = 2
SPEED = 40
# Nothing here waits for a public chain.
HASTE = Patience(poll=0.01, reconnect=20, until_bump=20)
ETHER = 10**18


class KeySigner:
    """A `Signer` with a key of its own."""

    def __init__(self, role: str) -> None:
        self._account: LocalAccount = Account.from_key(Account.create(role).key)

    @property
    def address(self) -> str:
        return self._account.address

    @property
    def key(self) -> str:
        return "0x" + bytes(self._account.key).hex()

    def sign(self, transaction: dict[str, int | str]) -> str:
        return "0x" + bytes(self._account.sign_transaction(transaction).raw_transaction).hex()


class Pulled:
    """A fork that mines no empty blocks by itself: who asks for its height waits for blocks, and gets one."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    def call(self, method: str, *params: Any) -> Any:
        if method == "eth_blockNumber":
            self._rpc.call("evm_mine")
        return self._rpc.call(method, *params)


@dataclass
class Testnet:
    """The chain, by its own socket, and what tests do to it from outside."""

    __test__ = False

    anvil: Anvil
    artifacts: dict[str, Artifact]
    is_real: bool = False

    @property
    def rpc(self) -> Rpc:
        return Pulled(self.anvil.rpc) if self.is_real else self.anvil.rpc

    @property
    def http(self) -> Rpc:
        node = HttpClient([self.anvil.uri])
        return Pulled(node) if self.is_real else node

    def fund(self, address: str) -> None:
        self.rpc.call("anvil_setBalance", address, hex(100 * ETHER))

    def now(self) -> int:
        return int(self.rpc.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def mined(self) -> None:
        """Returns once there are two more blocks."""
        target = int(self.rpc.call("eth_blockNumber"), 16) + 2
        while int(self.rpc.call("eth_blockNumber"), 16) < target:
            time.sleep(0.01)

    def wait(self, seconds: int) -> None:
        """Lets so much time pass on the chain."""
        target = self.now() + seconds
        self.rpc.call("evm_setNextBlockTimestamp", target)
        if self.is_real:
            self.rpc.call("evm_mine")
        while self.now() < target:
            time.sleep(0.01)
        self.rpc.call("anvil_setBlockTimestampInterval", BLOCK_SECONDS)

    def send(self, sender: str, to: str, data: str) -> dict[str, str]:
        """From any address; waits for the receipt, whatever it says."""
        self.fund(sender)
        self.rpc.call("anvil_impersonateAccount", sender)
        hash_ = self.rpc.call("eth_sendTransaction", {"from": sender, "to": to, "data": data, "gas": hex(8_000_000)})
        for _ in range(2000):
            receipt = self.rpc.call("eth_getTransactionReceipt", hash_)
            if receipt is not None:
                return receipt
            time.sleep(0.01)
        raise AssertionError("no receipt")

    def encode(self, contract: str, function: str, *arguments: object) -> str:
        return ContractAbi(self.artifacts[contract]).functions[function].encode(*arguments)

    def selector(self, contract: str, function: str) -> bytes:
        return ContractAbi(self.artifacts[contract]).functions[function].selector

    def read(self, contract: str, address: str, function: str, *arguments: object) -> Any:
        return Reader(self.rpc, self.artifacts).read(contract, address, function, *arguments)

    def call(self, contract: str, address: str, function: str, *arguments: object, sender: str) -> None:
        """A function of one of our contracts, from any address; fails where it reverts."""
        receipt = self.send(sender, address, self.encode(contract, function, *arguments))
        assert receipt["status"] == "0x1", f"{contract}.{function} reverted"

    def publish_prices(self, config: NetworkConfig) -> None:
        """Every feed answers its reference price, now; a real feed becomes one of ours for that."""
        for name, asset in config.content.assets.items():
            if asset.price.chainlink.feed != TEST:
                self.put(asset.price.chainlink.feed, "TestAggregator", asset.price.chainlink.decimals, name)
                answer = feed_answer(asset.price.reference, asset.price.chainlink.decimals, 0)
                self.call("TestAggregator", asset.price.chainlink.feed, "publish", answer, sender=PUBLISHER)

    def put(self, address: str, contract: str, *arguments: object) -> None:
        """The contract's code at the address, as its constructor would leave it; its storage stays as it is."""
        artifact = self.artifacts[contract]
        creation = artifact.bytecode + ContractAbi(artifact).constructor(*arguments)
        self.rpc.call("anvil_setCode", address, self.rpc.call("eth_call", {"data": creation}, "latest"))


PUBLISHER = "0x00000000000000000000000000000000000000a1"


@contextmanager
def play_network(
    config: NetworkConfig, artifacts: dict[str, Artifact], fork_url: str | None = None
) -> Iterator[Testnet]:
    """The chain that `config` is about: with stand-ins for its tokens and feeds, or forked from a real one."""
    start = fork_options(fork_url) if fork_url else ("--timestamp", str(GENESIS))
    # Anvil locks up where a fork mines by itself while it waits for its origin: it mines what it is sent
    block_time = 0 if fork_url else BLOCK_SECONDS / SPEED
    chain_id = config.content.network.chain_id
    with Anvil(chain_id=chain_id, extra=start, block_time=block_time, states=256) as anvil:
        chain = Testnet(anvil, artifacts, is_real=fork_url is not None)
        chain.rpc.call("anvil_setBlockTimestampInterval", BLOCK_SECONDS)
        if not chain.is_real:
            for name, asset in config.content.assets.items():
                if asset.token != TEST:
                    chain.put(asset.token, "TestToken", name, name, asset.decimals)
            chain.publish_prices(config)
        yield chain


def with_references(config: NetworkConfig, chain: Testnet) -> NetworkConfig:
    """The file with the prices that the feeds answer now as its references."""
    reader = Reader(chain.rpc, chain.artifacts)
    assets = {}
    for name, asset in config.content.assets.items():
        answer = reader.read("TestAggregator", asset.price.chainlink.feed, "latestRoundData")[1]
        reference = Decimal(answer).scaleb(-asset.price.chainlink.decimals)
        assets[name] = asset.model_copy(update={"price": asset.price.model_copy(update={"reference": reference})})
    return replace(config, content=config.content.model_copy(update={"assets": assets}))
