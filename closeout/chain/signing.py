"""Signers of the keeper's transactions: a bare key, or an account that is kept elsewhere."""

from __future__ import annotations

from typing import Any, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from closeout.errors import BadInput
from closeout.keeper.sending import Signed, Transaction

__all__ = ["AccountSigner", "KeySigner", "RawSigner"]

DYNAMIC_FEE = 2


def _fields(transaction: Transaction, chain_id: int) -> dict[str, Any]:
    return {
        "type": DYNAMIC_FEE,
        "chainId": chain_id,
        "nonce": transaction.nonce,
        "to": to_checksum_address(transaction.to),
        "value": 0,
        "data": transaction.data,
        "gas": transaction.gas_limit,
        "maxFeePerGas": transaction.max_fee,
        "maxPriorityFeePerGas": transaction.priority_fee,
    }


class KeySigner:
    """A private key in memory. Raises BadInput where it is none; the key itself is in no message."""

    def __init__(self, private_key: str, chain_id: int) -> None:
        try:
            self._account: LocalAccount = Account.from_key(private_key)
        except Exception:
            raise BadInput("private key", "something else", "32 bytes as hex") from None
        self._chain_id = chain_id

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, transaction: Transaction) -> Signed:
        signed = self._account.sign_transaction(_fields(transaction, self._chain_id))
        return Signed("0x" + bytes(signed.hash).hex(), "0x" + bytes(signed.raw_transaction).hex())


class RawSigner(Protocol):
    """Signs a transaction's fields; see `closeout.chain.ape.ApeSigner`."""

    @property
    def address(self) -> str: ...

    def sign(self, transaction: dict[str, int | str]) -> str: ...


class AccountSigner:
    """An account that is kept elsewhere: by Ape, in a file or on a hardware wallet. It has to sign without asking."""

    def __init__(self, account: RawSigner, chain_id: int) -> None:
        self._account, self._chain_id = account, chain_id

    @property
    def address(self) -> str:
        return self._account.address

    def sign(self, transaction: Transaction) -> Signed:
        raw = self._account.sign(_fields(transaction, self._chain_id))
        return Signed("0x" + keccak(hexstr=raw).hex(), raw)
