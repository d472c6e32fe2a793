"""Worlds put into a real Vault and closed out there: what the property checks are told by the contracts.

Each world is one simulated history: the account is placed in the Vault's storage with its prices and parameters, then
an ordinary `closeOut` is executed, then what is left is read back to the debt share. So a world can have any interest
and any balances, and thousands of them pass in seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from closeout.chain.abi import ContractAbi
from closeout.model import Extinction, Plan, Regime, SeizedLeg
from closeout.units import RAY, WAD
from tests.differential.batches import in_batches
from tests.differential.simulation import Block, Call, Outcome, simulate, words_of
from tests.model.checks import Settled
from tests.property.tables import Addresses, table_code
from tests.support.node import Deployed, Node, actor
from tests.support.structs import in_words
from tests.support.world import EVERYTHING, GENESIS, NEVER, Result, account_of
from tests.support.world import World as Protocol
from tests.worlds import World

NOW = GENESIS + 10**6
PURSE = 2**200
MOST_ASSETS = 15
AT_ONCE = 40
IDLE = 10**6
"""Token units that nobody borrowed of each debt's asset."""


@dataclass(frozen=True)
class Seen:
    """One world's close-out as the chain carried it out. `refusal` names the error where it did not."""

    world: World
    refusal: str | None
    preview: Result | str
    result: Result | None
    settled: Settled | None
    gas: int
    transfers: Mapping[tuple[int, str, str], int]
    """Token units by asset id, payer and receiver."""


Between = Callable[["Stage", Any], Sequence[Block]]


class Stage:
    """A Vault that worlds are put into. `engine` may be another than the real one."""

    borrower, liquidator, receiver, lender = (actor(name) for name in ("borrower", "liquidator", "receiver", "lender"))
    closes_at = NOW

    def __init__(self, node: Node) -> None:
        self.node = node
        self.protocol = Protocol(node)
        self.vault = self.protocol.vault
        self._governor = Protocol.governor
        self.tokens = [self._deploy("TestToken", f"T{n}", f"T{n}", 18) for n in range(MOST_ASSETS)]
        self.feeds = [self._deploy("TestAggregator", 18, f"T{n} / USD").address for n in range(MOST_ASSETS)]
        for token in self.tokens:
            token.mint(self.liquidator, PURSE, sender=self._governor)
            token.mint(self.vault, PURSE, sender=self._governor)
            token.approve(self.vault, NEVER, sender=self.liquidator)
        self._publisher = self._deploy("FeedPublisher")
        self._placer = node.at("PlacingHarness", self.vault.address)
        self._placer_code = node.artifacts["PlacingHarness"].deployed_bytecode
        self._vault_code = node.rpc.call("eth_getCode", self.vault.address, "latest")
        self._table = self.vault.configuration()
        events = ContractAbi(node.artifacts["TestToken"]).events.values()
        [self._transfer] = [event for event in events if event.name == "Transfer"]
        vault = ContractAbi(node.artifacts["IVault"])
        self.close_out = vault.functions["closeOut"]
        self.account = account_of(self.borrower)

    def _deploy(self, name: str, *arguments: Any) -> Deployed:
        return self.node.deploy(name, *arguments, sender=self._governor)

    # --------------------------------------------------------------------------------------------------- close-outs

    def see(self, world: World, engine: Deployed | None = None) -> Seen:
        return self.see_all([world], engine)[0]

    def see_all(
        self, worlds: Iterable[World], engine: Deployed | None = None, *, between: Between | None = None
    ) -> list[Seen]:
        """What comes of each world's request. `between`: what happens after the account is placed and before that."""
        seen = []
        for some in in_batches(worlds, AT_ONCE):
            histories = [
                self._history(world, engine or self.protocol.engine, between(self, world) if between else [])
                for world in some
            ]
            answers = simulate(self.node.rpc, histories)
            seen += [self._seen(world, answer) for world, answer in zip(some, answers, strict=True)]
        return seen

    def settle(self, world: World) -> Settled | None:
        """The contracts' answer in the form of the model's: see tests/model/checks.py."""
        return self.see(world).settled

    # ------------------------------------------------------------------------------------------------------- history

    def opening(self, world: World, engine: Deployed | None = None) -> list[Block]:
        """Puts the world in place; the Vault is the real one after it."""
        code = self._table_of(world, engine or self.protocol.engine)
        overrides = {self.vault.address: {"code": self._placer_code}, self._table: {"code": code}}
        entries = [(n, False, amount, 0, 0) for n, amount in world.collateral.items()]
        entries += [(n, True, shares, world.indices[n], IDLE) for n, shares in world.debt_shares.items()]
        called = NOW - world.protocol.backstop_delay - 1 if world.is_backstop else 0
        place = self._placer.place.data(self.account, entries, called, self.lender)
        return [
            Block(NOW, [self.call(self._placer, place)], overrides),
            Block(NOW, self._prices_of(world), {self.vault.address: {"code": self._vault_code}}),
        ]

    def _addresses(self, engine: Deployed) -> Addresses:
        protocol = self.protocol
        parts = (protocol.fund.address, protocol.splitter.address, protocol.treasury, protocol.router.address)
        return Addresses(engine.address, *parts)

    def _table_of(self, world: World, engine: Deployed) -> str:
        count = len(world.assets)
        tokens = [token.address for token in self.tokens[:count]]
        return table_code(world.protocol, world.assets, tokens, self.feeds[:count], self._addresses(engine))

    def _prices_of(self, world: World) -> list[Call]:
        """What makes the prices those of the world."""
        prices = self._publisher.publish.data(self.feeds[: len(world.assets)], list(world.prices_wad))
        return [self.call(self._publisher, prices)]

    def reading(self, world: World) -> list[Block]:
        """Reads the account back; to be followed by nothing else."""
        read = self._placer.read.data(self.account, len(world.assets))
        return [
            Block(self.closes_at, [self.call(self._placer, read)], {self.vault.address: {"code": self._placer_code}})
        ]

    def call(self, contract: Deployed, data: bytes, sender: str | None = None) -> Call:
        return Call(sender or self.liquidator, contract.address, "0x" + data.hex())

    def request(self, world: World, **changes: Any) -> tuple[Any, ...]:
        """The world's own request, changed by the names of World.request."""
        sets = [
            EVERYTHING if chosen is None else sum(1 << n for n in chosen)
            for chosen in (world.collateral_set, world.debt_set)
        ]
        given = {"collaterals": sets[0], "debts": sets[1], "fill": world.fill_wad, "receiver": self.receiver}
        return self.protocol.request(self.account, **(given | changes))

    def _history(self, world: World, engine: Deployed, between: Sequence[Block]) -> list[Block]:
        request = self.request(world)
        snapshot, terms = world.snapshot(), world.terms()
        plan = engine.plan.data(in_words(engine.node, snapshot), in_words(engine.node, terms))
        preview, close_out = self.vault.previewCloseOut.data(request), self.vault.closeOut.data(request, b"")
        calls = [self.call(engine, plan), self.call(self.vault, preview), self.call(self.vault, close_out)]
        return [*self.opening(world, engine), *between, Block(self.closes_at, calls), *self.reading(world)]

    # ---------------------------------------------------------------------------------------------------------- answer

    def _seen(self, world: World, outcomes: Sequence[Outcome]) -> Seen:
        *before, planned, previewed, done, read = outcomes
        assert all(outcome.is_done for outcome in (*before, read)), world
        preview = self.result(previewed)
        result = self.result(done)
        if isinstance(result, str):
            return Seen(world, result, preview, None, None, done.gas, {})
        assert planned.is_done, "the engine answers to the Vault's snapshot and not to the model's"
        after = self._after(world, words_of(read.data))
        settled = _settled(world, self._plan(planned), result, after)
        return Seen(world, None, preview, result, settled, done.gas, self.transfers(done))

    def result(self, outcome: Outcome) -> Result | str:
        """What a close-out or its preview answered, or the name of its error."""
        if not outcome.is_done:
            return self.node.decode_revert(outcome.data).name or outcome.data
        return Result.of(self.close_out.decode(outcome.data))

    def _plan(self, outcome: Outcome) -> Plan:
        words = [int(outcome.data[place : place + 64], 16) for place in range(2, len(outcome.data), 64)]
        return Plan(Regime(words[0]), *words[1:])

    def _after(self, world: World, words: Sequence[int]) -> World:
        held = {n: words[2 * n] for n in range(len(world.assets)) if words[2 * n]}
        owed = {n: words[2 * n + 1] for n in range(len(world.assets)) if words[2 * n + 1]}
        return replace(
            world,
            collateral={n: held[n] for n in world.collateral if n in held},
            debt_shares={n: owed[n] for n in world.debt_shares if n in owed},
        )

    def transfers(self, outcome: Outcome) -> dict[tuple[int, str, str], int]:
        ids = {token.address: n for n, token in enumerate(self.tokens)}
        moved: dict[tuple[int, str, str], int] = {}
        for log in outcome.logs:
            if log["topics"][0] == self._transfer.topic and log["address"] in ids:
                payer, payee, units = self._transfer.decode(log)
                key = (ids[log["address"]], payer, payee)
                moved[key] = moved.get(key, 0) + units
        return moved


def _settled(world: World, plan: Plan, result: Result, after: World) -> Settled:
    seized = {n: SeizedLeg(n, *units) for n, units in result.seized.items()}
    gone = {
        n: Extinction(repaid, bad_debt, world.debt_shares[n] - after.debt_shares.get(n, 0))
        for n, (repaid, bad_debt, _) in result.repaid.items()
    }
    return Settled(world, plan, _rounds_down(world, plan, gone), seized, gone, after)


def _rounds_down(world: World, plan: Plan, gone: Mapping[int, Extinction]) -> bool:
    """Whether less was repaid than the plan says, in any debt: docs/liquidation.md, section 6."""
    if plan.regime is Regime.TERMINAL:
        return False
    part = Fraction(plan.repaid_value, world.snapshot().set_debt_value)
    return any(leg.repaid < world.debt_units(n) * part for n, leg in gone.items())


def without_limits(world: World) -> World:
    """The same account without dust and without size buckets: for checks of the plain close-out."""
    protocol = replace(world.protocol, dust_value_wad=0)
    return replace(world, protocol=protocol, max_seized_value=2**256 - 1)


SMALLEST = Fraction(1, RAY)
ONE = Fraction(WAD, WAD)
