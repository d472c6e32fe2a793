"""Permit2 inside a multicall: whoever submits the signature first, the calls that follow have their allowance."""

from __future__ import annotations

import pytest

from tests.support.node import Deployed, reverts
from tests.support.signing import PERMIT2, Signer, permit2_message
from tests.support.world import NEVER, World, account_of

OWNER = Signer("owner")
LONGEST = 2**48 - 1


@pytest.fixture
def permit2(world: World) -> Deployed:
    """A stand-in with Permit2's encoding at Permit2's address: npm has its ABI, not its bytecode."""
    made = world.node.deploy("TestPermit2", sender=world.governor)
    world.node.rpc.call("anvil_setCode", PERMIT2, world.node.rpc.call("eth_getCode", made.address, "latest"))
    world.usdc.token.approve(PERMIT2, NEVER, sender=OWNER.address)
    return world.node.at("TestPermit2", PERMIT2)


def signed(world: World, amount: int, nonce: int = 0) -> tuple[int, bytes, bytes]:
    return OWNER.split(permit2_message(world.usdc.token, world.vault.address, amount, LONGEST, nonce, NEVER))


def submit(world: World, permit2: Deployed, amount: int, signature: tuple[int, bytes, bytes]) -> None:
    """Somebody else's transaction, straight to Permit2."""
    v, r, s = signature
    details = (world.usdc.token, amount, LONGEST, 0)
    permit2.permit(OWNER.address, (details, world.vault.address, NEVER), r + s + bytes([v]), sender=world.stranger)


def supply_calls(world: World, amount: int, signature: tuple[int, bytes, bytes]) -> list[bytes]:
    vault = world.vault
    return [
        vault.permit.data(world.usdc.token, amount, NEVER, *signature),
        vault.supply.data(world.usdc.id, amount, OWNER.address),
    ]


def test_permit2__submitted_by_somebody_else_before__does_not_stop_the_multicall(world: World, permit2: Deployed):
    amount = world.usdc.units(500)
    world.usdc.token.mint(OWNER.address, amount, sender=world.governor)
    signature = signed(world, amount)
    submit(world, permit2, amount, signature)
    world.vault_code.multicall(supply_calls(world, amount, signature), sender=OWNER.address)
    assert world.lender_assets(world.usdc, OWNER.address) == amount
    # and it was an allowance for once
    assert permit2.allowance(OWNER.address, world.usdc.token, world.vault)[0] == 0


def test_permit2__submitted_before_for_less_than_is_needed__is_refused(world: World, permit2: Deployed):
    amount = world.usdc.units(500)
    world.usdc.token.mint(OWNER.address, amount, sender=world.governor)
    submit(world, permit2, amount - 1, signed(world, amount - 1))
    with pytest.raises(Exception, match="6b836e6b"):
        world.vault_code.multicall(supply_calls(world, amount, signed(world, amount)), sender=OWNER.address)
    # a new signature with the next nonce does
    world.vault_code.multicall(supply_calls(world, amount, signed(world, amount, nonce=1)), sender=OWNER.address)
    assert world.lender_assets(world.usdc, OWNER.address) == amount


def test_permit2__whose_allowance_has_expired_or_that_the_token_does_not_know__does_not_count(
    world: World, permit2: Deployed
):
    amount = world.usdc.units(500)
    world.usdc.token.mint(OWNER.address, amount, sender=world.governor)
    for spoil in (
        lambda: permit2.approve(world.usdc.token, world.vault, amount, world.now - 1, sender=OWNER.address),
        lambda: world.usdc.token.approve(PERMIT2, 0, sender=OWNER.address),
    ):
        with world.node.rolled_back():
            permit2.approve(world.usdc.token, world.vault, amount, LONGEST, sender=OWNER.address)
            spoil()
            # neither is taken for done: the signature is used, and the second case still has no way to pay
            world.vault.permit(world.usdc.token, amount, NEVER, *signed(world, amount), sender=OWNER.address)
            assert permit2.allowance(OWNER.address, world.usdc.token, world.vault)[2] == 1


def test_permit2__and_deposit_and_borrow__are_one_transaction_of_a_new_party(world: World, permit2: Deployed):
    amount = world.usdc.units(1_000)
    account = account_of(OWNER.address)
    world.usdc.token.mint(OWNER.address, amount, sender=world.governor)
    vault = world.vault
    calls = [
        vault.permit.data(world.usdc.token, amount, NEVER, *signed(world, amount)),
        vault.depositCollateral.data(account, world.usdc.id, amount),
        vault.borrow.data(account, world.dai.id, world.dai.units(500), OWNER.address),
    ]
    world.vault_code.multicall(calls, sender=OWNER.address)
    assert world.position(account) == ({world.usdc.id: amount}, {world.dai.id: world.dai.units(500)})
    assert world.balance(world.dai, OWNER.address) == world.dai.units(500)
    with reverts("AccountActedNow", world.now):
        world.close_out(account)


def test_multicall__sent_with_value__is_refused_and_so_is_every_other_call(world: World):
    """Native value has no place here, so that it cannot be counted twice either."""
    account = account_of(world.borrower)
    rpc = world.node.rpc
    rpc.call("anvil_setBalance", world.borrower, hex(10**18))
    calls = [
        world.vault_code.multicall.data([world.vault.setOperator.data(world.operator, True)]),
        world.vault.setOperator.data(world.operator, True),
        world.vault.borrow.data(account, world.usdc.id, 1, world.borrower),
        b"",
    ]
    for data in calls:
        request = {"from": world.borrower, "to": world.vault.address, "data": "0x" + data.hex(), "value": "0x1"}
        with pytest.raises(Exception, match="revert"):
            rpc.call("eth_call", request, "latest")
