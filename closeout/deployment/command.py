"""The four commands as a person asks for them: what is printed, asked and written. Without a terminal's affairs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from closeout.chain.abi import ContractAbi
from closeout.errors import CloseoutError
from closeout.units import format_units

from .authority import read_authority
from .drift import Verification, verify
from .effects import Effects, Reader
from .execution import Done, execute
from .handover import draw_handover, holdings_of
from .journal import Journal
from .plan import PROXY, Plan, Step
from .ports import Signer
from .preflight import check_chain, warnings
from .proposal import Proposal, check_built_in, draw_proposal
from .protocol import draw_blueprint
from .proxy import ensure_proxy
from .record import deployed_since, make_record, write_record
from .rehearsal import ForkSender, fork_of
from .safe import safe_batch
from .sending import Patience, Sender
from .session import Session

__all__ = ["Declined", "Drifted", "run_deploy", "run_handover", "run_propose", "run_verify"]

PUBLIC_CHAIN = Patience()
GWEI_DECIMALS = 9
ETHER_DECIMALS = 18
# the fee of now, and half as much again
COST_MARGIN_PERCENT = 150

Ask = Callable[[str], bool]
Publish = Callable[[dict[str, Any]], dict[str, str]]


class Declined(CloseoutError):
    """The person said no. Nothing was sent."""


class Drifted(CloseoutError):
    """The chain is not what file and record say. Exit status 1, as a cron job wants it."""


def run_deploy(
    session: Session,
    signer: Signer,
    *,
    dry_run: bool,
    ask: Ask,
    publish: Publish | None = None,
    unlock: Callable[[], None] = lambda: None,
    patience: Patience = PUBLIC_CHAIN,
) -> dict[str, Any] | None:
    """Checks, rehearses on a fork, says what it will do and cost, asks once, deploys, records. None for a dry run."""
    console = session.console
    check_chain(session.config, session.rpc, session.artifacts)
    for line in warnings(session.config, session.rpc):
        console.print(f"[yellow]warning[/] {line}", soft_wrap=True)
    blueprint = draw_blueprint(session.config, signer.address, session.artifacts)
    rehearsed, verified = _rehearse(session, signer.address, blueprint.plan, is_whole=True)
    _print_plan(session, blueprint.plan, rehearsed)
    _print_cost(session, signer.address, rehearsed)
    if verified is not None:
        _print_verification(session, verified, "the rehearsal")
    if dry_run:
        return None
    _confirm(ask, f"Deploy to {session.config.name} as {signer.address}?")
    unlock()
    started = time.monotonic()
    with _sender(session, signer, "deploy", blueprint.plan, patience) as sender:
        ensure_proxy(sender)
        done = _execute(session, blueprint.plan, sender)
        record = make_record(blueprint, done, Reader(sender.rpc, session.artifacts))
    if session.record_file.exists():
        record["handover"] = session.record()["handover"]
    write_record(record, session.record_file)
    console.print(f"record: {session.record_file}", highlight=False, soft_wrap=True)
    console.print(f"deployed in {time.monotonic() - started:.1f} s", highlight=False)
    if publish is not None:
        for address, said in publish(record).items():
            console.print(f"explorer: {address}: {said}", highlight=False, soft_wrap=True)
    return record


def run_verify(session: Session) -> Verification:
    """Prints what differs. Raises Drifted where anything does."""
    record = session.record()
    found = verify(session.deployed(record), record, session.rpc, session.artifacts)
    _print_verification(session, found, session.config.name)
    if found.drift:
        raise Drifted(
            f"{session.config.name}: {len(found.drift)} of {len(found.rows)} compared are not what they should be"
        )
    return found


def run_propose(session: Session, folder: Path, now: int) -> Proposal:
    """Prints the difference in words, writes calldata and two Safe batches: schedule and execute."""
    record = session.record()
    blueprint = session.deployed(record)
    check_built_in(blueprint, record)
    state = read_authority(session.rpc, session.reader, blueprint.deployment["Authority"], deployed_since(record))
    proposal = draw_proposal(blueprint, record, state, session.reader, session.artifacts)
    if not proposal.changes:
        session.console.print("nothing to propose: the chain is what the file says")
        return proposal
    table = Table("", "call", "what changes", "waits", box=None)
    for number, change in enumerate(proposal.changes, 1):
        call = f"{change.contract}.{change.function}"
        table.add_row(str(number), call, "\n".join(change.summary), f"{change.delay} s")
    session.console.print(table)
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{session.config.name}-{session.config.digest.removeprefix('sha256:')[:8]}"
    creations = [(PROXY, data) for data in proposal.creations]
    schedules = [(proposal.authority, data) for data in proposal.schedules]
    executes = [(proposal.authority, data) for data in proposal.executes]
    for kind, calls in (("schedule", creations + schedules), ("execute", executes)):
        file = folder / f"{stem}-{kind}.json"
        file.write_text(safe_batch(proposal, calls, f"{session.config.name}: {kind}", now), encoding="utf-8")
        session.console.print(f"{kind}: {file}", highlight=False, soft_wrap=True)
        for number, (target, data) in enumerate(calls, 1):
            session.console.print(f"  {number} to {target}: {data}", highlight=False, soft_wrap=True)
    return proposal


def run_handover(
    session: Session,
    signer: Signer,
    *,
    dry_run: bool,
    ask: Ask,
    unlock: Callable[[], None] = lambda: None,
    patience: Patience = PUBLIC_CHAIN,
) -> dict[str, Any] | None:
    """One transaction that gives everything to the governor; then the proof that the deployer holds nothing."""
    record = session.record()
    blueprint = session.deployed(record)
    if record["deployer"] != signer.address:
        raise Declined(f"--account: {signer.address} did not deploy this, {record['deployer']} did")
    if record["handover"] is None:
        found = verify(blueprint, record, session.rpc, session.artifacts)
        if found.drift:
            _print_verification(session, found, session.config.name)
            raise Drifted(
                f"{session.config.name}: not handed over while {len(found.drift)} things differ from the file"
            )
    plan = draw_handover(blueprint, signer.address, session.artifacts)
    rehearsed, _ = _rehearse(session, signer.address, plan)
    governor = session.config.content.roles.governor
    for line in warnings(session.config, session.rpc):
        session.console.print(f"[yellow]warning[/] {line}", soft_wrap=True)
    session.console.print(
        f"governor {governor.address}: every role behind {governor.delay} s, confirming behind "
        f"{governor.confirm_delay} s; deployer {signer.address}: renounces all of it, for good",
        highlight=False,
        soft_wrap=True,
    )
    _print_cost(session, signer.address, rehearsed)
    if dry_run:
        return None
    _confirm(ask, "Hand over?")
    unlock()
    with _sender(session, signer, "handover", plan, patience) as sender:
        done = _execute(session, plan, sender)
    mined = done[0].mined
    record["handover"] = {"transaction": mined.hash, "block": mined.block} if mined else {"transaction": None}
    write_record(record, session.record_file)
    state = read_authority(session.rpc, session.reader, blueprint.deployment["Authority"], deployed_since(record))
    held = holdings_of(signer.address, state)
    if held:
        raise Drifted(f"{signer.address} still holds {', '.join(held)}")
    session.console.print(
        f"{signer.address} holds no role and nothing that is scheduled", highlight=False, soft_wrap=True
    )
    run_verify(session)
    return record


# ------------------------------------------------------------------------------------------------------------ the parts


def _rehearse(
    session: Session, deployer: str, plan: Plan, *, is_whole: bool = False
) -> tuple[Sequence[Done], Verification | None]:
    """What is left of the plan, done on a fork; and, of a whole deployment, what verification says there."""
    with fork_of(session.uri, session.config.content.network.chain_id) as fork:
        sender = ForkSender(fork.rpc, deployer, ContractAbi(*session.artifacts.values()))
        reader = Reader(fork.rpc, session.artifacts)
        ensure_proxy(sender)
        done = execute(plan, sender, Effects(reader, plan), confirmations=0)
        if not is_whole:
            return done, None
        blueprint = draw_blueprint(session.config, deployer, session.artifacts)
        record = make_record(blueprint, done, reader)
        if session.record_file.exists():
            record["handover"] = session.record()["handover"]
        return done, verify(blueprint, record, fork.rpc, session.artifacts)


def _print_plan(session: Session, plan: Plan, rehearsed: Sequence[Done]) -> None:
    table = Table("", "step", "gas", box=None)
    for number, (step, done) in enumerate(zip(plan.steps, rehearsed, strict=True), 1):
        table.add_row(str(number), step.label, f"{done.mined.gas:,}" if done.mined else "done already")
    session.console.print(table)


def _print_cost(session: Session, deployer: str, rehearsed: Sequence[Done]) -> None:
    gas = sum(done.mined.gas for done in rehearsed if done.mined is not None)
    price = int(session.rpc.call("eth_gasPrice"), 16)
    cost = gas * price * COST_MARGIN_PERCENT // 100
    balance = int(session.rpc.call("eth_getBalance", deployer, "latest"), 16)
    dear, held = format_units(cost, ETHER_DECIMALS), format_units(balance, ETHER_DECIMALS)
    session.console.print(
        f"{gas:,} gas at {format_units(price, GWEI_DECIMALS)} gwei: {dear} of the chain's coin with a margin of a half "
        f"(an L2 adds its data fee); {deployer} has {held}",
        highlight=False,
        soft_wrap=True,
    )
    if balance < cost:
        session.console.print(f"[yellow]warning[/] {deployer} has less than that", soft_wrap=True)


def _print_verification(session: Session, found: Verification, what: str) -> None:
    for note in found.notes:
        session.console.print(f"note: {note}", highlight=False, soft_wrap=True)
    if not found.drift:
        session.console.print(f"{what}: {len(found.rows)} compared, all as file and record say", highlight=False)
        return
    table = Table("area", "what", "expected", "found", box=None, title=f"drift of {what}", title_justify="left")
    for row in found.drift:
        table.add_row(row.area, row.what, row.expected, row.found)
    session.console.print(table)


def _confirm(ask: Ask, question: str) -> None:
    if not ask(question):
        raise Declined("declined; nothing was sent")


def _execute(session: Session, plan: Plan, sender: Sender) -> Sequence[Done]:
    def tell(number: int, step: Step, how: str) -> None:
        session.console.print(f"{number + 1}/{len(plan.steps)} {how}: {step.label}", highlight=False, soft_wrap=True)

    confirmations = session.config.content.network.confirmations
    return execute(plan, sender, Effects(Reader(sender.rpc, session.artifacts), plan), confirmations, tell)


def _sender(session: Session, signer: Signer, command: str, plan: Plan, patience: Patience) -> Sender:
    chain_id = session.config.content.network.chain_id
    journal = Journal(session.journal_file(command), plan=plan.digest, chain_id=chain_id)
    return Sender(session.rpc, signer, journal, chain_id, patience, ContractAbi(*session.artifacts.values()))
