"""Exactly on the stage: floating pools behind transparent proxies, three fixed pools ahead, no treasury fee.

So it is on Ethereum; on Optimism it is ten pools and a fee, which costs more, as would its rewards. Its sources need
solmate 7, which is not on npm; `contracts/SolmateMath.sol` stands in.
"""

from __future__ import annotations

from tests.gas.peers.base import WAD, ZERO_ADDRESS, StagedPeer
from tests.gas.peers.compiling import EXACTLY, EXACTLY_MARKET
from tests.gas.stage import COLLATERALS, Measured, StagedAsset
from tests.support.node import Deployed, Receipt, actor

__all__ = ["Exactly"]

DAY = 86_400
# of a liquidation: the liquidator's and the lenders'
INCENTIVE = (5 * WAD // 100, 25 * WAD // 10_000)
# rate: least, natural; utilisation: largest, natural; speed: growth, sigmoid; spread; speed of maturity;
# time preference; part of fixed pools; largest rate
CURVE = tuple(
    WAD * part // 10_000 for part in (195, 400, 13_000, 8_800, 11_000, 25_000, 3_000, 5_000, 2_000, 6_000, 182_500)
)
UNLIMITED = 2**256 - 1


class Exactly(StagedPeer):
    """An Auditor and a Market for each of the stage's eight assets."""

    name = "Exactly"
    sources = (EXACTLY, EXACTLY_MARKET)

    def put(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        """A deposit is collateral once its market is entered, which has no effect when repeated."""
        market = self.markets[asset]
        self.auditor.enterMarket(market, sender=owner)
        receipt: Receipt = market.deposit(units, owner, sender=owner)
        return receipt

    def draw(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.markets[asset].withdraw(units, owner, owner, sender=owner)
        return receipt

    def take(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.markets[asset].borrow(units, owner, owner, sender=owner)
        return receipt

    def pay(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.markets[asset].repay(units, owner, sender=owner)
        return receipt

    def liquidate(self, pair: tuple[StagedAsset, StagedAsset, int], borrower: str, way: str) -> Receipt:
        collateral, debt, units = pair
        receipt: Receipt = self.markets[debt].liquidate(
            borrower, units, self.markets[collateral], sender=self.stage.liquidator
        )
        return receipt

    def debt_of(self, asset: StagedAsset, owner: str) -> int:
        units: int = self.markets[asset].previewDebt(owner)
        return units

    def health_factor(self, owner: str) -> int:
        held, owed = self.auditor.accountLiquidity(owner, ZERO_ADDRESS, 0)
        factor: int = held * WAD // owed
        return factor

    def health_calls(self, owner: str) -> list[tuple[Deployed, bytes]]:
        return [(self.auditor, self.auditor.accountLiquidity.data(owner, ZERO_ADDRESS, 0))]

    def deposit(self, *, is_first: bool) -> Measured:
        if not is_first:
            return super().deposit(is_first=False)
        stage, asset = self.stage, self.stage.collaterals[0]
        stage.hour()
        market = self.markets[asset]
        entered = self.auditor.enterMarket(market, sender=stage.borrower)
        deposited = market.deposit(asset.units(2_000), stage.borrower, sender=stage.borrower)
        return Measured(entered.gas + deposited.gas, 2, "deposit, and entering the market")

    def list_market(self) -> Measured:
        """Rate model, implementation, proxy, and enabling it."""
        asset = self.stage.another()
        with self.stage.counted() as counted:
            self._list(asset, 75 * WAD // 100)
        return Measured(counted.gas, counted.transactions)

    # -------------------------------------------------------------------------------------------------- deployment

    def set_up(self) -> None:
        stage = self.stage
        self.auditor = self._proxied("Auditor", self.chain.deploy("Auditor", 8), "initialize", INCENTIVE)
        thresholds = [item.threshold * WAD // 10_000 for item in COLLATERALS] + [WAD] * len(stage.debts)
        self.markets: dict[StagedAsset, Deployed] = {}
        for asset, factor in zip(stage.assets, thresholds, strict=True):
            self.markets[asset] = self._list(asset, factor)
            stage.approve(self.markets[asset])
        for asset in stage.debts:
            self.markets[asset].deposit(asset.units(10**7), stage.lender, sender=stage.lender)

    def _list(self, asset: StagedAsset, factor: int) -> Deployed:
        rates = self.chain.deploy("InterestRateModel", CURVE, ZERO_ADDRESS)
        market = self._proxied(
            "Market",
            self.chain.deploy("Market", asset.token, self.auditor),
            "initialize",
            asset.symbol, 3, UNLIMITED, 2 * WAD, rates, 45 * WAD // 10_000 // DAY, WAD // 10, WAD // 20,
            53 * WAD // 1_000_000, 4 * WAD // 10,
        )  # fmt: skip
        self.auditor.enableMarket(market, asset.feed, factor, sender=self.stage.governor)
        return market

    def _proxied(self, name: str, code: Deployed, function: str, *arguments: object) -> Deployed:
        data = code.methods[function].data(*arguments)
        proxy = self.chain.deploy("TransparentUpgradeableProxy", code, actor("proxy admin"), data)
        return self.chain.at(name, proxy.address)
