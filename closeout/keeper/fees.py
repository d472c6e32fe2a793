"""What a transaction may cost per gas: EIP-1559 fees, their bumps, and where they stop. Pure; wei throughout."""

from __future__ import annotations

from dataclasses import dataclass

from closeout.errors import BadInput

__all__ = ["FeePolicy", "Fees"]

GWEI = 10**9
BPS = 10_000
# A node replaces a pending transaction only for at least a tenth more of both fields (geth's price bump).
LEAST_BUMP_BPS = 1_000


@dataclass(frozen=True, slots=True)
class Fees:
    """`max_fee` and `priority_fee` per gas, wei; `priority_fee <= max_fee`."""

    max_fee: int
    priority_fee: int

    def price_at(self, base_fee: int) -> int:
        """What a gas costs in a block of that base fee; only where `max_fee >= base_fee`."""
        return min(self.max_fee, base_fee + self.priority_fee)


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """How much is offered, and how much never is.

    `headroom_bps`: by how much the base fee may rise before the transaction is stuck (10 000: it may double, which
    takes six full blocks). `tip_share_bps`: the part of what a close-out earns that is offered to whoever builds the
    block. `most_fee`: the ceiling, whatever is earned. `stuck_blocks`: a transaction that old is bumped.
    """

    most_fee: int = 500 * GWEI
    headroom_bps: int = 10_000
    least_tip: int = GWEI // 10
    tip_share_bps: int = 0
    bump_bps: int = 1_250
    stuck_blocks: int = 3

    def __post_init__(self) -> None:
        checks = (
            ("most_fee", self.most_fee, self.most_fee > 0, "more than 0 wei"),
            ("headroom_bps", self.headroom_bps, self.headroom_bps >= 0, "at least 0"),
            ("least_tip", self.least_tip, 0 <= self.least_tip <= self.most_fee, "0 to most_fee"),
            ("tip_share_bps", self.tip_share_bps, 0 <= self.tip_share_bps < BPS, "0 to 9999"),
            ("bump_bps", self.bump_bps, self.bump_bps >= LEAST_BUMP_BPS, f"at least {LEAST_BUMP_BPS}"),
            ("stuck_blocks", self.stuck_blocks, self.stuck_blocks >= 1, "at least 1"),
        )
        for name, found, is_valid, expected in checks:
            if not is_valid:
                raise BadInput(f"fees.{name}", found, expected)

    def first(self, base_fee: int, bearable: int, node_tip: int = 0) -> Fees | None:
        """Fees of a new transaction in the block after one of `base_fee`.

        `bearable`: the most per gas at which it still pays. None where it could not be mined at that or at `most_fee`.
        """
        most = min(self.most_fee, bearable)
        if most < base_fee + self.least_tip:
            return None
        share = (most - base_fee) * self.tip_share_bps // BPS
        tip = min(max(self.least_tip, node_tip, share), most - base_fee)
        return Fees(min(most, base_fee + base_fee * self.headroom_bps // BPS + tip), tip)

    def bumped(self, old: Fees, base_fee: int, bearable: int, node_tip: int = 0) -> Fees | None:
        """Fees that a node takes in place of `old`, and that get mined now; None where that would not pay."""
        least_max, least_tip = self._bump(old.max_fee), self._bump(old.priority_fee)
        most = min(self.most_fee, bearable)
        fresh = self.first(base_fee, bearable, node_tip)
        if fresh is None or least_max > most:
            return None
        max_fee = max(least_max, fresh.max_fee)
        # the tip has to rise by a tenth as well, and may not pass the whole fee
        tip = max(least_tip, fresh.priority_fee)
        return Fees(max_fee, tip) if tip <= max_fee else None

    def is_stuck(self, fees: Fees, age_blocks: int, base_fee: int) -> bool:
        """Whether a transaction sent `age_blocks` ago should be replaced: too old, or priced out."""
        return age_blocks >= self.stuck_blocks or (age_blocks >= 1 and fees.max_fee < base_fee)

    def _bump(self, fee: int) -> int:
        # up: a node compares without rounding; by one wei at least
        return max(fee + 1, -(-fee * (BPS + self.bump_bps) // BPS))
