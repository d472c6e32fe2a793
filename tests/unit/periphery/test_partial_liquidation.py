"""The standard's face of the Vault, held to the test cases and rules of docs/draft-erc-partial-liquidation.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.support.accounts import ACCOUNTS, capped_account, restorative_account, three_and_two
from tests.support.node import Deployed, Receipt, Reverted, reverts
from tests.support.tokens import Mood, list_debt, list_switchable, set_mood
from tests.support.world import EVERYTHING, NEVER, NO_DEBT, Result, World, set_of, wad

REQUEST = (
    "(uint256,uint128,uint128,uint256,uint256,address,uint128,uint128,uint128,(uint256,uint256)[],(uint256,uint256)[])"
)
REENTRANCY = bytes(keccak(text="Reentrancy()")[:4])
ALL: bytes = b""
"""Empty terms: the most that is allowed, for the caller, at any price."""


@dataclass(frozen=True)
class Liquidation:
    """The standard's struct: (asset, amount, badDebt, covered) and (asset, amount, toLiquidator) by asset."""

    repaid: dict[str, tuple[int, int, int]]
    seized: dict[str, tuple[int, int]]
    penalty: int
    before: int
    after: int

    @classmethod
    def of(cls, values: Any) -> Liquidation:
        repaid, seized, *figures = values
        return cls({leg[0]: tuple(leg[1:]) for leg in repaid}, {leg[0]: tuple(leg[1:]) for leg in seized}, *figures)

    @classmethod
    def in_log(cls, receipt: Receipt) -> Liquidation:
        values = receipt.event("PartialLiquidation")
        fields = ("repaid", "seized", "penaltyWad", "healthBeforeWad", "healthAfterWad")
        return cls.of([values[name] for name in fields])

    @classmethod
    def from_close_out(cls, world: World, result: Result) -> Liquidation:
        """How the Vault's own event maps onto the standard's."""
        tokens = {asset.id: asset.token.address for asset in world.assets}
        return cls(
            {tokens[n]: leg for n, leg in result.repaid.items()},
            {tokens[n]: (leg[0], leg[0] - leg[1] - leg[2]) for n, leg in result.seized.items()},
            result.penalty_rate if any(leg[0] for leg in result.repaid.values()) else 0,
            result.health_before,
            result.health_after,
        )


class Face:
    """The adapter, and a liquidator who approved it of everything."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.adapter = world.node.deploy("PartialLiquidationAdapter", world.vault, sender=world.stranger)
        world.arm()
        for asset in world.assets:
            asset.token.approve(self.adapter, NEVER, sender=world.liquidator)

    @staticmethod
    def key(account: int) -> bytes:
        return account.to_bytes(32, "big")

    def terms(self, account: int, data: bytes = b"", **changes: Any) -> bytes:
        return encode([REQUEST, "bytes"], [self.world.request(account, **changes), data])

    def preview(self, account: int, terms: bytes = ALL, sender: str | Deployed | None = None) -> Liquidation:
        sender = sender or self.world.liquidator
        return Liquidation.of(self.adapter.previewLiquidation.ask(self.key(account), terms, sender=sender))

    def tell(self, account: int, terms: bytes = ALL) -> Liquidation:
        """What `liquidate` would return."""
        return Liquidation.of(self.adapter.liquidate.ask(self.key(account), terms, sender=self.world.liquidator))

    def liquidate(self, account: int, terms: bytes = ALL, sender: str | Deployed | None = None) -> Receipt:
        return self.adapter.liquidate(self.key(account), terms, sender=sender or self.world.liquidator)

    def keeps_nothing(self) -> bool:
        tokens = [asset.token for asset in self.world.assets]
        held = [token.balanceOf(self.adapter) + token.allowance(self.adapter, self.world.vault) for token in tokens]
        claims = [self.world.vault.claimOf(self.adapter, asset.id) for asset in self.world.assets]
        return not any(held) and not any(claims)


@pytest.fixture
def face(world: World) -> Face:
    return Face(world)


def many(face: Face, account: int) -> list[bytes]:
    """Terms of every kind that the Vault takes."""
    weth = set_of(face.world.weth)
    return [
        ALL,
        face.terms(account, fill=wad("0.37")),
        face.terms(account, as_claims=EVERYTHING),
        face.terms(account, collaterals=weth, receiver=face.world.receiver),
        face.terms(account, debts=set_of(face.world.usdc)),
    ]


@pytest.mark.parametrize("make", [*ACCOUNTS.values(), three_and_two], ids=[*ACCOUNTS, "three and two"])
def test_cases_1_to_4__preview__execution__and_event_are_one__and_balances_follow(
    world: World, make: Callable[[World], int]
):
    account = make(world)
    face = Face(world)
    tokens = {asset.token.address: asset for asset in world.assets}
    for terms in many(face, account):
        with world.node.rolled_back():
            try:
                preview = face.preview(account, terms)
            except Reverted as refusal:
                # case 4: one refuses what the other refuses, with the same error
                with reverts(refusal.name, *refusal.arguments):
                    face.liquidate(account, terms)
                continue
            assert face.tell(account, terms) == preview
            held, owed = world.position(account)
            purse = {address: world.balance(asset, world.liquidator) for address, asset in tokens.items()}
            receipt = face.liquidate(account, terms)
            assert Liquidation.in_log(receipt) == preview
            assert receipt.event("PartialLiquidation")["account"] == face.key(account)
            assert receipt.event("PartialLiquidation")["liquidator"] == world.liquidator
            assert Liquidation.from_close_out(world, world.result(receipt)) == preview
            held_after, owed_after = world.position(account)
            for address, (amount, bad_debt, covered) in preview.repaid.items():
                n = tokens[address].id
                assert owed[n] - owed_after.get(n, 0) == amount + bad_debt
                assert covered <= bad_debt
                assert purse[address] - world.balance(tokens[address], world.liquidator) == amount
            for address, (amount, to_liquidator) in preview.seized.items():
                asset = tokens[address]
                assert held[asset.id] - held_after.get(asset.id, 0) == amount
                gained = sum(
                    world.balance(asset, holder) + world.vault.claimOf(holder, asset.id)
                    for holder in (world.liquidator, world.receiver)
                )
                assert gained - purse[address] == to_liquidator
            assert face.keeps_nothing()


def test_case_5__value_seized_over_value_repaid__is_one_plus_the_penalty(world: World):
    for make in ACCOUNTS.values():
        with world.node.rolled_back():
            account = make(world)
            done = Face(world).preview(account)
            unit = {a.token.address: Fraction(world.prices[a.id], 10 ** (18 + a.decimals)) for a in world.assets}
            seized = sum(leg[0] * unit[address] for address, leg in done.seized.items())
            repaid = sum(leg[0] * unit[address] for address, leg in done.repaid.items())
            units = sum(unit[address] for address in (*done.seized, *done.repaid))
            assert abs(seized - repaid * (1 + Fraction(done.penalty, 10**18))) <= 2 * units


def test_case_6__a_close_out_at_the_vault__emits_what_maps_onto_the_standard(world: World, face: Face):
    account = restorative_account(world)
    expected = face.preview(account)
    assert Liquidation.from_close_out(world, world.result(world.close_out(account))) == expected


def test_account_without_debt_left__ends_at_the_largest_health(world: World, face: Face):
    assert face.preview(capped_account(world)).after == NO_DEBT


def test_rule_11__account_that_is_only_put_on_call__gives_empty_lists_and_no_event(world: World):
    world.set_protocol(grace_period=3600)
    account = restorative_account(world)
    face = Face(world)
    health = world.health(account)
    assert face.preview(account) == face.tell(account) == Liquidation({}, {}, 0, health, health)
    receipt = face.liquidate(account)
    assert receipt.events("PartialLiquidation") == []
    assert receipt.event("MarginCalled")["account"] == account
    world.warp(3600)
    assert face.liquidate(account).events("PartialLiquidation")


def test_rule_12__empty_terms__are_the_largest_close_out_in_tokens(world: World, face: Face):
    account = restorative_account(world)
    assert face.preview(account) == Liquidation.from_close_out(world, world.preview(account))


def test_rule_13__account_inside_the_terms__does_not_count(world: World, face: Face):
    account = restorative_account(world)
    other = face.terms(account + 1, receiver="0x" + "00" * 20)
    before = world.balance(world.wbtc, world.liquidator)
    done = Liquidation.in_log(face.liquidate(account, other))
    assert world.balance(world.wbtc, world.liquidator) - before == done.seized[world.wbtc.token.address][1]


@pytest.mark.parametrize("field", ["from_shares", "from_claims"])
def test_rule_13__payment_from_inside_the_vault__is_refused_by_name(world: World, face: Face, field: str):
    account = restorative_account(world)
    bit = set_of(world.usdc)
    terms = face.terms(account, **{field: bit})
    sets = (bit, 0) if field == "from_shares" else (0, bit)
    for call in (face.preview, face.tell):
        with reverts("PaymentNotSupported", *sets):
            call(account, terms)


@pytest.mark.parametrize("cut", [1, 31, 32, 64, 351])
def test_rule_13__terms_cut_short__are_refused(world: World, face: Face, cut: int):
    account = restorative_account(world)
    terms = face.terms(account)
    for call in (face.preview, face.tell):
        with pytest.raises(Reverted):
            call(account, terms[:cut])


def test_limits_in_the_terms__are_kept(world: World, face: Face):
    account = restorative_account(world)
    for changes, error in (
        ({"deadline": world.now - 1}, "DeadlinePassed"),
        ({"fill": 0}, "FillOutOfRange"),
        ({"least_seized": [(world.weth.id, 10**18)], "most_repaid": [(world.usdc.id, 10**6)]}, "SlippageExceeded"),
    ):
        for call in (face.preview, face.tell):
            with reverts(error, ...):
                call(account, face.terms(account, **changes))


def test_preview__asks_for_no_tokens_no_allowance_and_no_role(world: World, face: Face):
    account = restorative_account(world)
    assert face.preview(account, sender=world.stranger) == face.preview(account)
    with pytest.raises(Reverted):
        face.liquidate(account, sender=world.stranger)


# --------------------------------------------------------------------------------------------------------- callbacks


def test_callback_of_the_caller__raises_the_money_out_of_what_was_seized(world: World, face: Face):
    """No capital: what is seized is there when the callback runs, the debt is taken after it."""
    account = capped_account(world)
    searcher = world.node.deploy("ScriptedActor", sender=world.stranger)
    bank = world.receiver
    world.give(bank, world.usdc, world.usdc.units(20_000))
    world.usdc.token.approve(searcher, NEVER, sender=bank)
    tokens = world.usdc.token
    script = [
        (world.weth.token, world.weth.token.transfer.data(bank, world.weth.units(10))),
        (tokens, tokens.transferFrom.data(bank, searcher, world.usdc.units(14_500))),
        (tokens, tokens.approve.data(face.adapter, NEVER)),
    ]
    searcher.setScript(script, True, sender=world.stranger)
    world.set_protocol(fee_share=0)
    terms = face.terms(account, b"sell", receiver=searcher.address)
    data = face.adapter.liquidate.data(face.key(account), terms)
    receipt = searcher.execute(face.adapter, data, sender=world.stranger)
    assert receipt.event("PartialLiquidation")["liquidator"] == searcher.address
    assert searcher.callbacks() == 1
    assert world.position(account) == ({}, {})
    assert face.keeps_nothing()


def test_callback__from_anybody_but_the_vault_inside_a_call__is_refused(world: World, face: Face):
    nothing = (0, True, 0, 0, 0, [], [])
    for party in (world.stranger, world.liquidator):
        with reverts("UnexpectedCallback", party):
            face.adapter.onCloseOut(nothing, b"", sender=party)


def test_close_out_that_a_stranger_sends__does_not_call_the_adapter(world: World, face: Face):
    """`closeOut` calls back its own caller: nobody can name the adapter as a payer."""
    account = restorative_account(world)
    with pytest.raises(Reverted):
        world.vault.closeOut(world.request(account), b"\x01", sender=world.stranger)


def test_t74__liquidate_inside_its_own_callback__is_refused(world: World, face: Face):
    account = restorative_account(world)
    searcher = world.node.deploy("ScriptedActor", sender=world.stranger)
    again = face.adapter.liquidate.data(face.key(account), ALL)
    look = face.adapter.previewLiquidation.data(face.key(account), ALL)
    for script in ([(face.adapter, again)], [(face.adapter, look)]):
        searcher.setScript(script, True, sender=world.stranger)
        data = face.adapter.liquidate.data(face.key(account), face.terms(account, b"again"))
        with reverts("StepFailed", 0, REENTRANCY):
            searcher.execute(face.adapter, data, sender=world.stranger)


# ------------------------------------------------------------------------------------------------------ hostile tokens


def hold(world: World, face: Face, debt: Any) -> int:
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 10}, {debt: 14_500})
    world.set_price(world.weth, 1_600)
    world.give(world.liquidator, debt, debt.units(100_000))
    debt.token.approve(face.adapter, NEVER, sender=world.liquidator)
    return account


def test_t68__debt_in_a_token_like_usdt__is_repaid_time_and_again(world: World, face: Face):
    tether = list_debt(world, "TetherLikeToken")
    account = hold(world, face, tether)
    for _ in range(2):
        face.liquidate(account, face.terms(account, fill=wad("0.3")))
        assert tether.token.balanceOf(face.adapter) == tether.token.allowance(face.adapter, world.vault) == 0


def test_t68__debt_whose_token_keeps_a_fee__is_refused_and_nothing_stays(world: World, face: Face):
    odd = list_switchable(world, price=1, decimals=6, borrowable=True)
    world.supply(odd, 100_000)
    account = hold(world, face, odd)
    set_mood(odd, pulled=Mood.TAKES_FEE)
    with pytest.raises(Reverted):
        face.liquidate(account)
    assert odd.token.balanceOf(face.adapter) == 0


def test_t34__collateral_that_will_not_move__is_the_receivers_claim(world: World, face: Face):
    odd = list_switchable(world)
    account = world.open_account({odd: 10}, {world.usdc: 11_000})
    world.set_price(odd, 1_250)
    set_mood(odd, sending=Mood.REVERTS)
    done = Liquidation.in_log(face.liquidate(account))
    assert world.vault.claimOf(world.liquidator, odd.id) == done.seized[odd.token.address][1] > 0


def test_gas__of_the_standards_face__above_the_vaults_own(
    world: World, face: Face, record_property: Callable[[str, object], None]
):
    account = restorative_account(world)
    with world.node.rolled_back():
        direct = world.close_out(account).gas
    record_property("closeOut, two and one", direct)
    record_property("liquidate, two and one", face.liquidate(account).gas)
