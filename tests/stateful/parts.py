"""What moves are made of that other histories do not have: scripts, bundles, signatures, what is forbidden to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from closeout.model import AccountId, ModelRevert
from tests.differential.plays import Move
from tests.differential.settings import Listed

ACTOR = "actor"
"""A contract with money that takes part like anyone, and runs a script when it is called back."""
SIGNER = "second borrower"
"""The owner who has a key."""
GUARDIAN = "guardian"

REENTRIES = (
    "claim",
    "supply",
    "deposit",
    "repay",
    "redeem",
    "close out",
    "write off",
    "borrow",
    "deposit by face",
    "health",
    "market",
    "multicall",
)
"""What a script tries in a callback; `Stage` knows the calls."""


@dataclass(frozen=True, slots=True)
class Script:
    """What the actor is to try in its callback, by the names of REENTRIES."""

    account: AccountId
    asset: int
    tries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bundle:
    """Moves of one caller in one multicall."""

    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Signed:
    """An owner's signature over an operator, genuine or over another number than his next."""

    owner: str
    operator: str
    is_approved: bool
    nonce: int
    deadline: int


@dataclass(frozen=True)
class Opening:
    """What a history starts from beside its setting: pools, fees, tokens, the splitter's weights, what was listed."""

    pools: dict[frozenset[int], Any]
    token_addresses: dict[int, str]
    flash_fees: dict[int, int]
    weights: tuple[int, int]
    moody: int
    listed: tuple[Listed, ...]


def _refused_by_role(caller: str) -> ModelRevert:
    return ModelRevert("AccessManagedUnauthorized", caller)


FORBIDDEN: dict[str, Callable[[str], ModelRevert]] = {
    "set pauses": _refused_by_role,
    "set configuration": _refused_by_role,
    "set supply token": _refused_by_role,
    "set protocol": _refused_by_role,
    "list asset": _refused_by_role,
    "set asset": _refused_by_role,
    "replace adapter": _refused_by_role,
    "activate adapter": _refused_by_role,
    "set jump bound": _refused_by_role,
    "freeze": _refused_by_role,
    "confirm freeze": _refused_by_role,
    "unfreeze": _refused_by_role,
    "ask router": _refused_by_role,
    "steward step": _refused_by_role,
    "anchor": _refused_by_role,
    "pause": _refused_by_role,
    "transfer supply": lambda caller: ModelRevert("NotSupplyToken", 0, caller),
}
"""What nobody but a role, or a contract, may call; `Stage` knows the calls."""
