"""Aave V3.6 on the stage, set up as its deployment scripts do, without a rewards controller (which would cost more).

Liquidation protocol fee 10 %, reserve factor 10 %, caps on, no price sentinel, as on mainnet. A liquidator takes tokens
or aTokens, whichever costs less.
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from tests.gas.peers.chain import PeerChain
from tests.gas.peers.compiling import AAVE, Linked
from tests.gas.stage import COLLATERALS, PART, Measured, MeasuredProtocol, Stage, StagedAsset, gas_of
from tests.support.node import Deployed, Receipt

__all__ = ["Aave"]

ZERO = "0x" + "00" * 20
VARIABLE = 2
MILLION = 10**6
WAD = 10**18
LTV_BELOW_THRESHOLD = 500


class Aave(MeasuredProtocol):
    """One Pool with the stage's eight assets."""

    name = AAVE.name
    sources = AAVE

    def __init__(self, stage: Stage, contracts: dict[str, Linked]) -> None:
        self.stage = stage
        self.chain = PeerChain(stage.node, contracts, stage.governor)
        self._set_up()
        stage.approve(self.pool)
        for asset, item in zip(stage.collaterals, COLLATERALS, strict=True):
            self._list(asset)
            self._set_collateral(asset, item.threshold, item.max_bonus)
        for asset in stage.debts:
            self._list(asset)
            self._set_borrowing(asset)
            self._supply(asset, asset.units(10 * MILLION), stage.lender)
        self._forerun()

    # ------------------------------------------------------------------------------------------------------- works

    def deposit(self, *, is_first: bool) -> Measured:
        borrower, asset = self.stage.borrower, self.stage.collaterals[0]
        if not is_first:
            self._open(1, 1)
        self.stage.hour()
        return Measured(self._supply(asset, asset.units(2_000), borrower).gas)

    def borrow(self, *, is_first: bool) -> Measured:
        borrower, asset = self.stage.borrower, self.stage.debts[0]
        self._open(1, 0 if is_first else 1)
        if not is_first:
            self._pay(asset, asset.units(10_000))
        self.stage.hour()
        receipt = self.pool.borrow(asset.token, asset.units(1_000), VARIABLE, 0, borrower, sender=borrower)
        return Measured(receipt.gas)

    def repay(self) -> Measured:
        self._open(1, 1)
        self.stage.hour()
        asset = self.stage.debts[0]
        return Measured(self._pay(asset, asset.units(1_000)).gas)

    def withdraw(self) -> Measured:
        borrower, asset, debt = self.stage.borrower, self.stage.collaterals[0], self.stage.debts[0]
        self._open(1, 1)
        self._pay(debt, debt.units(10_000))
        self.stage.hour()
        return Measured(self.pool.withdraw(asset.token, asset.units(2_000), borrower, sender=borrower).gas)

    def close_pair(self, collaterals: int, debts: int) -> Measured:
        """The first pair alone: half of its debt is more than what brings the account back."""
        return self._cheaper(
            collaterals, debts, lambda: [(self.stage.collaterals[0], *self._parts(debts, whole=False)[0])]
        )

    def close_basket(self, collaterals: int, debts: int) -> Measured:
        """The same part of every debt against the same part of every collateral, by n + m - 1 calls: the fewest."""
        return self._cheaper(collaterals, debts, lambda: self._pairs(collaterals, debts))

    def _cheaper(self, collaterals: int, debts: int, pairs: Any) -> Measured:
        found = []
        for as_shares in (True, False):
            with self.stage.node.rolled_back():
                found.append(self._liquidate(collaterals, debts, pairs, as_shares=as_shares))
        return min(found, key=lambda measured: measured.gas)

    def _liquidate(self, collaterals: int, debts: int, pairs: Any, *, as_shares: bool) -> Measured:
        borrower, liquidator = self.stage.borrower, self.stage.liquidator
        self._open(collaterals, debts)
        before = self._crash()
        self.stage.hour()
        gas = [
            self.pool.liquidationCall(collateral.token, debt.token, borrower, units, as_shares, sender=liquidator).gas
            for collateral, debt, units in pairs()
        ]
        after = self._health_factor(borrower)
        assert before < WAD < after, f"the health factor went from {before} to {after}"
        return Measured(sum(gas), len(gas), way="aTokens taken" if as_shares else "tokens taken")

    def health(self, collaterals: int, debts: int) -> Measured:
        self._open(collaterals, debts)
        self.stage.hour()
        data = self.pool.getUserAccountData.data(self.stage.borrower)
        return Measured(gas_of(self.stage, (self.pool, data)))

    def list_market(self) -> Measured:
        token = self.stage.node.deploy("TestToken", "Another", "ANY", 18, sender=self.stage.governor)
        asset = StagedAsset("ANY", 18, token, self.stage.collaterals[0].feed, 10**8)
        receipts = [*self._list(asset), *self._set_collateral(asset, 7_500, 900), *self._set_borrowing(asset)]
        return Measured(sum(receipt.gas for receipt in receipts), len(receipts))

    # ----------------------------------------------------------------------------------------------------- accounts

    def _open(self, collaterals: int, debts: int, owner: str = Stage.borrower) -> None:
        for asset, units in self.stage.holdings(collaterals).items():
            self._supply(asset, units, owner)
        for asset, units in self.stage.owings(collaterals, debts, LTV_BELOW_THRESHOLD).items():
            self.pool.borrow(asset.token, units, VARIABLE, 0, owner, sender=owner)
        self.stage.node.set_time(self.stage.node.now + 1)

    def _supply(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.pool.supply(asset.token, units, owner, 0, sender=owner)
        return receipt

    def _pay(self, asset: StagedAsset, units: int) -> Receipt:
        borrower = self.stage.borrower
        receipt: Receipt = self.pool.repay(asset.token, units, VARIABLE, borrower, sender=borrower)
        return receipt

    def _health_factor(self, owner: str) -> int:
        factor: int = self.pool.getUserAccountData(owner)[5]
        return factor

    def _crash(self, owner: str = Stage.borrower) -> int:
        self.stage.crash(self._health_factor(owner))
        return self._health_factor(owner)

    def _parts(self, debts: int, *, whole: bool) -> list[tuple[StagedAsset, int]]:
        """What is repaid: the same part of each debt, or all of that part by the first one."""
        owed = {asset: self._debt_of(asset) for asset in self.stage.debts[:debts]}
        if whole:
            return [(asset, units * PART // 100) for asset, units in owed.items()]
        first = self.stage.debts[0]
        usd = sum(units * 10**18 // 10**asset.decimals for asset, units in owed.items())
        return [(first, usd * PART // 100 * 10**first.decimals // 10**18)]

    def _debt_of(self, asset: StagedAsset) -> int:
        token = self.chain.at("VariableDebtTokenInstance", self.pool.getReserveVariableDebtToken(asset.token))
        units: int = token.balanceOf(self.stage.borrower)
        return units

    def _pairs(self, collaterals: int, debts: int) -> list[tuple[StagedAsset, StagedAsset, int]]:
        """Every debt's part shared out over the collaterals by value, the largest last: health must stay below 1."""
        values = [item.value for item in COLLATERALS[:collaterals]]
        parts = self._parts(debts, whole=True)
        usd = [units * 10**18 // 10**asset.decimals for asset, units in parts]
        shares = [sum(usd) * value // sum(values) for value in values]
        pairs = []
        collateral, debt = collaterals - 1, debts - 1
        while collateral >= 0 and debt >= 0:
            is_last = collateral == 0
            moved = usd[debt] if is_last else min(usd[debt], shares[collateral])
            asset = parts[debt][0]
            pairs.append((self.stage.collaterals[collateral], asset, moved * 10**asset.decimals // 10**18))
            usd[debt] -= moved
            shares[collateral] -= moved
            if usd[debt] == 0:
                debt -= 1
            else:
                collateral -= 1
        assert len(pairs) == collaterals + debts - 1
        return pairs

    def _forerun(self) -> None:
        """Somebody else's account, and liquidations of every asset: no balance is zero, nor the treasury's."""
        stranger, liquidator = self.stage.stranger, self.stage.liquidator
        self._open(5, 3, stranger)
        self._crash(stranger)
        for number, collateral in enumerate(self.stage.collaterals):
            debt = self.stage.debts[max(0, number - 2)]
            for as_shares in (True, False):
                self.pool.liquidationCall(
                    collateral.token, debt.token, stranger, debt.units(300), as_shares, sender=liquidator
                )
        self.stage.recover()

    # ------------------------------------------------------------------------------------------------- deployment

    def _set_up(self) -> None:
        deploy, governor = self.chain.deploy, self.stage.governor
        provider = deploy("PoolAddressesProvider", "Measured", governor)
        strategy = deploy("DefaultReserveInterestRateStrategyV2", provider)
        provider.setACLAdmin(governor, sender=governor)
        roles = deploy("ACLManager", provider)
        provider.setACLManager(roles, sender=governor)
        roles.addPoolAdmin(governor, sender=governor)
        self.oracle = deploy("AaveOracle", provider, [], [], ZERO, ZERO, 10**8)
        provider.setPriceOracle(self.oracle, sender=governor)
        provider.setPoolImpl(deploy("PoolInstance", provider, strategy), sender=governor)
        provider.setPoolConfiguratorImpl(deploy("PoolConfiguratorInstance"), sender=governor)
        self.pool: Deployed = self.chain.at("PoolInstance", provider.getPool())
        self.configurator = self.chain.at("PoolConfiguratorInstance", provider.getPoolConfigurator())
        self.shares = deploy("ATokenInstance", self.pool, ZERO, self.stage.treasury)
        self.debt_token = deploy("VariableDebtTokenInstance", self.pool, ZERO)

    def _list(self, asset: StagedAsset) -> list[Receipt]:
        governor, symbol = self.stage.governor, asset.symbol
        rates = encode(["(uint16,uint32,uint32,uint32)"], [(8_000, 100, 400, 7_500)])
        reserve = (
            self.shares, self.debt_token, asset.token, f"Aave {symbol}", f"a{symbol}", f"Debt {symbol}", f"d{symbol}",
            b"", rates,
        )  # fmt: skip
        return [
            self.oracle.setAssetSources([asset.token], [asset.feed], sender=governor),
            self.configurator.initReserves([reserve], sender=governor),
            self.configurator.setSupplyCap(asset.token, 10**10, sender=governor),
            self.configurator.setReserveFactor(asset.token, 1_000, sender=governor),
        ]

    def _set_collateral(self, asset: StagedAsset, threshold: int, max_bonus: int) -> list[Receipt]:
        governor, ltv = self.stage.governor, threshold - LTV_BELOW_THRESHOLD
        return [
            self.configurator.configureReserveAsCollateral(
                asset.token, ltv, threshold, 10_000 + max_bonus, sender=governor
            ),
            self.configurator.setLiquidationProtocolFee(asset.token, 1_000, sender=governor),
        ]

    def _set_borrowing(self, asset: StagedAsset) -> list[Receipt]:
        governor = self.stage.governor
        return [
            self.configurator.setReserveBorrowing(asset.token, True, sender=governor),
            self.configurator.setBorrowCap(asset.token, 10**9, sender=governor),
        ]
