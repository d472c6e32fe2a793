"""The keeper's own tokens: what it can repay with, and whether the Vault may take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from closeout.chain.abi import ContractAbi
from closeout.chain.intents import approval
from closeout.chain.pools import Rpc
from closeout.chain.rpc import RpcError, understood
from closeout.keeper.observers.naming import AssetName
from closeout.keeper.sending import Job
from closeout.toolchain.artifacts import Artifact

__all__ = ["Inventory", "asset_names"]

ENOUGH = 2**128
LATEST = "latest"
WORD = 64


class Inventory:
    """Balances of an owner by asset id, and approvals that are still to be given."""

    def __init__(
        self, rpc: Rpc, artifacts: Mapping[str, Artifact], tokens: Sequence[str], owner: str, vault: str
    ) -> None:
        self._rpc, self._artifacts, self._tokens, self._vault = rpc, artifacts, tokens, vault
        functions = ContractAbi(artifacts["TestToken"]).functions
        balance, allowance = functions["balanceOf"].encode(owner), functions["allowance"].encode(owner, vault)
        self._calls = [(token, data) for token in tokens for data in (balance, allowance)]
        self._unapproved: list[int] = []

    def refresh(self) -> dict[int, int]:
        """Units by asset id that can be spent, at the newest block: one batch. Raises NodeError."""
        answers = self._rpc.call_many([_call(*call) for call in self._calls])
        with understood("balanceOf"):
            figures = [int(answer, 16) for answer in answers]
        balances, allowances = figures[::2], figures[1::2]
        self._unapproved = [
            asset_id
            for asset_id, (balance, allowed) in enumerate(zip(balances, allowances, strict=True))
            if balance and allowed < min(balance, ENOUGH)
        ]
        return {
            asset_id: balance
            for asset_id, balance in enumerate(balances)
            if balance and asset_id not in self._unapproved
        }

    def jobs(self) -> list[Job]:
        """Approvals of what is held and may not be taken yet."""
        return [approval(self._artifacts, asset, self._tokens[asset], self._vault) for asset in self._unapproved]


def asset_names(
    rpc: Rpc, artifacts: Mapping[str, Artifact], tokens: Sequence[str], decimals: Sequence[int]
) -> list[AssetName]:
    """What the tokens call themselves; the beginning of their address where they say nothing readable."""
    symbol = ContractAbi(artifacts["TestToken"]).functions["symbol"]
    names = []
    for token, places in zip(tokens, decimals, strict=True):
        try:
            answer = rpc.call(*_flat(_call(token, symbol.encode())))
            names.append(AssetName(_readable(answer) or token[:10], places))
        except RpcError:
            names.append(AssetName(token[:10], places))
    return names


def _readable(answer: str) -> str:
    """A string, or the bytes32 that some old tokens answer with."""
    raw = bytes.fromhex(answer[2:])
    if len(raw) >= WORD:
        length = int.from_bytes(raw[32:WORD], "big")
        raw = raw[WORD : WORD + length]
    text = raw.rstrip(b"\0").decode("ascii", "ignore")
    return text[:16] if text.isprintable() else ""


def _call(to: str, data: str) -> tuple[str, Sequence[Any]]:
    return "eth_call", ({"to": to, "data": data}, LATEST)


def _flat(request: tuple[str, Sequence[Any]]) -> tuple[Any, ...]:
    return request[0], *request[1]
