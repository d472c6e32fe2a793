"""A Vault's whole state between two transactions, as its own views tell it, and histories in which it is looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from closeout.model import AccountId
from closeout.units import WAD
from tests.differential.pairs import Pair, place_of
from tests.differential.plays import ACCOUNTS, HOLDERS, Play, Step


@dataclass(frozen=True)
class AccountLook:
    """Token units by asset id; WAD values; the account's opt-in, all zero where there is none."""

    collateral: tuple[int, ...]
    debt: tuple[int, ...]
    collateral_value: int
    borrowing_power: int
    maintenance_value: int
    debt_value: int
    health_factor: int
    called_at: int
    acted_at: int
    deleverage: tuple[int, int, int]


@dataclass(frozen=True)
class AssetLook:
    """Token units; `index` with 17 decimals. Of each holder: supply shares, claims, wallet."""

    idle: int
    debt: int
    supply_shares: int
    index: int
    rate: int
    vault_balance: int
    shares_of: tuple[int, ...]
    claims_of: tuple[int, ...]
    wallets: tuple[int, ...]

    @property
    def share_value(self) -> Fraction:
        """Token units per supply share, as shares are converted: with the virtual part."""
        return Fraction(self.idle + self.debt + 1, self.supply_shares + 10**6)


@dataclass(frozen=True)
class Look:
    """Everything at one moment. `prices` WAD."""

    accounts: dict[AccountId, AccountLook]
    assets: tuple[AssetLook, ...]
    prices: tuple[int, ...]

    def equity(self, holder: str, decimals: Sequence[int]) -> Fraction:
        """What a user has in all, USD: wallet, claims, supply, collateral, less his debts."""
        units = [Fraction(0)] * len(self.assets)
        place = HOLDERS.index(holder)
        for n, asset in enumerate(self.assets):
            units[n] += asset.wallets[place] + asset.claims_of[place] + asset.shares_of[place] * asset.share_value
        for account, look in self.accounts.items():
            if account.owner == holder:
                for n in range(len(units)):
                    units[n] += look.collateral[n] - look.debt[n]
        return sum((u * p / 10**d for u, p, d in zip(units, self.prices, decimals, strict=True)), Fraction(0)) / WAD


@dataclass(frozen=True)
class Moment:
    """One step with the state before and after it."""

    step: Step
    is_done: bool
    before: Look
    after: Look
    place: str


def history(pair: Pair, play: Play, where: str) -> Iterator[Moment]:
    """Plays a history on the chain alone; what the model said to it is not looked at."""
    steps, prices = [], []
    for step in play:
        steps.append(step)
        prices.append(tuple(play.vault.price_of(n) for n in range(len(play.vault.assets))))
    before = None
    for number, (step, now, said) in enumerate(zip(steps, prices, pair.witnessed(steps), strict=True)):
        after = look_at(said.words, now, pair.holders)
        if before is not None:
            yield Moment(step, said.answer.is_done, before, after, place_of(step, number, where))
        before = after


def look_at(words: list[int], prices: tuple[int, ...], holders: Sequence[str] = HOLDERS) -> Look:
    """From the words of WholeView."""
    count, place = len(prices), 0
    accounts, assets = {}, []

    def take(number: int) -> tuple[int, ...]:
        nonlocal place
        place += number
        return tuple(words[place - number : place])

    for account in ACCOUNTS:
        collateral, debt = take(count), take(count)
        accounts[account] = AccountLook(collateral, debt, *take(7), take(3))
    for _ in range(count):
        market = take(6)
        held = [take(3) for _ in holders]
        assets.append(AssetLook(*market, *zip(*held, strict=True)))
    assert place == len(words)
    return Look(accounts, tuple(assets), prices)
