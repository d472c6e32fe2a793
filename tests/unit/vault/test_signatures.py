"""What is done by signature: operators (EIP-712, ERC-1271), allowances (ERC-2612, Permit2)."""

from __future__ import annotations

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data

from tests.support.node import Deployed, reverts
from tests.support.signing import PERMIT2, Signer, operator_message, permit2_message, permit_message
from tests.support.world import BORROWABLE, NEVER, NOT_COLLATERAL, Asset, World

OWNER = Signer("owner")
OTHER = Signer("other")


def signed(world: World, signer: Signer = OWNER, **changes: object) -> bytes:
    values = {"owner": OWNER.address, "operator": world.operator, "is_approved": True, "nonce": 0, "deadline": NEVER}
    return signer.sign(operator_message(world.vault, **(values | changes)))


def submit(world: World, signature: bytes, **changes: object) -> object:
    values = {"owner": OWNER.address, "operator": world.operator, "is_approved": True, "deadline": NEVER} | changes
    return world.vault.setOperatorBySig(*values.values(), signature, sender=world.stranger)


# ------------------------------------------------------------------------------------------------------- operators


def test_operator_by_signature__of_the_owner__is_set_whoever_submits_it(world: World):
    receipt = submit(world, signed(world))
    assert receipt.event("OperatorSet") == {"owner": OWNER.address, "operator": world.operator, "isApproved": True}
    assert world.vault.isOperator(OWNER.address, world.operator)
    assert world.vault.nonceOf(OWNER.address) == 1
    submit(world, signed(world, is_approved=False, nonce=1), is_approved=False)
    assert not world.vault.isOperator(OWNER.address, world.operator)


def test_operator_by_signature__used_twice__is_refused(world: World):
    signature = signed(world)
    submit(world, signature)
    with reverts("SignatureInvalid", OWNER.address):
        submit(world, signature)


@pytest.mark.parametrize(
    "changes",
    [
        {"owner": OTHER.address},
        {"operator": OTHER.address},
        {"is_approved": False},
        {"deadline": NEVER - 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_operator_by_signature__for_anything_else_than_was_signed__is_refused(world: World, changes: dict):
    with reverts("SignatureInvalid", changes.get("owner", OWNER.address)):
        submit(world, signed(world), **changes)


def test_operator_by_signature__of_somebody_else_or_for_another_contract__is_refused(world: World):
    for signature in (
        signed(world, OTHER),
        signed(world, nonce=1),
        signed(world, verifier=world.extension.address),
        b"",
        bytes(65),
        bytes(64),
        signed(world)[:63],
    ):
        with reverts("SignatureInvalid", OWNER.address):
            submit(world, signature)


def test_operator_by_signature__of_the_zero_address__is_refused(world: World):
    """ecrecover answers 0 to nonsense: nobody's accounts must not be everybody's."""
    zero = "0x" + "00" * 20
    with reverts("SignatureInvalid", zero):
        submit(world, bytes(65), owner=zero)


@pytest.mark.parametrize(("left", "is_refused"), [(1, False), (0, False), (-1, True)])
def test_t76_operator_by_signature__around_its_deadline__passes_and_does_not(world: World, left: int, is_refused: bool):
    deadline = world.now + left
    signature = signed(world, deadline=deadline)
    if is_refused:
        with reverts("SignatureExpired", deadline, world.now):
            submit(world, signature, deadline=deadline)
    else:
        submit(world, signature, deadline=deadline)


def test_operator_by_signature__of_a_contract__is_asked_of_the_contract(world: World):
    wallet = world.node.deploy("ScriptedActor", sender=world.stranger)
    message = operator_message(world.vault, wallet.address, world.operator, True, 0, NEVER)
    with reverts("SignatureInvalid", wallet.address):
        submit(world, b"any", owner=wallet.address)
    wallet.sign(bytes(_hash_eip191_message(encode_typed_data(full_message=message))), sender=world.stranger)
    submit(world, b"any", owner=wallet.address)
    assert world.vault.isOperator(wallet.address, world.operator)


def test_invalidate_nonces__voids_signatures_given_away_and_only_forward(world: World):
    signature = signed(world)
    world.vault.invalidateNonces(5, sender=OWNER.address)
    assert world.vault.nonceOf(OWNER.address) == 5
    with reverts("SignatureInvalid", OWNER.address):
        submit(world, signature)
    for earlier in (0, 4, 5):
        with reverts("NonceNotLater", 5, earlier):
            world.vault.invalidateNonces(earlier, sender=OWNER.address)
    submit(world, signed(world, nonce=5))


def test_domain__of_the_vault__is_its_own_although_the_code_is_the_extensions(world: World):
    fields = world.extension.methods["eip712Domain"]
    answer = world.node.call(None, world.vault.address, fields.data())
    own = fields.ask()
    assert bytes.fromhex(world.vault.address[2:]) in answer
    assert own[4] == world.extension.address
    assert own[1:3] == ("Closeout Vault", "1")


# --------------------------------------------------------------------------------------------------------- permits


@pytest.fixture
def permitted(world: World) -> Asset:
    token = world.node.deploy("PermitToken", "PRM", 6, sender=world.governor)
    return world.list_asset("PRM", 6, 1, NOT_COLLATERAL, BORROWABLE, token=token)


def permit_call(world: World, asset: Asset, amount: int, nonce: int = 0) -> bytes:
    message = permit_message(asset.token, "PRM", OWNER.address, world.vault.address, amount, nonce, NEVER)
    return world.vault.permit.data(asset.token, amount, NEVER, *OWNER.split(message))


def test_permit__in_a_multicall__gives_the_allowance_that_the_next_call_needs(world: World, permitted: Asset):
    amount = permitted.units(500)
    permitted.token.mint(OWNER.address, amount, sender=world.governor)
    calls = [permit_call(world, permitted, amount), world.vault.supply.data(permitted.id, amount, OWNER.address)]
    world.vault_code.multicall(calls, sender=OWNER.address)
    assert world.lender_assets(permitted, OWNER.address) == amount


def test_permit__that_somebody_submitted_before__does_not_stop_the_multicall(world: World, permitted: Asset):
    """The signature is public once it is sent; whoever uses it up at the token must gain nothing by it."""
    amount = permitted.units(500)
    permitted.token.mint(OWNER.address, amount, sender=world.governor)
    message = permit_message(permitted.token, "PRM", OWNER.address, world.vault.address, amount, 0, NEVER)
    calls = [permit_call(world, permitted, amount), world.vault.supply.data(permitted.id, amount, OWNER.address)]
    permitted.token.permit(OWNER.address, world.vault, amount, NEVER, *OWNER.split(message), sender=world.stranger)
    world.vault_code.multicall(calls, sender=OWNER.address)
    assert world.lender_assets(permitted, OWNER.address) == amount


def test_permit__of_somebody_else__gives_nothing_to_the_caller(world: World, permitted: Asset):
    """The owner is always the caller: a stranger cannot pull with a signature that he found."""
    with pytest.raises(Exception, match="6b836e6b"):
        world.node.transact(world.stranger, world.vault.address, permit_call(world, permitted, 100))
    assert permitted.token.allowance(OWNER.address, world.vault) == 0


@pytest.fixture
def permit2(world: World) -> Deployed:
    made = world.node.deploy("TestPermit2", sender=world.governor)
    code = world.node.rpc.call("eth_getCode", made.address, "latest")
    world.node.rpc.call("anvil_setCode", PERMIT2, code)
    return world.node.at("TestPermit2", PERMIT2)


def test_permit2__for_a_token_without_permits__gives_the_allowance_that_is_needed(world: World, permit2: Deployed):
    amount = world.usdc.units(500)
    world.usdc.token.mint(OWNER.address, amount, sender=world.governor)
    world.usdc.token.approve(permit2, NEVER, sender=OWNER.address)
    # Solady signs for the longest expiration there is
    message = permit2_message(world.usdc.token, world.vault.address, amount, 2**48 - 1, 0, NEVER)
    calls = [
        world.vault.permit.data(world.usdc.token, amount, NEVER, *OWNER.split(message)),
        world.vault.supply.data(world.usdc.id, amount, OWNER.address),
    ]
    world.vault_code.multicall(calls, sender=OWNER.address)
    assert world.lender_assets(world.usdc, OWNER.address) == amount
    assert world.usdc.token.allowance(OWNER.address, world.vault) == 0


def test_permit2__allowance_of_the_payer__is_used_where_the_token_gives_none(world: World, permit2: Deployed):
    amount = world.usdc.units(500)
    world.usdc.token.mint(world.stranger, amount, sender=world.governor)
    world.usdc.token.approve(permit2, NEVER, sender=world.stranger)
    with reverts("TransferFromFailed"):
        world.vault.supply(world.usdc.id, amount, world.stranger, sender=world.stranger)
    permit2.approve(world.usdc.token, world.vault, amount, 2**48 - 1, sender=world.stranger)
    world.vault.supply(world.usdc.id, amount, world.stranger, sender=world.stranger)
    assert world.lender_assets(world.usdc, world.stranger) == amount
    assert permit2.allowance(world.stranger, world.usdc.token, world.vault)[0] == 0
