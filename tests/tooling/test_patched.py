"""Contracts with one change in their sources: where the change must fit, and what is compiled."""

from __future__ import annotations

import pytest

from closeout.toolchain.artifacts import load
from closeout.toolchain.patched import Patch, PatchDoesNotApply, build_patched

SPLITTER = "contracts/PenaltySplitter.sol"
ALL_TO_BURN = Patch(SPLITTER, "amount * TREASURY_WAD / 1e18", "amount * BURN_WAD / 1e18")


def test_build_patched__of_one_unit__has_other_code_and_the_same_interface() -> None:
    [(name, made)] = build_patched([ALL_TO_BURN], [SPLITTER]).items()
    real = load()[name]
    assert (made.name, made.abi, made.selectors) == (real.name, real.abi, real.selectors)
    assert made.deployed_bytecode != real.deployed_bytecode
    assert build_patched([], [SPLITTER])[name].deployed_bytecode == real.deployed_bytecode


@pytest.mark.parametrize("text", ["this stands nowhere", "toTreasury"], ids=["missing", "ambiguous"])
def test_build_patched__of_text_that_does_not_stand_exactly_once__is_refused_with_the_count(text: str) -> None:
    with pytest.raises(PatchDoesNotApply, match=rf"{SPLITTER}: found \d times, expected once: '{text}'"):
        build_patched([Patch(SPLITTER, text, "")], [SPLITTER])


def test_build_patched__of_a_file_that_no_unit_imports__is_refused() -> None:
    with pytest.raises(PatchDoesNotApply, match=r"contracts/Vault\.sol: none of contracts/PenaltySplitter\.sol"):
        build_patched([Patch("contracts/Vault.sol", "a", "b")], [SPLITTER])
