"""Aave V3.6 on the stage, set up as its deployment scripts do, without a rewards controller (which would cost more).

Liquidation protocol fee 10 %, reserve factor 10 %, caps on, no price sentinel, as on mainnet. A liquidator takes tokens
or aTokens, whichever costs less.
"""

from __future__ import annotations

from eth_abi.abi import encode

from tests.gas.peers.base import LTV_BELOW_THRESHOLD, WAD, ZERO_ADDRESS, StagedPeer
from tests.gas.peers.compiling import AAVE
from tests.gas.stage import COLLATERALS, Measured, StagedAsset
from tests.support.node import Deployed, Receipt

__all__ = ["Aave"]

VARIABLE = 2


class Aave(StagedPeer):
    """One Pool with the stage's eight assets."""

    name = "Aave V3.6"
    sources = (AAVE,)
    ways = ("aTokens taken", "tokens taken")

    def put(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.pool.supply(asset.token, units, owner, 0, sender=owner)
        return receipt

    def draw(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.pool.withdraw(asset.token, units, owner, sender=owner)
        return receipt

    def take(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.pool.borrow(asset.token, units, VARIABLE, 0, owner, sender=owner)
        return receipt

    def pay(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.pool.repay(asset.token, units, VARIABLE, owner, sender=owner)
        return receipt

    def liquidate(self, pair: tuple[StagedAsset, StagedAsset, int], borrower: str, way: str) -> Receipt:
        collateral, debt, units = pair
        receipt: Receipt = self.pool.liquidationCall(
            collateral.token, debt.token, borrower, units, way == self.ways[0], sender=self.stage.liquidator
        )
        return receipt

    def debt_of(self, asset: StagedAsset, owner: str) -> int:
        token = self.chain.at("VariableDebtTokenInstance", self.pool.getReserveVariableDebtToken(asset.token))
        units: int = token.balanceOf(owner)
        return units

    def health_factor(self, owner: str) -> int:
        factor: int = self.pool.getUserAccountData(owner)[5]
        return factor

    def health_calls(self, owner: str) -> list[tuple[Deployed, bytes]]:
        return [(self.pool, self.pool.getUserAccountData.data(owner))]

    def list_market(self) -> Measured:
        asset = self.stage.another()
        with self.stage.counted() as counted:
            self._list(asset)
            self._set_collateral(asset, 7_500, 900)
            self._set_borrowing(asset)
        return Measured(counted.gas, counted.transactions)

    # -------------------------------------------------------------------------------------------------- deployment

    def set_up(self) -> None:
        deploy, stage, governor = self.chain.deploy, self.stage, self.stage.governor
        provider = deploy("PoolAddressesProvider", "Measured", governor)
        strategy = deploy("DefaultReserveInterestRateStrategyV2", provider)
        provider.setACLAdmin(governor, sender=governor)
        roles = deploy("ACLManager", provider)
        provider.setACLManager(roles, sender=governor)
        roles.addPoolAdmin(governor, sender=governor)
        self.oracle = deploy("AaveOracle", provider, [], [], ZERO_ADDRESS, ZERO_ADDRESS, 10**8)
        provider.setPriceOracle(self.oracle, sender=governor)
        provider.setPoolImpl(deploy("PoolInstance", provider, strategy), sender=governor)
        provider.setPoolConfiguratorImpl(deploy("PoolConfiguratorInstance"), sender=governor)
        self.pool: Deployed = self.chain.at("PoolInstance", provider.getPool())
        self.configurator = self.chain.at("PoolConfiguratorInstance", provider.getPoolConfigurator())
        self.shares = deploy("ATokenInstance", self.pool, ZERO_ADDRESS, stage.treasury)
        self.debt_token = deploy("VariableDebtTokenInstance", self.pool, ZERO_ADDRESS)
        stage.approve(self.pool)
        for asset, item in zip(stage.collaterals, COLLATERALS, strict=True):
            self._list(asset)
            self._set_collateral(asset, item.threshold, item.max_bonus)
        for asset in stage.debts:
            self._list(asset)
            self._set_borrowing(asset)
            self.put(asset, asset.units(10**7), stage.lender)
        assert self.health_factor(stage.stranger) > WAD

    def _list(self, asset: StagedAsset) -> None:
        governor, symbol = self.stage.governor, asset.symbol
        rates = encode(["(uint16,uint32,uint32,uint32)"], [(8_000, 100, 400, 7_500)])
        reserve = (
            self.shares, self.debt_token, asset.token, f"Aave {symbol}", f"a{symbol}", f"Debt {symbol}", f"d{symbol}",
            b"", rates,
        )  # fmt: skip
        self.oracle.setAssetSources([asset.token], [asset.feed], sender=governor)
        self.configurator.initReserves([reserve], sender=governor)
        self.configurator.setSupplyCap(asset.token, 10**10, sender=governor)
        self.configurator.setReserveFactor(asset.token, 1_000, sender=governor)

    def _set_collateral(self, asset: StagedAsset, threshold: int, max_bonus: int) -> None:
        governor, ltv = self.stage.governor, threshold - LTV_BELOW_THRESHOLD
        self.configurator.configureReserveAsCollateral(asset.token, ltv, threshold, 10_000 + max_bonus, sender=governor)
        self.configurator.setLiquidationProtocolFee(asset.token, 1_000, sender=governor)

    def _set_borrowing(self, asset: StagedAsset) -> None:
        governor = self.stage.governor
        self.configurator.setReserveBorrowing(asset.token, True, sender=governor)
        self.configurator.setBorrowCap(asset.token, 10**9, sender=governor)
