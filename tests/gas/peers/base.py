"""What is done on every peer alike, told by its few operations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from tests.gas.peers.chain import PeerChain
from tests.gas.peers.compiling import Linked, Peer
from tests.gas.stage import COLLATERALS, PART, Measured, MeasuredProtocol, Stage, StagedAsset, gas_of
from tests.support.node import Deployed, Receipt

__all__ = ["LTV_BELOW_THRESHOLD", "WAD", "ZERO_ADDRESS", "StagedPeer"]

WAD = 10**18
LTV_BELOW_THRESHOLD = 500
ZERO_ADDRESS = "0x" + "00" * 20
Pair = tuple[StagedAsset, StagedAsset, int]


class StagedPeer(MeasuredProtocol):
    """A peer on the stage. `size`: its largest account here; `ways`: of liquidating, of which the cheapest counts."""

    sources: tuple[Peer, ...]
    size = (5, 3)
    ways: tuple[str, ...] = ("",)

    def __init__(self, stage: Stage, contracts: dict[str, Linked]) -> None:
        self.stage = stage
        self.chain = PeerChain(stage.node, contracts, stage.governor)
        self.set_up()
        self._forerun()

    # -------------------------------------------------------------------------------------------------- operations

    @abstractmethod
    def set_up(self) -> None:
        """Deploys, lists the stage's assets, lets every party pay, lends out ten million of each debt."""

    @abstractmethod
    def put(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        """Collateral in."""

    @abstractmethod
    def draw(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        """Collateral out."""

    @abstractmethod
    def take(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        """Debt up."""

    @abstractmethod
    def pay(self, asset: StagedAsset, units: int, owner: str) -> Receipt:
        """Debt down."""

    @abstractmethod
    def liquidate(self, pair: Pair, borrower: str, way: str) -> Receipt:
        """Repays so many units of the pair's debt against its collateral."""

    @abstractmethod
    def debt_of(self, asset: StagedAsset, owner: str) -> int:
        """Token units."""

    @abstractmethod
    def health_factor(self, owner: str) -> int:
        """WAD; below 1 the account can be liquidated."""

    @abstractmethod
    def health_calls(self, owner: str) -> list[tuple[Deployed, bytes]]:
        """What a contract calls to learn it."""

    # ------------------------------------------------------------------------------------------------------- works

    def deposit(self, *, is_first: bool) -> Measured:
        asset = self.stage.collaterals[0]
        if not is_first:
            self._open(1, 1)
        self.stage.hour()
        return Measured(self.put(asset, asset.units(2_000), self.stage.borrower).gas)

    def borrow(self, *, is_first: bool) -> Measured:
        borrower, asset = self.stage.borrower, self.stage.debts[0]
        self._open(1, 0 if is_first else 1)
        if not is_first:
            self.pay(asset, asset.units(10_000), borrower)
        self.stage.hour()
        return Measured(self.take(asset, asset.units(1_000), borrower).gas)

    def repay(self) -> Measured:
        asset = self.stage.debts[0]
        self._open(1, 1)
        self.stage.hour()
        return Measured(self.pay(asset, asset.units(1_000), self.stage.borrower).gas)

    def withdraw(self) -> Measured:
        borrower, asset, debt = self.stage.borrower, self.stage.collaterals[0], self.stage.debts[0]
        self._open(1, 1)
        self.pay(debt, debt.units(10_000), borrower)
        self.stage.hour()
        return Measured(self.draw(asset, asset.units(2_000), borrower).gas)

    def close_pair(self, collaterals: int, debts: int) -> Measured:
        return self._close(collaterals, debts, is_whole=False)

    def close_basket(self, collaterals: int, debts: int) -> Measured:
        """By n + m - 1 calls: the fewest that take the same part of everything."""
        return self._close(collaterals, debts, is_whole=True)

    def _close(self, collaterals: int, debts: int, *, is_whole: bool) -> Measured:
        found = []
        for way in self.ways:
            with self.stage.node.rolled_back():
                found.append(self._close_by(way, collaterals, debts, is_whole=is_whole))
        return min(found, key=lambda measured: measured.gas)

    def _close_by(self, way: str, collaterals: int, debts: int, *, is_whole: bool) -> Measured:
        borrower = self.stage.borrower
        self._open(collaterals, debts)
        before = self._crash(borrower)
        self.stage.hour()
        owed = [(asset, self.debt_of(asset, borrower)) for asset in self.stage.debts[:debts]]
        pairs = self._basket(collaterals, owed) if is_whole else [self._first_pair(owed)]
        gas = [self.liquidate(pair, borrower, way).gas for pair in pairs]
        after = self.health_factor(borrower)
        assert before < WAD < after, f"{self.name}: the health factor went from {before} to {after}"
        return Measured(sum(gas), len(gas), way)

    def health(self, collaterals: int, debts: int) -> Measured:
        self._open(collaterals, debts)
        self.stage.hour()
        calls = self.health_calls(self.stage.borrower)
        way = f"{len(calls)} calls, put together by the caller" if len(calls) > 1 else ""
        return Measured(gas_of(self.stage, *calls), way=way)

    # ----------------------------------------------------------------------------------------------------- accounts

    def _open(self, collaterals: int, debts: int, owner: str = Stage.borrower) -> None:
        for asset, units in self.stage.holdings(collaterals).items():
            self.put(asset, units, owner)
        for asset, units in self.stage.owings(collaterals, debts, LTV_BELOW_THRESHOLD).items():
            self.take(asset, units, owner)
        self.stage.node.set_time(self.stage.node.now + 1)

    def _crash(self, owner: str) -> int:
        self.stage.crash(self.health_factor(owner))
        return self.health_factor(owner)

    def _first_pair(self, owed: Sequence[tuple[StagedAsset, int]]) -> Pair:
        """The first debt pays for all: the same value as a basket."""
        usd = sum(_usd(asset, units) for asset, units in owed)
        first = self.stage.debts[0]
        return self.stage.collaterals[0], first, _units(first, usd * PART // 100)

    def _basket(self, collaterals: int, owed: Sequence[tuple[StagedAsset, int]]) -> list[Pair]:
        """Every debt's part shared out over the collaterals by value, the largest last: health must stay below 1."""
        values = [item.value for item in COLLATERALS[:collaterals]]
        repaid = [_usd(asset, units) * PART // 100 for asset, units in owed]
        seized = [sum(repaid) * value // sum(values) for value in values]
        pairs: list[Pair] = []
        collateral, debt = collaterals - 1, len(owed) - 1
        while collateral >= 0 and debt >= 0:
            moved = repaid[debt] if collateral == 0 else min(repaid[debt], seized[collateral])
            asset = owed[debt][0]
            pairs.append((self.stage.collaterals[collateral], asset, _units(asset, moved)))
            repaid[debt] -= moved
            seized[collateral] -= moved
            if repaid[debt] == 0:
                debt -= 1
            else:
                collateral -= 1
        assert len(pairs) == collaterals + len(owed) - 1
        return pairs

    def _forerun(self) -> None:
        """Somebody else has borrowed, repaid and been liquidated in every asset and way: no balance is zero."""
        stranger, (collaterals, debts) = self.stage.stranger, self.size
        self._open(collaterals, debts, stranger)
        for asset in self.stage.debts[:debts]:
            self.pay(asset, asset.units(100), stranger)
        self._crash(stranger)
        for number, collateral in enumerate(self.stage.collaterals[:collaterals]):
            debt = self.stage.debts[number % debts]
            for way in self.ways:
                self.liquidate((collateral, debt, debt.units(200)), stranger, way)
        self.stage.recover()


def _usd(asset: StagedAsset, units: int) -> int:
    """WAD, at the price of the debts, which is 1."""
    return units * WAD // 10**asset.decimals


def _units(asset: StagedAsset, usd: int) -> int:
    return usd * 10**asset.decimals // WAD
