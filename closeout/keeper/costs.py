"""What a transaction costs: gas by what it does, at the block's base fee, and an L2's fee for its bytes.

The gas figures are upper ends of what was measured on Anvil with ordinary tokens, first touches of storage included;
`tests/keeper/test_planner_on_chain.py` holds them to real transactions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from closeout.keeper.ports import Sale
from closeout.model import mul_div_up
from closeout.units import WAD

__all__ = ["Costs", "Work"]

CLOSE_OUT = 100_000
PER_COLLATERAL = 42_000
PER_DEBT = 42_000
FLASH = 50_000
PER_HOP = 85_000
MARGIN_CALL = 60_000
WRITE_OFF = 90_000
# a transaction runs with a 64th less at each call, and is paid back for what it clears only at the end
LIMIT_PERCENT = 150

# selector and head of a request, and per sale its head; per asset of a limit two words
BYTES_PER_CALL = 420
BYTES_PER_SALE = 192
BYTES_PER_LIMIT = 64
_WORD = 32


@dataclass(frozen=True, slots=True)
class Work:
    """A transaction by what it does."""

    gas: int
    size: int

    @property
    def gas_limit(self) -> int:
        return self.gas * LIMIT_PERCENT // 100

    @classmethod
    def of_flash(cls, collaterals: int, debts: int, hops: int, sales: Sequence[Sale]) -> Work:
        paths = sum(BYTES_PER_SALE + -(-len(sale.path) // _WORD) * _WORD for sale in sales)
        gas = cls.of_inventory(collaterals, debts).gas + FLASH + PER_HOP * hops
        return cls(gas, BYTES_PER_CALL + paths + BYTES_PER_LIMIT)

    @classmethod
    def of_inventory(cls, collaterals: int, debts: int) -> Work:
        gas = CLOSE_OUT + PER_COLLATERAL * collaterals + PER_DEBT * debts
        return cls(gas, BYTES_PER_CALL + BYTES_PER_LIMIT * (collaterals + debts))

    @classmethod
    def of_write_off(cls, collaterals: int, debts: int) -> Work:
        return cls(WRITE_OFF + PER_COLLATERAL * collaterals + PER_DEBT * debts, _WORD + 4)

    @classmethod
    def of_margin_call(cls) -> Work:
        return cls(MARGIN_CALL, _WORD + 4)


@dataclass(frozen=True, slots=True)
class Costs:
    """Prices of gas and bytes at one block, wei; `native_price_wad` of the coin they are paid in."""

    fee_per_gas: int
    native_price_wad: int
    fee_per_byte: int = 0

    def of(self, work: Work) -> int:
        """WAD USD, rounded up."""
        return self.of_gas(work.gas) + mul_div_up(work.size * self.fee_per_byte, self.native_price_wad, WAD)

    def of_gas(self, gas: int) -> int:
        """WAD USD, rounded up."""
        return mul_div_up(gas * self.fee_per_gas, self.native_price_wad, WAD)
