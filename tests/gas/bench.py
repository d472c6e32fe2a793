"""Our protocol on the stage, with every limit switched on and everybody having done everything before.

Caps, size buckets, the protocol's part of the penalty, the curve's steepness, grace period and minimum debts are on.
Every market was last touched an hour before the transaction that is measured, and every balance that it changes is
above zero before and after.
"""

from __future__ import annotations

from dataclasses import replace

from closeout.chain.parameters import BorrowParameters
from tests.gas.stage import COLLATERALS, Measured, MeasuredProtocol, Stage, StagedAsset, gas_of
from tests.support.node import Receipt
from tests.support.world import NOT_COLLATERAL, PARAMETERS, Asset, World, account_of, collateral, set_of, wad
from tests.unit.lending.stage import KINKED

__all__ = ["Bench"]

MILLION = 10**6
LTV_BELOW_THRESHOLD = 500
# a keeper's: sets and deadline are short in calldata too
DEADLINE = 600
_CURVE = replace(PARAMETERS.curve, steepness=wad(2))
_LIMITS = replace(
    PARAMETERS.limits, min_debt_per_asset=wad(50), hard_floor=wad("0.99"), grace_period=900, bucket_minimum=wad(200)
)


class Bench(MeasuredProtocol):
    """A World without its standard assets."""

    name = "Closeout"

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.world = World(stage.node, replace(PARAMETERS, curve=_CURVE, limits=_LIMITS))
        self.vault = self.world.vault
        stage.approve(self.vault)
        self.collaterals = [
            self._list(asset, *self._as_collateral(asset, item.threshold, item.max_bonus))
            for asset, item in zip(stage.collaterals, COLLATERALS, strict=True)
        ]
        self.debts = [self._list(asset, *self._as_debt(asset)) for asset in stage.debts]
        for asset, staged in zip(self.debts, stage.debts, strict=True):
            self.vault.supply(asset.id, staged.units(10 * MILLION), stage.lender, sender=stage.lender)
        self._forerun()

    # ------------------------------------------------------------------------------------------------------- works

    def deposit(self, *, is_first: bool) -> Measured:
        account = account_of(self.stage.borrower) if is_first else self._open(1, 1)
        self.stage.hour()
        asset, amount = self.collaterals[0].id, self.stage.collaterals[0].units(2_000)
        return _one(self.vault.depositCollateral(account, asset, amount, sender=self.stage.borrower))

    def borrow(self, *, is_first: bool) -> Measured:
        borrower, staged, asset = self.stage.borrower, self.stage.debts[0], self.debts[0]
        account = self._open(1, 0 if is_first else 1)
        if not is_first:
            self.vault.repay(account, asset.id, staged.units(10_000), sender=borrower)
        self.stage.hour()
        return _one(self.vault.borrow(account, asset.id, staged.units(1_000), borrower, sender=borrower))

    def repay(self) -> Measured:
        account = self._open(1, 1)
        self.stage.hour()
        amount = self.stage.debts[0].units(1_000)
        return _one(self.vault.repay(account, self.debts[0].id, amount, sender=self.stage.borrower))

    def withdraw(self) -> Measured:
        borrower = self.stage.borrower
        account = self._open(1, 1)
        self.vault.repay(account, self.debts[0].id, self.stage.debts[0].units(10_000), sender=borrower)
        self.stage.hour()
        amount = self.stage.collaterals[0].units(2_000)
        return _one(self.vault.withdrawCollateral(account, self.collaterals[0].id, amount, borrower, sender=borrower))

    def close_pair(self, collaterals: int, debts: int) -> Measured:
        return self._close_out(collaterals, debts, is_whole=False)

    def close_basket(self, collaterals: int, debts: int) -> Measured:
        return self._close_out(collaterals, debts, is_whole=True)

    def _close_out(self, collaterals: int, debts: int, *, is_whole: bool) -> Measured:
        account = self._open(collaterals, debts)
        self.stage.crash(self.world.health(account))
        self.stage.hour()
        receipt = self.world.close_out(
            account,
            collaterals=set_of(*self.collaterals[: collaterals if is_whole else 1]),
            debts=set_of(*self.debts[: debts if is_whole else 1]),
            deadline=self.world.now + DEADLINE,
        )
        result = self.world.result(receipt)
        assert len(result.seized) == (collaterals if is_whole else 1)
        assert len(result.repaid) == (debts if is_whole else 1)
        assert result.health_after >= self.world.parameters.curve.target_health_factor
        return _one(receipt)

    def health(self, collaterals: int, debts: int) -> Measured:
        """The figure is the call's; the transaction, which a profile shows, has the caller's own gas too."""
        account = self._open(collaterals, debts)
        self.stage.hour()
        data = self.vault.healthOf.data(account)
        meter, node = self.stage.meter, self.stage.node
        gas = gas_of(self.stage, (self.vault, data))
        node.transact(self.stage.stranger, meter.address, meter.measure.data(self.vault, data, 0))
        return Measured(gas)

    def list_market(self) -> Measured:
        staged = self.stage.another()
        as_collateral = collateral(7_500, 900, cap=10**7 * 10**18, bucket_capacity=wad(MILLION), bucket_refill=wad(10))
        _, borrowing = self._as_debt(self.stage.debts[1])
        with self.stage.counted() as counted:
            self._list(staged, as_collateral, borrowing)
        return Measured(counted.gas, counted.transactions)

    # ----------------------------------------------------------------------------------------------------- the stage

    def _open(self, collaterals: int, debts: int, *, owner: str = Stage.borrower, index: int = 0) -> int:
        account = account_of(owner, index)
        for asset, units in self.stage.holdings(collaterals).items():
            self.vault.depositCollateral(account, self._of(asset).id, units, sender=owner)
        for asset, units in self.stage.owings(collaterals, debts, LTV_BELOW_THRESHOLD).items():
            self.vault.borrow(account, self._of(asset).id, units, owner, sender=owner)
        self.world.warp(1)
        return account

    def _of(self, staged: StagedAsset) -> Asset:
        return next(asset for asset in self.world.assets if asset.token is staged.token)

    def _list(self, staged: StagedAsset, *parameters: object) -> Asset:
        usd = staged.price // 10**8
        return self.world.list_asset(
            staged.symbol, staged.decimals, usd, *parameters, token=staged.token, feed=staged.feed
        )

    def _as_collateral(self, staged: StagedAsset, threshold: int, max_bonus: int) -> tuple[object, ...]:
        cap, capacity = staged.units(1_000 * MILLION), wad(100 * MILLION)
        return (collateral(threshold, max_bonus, cap=cap, bucket_capacity=capacity, bucket_refill=wad(10)),)

    def _as_debt(self, staged: StagedAsset) -> tuple[object, ...]:
        caps = {"supply_cap": staged.units(100 * MILLION), "borrow_cap": staged.units(50 * MILLION)}
        return (NOT_COLLATERAL, BorrowParameters(reserve_factor=1_000, **caps, **KINKED))

    def _forerun(self) -> None:
        """Somebody else's business, so that no market, bucket, claim or balance is zero or untouched."""
        stranger = self.stage.stranger
        account = self._open(5, 3, owner=stranger)
        for asset, staged in zip(self.debts, self.stage.debts, strict=True):
            self.vault.repay(account, asset.id, staged.units(1_000), sender=stranger)
        doomed = self._open(5, 3, owner=stranger, index=1)
        self.stage.crash(self.world.health(doomed))
        self.world.result(self.world.close_out(doomed))
        self.stage.recover()


def _one(receipt: Receipt) -> Measured:
    return Measured(receipt.gas)
