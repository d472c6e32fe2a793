"""A deployed protocol with four assets and parties named by their roles: what contract tests start from.

The parameters are those of the worked examples of docs/liquidation.md (section 8), interest off, so that its figures
hold here; a test that needs other ones says so.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

from closeout.chain.deploy import deploy_protocol, list_asset, modules_of
from closeout.chain.parameters import (
    UNLIMITED,
    AssetListing,
    BorrowParameters,
    CollateralParameters,
    CurveParameters,
    LimitParameters,
    PenaltyWeights,
    PriceSource,
    ProtocolParameters,
)
from closeout.chain.roles import Role
from closeout.chain.sources import ChainlinkSource, PresentAdapter
from closeout.toolchain.artifacts import Artifact
from closeout.units import parse_units
from tests.support.node import Deployed, Node, Receipt, actor

__all__ = [
    "EVERYTHING",
    "GENESIS",
    "NEVER",
    "NO_DEBT",
    "Asset",
    "Deployer",
    "Result",
    "World",
    "account_of",
    "set_of",
    "wad",
]

GENESIS = 1_800_000_000
NEVER = 2**256 - 1
NO_DEBT = 2**256 - 1
EVERYTHING = 2**128 - 1
HEARTBEAT, MAX_AGE = 86_400, 2 * 86_400


def wad(number: str | int) -> int:
    """`wad("1.05")` is 1.05e18."""
    return parse_units(number, 18)


def account_of(owner: str, index: int = 0) -> int:
    """AccountId: the owner's address, then an index of his choice."""
    return (int(owner, 16) << 96) | index


@dataclass(frozen=True)
class Asset:
    """A listed asset. Equal to its id wherever a contract wants one."""

    id: int
    symbol: str
    decimals: int
    token: Deployed
    feed: Deployed

    def units(self, amount: str | int) -> int:
        """Token units of an amount in whole tokens: `usdc.units("1.5")` is 1 500 000."""
        return parse_units(amount, self.decimals)

    @property
    def bit(self) -> int:
        """The set of this asset alone."""
        return 1 << self.id


def set_of(*assets: Asset) -> int:
    """An AssetSet."""
    return sum(asset.bit for asset in assets)


@dataclass(frozen=True)
class Result:
    """CloseOutResult with its legs by asset id: (seized, toProtocol, toInsurance) and (repaid, badDebt, covered)."""

    regime: int
    is_executed: bool
    penalty_rate: int
    health_before: int
    health_after: int
    seized: Mapping[int, tuple[int, int, int]]
    repaid: Mapping[int, tuple[int, int, int]]

    @classmethod
    def of(cls, values: Any) -> Result:
        """From a decoded CloseOutResult."""
        *head, seized, repaid = values
        return cls(*head, {leg[0]: tuple(leg[1:]) for leg in seized}, {leg[0]: tuple(leg[1:]) for leg in repaid})


HEALTHY, RESTORATIVE, CAPPED, TERMINAL = range(4)

PARAMETERS = ProtocolParameters(
    curve=CurveParameters(
        target_health_factor=wad("1.10"),
        margin_call_health_factor=wad("1.05"),
        health_for_max_bonus=wad("0.90"),
        bonus_floor=wad("0.005"),
        min_bonus_fraction=wad("0.2"),
        fee_share=wad("0.2"),
        steepness=0,
    ),
    limits=LimitParameters(
        min_debt_value=wad(100),
        min_debt_per_asset=0,
        dust_value=wad(10),
        bucket_minimum=wad(200),
        hard_floor=wad("0.95"),
        grace_period=0,
        call_lifetime=86_400,
        backstop_delay=43_200,
    ),
    weights=PenaltyWeights(insurance=wad("0.5"), treasury=wad("0.3"), burn=wad("0.2")),
    treasury=actor("treasury"),
)

BORROWABLE = BorrowParameters(supply_cap=UNLIMITED, borrow_cap=UNLIMITED)
NOT_BORROWABLE = BorrowParameters()
NOT_COLLATERAL = CollateralParameters()


def collateral(threshold: int, max_bonus: int, ltv: int | None = None, **more: Any) -> CollateralParameters:
    """Collateral parameters in bps; `ltv` is five points below the threshold unless it is given."""
    return CollateralParameters(threshold - 500 if ltv is None else ltv, threshold, max_bonus, **more)


class Deployer:
    """The `Deployer` of `deploy_protocol`."""

    def __init__(self, node: Node, address: str) -> None:
        self._node, self.address = node, address

    @property
    def artifacts(self) -> Mapping[str, Artifact]:
        return self._node.artifacts

    def deploy(self, name: str, *arguments: Any) -> str:
        return self._node.deploy(name, *arguments, sender=self.address).address

    def transact(self, name: str, address: str, function: str, *arguments: Any) -> None:
        getattr(self._node.at(name, address), function)(*arguments, sender=self.address)


class World:
    """The protocol on a node, and shorthand for what tests do with it. Amounts are whole tokens as text."""

    lender = actor("lender")
    borrower = actor("borrower")
    liquidator = actor("liquidator")
    operator = actor("operator")
    stranger = actor("stranger")
    receiver = actor("receiver")
    governor = actor("governor")
    guardian = actor("guardian")
    treasury = PARAMETERS.treasury

    def __init__(self, node: Node, parameters: ProtocolParameters = PARAMETERS) -> None:
        self.node = node
        self.parameters = parameters
        self.assets: list[Asset] = []
        # what a test was given, for those who compute what must come of it
        self.prices: dict[int, int] = {}
        self.listings: dict[int, tuple[CollateralParameters, BorrowParameters]] = {}
        deployment = deploy_protocol(Deployer(node, self.governor), parameters, [])
        self.authority = node.at("Authority", deployment["Authority"])
        self.extension = node.at("VaultExtension", deployment["VaultExtension"])
        # one address, the ABI of both halves of its code, and what only the implementation declares
        self.vault = node.at("IVault", deployment["Vault"])
        self.vault_code = node.at("Vault", deployment["Vault"])
        self.router = node.at("OracleRouter", deployment["OracleRouter"])
        self.configurator = node.at("RiskConfigurator", deployment["RiskConfigurator"])
        self.engine = node.at("LiquidationEngine", deployment["LiquidationEngine"])
        self.fund = node.at("InsuranceFund", deployment["InsuranceFund"])
        self.splitter = node.at("PenaltySplitter", deployment["PenaltySplitter"])
        self.lens = node.at("Lens", deployment["Lens"])
        self.steward = node.at("RiskSteward", deployment["RiskSteward"])
        self.pauser = node.at("PauseGuardian", deployment["PauseGuardian"])
        # tests of the Vault pause it without the PauseGuardian's clock
        self.authority.grantRole(Role.GUARDIAN, self.guardian, 0, sender=self.governor)
        for party in (self.guardian, self.governor):
            self.authority.grantRole(Role.PAUSER, party, 0, sender=self.governor)

    @classmethod
    def standard(cls, node: Node) -> World:
        """Two collaterals and two assets to borrow, lenders in both; WETH is lent as well, USDC also collateral."""
        world = cls(node)
        world.weth = world.list_asset("WETH", 18, 1500, collateral(8500, 800), BORROWABLE)
        world.wbtc = world.list_asset("WBTC", 8, 30_000, collateral(7500, 1000))
        world.usdc = world.list_asset("USDC", 6, 1, collateral(9000, 500), BORROWABLE)
        world.dai = world.list_asset("DAI", 18, 1, NOT_COLLATERAL, BORROWABLE)
        world.supply(world.usdc, 1_000_000)
        world.supply(world.dai, 1_000_000)
        world.supply(world.weth, 1_000)
        return world

    def fork(self) -> World:
        """A copy whose changes do not reach this one: the chain's own state is the node's to roll back."""
        twin = copy.copy(self)
        twin.assets, twin.prices, twin.listings = list(self.assets), dict(self.prices), dict(self.listings)
        return twin

    # ------------------------------------------------------------------------------------------------ configuration

    def list_asset(
        self,
        symbol: str,
        decimals: int,
        price: str | int,
        as_collateral: CollateralParameters = NOT_COLLATERAL,
        borrowing: BorrowParameters = NOT_BORROWABLE,
        *,
        token: Deployed | None = None,
        feed: Deployed | None = None,
        is_adapter: bool = False,
        is_read_in_place: bool = True,
    ) -> Asset:
        """Deploys a token (or takes one) with a feed of 18 decimals, and lists it. Its price never ages by itself."""
        token = token or self.node.deploy("TestToken", symbol, symbol, decimals, sender=self.governor)
        if feed is None:
            feed = self.node.deploy("LiveAggregator", 18, f"{symbol} / USD", sender=self.governor)
            feed.publish(wad(price), sender=self.governor)
        chainlink = ChainlinkSource(feed.address, HEARTBEAT, MAX_AGE)
        adapter = PresentAdapter(feed.address) if is_adapter else chainlink
        source = PriceSource(adapter, wad(price), is_read_in_place)
        listing = AssetListing(token.address, as_collateral, borrowing, source)
        deployer = Deployer(self.node, self.governor)
        list_asset(deployer, self.router.address, self.configurator.address, self.parameters.oracles, listing)
        asset = Asset(len(self.assets), symbol, decimals, token, feed)
        self.assets.append(asset)
        self.prices[asset.id] = wad(price)
        self.listings[asset.id] = (as_collateral, borrowing)
        return asset

    def set_asset(
        self,
        asset: Asset,
        as_collateral: CollateralParameters = NOT_COLLATERAL,
        borrowing: BorrowParameters = NOT_BORROWABLE,
        *,
        ramp: int = 0,
        is_read_in_place: bool = True,
    ) -> Receipt:
        """Changes an asset's parameters."""
        self.listings[asset.id] = (as_collateral, borrowing)
        return self.configurator.setAsset(
            asset.id, astuple(as_collateral), astuple(borrowing), (is_read_in_place, 1), ramp, sender=self.governor
        )

    def set_protocol(self, *, modules: Mapping[str, Any] | None = None, **changes: Any) -> Receipt:
        """Changes curve and limits by name, and modules: engine, fund, splitter, treasury, router, oracles."""
        curve, limits = self.parameters.curve, self.parameters.limits
        in_curve = {name: value for name, value in changes.items() if hasattr(curve, name)}
        in_limits = {name: value for name, value in changes.items() if hasattr(limits, name)}
        assert len(in_curve) + len(in_limits) == len(changes), f"no such parameter among {sorted(changes)}"
        parameters = replace(self.parameters, curve=replace(curve, **in_curve), limits=replace(limits, **in_limits))
        places = {"engine": self.engine, "fund": self.fund, "splitter": self.splitter, "treasury": self.treasury}
        places |= {"router": self.router, "oracles": parameters.oracles}
        receipt = self.configurator.setProtocol(
            modules_of(*(places | dict(modules or {})).values()),
            astuple(parameters.curve),
            astuple(parameters.limits),
            sender=self.governor,
        )
        self.parameters = parameters
        return receipt

    # ---------------------------------------------------------------------------------------------- prices and time

    def set_price(self, asset: Asset, price: str | int) -> None:
        asset.feed.publish(wad(price), sender=self.governor)
        self.prices[asset.id] = wad(price)

    @property
    def now(self) -> int:
        return self.node.now

    def warp(self, seconds: int) -> int:
        """Moves the clock; returns the new time."""
        self.node.set_time(self.node.now + seconds)
        return self.node.now

    # --------------------------------------------------------------------------------------------------- the parties

    def fund_party(self, party: str | Deployed, asset: Asset, amount: str | int) -> int:
        """Gives tokens and lets the Vault take them; returns the units."""
        return self.give(party, asset, asset.units(amount))

    def give(self, party: str | Deployed, asset: Asset, units: int) -> int:
        asset.token.mint(party, units, sender=self.governor)
        if isinstance(party, str) and asset.token.allowance(party, self.vault) < 2**255:
            asset.token.approve(self.vault, NEVER, sender=party)
        return units

    def supply(self, asset: Asset, amount: str | int, lender: str | None = None) -> Receipt:
        lender = lender or self.lender
        units = self.fund_party(lender, asset, amount)
        return self.vault.supply(asset.id, units, lender, sender=lender)

    def credit(self, holder: str | Deployed, asset: Asset, amount: str | int) -> int:
        """Tokens inside the Vault as a claim of the holder; returns the units."""
        units = self.fund_party(self.stranger, asset, amount)
        self.vault.creditClaim(asset.id, units, holder, sender=self.stranger)
        return units

    def open_account(
        self,
        holdings: Mapping[Asset, str | int],
        debts: Mapping[Asset, str | int] | None = None,
        *,
        owner: str | None = None,
        index: int = 0,
    ) -> int:
        """Deposits and borrows at the prices of now, by ordinary transactions, and lets a second pass."""
        owner = owner or self.borrower
        account = account_of(owner, index)
        for asset, amount in holdings.items():
            units = self.fund_party(owner, asset, amount)
            self.vault.depositCollateral(account, asset.id, units, sender=owner)
        for asset, amount in (debts or {}).items():
            self.vault.borrow(account, asset.id, asset.units(amount), owner, sender=owner)
        self.warp(1)
        return account

    # --------------------------------------------------------------------------------------------------- close-outs

    def request(self, account: int, **changes: Any) -> tuple[Any, ...]:
        """A CloseOutRequest for all of the account, changed by the names of its fields."""
        fields: dict[str, Any] = {
            "account": account,
            "collaterals": EVERYTHING,
            "debts": EVERYTHING,
            "fill": wad(1),
            "deadline": NEVER,
            "receiver": self.liquidator,
            "as_claims": 0,
            "from_shares": 0,
            "from_claims": 0,
            "least_seized": [],
            "most_repaid": [],
        }
        unknown = changes.keys() - fields.keys()
        assert not unknown, f"CloseOutRequest has no {unknown}"
        return tuple((fields | changes).values())

    def close_out(self, account: int, *, sender: str | None = None, data: bytes = b"", **changes: Any) -> Receipt:
        """The liquidator closes out; see `request`."""
        return self.vault.closeOut(self.request(account, **changes), data, sender=sender or self.liquidator)

    def preview(self, account: int, **changes: Any) -> Result:
        return Result.of(self.vault.previewCloseOut(self.request(account, **changes)))

    @staticmethod
    def result(receipt: Receipt) -> Result:
        """The CloseOut event's result."""
        return Result.of(receipt.event("CloseOut")["result"])

    def arm(self, party: str | Deployed | None = None, amount: str | int = 10_000_000) -> None:
        """Gives a liquidator enough of every asset that can be borrowed."""
        for asset in (self.usdc, self.dai, self.weth):
            self.fund_party(party or self.liquidator, asset, amount)

    # -------------------------------------------------------------------------------------------------------- views

    def health(self, account: int) -> int:
        return self.vault.healthOf(account)[4]

    def position(self, account: int) -> tuple[dict[int, int], dict[int, int]]:
        """Collateral and debt in token units by asset id."""
        ids, amounts, debt_ids, debt_amounts = self.vault.positionOf(account)
        return dict(zip(ids, amounts, strict=True)), dict(zip(debt_ids, debt_amounts, strict=True))

    def balance(self, asset: Asset, holder: str | Deployed) -> int:
        return asset.token.balanceOf(holder)

    def idle(self, asset: Asset) -> int:
        return self.vault.marketOf(asset.id)[0]

    def lender_assets(self, asset: Asset, lender: str | None = None) -> int:
        return self.lens.supplyAssetsOf(asset.id, lender or self.lender)
