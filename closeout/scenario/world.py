"""A scenario in the chain's integers: what both engines are given and what the player plays.

Amounts are token units, prices and ratios WAD, values WAD USD, basis points bps, rates nine decimals a year, times
seconds. Assets are named; their position in `World.assets` is the order in which they are listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Account",
    "Asset",
    "Borrowing",
    "CloseOut",
    "Collateral",
    "FeedStatus",
    "Keeper",
    "MarginCall",
    "Move",
    "MoveKind",
    "PricePath",
    "Protocol",
    "Scenario",
    "SetFeed",
    "SetPrices",
    "Step",
    "Wait",
    "World",
]

MoveKind = Literal["deposit", "withdraw", "borrow", "repay"]
FeedStatus = Literal["fresh", "stale", "dead"]


@dataclass(frozen=True, slots=True)
class Collateral:
    """An asset's terms as collateral, in basis points."""

    ltv_bps: int
    liquidation_threshold_bps: int
    max_bonus_bps: int


@dataclass(frozen=True, slots=True)
class Borrowing:
    """An asset's terms as something to borrow: yearly rates with nine decimals, kink WAD, reserve factor bps."""

    base_rate: int
    slope1_rate: int
    slope2_rate: int
    kink_wad: int
    reserve_factor_bps: int

    @property
    def bears_interest(self) -> bool:
        """Whether a debt of this asset ever grows."""
        return bool(self.base_rate or self.slope1_rate or self.slope2_rate)


@dataclass(frozen=True, slots=True)
class Asset:
    """A listed token. `supply_units` are put in by one lender before the first step."""

    name: str
    decimals: int
    feed_decimals: int
    price_wad: int
    collateral: Collateral | None
    borrowing: Borrowing | None
    supply_units: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """Parameters of the whole protocol: WAD, times in seconds."""

    target_health_wad: int
    margin_call_health_wad: int
    bonus_floor_wad: int
    min_bonus_fraction_wad: int
    health_for_max_bonus_wad: int
    steepness_wad: int
    fee_share_wad: int
    insurance_weight_wad: int
    treasury_weight_wad: int
    burn_weight_wad: int
    min_debt_value_wad: int
    min_debt_per_asset_wad: int
    dust_value_wad: int
    grace_period: int
    call_lifetime: int
    backstop_delay: int
    hard_floor_wad: int
    abandon_after: int
    decay_period: int


@dataclass(frozen=True, slots=True)
class Account:
    """A cross-margin account: `index` counts the accounts of one owner from 0, in the order of the file."""

    name: str
    owner: str
    index: int
    collateral: Mapping[str, int]
    debt: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class World:
    """What exists before the first step."""

    protocol: Protocol
    assets: Mapping[str, Asset]
    accounts: Mapping[str, Account]
    insurance: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Wait:
    """Moves the clock."""

    seconds: int
    kind: Literal["wait"] = field(default="wait", init=False)


@dataclass(frozen=True, slots=True)
class SetPrices:
    """New prices, for some assets or all."""

    prices_wad: Mapping[str, int]
    kind: Literal["prices"] = field(default="prices", init=False)


@dataclass(frozen=True, slots=True)
class CloseOut:
    """A close-out. None: everything the account holds on that side."""

    account: str
    collateral: tuple[str, ...] | None
    debt: tuple[str, ...] | None
    fill_wad: int
    kind: Literal["close_out"] = field(default="close_out", init=False)


@dataclass(frozen=True, slots=True)
class Move:
    """Tokens into or out of an account, by its owner."""

    kind: MoveKind
    account: str
    asset: str
    units: int


@dataclass(frozen=True, slots=True)
class MarginCall:
    """Puts an account on call."""

    account: str
    kind: Literal["margin_call"] = field(default="margin_call", init=False)


@dataclass(frozen=True, slots=True)
class SetFeed:
    """What becomes of an asset's feed: it is published no more and stands still, or answers nothing, or is back."""

    asset: str
    status: FeedStatus
    kind: Literal["feed"] = field(default="feed", init=False)


@dataclass(frozen=True, slots=True)
class Keeper:
    """The keeper acts until it finds nothing left to do."""

    kind: Literal["keeper"] = field(default="keeper", init=False)


Step = Wait | SetPrices | SetFeed | CloseOut | Move | MarginCall | Keeper


@dataclass(frozen=True, slots=True)
class PricePath:
    """A price history: one row of WAD prices per time, for the assets named, in their order."""

    times: tuple[int, ...]
    assets: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    with_keeper: bool
    source: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario that can be played: every check has been passed."""

    name: str
    world: World
    steps: tuple[Step, ...]
    price_path: PricePath | None

    @property
    def has_feed_steps(self) -> bool:
        """Whether a price is ever anything but fresh, so that what was recorded of it matters."""
        return any(isinstance(step, SetFeed) for step in self.steps)
