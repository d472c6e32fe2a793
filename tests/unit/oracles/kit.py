"""One misbehaviour kit for every kind of source, and an adapter of every kind over sources that misbehave as told.

A misbehaviour says what an adapter makes of a source that does it, where the source is all the adapter has ("alone").
What an adapter over several sources makes of it follows from the adapter's rule: `Rig.expected`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from tests.support.node import Deployed
from tests.unit.oracles.stage import DAY, GOVERNOR, HOUR, STRANGER, WAD, Stage, selector

__all__ = ["KITS", "Misbehaviour", "Rig", "Source", "build_rigs", "fixed_price", "quote_of"]

ANSWER, REVERT, BURN, RETURN_BOMB, REVERT_BOMB, SILENCE, RECURSE, SLOW = range(8)
INT256_MAX = 2**255 - 1
UINT256_MAX = 2**256 - 1

# What an adapter makes of it. "jumped": fresh, at what the source says: alone it cannot know better.
FRESH, JUMPED, DEGRADED, MISSING = "fresh", "jumped", "degraded", "missing"


@dataclass(frozen=True)
class Source:
    """A ProgrammableSource in a part; `honest` makes it say what is right, now."""

    stage: Stage
    contract: Deployed
    kind: str
    honest: Callable[[Source], None]

    def say(self, signature: str, types: list[str], *values: Any) -> None:
        self.contract.program(selector(signature), ANSWER, encode(types, values), sender=STRANGER)

    def say_raw(self, signature: str, data: bytes) -> None:
        self.contract.program(selector(signature), ANSWER, data, sender=STRANGER)

    def cut_short(self, signature: str, missing: int = 1) -> None:
        """What it says now, without the last bytes."""
        node, address = self.stage.node, self.contract.address
        self.say_raw(signature, node.call(None, address, selector(signature))[:-missing])

    def be(self, mood: int) -> None:
        self.contract.setMood(mood, sender=STRANGER)


@dataclass(frozen=True)
class Misbehaviour:
    """`apply` makes a source do it; `alone` is what comes of it."""

    name: str
    alone: str
    apply: Callable[[Source], None] = field(repr=False)


def _moods() -> list[Misbehaviour]:
    """What any contract can do. One that asks back, or takes its time, has answered honestly."""

    def mood(number: int) -> Callable[[Source], None]:
        return lambda source: source.be(number)

    return [
        Misbehaviour("revert", MISSING, mood(REVERT)),
        Misbehaviour("out of gas", MISSING, mood(BURN)),
        Misbehaviour("return bomb", MISSING, mood(RETURN_BOMB)),
        Misbehaviour("revert bomb", MISSING, mood(REVERT_BOMB)),
        Misbehaviour("silence", MISSING, mood(SILENCE)),
        Misbehaviour("asks back", FRESH, mood(RECURSE)),
        Misbehaviour("slow", FRESH, mood(SLOW)),
    ]


# ------------------------------------------------------------------------------------------------------------ Chainlink

ROUND = ["uint80", "int256", "uint256", "uint256", "uint80"]
FEED_PRICE = 2_000 * 10**8


def round_of(source: Source, answer: int, *, age: int = 0, started_age: int = 0) -> None:
    now = source.stage.now
    source.say("latestRoundData()", ROUND, 1, answer, now - started_age, now - age, 1)


def honest_feed(source: Source) -> None:
    source.say("decimals()", ["uint8"], 8)
    source.say("minAnswer()", ["int192"], 10**8)
    source.say("maxAnswer()", ["int192"], 10**12)
    # a feed without a proxy: nobody answers `aggregator()`
    round_of(source, FEED_PRICE)


FEED = [
    Misbehaviour("zero", MISSING, lambda s: round_of(s, 0)),
    Misbehaviour("negative", MISSING, lambda s: round_of(s, -FEED_PRICE)),
    Misbehaviour("stale", DEGRADED, lambda s: round_of(s, FEED_PRICE, age=HOUR + 1)),
    Misbehaviour("stale beyond the limit", MISSING, lambda s: round_of(s, FEED_PRICE, age=DAY + 1)),
    Misbehaviour("never answered", MISSING, lambda s: s.say("latestRoundData()", ROUND, 0, FEED_PRICE, 0, 0, 0)),
    Misbehaviour("future", MISSING, lambda s: round_of(s, FEED_PRICE, age=-1)),
    Misbehaviour("jump", JUMPED, lambda s: round_of(s, 2 * FEED_PRICE)),
    Misbehaviour("wrong decimals", MISSING, lambda s: round_of(s, FEED_PRICE * 10**10)),
    Misbehaviour("huge", MISSING, lambda s: round_of(s, INT256_MAX)),
    Misbehaviour("at the aggregator's minimum", MISSING, lambda s: round_of(s, 10**8)),
    Misbehaviour("at the aggregator's maximum", MISSING, lambda s: round_of(s, 10**12)),
    Misbehaviour("short", MISSING, lambda s: s.cut_short("latestRoundData()")),
    *_moods(),
]

GRACE = HOUR


def honest_sequencer(source: Source) -> None:
    round_of(source, 0, started_age=GRACE + 1)


SEQUENCER = [
    Misbehaviour("sequencer down", DEGRADED, lambda s: round_of(s, 1, started_age=DAY)),
    Misbehaviour("sequencer back since 1 s", DEGRADED, lambda s: round_of(s, 0, started_age=1)),
    Misbehaviour("sequencer never started", DEGRADED, lambda s: s.say("latestRoundData()", ROUND, 0, 0, 0, 0, 0)),
    Misbehaviour("back in the future", DEGRADED, lambda s: round_of(s, 0, started_age=-DAY)),
    Misbehaviour("huge", DEGRADED, lambda s: round_of(s, INT256_MAX, started_age=DAY)),
    Misbehaviour("negative", DEGRADED, lambda s: round_of(s, -1, started_age=DAY)),
    Misbehaviour("short", DEGRADED, lambda s: s.cut_short("latestRoundData()")),
    # never a blanket block: whatever becomes of the sequencer's feed, there is a price
    *[Misbehaviour(m.name, DEGRADED if m.alone == MISSING else FRESH, m.apply) for m in _moods()],
]

# ----------------------------------------------------------------------------------------------------------------- Pyth

PYTH = ["int64", "uint64", "int32", "uint256"]
PYTH_PRICE = 2_000 * 10**8
PRICE_ID = b"\x11" * 32
UNSAFE = "getPriceUnsafe(bytes32)"


def pyth_says(source: Source, price: int, *, conf: int = 10**8, expo: int = -8, age: int = 0) -> None:
    source.say(UNSAFE, PYTH, price, conf, expo, source.stage.now - age)


def honest_pyth(source: Source) -> None:
    pyth_says(source, PYTH_PRICE)


PYTH_KIT = [
    Misbehaviour("zero", MISSING, lambda s: pyth_says(s, 0)),
    Misbehaviour("negative", MISSING, lambda s: pyth_says(s, -PYTH_PRICE)),
    Misbehaviour("stale", DEGRADED, lambda s: pyth_says(s, PYTH_PRICE, age=61)),
    Misbehaviour("stale beyond the limit", MISSING, lambda s: pyth_says(s, PYTH_PRICE, age=HOUR + 1)),
    Misbehaviour("future", MISSING, lambda s: pyth_says(s, PYTH_PRICE, age=-31)),
    Misbehaviour("published while the block was built", FRESH, lambda s: pyth_says(s, PYTH_PRICE, age=-30)),
    Misbehaviour("jump", JUMPED, lambda s: pyth_says(s, 2 * PYTH_PRICE)),
    Misbehaviour("wrong decimals", MISSING, lambda s: pyth_says(s, PYTH_PRICE, expo=-6)),
    Misbehaviour("huge exponent", MISSING, lambda s: pyth_says(s, PYTH_PRICE, expo=2**31 - 1)),
    Misbehaviour("huge", MISSING, lambda s: s.say(UNSAFE, ["uint256"] * 4, UINT256_MAX, 1, 2**256 - 8, s.stage.now)),
    Misbehaviour("confidence wide", DEGRADED, lambda s: pyth_says(s, PYTH_PRICE, conf=PYTH_PRICE // 50)),
    Misbehaviour("confidence too wide", MISSING, lambda s: pyth_says(s, PYTH_PRICE, conf=PYTH_PRICE // 5 + 1)),
    Misbehaviour(
        "confidence huge",
        MISSING,
        lambda s: s.say(UNSAFE, ["uint256"] * 4, PYTH_PRICE, UINT256_MAX, 2**256 - 8, s.stage.now),
    ),
    Misbehaviour("short", MISSING, lambda s: s.cut_short(UNSAFE)),
    *_moods(),
]

# -------------------------------------------------------------------------------------------------------------- Uniswap

WINDOW = 30 * 60
# 2 000 of 6 decimals for one of 18: 1.0001^-200 311 is 2 000.06e-12
TICK = -200_311
LIQUIDITY = 10**18
OBSERVE = "observe(uint32[])"
OBSERVATIONS = ["int56[]", "uint160[]"]


def pool_says(source: Source, tick: int = TICK, liquidity: int = LIQUIDITY) -> None:
    # the pool's cumulative figures wrap around: here they do, within the window
    ticks, seconds = -(2**55) + 5, 2**160 - 1
    later = (ticks + tick * WINDOW + 2**55) % 2**56 - 2**55
    per_liquidity = (WINDOW << 128) // max(liquidity, 1)
    source.say(OBSERVE, OBSERVATIONS, [ticks, later], [seconds, (seconds + per_liquidity) % 2**160])


def pool_lies_about(source: Source, word: int) -> None:
    """What it says, with one word of its encoding one higher."""
    node, address = source.stage.node, source.contract.address
    data = bytearray(node.call(None, address, selector(OBSERVE)))
    data[32 * word + 31] += 1
    source.say_raw(OBSERVE, bytes(data))


def honest_pool(source: Source) -> None:
    pool_says(source)


POOL = [
    Misbehaviour("empty pool", MISSING, lambda s: pool_says(s, liquidity=0)),
    Misbehaviour("thin pool", DEGRADED, lambda s: pool_says(s, liquidity=LIQUIDITY // 20)),
    Misbehaviour("thinner than the floor", MISSING, lambda s: pool_says(s, liquidity=LIQUIDITY // 200)),
    Misbehaviour("jump", JUMPED, lambda s: pool_says(s, tick=TICK + 7_000)),
    Misbehaviour("wrong decimals", MISSING, lambda s: pool_says(s, tick=TICK + 600_000)),
    Misbehaviour("zero", MISSING, lambda s: pool_says(s, tick=-887_272)),
    Misbehaviour("huge", MISSING, lambda s: pool_says(s, tick=887_272)),
    Misbehaviour("beyond the last tick", MISSING, lambda s: pool_says(s, tick=887_273)),
    Misbehaviour(
        "arrays of other lengths", MISSING, lambda s: s.say(OBSERVE, OBSERVATIONS, [0, 1, 2], [0, 2**100, 2**101])
    ),
    Misbehaviour("another offset", MISSING, lambda s: pool_lies_about(s, 1)),
    Misbehaviour("another length of the first", MISSING, lambda s: pool_lies_about(s, 2)),
    Misbehaviour("another length of the second", MISSING, lambda s: pool_lies_about(s, 5)),
    Misbehaviour("words without sense", MISSING, lambda s: s.say_raw(OBSERVE, b"\xff" * 256)),
    Misbehaviour("short", MISSING, lambda s: s.cut_short(OBSERVE)),
    *_moods(),
]

# ---------------------------------------------------------------------------------------------------------- share vault

RATE = 1_100_000
CONVERT = "convertToAssets(uint256)"


def vault_says(source: Source, assets: int) -> None:
    source.say(CONVERT, ["uint256"], assets)


def honest_vault(source: Source) -> None:
    source.say("asset()", ["address"], SIX_DECIMALS[source.stage.node].address)
    source.say("decimals()", ["uint8"], 18)
    vault_says(source, RATE)


SIX_DECIMALS: dict[Any, Deployed] = {}

VAULT = [
    Misbehaviour("zero", MISSING, lambda s: vault_says(s, 0)),
    Misbehaviour("jump", DEGRADED, lambda s: vault_says(s, 3 * RATE)),
    Misbehaviour("jump by a hundredth", DEGRADED, lambda s: vault_says(s, RATE * 101 // 100)),
    Misbehaviour("re-entrant rate, low", DEGRADED, lambda s: vault_says(s, RATE // 3)),
    Misbehaviour("re-entrant rate, next to nothing", DEGRADED, lambda s: vault_says(s, 1)),
    Misbehaviour("loss within the tolerance", FRESH, lambda s: vault_says(s, RATE - RATE // 2_000)),
    Misbehaviour("wrong decimals", DEGRADED, lambda s: vault_says(s, RATE * 10**12)),
    Misbehaviour("huge", MISSING, lambda s: vault_says(s, UINT256_MAX)),
    Misbehaviour("short", MISSING, lambda s: s.cut_short(CONVERT)),
    *_moods(),
]

# -------------------------------------------------------------------------------------------------------------- adapter

QUOTE = ["uint256", "uint256", "uint256", "uint8"]


def quote_of(
    source: Source, low: int, high: int | None = None, *, status: int = 0, age: int = 0, primary: int = 0
) -> None:
    high = low if high is None else high
    source.say("price()", QUOTE, low, high, source.stage.now - age, status)
    source.say("primaryPrice()", ["uint256"], primary or low)


def adapter_of(honest_wad: int) -> Callable[[Source], None]:
    def honest(source: Source) -> None:
        source.say("gasBound()", ["uint256"], 200_000)
        quote_of(source, honest_wad)

    return honest


def _adapter_kit(p: int) -> list[Misbehaviour]:
    return [
        Misbehaviour("zero", MISSING, lambda s: quote_of(s, 0)),
        Misbehaviour("low above high", MISSING, lambda s: quote_of(s, p, p - 1, status=1)),
        Misbehaviour("degraded", DEGRADED, lambda s: quote_of(s, p, status=1)),
        Misbehaviour("in doubt", DEGRADED, lambda s: quote_of(s, p * 9 // 10, p * 11 // 10, status=1, primary=p)),
        Misbehaviour("fresh and in doubt", MISSING, lambda s: quote_of(s, p, p + 1)),
        Misbehaviour("a status there is not", MISSING, lambda s: quote_of(s, p, status=2)),
        Misbehaviour("future", MISSING, lambda s: quote_of(s, p, age=-1)),
        Misbehaviour("old", FRESH, lambda s: quote_of(s, p, age=DAY)),
        Misbehaviour("jump", JUMPED, lambda s: quote_of(s, 2 * p)),
        Misbehaviour("huge", MISSING, lambda s: quote_of(s, 10**30 + 1)),
        Misbehaviour("short", MISSING, lambda s: s.cut_short("price()")),
        *_moods(),
    ]


KITS: Mapping[str, list[Misbehaviour]] = {
    "feed": FEED,
    "sequencer": SEQUENCER,
    "pyth": PYTH_KIT,
    "pool": POOL,
    "vault": VAULT,
    "dollar": _adapter_kit(WAD),
    "adapter": _adapter_kit(2_000 * WAD),
}


# ----------------------------------------------------------------------------------------------------------------- rigs


@dataclass(frozen=True)
class Rig:
    """An adapter of one kind over programmable sources. `rule`: what it makes, per source, of what it alone is."""

    name: str
    adapter: Deployed
    honest_wad: int
    sources: Mapping[str, Source]
    rule: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exceptions: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def expected(self, source: str, misbehaviour: Misbehaviour) -> str:
        """fresh, jumped, degraded or missing."""
        made = self.rule.get(source, {}).get(misbehaviour.alone, misbehaviour.alone)
        return self.exceptions.get((source, misbehaviour.name), made)


def build_rigs(stage: Stage) -> list[Rig]:
    """Every adapter, once."""
    SIX_DECIMALS[stage.node] = stage.token(6)
    rigs = [_chainlink(stage), _chainlink_on_l2(stage), _pyth(stage), _twap(stage), _share(stage), _cross(stage)]
    return [*rigs, _deviation(stage), _mark_to_model(stage), _composed(stage)]


def _source(stage: Stage, kind: str, honest: Callable[[Source], None]) -> Source:
    source = Source(stage, stage.deploy("ProgrammableSource"), kind, honest)
    honest(source)
    return source


def _feed(stage: Stage) -> Source:
    return _source(stage, "feed", honest_feed)


def fixed_price(stage: Stage, usd: int) -> Source:
    """An adapter that says a price, fresh for ever, until it is told otherwise."""
    return _source(stage, "dollar" if usd == 1 else "adapter", adapter_of(usd * WAD))


def _chainlink(stage: Stage) -> Rig:
    feed = _feed(stage)
    return Rig("Chainlink", stage.chainlink(feed.contract), 2_000 * WAD, {"feed": feed})


def _chainlink_on_l2(stage: Stage) -> Rig:
    feed, sequencer = _feed(stage), _source(stage, "sequencer", honest_sequencer)
    adapter = stage.chainlink(feed.contract, sequencer=sequencer.contract, grace=GRACE)
    return Rig("Chainlink on an L2", adapter, 2_000 * WAD, {"feed": feed, "sequencer": sequencer})


def _pyth(stage: Stage) -> Rig:
    pyth = _source(stage, "pyth", honest_pyth)
    adapter = stage.deploy("PythAdapter", pyth.contract, PRICE_ID, (60, HOUR, 30, 50))
    return Rig("Pyth", adapter, 2_000 * WAD, {"pyth": pyth})


def _pool(stage: Stage, base: Deployed) -> Source:
    pool = _source(stage, "pool", honest_pool)
    pool.say("token0()", ["address"], base.address)
    pool.say("token1()", ["address"], SIX_DECIMALS[stage.node].address)
    slot0 = ["uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"]
    pool.say("slot0()", slot0, 1, TICK, 0, 200, 200, 0, True)
    return pool


def _twap_over(stage: Stage, pool: Source, base: Deployed, quote: Deployed) -> Deployed:
    return stage.deploy(
        "UniswapV3TwapAdapter", pool.contract, base, quote, (WINDOW, 12, LIQUIDITY // 10, LIQUIDITY // 100)
    )


def _twap(stage: Stage) -> Rig:
    base, dollar = stage.token(18), fixed_price(stage, 1)
    pool = _pool(stage, base)
    adapter = _twap_over(stage, pool, base, dollar.contract)
    return Rig("Uniswap V3 TWAP", adapter, stage.quote(adapter).low, {"pool": pool, "quote": dollar})


def _share_over(stage: Stage, vault: Source, asset: Deployed) -> Deployed:
    # 10 % a year, a fall of 0.1 %, half an hour
    return stage.deploy("Erc4626Adapter", vault.contract, asset, (1_000, 10, 30 * 60))


def _share(stage: Stage) -> Rig:
    vault, asset = _source(stage, "vault", honest_vault), fixed_price(stage, 2_000)
    adapter = _share_over(stage, vault, asset.contract)
    return Rig("ERC-4626 share", adapter, 2_200 * WAD, {"vault": vault, "asset": asset})


def _cross(stage: Stage) -> Rig:
    base, quote = fixed_price(stage, 1), fixed_price(stage, 2_000)
    return Rig(
        "cross",
        stage.deploy("CrossAdapter", base.contract, quote.contract),
        2_000 * WAD,
        {"base": base, "quote": quote},
    )


def _deviation(stage: Stage) -> Rig:
    # not the same price, so that it shows which of the two answered
    primary, secondary = fixed_price(stage, 2_000), fixed_price(stage, 1_999)
    return Rig(
        "deviation",
        stage.deploy("DeviationAdapter", primary.contract, secondary.contract, 200, 6 * HOUR),
        2_000 * WAD,
        {"primary": primary, "secondary": secondary},
        rule={
            "primary": {JUMPED: DEGRADED, MISSING: DEGRADED},
            # the primary decides what it is, unless the other contradicts it
            "secondary": {JUMPED: DEGRADED, MISSING: DEGRADED, DEGRADED: FRESH},
        },
        exceptions={("secondary", "in doubt"): DEGRADED},
    )


def _mark_to_model(stage: Stage) -> Rig:
    market, token, router = fixed_price(stage, 2_000), stage.token(), stage.router()
    router.activate(token, market.contract, 2_000 * WAD, sender=GOVERNOR)
    return Rig(
        "mark to model, over the router",
        stage.deploy("MarkToModelAdapter", router, token),
        2_000 * WAD,
        {"market": market},
    )


def _composed(stage: Stage) -> Rig:
    """A share of a vault whose asset is priced by a TWAP, in a token priced by Chainlink, against a Chainlink pair."""
    base = stage.token(18)
    pair, vault, pool = _feed(stage), _source(stage, "vault", honest_vault), _pool(stage, base)
    dollar = fixed_price(stage, 1)
    cross = stage.deploy("CrossAdapter", dollar.contract, stage.chainlink(pair.contract))
    asset = stage.deploy("DeviationAdapter", _twap_over(stage, pool, base, dollar.contract), cross, 200, 6 * HOUR)
    adapter = _share_over(stage, vault, asset)
    watched = {JUMPED: DEGRADED, MISSING: DEGRADED}
    return Rig(
        "share of a vault of what a TWAP and a Chainlink pair price",
        adapter,
        stage.quote(adapter).low,
        {"vault": vault, "pool": pool, "pair": pair},
        rule={"pool": watched, "pair": watched | {DEGRADED: FRESH}},
    )
