"""The sender's node: facts, simulations and broadcasts over JSON-RPC. See `closeout.keeper.sending.SendingNode`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from eth_utils.address import to_checksum_address

from closeout.chain.abi import ContractAbi, decode
from closeout.chain.reader import block_of
from closeout.chain.rpc import RpcError, understood
from closeout.errors import NodeError
from closeout.keeper.breaker import Spending
from closeout.keeper.nonces import Facts, Inclusion
from closeout.keeper.ports import Block
from closeout.keeper.sending import Simulation, Verdict, Worth
from closeout.toolchain.artifacts import Artifact

__all__ = ["NodeSender", "SendingRpc", "verdict_of"]

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
ERROR_STRING, PANIC = "08c379a0", "4e487b71"
# What a node's call is allowed to burn in all, on the most common client; and a block of that, well below any chain's.
MOST_SIMULATED_GAS = 40_000_000
# How long a private relay may try to place a transaction.
RELAY_BLOCKS = 25
METHOD_MISSING = (-32601, -32602)

# What clients say, in lower case; the first that fits decides.
SAYINGS = (
    (Verdict.KNOWN, ("already known", "alreadyknown", "known transaction", "already imported")),
    (Verdict.NONCE_USED, ("nonce too low", "oldnonce", "nonce is too low")),
    (Verdict.UNDERPRICED, ("underpriced", "replacementnotallowed", "could not replace", "fee too low", "feetoolow")),
    (Verdict.NO_FUNDS, ("insufficient funds", "insufficientfunds", "insufficient balance")),
)


class SendingRpc(Protocol):
    """JSON-RPC; see `closeout.chain.http.HttpClient`."""

    def call(self, method: str, *params: Any) -> Any: ...

    def answers(self, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]: ...


class NodeSender:
    """`relay`: a private relay's JSON-RPC, where there is one."""

    def __init__(self, rpc: SendingRpc, artifacts: Mapping[str, Artifact], relay: SendingRpc | None = None) -> None:
        self._rpc, self._relay = rpc, relay
        self._errors = ContractAbi(*(artifact for artifact in artifacts.values() if artifact.abi))
        self._can_simulate = True
        self._head = 0

    # ---------------------------------------------------------------------------------------------------------- facts

    def facts(self, owner: str, hashes: Sequence[str], worth: Worth) -> Facts:
        head = _block(self._rpc.call("eth_getBlockByNumber", "latest", False))
        self._head = head.number
        asked: list[tuple[str, Sequence[Any]]] = [
            ("eth_getTransactionCount", (owner, {"blockHash": head.hash, "requireCanonical": True})),
            ("eth_getTransactionCount", (owner, "pending")),
        ]
        asked += [("eth_getTransactionReceipt", (item,)) for item in hashes]
        nonce, pending, *receipts = _all(self._rpc.answers(asked))
        inclusions = {}
        with understood("eth_getTransactionReceipt"):
            for hash_, receipt in zip(hashes, receipts, strict=True):
                # one of a block behind the head that we asked about is the next question's
                if receipt is not None and int(receipt["blockNumber"], 16) <= head.number:
                    inclusions[hash_] = self._inclusion(owner, receipt, worth)
            return Facts(head, int(nonce, 16), int(pending, 16), inclusions)

    def _inclusion(self, owner: str, receipt: Mapping[str, Any], worth: Worth) -> Inclusion:
        number = int(receipt["blockNumber"], 16)
        is_success = int(receipt["status"], 16) == 1
        gas = int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16) + int(receipt.get("l1Fee", "0x0"), 16)
        net = _flow(owner, receipt["logs"], worth) - worth.of_gas(gas)
        spent = Spending(gas, net, is_failed=not is_success)
        return Inclusion(
            receipt["transactionHash"], number, receipt["blockHash"], self._time(receipt), is_success, spent
        )

    def _time(self, receipt: Mapping[str, Any]) -> int:
        for log in receipt["logs"]:
            if "blockTimestamp" in log:
                return int(log["blockTimestamp"], 16)
        return _block(self._rpc.call("eth_getBlockByHash", receipt["blockHash"], False)).timestamp

    # ------------------------------------------------------------------------------------------------------ simulation

    def simulate(self, owner: str, calls: Sequence[tuple[str, str, int]], worth: Worth) -> Sequence[Simulation]:
        found: list[Simulation] = []
        for part in _parts(calls):
            found += self._simulate_part(owner, part, worth)
        return found

    def _simulate_part(self, owner: str, calls: Sequence[tuple[str, str, int]], worth: Worth) -> Sequence[Simulation]:
        requests = [
            {"from": owner, "to": to_checksum_address(to), "data": data, "gas": hex(gas)} for to, data, gas in calls
        ]
        if self._can_simulate:
            try:
                blocks = self._rpc.call(
                    "eth_simulateV1", {"blockStateCalls": [{"calls": requests}], "validation": False}, "latest"
                )
            except RpcError as error:
                if error.code not in METHOD_MISSING:
                    raise
                self._can_simulate = False
            else:
                with understood("eth_simulateV1"):
                    found = [self._simulated(owner, item, worth) for item in blocks[0]["calls"]]
                    if len(found) == len(calls):
                        return found
                raise NodeError(f"eth_simulateV1: {len(found)} answers to {len(calls)} calls")
        # each on its own: what those before it change is not seen, and what it earns is not told
        answers = self._rpc.answers([("eth_estimateGas", (request, "latest")) for request in requests])
        return [
            Simulation(*self._decoded(answer.data)) if isinstance(answer, RpcError)
            else Simulation(gas_used=int(answer, 16))
            for answer in answers
        ]  # fmt: skip

    def _simulated(self, owner: str, item: Mapping[str, Any], worth: Worth) -> Simulation:
        gas = int(item["gasUsed"], 16)
        if int(item["status"], 16) == 1:
            return Simulation(gas_used=gas, earned_wad=_flow(owner, item["logs"], worth))
        data = item.get("error", {}).get("data") or item.get("returnData") or "0x"
        name, arguments = self._decoded(data)
        return Simulation(name if data != "0x" else item.get("error", {}).get("message") or name, arguments, gas)

    def _decoded(self, data: str | None) -> tuple[str, tuple[Any, ...]]:
        revert = self._errors.decode_revert(data)
        if revert.name:
            return revert.name, revert.arguments
        raw = revert.data[2:]
        for selector, kind, name in ((ERROR_STRING, "string", "Error"), (PANIC, "uint256", "Panic")):
            if raw[:8] == selector:
                return name, decode([kind], bytes.fromhex(raw[8:]))
        return (revert.data[:10] if raw else "reverted without a reason"), ()

    def tip(self) -> int:
        try:
            return int(self._rpc.call("eth_maxPriorityFeePerGas"), 16)
        except RpcError:
            return 0

    # --------------------------------------------------------------------------------------------------------- sending

    def broadcast(self, raw: str, is_private: bool) -> Verdict:
        try:
            if is_private and self._relay is not None:
                until = hex(self._head + RELAY_BLOCKS)
                self._relay.call("eth_sendPrivateTransaction", {"tx": raw, "maxBlockNumber": until})
            else:
                self._rpc.call("eth_sendRawTransaction", raw)
        except RpcError as error:
            return verdict_of(str(error))
        except NodeError:
            return Verdict.UNREACHABLE
        return Verdict.ACCEPTED

    def withdraw(self, hash_: str) -> None:
        if self._relay is not None:
            try:
                self._relay.call("eth_cancelPrivateTransaction", {"txHash": hash_})
            except NodeError:
                return


def verdict_of(message: str) -> Verdict:
    """What a client means by an error of eth_sendRawTransaction."""
    text = message.lower()
    for verdict, sayings in SAYINGS:
        if any(saying in text for saying in sayings):
            return verdict
    return Verdict.REFUSED


def _parts(calls: Sequence[tuple[str, str, int]]) -> list[list[tuple[str, str, int]]]:
    """In order, each part within what a node lets a call burn."""
    parts: list[list[tuple[str, str, int]]] = []
    gas = MOST_SIMULATED_GAS + 1
    for call in calls:
        if gas + call[2] > MOST_SIMULATED_GAS:
            parts.append([])
            gas = 0
        parts[-1].append(call)
        gas += call[2]
    return parts


def _flow(owner: str, logs: Sequence[Mapping[str, Any]], worth: Worth) -> int:
    """WAD USD of the tokens that reach an owner, less those that leave him."""
    mine = owner.lower()[2:].rjust(64, "0")
    total = 0
    for log in logs:
        topics = log["topics"]
        if len(topics) == 3 and topics[0] == TRANSFER:
            units = int(log["data"], 16)
            sender, receiver = topics[1][2:] == mine, topics[2][2:] == mine
            if receiver and not sender:
                total += worth.of(log["address"], units)
            elif sender and not receiver:
                total -= worth.of(log["address"], units)
    return total


def _block(found: Mapping[str, Any] | None) -> Block:
    if found is None:
        raise NodeError("the node does not know a block that it named")
    return block_of(found)


def _all(answers: Sequence[Any]) -> Sequence[Any]:
    for answer in answers:
        if isinstance(answer, RpcError):
            raise answer
    return answers
