"""Balances as arrays against dictionaries, and the screen against exact integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from closeout.indexer import PlainBalances
from closeout.keeper.book import Rows, Side

# few accounts and assets, so that writes meet; account ids as wide as they are
ACCOUNTS = [(0xABC << 96 | n) << 40 for n in range(6)]
ASSETS = [0, 1, 2, 125]
# any balance fits 112 bits; zeros, so that slots fall empty and are used again
AMOUNTS = st.one_of(st.just(0), st.integers(0, 2**112 - 1), st.sampled_from([1, 2**64 - 1, 2**64, 2**112 - 1]))
WRITES = st.lists(st.tuples(st.sampled_from(ACCOUNTS), st.sampled_from(ASSETS), AMOUNTS), max_size=60)


def sides(writes: list[tuple[int, int, int]]) -> tuple[PlainBalances, Side]:
    plain, side = PlainBalances(), Side(Rows())
    for write in writes:
        plain.put(*write)
        side.put(*write)
    return plain, side


@given(WRITES)
def test_side__written_at_random__holds_what_dictionaries_hold(writes: list[tuple[int, int, int]]):
    plain, side = sides(writes)
    assert set(side.accounts()) == set(plain.accounts())
    for account in ACCOUNTS:
        assert side.row(account) == plain.row(account)
        for asset_id in ASSETS:
            assert side.get(account, asset_id) == plain.get(account, asset_id)


@given(WRITES, WRITES)
def test_side__loaded_at_once_and_written_on__is_the_same_as_written_one_by_one(first, second):
    plain, written = sides(first)
    loaded = Side(Rows())
    loaded.load((account, asset, units) for account in plain.accounts() for asset, units in plain.row(account).items())
    for write in second:
        written.put(*write)
        loaded.put(*write)
    for account in ACCOUNTS:
        assert loaded.row(account) == written.row(account)


@settings(max_examples=200)
@given(WRITES, st.lists(st.floats(0, 1e12), min_size=126, max_size=126))
def test_sums__of_any_balances__are_within_the_stated_bound_of_the_exact_ones(writes, weights):
    rows = Rows()
    side = Side(rows)
    for write in writes:
        side.put(*write)
    sums = side.sums(np.array(weights))
    for account in ACCOUNTS:
        row = rows.find(account)
        if row is None:
            continue
        held = side.row(account)
        exact = sum((Fraction(weights[asset]) * units for asset, units in held.items()), Fraction(0))
        assert abs(Fraction(float(sums[row])) - exact) <= (len(held) + 1) * Fraction(1, 2**53) * exact + Fraction(
            len(held), 2**1000
        )


@given(WRITES, st.sets(st.sampled_from(ASSETS)))
def test_holders__of_assets__are_the_rows_with_a_balance_of_one(writes, assets):
    plain, side = sides(writes)
    rows = side._rows
    assert {rows.account(int(row)) for row in side.holders(assets)} == {
        account for account in plain.accounts() if plain.row(account).keys() & assets
    }
