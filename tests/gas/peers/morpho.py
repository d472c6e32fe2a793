"""Morpho Blue on the stage: one isolated market of the first pair, with an adaptive rate model and a two-feed oracle.

Those two are written anew (contracts/), since theirs are not on npm. The market's fee is off, as on almost all of
theirs. There is no account of several assets: what needs one is not measured. A close-out names seized assets or repaid
shares, whichever costs less.
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.gas.peers.base import WAD, StagedPeer
from tests.gas.peers.compiling import MORPHO
from tests.gas.stage import Measured, StagedAsset
from tests.support.node import Deployed, Receipt

__all__ = ["Morpho"]

LIMIT = 80 * WAD // 100
PRICE_SCALE = 36


class Morpho(StagedPeer):
    """`market` is WETH against USDC."""

    name = "Morpho Blue"
    sources = (MORPHO,)
    has_baskets = False
    size = (1, 1)
    ways = ("repaid shares named", "seized assets named")

    def put(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.morpho.supplyCollateral(self.market, units, owner, b"", sender=owner)
        return receipt

    def draw(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.morpho.withdrawCollateral(self.market, units, owner, owner, sender=owner)
        return receipt

    def take(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.morpho.borrow(self.market, units, 0, owner, owner, sender=owner)
        return receipt

    def pay(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        receipt: Receipt = self.morpho.repay(self.market, units, 0, owner, b"", sender=owner)
        return receipt

    def liquidate(self, pair: tuple[StagedAsset, StagedAsset, int], borrower: str, way: str) -> Receipt:
        _, _, units = pair
        totals = self.morpho.market(self.id)
        shares = units * (totals[3] + 10**6) // (totals[2] + 1)
        seized = units * 10**PRICE_SCALE // self.oracle.price()
        amounts = (0, shares) if way == self.ways[0] else (seized, 0)
        receipt: Receipt = self.morpho.liquidate(self.market, borrower, *amounts, b"", sender=self.stage.liquidator)
        return receipt

    def debt_of(self, asset: StagedAsset, owner: str) -> int:
        """On the totals as they were last accrued."""
        shares = self.morpho.position(self.id, owner)[1]
        totals = self.morpho.market(self.id)
        units: int = shares * (totals[2] + 1) // (totals[3] + 10**6)
        return units

    def health_factor(self, owner: str) -> int:
        held = self.morpho.position(self.id, owner)[2]
        factor: int = held * self.oracle.price() // 10**PRICE_SCALE * LIMIT // self.debt_of(self.stage.debts[0], owner)
        return factor

    def health_calls(self, owner: str) -> list[tuple[Deployed, bytes]]:
        """No view of its own: position, totals, the rate since the last accrual and the price."""
        return [
            (self.morpho, self.morpho.position.data(self.id, owner)),
            (self.morpho, self.morpho.market.data(self.id)),
            (self.rates, self.rates.borrowRateView.data(self.market, self.morpho.market(self.id))),
            (self.oracle, self.oracle.price.data()),
        ]

    def list_market(self) -> Measured:
        """The oracle and the market; the rate model is there."""
        asset = self.stage.another()
        with self.stage.counted() as counted:
            market = (self.stage.debts[0].token, asset.token, self._oracle(asset), self.rates, LIMIT)
            self.morpho.createMarket(market, sender=self.stage.governor)
        return Measured(counted.gas, counted.transactions, way="oracle and market; the rate model is there")

    # -------------------------------------------------------------------------------------------------- deployment

    def set_up(self) -> None:
        stage, governor = self.stage, self.stage.governor
        collateral, debt = stage.collaterals[0], stage.debts[0]
        self.morpho: Deployed = self.chain.deploy("Morpho", governor)
        self.rates = self.chain.deploy("AdaptiveRate", self.morpho)
        self.morpho.enableIrm(self.rates, sender=governor)
        self.morpho.enableLltv(LIMIT, sender=governor)
        stage.approve(self.morpho)
        self.oracle = self._oracle(collateral)
        self.market: tuple[Any, ...] = (debt.token, collateral.token, self.oracle, self.rates, LIMIT)
        words = [part.address if isinstance(part, Deployed) else part for part in self.market]
        self.id = keccak(encode(["address", "address", "address", "address", "uint256"], words))
        self.morpho.createMarket(self.market, sender=governor)
        # a market of its own is used to more of its capacity than a pool that serves many
        self.morpho.supply(self.market, debt.units(10**6), 0, stage.lender, b"", sender=stage.lender)

    def _oracle(self, collateral: StagedAsset) -> Deployed:
        debt = self.stage.debts[0]
        scale = 10 ** (PRICE_SCALE + debt.decimals - collateral.decimals)
        return self.chain.deploy("TwoFeedOracle", collateral.feed, debt.feed, scale)
