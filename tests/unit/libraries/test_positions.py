"""Positions: random sequences of what the Vault does to an account's list, against a plain list of pairs."""

from __future__ import annotations

from random import Random

import pytest

from tests.support.node import Deployed, Node
from tests.support.world import NEVER, World

APPEND, REMOVE, SET, STORE, CALL, ACT = range(6)
DEBT = 0x80
MOST = 15
LARGEST = 2**128 - 1


@pytest.fixture(scope="module")
def harness(node: Node) -> Deployed:
    return node.deploy("PositionsHarness", sender=World.governor)


class Twin:
    """What a header with its balances stands for."""

    def __init__(self, flags: int) -> None:
        self.pairs: list[tuple[int, int]] = []
        self.called_at = self.acted_at = 0
        self.flags = flags

    @property
    def header(self) -> int:
        listed = sum(entry << (8 * i) for i, (entry, _) in enumerate(self.pairs))
        return (
            listed
            | (len(self.pairs) << 120)
            | ((self.called_at % 2**40) << 128)
            | ((self.acted_at % 2**40) << 168)
            | (self.flags << 208)
        )

    @property
    def slots(self) -> list[int]:
        balances = [balance for _, balance in self.pairs] + [0] * (16 - len(self.pairs))
        return [balances[2 * i] | (balances[2 * i + 1] << 128) for i in range(8)]


def random_balance(random: Random) -> int:
    return random.choice([1, 2**64, 2**112 - 1, LARGEST, random.randrange(1, 2 ** random.randrange(1, 128))])


def random_step(random: Random, twin: Twin) -> tuple:
    """One step that the Vault could take, applied to the twin."""
    pairs = twin.pairs
    free = [n | side for n in range(127) for side in (0, DEBT)]
    kinds = [CALL, ACT]
    if len(pairs) < MOST:
        kinds += [APPEND] * 6
    if pairs:
        kinds += [REMOVE] * 3 + [SET] * 3 + [STORE] * 4
    kind = random.choice(kinds)
    balance = random_balance(random)
    if kind == APPEND:
        held = {entry for entry, _ in pairs}
        entry = random.choice([entry for entry in free if entry not in held])
        pairs.append((entry, balance))
        return (kind, entry, 0, balance, [])
    if kind == REMOVE:
        place = random.randrange(len(pairs))
        pairs[place] = pairs[-1]
        pairs.pop()
        return (kind, 0, place, 0, [])
    if kind == SET:
        place = random.randrange(len(pairs))
        pairs[place] = (pairs[place][0], balance)
        return (kind, 0, place, balance, [])
    if kind == STORE:
        balances = [random.choice([0, old, random_balance(random)]) for _, old in pairs]
        twin.pairs = [(entry, new) for (entry, _), new in zip(pairs, balances, strict=True) if new]
        return (kind, 0, 0, 0, balances)
    time = random.choice([0, 1_800_000_000, 2**40 - 1, 2**40, 2**40 + 7])
    if kind == CALL:
        twin.called_at = time
    else:
        twin.acted_at = time
    return (kind, 0, 0, time, [])


@pytest.mark.parametrize("seed", range(40))
def test_account__after_any_sequence_of_changes__holds_what_a_list_of_pairs_holds(harness: Deployed, seed: int):
    random = Random(seed)
    flags = random.choice([0, 1, 0xFF])
    twin = Twin(flags)
    steps, expected = [], []
    for _ in range(60):
        steps.append(random_step(random, twin))
        entries = [entry for entry, _ in twin.pairs]
        balances = tuple(balance for _, balance in twin.pairs)
        debts = sum(entry >= DEBT for entry in entries)
        expected.append(
            (
                twin.header,
                tuple(twin.slots),
                tuple(entries),
                balances,
                len(entries) - debts,
                debts,
                twin.called_at % 2**40,
                twin.acted_at % 2**40,
            )
        )
    for step, state, wanted in zip(steps, harness.run.ask(flags << 208, steps), expected, strict=True):
        assert state == wanted, step


def test_account__filled_to_the_last_place__keeps_all_fifteen_and_gives_them_back(harness: Deployed):
    entries = [*range(10), *(DEBT | n for n in range(10, 15))]
    fill = [(APPEND, entry, 0, LARGEST - i, []) for i, entry in enumerate(entries)]
    states = harness.run.ask(0, [*fill, (STORE, 0, 0, 0, [0] * 15)])
    assert states[14][2:6] == (
        tuple(entries),
        tuple(LARGEST - i for i in range(15)),
        10,
        5,
    )
    assert states[15][:4] == (0, (0,) * 8, (), ())


def test_find__of_an_entry__gives_its_place_and_tells_the_sides_of_an_asset_apart(harness: Deployed):
    header = harness.run.ask(0, [(APPEND, 5, 0, 1, []), (APPEND, DEBT | 9, 0, 1, []), (APPEND, 0, 0, 1, [])])[-1][0]
    places = {entry: harness.find(header, entry) for entry in (5, DEBT | 9, 0, DEBT | 5, 9, DEBT, 1, 256 + 5, NEVER)}
    assert places == {5: 0, DEBT | 9: 1, 0: 2} | dict.fromkeys((DEBT | 5, 9, DEBT, 1, 256 + 5, NEVER), NEVER)


def test_find__in_an_empty_account__finds_not_even_asset_zero(harness: Deployed):
    assert harness.find(0, 0) == NEVER
