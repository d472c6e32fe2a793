"""Each kind of price that a network file knows: its adapter is made as the file says, alone or read by another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from closeout.chain.sources import deploy_adapter
from closeout.config.amounts import source_of
from closeout.config.schema import SourceSection
from closeout.yamlfile.fields import parse
from tests.support.node import Deployed, Reverted
from tests.support.world import Deployer
from tests.unit.oracles.pools import Pool, create_pool
from tests.unit.oracles.stage import DAY, GOVERNOR, HOUR, NOBODY, STRANGER, WAD, Stage

PRICE = 2_000
ETH_USD = "ff61491a931112ddf1bd8147cd1b641375f79f5825126d665480874634fd0ace"
NO_SEQUENCER = (NOBODY, 0)


def shown(contract: Deployed) -> str:
    """Its address as a file has it."""
    return str(to_checksum_address(contract.address))


@dataclass(frozen=True)
class Sources:
    """Sections of a file, as its reader gives them, over what is on the chain; the token that they price."""

    stage: Stage
    pool: Pool
    pyth: Deployed
    vault: Deployed

    @property
    def token(self) -> str:
        return self.pool.base.address

    def chainlink(self, usd: float = PRICE, decimals: int = 8) -> dict[str, Any]:
        feed = self.stage.feed(usd, decimals)
        terms = {"decimals": str(decimals), "heartbeat": "7200", "max_age": "10800", "least": "0.5", "most": "3000"}
        return {"chainlink": {"feed": shown(feed)} | terms}

    def cross(self) -> dict[str, Any]:
        return {"cross": {"base": self.chainlink(1.25, 18), "quote": self.chainlink(PRICE / 1.25)}}

    def uniswap(self, **more: str) -> dict[str, Any]:
        terms = {"window": "1800", "block_time": "12", "safe_liquidity": "2000", "least_liquidity": "1000"}
        return {"uniswap": {"pool": shown(self.pool.pool), "quote": self.chainlink(1)} | terms | more}

    def pyth_price(self) -> dict[str, Any]:
        terms = {"heartbeat": "7200", "max_age": "10800", "max_ahead": "15", "max_confidence": "0.005"}
        return {"pyth": {"contract": shown(self.pyth), "id": "0x" + ETH_USD} | terms}

    def erc4626(self) -> dict[str, Any]:
        terms = {"max_growth": "0.2", "max_drop": "0.01", "confirm_after": "3600"}
        return {"erc4626": {"token": shown(self.vault), "asset": self.chainlink()} | terms}

    def watched(self, primary: dict[str, Any], secondary: dict[str, Any]) -> dict[str, Any]:
        terms = {"max_deviation": "0.02", "dispute_period": "86400"}
        return {"watched": {"primary": primary, "secondary": secondary} | terms}

    def adapter(self, tree: dict[str, Any], contract: str) -> Deployed:
        """Read, deployed, and at hand as the contract that it should be."""
        node = self.stage.node
        source = source_of(parse(SourceSection, tree), self.token)
        return node.at(contract, deploy_adapter(Deployer(node, GOVERNOR), source, NO_SEQUENCER))


@pytest.fixture
def sources(stage: Stage) -> Sources:
    pool = create_pool(stage, PRICE)
    pool.provide(pool.liquidity_of(10_000_000, PRICE))
    # the first swap makes the pool keep more than one observation
    pool.move_to(PRICE + 1)
    pool.move_to(PRICE)
    stage.wait(1_800)
    pyth = stage.deploy("TestPyth", 60, 0)
    price = (PRICE * 10**8, 10**8, -8, PRICE * 10**8, 10**8, stage.now, stage.now - 1)
    pyth.updatePriceFeeds([pyth.createPriceFeedUpdateData(bytes.fromhex(ETH_USD), *price)], sender=STRANGER)
    vault = stage.deploy("TestShareVault", pool.base)
    return Sources(stage, pool, pyth, vault)


def test_chainlink__of_a_file__has_its_feed_times_and_bounds(sources: Sources):
    tree = sources.chainlink()
    adapter = sources.adapter(tree, "ChainlinkAdapter")
    assert sources.stage.quote(adapter).low == PRICE * WAD
    feed, decimals, terms = adapter.parameters()
    assert (feed, decimals) == (tree["chainlink"]["feed"].lower(), 8)
    assert tuple(terms) == (7_200, 10_800, 5 * 10**7, 3_000 * 10**8, NOBODY, 0)


def test_cross__of_a_file__is_the_product(sources: Sources):
    adapter = sources.adapter(sources.cross(), "CrossAdapter")
    assert sources.stage.quote(adapter).low == PRICE * WAD
    base = sources.stage.node.at("ChainlinkAdapter", adapter.BASE_ADAPTER())
    assert sources.stage.quote(base).low == 125 * 10**16


def test_uniswap__of_a_file__has_its_pool_window_and_liquidities(sources: Sources):
    adapter = sources.adapter(sources.uniswap(), "UniswapV3TwapAdapter")
    assert sources.stage.quote(adapter).low == pytest.approx(PRICE * WAD, rel=1e-3)
    assert adapter.POOL() == sources.pool.pool.address.lower()
    assert (adapter.WINDOW(), adapter.SAFE_LIQUIDITY(), adapter.LEAST_LIQUIDITY()) == (1_800, 2_000, 1_000)
    assert adapter.IS_BASE_TOKEN0() is sources.pool.is_base_token0


def test_uniswap__of_another_token_of_the_pool__prices_that(sources: Sources):
    """A dollar, where what the pool counts it in is worth 2 000."""
    tree = sources.uniswap(token=shown(sources.pool.dollar))
    tree["uniswap"]["quote"] = sources.chainlink()
    adapter = sources.adapter(tree, "UniswapV3TwapAdapter")
    assert sources.stage.quote(adapter).low == pytest.approx(WAD, rel=1e-3)


def test_uniswap__with_a_shorter_block_time_than_the_pool_remembers__is_refused(sources: Sources):
    """It reaches the constructor: 160 observations are not enough for a block a second."""
    with pytest.raises(Reverted, match="cardinality"):
        sources.adapter(sources.uniswap(block_time="1"), "UniswapV3TwapAdapter")


def test_pyth__of_a_file__has_its_times_and_confidence(sources: Sources):
    adapter = sources.adapter(sources.pyth_price(), "PythAdapter")
    assert sources.stage.quote(adapter).low == PRICE * WAD
    assert (adapter.PYTH(), adapter.PRICE_ID()) == (sources.pyth.address.lower(), bytes.fromhex(ETH_USD))
    times = adapter.HEARTBEAT(), adapter.MAX_AGE(), adapter.MAX_AHEAD_OF_BLOCK()
    assert (*times, adapter.CONFIDENCE_BPS()) == (7_200, 10_800, 15, 50)


def test_erc4626__of_a_file__has_its_bounds(sources: Sources):
    adapter = sources.adapter(sources.erc4626(), "Erc4626Adapter")
    assert sources.stage.quote(adapter).low == PRICE * WAD
    bounds = adapter.MAX_GROWTH_BPS_PER_YEAR(), adapter.MAX_DROP_BPS(), adapter.CONFIRM_AFTER()
    assert (adapter.SHARE(), *bounds) == (sources.vault.address.lower(), 2_000, 100, HOUR)


def test_watched__of_two_nested_sources__degrades_once_they_are_apart(sources: Sources):
    tree = sources.watched(sources.uniswap(), sources.watched(sources.cross(), sources.erc4626()))
    adapter = sources.adapter(tree, "DeviationAdapter")
    assert (adapter.MAX_DEVIATION_BPS(), adapter.DISPUTE_PERIOD()) == (200, DAY)
    assert sources.stage.quote(adapter).status == "fresh"
    inner = sources.stage.node.at("DeviationAdapter", adapter.SECONDARY())
    assert sources.stage.node.at("CrossAdapter", inner.PRIMARY()).QUOTE_ADAPTER() != NOBODY
    feed = tree["watched"]["secondary"]["watched"]["primary"]["cross"]["quote"]["chainlink"]["feed"]
    sources.stage.publish(sources.stage.node.at("TestAggregator", feed), PRICE / 1.25 * 0.9)
    quote = sources.stage.quote(adapter)
    assert quote.status == "degraded"
    assert quote.low == PRICE * WAD * 9 // 10
