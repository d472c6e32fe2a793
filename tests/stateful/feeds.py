"""Histories whose prices fail: feeds that are late, wrong or ahead of time, freezes, and the router's record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from closeout.model import Answer, AssetParameters, ModelRevert, ProtocolParameters, Quote, RouterRecord, Status, Vault
from tests.differential.plays import Move
from tests.differential.settings import DAY
from tests.stateful.governance import GovernedPlay
from tests.stateful.parts import GUARDIAN
from tests.stateful.whole_vault import WholeVault, token_of
from tests.support.world import GENESIS, HEARTBEAT, MAX_AGE, PARAMETERS

MONTH = 30 * DAY


@dataclass(frozen=True, slots=True)
class Feed:
    """What a feed says: WAD, and the time of it; None: that of whatever block is looked at."""

    answer: int
    updated_at: int | None = None

    def answer_at(self, now: int) -> Answer | None:
        """What a ChainlinkAdapter makes of it."""
        updated_at = now if self.updated_at is None else self.updated_at
        if self.answer <= 0 or updated_at > now or now - updated_at > MAX_AGE:
            return None
        if now - updated_at > HEARTBEAT:
            return Answer.degraded(self.answer, self.answer, self.answer)
        return Answer.fresh(self.answer)


class FedVault(WholeVault):
    """Prices come from feeds, through the router's record of each."""

    def __init__(self, parameters: ProtocolParameters, now: int = 1) -> None:
        super().__init__(parameters, now)
        self.feeds: list[Feed] = []
        self.records: list[RouterRecord] = []

    def list_asset(self, asset: AssetParameters, price_wad: int) -> int:
        oracles = PARAMETERS.oracles
        self.feeds.append(Feed(price_wad))
        self.records.append(
            RouterRecord(price_wad, GENESIS, abandon_after=oracles.abandon_after, decay_period=oracles.decay_period)
        )
        return super().list_asset(asset, price_wad)

    def set_price(self, asset_id: int, price_wad: int) -> None:
        """The feed says so, and keeps saying it."""
        self.feed(asset_id, Feed(price_wad))

    def feed(self, asset_id: int, feed: Feed) -> None:
        self.feeds[asset_id] = feed
        self._look_at(asset_id)

    def advance_to(self, now: int) -> None:
        super().advance_to(now)
        for asset_id in range(len(self._assets)):
            self._look_at(asset_id)

    def _look_at(self, asset_id: int) -> None:
        self._quotes[asset_id] = self.quote_now(asset_id)

    def quote_now(self, asset_id: int) -> Quote:
        """What the router says of a price."""
        return self.records[asset_id].quote(self.feeds[asset_id].answer_at(self.now), self.now)

    def is_doubtful(self, asset_id: int) -> bool:
        """Not fresh."""
        return self._quotes[asset_id].status is not Status.FRESH

    # -------------------------------------------------------------------------------------------------------- router

    def poke(self, asset_id: int) -> None:
        """OracleRouter.poke."""
        self._tell(asset_id, lambda record: record.poke(self.feeds[asset_id].answer_at(self.now), self.now))

    def freeze(self, asset_id: int) -> None:
        """OracleRouter.freeze."""
        self._tell(asset_id, lambda record: record.freeze(self.now))

    def confirm_freeze(self, asset_id: int, until: int) -> None:
        """OracleRouter.confirmFreeze."""
        self._tell(asset_id, lambda record: record.confirm_freeze(until, self.now))

    def unfreeze(self, asset_id: int) -> None:
        """OracleRouter.unfreeze."""
        self._tell(asset_id, lambda record: record.unfreeze(self.now))

    def _tell(self, asset_id: int, say: Callable[[RouterRecord], object]) -> None:
        try:
            say(self.records[asset_id])
        except ModelRevert as revert:
            # the contract's errors name the asset, and parameters by their bytes
            if revert.name in ("PriceNotFresh", "NotFrozen"):
                raise ModelRevert(revert.name, token_of(asset_id)) from None
            if revert.name == "ParameterOutOfRange":
                name, *figures = revert.values
                raise ModelRevert(revert.name, str(name).encode().ljust(32, b"\0"), *figures) from None
            raise
        self._look_at(asset_id)


class FedPlay(GovernedPlay):
    """Also what goes wrong with prices. A feed that failed stays so until it is fed again."""

    model: type[Vault] = FedVault

    def moves(self) -> dict[str, tuple[int, Callable[[], Move]]]:
        return super().moves() | {
            "feed": (6, self._feed),
            "poke": (5, self._poke),
            "freeze": (2, self._freeze),
            "confirm freeze": (1, self._confirm_freeze),
            "unfreeze": (1, self._unfreeze),
        }

    @property
    def _failed(self) -> frozenset[int]:
        vault: FedVault = self.vault
        return frozenset(n for n, feed in enumerate(vault.feeds) if feed.updated_at is not None)

    def _turn(self, seconds: int, prices: list[int]) -> Move:
        """Time passes and the feeds that work are published; the others keep what they said."""
        failed = self._failed

        def play(vault: FedVault) -> None:
            vault.advance_to(vault.now + seconds)
            for n, price in enumerate(prices):
                if n not in failed:
                    vault.set_price(n, price)

        return Move("prices", "governor", "publish", (seconds, tuple(prices), failed), play)

    def _feed(self) -> Move:
        """A feed is late, too late, ahead of time, or answers nonsense; or works again."""
        random, now = self._random, self.vault.now
        n = random.choice(list(self._failed)) if self._failed and random.random() < 0.6 else self._listed()
        price = self.vault.price_of(n)
        late = Feed(price, now - random.choice((HEARTBEAT, HEARTBEAT + 1, HEARTBEAT + 3600, MAX_AGE)))
        lost = random.choice((Feed(price, now - MAX_AGE - 1), Feed(price, now + 3600), Feed(0, now), Feed(-1, now)))
        feed = random.choice((late, late, lost))
        if n in self._failed and random.random() < 0.8:
            feed = Feed(price)
        name = "publish" if feed.updated_at is None else "publishAt"
        arguments = (feed.answer,) if feed.updated_at is None else (feed.answer, feed.updated_at)
        return Move("feed", "governor", name, arguments, lambda v: v.feed(n, feed), f"feed {n}")

    def _poke(self) -> Move:
        n = self._random.choice((*self._failed, self._listed()))
        return Move("poke", self._user(), "poke", (token_of(n),), lambda v: v.poke(n), "router")

    def _frozen(self) -> int:
        """Mostly an asset that is frozen."""
        vault: FedVault = self.vault
        frozen = [n for n, record in enumerate(vault.records) if record.frozen_until > vault.now]
        return self._random.choice(frozen) if frozen and self._random.random() < 0.8 else self._listed()

    def _freeze(self) -> Move:
        n = self._listed()
        return Move("freeze", GUARDIAN, "freeze", (token_of(n),), lambda v: v.freeze(n), "router")

    def _confirm_freeze(self) -> Move:
        n, until = self._frozen(), self.vault.now + self._random.choice((-1, 0, DAY, MONTH, MONTH + 1))
        return Move(
            "confirm freeze",
            "governor",
            "confirmFreeze",
            (token_of(n), until),
            lambda v: v.confirm_freeze(n, until),
            "router",
        )

    def _unfreeze(self) -> Move:
        n = self._frozen()
        return Move("unfreeze", "governor", "unfreeze", (token_of(n),), lambda v: v.unfreeze(n), "router")
