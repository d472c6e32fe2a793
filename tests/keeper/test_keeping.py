"""A whole keeper on a real chain, from its settings file: flash, from inventory, on paper; and what it refuses to
begin with.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from closeout.chain.keeping import Share, service
from closeout.errors import BadInput, EnvironmentProblem
from closeout.keeper.sender import What
from closeout.keeper.settings import KeeperSettings, load_settings
from tests.keeper.chain_stage import ETHER, ChainStage

SETTINGS = """
name: test
chain_id: 31337
database: {folder}/keeper.db
node: {{urls: ["{url}"]}}
contracts:
  vault: "{vault}"
  lens: "{lens}"
  native_token: "{weth}"
  flash_liquidator: "{flash}"
  uniswap_factory: "{factory}"
planner: {{funding: {funding}}}
metrics_port: 0
"""


def settings(stage: ChainStage, folder: Path, funding: str = "flash", **changes: str) -> KeeperSettings:
    values = {
        "folder": str(folder), "url": stage.rpc.urls[0], "vault": stage.world.vault.address,
        "lens": stage.world.lens.address, "weth": stage.world.weth.token.address, "flash": stage.flash.contract.address,
        "factory": stage.flash.trading.uniswap.factory, "funding": funding,
    }  # fmt: skip
    place = folder / "keeper.yaml"
    place.write_text(SETTINGS.format(**(values | changes)))
    return load_settings(place)


def quiet() -> Console:
    return Console(file=io.StringIO(), width=160)


def test_keeper__with_a_key__closes_out_and_tells_what_it_earned(stage: ChainStage, tmp_path: Path) -> None:
    account = stage.unhealthy()
    stage.mine()
    log = io.StringIO()
    with service(settings(stage, tmp_path), stage.signer, quiet(), log) as parts:
        first = parts.service.step()
        stage.mine()
        second = parts.service.step()

    assert first is not None
    assert [(item.what, item.key) for item in first.happened] == [(What.SENT, ("close out", account))]
    assert second is not None
    (done,) = second.happened
    assert done.what is What.SUCCEEDED
    (intent,) = first.decision.intents
    # base fee, and the tip that was paid; the planner knew both
    assert abs(done.net_wad - intent.expected_profit_wad) < 2 * ETHER
    assert done.net_wad > 100 * ETHER
    assert stage.world.health(account) >= ETHER
    events = [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    assert events.count("transaction") == 2


def test_keeper__from_inventory__approves_first_and_repays_with_its_own(stage: ChainStage, tmp_path: Path) -> None:
    world, owner = stage.world, stage.signer.address.lower()
    account = stage.unhealthy()
    world.usdc.token.mint(owner, world.usdc.units(20_000), sender=world.governor)
    stage.mine()
    with service(settings(stage, tmp_path, "inventory"), stage.signer, quiet()) as parts:
        steps = []
        for _ in range(4):
            steps.append(parts.service.step())
            stage.mine()
        steps.append(parts.service.step())

    told = [(item.what, item.key[0]) for step in steps if step is not None for item in step.happened]
    assert told == [
        (What.SENT, "approve"),
        (What.SUCCEEDED, "approve"),
        (What.SENT, "close out"),
        (What.SUCCEEDED, "close out"),
        # of the ether that was seized: it may repay debts in ether
        (What.SENT, "approve"),
        (What.SUCCEEDED, "approve"),
    ]
    assert world.health(account) >= ETHER
    assert world.balance(world.weth, owner) > 0
    assert world.balance(world.usdc, owner) < world.usdc.units(20_000)


def test_keeper__on_paper__sends_nothing_and_says_what_it_would_have_earned(stage: ChainStage, tmp_path: Path) -> None:
    account = stage.unhealthy()
    stage.mine()
    out = quiet()
    with service(settings(stage, tmp_path), None, out) as parts, parts.panel:
        step = parts.service.step()
        stage.mine()
        again = parts.service.step()

    assert step is not None
    (told,) = step.happened
    assert (told.what, told.key) == (What.WOULD_EARN, ("close out", account))
    assert told.net_wad > 100 * ETHER
    assert again is not None
    assert again.happened == ()
    assert stage.world.health(account) < ETHER
    printed = out.file.getvalue()  # type: ignore[attr-defined]
    assert "would earn, net +$" in printed
    assert "keeper test, on paper: 1 would earn; profit +$" in printed


def test_share__of_another_worker__is_let_be(stage: ChainStage, tmp_path: Path) -> None:
    stage.unhealthy()
    stage.mine()
    sent = []
    for worker in range(3):
        (tmp_path / str(worker)).mkdir()
        mine = settings(stage, tmp_path / str(worker))
        with service(mine, None, quiet(), None, Share(worker, 3)) as parts:
            step = parts.service.step()
        assert step is not None
        sent.append(len(step.happened))

    assert sorted(sent) == [0, 0, 1]


def test_database__in_use__is_refused_with_the_process_that_has_it(stage: ChainStage, tmp_path: Path) -> None:
    mine = settings(stage, tmp_path)
    with (
        service(mine, None, quiet()),
        pytest.raises(EnvironmentProblem, match=r"keeper\.db: in use by process \d+"),
        service(mine, None, quiet()),
    ):
        pass
    with service(mine, None, quiet()):
        pass


@pytest.mark.parametrize("name", ["vault", "flash", "factory"])
def test_address__without_code__is_refused_by_its_key(stage: ChainStage, tmp_path: Path, name: str) -> None:
    key = {"flash": "flash_liquidator", "factory": "uniswap_factory"}.get(name, name)
    wrong = settings(stage, tmp_path, **{name: "0x" + "12" * 20})
    with (
        pytest.raises(BadInput, match=rf"contracts\.{key}: found '0x1212.*there is no code"),
        service(wrong, None, quiet()),
    ):
        pass


def test_native_token__that_is_not_listed__is_refused(stage: ChainStage, tmp_path: Path) -> None:
    wrong = settings(stage, tmp_path, weth=stage.world.vault.address)
    with pytest.raises(BadInput, match=r"contracts\.native_token"), service(wrong, None, quiet()):
        pass


def test_chain__of_another_id__is_refused(stage: ChainStage, tmp_path: Path) -> None:
    wrong = settings(stage, tmp_path).model_copy(update={"chain_id": 1})
    with pytest.raises(BadInput, match="chain_id: found 1, expected 31337"), service(wrong, None, quiet()):
        pass
