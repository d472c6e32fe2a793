"""The suite can fail: contracts with one planted bug each, every one of them caught, by the check that is named.

A change passes a few of them, chosen by `CLOSEOUT_TEST_SEED`; `CLOSEOUT_TEST_SIZE=10` and more look at all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from random import Random

import pytest

from closeout.chain.anvil import Anvil
from closeout.toolchain.patched import Patch
from closeout.toolchain.settings import ROOT
from tests.differential.sizes import SEED, SIZE
from tests.stateful.broken.module_twins import MODULE_TWINS
from tests.stateful.broken.overlay import TWIN
from tests.stateful.broken.twin import Twin
from tests.stateful.broken.vault_twins import VAULT_TWINS
from tests.stateful.judging import Census, judge
from tests.stateful.sights import Record
from tests.stateful.stage import STAGED, Stage
from tests.support.node import Node
from tests.support.world import GENESIS

TWINS = (*VAULT_TWINS, *MODULE_TWINS)
OF_VAULT, OF_MODULES = 1, 2
"""How many a change passes. Those of the Vault take ten seconds each to compile."""
HISTORIES = 80
STEPS = 100


def chosen() -> Iterator[Twin]:
    if SIZE >= 10:
        yield from TWINS
        return
    random = Random(SEED)
    yield from random.sample(VAULT_TWINS, OF_VAULT)
    yield from random.sample(MODULE_TWINS, OF_MODULES)


def test_twins__are_many_and_each_is_named_once() -> None:
    assert len(TWINS) >= 28
    assert len({twin.name for twin in TWINS}) == len(TWINS)


@pytest.mark.parametrize("twin", TWINS, ids=lambda twin: twin.name)
def test_twin__fits_the_sources_of_today(twin: Twin) -> None:
    Patch(twin.source, twin.old, twin.new).applied_to((ROOT / twin.source).read_text())


@pytest.mark.parametrize("twin", list(chosen()), ids=lambda twin: f"{twin.name} - {twin.caught_by}")
def test_twin__is_caught(twin: Twin) -> None:
    if twin.check is None:
        assert_test_fails(twin)
    else:
        with Anvil() as anvil:
            assert_machine_fails(twin, Node(anvil.rpc, twin.artifacts(), GENESIS))


def assert_machine_fails(twin: Twin, node: Node) -> None:
    """The machine, looking at nothing but the one check that is to catch the twin."""
    [setting] = [setting for setting in STAGED if setting.name == twin.setting]
    stage, check = Stage.of(setting, node), twin.check
    assert check is not None
    is_model = check == "model"
    only = [] if is_model else [check]
    for number in range(HISTORIES):
        records = history(stage, twin, Random(f"{twin.name} {number}"))
        try:
            judge(
                stage, records, stage.witnessed([r.step for r in records]), Census(), "", compares=is_model, only=only
            )
        except AssertionError:
            return
    pytest.fail(f"{HISTORIES} histories, and {check} held in all of them")


def history(stage: Stage, twin: Twin, random: Random) -> list[Record]:
    play = stage.play(random.getrandbits(32))
    records = [Record.of(step, play, stage) for step in play.opening()]
    weights = play.kinds | twin.often
    for kind in random.choices(list(weights), list(weights.values()), k=STEPS):
        records.append(Record.of(play.take(kind, random.getrandbits(32)), play, stage))
    return records


def assert_test_fails(twin: Twin) -> None:
    """The test that is named, run by itself on the twin's contracts."""
    twin.artifacts()
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:ape_test",
        "-p",
        "no:cacheprovider",
        "-q",
        "-rf",
        twin.caught_by,
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {TWIN: twin.name}, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"FAILED {twin.caught_by}" in done.stdout, done.stdout
