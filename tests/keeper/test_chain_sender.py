"""The sender on a real chain: what is simulated is what happens, and what a node says is understood."""

from __future__ import annotations

from dataclasses import replace

import pytest

from closeout.chain.http import HttpClient
from closeout.chain.intents import approval
from closeout.chain.keeping import NOBODY
from closeout.chain.sending import NodeSender, verdict_of
from closeout.keeper.fees import FeePolicy
from closeout.keeper.outbox import SqlOutbox
from closeout.keeper.paper import PaperSender
from closeout.keeper.ports import Action, Decision, Funding, Intent
from closeout.keeper.sender import Happened, Sender, What
from closeout.keeper.sending import Transaction, Verdict
from tests.keeper.chain_stage import ETHER, ChainStage
from tests.keeper.servers import FakeServer, raw
from tests.keeper.stage import GENEROUS, GWEI


@pytest.fixture
def sender(stage: ChainStage) -> Sender:
    outbox = SqlOutbox(None, stage.signer.address)
    return Sender(stage.node, stage.signer, stage.encoder, outbox, GENEROUS)


def on_block(sender: Sender, stage: ChainStage, *intents: Intent) -> list[Happened]:
    return sender.on_block(Decision(stage.head, intents), stage.worth)


def weth_of(stage: ChainStage) -> int:
    return stage.world.balance(stage.world.weth, stage.signer.address.lower())


def test_flash_close_out__simulated__earns_what_it_then_earns_on_chain(stage: ChainStage, sender: Sender) -> None:
    account = stage.unhealthy()
    (simulated,) = stage.node.simulate(stage.signer.address, stage.call_of([stage.close_out(account)]), stage.worth)
    assert simulated.error == ""
    assert simulated.earned_wad is not None
    assert simulated.earned_wad > 100 * ETHER

    (sent,) = on_block(sender, stage, stage.close_out(account))
    assert sent.what is What.SENT
    stage.mine()
    (done,) = on_block(sender, stage)

    assert (done.what, done.key) == (What.SUCCEEDED, ("close out", account))
    assert weth_of(stage) * 1500 == simulated.earned_wad
    assert done.net_wad == simulated.earned_wad - stage.worth.of_gas(done.gas)
    assert stage.world.health(account) >= ETHER


def test_two_close_outs__in_one_block__are_simulated_one_on_top_of_the_other(stage: ChainStage, sender: Sender) -> None:
    first, second = stage.unhealthy(1), stage.unhealthy(2)
    intents = [stage.close_out(first), stage.close_out(second)]
    alone = stage.node.simulate(stage.signer.address, stage.call_of(intents[1:]), stage.worth)[0]
    behind = stage.node.simulate(stage.signer.address, stage.call_of(intents), stage.worth)[1]
    assert alone.earned_wad is not None
    assert behind.earned_wad is not None
    # the first one's sale moved the pool
    assert behind.earned_wad < alone.earned_wad

    on_block(sender, stage, *intents)
    stage.mine()
    done = on_block(sender, stage)
    assert [item.what for item in done] == [What.SUCCEEDED] * 2
    assert done[1].net_wad + stage.worth.of_gas(done[1].gas) == behind.earned_wad


def test_simulation__of_an_account_that_is_healthy__says_so_with_its_health_factor(stage: ChainStage) -> None:
    account = stage.unhealthy()
    stage.world.set_price(stage.world.weth, 2000)
    (simulated,) = stage.node.simulate(stage.signer.address, stage.call_of([stage.close_out(account)]), stage.worth)

    assert simulated.error == "AccountHealthy"
    assert simulated.arguments == (stage.world.health(account),)


def test_simulation__of_a_profit_that_is_not_there__says_the_two_numbers(stage: ChainStage) -> None:
    account = stage.unhealthy()
    intent = stage.close_out(account, least=10 * ETHER)
    (simulated,) = stage.node.simulate(stage.signer.address, stage.call_of([intent]), stage.worth)

    assert simulated.error == "ProfitTooSmall"
    assert simulated.arguments[0] == stage.world.weth.token.address
    assert 0 < simulated.arguments[1] < simulated.arguments[2] == 10 * ETHER


def test_simulation__on_a_node_without_simulate__falls_back_to_estimates(stage: ChainStage) -> None:
    account = stage.unhealthy()
    stage.node._can_simulate = False
    try:
        found = stage.node.simulate(
            stage.signer.address,
            stage.call_of([stage.close_out(account), stage.close_out(account, least=10 * ETHER)]),
            stage.worth,
        )
    finally:
        stage.node._can_simulate = True

    assert [item.error for item in found] == ["", "ProfitTooSmall"]
    assert found[0].gas_used > 100_000
    assert found[0].earned_wad is None


def test_rival__closes_out_first__the_failing_one_is_cancelled(stage: ChainStage, sender: Sender) -> None:
    account = stage.unhealthy()
    on_block(sender, stage, stage.close_out(account))
    (slot,) = sender.book.open
    stage.world.node.rpc.call("anvil_dropTransaction", slot.last.hash)
    stage.world.arm()
    stage.world.close_out(account)

    assert on_block(sender, stage)[0].what is What.CANCELLED
    stage.mine()
    (done,) = on_block(sender, stage)
    assert done.what is What.USED_UP
    assert done.gas <= 21_000 * 5 * GWEI


def test_margin_call__is_sent_although_it_earns_nothing(stage: ChainStage, sender: Sender) -> None:
    world = stage.world
    world.set_price(world.weth, 2000)
    account = world.open_account({world.weth: 10}, {world.usdc: 13_000})
    world.set_price(world.weth, 1580)
    on_block(sender, stage, Intent(Action.MARGIN_CALL, account, stage.head))
    stage.mine()

    assert on_block(sender, stage)[0].what is What.SUCCEEDED
    assert world.vault.timesOf(account)[0] > 0


def test_inventory__approved_and_held__pays_for_the_close_out(stage: ChainStage, sender: Sender) -> None:
    world, owner = stage.world, stage.signer.address.lower()
    account = stage.unhealthy()
    world.usdc.token.mint(owner, world.usdc.units(20_000), sender=world.governor)
    job = approval(world.node.artifacts, world.usdc.id, world.usdc.token.address, world.vault.address)
    sender.on_block(Decision(stage.head), stage.worth, [job])
    stage.mine()
    intent = stage.close_out(account, funding=Funding.INVENTORY, sales=(), least_profits={})
    intent = replace(intent, least_seized={world.weth.id: 1}, most_repaid={world.usdc.id: 1_530})

    assert on_block(sender, stage, intent)[-1].what is What.SENT
    stage.mine()
    (done,) = on_block(sender, stage)
    assert done.what is What.SUCCEEDED
    spent = world.usdc.units(20_000) - world.balance(world.usdc, owner)
    assert done.net_wad == weth_of(stage) * 1500 - spent * 10**12 - stage.worth.of_gas(done.gas)
    assert done.net_wad > 0


def test_transaction__is_replaced_only_for_more_and_mined_once(stage: ChainStage) -> None:
    nonce = stage.node.facts(stage.signer.address, [], stage.worth).nonce
    plain = Transaction(nonce, stage.signer.address, "0x", 21_000, 10 * GWEI, GWEI)
    first = stage.signer.sign(plain)
    assert stage.node.broadcast(first.raw, False) is Verdict.ACCEPTED
    assert stage.node.broadcast(first.raw, False) is Verdict.KNOWN
    low = stage.signer.sign(replace(plain, max_fee=9 * GWEI))
    assert stage.node.broadcast(low.raw, False) is Verdict.UNDERPRICED
    high = stage.signer.sign(replace(plain, max_fee=12 * GWEI, priority_fee=2 * GWEI))
    assert stage.node.broadcast(high.raw, False) is Verdict.ACCEPTED
    stage.mine()

    assert stage.node.broadcast(first.raw, False) is Verdict.NONCE_USED
    facts = stage.node.facts(stage.signer.address, [first.hash, high.hash], stage.worth)
    assert list(facts.inclusions) == [high.hash]
    assert facts.nonce == nonce + 1


def test_key__without_ether__is_told_so(stage: ChainStage) -> None:
    stage.world.node.rpc.call("anvil_setBalance", stage.signer.address, "0x0")
    nonce = stage.node.facts(stage.signer.address, [], stage.worth).nonce
    signed = stage.signer.sign(Transaction(nonce, stage.signer.address, "0x", 21_000, GWEI, GWEI))

    assert stage.node.broadcast(signed.raw, False) is Verdict.NO_FUNDS


def test_private_transaction__goes_to_the_relay_alone_and_can_be_taken_back(stage: ChainStage) -> None:
    relay = FakeServer()
    try:
        node = NodeSender(stage.rpc, stage.world.node.artifacts, HttpClient([relay.url]))
        facts = node.facts(stage.signer.address, [], stage.worth)
        signed = stage.signer.sign(Transaction(facts.nonce, stage.signer.address, "0x", 21_000, GWEI, GWEI))
        assert node.broadcast(signed.raw, True) is Verdict.ACCEPTED
        node.withdraw(signed.hash)
        relay.answers = [raw(200, b'{"jsonrpc": "2.0", "id": 2, "error": {"code": -1, "message": "nonce too low"}}')]
        assert node.broadcast(signed.raw, True) is Verdict.NONCE_USED
    finally:
        relay.server.shutdown()

    sent, taken_back, _ = relay.seen
    assert sent["method"] == "eth_sendPrivateTransaction"
    assert sent["params"] == [{"tx": signed.raw, "maxBlockNumber": hex(facts.head.number + 25)}]
    assert (taken_back["method"], taken_back["params"]) == ("eth_cancelPrivateTransaction", [{"txHash": signed.hash}])
    assert node.facts(stage.signer.address, [], stage.worth).pending == facts.nonce


def test_paper__earns_what_the_simulation_says_and_once(stage: ChainStage) -> None:
    account = stage.unhealthy()
    paper = PaperSender(stage.node, stage.encoder, NOBODY, FeePolicy())
    decision = Decision(stage.head, (stage.close_out(account), stage.close_out(account + 1)))
    first, second = paper.on_block(decision, stage.worth)
    before = weth_of(stage)

    assert (first.what, first.key) == (What.WOULD_EARN, ("close out", account))
    assert first.net_wad > 100 * ETHER
    assert (second.what, second.detail[:14]) == (What.WOULD_REVERT, "AccountHealthy")
    assert [item.what for item in paper.on_block(decision, stage.worth)] == [What.WOULD_REVERT]
    assert paper.on_block(Decision(stage.head), stage.worth) == []
    assert paper.on_block(decision, stage.worth)[0] == first
    assert weth_of(stage) == before


def test_paper__from_inventory__says_what_was_planned(stage: ChainStage) -> None:
    intent = stage.close_out(stage.unhealthy(), gross=77 * ETHER, funding=Funding.INVENTORY, sales=())
    (told,) = PaperSender(stage.node, stage.encoder, NOBODY, FeePolicy()).on_block(
        Decision(stage.head, (intent,)), stage.worth
    )

    assert (told.what, told.net_wad, told.detail) == (What.WOULD_EARN, 77 * ETHER, "as planned")


@pytest.mark.parametrize(
    ("message", "verdict"),
    [
        ("nonce too low: next nonce 5, tx nonce 3", Verdict.NONCE_USED),
        ("OldNonce", Verdict.NONCE_USED),
        ("already known", Verdict.KNOWN),
        ("AlreadyKnown", Verdict.KNOWN),
        ("transaction already imported", Verdict.KNOWN),
        ("replacement transaction underpriced", Verdict.UNDERPRICED),
        ("ReplacementNotAllowed", Verdict.UNDERPRICED),
        ("could not replace existing tx", Verdict.UNDERPRICED),
        ("insufficient funds for gas * price + value", Verdict.NO_FUNDS),
        ("intrinsic gas too low", Verdict.REFUSED),
    ],
)
def test_error__of_any_client__means_one_thing(message: str, verdict: Verdict) -> None:
    assert verdict_of(message) is verdict
