"""Carries a scenario out on a fresh Anvil chain: the real contracts, ordinary transactions, raw JSON-RPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TextIO

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from closeout.chain.anvil import Anvil
from closeout.chain.deploy import PROTOCOL_SOURCES, Deployment, deploy_protocol
from closeout.chain.local import Contract, LocalChain, Refused
from closeout.chain.parameters import (
    UNLIMITED,
    AssetListing,
    BorrowParameters,
    CollateralParameters,
    CurveParameters,
    LimitParameters,
    OracleParameters,
    PenaltyWeights,
    PriceSource,
    ProtocolParameters,
)
from closeout.chain.sources import ChainlinkSource
from closeout.scenario.engine import AccountState, CloseOutRecord, Outcome
from closeout.scenario.world import Asset, CloseOut, FeedStatus, MarginCall, Move, SetFeed, World
from closeout.scenario.world import Protocol as WorldProtocol
from closeout.toolchain.artifacts import Artifact, load
from closeout.units import WAD_DECIMALS

__all__ = ["ChainEngine"]

GENESIS = 1_800_000_000
NO_DEBT = 2**256 - 1
EVERYTHING = 2**128 - 1
NEVER = 2**256 - 1
# Feeds that answered this recently with the same prices are not published again: the keeper's block after a row.
FRESH_SECONDS = 60
# How old a stale feed's answer always is: well past the heartbeat, well within the hard limit.
STALE_SECONDS = (ChainlinkSource.heartbeat + ChainlinkSource.max_age) // 2
# More than any liquidator in a scenario could spend, far from overflowing a token's total supply.
PURSE = 2**200
# What a scenario deploys; not compiled for it are mocks, harnesses, and what the local chain has no use for.
SOURCES = (
    *PROTOCOL_SOURCES,
    "contracts/mocks/TestToken.sol",
    "contracts/mocks/TestAggregator.sol",
    "contracts/mocks/FeedPublisher.sol",
)
REGIMES = ("healthy", "restorative", "capped", "terminal")


@dataclass(frozen=True)
class _Standing:
    """A feed that is published no more: stale at a price (WAD), or dead."""

    status: FeedStatus
    price_wad: int


@dataclass(frozen=True)
class _Sender:
    """The deployer of `deploy_protocol` on a local chain."""

    chain: LocalChain
    address: str

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        return self.chain.artifacts

    def deploy(self, name: str, *arguments: Any) -> str:
        return self.chain.deploy(name, *arguments, sender=self.address, timestamp=GENESIS).address

    def transact(self, name: str, address: str, function: str, *arguments: Any) -> None:
        contract = self.chain.at(name, address)
        self.chain.transact(contract, function, *arguments, sender=self.address, timestamp=GENESIS)


def _actor(name: str) -> str:
    """An address that stands for a party of that name."""
    return to_checksum_address(keccak(text=f"closeout scenario: {name}")[:20])


class ChainEngine:
    """The scenario engine `chain`; see `closeout.scenario.engine.Engine`. `port` 0: any free one."""

    name = "chain"

    def __init__(self, port: int = 0, log: TextIO | None = None) -> None:
        self._anvil = Anvil(port, states=1)
        self._log = log
        self._deployer = _actor("deployer")
        self._lender = _actor("lender")
        self._liquidator = _actor("liquidator")
        self._time = GENESIS
        self._published: dict[str, int] = {}
        self._published_at = GENESIS
        self._standing: dict[str, _Standing] = {}

    def __enter__(self) -> Self:
        artifacts = load(only=SOURCES, log=self._log)
        self._anvil.__enter__()
        self._chain = LocalChain(self._anvil.rpc, artifacts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._anvil.__exit__(kind, error, trace)

    # ------------------------------------------------------------------------------------------------------ opening

    def open(self, world: World) -> None:
        """Deploys tokens, feeds and protocol, supplies, fills the fund, opens the accounts; all at one time, 0."""
        self._world = world
        self._ids = {name: i for i, name in enumerate(world.assets)}
        self._names = list(world.assets)
        self._tokens = {
            name: self._deploy("TestToken", name, name, asset.decimals) for name, asset in world.assets.items()
        }
        self._feeds = {
            name: self._deploy("TestAggregator", asset.feed_decimals, f"{name} / USD")
            for name, asset in world.assets.items()
        }
        self._publisher = self._deploy("FeedPublisher")
        self._publish({name: asset.price_wad for name, asset in world.assets.items()})
        self._chain.mine(GENESIS)

        listings = [
            _listing(asset, self._tokens[name].address, self._feeds[name].address)
            for name, asset in world.assets.items()
        ]
        sender = _Sender(self._chain, self._deployer)
        self.deployment: Deployment = deploy_protocol(sender, _parameters(world.protocol), listings)
        # the Vault answers with the ABI of both halves of its code
        self._vault = self._chain.at("IVault", self.deployment["Vault"])
        self._lens = self._chain.at("Lens", self.deployment["Lens"])
        self._close_out_event = next(event for event in self._vault.abi.events.values() if event.name == "CloseOut")
        self._account_ids = {
            name: (int(_actor(account.owner), 16) << 96) | account.index for name, account in world.accounts.items()
        }
        self._accounts_call = self._lens.encode("accountsOf", list(self._account_ids.values()))
        self._supply_and_fund()
        self._open_accounts()

    def _deploy(self, name: str, *arguments: Any) -> Contract:
        return self._chain.deploy(name, *arguments, sender=self._deployer, timestamp=GENESIS)

    def _supply_and_fund(self) -> None:
        calls: list[tuple[str, str, str]] = []
        for name, asset in self._world.assets.items():
            fund = self._world.insurance.get(name, 0)
            calls += self._purse(name, self._liquidator, PURSE)
            calls += self._purse(name, self._lender, asset.supply_units + fund)
            vault = self._vault.address
            if asset.borrowing and asset.supply_units:
                supply = self._vault.encode("supply", self._ids[name], asset.supply_units, self._lender)
                calls.append((self._lender, vault, supply))
            if fund:
                credit = self._vault.encode("creditClaim", self._ids[name], fund, self.deployment["InsuranceFund"])
                calls.append((self._lender, vault, credit))
        self._settle(calls)

    def _open_accounts(self) -> None:
        calls: list[tuple[str, str, str]] = []
        for account in self._world.accounts.values():
            owner = _actor(account.owner)
            account_id = self._account_ids[account.name]
            for name, units in account.collateral.items():
                calls += self._purse(name, owner, units)
            # one call with one check at the end: debts may meet their minimum only together
            opening: tuple[Any, ...] = ([], self._amounts(account.debt), self._amounts(account.collateral), [])
            data = self._vault.encode("rebalance", account_id, opening, owner, b"")
            calls.append((owner, self._vault.address, data))
        self._settle(calls)

    def _amounts(self, units: Mapping[str, int]) -> list[tuple[int, int]]:
        return [(self._ids[name], amount) for name, amount in units.items()]

    def _purse(self, asset: str, holder: str, units: int) -> list[tuple[str, str, str]]:
        """Gives a holder tokens, and the Vault his approval."""
        token = self._tokens[asset]
        return [
            (self._deployer, token.address, token.encode("mint", holder, units)),
            (holder, token.address, token.encode("approve", self._vault.address, NEVER)),
        ]

    def _settle(self, calls: Sequence[tuple[str, str, str]]) -> None:
        """Executes calls in one block, all of which must pass."""
        hashes = [self._chain.send(*call) for call in calls]
        self._chain.mine(self._time)
        for call, receipt in zip(calls, self._chain.receipts(hashes), strict=True):
            if int(receipt["status"], 16) != 1:
                raise Refused("opening", self._chain.revert_of(*call))

    # -------------------------------------------------------------------------------------------------------- steps

    def begin_block(self, time: int, prices_wad: Mapping[str, int]) -> None:
        self._time = GENESIS + time
        is_old = self._time > self._published_at + FRESH_SECONDS
        if prices_wad != self._published or is_old or self._standing:
            self._publish(prices_wad)
        self._chain.mine(self._time)

    def _publish(self, prices_wad: Mapping[str, int]) -> None:
        self._published, self._published_at = dict(prices_wad), self._time
        live = [name for name in self._world.assets if name not in self._standing]
        answers = [self._answer(name, prices_wad[name]) for name in live]
        feeds = [self._feeds[name].address for name in live]
        self._chain.send(self._deployer, self._publisher.address, self._publisher.encode("publish", feeds, answers))
        for name, standing in self._standing.items():
            feed = self._feeds[name]
            # of a dead feed an adapter learns as much as of one that is not there
            round_ = (0, 0)
            if standing.status == "stale":
                round_ = (self._answer(name, standing.price_wad), self._time - STALE_SECONDS)
            self._chain.send(self._deployer, feed.address, feed.encode("publishAt", *round_))

    def _answer(self, name: str, price_wad: int) -> int:
        unit: int = 10 ** (WAD_DECIMALS - self._world.assets[name].feed_decimals)
        return price_wad // unit

    def set_feed(self, step: SetFeed) -> None:
        known = self._standing.pop(step.asset, None)
        if step.status != "fresh":
            price = known.price_wad if known else self._published[step.asset]
            self._standing[step.asset] = _Standing(step.status, price)
        self._publish(self._published)
        self._chain.mine(self._time)

    def poke(self) -> None:
        tokens = [self._tokens[name].address for name in self._names]
        call = self._publisher.encode("poke", self.deployment["OracleRouter"], tokens)
        self._settle([(self._deployer, self._publisher.address, call)])

    def act(self, step: Move | MarginCall) -> Outcome:
        account = self._account_ids[step.account]
        owner = _actor(self._world.accounts[step.account].owner)
        if isinstance(step, MarginCall):
            return self._attempt(self._liquidator, self._vault.encode("marginCall", account))
        asset = self._ids[step.asset]
        match step.kind:
            case "deposit":
                call = self._vault.encode("depositCollateral", account, asset, step.units)
            case "withdraw":
                call = self._vault.encode("withdrawCollateral", account, asset, step.units, owner)
            case "borrow":
                call = self._vault.encode("borrow", account, asset, step.units, owner)
            case "repay":
                call = self._vault.encode("repay", account, asset, step.units)
        if step.kind in ("deposit", "repay"):
            for sender, to, data in self._purse(step.asset, owner, step.units):
                self._chain.send(sender, to, data)
        return self._attempt(owner, call)

    def _attempt(self, sender: str, data: str) -> Outcome:
        transaction = self._chain.send(sender, self._vault.address, data)
        self._chain.mine(self._time)
        receipt = self._chain.receipts([transaction])[0]
        return Outcome(error=self._error_of(receipt, sender, data))

    def _error_of(self, receipt: dict[str, Any], sender: str, data: str) -> str | None:
        if int(receipt["status"], 16) == 1:
            return None
        revert = self._chain.revert_of(sender, self._vault.address, data)
        return revert.name or revert.data

    def close_out(self, requests: Sequence[CloseOut]) -> list[Outcome]:
        calls = [self._vault.encode("closeOut", self._request(request), b"") for request in requests]
        hashes = [self._chain.send(self._liquidator, self._vault.address, call) for call in calls]
        self._chain.mine(self._time)
        outcomes = []
        for request, call, receipt in zip(requests, calls, self._chain.receipts(hashes), strict=True):
            error = self._error_of(receipt, self._liquidator, call)
            outcomes.append(Outcome(error=error, record=None if error else self._record(request, receipt)))
        return outcomes

    def _request(self, request: CloseOut) -> tuple[Any, ...]:
        return (
            self._account_ids[request.account],
            self._set(request.collateral),
            self._set(request.debt),
            request.fill_wad,
            NEVER,
            self._liquidator,
            0,
            0,
            0,
            [],
            [],
        )

    def _set(self, names: Sequence[str] | None) -> int:
        return EVERYTHING if names is None else sum(1 << self._ids[name] for name in set(names))

    def _record(self, request: CloseOut, receipt: dict[str, Any]) -> CloseOutRecord | None:
        log = next((log for log in receipt["logs"] if log["topics"][0] == self._close_out_event.topic), None)
        if log is None:
            return None
        regime, _, penalty_rate, before, after, seized, repaid = self._close_out_event.decode(log)[2]
        return CloseOutRecord(
            account=request.account,
            regime=REGIMES[regime],
            penalty_rate_wad=penalty_rate,
            health_before_wad=before,
            health_after_wad=None if after == NO_DEBT else after,
            repaid=self._by_name((leg[0], leg[1]) for leg in repaid),
            seized=self._by_name((leg[0], leg[1]) for leg in seized),
            to_protocol=self._by_name((leg[0], leg[2] + leg[3]) for leg in seized),
            bad_debt=self._by_name((leg[0], leg[2]) for leg in repaid),
            covered=self._by_name((leg[0], leg[3]) for leg in repaid),
            gas=int(receipt["gasUsed"], 16),
        )

    def _by_name(self, legs: Any) -> dict[str, int]:
        """Units by asset name, in the order of the listing, zeros left out."""
        units = {self._names[asset]: amount for asset, amount in sorted(legs)}
        return {name: amount for name, amount in units.items() if amount}

    def settle_penalties(self) -> None:
        """Lets anyone split what close-outs left to the splitter."""
        splitter = self._chain.at("PenaltySplitter", self.deployment["PenaltySplitter"])
        self._settle(
            [
                (self._liquidator, splitter.address, splitter.encode("split", i))
                for i in range(len(self._names))
                if self._vault.read("claimOf", splitter.address, i)
            ]
        )

    # -------------------------------------------------------------------------------------------------------- state

    def accounts(self) -> Mapping[str, AccountState]:
        views = self._lens.abi.functions["accountsOf"].decode(self._chain.call(self._lens.address, self._accounts_call))
        return {
            name: AccountState(
                collateral=self._by_name(zip(view[0], view[1], strict=True)),
                debt=self._by_name(zip(view[2], view[3], strict=True)),
                health_wad=None if view[8] == NO_DEBT else view[8],
            )
            for name, view in zip(self._account_ids, views, strict=True)
        }

    def insurance(self) -> Mapping[str, int]:
        fund = self.deployment["InsuranceFund"]
        return self._by_name((i, self._vault.read("claimOf", fund, i)) for i in range(len(self._names)))

    def lenders(self) -> Mapping[str, int]:
        return {
            name: self._lens.read("supplyAssetsOf", self._ids[name], self._lender)
            for name, asset in self._world.assets.items()
            if asset.borrowing
        }


def _parameters(protocol: WorldProtocol) -> ProtocolParameters:
    return ProtocolParameters(
        curve=CurveParameters(
            target_health_factor=protocol.target_health_wad,
            margin_call_health_factor=protocol.margin_call_health_wad,
            health_for_max_bonus=protocol.health_for_max_bonus_wad,
            bonus_floor=protocol.bonus_floor_wad,
            min_bonus_fraction=protocol.min_bonus_fraction_wad,
            fee_share=protocol.fee_share_wad,
            steepness=protocol.steepness_wad,
        ),
        limits=LimitParameters(
            min_debt_value=protocol.min_debt_value_wad,
            min_debt_per_asset=protocol.min_debt_per_asset_wad,
            dust_value=protocol.dust_value_wad,
            bucket_minimum=0,
            hard_floor=protocol.hard_floor_wad,
            grace_period=protocol.grace_period,
            call_lifetime=protocol.call_lifetime,
            backstop_delay=protocol.backstop_delay,
        ),
        weights=PenaltyWeights(
            insurance=protocol.insurance_weight_wad,
            treasury=protocol.treasury_weight_wad,
            burn=protocol.burn_weight_wad,
        ),
        treasury=_actor("treasury"),
        oracles=OracleParameters(abandon_after=protocol.abandon_after, decay_period=protocol.decay_period),
    )


def _listing(asset: Asset, token: str, feed: str) -> AssetListing:
    collateral, borrowing = asset.collateral, asset.borrowing
    return AssetListing(
        token=token,
        collateral=CollateralParameters(
            collateral.ltv_bps, collateral.liquidation_threshold_bps, collateral.max_bonus_bps
        )
        if collateral
        else CollateralParameters(),
        borrowing=BorrowParameters(
            base=borrowing.base_rate,
            slope1=borrowing.slope1_rate,
            slope2=borrowing.slope2_rate,
            kink=borrowing.kink_wad,
            reserve_factor=borrowing.reserve_factor_bps,
            supply_cap=UNLIMITED,
            borrow_cap=UNLIMITED,
        )
        if borrowing
        else BorrowParameters(),
        source=PriceSource(ChainlinkSource(feed), asset.price_wad),
    )
