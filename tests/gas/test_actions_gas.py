"""Gas of each action, for an account or a party that does it for the first time and for one that did before.

`make figures` prints the table. Whole transactions, 21 000 and calldata included; ordinary
OpenZeppelin tokens, ordinary feeds, interest on, a second between any two. No figure is asserted: they move with the
compiler; what is asserted is what anyone may count on.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.node import Deployed, Receipt
from tests.support.signing import Signer, operator_message
from tests.support.world import NEVER, World, account_of, wad
from tests.unit.lending.markets import supply_token
from tests.unit.lending.stage import with_interest

FIRST, SECOND = Signer("first"), Signer("second")
Rows = dict[str, list[int]]


class Meter:
    """Runs an action for a party that never did it, and again a second later; every party has tokens and allowances."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rows: Rows = {}

    def of(self, name: str, *actions: Callable[[], Receipt]) -> None:
        self.rows[name] = []
        for action in actions:
            self.world.warp(1)
            self.rows[name].append(action().gas)

    def twice(self, name: str, action: Callable[[], Receipt]) -> None:
        self.of(name, action, action)


@pytest.fixture
def meter(world: World) -> Meter:
    with_interest(world, world.weth, world.usdc, world.dai)
    # somebody else's business, so that no market is untouched and every rate is latched
    account = world.open_account({world.weth: 1_000}, {world.usdc: 300_000, world.dai: 300_000}, owner=world.stranger)
    for asset in (world.usdc, world.dai):
        world.fund_party(world.stranger, asset, 10_000)
        world.vault.repay(account, asset.id, 10**6, sender=world.stranger)
    for asset in world.assets:
        world.fund_party(FIRST.address, asset, 10**6)
        asset.token.approve(world.vault.supplyTokenOf(asset.id), NEVER, sender=FIRST.address)
    return Meter(world)


def lender_actions(meter: Meter) -> None:
    world, vault, me = meter.world, meter.world.vault, FIRST.address
    usdc, amount = world.usdc.id, 1_000 * 10**6
    token = supply_token(world, world.usdc)
    meter.twice("supply", lambda: vault.supply(usdc, amount, me, sender=me))
    meter.of("supply, by SupplyToken.deposit", lambda: token.deposit(amount, me, sender=me))
    meter.of(
        "withdraw, a part; all",
        lambda: vault.withdraw(usdc, amount, me, me, sender=me),
        lambda: vault.redeem(usdc, token.balanceOf(me), me, me, sender=me),
    )
    vault.supply(usdc, 10 * amount, me, sender=me)
    meter.twice("SupplyToken.transfer", lambda: token.transfer(world.receiver, 10**12, sender=me))
    meter.twice("SupplyToken.redeem", lambda: token.redeem(10**12, me, me, sender=me))
    meter.twice("creditClaim", lambda: vault.creditClaim(usdc, amount, me, sender=me))
    meter.twice("claim, a part; all", lambda: vault.claim(usdc, amount, me, sender=me))


def borrower_actions(meter: Meter) -> None:
    world, vault, me = meter.world, meter.world.vault, FIRST.address
    account = account_of(me)
    weth, usdc, dai, one = world.weth.id, world.usdc.id, world.dai.id, 10**18
    meter.twice("depositCollateral", lambda: vault.depositCollateral(account, weth, 10 * one, sender=me))
    meter.of("withdrawCollateral without debt", lambda: vault.withdrawCollateral(account, weth, one, me, sender=me))
    meter.twice("borrow", lambda: vault.borrow(account, usdc, 1_000 * 10**6, me, sender=me))
    meter.of("borrow, a second debt", lambda: vault.borrow(account, dai, 1_000 * one, me, sender=me))
    meter.twice("withdrawCollateral with debt", lambda: vault.withdrawCollateral(account, weth, one, me, sender=me))
    meter.of(
        "repay, a part; all",
        lambda: vault.repay(account, usdc, 10**6, sender=me),
        lambda: vault.repay(account, usdc, NEVER, sender=me),
    )
    meter.twice("repayShares", lambda: vault.repayShares(account, dai, 100 * one, sender=me))
    vault.supply(dai, 1_000 * one, me, sender=me)
    meter.twice("repayWith supply shares", lambda: vault.repayWith(account, dai, one, 1, sender=me))
    vault.creditClaim(dai, 1_000 * one, me, sender=me)
    meter.twice("repayWith claims", lambda: vault.repayWith(account, dai, one, 2, sender=me))
    swap = ([], [(usdc, 500 * 10**6)], [], [(dai, NEVER)])
    meter.of("rebalance, one debt into another", lambda: vault.rebalance(account, swap, me, b"", sender=me))
    calls = [
        vault.depositCollateral.data(account + 1, weth, 10 * one),
        vault.borrow.data(account + 1, usdc, 1_000 * 10**6, me),
    ]
    meter.twice("multicall, deposit and borrow", lambda: world.vault_code.multicall(calls, sender=me))


def other_actions(meter: Meter) -> None:
    world, vault, me = meter.world, meter.world.vault, FIRST.address
    account = account_of(me, 2)
    meter.twice("setOperator", lambda: vault.setOperator(world.operator, True, sender=me))

    def by_signature() -> Receipt:
        nonce = vault.nonceOf(SECOND.address)
        signature = SECOND.sign(operator_message(vault, SECOND.address, world.operator, True, nonce, NEVER))
        return vault.setOperatorBySig(SECOND.address, world.operator, True, NEVER, signature, sender=world.stranger)

    meter.twice("setOperatorBySig", by_signature)
    meter.of(
        "setDeleverage, on; off",
        lambda: vault.setDeleverage(account, (wad("1.2"), wad("1.5"), wad("0.01")), sender=me),
        lambda: vault.setDeleverage(account, (0, 0, 0), sender=me),
    )
    borrower = world.node.deploy("ScriptedActor", sender=world.stranger)
    approve(world, borrower)
    meter.twice(
        "flashLoan, empty callback",
        lambda: vault.flashLoan(borrower, world.usdc.token, 10**9, b"", sender=world.stranger),
    )


def close_out_actions(meter: Meter) -> None:
    world, vault = meter.world, meter.world.vault
    world.set_price(world.weth, 2_000)
    account = world.open_account({world.weth: 10}, {world.usdc: 14_500}, owner=SECOND.address)
    world.fund_party(FIRST.address, world.usdc, 10**6)
    world.set_price(world.weth, 1_780)
    meter.of("marginCall", lambda: vault.marginCall(account, sender=FIRST.address))
    world.set_price(world.weth, 2_000)
    meter.of("clearMarginCall", lambda: vault.clearMarginCall(account, sender=FIRST.address))
    world.set_price(world.weth, 1_650)
    half = wad("0.4")
    meter.of(
        "closeOut, one and one",
        lambda: world.close_out(account, fill=half, receiver=FIRST.address, sender=FIRST.address),
        lambda: world.close_out(account, fill=half, receiver=FIRST.address, sender=FIRST.address),
    )


def approve(world: World, borrower: Deployed) -> None:
    data = world.usdc.token.approve.data(world.vault, NEVER)
    borrower.execute(world.usdc.token, data, sender=world.stranger)


def test_gas__of_every_action__is_measured_fresh_and_used(meter: Meter, record_property: Callable[[str, object], None]):
    for actions in (lender_actions, borrower_actions, other_actions, close_out_actions):
        actions(meter)
    for name, (fresh, *used) in meter.rows.items():
        record_property(name, " ".join(f"{gas:>9,}".replace(",", " ") for gas in (fresh, *used)))
        assert 21_000 < fresh < 500_000, name
        # what was there before is cheaper to do again
        if used and ";" not in name:
            assert used[0] <= fresh, name
