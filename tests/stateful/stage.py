"""Where histories are played: a local testnet with protocols, Uniswap pools and feeds, and a fork of that testnet.

One protocol per setting of `tests.differential.settings`, each with a flash fee and one token that can misbehave.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, field, replace
from typing import Any, ClassVar

from eth_abi.abi import decode

from closeout.chain.anvil import Anvil
from closeout.chain.deploy import modules_of
from closeout.chain.roles import Role
from closeout.chain.uniswap import encode_path
from closeout.model import AccountId
from closeout.toolchain.artifacts import Artifact
from closeout.units import WAD
from tests.differential.pairs import PURSE, Pair
from tests.differential.plays import ACCOUNTS, Move, Step
from tests.differential.settings import SETTINGS, Setting
from tests.differential.simulation import Call
from tests.stateful.feeds import FedPlay
from tests.stateful.parts import ACTOR, SIGNER, Bundle, Opening, Script, Signed
from tests.stateful.plays import WholePlay
from tests.stateful.whole_vault import FLASH, FlashOrder, face_of, token_of
from tests.support.node import Deployed, Node
from tests.support.signing import Signer, operator_message
from tests.support.world import EVERYTHING, GENESIS, NEVER, World
from tests.unit.periphery.pool_math import Pools
from tests.unit.periphery.stage import BUY_MISSING, SELL_ALL, Trading

MOODY = "many"
"""The asset whose token can misbehave: collateral, and lent."""
FLASH_FEE = 9
POOL_FEE = 3_000
POOLS = (("eighteen", "six"), ("eighteen", "dollar"), ("eight", "six"), ("eight", "dollar"), ("six", "dollar"))
PRICE_TERMS = (True, 1)
"""Read in place; a feed answers anew at each basis point."""
BURN = "0x000000000000000000000000000000000000dead"


def staged(setting: Setting) -> Setting:
    """The same with a flash fee on everything that is lent."""
    assets = [
        replace(asset, borrowing=replace(asset.borrowing, flash_fee=FLASH_FEE)) if asset.borrowing.supply_cap else asset
        for asset in setting.assets
    ]
    return replace(setting, assets=tuple(assets))


STAGED = tuple(staged(setting) for setting in SETTINGS)


@dataclass
class Stage(Pair):
    """One protocol with all that is around it. `places`: the contracts and keys behind the names of parties."""

    opening: Opening = field(default_factory=lambda: Opening({}, {}, {}, (0, 0), 0, ()))
    contracts: dict[str, Deployed] = field(default_factory=dict)
    _addresses: dict[str, str] = field(default_factory=dict, repr=False)
    _previews: dict[AccountId, Call] = field(default_factory=dict, repr=False)

    holders: ClassVar[tuple[str, ...]] = WholePlay.holders
    users: ClassVar[tuple[str, ...]] = WholePlay.users

    @classmethod
    def of(cls, setting: Setting, node: Node) -> Stage:
        world = setting.on_chain(node, {MOODY: "SwitchableToken"})
        view, publisher, scripted = (
            node.deploy(name, sender=World.governor) for name in ("WholeView", "FeedPublisher", "ScriptedActor")
        )
        contracts = {
            ACTOR: scripted,
            "insurance fund": world.fund,
            "splitter": world.splitter,
            "vault": world.vault,
            "router": world.router,
        }
        for asset in world.assets:
            contracts[token_of(asset.id)] = asset.token
            contracts[f"feed {asset.id}"] = asset.feed
            contracts[face_of(asset.id)] = node.at("SupplyToken", world.vault.supplyTokenOf(asset.id))
        trading = Trading(world)
        named = {asset.symbol: asset for asset in world.assets}
        pools = [trading.open_pool(world, named[base], named[quote], POOL_FEE) for base, quote in POOLS]
        contracts[FLASH] = node.deploy("FlashLiquidator", world.vault, trading.uniswap.factory, sender=World.governor)
        opening = Opening(
            pools=_by_asset(trading.state(*pools), world),
            token_addresses={asset.id: asset.token.address for asset in world.assets},
            flash_fees={n: asset.borrowing.flash_fee for n, asset in enumerate(setting.assets)},
            weights=(setting.parameters.weights.treasury, setting.parameters.weights.burn),
            moody=named[MOODY].id,
            listed=setting.assets,
        )
        stage = cls(setting, world, view, publisher, opening=opening, contracts=contracts)
        world.authority.grantRole(Role.STEWARD, stage.address_of("steward"), 0, sender=World.governor)
        for asset in world.assets:
            world.steward.anchor(asset.id, sender=World.governor)
        stage._hand_out()
        return stage

    def _hand_out(self) -> None:
        """Every user has a purse of every token, and lets Vault and SupplyTokens take of it."""
        moody = self.contracts[token_of(self.opening.moody)]
        # its hook, in the mood for it: something that comes to nothing wherever it is called from
        hook = self.world.vault.claim.data(self.opening.moody, 1, self.world.stranger)
        moody.setHook(self.world.vault, hook, sender=World.governor)
        for asset in self.world.assets:
            for user in self.users:
                address = self.address_of(user)
                asset.token.mint(address, PURSE, sender=World.governor)
                for spender in (self.world.vault, self.contracts[face_of(asset.id)]):
                    asset.token.approve(spender, NEVER, sender=address)

    def play(self, seed: int) -> FedPlay:
        """A history that begins here."""
        return FedPlay(self.setting, self.opening, seed)

    # --------------------------------------------------------------------------------------------------- translation

    def address_of(self, party: str) -> str:
        known = self._addresses.get(party)
        if known is None:
            known = self._addresses[party] = self._find(party)
        return known

    def _find(self, party: str) -> str:
        if party == SIGNER:
            return _SIGNER_ADDRESS
        if party in self.contracts and party != "insurance fund":
            return self.contracts[party].address
        return super().address_of(party)

    def on_chain(self, value: Any) -> Any:
        if isinstance(value, Script):
            return [self._reentry(name, value) for name in value.tries]
        if isinstance(value, Bundle):
            return [bytes.fromhex(self.call(move).data[2:]) for move in value.moves]
        if isinstance(value, Signed):
            owner, operator = self.address_of(value.owner), self.address_of(value.operator)
            message = operator_message(
                self.world.vault, owner, operator, value.is_approved, value.nonce, value.deadline
            )
            return Signer(value.owner).sign(message)
        if isinstance(value, FlashOrder):
            return self._flash_order(value)
        return super().on_chain(value)

    def _flash_order(self, order: FlashOrder) -> tuple[Any, ...]:
        path = encode_path([self.contracts[token_of(n)].address for n in (order.collateral, order.debt)], [POOL_FEE])
        sale = (SELL_ALL if order.sells_all else BUY_MISSING, path, WAD)
        sets = 1 << order.collateral, 1 << order.debt
        return self.on_chain(order.account), *sets, order.fill_wad, NEVER, [sale], []

    def _reentry(self, name: str, script: Script) -> tuple[str, bytes]:
        """A call that would do something, were the Vault open."""
        vault, me, asset = self.world.vault, self.contracts[ACTOR].address, script.asset
        account = self.on_chain(script.account)
        calls = {
            "claim": lambda: vault.claim.data(asset, 1, me),
            "supply": lambda: vault.supply.data(asset, 1000, me),
            "deposit": lambda: vault.depositCollateral.data(account, 0, 1000),
            "repay": lambda: vault.repay.data(account, asset, 1000),
            "redeem": lambda: vault.redeem.data(asset, 10**6, me, me),
            "close out": lambda: vault.closeOut.data(self.world.request(account, receiver=me), b""),
            "write off": lambda: vault.writeOff.data(account),
            "borrow": lambda: vault.borrow.data(account, asset, 1000, me),
            "health": lambda: vault.healthOf.data(account),
            "market": lambda: vault.marketOf.data(asset),
            "multicall": lambda: self.world.vault_code.multicall.data([vault.marketOf.data(asset)]),
        }
        if name == "deposit by face":
            face = self.contracts[face_of(asset)]
            return face.address, face.deposit.data(1000, me)
        return vault.address, calls[name]()

    def target_of(self, move: Move) -> Deployed:
        if move.target == "multicall":
            return self.world.vault_code
        return self.contracts[move.target]

    def call(self, move: Move) -> Call:
        if move.target == "forbidden":
            to, data = self._forbidden(move)
            return Call(self.address_of(move.caller), to.address, "0x" + data.hex())
        if move.name == "prices":
            _, prices, failed = move.arguments
            fed = [n for n in range(len(prices)) if n not in failed]
            feeds = [self.world.assets[n].feed.address for n in fed]
            data = self.publisher.publish.data(feeds, [prices[n] for n in fed])
            return Call(self.world.governor, self.publisher.address, "0x" + data.hex())
        if move.target in ("configurator", "steward"):
            to = self.world.configurator if move.target == "configurator" else self.world.steward
            return Call(self.address_of(move.caller), to.address, self._configuring(move))
        if move.function == "rebalance":
            account, (withdrawals, borrows, deposits, repayments), receiver, data = move.arguments
            moves = tuple(map(list, (withdrawals, borrows, deposits, repayments)))
            encoded = self.world.vault.rebalance.data(self.on_chain(account), moves, self.address_of(receiver), data)
            return Call(self.address_of(move.caller), self.world.vault.address, "0x" + encoded.hex())
        return super().call(move)

    @property
    def _modules(self) -> tuple[Any, ...]:
        world = self.world
        places = (world.engine, world.fund, world.splitter, world.treasury, world.router)
        return modules_of(*places, self.setting.parameters.oracles)

    def _configuring(self, move: Move) -> str:
        configurator = self.world.configurator
        if move.function == "setProtocol":
            [parameters] = move.arguments
            words = self._modules, astuple(parameters.curve), astuple(parameters.limits)
            return "0x" + configurator.setProtocol.data(*words).hex()
        n, listed, ramp = move.arguments
        asset = astuple(listed.collateral), astuple(listed.borrowing)
        if move.function == "step":
            return "0x" + self.world.steward.step.data(n, *asset, ramp).hex()
        return "0x" + configurator.setAsset.data(n, *asset, PRICE_TERMS, ramp).hex()

    def _forbidden(self, move: Move) -> tuple[Deployed, bytes]:
        """Calls that are a role's, or a contract's, alone."""
        vault, configurator, world = self.world.vault, self.world.configurator, self.world
        me, parameters = self.address_of(move.caller), self.setting.parameters
        listed = self.setting.assets[0]
        asset = astuple(listed.collateral), astuple(listed.borrowing)
        router, token = world.router, world.assets[0].token
        calls = {
            "set pauses": lambda: (vault, vault.setPauses.data(EVERYTHING, 0)),
            "set configuration": lambda: (vault, vault.setConfiguration.data(me)),
            "set supply token": lambda: (vault, vault.setSupplyToken.data(0, me)),
            "transfer supply": lambda: (vault, vault.transferSupply.data(0, self.address_of("lender"), me, 1)),
            "set protocol": lambda: (
                configurator,
                configurator.setProtocol.data(self._modules, astuple(parameters.curve), astuple(parameters.limits)),
            ),
            "list asset": lambda: (configurator, configurator.listAsset.data(me, *asset, PRICE_TERMS)),
            "set asset": lambda: (configurator, configurator.setAsset.data(0, *asset, PRICE_TERMS, 0)),
            "replace adapter": lambda: (router, router.replace.data(token, me)),
            "activate adapter": lambda: (router, router.activate.data(token, me, 1)),
            "set jump bound": lambda: (router, router.setJumpBound.data(token, 0)),
            "freeze": lambda: (router, router.freeze.data(token)),
            "confirm freeze": lambda: (router, router.confirmFreeze.data(token, 2**40)),
            "unfreeze": lambda: (router, router.unfreeze.data(token)),
            "steward step": lambda: (world.steward, world.steward.step.data(0, *asset, 0)),
            "anchor": lambda: (world.steward, world.steward.anchor.data(0)),
            "pause": lambda: (world.pauser, world.pauser.pause.data(EVERYTHING, 0)),
            "ask router": lambda: (vault, vault.askRouterUntil.data(0)),
        }
        return calls[move.function]()

    # ---------------------------------------------------------------------------------------------------------- looks

    def ahead(self, step: Step) -> list[Call]:
        """A close-out is previewed."""
        if step.move.function != "closeOut" or step.move.target != "vault":
            return []
        request = self.on_chain(step.move.arguments[0])
        return [self._ask(self.world.vault, self.world.vault.previewCloseOut.data(request))]

    def behind(self, step: Step) -> list[Call]:
        """Whether the account in question could be closed out now, wholly; and how a callback fared."""
        looks = [self._preview_of(watched(step))]
        if any(move.name == "script" for move in step.move.before):
            looks.append(self._ask(self.contracts[ACTOR], self.contracts[ACTOR].outcomes.data()))
        return looks

    def _preview_of(self, account: AccountId) -> Call:
        known = self._previews.get(account)
        if known is None:
            request = self.world.request(self.on_chain(account))
            known = self._ask(self.world.vault, self.world.vault.previewCloseOut.data(request))
            self._previews[account] = known
        return known

    def decode(self, function: str, data: str) -> Any:
        """What a function of the Vault returned."""
        return self._functions[function].decode(data)

    def decode_outcomes(self, data: str) -> list[tuple[bool, bytes]]:
        """What came of each try of a script."""
        [outcomes] = decode(["(bool,bytes)[]"], bytes.fromhex(data[2:]))
        return list(outcomes)

    def _ask(self, contract: Deployed, data: bytes) -> Call:
        return Call(World.stranger, contract.address, "0x" + data.hex())


_SIGNER_ADDRESS = Signer(SIGNER).address


def watched(step: Step) -> Any:
    """The account whose whole close-out is previewed after a step: the one it closed out, else each in turn."""
    subject = step.move.arguments[0] if step.move.arguments else None
    account = getattr(subject, "account", subject)
    if step.move.function == "closeOut" and account in ACCOUNTS:
        return account
    return ACCOUNTS[step.time % len(ACCOUNTS)]


def _by_asset(pools: Pools, world: World) -> dict[frozenset[int], Any]:
    ids = {asset.token.address: asset.id for asset in world.assets}
    return {frozenset({ids[pool.token0], ids[pool.token1]}): pool for pool in pools._pools.values()}


# ----------------------------------------------------------------------------------------------------------- testnet


@contextmanager
def forked(artifacts: Mapping[str, Artifact], settings: tuple[Setting, ...] = STAGED) -> Iterator[list[Stage]]:
    """The protocols deployed on a testnet of their own, as a fork of that testnet finds them."""
    with Anvil() as testnet:
        home = Node(testnet.rpc, dict(artifacts), GENESIS)
        stages = [Stage.of(setting, home) for setting in settings]
        with Anvil(extra=("--fork-url", testnet.uri, "--no-storage-caching")) as fork:
            away = Node(fork.rpc, home.artifacts, home.now)
            yield [copy.deepcopy(stage, {id(home): away}) for stage in stages]
