"""The keeper as a Silverback bot: blocks, Vault events and oracle events each make it look; what it returns are
metrics.

    silverback run bots.keeper --network ethereum:sepolia:node --account NAME        without --account: on paper

KEEPER_SETTINGS   the settings file                              KEEPER_LOG   structured logs, appended
KEEPER_WORKERS    into how many shares the accounts are divided  KEEPER_WORKER   which share is this process's, from 0

Several workers need a broker that gives every event to every one of them; docs/runbooks/keeper.md shows it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

from ape import Contract, chain
from rich.console import Console
from silverback import SilverbackBot

from closeout.chain.ape import ApeSigner
from closeout.chain.keeping import SOURCES, Share, service
from closeout.chain.signing import AccountSigner
from closeout.keeper.service import Service, figures
from closeout.keeper.settings import load_settings
from closeout.toolchain.artifacts import load

SETTINGS = load_settings(Path(os.environ.get("KEEPER_SETTINGS", "config/keeper/sepolia.yaml")))
SHARE = Share(int(os.environ.get("KEEPER_WORKER", "0")), int(os.environ.get("KEEPER_WORKERS", "1")))
ARTIFACTS = load(only=SOURCES, log=None)
FEED_EVENT = {
    "type": "event",
    "name": "AnswerUpdated",
    "anonymous": False,
    "inputs": [
        {"name": "current", "type": "int256", "indexed": True},
        {"name": "roundId", "type": "uint256", "indexed": True},
        {"name": "updatedAt", "type": "uint256", "indexed": False},
    ],
}

bot = SilverbackBot()
vault = Contract(SETTINGS.contracts.vault, abi=ARTIFACTS["IVault"].abi)
_stack = contextlib.ExitStack()
_turn = threading.Lock()
_working: list[Service] = []  # one, from the start of the process to its end


@bot.on_worker_startup()
def begin(_state: Any) -> None:
    """Everything connected; a share's database is its own."""
    database = SETTINGS.database.with_suffix(f".{SHARE.worker}{SETTINGS.database.suffix}")
    settings = SETTINGS.model_copy(update={"database": database if SHARE.workers > 1 else SETTINGS.database})
    signer = AccountSigner(ApeSigner(bot.signer, bot.provider), SETTINGS.chain_id) if bot.signer else None
    log = os.environ.get("KEEPER_LOG")
    stream = Path(log).open("a", encoding="utf-8") if log else None  # noqa: SIM115 - the stack closes it
    if stream is not None:
        _stack.callback(stream.close)
    parts = _stack.enter_context(service(settings, signer, Console(quiet=True), stream, SHARE, ARTIFACTS))
    if settings.metrics_port:
        server = parts.metrics.serve(settings.metrics_port + SHARE.worker)
        _stack.callback(server.shutdown)
    _working.append(parts.service)


@bot.on_worker_shutdown()
def end(_state: Any) -> None:
    _stack.close()


def look() -> dict[str, int | Decimal]:
    """One look at the newest block; whatever made us look, it is worked on once."""
    with _turn:
        return figures(_working[0].step())


@bot.on_(chain.blocks)
def on_block(block: Any) -> dict[str, int | Decimal]:
    del block
    return look()


# Every close-out accrues what it repaid. Its own event, CloseOut, carries arrays of structs, which Ape
# 0.8.51 cannot decode in a log: subscribed to, it ends the bot.
@bot.on_(vault.Accrued)
def on_accrual(log: Any) -> dict[str, int | Decimal]:
    """Principal of an asset moved: borrowed, repaid, closed out."""
    return look() | {"rate_asset": int(log.assetId), "rate_per_year": int(log.ratePerYear)}


@bot.on_(vault.MarginCalled)
def on_margin_call(log: Any) -> dict[str, int | Decimal]:
    del log
    return look() | {"margin_calls_heard": 1}


@bot.on_(vault.BadDebt)
def on_bad_debt(log: Any) -> dict[str, int | Decimal]:
    return {"bad_debt_units": int(log.amount), "bad_debt_asset": int(log.assetId)}


def on_answer(log: Any) -> dict[str, int | Decimal]:
    """A feed's new price: the next block is looked at when it comes, this one at once."""
    del log
    return look() | {"answers_heard": 1}


for feed in SETTINGS.contracts.feeds:
    bot.on_(Contract(feed, abi=[FEED_EVENT]).AnswerUpdated)(on_answer)
