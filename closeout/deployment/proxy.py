"""The deterministic deployment proxy, where a chain does not have it yet.

Its deployer's key was never known: the signature of its one transaction was made up, the sender follows from it. So
anybody can put the same code at the same address on any chain that takes transactions without a chain id.
"""

from __future__ import annotations

from closeout.chain.rpc import RpcError
from closeout.errors import EnvironmentProblem

from .plan import PROXY
from .ports import StepSender

__all__ = ["ensure_proxy"]

_SIGNER = "0x3fAB184622Dc19b6109349B94811493BF2a45362"
# 100 000 gas at 100 gwei, as its transaction says
_COST = 10**16
_TRANSACTION = (
    "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba0"
    + "22" * 32
    + "a0"
    + "22" * 32
)


def ensure_proxy(sender: StepSender) -> bool:
    """Deploys the proxy where there is none; whether it had to. Raises EnvironmentProblem where it is not taken."""
    if sender.ask("eth_getCode", PROXY, "latest") != "0x":
        return False
    missing = _COST - int(sender.ask("eth_getBalance", _SIGNER, "latest"), 16)
    if missing > 0:
        sender.send("fund the deployment proxy's signer", _SIGNER, "0x", missing)
    try:
        sender.ask("eth_sendRawTransaction", _TRANSACTION)
    except RpcError as error:
        raise EnvironmentProblem(f"{PROXY}: no deployment proxy, and its transaction is refused: {error}") from None
    sender.await_code(PROXY)
    return True
