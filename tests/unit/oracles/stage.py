"""What oracle tests build on the unit tests' chain: feeds, adapters, a router, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_utils.crypto import keccak

from closeout.chain.uniswap import uniswap_artifacts
from tests.support.node import Deployed, Node, Reverted, actor

__all__ = [
    "BPS",
    "DAY",
    "GOVERNOR",
    "GUARDIAN",
    "HOUR",
    "NOBODY",
    "STRANGER",
    "USD",
    "WAD",
    "Outcome",
    "Quote",
    "Reading",
    "Stage",
    "selector",
]

WAD = 10**18
BPS = 10**4
HOUR = 3600
DAY = 24 * HOUR
NOBODY = "0x" + "00" * 20
USD = "0x0000000000000000000000000000000000000348"
GOVERNOR, GUARDIAN, STRANGER = actor("governor"), actor("guardian"), actor("stranger")
STATUS = ("fresh", "degraded", "missing")
GUARDIAN_ROLE = 2

NOBODY = "0x" + "00" * 20


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


@dataclass(frozen=True)
class Quote:
    """What an adapter answers."""

    low: int
    high: int
    time: int
    status: str


@dataclass(frozen=True)
class Outcome:
    """A quote with its primary, or the error instead of it."""

    quote: Quote | None
    primary: int | None
    error: Reverted | None

    @property
    def kind(self) -> str:
        return self.quote.status if self.quote else "missing"


@dataclass(frozen=True)
class Reading:
    """What the router answers."""

    status: str
    collateral: int
    debt: int
    exchange: int
    time: int


class Stage:
    """Deploys as the governor, acts as a stranger. `now` is the chain's time."""

    def __init__(self, node: Node) -> None:
        self.node = node
        if "UniswapV3Pool" not in node.artifacts:
            node.artifacts |= uniswap_artifacts()

    @property
    def now(self) -> int:
        return self.node.now

    def wait(self, seconds: int) -> None:
        self.node.set_time(self.node.now + seconds)

    def deploy(self, name: str, *arguments: Any) -> Deployed:
        return self.node.deploy(name, *arguments, sender=GOVERNOR)

    # ------------------------------------------------------------------------------------------------------ answers

    def ask(self, adapter: Deployed) -> Outcome:
        """What an adapter says now."""
        try:
            low, high, time, status = adapter.price()
        except Reverted as error:
            return Outcome(None, None, error)
        return Outcome(Quote(low, high, time, STATUS[status]), adapter.primaryPrice(), None)

    def quote(self, adapter: Deployed) -> Quote:
        """The quote of an adapter that has one."""
        low, high, time, status = adapter.price()
        return Quote(low, high, time, STATUS[status])

    def reading(self, router: Deployed, token: Deployed) -> Reading:
        status, collateral, debt, exchange, time = router.readPrice(token)
        return Reading(STATUS[status], collateral, debt, exchange, time)

    # ------------------------------------------------------------------------------------------------------- makers

    def token(self, decimals: int = 18) -> Deployed:
        return self.deploy("TestToken", "token", "TOKEN", decimals)

    def feed(self, usd: float, decimals: int = 8) -> Deployed:
        """A Chainlink-shaped feed with one answer, of now."""
        feed = self.deploy("TestAggregator", decimals, "feed")
        self.publish(feed, usd, decimals=decimals)
        return feed

    def publish(self, feed: Deployed, usd: float, *, age: int = 0, decimals: int = 8) -> None:
        feed.publishAt(round(usd * 10**decimals), self.now - age, sender=STRANGER)

    def chainlink(
        self,
        feed: Deployed,
        *,
        heartbeat: int = HOUR,
        max_age: int = DAY,
        least: int = 1,
        most: int = 10**48,
        sequencer: Deployed | str = NOBODY,
        grace: int = 0,
    ) -> Deployed:
        return self.deploy("ChainlinkAdapter", feed, (heartbeat, max_age, least, most, sequencer, grace))

    def router(self, *, abandon_after: int = 7 * DAY, decay_period: int = 30 * DAY) -> Deployed:
        """A router under an authority of its own: a governor and a guardian, no delays."""
        authority = self.deploy("Authority", GOVERNOR)
        router = self.deploy("OracleRouter", authority, NOBODY, abandon_after, decay_period)
        authority.setTargetFunctionRole(router, [selector("freeze(address)")], GUARDIAN_ROLE, sender=GOVERNOR)
        authority.grantRole(GUARDIAN_ROLE, GUARDIAN, 0, sender=GOVERNOR)
        return router
