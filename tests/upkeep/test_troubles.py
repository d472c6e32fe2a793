"""What goes wrong in a pass of upkeep: broken contracts, rivals, a pass that died, another key's transactions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from closeout.chain.rpc import RpcError
from closeout.deployment.journal import Journal
from closeout.errors import BadInput, EnvironmentProblem
from closeout.upkeep.chores import Chore, Chores
from closeout.upkeep.decisions import ShareRecord, ShareTerms, State, judge_share
from tests.support.accounts import terminal_account
from tests.support.world import Asset, collateral
from tests.unit.oracles.stage import selector
from tests.upkeep.stage import DAY, HOUR, POKES, Housekeeper


def test_adapter_that_is_broken__is_a_row__and_the_rest_is_done(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    world.node.rpc.call("anvil_setCode", world.router.adapterOf(world.wbtc.token), "0xfe")
    assert housekeeper.run() == dict.fromkeys(POKES, "sent")
    assert housekeeper.why("OracleRouter.poke WBTC") == "due: the price is missing: notes it"
    assert housekeeper.why("RiskConfigurator.syncPriceSource WBTC").startswith("failed: ")
    assert "1 could not be looked at" in housekeeper.said


# a word of 1 to every question, but to `poke` a revert: with an error of ours and nothing, or nonsense, behind it
HOSTILE = "0x5f3560e01c63{poke}1460165760015f5260205ff35b63{error}5f52{rest}"


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("6004601cfd", "failed: an answer that makes no sense ("),
        ("5f196020526044601cfd", f"not due: not before {2**256 - 1}"),
        ("62030d40601cfd", "not due: not before 01 Jan 00:00:00"),
    ],
    ids=["no figures", "no time", "a bomb"],
)
def test_adapter__that_reverts_with_nonsense__stops_nothing_else(housekeeper: Housekeeper, rest: str, why: str):
    world = housekeeper.world
    world.warp(HOUR)
    selectors = {
        "poke": selector("poke()").hex(),
        "error": selector("PokedTooSoon(uint256,uint256)").hex(),
    }
    code = HOSTILE.format(**selectors, rest=rest)
    world.node.rpc.call("anvil_setCode", world.router.adapterOf(world.weth.token), code)
    assert housekeeper.run() == dict.fromkeys(POKES, "sent")
    assert housekeeper.why("DeviationAdapter.poke WETH").startswith(why)
    assert max(len(row.judgement.why) for row in housekeeper.rows) <= 200


def test_token__that_calls_itself_like_an_instruction_to_the_table__is_printed_as_it_is(housekeeper: Housekeeper):
    housekeeper.world.list_asset("[/b]", 18, 10, collateral(8_000, 1_000))
    housekeeper.run()
    assert "OracleRouter.poke                 [/b] " in housekeeper.said


def test_answer__that_cannot_be_reckoned_with__is_a_failure_of_its_chore_alone(housekeeper: Housekeeper):
    node = housekeeper.world.node
    chores = Chores(node.rpc, node.artifacts, {}, {}, housekeeper.signer.address)
    call = chores.call("Erc4626Adapter", housekeeper.world.weth.feed.address, "poke")
    terms = ShareTerms(max_growth_bps_per_year=0, max_drop_bps=0, confirm_after=HOUR)
    chore = Chore(call, "SHARE", lambda: judge_share(DAY, ShareRecord(1, 1, 0), 1, 1, terms))
    assert chores.judged(chore).state is State.FAILED


def test_token_that_is_broken__goes_by_its_address(housekeeper: Housekeeper):
    world = housekeeper.world
    odd = world.list_asset("ODD", 18, 10, collateral(8_000, 1_000))
    world.node.rpc.call("anvil_setCode", odd.token.address, "0xfe")
    world.warp(HOUR)
    # it was listed after the record was written
    assert set(housekeeper.run()) == {*POKES, f"OracleRouter.poke {odd.token.address[:10]}"}


def test_chore__that_somebody_does_while_ours_is_on_its_way__is_no_failure(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    raced: list[Asset] = []

    def race(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_sendRawTransaction" and not raced:
            raced.append(world.weth)
            world.router.poke(world.weth.token, sender=world.stranger)

    done = housekeeper.run(before=race)
    assert done.pop("OracleRouter.poke WETH") == "somebody else was first"
    assert set(done.values()) == {"sent"}
    assert len(done) == 3
    lost = next(row for row in housekeeper.rows if housekeeper.title(row) == "OracleRouter.poke WETH")
    assert lost.gas > 0
    assert lost.transaction in housekeeper.said


def test_chore__that_somebody_does_before_ours_is_sent__is_not_sent(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    raced: list[Asset] = []

    def race(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_gasPrice" and not raced:
            raced.append(world.weth)
            world.router.poke(world.weth.token, sender=world.stranger)

    done = housekeeper.run(before=race)
    assert done["OracleRouter.poke WETH"].startswith("not sent: not before")
    assert housekeeper.sent == 3


def test_pass__that_died_with_a_transaction_signed__is_ended_by_the_next_one(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)

    def die(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_sendRawTransaction":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        housekeeper.run(before=die)
    assert housekeeper.sent == 0
    done = housekeeper.run()
    assert "sent by an earlier pass" in housekeeper.said
    assert len(done) == 3
    assert housekeeper.sent == 4
    assert not (housekeeper.folder / ".journal/local-upkeep.jsonl").exists()
    assert "sent by an earlier pass" not in (housekeeper.run(), housekeeper.said)[1]


def test_account__from_which_something_else_sends__is_left_alone(housekeeper: Housekeeper):
    world = housekeeper.world
    world.warp(HOUR)
    request = {"from": housekeeper.signer.address, "to": world.stranger, "gasPrice": "0x0"}
    world.node.rpc.call("eth_sendTransaction", request)
    with pytest.raises(EnvironmentProblem, match="a key of its own"):
        housekeeper.run()
    assert "4 of 8 due, 0 sent" in housekeeper.said
    world.warp(0)
    assert len(housekeeper.run()) == 4


def test_pass__while_another_one_runs__is_refused(housekeeper: Housekeeper):
    housekeeper.world.warp(HOUR)
    other = Journal(housekeeper.folder / ".journal/local-upkeep.jsonl", plan="another", chain_id=31337)
    with pytest.raises(EnvironmentProblem, match="another process is at it"):
        housekeeper.run()
    other.close()
    assert housekeeper.sent == 0


def test_node__that_refuses_everything__is_an_error(housekeeper: Housekeeper):
    def refuse(method: str, params: tuple[Any, ...]) -> None:
        if method == "eth_estimateGas":
            raise RpcError(method, {"code": -32601, "message": "the method does not exist"})

    with pytest.raises(EnvironmentProblem, match=r"none of 8 chores could be looked at: .*the method does not exist"):
        housekeeper.run(before=refuse)


def test_chain__that_is_not_the_files__is_refused(housekeeper: Housekeeper, monkeypatch: pytest.MonkeyPatch):
    rpc = housekeeper.world.node.rpc
    call = rpc.call

    def answer(method: str, *params: Any) -> Any:
        return "0x1" if method == "eth_chainId" else call(method, *params)

    monkeypatch.setattr(rpc, "call", answer)
    with pytest.raises(BadInput, match="found 'chain 1', expected chain 31337"):
        housekeeper.run()


def test_dry_run__says_what_is_due__and_sends_and_keeps_nothing(housekeeper: Housekeeper, tmp_path: Path):
    world = housekeeper.world
    terminal_account(world)
    world.warp(HOUR)
    done = housekeeper.run(is_dry=True, with_accounts=True)
    assert set(done) > POKES
    assert len(done) == 5
    assert all(row.judgement.gas > 21_000 for row in housekeeper.rows if row.is_due)
    assert "5 of 9 due, nothing was sent" in housekeeper.said
    assert housekeeper.sent == 0
    assert [file.name for file in tmp_path.iterdir()] == ["local.json"]
