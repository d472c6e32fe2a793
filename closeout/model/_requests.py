"""What a liquidator asks for, and what a close-out did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from closeout.model._close_out import Plan, Regime
from closeout.model._ledger import AccountId
from closeout.model._rounding import MAX_UINT256
from closeout.model._settlement import RepaidLeg, SeizedLeg
from closeout.units import WAD


@dataclass(frozen=True, slots=True)
class CloseOutRequest:
    """Which part of which account to close out. Sets are asset ids, None meaning all the account holds.

    `fill_wad` is the part of the largest close-out, in (0, 1e18]. `receiver` None: the caller. `least_seized` and
    `most_repaid` (token units by asset id) state the worst price: of no collateral in the first the liquidator takes
    less per unit repaid than its amount for that of the second, which names every debt. Both empty: any price. A debt
    in both `from_shares` and `from_claims` is paid from shares.
    """

    account: AccountId
    collaterals: frozenset[int] | None = None
    debts: frozenset[int] | None = None
    fill_wad: int = WAD
    deadline: int = MAX_UINT256
    receiver: str | None = None
    as_claims: frozenset[int] = frozenset()
    from_shares: frozenset[int] = frozenset()
    from_claims: frozenset[int] = frozenset()
    least_seized: Mapping[int, int] = field(default_factory=dict)
    most_repaid: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CloseOutResult:
    """What a close-out did, or would do. Rates and health factors in WAD, legs in ascending asset ids.

    `is_executed` is False where the call only put the account on call: then there is no plan and there are no legs.
    """

    regime: Regime
    is_executed: bool
    penalty_rate_wad: int
    health_factor_before_wad: int
    health_factor_after_wad: int
    seized: tuple[SeizedLeg, ...] = ()
    repaid: tuple[RepaidLeg, ...] = ()
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class WriteOffResult:
    """What a write-off moved: collateral to the insurance fund, debts to bad debt; token units."""

    seized: tuple[SeizedLeg, ...]
    repaid: tuple[RepaidLeg, ...]
