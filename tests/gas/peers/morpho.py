"""Morpho Blue on the stage: one isolated market of the first pair, with an adaptive rate model and a two-feed oracle.

Those two are written anew (contracts/), since theirs are not on npm. The market's fee is off, as on almost all of
theirs. There is no account of several assets: what needs one is not measured. A close-out names seized assets or repaid
shares, whichever costs less.
"""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.gas.peers.chain import PeerChain
from tests.gas.peers.compiling import MORPHO, Linked
from tests.gas.stage import DRAWN, HEALTH, PART, Measured, MeasuredProtocol, Stage, StagedAsset, gas_of
from tests.support.node import Deployed, Receipt

__all__ = ["Morpho"]

WAD = 10**18
MILLION = 10**6
LIMIT = 80 * WAD // 100
PRICE_SCALE = 36


class Morpho(MeasuredProtocol):
    """`market` is WETH against USDC."""

    name = MORPHO.name
    sources = MORPHO
    has_baskets = False

    def __init__(self, stage: Stage, contracts: dict[str, Linked]) -> None:
        self.stage = stage
        self.chain = PeerChain(stage.node, contracts, stage.governor)
        governor = stage.governor
        self.morpho: Deployed = self.chain.deploy("Morpho", governor)
        self.rates = self.chain.deploy("AdaptiveRate", self.morpho)
        self.morpho.enableIrm(self.rates, sender=governor)
        self.morpho.enableLltv(LIMIT, sender=governor)
        stage.approve(self.morpho)
        self.collateral, self.debt = stage.collaterals[0], stage.debts[0]
        self.oracle = self._oracle(self.collateral, self.debt)
        self.market = (self.debt.token, self.collateral.token, self.oracle, self.rates, LIMIT)
        self.morpho.createMarket(self.market, sender=governor)
        self.morpho.supply(self.market, self.debt.units(MILLION), 0, stage.lender, b"", sender=stage.lender)
        self._forerun()

    # ------------------------------------------------------------------------------------------------------- works

    def deposit(self, *, is_first: bool) -> Measured:
        if not is_first:
            self._open()
        self.stage.hour()
        return Measured(self._put(self.collateral.units(2_000)).gas)

    def borrow(self, *, is_first: bool) -> Measured:
        borrower = self.stage.borrower
        self._open(owes=not is_first)
        if not is_first:
            self._pay(self.debt.units(10_000))
        self.stage.hour()
        units = self.debt.units(1_000)
        return Measured(self.morpho.borrow(self.market, units, 0, borrower, borrower, sender=borrower).gas)

    def repay(self) -> Measured:
        self._open()
        self.stage.hour()
        return Measured(self._pay(self.debt.units(1_000)).gas)

    def withdraw(self) -> Measured:
        borrower = self.stage.borrower
        self._open()
        self._pay(self.debt.units(10_000))
        self.stage.hour()
        units = self.collateral.units(2_000)
        return Measured(self.morpho.withdrawCollateral(self.market, units, borrower, borrower, sender=borrower).gas)

    def close_pair(self, collaterals: int, debts: int) -> Measured:
        assert collaterals == debts == 1
        found = []
        for by_shares in (True, False):
            with self.stage.node.rolled_back():
                found.append(self._liquidate(by_shares=by_shares))
        return min(found, key=lambda measured: measured.gas)

    def _liquidate(self, *, by_shares: bool) -> Measured:
        borrower, liquidator = self.stage.borrower, self.stage.liquidator
        self._open()
        self._crash(borrower)
        self.stage.hour()
        _, shares, held = self.morpho.position(self._id(), borrower)
        seized, repaid = (0, shares * PART // 100) if by_shares else (held * PART // 100, 0)
        receipt = self.morpho.liquidate(self.market, borrower, seized, repaid, b"", sender=liquidator)
        assert self._health_factor(borrower) > WAD
        return Measured(receipt.gas, way="repaid shares named" if by_shares else "seized assets named")

    def health(self, collaterals: int, debts: int) -> Measured:
        """No view of its own: position, totals, the rate since the last accrual and the price, by a call each."""
        assert collaterals == debts == 1
        self._open()
        self.stage.hour()
        market = self.morpho.market(self._id())
        return Measured(
            gas_of(
                self.stage,
                (self.morpho, self.morpho.position.data(self._id(), self.stage.borrower)),
                (self.morpho, self.morpho.market.data(self._id())),
                (self.rates, self.rates.borrowRateView.data(self.market, market)),
                (self.oracle, self.oracle.price.data()),
            ),
            way="four calls, put together by the caller",
        )

    def list_market(self) -> Measured:
        """The oracle and the market; the rate model is there."""
        stage = self.stage
        token = stage.node.deploy("TestToken", "Another", "ANY", 18, sender=stage.governor)
        asset = StagedAsset("ANY", 18, token, stage.collaterals[1].feed, 10**8)
        oracle = self._oracle(asset, self.debt)
        oracle_gas = self._gas_of_last()
        market = (self.debt.token, token, oracle, self.rates, LIMIT)
        gas = oracle_gas + self.morpho.createMarket(market, sender=stage.governor).gas
        return Measured(gas, 2, way="oracle and market; the rate model is there")

    # ----------------------------------------------------------------------------------------------------- positions

    def _open(self, owner: str = Stage.borrower, *, owes: bool = True) -> None:
        held = self.stage.holdings(1)[self.collateral]
        self._put(held, owner)
        if owes:
            units = self.debt.units(80_000 * 75 * DRAWN // 10_000)
            self.morpho.borrow(self.market, units, 0, owner, owner, sender=owner)
        self.stage.node.set_time(self.stage.node.now + 1)

    def _put(self, units: int, owner: str = Stage.borrower) -> Receipt:
        receipt: Receipt = self.morpho.supplyCollateral(self.market, units, owner, b"", sender=owner)
        return receipt

    def _pay(self, units: int, owner: str = Stage.borrower) -> Receipt:
        receipt: Receipt = self.morpho.repay(self.market, units, 0, owner, b"", sender=owner)
        return receipt

    def _health_factor(self, owner: str) -> int:
        """On the totals as they were last accrued."""
        _, shares, held = self.morpho.position(self._id(), owner)
        totals = self.morpho.market(self._id())
        owed = shares * (totals[2] + 1) // (totals[3] + 10**6)
        return held * self.oracle.price() // 10**PRICE_SCALE * LIMIT // owed

    def _crash(self, owner: str) -> None:
        self.stage.crash(self._health_factor(owner))
        assert self._health_factor(owner) <= HEALTH * 10**16

    def _forerun(self) -> None:
        """Another borrower, who has repaid and was liquidated once: no balance of the market is zero or untouched."""
        stranger, liquidator = self.stage.stranger, self.stage.liquidator
        self._open(stranger)
        self._pay(self.debt.units(1_000), stranger)
        self._crash(stranger)
        shares = self.morpho.position(self._id(), stranger)[1] // 10
        self.morpho.liquidate(self.market, stranger, 0, shares, b"", sender=liquidator)
        self.stage.recover()

    # ------------------------------------------------------------------------------------------------- deployment

    def _id(self) -> bytes:
        words = [part.address if isinstance(part, Deployed) else part for part in self.market]
        return keccak(encode(["address", "address", "address", "address", "uint256"], words))

    def _oracle(self, collateral: StagedAsset, debt: StagedAsset) -> Deployed:
        scale = 10 ** (PRICE_SCALE + debt.decimals - collateral.decimals)
        return self.chain.deploy("TwoFeedOracle", collateral.feed, debt.feed, scale)

    def _gas_of_last(self) -> int:
        receipts: list[dict[str, Any]] = self.stage.node.rpc.call("eth_getBlockReceipts", "latest")
        return int(receipts[0]["gasUsed"], 16)
