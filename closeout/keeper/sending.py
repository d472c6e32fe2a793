"""What the sender needs of the outside: node, signer, encoder, and the write-ahead journal: the outbox. Types only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from closeout.errors import EnvironmentProblem
from closeout.keeper.nonces import Attempt, Facts, Slot
from closeout.keeper.ports import Intent
from closeout.units import WAD

__all__ = [
    "Encoder",
    "Job",
    "Outbox",
    "OutboxUnwritable",
    "Restored",
    "SendingNode",
    "Signed",
    "Signer",
    "Simulation",
    "Transaction",
    "Verdict",
    "Worth",
]


class OutboxUnwritable(EnvironmentProblem):
    """The outbox could not be written (a full disk): nothing may be sent that it does not know."""


@dataclass(frozen=True, slots=True)
class Job:
    """A call that is wanted on chain. `gas_limit` 0: what the simulation used, with a margin.

    `gross_wad`: what it earns before gas, WAD USD: it bounds what gas may cost. None: it earns nothing itself and is
    wanted at any price below the ceilings.
    """

    key: tuple[str, int]
    to: str
    data: str
    gas_limit: int = 0
    gross_wad: int | None = None
    expected_profit_wad: int = 0


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is signed; wei and gas."""

    nonce: int
    to: str
    data: str
    gas_limit: int
    max_fee: int
    priority_fee: int


@dataclass(frozen=True, slots=True)
class Signed:
    hash: str
    raw: str


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a call would do on top of the newest block and of the calls before it. `error` "": it would pass.

    `error` is the name of the typed error, with `arguments`; revert data that fits none is its own name. `earned_wad`:
    tokens that reach the owner less those that leave him, at `Worth`'s prices; None where the node cannot say.
    """

    error: str = ""
    arguments: tuple[Any, ...] = ()
    gas_used: int = 0
    earned_wad: int | None = None

    @property
    def text(self) -> str:
        return f"{self.error}({', '.join(map(str, self.arguments))})" if self.arguments else self.error


class Verdict(Enum):
    """What a node says to a transaction that it is sent."""

    ACCEPTED = "accepted"
    KNOWN = "already known"
    NONCE_USED = "the nonce is used"
    UNDERPRICED = "another transaction of this nonce pays as much"
    NO_FUNDS = "the key cannot pay for it"
    UNREACHABLE = "no answer: it may or may not have arrived"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Worth:
    """What things are worth: WAD USD per whole native token; (WAD USD per whole token, decimals) by token address."""

    native_price_wad: int
    tokens: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def of_gas(self, wei: int) -> int:
        """WAD USD, rounded up: a cost."""
        return -(wei * -self.native_price_wad // WAD)

    def of(self, token: str, units: int) -> int:
        """WAD USD; 0 for a token without a price."""
        price, decimals = self.tokens.get(token.lower(), (0, 0))
        return units * price // int(10**decimals)

    def most_gas_price(self, gross_wad: int, gas: int) -> int:
        """The highest wei per gas at which a call of so much gas costs no more than it earns."""
        if self.native_price_wad <= 0 or gas <= 0:
            return 0
        return max(0, gross_wad) * WAD // (self.native_price_wad * gas)


class Encoder(Protocol):
    """Intents as calls of the deployed contracts."""

    def job(self, intent: Intent, owner: str) -> Job:
        """The call that carries an intent out; what is seized and earned goes to `owner`."""


class Signer(Protocol):
    @property
    def address(self) -> str: ...

    def sign(self, transaction: Transaction) -> Signed:
        """The same transaction always gives the same bytes: signatures are deterministic (RFC 6979)."""


class SendingNode(Protocol):
    """The node as the sender uses it. All but `broadcast` raise NodeError where it does not answer."""

    def facts(self, owner: str, hashes: Sequence[str], worth: Worth) -> Facts:
        """Head, nonces and the inclusion of these transactions, of one and the same chain."""

    def simulate(self, owner: str, calls: Sequence[tuple[str, str, int]], worth: Worth) -> Sequence[Simulation]:
        """Each call (to, data, gas limit) on top of those before it that pass, at the newest block."""

    def tip(self) -> int:
        """The priority fee that the node suggests, wei."""

    def broadcast(self, raw: str, is_private: bool) -> Verdict:
        """Sends, publicly or to the private relay; never raises."""

    def withdraw(self, hash_: str) -> None:
        """Asks the private relay to forget a transaction; never raises, and may be ignored."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What an outbox knows: slots that are not settled, numbers below `used` are, and all that was spent lately."""

    slots: tuple[Slot, ...]
    used: int
    settled: tuple[Slot, ...] = ()


class Outbox(Protocol):
    """The write-ahead journal. All raise OutboxUnwritable where nothing can be written."""

    @property
    def instance(self) -> str:
        """What tells this one from every other; made once."""

    def restore(self) -> Restored: ...

    def write(self, attempt: Attempt) -> None:
        """Before it is sent: on disk when this returns."""

    def save(self, slots: Sequence[Slot], used: int) -> None:
        """What the chain made of slots."""
