"""Keys that sign typed data, as wallets do: by eth_account, which knows nothing of the contracts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from tests.support.node import Deployed

__all__ = ["PERMIT2", "Signer", "operator_message", "permit2_message", "permit_message"]

PERMIT2 = "0x000000000022d473030f116ddee9f6b43ac78ba3"
CHAIN = 31337


@dataclass(frozen=True)
class Signer:
    """A party with a key of its own, made from its name."""

    name: str

    @property
    def _account(self) -> Any:
        return Account.from_key(keccak(text=f"closeout test key: {self.name}"))

    @property
    def address(self) -> str:
        return self._account.address.lower()

    def sign(self, message: dict[str, Any]) -> bytes:
        """65 bytes: r, s, v."""
        return bytes(self._account.sign_message(encode_typed_data(full_message=message)).signature)

    def split(self, message: dict[str, Any]) -> tuple[int, bytes, bytes]:
        """v, r, s."""
        signature = self.sign(message)
        return signature[64], signature[:32], signature[32:64]


def _domain(name: str, contract: str, version: str | None = "1") -> tuple[list[dict[str, str]], dict[str, Any]]:
    kinds = [{"name": "name", "type": "string"}]
    values: dict[str, Any] = {"name": name}
    if version is not None:
        kinds.append({"name": "version", "type": "string"})
        values["version"] = version
    kinds += [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}]
    return kinds, values | {"chainId": CHAIN, "verifyingContract": contract}


def _message(domain: tuple[list[dict[str, str]], dict[str, Any]], types: dict[str, str], values: dict[str, Any]) -> Any:
    """`types`: fields by type name, written as in Solidity; the first is the primary one."""
    parsed = {
        name: [dict(zip(("type", "name"), field.split(), strict=True)) for field in fields.split(",")]
        for name, fields in types.items()
    }
    return {
        "types": {"EIP712Domain": domain[0]} | parsed,
        "primaryType": next(iter(types)),
        "domain": domain[1],
        "message": values,
    }


def operator_message(
    vault: Deployed, owner: str, operator: str, is_approved: bool, nonce: int, deadline: int, *, verifier: str = ""
) -> Any:
    """What an owner signs to make somebody his operator: interfaces/IVault.sol."""
    fields = "address owner,address operator,bool isApproved,uint256 nonce,uint256 deadline"
    values = {"owner": owner, "operator": operator, "isApproved": is_approved, "nonce": nonce, "deadline": deadline}
    return _message(_domain("Closeout Vault", verifier or vault.address), {"Operator": fields}, values)


def permit_message(token: Deployed, name: str, owner: str, spender: str, value: int, nonce: int, deadline: int) -> Any:
    """ERC-2612."""
    fields = "address owner,address spender,uint256 value,uint256 nonce,uint256 deadline"
    values = {"owner": owner, "spender": spender, "value": value, "nonce": nonce, "deadline": deadline}
    return _message(_domain(name, token.address), {"Permit": fields}, values)


def permit2_message(token: Deployed, spender: str, amount: int, expiration: int, nonce: int, deadline: int) -> Any:
    """Permit2's PermitSingle."""
    types = {
        "PermitSingle": "PermitDetails details,address spender,uint256 sigDeadline",
        "PermitDetails": "address token,uint160 amount,uint48 expiration,uint48 nonce",
    }
    details = {"token": token.address, "amount": amount, "expiration": expiration, "nonce": nonce}
    values = {"details": details, "spender": spender, "sigDeadline": deadline}
    return _message(_domain("Permit2", PERMIT2, None), types, values)
