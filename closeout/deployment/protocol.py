"""A network file's deployment as a plan, by the one function that deploys everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from closeout.chain.deploy import PROTOCOL_SOURCES, Deployment, deploy_protocol, modules_of
from closeout.chain.parameters import ZERO_ADDRESS, AssetListing, PriceSource, ProtocolParameters
from closeout.chain.roles import RoleHolders
from closeout.chain.sources import ADAPTER_SOURCES, ChainlinkSource, Source
from closeout.config.amounts import (
    borrow_parameters,
    bps,
    collateral_parameters,
    feed_answer,
    protocol_parameters,
    source_of,
    wad,
)
from closeout.config.loading import NetworkConfig
from closeout.config.schema import TEST, AssetSection, NetworkFile
from closeout.toolchain.artifacts import Artifact

from .plan import Call, Plan, Recorder

__all__ = ["SOURCES", "Blueprint", "draw_blueprint"]

SOURCES = (
    *PROTOCOL_SOURCES,
    *(source for source in ADAPTER_SOURCES if source not in PROTOCOL_SOURCES),
    "contracts/oracles/VolatilityOracle.sol",
    "contracts/mocks/TestToken.sol",
    "contracts/mocks/TestAggregator.sol",
)
"""What has to be compiled, the stand-ins of test networks included."""


# When the stand-in for a sequencer came up: long before any deployment.
LONG_AGO = 1_700_000_000


@dataclass(frozen=True)
class Blueprint:
    """A deployment before it is one: steps, addresses, and the listings in the chain's integers."""

    config: NetworkConfig
    plan: Plan
    deployment: Deployment
    listings: Mapping[str, AssetListing]
    parameters: ProtocolParameters

    @property
    def modules(self) -> tuple[object, ...]:
        """What `setProtocol` is given first."""
        contracts = self.deployment.contracts
        names = ("LiquidationEngine", "InsuranceFund", "PenaltySplitter")
        engine, fund, splitter = (contracts[name] for name in names)
        oracles = replace(self.parameters.oracles, volatility_oracle=contracts.get("VolatilityOracle", ZERO_ADDRESS))
        return modules_of(engine, fund, splitter, self.parameters.treasury, contracts["OracleRouter"], oracles)

    @property
    def adapters(self) -> dict[str, str]:
        """The adapter of each asset, by the asset's name."""
        activated = {
            step.arguments[0]: str(step.arguments[1])
            for step in self.plan.steps
            if isinstance(step, Call) and (step.contract, step.function) == ("OracleRouter", "activate")
        }
        return {name: activated[listing.token] for name, listing in self.listings.items()}


def draw_blueprint(config: NetworkConfig, deployer: str, artifacts: Mapping[str, Artifact]) -> Blueprint:
    """The same for the same file, code and deployer, on every machine and at any time."""
    file = config.content
    recorder = Recorder(deployer, artifacts, f"closeout {file.network.salt}")
    listings = {name: _listing(recorder, name, asset) for name, asset in file.assets.items()}
    holders = RoleHolders(file.roles.guardian, file.roles.steward, file.roles.canceller)
    parameters = protocol_parameters(file, _sequencer(recorder, file))
    deployment = deploy_protocol(recorder, parameters, list(listings.values()), holders)
    return Blueprint(config, recorder.plan(), deployment, listings, parameters)


def _sequencer(recorder: Recorder, file: NetworkFile) -> str:
    sequencer = file.oracles.sequencer
    if sequencer is None:
        return ZERO_ADDRESS
    if sequencer.feed != TEST:
        return sequencer.feed
    feed = recorder.deploy("TestAggregator", 0, "sequencer uptime")
    # 0: up, for longer than any grace
    recorder.transact("TestAggregator", feed, "publishAt", 0, LONG_AGO)
    return feed


def _listing(recorder: Recorder, name: str, asset: AssetSection) -> AssetListing:
    token = recorder.deploy("TestToken", name, name, asset.decimals) if asset.token == TEST else asset.token
    price = asset.price
    return AssetListing(
        token=token,
        collateral=collateral_parameters(asset),
        borrowing=borrow_parameters(asset),
        source=PriceSource(
            _adapter(recorder, name, asset, token),
            reference=wad(price.reference),
            deviation=bps(price.deviation),
            jump=0 if price.jump is None else bps(price.jump),
        ),
    )


def _adapter(recorder: Recorder, name: str, asset: AssetSection, token: str) -> Source:
    section, source = asset.price.chainlink, source_of(asset.price, token)
    if section is None or section.feed != TEST or not isinstance(source, ChainlinkSource):
        return source
    feed = recorder.deploy("TestAggregator", section.decimals, f"{name} / USD")
    recorder.transact("TestAggregator", feed, "publish", feed_answer(asset.price.reference, section.decimals, 0))
    return replace(source, feed=feed)
