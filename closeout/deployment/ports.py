"""What a deployment needs of the world: a node that answers, somebody who signs, somebody who sends."""

from __future__ import annotations

from typing import Any, Protocol

from .journal import Mined

__all__ = ["Rpc", "Signer", "StepSender"]


class Rpc(Protocol):
    """JSON-RPC. Raises `RpcError` where the node answers with an error, `NodeError` where it does not answer."""

    def call(self, method: str, *params: Any) -> Any: ...


class Signer(Protocol):
    """One account. The key never leaves it."""

    @property
    def address(self) -> str: ...

    def sign(self, transaction: dict[str, int | str]) -> str:
        """The raw signed transaction, 0x-prefixed, of an EIP-1559 one with all its fields."""


class StepSender(Protocol):
    """Carries steps out: `closeout.deployment.sending.Sender` on a network, `ForkSender` in a rehearsal."""

    @property
    def address(self) -> str: ...

    @property
    def rpc(self) -> Rpc:
        """The node, as persistently as it is to be asked."""

    def ask(self, method: str, *params: Any) -> Any:
        """A request. Raises RpcError where the node answers with an error."""

    def await_code(self, address: str) -> None:
        """Returns once there is a contract."""

    def seen(self, step: str) -> Mined | None:
        """The transaction by which a step was done, where anybody here knows it."""

    def finish(self, step: str) -> Mined | None:
        """Brings to its end what an earlier process signed for a step; None where there is nothing on its way."""

    def send(self, step: str, to: str, data: str, value: int = 0) -> Mined:
        """One transaction, waited for."""

    def await_confirmations(self, block: int, confirmations: int) -> None:
        """Returns once `confirmations` blocks stand on the block."""
