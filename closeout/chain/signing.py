"""Signers of the keeper's transactions: a bare key, or an account that Ape keeps."""

from __future__ import annotations

from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from closeout.errors import BadInput
from closeout.keeper.sending import Signed, Transaction

__all__ = ["ApeSigner", "KeySigner"]

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


class ApeSigner:
    """An account of Ape's: a key file, a hardware wallet. It has to sign without asking."""

    def __init__(self, account: Any, ecosystem: Any, chain_id: int) -> None:
        self._account, self._ecosystem, self._chain_id = account, ecosystem, chain_id

    @property
    def address(self) -> str:
        return str(self._account.address)

    def sign(self, transaction: Transaction) -> Signed:
        unsigned = self._ecosystem.create_transaction(**_fields(transaction, self._chain_id))
        signed = self._account.sign_transaction(unsigned)
        if signed is None:
            raise BadInput("account", self.address, "one that signs without asking (set_autosign)")
        raw = bytes(signed.serialize_transaction())
        return Signed("0x" + keccak(raw).hex(), "0x" + raw.hex())
