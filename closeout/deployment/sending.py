"""One signer's transactions on a public chain: through crashes, lost connections and full blocks, never one twice.

Exactly once, by the nonce: a transaction is journalled before it is broadcast, and whatever replaces it has its nonce.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Self

from eth_utils.crypto import keccak

from closeout.chain.abi import ContractAbi
from closeout.chain.rpc import RpcError
from closeout.errors import CloseoutError, EnvironmentProblem, NodeError

from .journal import Journal, Mined, Signed
from .ports import Rpc, Signer

__all__ = ["Patience", "PersistentRpc", "Sender", "TransactionFailed", "reason"]

# An estimate is for the state of now; the next block's may need a little more.
GAS_MARGIN_PERCENT = 25
# EIP-7825: no transaction may have more.
MOST_GAS = 2**24
# A base fee rises by an eighth a block: twice of it is six full blocks away.
BASE_FEE_FACTOR = 2
LEAST_TIP = 10**8
# Nodes take a replacement only where both fees are a tenth higher.
BUMP_PERCENT = 25


class TransactionFailed(CloseoutError):
    """A transaction that was expected to pass reverted on the chain."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what, in seconds."""

    poll: float = 2.0
    # a dropped connection usually comes back within minutes
    reconnect: float = 300.0
    # a transaction with a fee of its time is mined within a few blocks
    until_bump: float = 120.0
    bumps: int = 5


def reason(error: RpcError, errors: ContractAbi | None) -> str:
    """Why a call reverts: the contract's own error with its figures, where it is one of ours."""
    revert = errors.decode_revert(error.data) if errors is not None else None
    return f"{revert.name}{revert.arguments}" if revert is not None and revert.name else str(error)


class PersistentRpc:
    """A node that is asked again while it does not answer. Raises RpcError where it answers with an error."""

    def __init__(self, rpc: Rpc, patience: Patience) -> None:
        self._rpc, self._patience = rpc, patience

    def call(self, method: str, *params: Any) -> Any:
        """Raises EnvironmentProblem where the node stays away for longer than `patience.reconnect`."""
        deadline = time.monotonic() + self._patience.reconnect
        while True:
            try:
                return self._rpc.call(method, *params)
            except RpcError:
                raise
            except NodeError as error:
                if time.monotonic() > deadline:
                    raise EnvironmentProblem(f"{error}; the same command again goes on from here") from None
                time.sleep(self._patience.poll)


@dataclass(frozen=True)
class _Draft:
    """A transaction before it is signed."""

    step: str
    to: str
    data: str
    value: int
    gas: int
    nonce: int
    tip: int
    fee: int

    def dearer(self) -> _Draft:
        """What replaces it where it is not mined."""
        tip, fee = (amount * (100 + BUMP_PERCENT) // 100 for amount in (self.tip, self.fee))
        return replace(self, tip=tip, fee=fee)


class Sender:
    """Sends for one signer, one transaction after another."""

    def __init__(
        self,
        rpc: Rpc,
        signer: Signer,
        journal: Journal,
        chain_id: int,
        patience: Patience,
        errors: ContractAbi | None = None,
    ) -> None:
        self.rpc, self._signer, self._journal = PersistentRpc(rpc, patience), signer, journal
        self._chain_id, self._patience, self._errors = chain_id, patience, errors

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._journal.close()

    @property
    def address(self) -> str:
        return self._signer.address

    def ask(self, method: str, *params: Any) -> Any:
        """A request that is repeated while the node does not answer. Raises RpcError where it answers with an error."""
        return self.rpc.call(method, *params)

    def seen(self, step: str) -> Mined | None:
        """The transaction by which a step was done, where the journal knows it or an earlier process signed it."""
        mined = self._journal.mined(step)
        if mined is None and (signed := self._journal.signed(step)):
            mined = self._find(step, signed)
        return mined

    def finish(self, step: str) -> Mined | None:
        """Brings to its end what an earlier process signed for a step; None where there is nothing on its way."""
        signed = self._journal.signed(step)
        if not signed:
            return None
        nonce = signed[-1].nonce
        mined = self._find(step, signed)
        if mined is None and self._next_nonce() > nonce:
            # mined between the two questions, or the nonce went to something else and the step was never done
            return self._find(step, signed)
        if mined is None:
            self._broadcast(signed[-1].raw)
            mined = self._wait(step, signed)
        return mined

    def send(self, step: str, to: str, data: str, value: int = 0) -> Mined:
        """One transaction, waited for.

        Raises TransactionFailed where it reverts, EnvironmentProblem where it is not mined in time.
        """
        gas = self._gas(step, to, data, value)
        nonce = self._next_nonce()
        tip, fee = self._fees()
        draft = _Draft(step, to, data, value, gas, nonce, tip, fee)
        return self._wait(step, [self._sign(draft)], draft)

    def await_confirmations(self, block: int, confirmations: int) -> None:
        """Returns once `confirmations` blocks stand on the block."""
        while int(self.ask("eth_blockNumber"), 16) < block + confirmations:
            time.sleep(self._patience.poll)

    def await_code(self, address: str) -> None:
        """Returns once there is a contract. Raises EnvironmentProblem where there is none in time."""
        deadline = time.monotonic() + self._patience.until_bump
        while self.ask("eth_getCode", address, "latest") == "0x":
            if time.monotonic() > deadline:
                raise EnvironmentProblem(f"{address}: no contract there, though its transaction was sent")
            time.sleep(self._patience.poll)

    # ------------------------------------------------------------------------------------------------------- a send

    def _gas(self, step: str, to: str, data: str, value: int) -> int:
        request = {"from": self.address, "to": to, "data": data, "value": hex(value)}
        try:
            estimate = int(self.ask("eth_estimateGas", request), 16)
        except RpcError as error:
            why = reason(error, self._errors)
            raise TransactionFailed(f"{step}: would revert ({why}); nothing was sent") from None
        return min(estimate * (100 + GAS_MARGIN_PERCENT) // 100, MOST_GAS)

    def _fees(self) -> tuple[int, int]:
        base = int(self.ask("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16)
        try:
            tip = int(self.ask("eth_maxPriorityFeePerGas"), 16)
        except RpcError:
            tip = 0
        tip = max(tip, LEAST_TIP)
        return tip, BASE_FEE_FACTOR * base + tip

    def _next_nonce(self) -> int:
        return int(self.ask("eth_getTransactionCount", self.address, "latest"), 16)

    def _sign(self, draft: _Draft) -> Signed:
        raw = self._signer.sign(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": draft.nonce,
                "to": draft.to,
                "value": draft.value,
                "data": draft.data,
                "gas": draft.gas,
                "maxPriorityFeePerGas": draft.tip,
                "maxFeePerGas": draft.fee,
            }
        )
        signed = Signed(draft.step, draft.nonce, "0x" + keccak(hexstr=raw).hex(), raw)
        self._journal.add(signed)
        self._broadcast(raw)
        return signed

    def _broadcast(self, raw: str) -> None:
        try:
            self.ask("eth_sendRawTransaction", raw)
        except RpcError as error:
            # it is there already, or its nonce is used: the receipts tell by which transaction
            known = ("known", "already", "nonce too low", "replacement")
            if not any(word in str(error).lower() for word in known):
                raise EnvironmentProblem(f"the node refuses a transaction: {error}") from None

    def _wait(self, step: str, signed: list[Signed], draft: _Draft | None = None) -> Mined:
        for bump in range(self._patience.bumps + 1):
            deadline = time.monotonic() + self._patience.until_bump
            while time.monotonic() < deadline:
                mined = self._find(step, signed)
                if mined is not None:
                    return mined
                time.sleep(self._patience.poll)
            if draft is not None and bump < self._patience.bumps:
                draft = draft.dearer()
                signed = [*signed, self._sign(draft)]
        raise EnvironmentProblem(f"{step}: not mined yet; the same command again goes on from here")

    def _find(self, step: str, signed: list[Signed]) -> Mined | None:
        for item in signed:
            receipt = self.ask("eth_getTransactionReceipt", item.hash)
            if receipt is None or receipt.get("blockNumber") is None:
                continue
            block, gas = int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)
            mined = Mined(step, item.hash, block, gas)
            self._journal.add(mined)
            if int(receipt["status"], 16) != 1:
                raise TransactionFailed(f"{step}: reverted in block {block}, transaction {item.hash}")
            return mined
        return None
