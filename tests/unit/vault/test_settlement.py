"""How a close-out is settled: tokens, claims and supply shares on either side, and the callback in between."""

from __future__ import annotations

from eth_abi.abi import decode, encode

from tests.support.accounts import capped_account, restorative_account, terminal_account
from tests.support.expected import expected_close_out
from tests.support.node import Deployed, reverts
from tests.support.world import NEVER, World, set_of, wad

RESULT = "(uint8,bool,uint256,uint256,uint256,(uint256,uint256,uint256,uint256)[],(uint256,uint256,uint256,uint256)[])"


def market(world: World, asset: object) -> tuple[int, int, int]:
    """Idle, debt, supply shares."""
    return tuple(world.vault.marketOf(asset.id)[:3])


# ------------------------------------------------------------------------------------------------------ collateral


def test_close_out__with_one_collateral_as_a_claim__sends_the_other_and_books_this_one(world: World):
    account = restorative_account(world)
    world.arm()
    weth_before = world.balance(world.weth, world.liquidator)
    receipt = world.close_out(account, as_claims=set_of(world.weth))
    legs = world.result(receipt).seized
    (weth, weth_fee, _), (wbtc, wbtc_fee, _) = legs[world.weth.id], legs[world.wbtc.id]
    assert receipt.events("ClaimCredited") == [
        {"holder": world.liquidator, "assetId": world.weth.id, "amount": weth - weth_fee}
    ]
    assert world.vault.claimOf(world.liquidator, world.weth.id) == weth - weth_fee
    assert world.balance(world.weth, world.liquidator) == weth_before
    assert world.balance(world.wbtc, world.liquidator) == wbtc - wbtc_fee
    assert world.vault.claimOf(world.liquidator, world.wbtc.id) == 0

    world.vault.claim(world.weth.id, weth - weth_fee, world.receiver, sender=world.liquidator)
    assert world.balance(world.weth, world.receiver) == weth - weth_fee


def test_close_out__to_a_receiver__gives_him_tokens_and_claims_and_the_liquidator_nothing(world: World):
    account = restorative_account(world)
    world.arm(amount=100_000)
    legs = world.result(world.close_out(account, receiver=world.receiver, as_claims=set_of(world.wbtc))).seized
    weth, wbtc = (seized - fee for seized, fee, _ in (legs[world.weth.id], legs[world.wbtc.id]))
    assert world.balance(world.weth, world.receiver) == weth
    assert world.vault.claimOf(world.receiver, world.wbtc.id) == wbtc
    assert world.balance(world.weth, world.liquidator) == world.weth.units(100_000)
    assert world.vault.claimOf(world.liquidator, world.wbtc.id) == 0


def test_close_out__whatever_the_settlement__leaves_the_protocols_part_as_a_claim(world: World):
    account = restorative_account(world)
    world.arm()
    for as_claims in (0, set_of(world.weth, world.wbtc)):
        with world.node.rolled_back():
            legs = world.result(world.close_out(account, as_claims=as_claims)).seized
            for asset in (world.weth, world.wbtc):
                assert legs[asset.id][1] > 0
                assert world.vault.claimOf(world.splitter, asset.id) == legs[asset.id][1]
                assert world.balance(asset, world.splitter) == 0


# ------------------------------------------------------------------------------------------------------- repayment


def test_close_out__from_claims__takes_them_and_no_token_of_the_liquidator(world: World):
    account = capped_account(world)
    world.credit(world.liquidator, world.usdc, 20_000)
    idle = world.idle(world.usdc)
    receipt = world.close_out(account, from_claims=set_of(world.usdc))
    assert receipt.events("Claimed") == [
        {
            "holder": world.liquidator,
            "assetId": world.usdc.id,
            "to": world.vault.address,
            "amount": world.usdc.units(14_500),
        }
    ]
    assert world.vault.claimOf(world.liquidator, world.usdc.id) == world.usdc.units(5_500)
    assert world.idle(world.usdc) == idle + world.usdc.units(14_500)
    assert not [log for log in receipt.logs if log.name == "Transfer" and log.emitter == world.usdc.token.address]


def test_close_out__from_claims_that_do_not_suffice__is_refused_with_both_figures(world: World):
    account = capped_account(world)
    claimed = world.credit(world.liquidator, world.usdc, 14_499)
    with reverts("InsufficientClaim", claimed, world.usdc.units(14_500)):
        world.close_out(account, from_claims=set_of(world.usdc))


def test_close_out__from_supply_shares__burns_them_at_their_value_and_leaves_idle_liquidity_alone(world: World):
    account = capped_account(world)
    world.supply(world.usdc, 20_000, lender=world.liquidator)
    idle, debt, shares = market(world, world.usdc)
    held = world.vault.supplySharesOf(world.usdc.id, world.liquidator)
    receipt = world.close_out(account, from_shares=set_of(world.usdc))
    amount = world.usdc.units(14_500)
    # docs/liquidation.md, section 1: withdrawing u units costs ceil(u (TS + 10^6) / (TA + 1))
    burnt = -(-amount * (shares + 10**6) // (idle + debt + 1))
    assert receipt.event("Withdrawn") == {
        "assetId": world.usdc.id,
        "owner": world.liquidator,
        "receiver": world.vault.address,
        "assets": amount,
        "shares": burnt,
    }
    assert world.vault.supplySharesOf(world.usdc.id, world.liquidator) == held - burnt
    assert market(world, world.usdc) == (idle, debt - amount, shares - burnt)
    assert not [log for log in receipt.logs if log.name == "Transfer" and log.emitter == world.usdc.token.address]


def test_close_out__from_shares_that_do_not_suffice__is_refused_with_both_figures(world: World):
    account = capped_account(world)
    world.supply(world.usdc, 10_000, lender=world.liquidator)
    idle, debt, shares = market(world, world.usdc)
    held = world.vault.supplySharesOf(world.usdc.id, world.liquidator)
    wanted = -(-world.usdc.units(14_500) * (shares + 10**6) // (idle + debt + 1))
    with reverts("InsufficientShares", held, wanted):
        world.close_out(account, from_shares=set_of(world.usdc))


def test_t36_close_out__with_every_token_lent_out__is_settled_from_shares_as_no_idle_liquidity_is_needed(world: World):
    account = capped_account(world)
    world.supply(world.usdc, 20_000, lender=world.liquidator)
    other = world.open_account({world.wbtc: 60}, owner=world.stranger)
    world.vault.borrow(other, world.usdc.id, world.idle(world.usdc), world.stranger, sender=world.stranger)
    assert world.idle(world.usdc) == 0
    world.close_out(account, from_shares=set_of(world.usdc))
    assert world.position(account) == ({}, {})
    assert world.idle(world.usdc) == 0


def test_close_out__of_a_terminal_account_from_shares__makes_the_payer_bear_his_part_of_the_loss(world: World):
    """The loss is booked before the shares are valued."""
    account = terminal_account(world)
    world.supply(world.usdc, 100_000, lender=world.liquidator)
    world.fund_party(world.liquidator, world.dai, 10_000)
    idle, debt, shares = market(world, world.usdc)
    receipt = world.close_out(account, from_shares=set_of(world.usdc))
    paid, bad, _ = world.result(receipt).repaid[world.usdc.id]
    assert bad == 604_477_611
    # the debt is gone, what is left of the market with the payment counted in is what the shares are worth
    burnt = -(-paid * (shares + 10**6) // (idle + debt - bad + 1))
    assert receipt.event("Withdrawn")["shares"] == burnt
    assert burnt > -(-paid * (shares + 10**6) // (idle + debt + 1))
    assert market(world, world.usdc) == (idle, debt - world.usdc.units(9_000), shares - burnt)


def test_close_out__from_shares_and_claims_at_once__pays_each_debt_its_own_way(world: World):
    account = terminal_account(world)
    world.supply(world.usdc, 100_000, lender=world.liquidator)
    world.credit(world.liquidator, world.dai, 10_000)
    result = world.result(
        world.close_out(
            account,
            from_shares=set_of(world.usdc),
            from_claims=set_of(world.dai),
            as_claims=set_of(world.weth),
        )
    )
    assert world.vault.claimOf(world.liquidator, world.dai.id) == 10_000 * 10**18 - result.repaid[world.dai.id][0]
    assert world.vault.claimOf(world.liquidator, world.weth.id) == 10**19
    assert world.balance(world.usdc, world.liquidator) == world.balance(world.dai, world.liquidator) == 0


def test_close_out__of_a_debt_named_as_shares_and_as_claims__is_paid_once_from_shares(world: World):
    account = capped_account(world)
    world.supply(world.usdc, 20_000, lender=world.liquidator)
    world.credit(world.liquidator, world.usdc, 20_000)
    world.close_out(account, from_shares=set_of(world.usdc), from_claims=set_of(world.usdc))
    assert world.vault.claimOf(world.liquidator, world.usdc.id) == world.usdc.units(20_000)
    assert world.position(account) == ({}, {})


def test_close_out__in_pieces_paid_in_different_ways__comes_to_what_the_model_says_of_each(world: World):
    account = restorative_account(world)
    world.supply(world.usdc, 50_000, lender=world.liquidator)
    world.credit(world.liquidator, world.usdc, 50_000)
    world.arm()
    for settlement in ({}, {"from_shares": set_of(world.usdc)}, {"from_claims": set_of(world.usdc)}):
        expected, *_ = expected_close_out(world, account, fill=wad("0.04"))
        assert world.result(world.close_out(account, fill=wad("0.04"), **settlement)) == expected


# -------------------------------------------------------------------------------------------------------- callback


def scripted(world: World) -> Deployed:
    """A liquidating contract without capital that has approved the Vault."""
    actor = world.node.deploy("ScriptedActor", sender=world.stranger)
    for asset in (world.usdc, world.dai):
        actor.execute(asset.token, asset.token.approve.data(world.vault, NEVER), sender=world.stranger)
    return actor


def close_out_from(world: World, actor: Deployed, account: int, data: bytes, **request: object) -> object:
    call = world.vault.closeOut.data(world.request(account, receiver=actor.address, **request), data)
    return actor.execute(world.vault, call, sender=world.stranger)


def test_close_out__with_a_callback__sends_collateral_first_so_that_no_capital_is_needed(world: World):
    """The callback sells the 10 WETH (here: hands them over for freshly minted USDC), then the Vault takes its due."""
    account = capped_account(world)
    actor = scripted(world)
    expected, *_ = expected_close_out(world, account)
    seized = expected.seized[world.weth.id][0] - expected.seized[world.weth.id][1]
    sale = world.weth.token.transfer.data(world.stranger, seized)
    proceeds = world.usdc.token.mint.data(actor, world.usdc.units(14_600))
    actor.setScript(
        [(world.weth.token.address, sale), (world.usdc.token.address, proceeds)], True, sender=world.stranger
    )
    assert world.balance(world.usdc, actor) == 0

    world.result(close_out_from(world, actor, account, b"sell it"))
    assert world.balance(world.usdc, actor) == world.usdc.units(100)
    assert world.balance(world.weth, world.stranger) == seized
    assert world.position(account) == ({}, {})


def test_close_out__with_a_callback__tells_it_the_result_of_the_event_and_the_data_as_given(world: World):
    account = restorative_account(world)
    actor = scripted(world)
    world.usdc.token.mint(actor, world.usdc.units(20_000), sender=world.governor)
    receipt = close_out_from(world, actor, account, b"\x01\x02")
    assert actor.callbacks() == 1
    assert actor.callbackData() == b"\x01\x02"
    (told,) = decode([RESULT], actor.callbackResult())
    assert told == receipt.event("CloseOut")["result"]
    assert encode([RESULT], [told]) == actor.callbackResult()


def test_close_out__without_data__calls_nobody_back(world: World):
    account = restorative_account(world)
    actor = scripted(world)
    world.usdc.token.mint(actor, world.usdc.units(20_000), sender=world.governor)
    close_out_from(world, actor, account, b"")
    assert actor.callbacks() == 0


def test_close_out__whose_callback_reverts__reverts_with_what_it_said(world: World):
    account = restorative_account(world)
    actor = scripted(world)
    bad = world.usdc.token.transfer.data(world.stranger, 1)
    actor.setScript([(world.usdc.token.address, bad)], True, sender=world.stranger)
    with reverts("StepFailed", ...):
        close_out_from(world, actor, account, b"go")


def test_close_out__whose_callback_does_not_raise_the_money__reverts(world: World):
    account = restorative_account(world)
    actor = scripted(world)
    before = world.position(account)
    with reverts("TransferFromFailed"):
        close_out_from(world, actor, account, b"go")
    assert world.position(account) == before


def test_close_out__with_data_from_a_wallet_without_code__reverts(world: World):
    account = restorative_account(world)
    world.arm()
    with reverts(""):
        world.close_out(account, data=b"go")


def test_close_out__paid_from_claims_that_the_same_call_credits__is_refused(world: World):
    """Repayments in claims and shares are booked before collateral is handed out."""
    account = capped_account(world)
    with reverts("InsufficientClaim", 0, world.usdc.units(14_500)):
        world.close_out(account, from_claims=set_of(world.usdc), as_claims=set_of(world.weth))


def test_close_out__of_ones_own_account__is_settled_like_any_other(world: World):
    """Threat 46: the borrower as his own liquidator pays himself the penalty, less the protocol's part."""
    account = restorative_account(world)
    world.arm(world.borrower)
    expected, *_ = expected_close_out(world, account)
    receipt = world.close_out(account, sender=world.borrower, receiver=world.borrower)
    assert world.result(receipt) == expected
