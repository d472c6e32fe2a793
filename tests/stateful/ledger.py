"""The ghost ledger: what must follow from everything that happened since a history began.

It is written from events alone: tokens from the tokens' own transfers, the Vault's books from the Vault's events. After
every step it is held against what the views say. Interest is held against one single accrual (P14).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from closeout.chain.abi import ContractAbi
from closeout.indexer import Indexer
from closeout.model import PENALTY_SPLITTER, TREASURY, grown_index
from tests.differential.pairs import PURSE
from tests.property.test_accrual import is_within_the_bound
from tests.stateful.sights import Sight
from tests.stateful.stage import Stage, token_of
from tests.stateful.whole_vault import FLASH, face_of

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


@dataclass
class _Anchor:
    """An index, since when the rate is what it is, and how often interest was booked since then."""

    index: int
    rate: int
    time: int
    accruals: int = 0


@dataclass
class Ledger:
    """One history's. `follow` takes a step's logs, `check` compares."""

    stage: Stage
    tokens: defaultdict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    anchors: dict[int, _Anchor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        abi = ContractAbi(self.stage.world.node.artifacts["IVault"])
        self._vault = self.stage.world.vault.address
        self._books = Indexer(self._vault, abi.events)
        self._ids = {self.stage.contracts[token_of(asset.id)].address: asset.id for asset in self.stage.world.assets}
        self._places = {holder: self.stage.address_of(holder) for holder in self.stage.holders}
        self._checked_at = 0
        self._empty = [self.stage.contracts[FLASH].address, self.stage.world.splitter.address]
        self._faces = {n: self.stage.contracts[face_of(n)].address for n in self._ids.values()}

    def follow(self, sight: Sight) -> None:
        """Takes the logs of one step."""
        self.follow_logs(sight.logs, sight.step.time)

    def follow_logs(self, logs: Sequence[Mapping[str, Any]], time: int) -> None:
        for log in logs:
            asset = self._ids.get(log["address"])
            if asset is not None and log["topics"][0] == TRANSFER:
                giver, taker = ("0x" + topic[26:] for topic in log["topics"][1:3])
                amount = int(log["data"], 16)
                self.tokens[asset, giver] -= amount
                self.tokens[asset, taker] += amount
            elif log["address"] == self._vault:
                self._books.feed(dict(log), time)

    # ---------------------------------------------------------------------------------------------------------- checks

    def check(self, sight: Sight) -> bool:
        """Asserts that tokens, books and interest are what events and time make them."""
        moved = bool(sight.logs) or sight.step.time != self._checked_at
        self._checked_at = sight.step.time
        for n, asset in enumerate(sight.after.assets):
            if not moved and asset == sight.before.assets[n]:
                # nothing was told of, and nothing is different
                continue
            self._check_tokens(sight, n, asset)
            self._check_books(sight, n, asset)
            self._check_interest(sight, n, asset)
        for account, look in sight.after.accounts.items():
            if not moved and look == sight.before.accounts[account]:
                continue
            number = self.stage.on_chain(account)
            held = {n: units for n, units in enumerate(look.collateral) if units}
            assert held == self._books.collateral_of(number), f"books {sight.place}: collateral of {account}"
            owed = {n: units for n, units in enumerate(look.debt) if units}
            assert owed == self._books.debts_of(number, sight.step.time), f"books {sight.place}: debts of {account}"
        return sight.is_done

    def _check_tokens(self, sight: Sight, n: int, asset: Any) -> None:
        vault = self.tokens[n, self._vault]
        assert asset.vault_balance == vault, f"tokens {sight.place}: {asset.vault_balance} of {n}, {vault} came"
        for place, holder in enumerate(self.stage.holders):
            if holder in self.stage.users:
                moved = self.tokens[n, self._places[holder]]
                assert asset.wallets[place] == PURSE + moved, f"tokens {sight.place}: {n} of {holder}"
        for address in (*self._empty, self._faces[n]):
            assert self.tokens[n, address] == 0, f"tokens {sight.place}: {address} keeps some of {n}"

    def _check_books(self, sight: Sight, n: int, asset: Any) -> None:
        reserve = sight.setting.assets[n].borrowing.reserve_factor
        market = self._books.market_of(n, sight.step.time, reserve)
        told = market.idle, market.debt, market.supply_shares, market.index
        seen = asset.idle, asset.debt, asset.supply_shares, asset.index
        assert seen == told or (not any(told[:3]) and not any(seen[:3])), f"books {sight.place}: {n} {seen}, {told}"
        for place, holder in enumerate(self.stage.holders):
            address = self._places[holder]
            claim = self._books.claim_of(address, n)
            if holder == PENALTY_SPLITTER:
                claim += self._books.penalties_of(n)
            assert asset.claims_of[place] == claim, f"books {sight.place}: claim {n} of {holder}"
            shares = self._books.supply_shares_of(n, address)
            if holder != TREASURY:
                assert asset.shares_of[place] == shares, f"books {sight.place}: shares {n} of {holder}"

    def _check_interest(self, sight: Sight, n: int, asset: Any) -> None:
        """P14: however often it was booked, interest is that of one accrual since the rate last changed."""
        anchor = self.anchors.get(n)
        if anchor is not None:
            once = grown_index(anchor.index, anchor.rate, sight.step.time - anchor.time)
            anchor.accruals += 1
            assert is_within_the_bound(asset.index, once, anchor.accruals + 1), f"P14 {sight.place}: {n}"
        if anchor is None or anchor.rate != asset.rate:
            self.anchors[n] = _Anchor(asset.index, asset.rate, sight.step.time)
