"""What every protocol is measured on: the same tokens, feeds and parties on one chain, and the same accounts.

Ordinary OpenZeppelin tokens and Chainlink-shaped feeds of one slot and eight decimals. Five collaterals and three
assets to borrow; an account of n + m has the first n and m of them, its first pair large enough to restore all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from closeout.units import parse_units
from tests.support.node import Deployed, Node, actor
from tests.support.world import NEVER

__all__ = [
    "COLLATERALS",
    "DEBTS",
    "HEALTH",
    "HOUR",
    "PART",
    "Measured",
    "MeasuredProtocol",
    "Scenario",
    "Stage",
    "StagedAsset",
    "gas_of",
]

HOUR = 3_600
FEED_DECIMALS = 8


@dataclass(frozen=True)
class Parameters:
    """Price in USD; threshold, largest liquidation bonus in bps; value in an account, USD."""

    symbol: str
    decimals: int
    price: int
    threshold: int
    max_bonus: int
    value: int


COLLATERALS = (
    Parameters("WETH", 18, 2_000, 8_000, 500, 80_000),
    Parameters("WBTC", 8, 40_000, 8_000, 800, 8_000),
    Parameters("LINK", 18, 16, 7_900, 900, 6_400),
    Parameters("UNI", 18, 8, 7_900, 900, 4_800),
    Parameters("AAVE", 18, 100, 7_900, 900, 4_000),
)
DEBTS = (("USDC", 6, 84), ("DAI", 18, 9), ("USDT", 6, 7))
# sizes of accounts that isolated pairs do not have
BASKETS = ("3 + 2", "5 + 3")
# of what may be borrowed, in hundredths
DRAWN = 99
# health factor of an account in hundredths when it is closed out, and the part of its debt that is then repaid
HEALTH = 98
PART = 48


@dataclass(frozen=True)
class StagedAsset:
    """A token with its feed; `price` with eight decimals while nothing crashes."""

    symbol: str
    decimals: int
    token: Deployed
    feed: Deployed
    price: int

    def units(self, usd: str | int) -> int:
        """Token units worth that many USD."""
        return parse_units(str(usd), 18) * 10**self.decimals * 10**FEED_DECIMALS // (self.price * 10**18)


@dataclass(frozen=True)
class Measured:
    """Gas of the work, in how many transactions, and which of several ways it was done, being the cheapest."""

    gas: int
    transactions: int = 1
    way: str = ""


@dataclass
class Counted:
    """Gas of several transactions."""

    gas: int = 0
    transactions: int = 0


# prepares and performs the work, on a chain that is rolled back afterwards
Scenario = Callable[[], Measured]


class Stage:
    """Deployed once; protocols are deployed onto it one after the other."""

    lender = actor("lender")
    borrower = actor("borrower")
    liquidator = actor("liquidator")
    stranger = actor("stranger")
    governor = actor("governor")
    treasury = actor("treasury")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.collaterals = [self._asset(item.symbol, item.decimals, item.price) for item in COLLATERALS]
        self.debts = [self._asset(symbol, decimals, 1) for symbol, decimals, _ in DEBTS]
        self.meter = node.deploy("GasMeter", sender=self.governor)
        for asset in self.assets:
            for party in (self.lender, self.borrower, self.liquidator, self.stranger):
                asset.token.mint(party, asset.units(10**9), sender=self.governor)

    @property
    def assets(self) -> list[StagedAsset]:
        return [*self.collaterals, *self.debts]

    def holdings(self, count: int) -> dict[StagedAsset, int]:
        """Token units of an account's collaterals."""
        return {
            asset: asset.units(item.value) for asset, item in zip(self.collaterals[:count], COLLATERALS, strict=False)
        }

    def owings(self, collaterals: int, count: int, headroom_bps: int) -> dict[StagedAsset, int]:
        """Token units of an account's debts, drawn to just under what thresholds less `headroom_bps` allow."""
        power = sum(item.value * (item.threshold - headroom_bps) for item in COLLATERALS[:collaterals])
        whole = sum(weight for _, _, weight in DEBTS[:count])
        return {
            asset: asset.units(power * DRAWN * weight // (whole * 100 * 10_000))
            for asset, (_, _, weight) in zip(self.debts[:count], DEBTS, strict=False)
        }

    def approve(self, spender: Deployed | str) -> None:
        """Every party lets `spender` take every token."""
        for asset in self.assets:
            for party in (self.lender, self.borrower, self.liquidator, self.stranger):
                asset.token.approve(spender, NEVER, sender=party)

    def publish(self, asset: StagedAsset, price: int) -> None:
        asset.feed.publish(price, sender=self.governor)

    def crash(self, health_wad: int) -> None:
        """All collateral falls by one factor, to bring an account of that health factor to `HEALTH`."""
        for asset in self.collaterals:
            self.publish(asset, asset.price * HEALTH * 10**16 // health_wad)

    def recover(self) -> None:
        for asset in self.collaterals:
            self.publish(asset, asset.price)

    def another(self) -> StagedAsset:
        """One more asset, that nobody has listed."""
        token = self.node.deploy("TestToken", "Another", "ANY", 18, sender=self.governor)
        return StagedAsset("ANY", 18, token, self.collaterals[0].feed, self.collaterals[0].price)

    @contextmanager
    def counted(self) -> Iterator[Counted]:
        """Counts the gas of all transactions inside, deployments too."""
        counted = Counted()
        first = int(self.node.rpc.call("eth_blockNumber"), 16) + 1
        yield counted
        last = int(self.node.rpc.call("eth_blockNumber"), 16)
        for number in range(first, last + 1):
            for receipt in self.node.rpc.call("eth_getBlockReceipts", hex(number)):
                counted.gas += int(receipt["gasUsed"], 16)
                counted.transactions += 1

    def hour(self) -> None:
        """An hour in which interest accrues and nobody touches a market."""
        self.node.set_time(self.node.now + HOUR)

    def _asset(self, symbol: str, decimals: int, price: int) -> StagedAsset:
        token = self.node.deploy("TestToken", symbol, symbol, decimals, sender=self.governor)
        feed = self.node.deploy("TestAggregator", FEED_DECIMALS, f"{symbol} / USD", sender=self.governor)
        asset = StagedAsset(symbol, decimals, token, feed, price * 10**FEED_DECIMALS)
        self.publish(asset, asset.price)
        return asset


class MeasuredProtocol(ABC):
    """A protocol on the stage, used by parties who did everything before; each work is done in the cheapest way."""

    name: str
    # whether an account can have several collaterals and debts
    has_baskets = True

    def works(self) -> dict[str, Scenario]:
        """In the order of the table. The transaction that is measured is the chain's last one where it is one."""
        works: dict[str, Scenario] = {
            "deposit, first": lambda: self.deposit(is_first=True),
            "deposit, repeat": lambda: self.deposit(is_first=False),
            "borrow, first": lambda: self.borrow(is_first=True),
            "borrow, repeat": lambda: self.borrow(is_first=False),
            "repay a part": self.repay,
            "withdraw a part, owing": self.withdraw,
            "close out 1 + 1": lambda: self.close_pair(1, 1),
            "close out 3 + 2, one pair": lambda: self.close_pair(3, 2),
            "close out 5 + 3, one pair": lambda: self.close_pair(5, 3),
            "close out 3 + 2, whole basket": lambda: self.close_basket(3, 2),
            "close out 5 + 3, whole basket": lambda: self.close_basket(5, 3),
            "health of 1 + 1, read by a contract": lambda: self.health(1, 1),
            "health of 5 + 3, read by a contract": lambda: self.health(5, 3),
            "list a market": self.list_market,
        }
        return {
            name: work
            for name, work in works.items()
            if self.has_baskets or not any(basket in name for basket in BASKETS)
        }

    @abstractmethod
    def deposit(self, *, is_first: bool) -> Measured:
        """Collateral worth 2 000 USD."""

    @abstractmethod
    def borrow(self, *, is_first: bool) -> Measured:
        """1 000 USD, prices looked at."""

    @abstractmethod
    def repay(self) -> Measured:
        """1 000 USD of a larger debt."""

    @abstractmethod
    def withdraw(self) -> Measured:
        """Collateral worth 2 000 USD of an account that owes, prices looked at."""

    @abstractmethod
    def close_pair(self, collaterals: int, debts: int) -> Measured:
        """Brings an account back to health by its first pair alone, of which parts remain."""

    def close_basket(self, collaterals: int, debts: int) -> Measured:
        """Brings an account back to health by the same part of every collateral and debt."""
        raise NotImplementedError

    @abstractmethod
    def health(self, collaterals: int, debts: int) -> Measured:
        """What a contract pays that asks how healthy an account is."""

    @abstractmethod
    def list_market(self) -> Measured:
        """One more asset, as collateral and to borrow; its token and its feed exist."""


def gas_of(stage: Stage, *calls: tuple[Deployed, bytes]) -> int:
    """What these calls cost a contract that makes them one after the other, their own 2 600 or 100 included."""
    targets = [contract for contract, _ in calls]
    used: list[int] = stage.meter.measureRow.ask(targets, [data for _, data in calls])
    return sum(used)
