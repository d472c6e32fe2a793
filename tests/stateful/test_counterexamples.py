"""What a failing history is told as: a scenario file that replays, on which model and broken contracts differ."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from closeout.chain import engine as chain_engine
from closeout.chain.anvil import Anvil
from closeout.chain.engine import ChainEngine
from closeout.scenario.command import run_scenario
from closeout.scenario.model_engine import ModelEngine
from closeout.scenario.result import json_lines
from tests.stateful.broken.vault_twins import VAULT_TWINS
from tests.stateful.counterexamples import told
from tests.stateful.machine import Run, run_machine
from tests.stateful.stage import STAGED, Stage
from tests.stateful.test_machine import on_the_fork
from tests.support.node import Node
from tests.support.world import GENESIS

STEPS = 40_000
"""At most; the twin is caught within a few hundred. Cutting down takes longer than what is shown here."""


def test_counterexample__of_a_broken_twin__is_a_scenario_that_fails_on_it_and_holds_on_the_real_contracts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [twin] = [twin for twin in VAULT_TWINS if twin.name == "the protocol takes its part of what is seized"]
    broken = twin.artifacts()
    with Anvil() as anvil:
        stage = Stage.of(STAGED[0], Node(anvil.rpc, dict(broken), GENESIS))
        with pytest.raises(AssertionError) as caught, told(Run([stage], on_the_fork), tmp_path) as run:
            run_machine(run, STEPS, cuts_down=False)
    [path] = re.findall(r"^ape run scenario (\S+)$", str(caught.value), re.MULTILINE)
    file = Path(path)
    assert file.read_text() in str(caught.value)
    expected = steps_of(file, ModelEngine)
    assert any(step["close_outs"] for step in expected), file.read_text()
    assert steps_of(file, ChainEngine) == expected
    monkeypatch.setattr(chain_engine, "load", lambda **_: dict(broken))
    assert steps_of(file, ChainEngine) != expected


def steps_of(file: Path, engine: Any) -> list[Any]:
    """What `ape run scenario FILE` would write of the steps, less the gas."""
    result = run_scenario(file, engine, Console(file=io.StringIO()))
    steps = json.loads("".join(json_lines(result)))["steps"]
    for step in steps:
        for close_out in step["close_outs"]:
            close_out.pop("gas", None)
    return list(steps)
