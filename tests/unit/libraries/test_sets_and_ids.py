"""AccountIds and AssetSets: what is packed comes back."""

from __future__ import annotations

import pytest

from tests.support.mathlib import Maths
from tests.support.world import World, account_of


@pytest.mark.parametrize("index", [0, 1, 2**96 - 1])
def test_account_id__of_owner_and_index__gives_both_back(maths: Maths, index: int):
    account = maths.harness.toAccountId(World.borrower, index)
    assert account == account_of(World.borrower, index)
    assert maths.harness.ownerAndIndexOf(account) == (World.borrower, index)


def test_account_id__of_different_owners_or_indices__is_different(maths: Maths):
    ids = {
        maths.harness.toAccountId(owner, index)
        for owner in (World.borrower, World.lender)
        for index in (0, 1, 2**96 - 1)
    }
    assert len(ids) == 6


def test_asset_set__of_bits__contains_exactly_those(maths: Maths):
    members = {0, 5, 126, 127}
    word = sum(1 << n for n in members)
    assert {n for n in range(128) if maths.harness.contains(word, n)} == members
    assert not any(maths.harness.contains(word, n) for n in (128, 133, 255, 256, 2**256 - 1))


def test_asset_set__of_nothing__is_empty(maths: Maths):
    assert maths.harness.isEmpty(0)
    assert not maths.harness.isEmpty(1 << 127)
