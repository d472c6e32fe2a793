"""A deployment that is killed, cut off, replaced or reorganised at every step ends where an undisturbed one does.

The measure is the deployer's nonce: as many transactions as there are steps, never one more.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from closeout.chain.anvil import Anvil
from closeout.chain.http import HttpClient
from closeout.deployment.effects import Effects, Reader
from closeout.deployment.execution import execute
from closeout.deployment.journal import Journal, Mined, Signed
from closeout.deployment.plan import Plan
from closeout.deployment.ports import Rpc
from closeout.deployment.protocol import draw_blueprint
from closeout.deployment.sending import Patience, Sender, TransactionFailed
from closeout.errors import BadInput, EnvironmentProblem, NodeError
from tests.support.networks import HASTE
from tests.support.sessions import Deployer

CONFIRMATIONS = 2
# Where a process can die within a step: each leaves another state behind.
SIGNED_UNWRITTEN, WRITTEN_UNSENT, SENT_UNSEEN, MINED_UNWRITTEN = POINTS = (
    "signed, not written down",
    "written down, not sent",
    "sent, not seen",
    "mined, not written down",
)


def plan_of(deployer: Deployer) -> Plan:
    return draw_blueprint(deployer.config, deployer.signer.address, deployer.network.artifacts).plan


def journal_of(deployer: Deployer, plan: Plan) -> Journal:
    return Journal(deployer.folder / "journal.jsonl", plan=plan.digest, chain_id=11155111)


def nonce(deployer: Deployer) -> int:
    return int(deployer.network.rpc.call("eth_getTransactionCount", deployer.signer.address, "latest"), 16)


def carry_out(
    deployer: Deployer,
    plan: Plan,
    *,
    wrap: Callable[[Any], Any] = lambda rpc: rpc,
    journal: Journal | None = None,
    patience: Patience = HASTE,
    told: Callable[..., None] | None = None,
) -> None:
    """What is left of the plan, as a process of its own would: nothing is known but chain and journal."""
    rpc = wrap(deployer.network.http)
    journal = journal or journal_of(deployer, plan)
    with Sender(rpc, deployer.signer, journal, 11155111, patience) as sender:
        execute(plan, sender, Effects(Reader(sender.rpc, deployer.network.artifacts), plan), CONFIRMATIONS, told)


def is_done(deployer: Deployer, plan: Plan) -> bool:
    effects = Effects(Reader(deployer.network.rpc, deployer.network.artifacts), plan)
    return all(effects.is_done(step) for step in plan.steps)


# --------------------------------------------------------------------------------------------------------------- killed


class _Doomed:
    """Kills its own process, as SIGKILL does, the first time that the point is reached."""

    def __init__(self, point: str) -> None:
        self.point = point

    def at(self, point: str) -> None:
        if point == self.point:
            os.kill(os.getpid(), signal.SIGKILL)

    def journal(self, journal: Journal) -> Journal:
        add = journal.add

        def doomed_add(item: Signed | Mined) -> None:
            self.at(SIGNED_UNWRITTEN if isinstance(item, Signed) else MINED_UNWRITTEN)
            add(item)
            if isinstance(item, Signed):
                self.at(WRITTEN_UNSENT)

        journal.add = doomed_add  # type: ignore[method-assign]
        return journal

    def rpc(self, rpc: Rpc) -> Any:
        doomed = self

        class Node:
            def call(self, method: str, *params: Any) -> Any:
                answer = rpc.call(method, *params)
                if method == "eth_sendRawTransaction":
                    doomed.at(SENT_UNSEEN)
                return answer

        return Node()


def run_until_killed(deployer: Deployer, plan: Plan, point: str) -> bool:
    """In a process of its own; whether it was killed rather than done."""
    child = os.fork()
    if child == 0:
        doom = _Doomed(point)
        try:
            carry_out(deployer, plan, wrap=doom.rpc, journal=doom.journal(journal_of(deployer, plan)))
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, f"the process failed at {point!r} instead of being killed"
    return False


def test_killed__at_every_point_of_every_step__it_goes_on_and_deploys_nothing_twice(
    deployer: Deployer, record_property: Callable[[str, object], None]
):
    """SIGKILL four times a step: before and after the transaction is on disk, after it is sent, after it is mined."""
    plan = plan_of(deployer)
    effects = Effects(Reader(deployer.network.rpc, deployer.network.artifacts), plan)
    killed: dict[str, list[str]] = {step.label: [] for step in plan.steps}
    while True:
        waiting = next((step for step in plan.steps if not effects.is_done(step)), None)
        if waiting is None:
            break
        for point in POINTS:
            current = next((step for step in plan.steps if not effects.is_done(step)), None)
            if not run_until_killed(deployer, plan, point):
                break
            if current is not None:
                killed[current.label].append(point)
    assert not run_until_killed(deployer, plan, "nowhere")
    assert is_done(deployer, plan)
    assert nonce(deployer) == len(plan.steps)
    record_property(
        "steps, kills", f"{len(plan.steps)}, {sum(map(len, killed.values()))}; each resumed, none sent twice"
    )
    for label, points in killed.items():
        record_property(label, f"killed when {'; '.join(points)}")
    assert all(len(points) >= 3 for points in killed.values()), killed


def test_journal__cut_off_in_the_middle_of_a_line__is_read_as_far_as_it_goes(deployer: Deployer):
    plan = plan_of(deployer)
    assert run_until_killed(deployer, plan, WRITTEN_UNSENT)
    file = deployer.folder / "journal.jsonl"
    file.write_text(file.read_text() + '{"kind": "mined", "step"')
    carry_out(deployer, plan)
    assert nonce(deployer) == len(plan.steps)


def test_journal__lost__costs_nothing(deployer: Deployer):
    """What is done is seen on the chain."""
    plan = plan_of(deployer)
    for point in (SENT_UNSEEN, MINED_UNWRITTEN, SENT_UNSEEN):
        assert run_until_killed(deployer, plan, point)
        deployer.network.mined()
        (deployer.folder / "journal.jsonl").unlink()
    carry_out(deployer, plan)
    assert nonce(deployer) == len(plan.steps)


def test_journal__of_another_plan__is_refused(deployer: Deployer):
    plan = plan_of(deployer)
    journal_of(deployer, plan).close()
    with pytest.raises(BadInput, match="a journal of plan"):
        Journal(deployer.folder / "journal.jsonl", plan="sha256:" + "0" * 64, chain_id=11155111)


def test_journal__in_use_by_another_process__is_refused(deployer: Deployer):
    plan = plan_of(deployer)
    first = journal_of(deployer, plan)
    with pytest.raises(EnvironmentProblem, match="another process is at it"):
        journal_of(deployer, plan)
    first.close()
    journal_of(deployer, plan).close()


# -------------------------------------------------------------------------------------------------------------- cut off


class _Flaky:
    """A line that drops: some requests never arrive, of some the answer is lost on the way back."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc, self.requests, self.dropped = rpc, 0, 0

    def call(self, method: str, *params: Any) -> Any:
        self.requests += 1
        if self.requests % 5 == 0:
            self.dropped += 1
            raise NodeError("the line is down")
        answer = self._rpc.call(method, *params)
        if self.requests % 7 == 0 or (method == "eth_sendRawTransaction" and self.requests % 2 == 0):
            self.dropped += 1
            raise NodeError("the answer is lost")
        return answer


def test_connection__that_drops_all_the_time__delays_and_changes_nothing(deployer: Deployer):
    plan = plan_of(deployer)
    lines: list[_Flaky] = []

    def flaky(rpc: Rpc) -> _Flaky:
        lines.append(_Flaky(rpc))
        return lines[-1]

    carry_out(deployer, plan, wrap=flaky)
    assert lines[0].dropped > 50
    assert is_done(deployer, plan)
    assert nonce(deployer) == len(plan.steps)


def test_connection__that_stays_away__ends_with_one_line_and_can_be_resumed(deployer: Deployer):
    plan = plan_of(deployer)

    class Dead:
        def __init__(self, rpc: Rpc) -> None:
            self._rpc, self._left = rpc, 60

        def call(self, method: str, *params: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise NodeError("the line is down")
            return self._rpc.call(method, *params)

    impatient = Patience(poll=0.01, reconnect=0.2, until_bump=5)
    with pytest.raises(EnvironmentProblem, match="the line is down; the same command again goes on from here"):
        carry_out(deployer, plan, wrap=Dead, patience=impatient)
    assert 0 < nonce(deployer) < len(plan.steps)
    carry_out(deployer, plan)
    assert nonce(deployer) == len(plan.steps)


# ------------------------------------------------------------------------------------------------- a chain that is slow


def test_transaction__that_is_not_mined__is_replaced_by_a_dearer_one_of_the_same_nonce(deployer: Deployer):
    """On a chain that mines when it is told: the last of four is mined, and found by whoever comes next."""
    with Anvil(chain_id=11155111) as quiet:
        node = HttpClient([quiet.uri])
        quiet.rpc.call("anvil_setBalance", deployer.signer.address, hex(10**18))

        def journal() -> Journal:
            return Journal(deployer.folder / "journal.jsonl", plan="a plan", chain_id=11155111)

        hasty = Patience(poll=0.01, reconnect=5, until_bump=0.1, bumps=3)
        with (
            Sender(node, deployer.signer, journal(), 11155111, hasty) as sender,
            pytest.raises(EnvironmentProblem, match="not mined yet; the same command again goes on from here"),
        ):
            sender.send("a step", deployer.config.content.roles.treasury, "0x")
        written = journal()
        waiting = written.signed("a step")
        written.close()
        assert len(waiting) == 4
        assert {item.nonce for item in waiting} == {0}
        quiet.rpc.call("evm_mine")
        with Sender(node, deployer.signer, journal(), 11155111, HASTE) as sender:
            mined = sender.finish("a step")
        assert mined is not None
        assert mined.hash == waiting[-1].hash
        assert node.call("eth_getTransactionCount", deployer.signer.address, "latest") == "0x1"


def test_reorganisation__that_undoes_the_last_steps__is_noticed_and_they_are_done_again(deployer: Deployer):
    plan = plan_of(deployer)
    network = deployer.network
    seen: list[str] = []

    def reorganise(number: int, _step: Any, how: str) -> None:
        seen.append(how)
        if number == len(plan.steps) - 1 and seen.count("sent") == len(plan.steps):
            network.rpc.call("anvil_reorg", 3, [])
            time.sleep(0.2)

    carry_out(deployer, plan, told=reorganise)
    assert is_done(deployer, plan)
    assert len(seen) == 2 * len(plan.steps), "after the reorganisation every step is looked at again"
    assert nonce(deployer) == len(plan.steps)


def test_step__that_would_revert__is_not_sent(deployer: Deployer):
    plan = plan_of(deployer)
    with Sender(deployer.network.http, deployer.signer, journal_of(deployer, plan), 11155111, HASTE) as sender:
        step = plan.steps[-1]
        with pytest.raises(TransactionFailed, match=r"would revert .*; nothing was sent"):
            # the proxy reverts where the creation code does
            sender.send(step.label, "0x4e59b44847b379578588920cA78FbF26c0B4956C", "0x" + "00" * 32 + "fe")
    assert nonce(deployer) == 0
