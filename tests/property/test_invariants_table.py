"""docs/invariants.md names tests that there are, for every property of the specification."""

from __future__ import annotations

import re

import pytest

from closeout.toolchain.settings import ROOT

TEXT = (ROOT / "docs" / "invariants.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


@pytest.mark.parametrize(("path", "name"), NAMED, ids=[name for _, name in NAMED])
def test_named_test__exists(path: str, name: str) -> None:
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path} has no {name}"


def test_every_property__has_a_row_with_a_test() -> None:
    rows = re.findall(r"^\| (P\d+) \|.*`tests/", TEXT, re.MULTILINE)
    assert rows == [f"P{n}" for n in range(1, 24)]
