"""Histories as ordinary transactions: one block each, mined when we say, rolled back at the end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from closeout.chain.rpc import IpcClient, RpcError
from tests.differential.pairs import Witness
from tests.differential.plays import Step
from tests.differential.simulation import Call, Outcome
from tests.stateful.stage import Stage

GAS = 100_000_000


def mined(stage: Stage, steps: Sequence[Step]) -> list[Witness]:
    """What the chain makes of each step: what `Pair.witnessed` tells, from receipts and calls on the latest block."""
    node = stage.world.node
    with node.rolled_back():
        miner = _Miner(node.rpc)
        return [_witness(stage, miner, step) for step in steps]


def _witness(stage: Stage, miner: _Miner, step: Step) -> Witness:
    miner.turn_to(step.time)
    before = [miner.ask(call) for call in stage.ahead(step)]
    for move in step.move.before:
        assert miner.send(stage.call(move)).is_done, f"{move}: cannot be prepared"
    answer = miner.send(stage.call(step.move))
    if step.refusal is not None:
        # what is refused changes nothing
        return Witness(answer, None, before)
    return Witness(answer, miner.ask(stage.look), before, [miner.ask(call) for call in stage.behind(step)])


class _Miner:
    def __init__(self, rpc: IpcClient) -> None:
        self._rpc = rpc
        self._time = 0
        self._sent = 0

    def turn_to(self, time: int) -> None:
        """An empty block of that time, so that calls see it."""
        if time != self._time:
            self._time = time
            self._mine()

    def ask(self, call: Call) -> Outcome:
        """What a call would come to on the latest block."""
        request = {"from": call.sender, "to": call.to, "data": call.data, "gas": hex(GAS)}
        try:
            return Outcome(True, self._rpc.call("eth_call", request, "latest"), 0, [])
        except RpcError as error:
            return Outcome(False, error.data or "0x", 0, [])

    def send(self, call: Call) -> Outcome:
        """A transaction in a block of its own. Its answer is that of the same call just before it."""
        expected = self.ask(call)
        # a hash must never come twice: see tests/support/node.py
        self._sent += 1
        transaction = {
            "from": call.sender,
            "to": call.to,
            "data": call.data,
            "gas": hex(GAS + self._sent),
            "gasPrice": "0x0",
        }
        self._rpc.call("eth_sendTransaction", transaction)
        self._mine()
        [receipt] = self._rpc.call("eth_getBlockReceipts", "latest")
        is_done = receipt["status"] == "0x1"
        assert is_done == expected.is_done, f"{call}: the transaction and the call before it differ"
        return Outcome(is_done, expected.data, int(receipt["gasUsed"], 16), _lowered(receipt["logs"]))

    def _mine(self) -> None:
        self._rpc.call("evm_setNextBlockTimestamp", self._time)
        self._rpc.call("evm_mine")


def _lowered(logs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [log | {"address": log["address"].lower()} for log in logs]
