"""The port between the player and what carries a scenario out: a chain, or the reference model.

The player decides what happens and when; an engine only does it and says what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

from .world import CloseOut, MarginCall, Move, SetFeed, World

__all__ = ["AccountState", "CloseOutRecord", "Engine", "Outcome"]


@dataclass(frozen=True, slots=True)
class AccountState:
    """What an account holds, in token units, zeros left out; debts rounded up. `health_wad` is None without debt."""

    collateral: Mapping[str, int]
    debt: Mapping[str, int]
    health_wad: int | None


@dataclass(frozen=True, slots=True)
class CloseOutRecord:
    """What one close-out did: token units per asset, zeros left out.

    What a terminal close-out wrote off beside is part of it: tokens that went to the insurance fund are in `seized`
    and `to_protocol`, the debt in `bad_debt`. So debt after = before - `repaid` - `bad_debt` and collateral after =
    before - `seized`, whatever happened. `covered` is the part of `bad_debt` that the insurance fund paid.
    """

    account: str
    regime: str
    penalty_rate_wad: int
    health_before_wad: int
    health_after_wad: int | None
    repaid: Mapping[str, int]
    seized: Mapping[str, int]
    to_protocol: Mapping[str, int]
    bad_debt: Mapping[str, int]
    covered: Mapping[str, int]
    gas: int | None = None

    @property
    def to_liquidator(self) -> dict[str, int]:
        """What the liquidator got of `seized`, zeros left out."""
        shares = {name: units - self.to_protocol.get(name, 0) for name, units in self.seized.items()}
        return {name: units for name, units in shares.items() if units}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: the name of the custom error it was refused with, or what was closed out.

    Neither: it went through without closing anything out (a close-out that only put the account on call).
    """

    error: str | None = None
    record: CloseOutRecord | None = field(default=None)


class Engine(Protocol):
    """Carries out one scenario, once. A context manager: leaving it ends whatever it started, also on an interrupt.

    Times are seconds after the opening and never go back; two blocks in a row may have the same one.
    """

    @property
    def name(self) -> str:
        """`chain` or `model`: what the result says it was played by."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def open(self, world: World) -> None:
        """Lists the assets in the order of `world.assets`, supplies, fills the insurance fund, opens the accounts.

        Afterwards the clock stands at 0 and the feeds at the opening prices. All debts of one account are opened in
        one transaction, and nothing has accrued yet.
        """

    def begin_block(self, time: int, prices_wad: Mapping[str, int]) -> None:
        """Moves the clock to `time` and republishes every feed there that is fresh at its current price.

        `prices_wad` has all assets. What follows, until the next `begin_block`, happens and is read at this time.
        """

    def poke(self) -> None:
        """Has the router record of every asset what it would: a good price, that there is none, or that it is back.

        After `begin_block`, in its block, in scenarios whose feeds are not always fresh; never called in others.
        """

    def set_feed(self, step: SetFeed) -> None:
        """What becomes of a feed, at once and until told otherwise.

        Stale: it stands at what was last published, always past its heartbeat and within its hard limit. Dead: it
        answers nothing. Fresh: published at its current price.
        """

    def act(self, step: Move | MarginCall) -> Outcome:
        """Lets the owner move tokens, or anyone put the account on call. The actor has what tokens he needs."""

    def close_out(self, requests: Sequence[CloseOut]) -> list[Outcome]:
        """Lets the liquidator send these close-outs, in this order, in the present block; one outcome for each.

        An asset that a request names and the account holds no more is ignored. The liquidator has what tokens he needs,
        takes any price, and is paid in tokens.
        """

    def settle_penalties(self) -> None:
        """Lets the penalty splitter pass on the protocol's part of all penalties. Called once, after the last step."""

    def accounts(self) -> Mapping[str, AccountState]:
        """Every account as it is now, interest accrued to now, in the order of `world.accounts`."""

    def insurance(self) -> Mapping[str, int]:
        """What the insurance fund holds inside the Vault, token units, zeros left out."""

    def lenders(self) -> Mapping[str, int]:
        """What the lenders' supply is worth now, units rounded down, per asset with supply; not the treasury's."""
