"""Where a price comes from: adapters as data, nested as they read each other, and the one function that deploys them.

Every figure is what the adapter's constructor takes: ratios in basis points, times in seconds, answers and liquidities
in the unit of the feed and of the pool. The bounds are the constructors' own (contracts/oracles).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = [
    "ADAPTERS",
    "ADAPTER_SOURCES",
    "MOST_ANSWER",
    "ChainlinkSource",
    "CrossSource",
    "PresentAdapter",
    "PythSource",
    "ShareSource",
    "Source",
    "TwapSource",
    "WatchedSource",
    "deploy_adapter",
]

DAY = 86_400
# the widest that a ChainlinkAdapter takes: only the aggregator's own bounds count
MOST_ANSWER = 10**48

ADAPTERS = (
    "ChainlinkAdapter",
    "CrossAdapter",
    "DeviationAdapter",
    "Erc4626Adapter",
    "PythAdapter",
    "UniswapV3TwapAdapter",
)
"""Contracts that `deploy_adapter` deploys."""

ADAPTER_SOURCES = tuple(f"contracts/oracles/{name}.sol" for name in ADAPTERS)


@dataclass(frozen=True)
class PresentAdapter:
    """An adapter that is there already."""

    address: str


@dataclass(frozen=True)
class ChainlinkSource:
    """A Chainlink-shaped feed."""

    feed: str
    heartbeat: int = DAY
    max_age: int = 2 * DAY
    least_answer: int = 1
    most_answer: int = MOST_ANSWER


@dataclass(frozen=True)
class PythSource:
    """A price of a Pyth contract. `max_ahead`: how far ahead of the block's clock it may have been published."""

    contract: str
    price_id: bytes
    heartbeat: int
    max_age: int
    max_ahead: int
    max_confidence: int


@dataclass(frozen=True)
class TwapSource:
    """The mean price of `token` in a Uniswap V3 pool, times the price of the pool's other token.

    `block_time`: the shortest time between two blocks. Below `safe_liquidity` the price is degraded, below
    `least_liquidity` missing.
    """

    pool: str
    token: str
    quote: Source
    window: int
    block_time: int
    safe_liquidity: int
    least_liquidity: int


@dataclass(frozen=True)
class CrossSource:
    """The product of two prices: of the token in something, and of that in USD."""

    base: Source
    quote: Source


@dataclass(frozen=True)
class ShareSource:
    """A share of an ERC-4626 vault, by its rate and the price of the vault's asset.

    `max_growth`: of the rate in a year. A fall by more than `max_drop` is in doubt for `confirm_after`.
    """

    share: str
    asset: Source
    max_growth: int
    max_drop: int
    confirm_after: int


@dataclass(frozen=True)
class WatchedSource:
    """Two prices that watch each other; apart by more than `max_deviation` for `dispute_period` the first decides."""

    primary: Source
    secondary: Source
    max_deviation: int
    dispute_period: int


Source = ChainlinkSource | PythSource | TwapSource | CrossSource | ShareSource | WatchedSource | PresentAdapter


class Deployer(Protocol):
    """What `deploy_adapter` needs of `closeout.chain.deploy.Deployer`."""

    def deploy(self, name: str, *arguments: Any) -> str: ...


def deploy_adapter(deployer: Deployer, source: Source, sequencer: tuple[str, int]) -> str:
    """Deploys a source's adapter after those that it reads; its address.

    `sequencer` is an L2's uptime feed with its grace period: Chainlink's answers count only while that says so.
    """

    def nested(inner: Source) -> str:
        return deploy_adapter(deployer, inner, sequencer)

    match source:
        case PresentAdapter(address):
            return address
        case ChainlinkSource(feed):
            bounds = (source.heartbeat, source.max_age, source.least_answer, source.most_answer)
            return deployer.deploy("ChainlinkAdapter", feed, (*bounds, *sequencer))
        case PythSource(contract, price_id):
            times = (source.heartbeat, source.max_age, source.max_ahead)
            return deployer.deploy("PythAdapter", contract, price_id, (*times, source.max_confidence))
        case TwapSource(pool, token, quote):
            terms = (source.window, source.block_time, source.safe_liquidity, source.least_liquidity)
            return deployer.deploy("UniswapV3TwapAdapter", pool, token, nested(quote), terms)
        case CrossSource(base, quote):
            return deployer.deploy("CrossAdapter", nested(base), nested(quote))
        case ShareSource(share, asset):
            limits = (source.max_growth, source.max_drop, source.confirm_after)
            return deployer.deploy("Erc4626Adapter", share, nested(asset), limits)
        case WatchedSource(primary, secondary):
            pair = nested(primary), nested(secondary)
            return deployer.deploy("DeviationAdapter", *pair, source.max_deviation, source.dispute_period)
