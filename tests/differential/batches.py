"""Many cases in one `eth_call`: harness contracts that take an array and answer with an array, in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain, islice
from typing import Any

from closeout.model import Plan, Regime, Snapshot, Terms
from closeout.units import WAD
from tests.support.mathlib import FUNCTIONS
from tests.support.node import Deployed, Node
from tests.support.structs import in_words

BATCH = 500
MAX_TARGET = 2 * WAD
GAS = hex(2_000_000_000)
PLAN_WORDS = len(fields(Plan))
REFUSAL_WORDS = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """A custom error: its name and arguments, integers."""

    name: str
    arguments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine said to one case, and what the Vault's own bounds say to its plan (None: nothing)."""

    outcome: Plan | Refusal
    refusal_of_bounds: Refusal | None


def call_batched(
    harness: Deployed, function: str, heads: Sequence[int], cases: Sequence[Sequence[int]]
) -> Iterator[int]:
    """Calls `function(heads..., cases)` for all cases, in batches; yields the words of all answers, one after another.

    Every case and every answer must be made of single words only.
    """
    [selector] = [hexed for name, hexed in _selectors(harness) if name.startswith(f"{function}(")]
    head = b"".join(_word(item) for item in heads) + _word(32 * (len(heads) + 1))
    requests = []
    for batch in in_batches(cases, BATCH):
        words = b"".join(_word(value) for value in chain.from_iterable(batch))
        data = selector + (head + _word(len(batch)) + words).hex()
        requests.append(("eth_call", [{"to": harness.address, "data": data, "gas": GAS}, "latest"]))
    for answer in harness.node.rpc.call_many(requests):
        raw = bytes.fromhex(answer[2:])
        # an offset and a length stand in front
        for place in range(64, len(raw), 32):
            yield int.from_bytes(raw[place : place + 32], "big")


def evaluate(maths: Deployed, function: str, cases: Sequence[Sequence[int]]) -> list[int]:
    """One function of the arithmetic libraries, for every case; names as in `tests.support.mathlib`."""
    padded = [[*case, *([0] * (5 - len(case)))] for case in cases]
    return list(call_batched(maths, "evaluate", [FUNCTIONS.index(function)], padded))


def ask_engine(harness: Deployed, engine: Deployed, cases: Sequence[tuple[Snapshot, Terms]]) -> list[Answer]:
    """The engine's plan or refusal for each case: the structs of the model are those of interfaces/Types.sol."""
    node = harness.node
    rows = [(*in_words(node, snapshot), *in_words(node, terms)) for snapshot, terms in cases]
    words = call_batched(harness, "plans", [int(engine.address, 16), MAX_TARGET], rows)
    return [_answer(harness.node, row) for row in in_batches(words, PLAN_WORDS + 2 * REFUSAL_WORDS)]


def in_batches(items: Iterable[Any], size: int) -> Iterator[tuple[Any, ...]]:
    """Tuples of `size` items in order; the last may be shorter."""
    rest = iter(items)
    while batch := tuple(islice(rest, size)):
        yield batch


def _selectors(contract: Deployed) -> Iterable[tuple[str, str]]:
    return contract.node.artifacts[contract.name].selectors.items()


def _answer(node: Node, words: tuple[int, ...]) -> Answer:
    plan, refusals = words[:PLAN_WORDS], words[PLAN_WORDS:]
    refusal = _refusal(node, refusals[:REFUSAL_WORDS])
    if refusal:
        return Answer(refusal, None)
    return Answer(Plan(Regime(plan[0]), *plan[1:]), _refusal(node, refusals[REFUSAL_WORDS:]))


def _refusal(node: Node, words: tuple[int, ...]) -> Refusal | None:
    selector, *arguments = words
    if not selector:
        return None
    data = "0x" + (_word(selector)[:4] + b"".join(_word(item) for item in arguments)).hex()
    revert = node.decode_revert(data)
    return Refusal(revert.name or data, tuple(int(item) for item in revert.arguments))


def _word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")
