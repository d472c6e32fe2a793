"""The watch-list against an Indexer that reads the whole chain anew: over reorganisations, restarts and failures.

A state machine: whatever the chain, the node, the disk and the process do, after the next step that succeeds every
balance is the chain's, in memory and in the database.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from closeout.errors import BadInput, NodeError
from closeout.indexer import Indexer, LogsIncomplete
from closeout.keeper.fakes import VAULT, FakeReader
from closeout.keeper.ports import Confirmation
from closeout.keeper.store import Store, StoreFailed
from closeout.keeper.watchlist import WatchList
from closeout.model import Deleverage

ACCOUNTS = [0xB0B << 96 | n for n in range(4)]
HOLDERS = ["0x" + "0b" * 20, "0x" + "0c" * 20]
ASSETS = range(3)
CHAIN = 31337
# so short that the machine meets reorganisations deeper than what can be undone
UNDO = 6
CHUNK = 4


def fresh(reader: FakeReader) -> Indexer:
    """All of the chain, read at once."""
    indexer = Indexer()
    for log in reader.logs(0, reader.head()):
        indexer.apply(log.name, log.values, log.timestamp)
    return indexer


def some_logs(random: Random, indexer: Indexer, now: int) -> list[tuple[str, dict[str, Any]]]:
    """A few logs that can follow, one account each, so that none depends on another."""
    logs = []
    for account in random.sample(ACCOUNTS, random.randint(0, len(ACCOUNTS))):
        asset = random.choice(ASSETS)
        here = {"account": account, "assetId": asset}
        held, owed = indexer.collateral_of(account).get(asset, 0), indexer.debts_of(account, now).get(asset, 0)
        match random.randrange(6):
            case 0 | 1:
                logs.append(("CollateralDeposited", here | {"amount": random.randint(1, 2**100)}))
            case 2 if held:
                logs.append(("CollateralWithdrawn", here | {"amount": random.choice([held, random.randint(1, held)])}))
            case 3:
                amount = random.randint(1, 2**90)
                logs.append(("Borrowed", here | {"amount": amount, "shares": 100 * amount}))
            case 4 if owed:
                logs.append(("Repaid", here | {"amount": 1, "shares": random.choice([1, 99])}))
            case _:
                terms = random.choice([(0, 0, 0), (12 * 10**17, 13 * 10**17, 10**16)])
                logs.append(("DeleverageSet", {"account": account, "terms": terms}))
    asset, holder = random.choice(ASSETS), random.choice(HOLDERS)
    index = indexer.market_of(asset, now).index
    logs += random.sample(
        [
            (
                "Accrued",
                {
                    "assetId": asset,
                    "index": index + random.randint(0, 10**12),
                    "ratePerYear": random.randint(0, 10**9),
                    "interest": 5,
                    "feeShares": 7,
                },
            ),
            ("Supplied", {"assetId": asset, "receiver": holder, "assets": 10, "shares": 10**7}),
            ("ClaimCredited", {"holder": holder, "assetId": asset, "amount": random.randint(1, 99)}),
            ("OperatorSet", {}),
        ],
        random.randint(0, 2),
    )
    return logs


def assert_is_the_chain(watch: WatchList, reader: FakeReader) -> None:
    """Every figure that an Indexer of the whole chain has, and no other."""
    indexer, now = fresh(reader), reader.head().timestamp
    for account in ACCOUNTS:
        assert watch.collateral_of(account) == indexer.collateral_of(account)
        assert watch.debts_of(account, now) == indexer.debts_of(account, now)
        assert watch.deleverages().get(account) == indexer.deleverage_of(account)
    assert watch.indices(len(ASSETS), now) == tuple(indexer.market_of(asset, now).index for asset in ASSETS)
    kept = watch._indexer
    for asset in ASSETS:
        assert kept.market_of(asset, now) == indexer.market_of(asset, now)
        assert kept.reserves_of(asset) == indexer.reserves_of(asset)
        for holder in HOLDERS:
            assert kept.claim_of(holder, asset) == indexer.claim_of(holder, asset)
            assert kept.supply_shares_of(asset, holder) == indexer.supply_shares_of(asset, holder)


class Following(RuleBasedStateMachine):
    """`reader` is the chain; `watch` follows it, with a database in a folder of its own."""

    kind: type[WatchList] = WatchList

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.random = Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="closeout-watch-"))
        self.reader = FakeReader()
        self.store: Store | None = None
        self.is_current = False
        self.open()

    def open(self) -> None:
        if self.store:
            self.store.close()
        self.store = Store(self.folder / "keeper.sqlite", VAULT, CHAIN)
        self.watch = self.kind(self.reader, self.store, undo_blocks=UNDO, most_blocks=CHUNK)

    @rule(count=st.integers(1, 12))
    def blocks_are_mined(self, count: int) -> None:
        for _ in range(count):
            self.reader.failures.clear()
            logs = some_logs(self.random, fresh(self.reader), self.reader.head().timestamp)
            self.reader.mine(logs, seconds=self.random.choice([0, 1, 12]))
        self.is_current = False

    @precondition(lambda self: self.reader.head().number > 0)
    @rule(data=st.data())
    def chain_is_reorganised(self, data: st.DataObject) -> None:
        """By any depth, to a chain that may be longer or shorter."""
        self.reader.failures.clear()
        depth = data.draw(st.integers(1, min(10, self.reader.head().number)))
        self.reader.drop(depth)
        self.blocks_are_mined(data.draw(st.integers(1, depth + 2)))

    @rule()
    def keeper_is_killed_and_started(self) -> None:
        self.open()

    @rule()
    def keeper_follows(self) -> None:
        self.reader.failures.clear()
        self.watch.follow(self.reader.head())
        self.is_current = True

    @rule(after=st.integers(0, 3))
    def node_fails_on_the_way(self, after: int) -> None:
        head = self.reader.head()
        asked = 0
        whole = self.reader._called

        def failing() -> None:
            nonlocal asked
            asked += 1
            whole()
            if asked > after:
                raise NodeError("429")

        self.reader._called = failing  # type: ignore[method-assign]
        try:
            self.watch.follow(head)
            self.is_current = True
        except NodeError:
            self.is_current = False
        finally:
            self.reader._called = whole  # type: ignore[method-assign]

    @rule()
    def disk_is_full(self) -> None:
        assert self.store is not None
        save = self.store.save

        def failing(*_: Any) -> None:
            raise StoreFailed("database or disk is full")

        self.store.save = failing  # type: ignore[method-assign]
        try:
            self.watch.follow(self.reader.head())
            self.is_current = True
        except StoreFailed:
            self.is_current = False
        finally:
            self.store.save = save  # type: ignore[method-assign]

    @invariant()
    def balances_are_the_chains(self) -> None:
        if getattr(self, "is_current", False):
            assert self.watch.block == self.reader.head()
            assert_is_the_chain(self.watch, self.reader)

    def teardown(self) -> None:
        if getattr(self, "store", None):
            # and in the database alone
            self.reader.failures.clear()
            self.watch.follow(self.reader.head())
            self.open()
            assert_is_the_chain(self.watch, self.reader)
            self.store.close()
            shutil.rmtree(self.folder)


TestFollowing = Following.TestCase
TestFollowing.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


class Forgetful(WatchList):
    """Goes back to the fork and forgets to restore what was there."""

    def _restore(self, values: Any) -> None: ...


class BrokenTwin(Following):
    """The machine with a watch-list that is wrong: it must be found out."""

    kind = Forgetful


def test_following__watch_list_that_restores_nothing__is_found_out():
    with pytest.raises((AssertionError, LogsIncomplete)):
        run_state_machine_as_test(BrokenTwin, settings=settings(TestFollowing.settings, phases=[Phase.generate]))


# ------------------------------------------------------------------------------------------------------- single points


@pytest.fixture
def reader() -> FakeReader:
    return FakeReader()


def watching(reader: FakeReader, path: Path | None = None, **more: Any) -> WatchList:
    return WatchList(reader, Store(path, VAULT, CHAIN), **more)


def deposit(amount: int, account: int = ACCOUNTS[0]) -> tuple[str, dict[str, Any]]:
    return "CollateralDeposited", {"account": account, "assetId": 0, "amount": amount}


def test_follow__next_block__is_one_call_of_the_node(reader: FakeReader):
    watch = watching(reader)
    watch.follow(reader.head())
    head = reader.mine([deposit(5)])
    before = reader.calls
    followed = watch.follow(head)
    assert (reader.calls - before, followed.node_calls, followed.reorged_blocks) == (1, 1, 0)
    assert [log.name for log in followed.logs] == ["CollateralDeposited"]


def test_follow__block_that_is_behind__changes_nothing(reader: FakeReader):
    watch = watching(reader)
    old = reader.mine([deposit(5)])
    watch.follow(old)
    watch.follow(reader.mine([deposit(6)]))
    assert watch.follow(old).is_behind
    assert watch.collateral_of(ACCOUNTS[0]) == {0: 11}


def test_follow__reorganisation__says_how_many_blocks_went(reader: FakeReader):
    watch = watching(reader)
    for amount in range(1, 6):
        watch.follow(reader.mine([deposit(amount)]))
    reader.drop(3)
    followed = watch.follow(reader.mine([deposit(100)]))
    assert followed.reorged_blocks == 3
    assert watch.collateral_of(ACCOUNTS[0]) == {0: 1 + 2 + 100}


def test_follow__reorganisation_of_thousand_blocks__is_found_in_few_calls(reader: FakeReader):
    watch = watching(reader)
    for _ in range(1_200):
        watch.follow(reader.mine([deposit(1)]))
    reader.drop(1_000)
    head = reader.mine([deposit(7)])
    before = reader.calls
    assert watch.follow(head).reorged_blocks == 1_000
    assert reader.calls - before < 30
    assert watch.collateral_of(ACCOUNTS[0]) == {0: 207}


def test_follow__reorganisation_while_logs_are_read__takes_nothing_of_the_lost_chain(reader: FakeReader):
    watch = watching(reader)
    watch.follow(reader.mine([deposit(1)]))
    reader.mine()
    head = reader.mine([deposit(2)])
    read = reader.logs

    def reorganising(first: int, last: Any) -> Any:
        logs = read(first, last)
        reader.drop(3)
        reader.mine([deposit(10)])
        reader.mine()
        reader.mine()
        return logs

    reader.logs = reorganising  # type: ignore[method-assign]
    with pytest.raises(NodeError, match="block 1: was"):
        watch.follow(head)
    reader.logs = read  # type: ignore[method-assign]
    assert watch.collateral_of(ACCOUNTS[0]) == {0: 1}
    watch.follow(reader.head())
    assert watch.collateral_of(ACCOUNTS[0]) == {0: 10}


def test_follow__node_that_refuses_long_ranges__is_asked_for_shorter_ones(reader: FakeReader):
    for _ in range(40):
        reader.mine([deposit(1)])
    read = reader.logs

    def limited(first: int, last: Any) -> Any:
        if last.number - first >= 5:
            raise NodeError("query returned more than 10000 results")
        return read(first, last)

    reader.logs = limited  # type: ignore[method-assign]
    watch = watching(reader)
    for _ in range(20):
        try:
            watch.follow(reader.head())
            break
        except NodeError:
            continue
    assert watch.collateral_of(ACCOUNTS[0]) == {0: 40}


def test_differing__balance_that_is_not_the_chains__is_named(reader: FakeReader):
    watch = watching(reader)
    watch.follow(reader.mine([deposit(5), deposit(6, ACCOUNTS[1])]))
    assert sorted(watch.sample(9, Random(1))) == ACCOUNTS[:2]

    def said(account: int, units: int, failure: str = "") -> Confirmation:
        return Confirmation(account, {0: units}, {}, 0, 0, 0, False, failure=failure)

    now = reader.head().timestamp
    assert watch.differing([said(ACCOUNTS[0], 5), said(ACCOUNTS[1], 6)], now) == []
    assert watch.differing([said(ACCOUNTS[0], 5), said(ACCOUNTS[1], 7)], now) == [ACCOUNTS[1]]
    assert watch.differing([said(ACCOUNTS[1], 7, "PriceStale")], now) == []


def test_deleverages__set_and_revoked__are_known_and_forgotten(reader: FakeReader):
    watch = watching(reader)
    terms = (12 * 10**17, 13 * 10**17, 10**16)
    watch.follow(reader.mine([("DeleverageSet", {"account": ACCOUNTS[0], "terms": terms})]))
    assert watch.deleverages() == {ACCOUNTS[0]: Deleverage(*terms)}
    watch.follow(reader.mine([("DeleverageSet", {"account": ACCOUNTS[0], "terms": (0, 0, 0)})]))
    assert watch.deleverages() == {}


def test_store__of_another_vault__is_refused_by_name(tmp_path: Path):
    Store(tmp_path / "k.sqlite", VAULT, CHAIN).close()
    with pytest.raises(BadInput, match=r"k\.sqlite: chain: found '31337', expected 1"):
        Store(tmp_path / "k.sqlite", VAULT, 1)


def test_store__file_that_is_no_database__is_one_line(tmp_path: Path):
    path = tmp_path / "k.sqlite"
    path.write_text("not a database, and long enough to be taken for a header" * 40)
    with pytest.raises(StoreFailed, match=r"k\.sqlite: file is not a database"):
        Store(path, VAULT, CHAIN)


def test_store__disk_that_fills_up__loses_the_step_and_nothing_else(tmp_path: Path, reader: FakeReader):
    path = tmp_path / "k.sqlite"
    store = Store(path, VAULT, CHAIN)
    watch = WatchList(reader, store)
    watch.follow(reader.mine([deposit(5)]))
    with store._engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    head = reader.mine([deposit(1, 0xF00D << 96 | n) for n in range(5_000)])
    with pytest.raises(StoreFailed, match="full"):
        watch.follow(head)
    assert watch.collateral_of(0xF00D << 96 | 7) == {}
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    watch.follow(head)
    assert watch.collateral_of(0xF00D << 96 | 7) == {0: 1}


def test_store__locked_by_somebody_else__says_so(tmp_path: Path, reader: FakeReader):
    path = tmp_path / "k.sqlite"
    store = Store(path, VAULT, CHAIN)
    watch = WatchList(reader, store)
    with store._engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFailed, match="database is locked"):
        watch.follow(reader.head())
    other.execute("ROLLBACK")
    other.close()
    watch.follow(reader.head())
