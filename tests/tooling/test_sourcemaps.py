"""Source maps: of the very code that is deployed, and right about where it comes from."""

from __future__ import annotations

from closeout.toolchain.artifacts import load
from closeout.toolchain.settings import ROOT
from closeout.toolchain.sourcemaps import load_mapped

SOURCE = "contracts/mocks/TestAggregator.sol"
LOG3 = 0xA3
JUMP, JUMPDEST = 0x56, 0x5B


def test_sourcemaps__of_a_contract__are_of_its_cached_code_to_the_byte():
    mapped = load_mapped([SOURCE])["TestAggregator"]
    assert "0x" + mapped.code.hex() == load(log=None)["TestAggregator"].deployed_bytecode
    # an instruction each, and none in the middle of another's constant
    assert set(mapped.places) <= set(range(len(mapped.code)))
    assert 0 in mapped.places


def test_sourcemaps__of_an_event__point_at_the_line_that_emits_it():
    mapped = load_mapped([SOURCE])["TestAggregator"]
    (counter,) = [counter for counter in mapped.places if mapped.code[counter] == LOG3]
    place = mapped.places[counter]
    assert place.source == SOURCE
    assert place.function == "TestAggregator.publishAt"
    line = (ROOT / SOURCE).read_text().splitlines()[place.line - 1]
    assert line.strip().startswith("emit AnswerUpdated")


def test_sourcemaps__of_functions__know_where_they_are_entered_and_left():
    mapped = load_mapped([SOURCE])["TestAggregator"]
    assert "fun_latestRoundData" in mapped.functions.values()
    assert all(mapped.code[entry] == JUMPDEST for entry in mapped.functions), "a function starts at a JUMPDEST"
    assert all(mapped.code[counter] == JUMP for counter in mapped.jumps), "only a JUMP enters or leaves"
