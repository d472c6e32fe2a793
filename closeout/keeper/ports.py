"""What the keeper's halves hand each other, and what they need of the outside. Types only: no I/O, no framework.

    ChainReader ──► Brain (watch-list, health, planner) ──► Decision ──► Sender
                    pure on integers, knows no keys          intents,    nonces, fees, receipts
                                                             refusals

All calls are synchronous and made by one thread. Accounts are AccountIds as integers (owner << 96 | index), assets
their ids in the Vault, amounts token units, prices, values and health factors WAD (USD), fees and gas costs wei,
times seconds. A reader raises NodeError where the node does not answer, answers nonsense, or is rate limited; the
caller tries again at the next block. `closeout.keeper.fakes` has a fake of every port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Protocol

from closeout.model import AssetParameters, ProtocolParameters, Quote, Regime, Status, div_up
from closeout.units import WAD

__all__ = [
    "AccountLine",
    "Action",
    "AssetConfiguration",
    "Block",
    "Brain",
    "Candidate",
    "ChainReader",
    "Configuration",
    "Confirmation",
    "Decision",
    "Funding",
    "Intent",
    "Leg",
    "Log",
    "PoolState",
    "Price",
    "PriceStatus",
    "Reason",
    "Refusal",
    "Sale",
    "SaleKind",
    "Workload",
]


# ------------------------------------------------------------------------------------------------------------ the chain


@dataclass(frozen=True, slots=True)
class Block:
    """A block's head. `base_fee` wei per gas."""

    number: int
    hash: str
    parent_hash: str
    timestamp: int
    base_fee: int = 0


@dataclass(frozen=True, slots=True)
class Log:
    """One decoded log of the Vault or of a price source, as `closeout.indexer.Indexer.apply` takes it."""

    address: str
    name: str
    values: Mapping[str, Any]
    block_number: int
    block_hash: str
    timestamp: int
    index: int


PriceStatus = Status
"""As in interfaces/IOracleRouter.sol: fresh, degraded, missing."""


@dataclass(frozen=True, slots=True)
class Price:
    """An asset's price as `OracleRouter.readPrice` answers: WAD USD per whole token.

    Whether an account is unhealthy is asked with collateral at `collateral_wad` and debt at `debt_wad`; amounts are
    exchanged at `exchange_wad`. Fresh: all three are the same. Missing: `exchange_wad` is 0, it cannot be in a set.
    `time` of the oldest observation behind it.
    """

    status: PriceStatus
    collateral_wad: int
    debt_wad: int
    exchange_wad: int
    time: int

    @classmethod
    def fresh(cls, price_wad: int, time: int) -> Price:
        """One price in no doubt."""
        return cls(PriceStatus.FRESH, price_wad, price_wad, price_wad, time)

    @property
    def quote(self) -> Quote:
        """As the model takes it."""
        return Quote(self.status, self.collateral_wad, self.debt_wad, self.exchange_wad)


@dataclass(frozen=True, slots=True)
class AssetConfiguration:
    """One listed asset. `parameters` hold the threshold where a running ramp leads; `ramp_start_bps` where it began.

    `volatility_target_wad`: what the volatility oracle says an account of this collateral should end at; None: nothing.
    """

    token: str
    parameters: AssetParameters
    ramp_start_bps: int = 0
    ramp_end: int = 0
    ramp_duration: int = 0
    volatility_target_wad: int | None = None

    def threshold_bps(self, now: int) -> int:
        """The liquidation threshold at a time: on the ramp's line, rounded up."""
        target = self.parameters.liquidation_threshold_bps
        if now >= self.ramp_end or not self.ramp_duration:
            return target
        left = (self.ramp_start_bps - target) * (self.ramp_end - now)
        return target + div_up(left, self.ramp_duration)


@dataclass(frozen=True, slots=True)
class Configuration:
    """What accounts are judged by. Assets by their ids."""

    protocol: ProtocolParameters
    assets: tuple[AssetConfiguration, ...]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What the chain itself says of one candidate at one block: the Lens's report, one call for all of them.

    `debts` in token units, rounded up. `is_possible`: a close-out of all would seize something; else `refusal` is the
    name of the error it would revert with, or "" where it would only put the account on call. `failure` is not "" where
    the report could not be made: then nothing else means anything.
    """

    account: int
    collateral: Mapping[int, int]
    debts: Mapping[int, int]
    health_factor_wad: int
    called_at: int
    acted_at: int
    is_possible: bool
    refusal: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class PoolState:
    """A Uniswap V3 pool at one block, as exact as its own arithmetic needs it.

    `fee` in hundredths of a bip. `net_liquidity` by initialised tick, complete between the ticks `known` (both
    included): a quote that would leave them is refused, never guessed.
    """

    address: str
    token0: str
    token1: str
    fee: int
    tick_spacing: int
    sqrt_price_x96: int
    tick: int
    liquidity: int
    net_liquidity: Mapping[int, int]
    known: tuple[int, int]


class ChainReader(Protocol):
    """The chain as the keeper reads it. `at` is a block of the canonical chain; a gone one is a NodeError."""

    def head(self) -> Block:
        """The newest block."""

    def block(self, number: int) -> Block | None:
        """The canonical block of that number; None beyond the head."""

    def logs(self, first: int, last: Block) -> Sequence[Log]:
        """Every log of the Vault from block `first` through `last`, of the chain that ends there; in order, decoded.

        A NodeError where `last` is gone: logs of two forks never come mixed.
        """

    def configuration(self, at: Block) -> Configuration:
        """What the Vault's configuration table says."""

    def prices(self, at: Block) -> Sequence[Price]:
        """The price of every listed asset, by asset id, in one call."""

    def confirm(self, accounts: Sequence[int], at: Block) -> Sequence[Confirmation]:
        """What the Lens says of these accounts, in their order, in one call."""

    def pools(self, at: Block) -> Sequence[PoolState]:
        """The pools that routes may use."""

    def l1_data_fee(self, size: int, at: Block) -> int:
        """What an L2 charges for a transaction of that many bytes beyond its gas, wei; 0 on an L1."""


# ------------------------------------------------------------------------------------------------------- what is wanted


class Action(Enum):
    """What a transaction is to do."""

    CLOSE_OUT = "close out"
    MARGIN_CALL = "margin call"
    """Starts an account's grace period: earns nothing itself, and without it nothing can be earned."""
    WRITE_OFF = "write off"
    """Ends an account whose collateral is dust: earns nothing; only where the operator wants it."""


class Funding(Enum):
    """Where the repayment comes from. Paper trading is the sender's matter: an intent is the same with no signer."""

    INVENTORY = "inventory"
    """The keeper's own tokens, by `Vault.closeOut`: no `sales`; `least_seized` and `most_repaid` bound the price."""
    FLASH = "flash"
    """What is seized, sold on the way, by `FlashLiquidator.closeOut`; `least_profits` bounds it."""


class SaleKind(IntEnum):
    """As `SaleKind` in interfaces/IFlashLiquidator.sol."""

    BUY_MISSING = 0
    SELL_ALL = 1


@dataclass(frozen=True, slots=True)
class Sale:
    """One sale of a flash close-out: `path` as the contract takes it (token sold, fee, token, ..., token bought).

    `part_wad` of what is missing, or of what is held; as the struct, in its order.
    """

    kind: SaleKind
    path: bytes
    part_wad: int = WAD


@dataclass(frozen=True, slots=True)
class Leg:
    """Token units of one asset."""

    asset_id: int
    amount: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """An account that the local screen could not call healthy; `health_factor_wad` exact, from local balances.

    `is_unpriced`: an asset's price is missing, so that the chain has to say.
    """

    account: int
    health_factor_wad: int
    debt_value_wad: int
    collateral_value_wad: int
    is_unpriced: bool = False


@dataclass(frozen=True, slots=True)
class Intent:
    """One transaction that the planner wants sent, complete but for sender, nonce, fee and receiver.

    Send in the order of a Decision. `key` names what is wanted, not when: two decisions that want the same account
    closed out have the same one, so a sender can see what is in flight already. Sets are asset ids, never empty for a
    close-out. `deadline` is the last timestamp at which it may be executed; `gas_limit` covers it with a margin.
    `expected_*` is what the planner computed at `block`: profit and its parts WAD USD, after gas at that base fee.
    """

    action: Action
    account: int
    block: Block
    funding: Funding = Funding.FLASH
    collaterals: frozenset[int] = frozenset()
    debts: frozenset[int] = frozenset()
    fill_wad: int = WAD
    deadline: int = 0
    sales: tuple[Sale, ...] = ()
    least_profits: Mapping[str, int] = field(default_factory=dict)
    """Token units by token address."""
    least_seized: Mapping[int, int] = field(default_factory=dict)
    most_repaid: Mapping[int, int] = field(default_factory=dict)
    """Token units by asset id; what has to be approved to the Vault, in inventory mode."""
    regime: Regime = Regime.HEALTHY
    expected_seized: tuple[Leg, ...] = ()
    """The liquidator's part."""
    expected_repaid: tuple[Leg, ...] = ()
    expected_profit_wad: int = 0
    expected_gas_cost_wad: int = 0
    expected_slippage_wad: int = 0
    """Pool fees and price impact, against the oracle's prices; negative where the pools pay more."""
    gas_limit: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.action.value, self.account


class Reason(Enum):
    """Why nothing is done about an account now."""

    HEALTHY = "the chain says it is healthy"
    NOT_YET = "its grace period runs, or it acted in this second"
    REFUSED = "the Vault would refuse"
    NO_ROUTE = "no known pools lead from what is seized to what is repaid"
    NO_DEPTH = "the pools carry no part of it at a profit"
    NO_INVENTORY = "the inventory does not hold what is to be repaid"
    TOO_DEAR = "gas costs more than it earns"
    UNPRICED = "a price is missing"
    NOT_OURS = "another worker's share"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An account that is let be, with the two numbers that were compared where there are two (WAD USD)."""

    account: int
    reason: Reason
    detail: str = ""
    earns_wad: int | None = None
    costs_wad: int | None = None


# ------------------------------------------------------------------------------------------------------------ the brain


@dataclass(frozen=True, slots=True)
class Workload:
    """What one block took: for metrics and the benchmark."""

    accounts: int = 0
    touched: int = 0
    candidates: int = 0
    node_calls: int = 0
    reorged_blocks: int = 0
    verified: int = 0
    differing: int = 0
    """Accounts of the random sample whose balances were not the chain's: they are repaired, and it is an alert."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything the brain has to say about one block."""

    block: Block
    intents: tuple[Intent, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    prices: tuple[Price, ...] = ()
    margin_called: tuple[int, ...] = ()
    """Accounts that were put on call by logs of this block."""
    bad_debt: Mapping[int, int] = field(default_factory=dict)
    """Token units by asset id, of logs of this block."""
    workload: Workload = Workload()


@dataclass(frozen=True, slots=True)
class AccountLine:
    """One account of the live table; by distance to liquidation."""

    account: int
    health_factor_wad: int
    collateral_value_wad: int
    debt_value_wad: int


class Brain(Protocol):
    """Watch-list, health and planner behind one door."""

    def on_block(self, block: Block) -> Decision:
        """Catches up to this block (also over reorgs), and decides. Raises NodeError; can then be called again."""

    def nearest(self, count: int) -> Sequence[AccountLine]:
        """The accounts with debt that are nearest to liquidation, at the last block's prices."""
