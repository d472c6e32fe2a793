"""One pass of upkeep as a person or a cron job asks for it: what is due, what was sent, and the table of both."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from closeout.chain.abi import ContractAbi
from closeout.deployment.journal import Journal, Mined
from closeout.deployment.ports import Signer
from closeout.deployment.record import deployed_since
from closeout.deployment.sending import Patience, Sender, TransactionFailed
from closeout.deployment.session import Session
from closeout.errors import BadInput, CloseoutError, EnvironmentProblem
from closeout.keeper.store import Store
from closeout.units import format_units

from .accounts import AccountChores, indebted_accounts
from .chores import Chore, Chores
from .decisions import Judgement, State, clock

__all__ = ["GasTooDear", "Row", "run_upkeep"]

PUBLIC_CHAIN = Patience()
GWEI_DECIMALS = 9
WIDE = 120
"""From so many columns on a transaction's hash is not folded."""

COLOURS = {State.DUE: "green", State.NOT_DUE: "dim", State.FAILED: "yellow"}


class GasTooDear(CloseoutError):
    """Something is due, and gas costs more than the ceiling. Exit status 4: a later pass does it."""

    exit_code = 4


@dataclass
class Row:
    """A chore, whether it is due, and what came of it."""

    chore: Chore
    judgement: Judgement
    done: str = ""
    gas: int = 0
    transaction: str = ""

    @property
    def is_due(self) -> bool:
        return self.judgement.state is State.DUE


def run_upkeep(
    session: Session,
    account: str,
    signer: Signer | None,
    *,
    with_accounts: bool = False,
    most_gas_price: int | None = None,
    unlock: Callable[[], None] = lambda: None,
    patience: Patience = PUBLIC_CHAIN,
) -> Sequence[Row]:
    """Finds what is due as `account` would do it, prints it, and has `signer` send it; None: sends nothing.

    `most_gas_price`: wei; while gas costs more nothing is sent.

    Raises:
        GasTooDear: something due was left for that. BadInput: no record, or another chain's. EnvironmentProblem: the
        node is gone, another pass is at it, nothing could be looked at.
    """
    record = session.record()
    _check_chain(session)
    with contextlib.ExitStack() as stack:
        sender = stack.enter_context(_sender(session, signer, patience)) if signer is not None else None
        chores = _chores(session, account)
        now = chores.now()
        found = list(chores.find())
        if with_accounts:
            with _store(session, is_kept=sender is not None) as store:
                found += _of_accounts(session, chores, deployed_since(record), store)
        earlier = _finished(found, sender) if sender is not None else {}
        rows = [Row(chore, chores.judged(chore)) for chore in found]
        for row in rows:
            if (mined := earlier.get(row.chore.call.label)) is not None:
                row.done, row.gas, row.transaction = "sent by an earlier pass", mined.gas, mined.hash
        due = [row for row in rows if row.is_due]
        try:
            if sender is not None and due:
                _send(chores, due, sender, most_gas_price, unlock)
        finally:
            _print(session, rows, now, is_dry=sender is None)
    failed = [row for row in rows if row.judgement.state is State.FAILED]
    if failed and len(failed) == len(rows):
        raise EnvironmentProblem(f"none of {len(rows)} chores could be looked at: {failed[0].judgement.why}")
    dear = sum(row.done.startswith(TOO_DEAR) for row in due)
    if dear:
        price = format_units(most_gas_price or 0, GWEI_DECIMALS)
        raise GasTooDear(f"{session.config.name}: {dear} of {len(due)} due not sent, gas is above {price} gwei")
    return rows


# ------------------------------------------------------------------------------------------------------------- finding


def _check_chain(session: Session) -> None:
    found = int(session.rpc.call("eth_chainId"), 16)
    wanted = session.config.content.network.chain_id
    if found != wanted:
        raise BadInput("--network", f"chain {found}", f"chain {wanted}, which {session.config.file} is about")


def _chores(session: Session, account: str) -> Chores:
    record = session.record()
    addresses = {item["contract"]: str(item["address"]) for item in record["contracts"]}
    names = {str(item["token"]).lower(): name for name, item in record["assets"].items()}
    return Chores(session.rpc, session.artifacts, addresses, names, account)


def _of_accounts(session: Session, chores: Chores, first_block: int, store: Store) -> list[Chore]:
    console = session.console
    with console.status("accounts") as status:
        indebted = indebted_accounts(
            chores, first_block, store, lambda at, head: status.update(f"accounts: logs up to block {at} of {head}")
        )
        console.print(f"accounts: {len(indebted)} owe something", highlight=False)
        return list(AccountChores(chores).find(indebted))


@contextmanager
def _store(session: Session, *, is_kept: bool) -> Iterator[Store]:
    """Where accounts are kept from one pass to the next; a dry run reads everything and keeps nothing."""
    file: Path | None = session.journal_file("upkeep").with_suffix(".sqlite") if is_kept else None
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    vault = next(item["address"] for item in session.record()["contracts"] if item["contract"] == "Vault")
    store = Store(file, vault, session.config.content.network.chain_id)
    try:
        yield store
    finally:
        store.close()


# ------------------------------------------------------------------------------------------------------------- sending

TOO_DEAR = "not sent: gas costs"


@contextmanager
def _sender(session: Session, signer: Signer, patience: Patience) -> Iterator[Sender]:
    """One pass at a time. A pass that ended leaves no journal: what stands in one is of a pass that did not."""
    chain_id = session.config.content.network.chain_id
    journal = Journal(session.journal_file("upkeep"), plan=f"upkeep by {signer.address}", chain_id=chain_id)
    errors = ContractAbi(*session.artifacts.values())
    with Sender(session.rpc, signer, journal, chain_id, patience, errors) as sender:
        yield sender
        journal.file.unlink(missing_ok=True)


def _finished(chores: Sequence[Chore], sender: Sender) -> dict[str, Mined]:
    """What a pass that did not end had sent, by the label of its call, brought to its end now."""
    finished = {}
    for chore in chores:
        label = chore.call.label
        try:
            mined = sender.finish(label)
        except TransactionFailed:
            continue
        if mined is not None:
            finished[label] = mined
    return finished


def _send(
    chores: Chores, due: Sequence[Row], sender: Sender, most_gas_price: int | None, unlock: Callable[[], None]
) -> None:
    """One after the other, each judged anew: the ones before it, or somebody else, may have done it."""
    is_ready = False
    for row in due:
        price = int(sender.ask("eth_gasPrice"), 16)
        if most_gas_price is not None and price > most_gas_price:
            row.done = f"{TOO_DEAR} {format_units(price, GWEI_DECIMALS)} gwei"
            continue
        if not is_ready:
            _require_free(sender)
            unlock()
            is_ready = True
        now = chores.judged(row.chore)
        if now.state is not State.DUE:
            row.done = f"not sent: {now.why}"
            continue
        _do(chores, row, sender)


def _require_free(sender: Sender) -> None:
    """Behind a transaction that is not ours to wait for, one of ours would take its nonce, or wait for it for ever."""
    latest, pending = (
        int(sender.ask("eth_getTransactionCount", sender.address, place), 16) for place in ("latest", "pending")
    )
    if pending > latest:
        raise EnvironmentProblem(f"{sender.address}: something else sends from it; upkeep wants a key of its own")


def _do(chores: Chores, row: Row, sender: Sender) -> None:
    call = row.chore.call
    mined: Mined | None
    try:
        mined = sender.send(call.label, call.address, call.data)
        row.done = "sent"
    except TransactionFailed as error:
        mined = sender.seen(call.label)
        now = chores.judged(row.chore)
        is_late = now.state is State.NOT_DUE
        row.done = "somebody else was first" if is_late else str(error).removeprefix(f"{call.label}: ")
    if mined is not None:
        row.gas, row.transaction = mined.gas, mined.hash


# ----------------------------------------------------------------------------------------------------------- the table


def _print(session: Session, rows: Sequence[Row], now: int, *, is_dry: bool) -> None:
    console = session.console
    table = Table(box=None, title=f"upkeep of {session.config.name}, {clock(now)} UTC", title_justify="left")
    has_sent = any(row.transaction for row in rows)
    for heading in ("chore", "subject", "is", "why", *(("did", "gas", "transaction") if not is_dry else ("gas",))):
        is_hash = heading == "transaction" and has_sent
        no_wrap = heading in ("chore", "is") or (is_hash and console.width >= WIDE)
        table.add_column(heading, justify="right" if heading == "gas" else "left", overflow="fold", no_wrap=no_wrap)
    for row in rows:
        gas = row.judgement.gas if is_dry and row.is_due else row.gas
        cells = [row.chore.name, row.chore.subject, row.judgement.state.value, row.judgement.why]
        cells += ([] if is_dry else [row.done]) + [f"{gas:,}" if gas else ""] + ([] if is_dry else [row.transaction])
        # a token's name is not markup
        table.add_row(*map(Text, cells), style=COLOURS[row.judgement.state])
    console.print(table, highlight=False)
    console.print(_summary(rows, is_dry=is_dry), highlight=False)


def _summary(rows: Sequence[Row], *, is_dry: bool) -> str:
    due = [row for row in rows if row.is_due]
    failed = sum(row.judgement.state is State.FAILED for row in rows)
    beside = f"; {failed} could not be looked at" if failed else ""
    if not due:
        return f"nothing of {len(rows)} is due{beside}"
    if is_dry:
        return f"{len(due)} of {len(rows)} due, nothing was sent{beside}"
    sent = sum(row.done == "sent" for row in rows)
    gas = sum(row.gas for row in rows)
    return f"{len(due)} of {len(rows)} due, {sent} sent for {gas:,} gas{beside}"
