"""Scenarios: one YAML file in, what happened out. See the module of each name.

loading     file → checked `Scenario`            player   plays it on an `Engine`, gives a `ScenarioResult`
result      → JSON                               table, report   → for people
"""

from __future__ import annotations

from closeout.yamlfile.problem import BadFile

from .engine import AccountState, CloseOutRecord, Engine, Outcome
from .loading import load_scenario, read_scenario
from .model_engine import ModelEngine
from .player import play
from .result import ScenarioResult, StepRecord, Summary, write_json
from .world import Scenario, World

__all__ = [
    "AccountState",
    "BadFile",
    "CloseOutRecord",
    "Engine",
    "ModelEngine",
    "Outcome",
    "Scenario",
    "ScenarioResult",
    "StepRecord",
    "Summary",
    "World",
    "load_scenario",
    "play",
    "read_scenario",
    "write_json",
]
