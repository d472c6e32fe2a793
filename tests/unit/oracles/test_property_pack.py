"""Every adapter, under every misbehaviour that its sources are capable of, keeps the same promises."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from eth_abi.abi import decode

from tests.support.node import Deployed, Node
from tests.unit.oracles.kit import KITS, Rig, build_rigs
from tests.unit.oracles.stage import WAD, Stage, selector

# The adapters, and the kind of each source they have: written out, so that the cases are known without a chain.
SOURCES = {
    "Chainlink": {"feed": "feed"},
    "Chainlink on an L2": {"feed": "feed", "sequencer": "sequencer"},
    "Pyth": {"pyth": "pyth"},
    "Uniswap V3 TWAP": {"pool": "pool", "quote": "dollar"},
    "ERC-4626 share": {"vault": "vault", "asset": "adapter"},
    "cross": {"base": "dollar", "quote": "adapter"},
    "deviation": {"primary": "adapter", "secondary": "adapter"},
    "mark to model, over the router": {"market": "adapter"},
    "share of a vault of what a TWAP and a Chainlink pair price": {"vault": "vault", "pool": "pool", "pair": "feed"},
}
CASES = [
    (rig, source, misbehaviour.name)
    for rig, sources in SOURCES.items()
    for source, kind in sources.items()
    for misbehaviour in KITS[kind]
]
TYPED = {
    "AnswerOutOfBounds",
    "ConfidenceTooWide",
    "ExponentChanged",
    "LiquidityTooThin",
    "MarketNotAbandoned",
    "PriceOutOfRange",
    "PriceStale",
    "SourceMissing",
    "SourcesMissing",
    "TimeInFuture",
}
PRICE, PRIMARY = selector("price()"), selector("primaryPrice()")
# From what cannot even reach a source to what is always enough, in steps that hit every place to run dry.
SHARES_OF_GAS = [0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]


@pytest.fixture(scope="module")
def built(node: Node) -> Iterator[tuple[Stage, dict[str, Rig], Deployed]]:
    with node.rolled_back():
        stage = Stage(node)
        rigs = {rig.name: rig for rig in build_rigs(stage)}
        assert {rig: {name: source.kind for name, source in r.sources.items()} for rig, r in rigs.items()} == SOURCES
        yield stage, rigs, stage.deploy("GasMeter")


@pytest.mark.parametrize(
    ("rig_name", "source_name", "misbehaviour_name"), CASES, ids=[", ".join(case) for case in CASES]
)
def test_adapter__with_a_misbehaving_source__answers_what_its_rule_says_or_is_missing(
    built: tuple[Stage, dict[str, Rig], Deployed], rig_name: str, source_name: str, misbehaviour_name: str
):
    stage, rigs, meter = built
    rig = rigs[rig_name]
    source = rig.sources[source_name]
    misbehaviour = next(m for m in KITS[source.kind] if m.name == misbehaviour_name)
    with stage.node.rolled_back():
        misbehaviour.apply(source)
        expected = rig.expected(source_name, misbehaviour)
        _check_outcome(stage, rig, expected)
        _check_gas(rig, meter)
        # and nothing of it stays
        source.be(0)
        source.honest(source)
        _check_outcome(stage, rig, "fresh")


def _check_outcome(stage: Stage, rig: Rig, expected: str) -> None:
    outcome = stage.ask(rig.adapter)
    quote = outcome.quote
    if quote is None:
        assert expected == "missing", outcome.error
        # missing has a reason with a name, never a bare revert or a panic
        assert outcome.error is not None
        assert outcome.error.name in TYPED, outcome.error
        return
    assert quote.status == ("fresh" if expected == "jumped" else expected)
    assert 0 < quote.low <= quote.high <= 10**30
    assert quote.time <= stage.now
    assert outcome.primary is not None
    assert quote.low <= outcome.primary <= quote.high
    if quote.status == "fresh":
        assert quote.low == quote.high
        # nothing that an adapter calls fresh is far from the truth, but for what it cannot know
        error = abs(quote.low - rig.honest_wad)
        assert (error > rig.honest_wad // 2) if expected == "jumped" else (error <= rig.honest_wad // 1000)
    else:
        # the doubt reaches from what can be believed to what was said
        assert quote.low <= rig.honest_wad * 1001 // 1000
        assert quote.high >= rig.honest_wad * 9 // 10


def _check_gas(rig: Rig, meter: Deployed) -> None:
    """`gasBound` is enough for the same answer as all the gas there is; with less, the same answer or none."""
    bound = rig.adapter.gasBound()
    for call in (PRICE, PRIMARY):
        is_done, used, answer = meter.measure.ask(rig.adapter, call, 0)
        is_done_within, _, answer_within = meter.measure.ask(rig.adapter, call, bound)
        assert (is_done_within, answer_within) == (is_done, answer)
        # one burning source after another: within the bound, the call's own cost and the meter's copying aside
        assert used <= bound + 30_000
        for share in SHARES_OF_GAS:
            is_done_stingily, _, answer_stingily = meter.measure.ask(rig.adapter, call, int(bound * share))
            if is_done_stingily:
                assert is_done, "a caller who gave too little gas chose another answer"
                assert answer_stingily == answer


def test_kit__over_all_adapters__has_more_than_two_hundred_cases():
    assert len(CASES) == len(set(CASES))
    assert len(CASES) > 200, len(CASES)


def test_selectors__are_those_of_the_interface(built: tuple[Stage, dict[str, Rig], Deployed]):
    _, rigs, meter = built
    rig = rigs["Chainlink"]
    _, _, answer = meter.measure.ask(rig.adapter, PRICE, 0)
    assert decode(["uint256", "uint256", "uint256", "uint8"], answer)[0] == 2_000 * WAD
