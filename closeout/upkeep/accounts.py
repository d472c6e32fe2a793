"""The chores of accounts: notes of what an insolvent one will leave as bad debt.

Accounts are found in the Vault's logs, and followed as the keeper follows them, into a database beside the journal: the
first pass reads all logs, a later one only those that came since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from closeout.chain.parameters import CurveParameters
from closeout.chain.reader import NodeReader
from closeout.chain.rpc import RpcError
from closeout.keeper.observers.naming import account_text
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList

from .chores import Chore, Chores
from .decisions import Judgement, is_insolvent, judge_note

__all__ = ["AccountChores", "indebted_accounts"]

BLOCKS_PER_STEP = 20_000
"""After so many blocks progress is told."""

TRIES = 14
"""Refusals in a row: the watch-list halves its range with each, from 4 096 blocks to one."""

ACCOUNTS_PER_CALL = 100
"""So many fit a call's gas on any node."""

Progress = Callable[[int, int], None]
"""Told how far the logs are read: the block, and the newest one."""


def indebted_accounts(chores: Chores, first_block: int, store: Store, tell: Progress) -> list[int]:
    """Accounts that owe something, as of the newest block. Raises NodeError, StoreFailed and LogsIncomplete."""
    reader = NodeReader(chores.rpc, chores.artifacts, chores.addresses["Vault"], chores.addresses["Lens"])
    watch = WatchList(reader, store, first_block)
    head = reader.head()
    tries = TRIES
    while (at := watch.block.number if watch.block else first_block - 1) < head.number:
        tell(at, head.number)
        end = reader.block(at + BLOCKS_PER_STEP) if at + BLOCKS_PER_STEP < head.number else head
        try:
            watch.follow(end or head)
        except RpcError:
            # the node will not give so many blocks' logs at once: what was read until then stays
            is_further = watch.block is not None and watch.block.number > at
            tries = TRIES if is_further else tries - 1
            if tries == 0:
                raise
    return sorted(watch.debt_shares.accounts())


class AccountChores:
    """Notes of losses, of accounts that owe something."""

    def __init__(self, chores: Chores) -> None:
        self._chores, self._reader = chores, chores.reader
        self._vault, self._lens = chores.addresses["Vault"], chores.addresses["Lens"]

    def find(self, indebted: Sequence[int]) -> Iterator[Chore]:
        """One of each account that is insolvent, that cannot be valued, or of which a loss is noted."""
        floor = CurveParameters(*self._reader.read("Lens", self._lens, "protocol")[1]).bonus_floor
        for n in range(0, len(indebted), ACCOUNTS_PER_CALL):
            part = indebted[n : n + ACCOUNTS_PER_CALL]
            views = self._reader.read("Lens", self._lens, "accountsOf", part)
            noted = self._are_noted([(account, view[2]) for account, view in zip(part, views, strict=True)])
            for account, view, is_noted in zip(part, views, noted, strict=True):
                # AccountView: ids and amounts of both sides, collateral value, two more, debt value, health, failure
                collateral, debt, failure = view[4], view[7], view[9]
                if is_noted or failure or is_insolvent(collateral, debt, floor):
                    yield self._note(account)

    def _are_noted(self, debts: Sequence[tuple[int, Sequence[int]]]) -> list[bool]:
        """Of each account with the ids of its debts, whether a loss is noted of any of them."""
        asked = [(account, asset_id) for account, ids in debts for asset_id in ids]
        losses = self._read([self._loss(*item) for item in asked])
        noted = {account for (account, _), loss in zip(asked, losses, strict=True) if loss}
        return [account in noted for account, _ in debts]

    def _note(self, account: int) -> Chore:
        call = self._chores.call("Vault", self._vault, "noteInsolvency", account, abi="IVault")

        def judge() -> Judgement:
            ids = self._reader.read("IVault", self._vault, "positionOf", account)[2]
            losses = [self._loss(account, asset_id) for asset_id in ids]
            noted, anew = self._read(losses), self._read(losses, first=call.data)
            found = judge_note(dict(zip(ids, noted, strict=True)), dict(zip(ids, anew, strict=True)))
            return Judgement(found.state, found.why, self._chores.due(call).gas)

        return Chore(call, account_text(account), judge)

    def _loss(self, account: int, asset_id: int) -> str:
        return self._reader.abi("IVault").functions["notedLossOf"].encode(account, asset_id)

    def _read(self, calls: Sequence[str], first: str | None = None) -> list[int]:
        """Words that views of the Vault return, all in one call, as they are after the call `first`."""
        data = [bytes.fromhex(call[2:]) for call in ([first, *calls] if first else calls)]
        if not data:
            return []
        answers = self._reader.read("Vault", self._vault, "multicall", data)
        return [int.from_bytes(answer, "big") for answer in answers[1 if first else 0 :]]
