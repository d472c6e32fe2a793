"""Ape at the edge: its provider as a node, its accounts as signers. Nothing else here knows Ape's objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ape.exceptions import AccountsError, ApeException
from ape.logging import LogLevel, logger
from ape.types import HexBytes

from closeout.chain.http import HttpClient
from closeout.errors import BadInput, EnvironmentProblem

__all__ = ["ApeSigner", "account_named", "node_of"]


def node_of(provider: Any) -> HttpClient:
    """The node behind an Ape provider. Raises EnvironmentProblem where it has no HTTP address."""
    uri = provider.http_uri
    if not uri:
        raise EnvironmentProblem("--network: its provider has no HTTP address; name one: ethereum:sepolia:https://…")
    return HttpClient([str(uri)])


def account_named(alias: str) -> Any:
    """The Ape account of that alias; `TEST::0` is the first of a local chain. Raises BadInput where there is none."""
    from ape import accounts

    try:
        if alias.startswith("TEST::"):
            return accounts.test_accounts[int(alias.removeprefix("TEST::"))]
        return accounts.load(alias)
    except (ApeException, KeyError, IndexError, ValueError):
        raise BadInput("--account", alias, "an account that `ape accounts list` shows, or TEST::0") from None


class ApeSigner:
    """A `Signer` on an Ape account. Its passphrase is APE_ACCOUNTS_<alias>_PASSPHRASE, or asked for, once."""

    def __init__(self, account: Any, provider: Any) -> None:
        self._account, self._ecosystem = account, provider.network.ecosystem

    @property
    def address(self) -> str:
        return str(self._account.address)

    def unlock(self) -> None:
        """Asks for what it needs now rather than in the middle. Raises EnvironmentProblem where it is wrong."""
        unlock: Callable[[bool], None] | None = getattr(self._account, "set_autosign", None)
        if unlock is not None:
            try:
                unlock(True)
            except AccountsError as error:
                raise EnvironmentProblem(f"--account: {error}") from None

    def sign(self, transaction: dict[str, int | str]) -> str:
        """See `closeout.deployment.ports.Signer`."""
        unsigned = self._ecosystem.create_transaction(
            type=transaction["type"],
            chainId=transaction["chainId"],
            nonce=transaction["nonce"],
            receiver=transaction["to"],
            value=transaction["value"],
            data=HexBytes(str(transaction["data"])),
            gas_limit=transaction["gas"],
            max_fee=transaction["maxFeePerGas"],
            max_priority_fee=transaction["maxPriorityFeePerGas"],
            sender=self.address,
        )
        # it warns of the unlocked key at every signature; `unlock` was told once
        with logger.at_level(LogLevel.ERROR):
            signed = self._account.sign_transaction(unsigned)
        if signed is None:
            raise EnvironmentProblem("the account did not sign")
        return "0x" + bytes(signed.serialize_transaction()).hex()
