"""The arithmetic libraries through their harness: lists of cases in, lists of results out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from tests.support.node import Deployed, reverts

__all__ = ["Maths", "reverts_with_panic"]

FUNCTIONS = (
    "grow",
    "kinked_rate",
    "bonus_fraction",
    "collateral_value",
    "debt_value",
    "health_factor",
    "to_debt_up",
    "to_debt_down",
    "debt_part_up",
    "debt_part_down",
    "to_debt_shares_up",
    "to_debt_shares_down",
    "to_shares_down",
    "to_shares_up",
    "to_assets_down",
    "to_assets_up",
)


class Maths:
    """`maths.to_debt_up([(shares, index), ...])`; names as in MathHarness.Of."""

    def __init__(self, harness: Deployed) -> None:
        self.harness = harness

    def __getattr__(self, name: str) -> Callable[[Sequence[tuple[int, ...]]], list[int]]:
        if name not in FUNCTIONS:
            raise AttributeError(name)

        def evaluate(cases: Sequence[tuple[int, ...]]) -> list[int]:
            padded = [[*case, *([0] * (5 - len(case)))] for case in cases]
            return list(self.harness.evaluate(FUNCTIONS.index(name), padded))

        return evaluate


def reverts_with_panic(code: int) -> AbstractContextManager[None]:
    """Solidity's own check: 0x11 overflow, 0x12 division by zero, 0x32 out of bounds."""
    return reverts("Panic", code)
