"""The protocol as gas is measured on it: eight assets, every limit on, everybody has done it before.

Five collaterals and three assets to borrow, ordinary OpenZeppelin tokens and Chainlink-shaped feeds of one slot each.
Caps, size buckets, the protocol's part of the penalty, grace period and minimum debts are all switched on; markets bear
interest and were last touched an hour before the transaction that is measured; every balance that it changes is above
zero before and after.
"""

from __future__ import annotations

from dataclasses import replace

from closeout.chain.parameters import BorrowParameters
from tests.support.node import Node, actor
from tests.support.world import (
    NOT_COLLATERAL,
    PARAMETERS,
    Asset,
    Result,
    World,
    account_of,
    collateral,
    set_of,
    wad,
)
from tests.unit.lending.stage import KINKED

__all__ = ["HOUR", "Bench"]

HOUR = 3_600
# symbol, decimals, price, threshold and largest bonus in bps, whole tokens in an account of each size
COLLATERALS = (
    ("WETH", 18, 2_000, 8_000, 700),
    ("WBTC", 8, 40_000, 8_000, 800),
    ("LINK", 18, 16, 7_900, 900),
    ("UNI", 18, 8, 7_900, 900),
    ("AAVE", 18, 100, 7_900, 900),
)
DEBTS = (("USDC", 6), ("DAI", 18), ("USDT", 6))
# an account's values in USD: the first pair is large enough to restore the whole account
COLLATERAL_VALUES = (80_000, 8_000, 6_400, 4_800, 4_000)
DEBT_PARTS = (wad("0.84"), wad("0.09"), wad("0.07"))
HEALTH = wad("0.96")

_CURVE = replace(PARAMETERS.curve, steepness=wad(2))
_LIMITS = replace(
    PARAMETERS.limits, min_debt_per_asset=wad(50), hard_floor=wad("0.97"), grace_period=900, bucket_minimum=wad(200)
)


class Bench(World):
    """What is measured stands in works.py."""

    borrower = actor("borrower")

    def __init__(self, node: Node) -> None:
        super().__init__(node, replace(PARAMETERS, curve=_CURVE, limits=_LIMITS))
        million = 10**6
        self.collaterals = [
            self.list_asset(
                symbol,
                decimals,
                price,
                collateral(
                    threshold,
                    bonus,
                    cap=10**9 * 10**decimals if decimals < 18 else 10**7 * 10**decimals,
                    bucket_capacity=wad(100 * million),
                    bucket_refill=wad(10),
                ),
            )
            for symbol, decimals, price, threshold, bonus in COLLATERALS
        ]
        self.debts = [
            self.list_asset(
                symbol,
                decimals,
                1,
                NOT_COLLATERAL,
                BorrowParameters(
                    reserve_factor=1_000,
                    supply_cap=100 * million * 10**decimals,
                    borrow_cap=50 * million * 10**decimals,
                    **KINKED,
                ),
            )
            for symbol, decimals in DEBTS
        ]
        for debt in self.debts:
            self.supply(debt, 10 * million)
        for asset in self.assets:
            for party in (self.borrower, self.liquidator):
                self.fund_party(party, asset, million)
        self._forerun()

    # ---------------------------------------------------------------------------------------------------- accounts

    def open(self, collaterals: int, debts: int, *, owner: str | None = None, index: int = 0) -> int:
        """An account of that size, borrowed to just under its initial margin."""
        owner = owner or self.borrower
        held = dict(zip(self.collaterals[:collaterals], COLLATERAL_VALUES, strict=False))
        power = sum(value * self.listings[asset.id][0].ltv / 10_000 for asset, value in held.items())
        parts = DEBT_PARTS[:debts]
        owed = {
            asset: str(round(power * 0.99 * part / sum(parts), 2))
            for asset, part in zip(self.debts, parts, strict=False)
        }
        amounts = {asset: str(value * 10**18 / self.prices[asset.id]) for asset, value in held.items()}
        return self.open_account(amounts, owed, owner=owner, index=index)

    def crash(self, account: int) -> None:
        """Every collateral falls by the same factor, so that the account's health factor is 0.96."""
        health = self.health(account)
        for asset in self.collaterals:
            asset.feed.publish(self.prices[asset.id] * HEALTH // health, sender=self.governor)

    def recover(self) -> None:
        for asset in self.assets:
            asset.feed.publish(self.prices[asset.id], sender=self.governor)

    def first_pair(self) -> dict[str, int]:
        """The sets of a request that closes one pair."""
        return {"collaterals": set_of(self.collaterals[0]), "debts": set_of(self.debts[0])}

    def _forerun(self) -> None:
        """Somebody else's business: no market is untouched, no bucket, no claim and no balance is zero."""
        stranger = self.open(5, 3, owner=self.stranger)
        for debt in self.debts:
            self.fund_party(self.stranger, debt, 10_000)
            self.vault.repay(stranger, debt.id, debt.units(1_000), sender=self.stranger)
        doomed = self.open(5, 3, owner=self.stranger, index=1)
        self.crash(doomed)
        before = self.health(doomed)
        result: Result = self.result(self.close_out(doomed))
        assert before < result.health_after
        self.recover()

    def hour(self) -> None:
        """An hour of interest."""
        self.warp(HOUR)

    def account(self, index: int = 0) -> int:
        return account_of(self.borrower, index)

    def least(self, asset: Asset) -> int:
        return asset.units("100")
