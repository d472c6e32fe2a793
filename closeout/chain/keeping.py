"""A whole keeper on a node, from its settings: reader, watch-list, brain, sender, and who watches."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from rich.console import Console

from closeout.chain.heads import Heads
from closeout.chain.http import HttpClient
from closeout.chain.intents import IntentEncoder
from closeout.chain.inventory import Inventory, asset_names
from closeout.chain.pools import PoolReader
from closeout.chain.reader import NodeReader
from closeout.chain.sending import NodeSender
from closeout.errors import BadInput, EnvironmentProblem
from closeout.keeper.brain import BrainSettings
from closeout.keeper.brain import Keeper as Brain
from closeout.keeper.observers import Alerts, AssetName, JsonLog, Metrics, Panel, SenderView, Thresholds, Webhook
from closeout.keeper.outbox import SqlOutbox
from closeout.keeper.paper import PaperSender
from closeout.keeper.sender import Sender
from closeout.keeper.sending import Signer
from closeout.keeper.service import Observer, Service
from closeout.keeper.settings import KeeperSettings, planner_settings, sender_options
from closeout.keeper.store import Store
from closeout.keeper.watchlist import WatchList
from closeout.toolchain.artifacts import Artifact, load

__all__ = ["NOBODY", "SOURCES", "Share", "run_keeper", "service"]

# What a keeper knows of the contracts: their interfaces, and errors by name.
SOURCES = (
    "contracts/Vault.sol",
    "contracts/VaultExtension.sol",
    "contracts/LiquidationEngine.sol",
    "contracts/periphery/Lens.sol",
    "contracts/periphery/FlashLiquidator.sol",
    "contracts/mocks/TestToken.sol",
    "interfaces/IVault.sol",
)
# Where a paper keeper pretends to be: an address that holds nothing.
NOBODY = "0x" + "00" * 18 + "feed"


@dataclass(frozen=True, slots=True)
class Share:
    """Of `workers` that share the accounts out by hash, the one of this number."""

    worker: int = 0
    workers: int = 1


@dataclass(frozen=True)
class _Parts:
    rpc: HttpClient
    service: Service
    panel: Panel
    metrics: Metrics


@contextlib.contextmanager
def service(
    settings: KeeperSettings,
    signer: Signer | None,
    console: Console,
    log: TextIO | None = None,
    share: Share | None = None,
    artifacts: Mapping[str, Artifact] | None = None,
) -> Iterator[_Parts]:
    """Everything connected, nothing sent yet. No signer: on paper. Raises CloseoutError."""
    share = share or Share()
    database = settings.database
    with contextlib.ExitStack() as stack:
        _lock(database, stack)
        artifacts = artifacts or load(only=SOURCES, log=None)
        rpc = HttpClient(settings.node.urls, float(settings.node.timeout))
        stack.callback(rpc.close)
        _check_chain(rpc, settings)
        contracts = settings.contracts
        pools = PoolReader(rpc, contracts.uniswap_factory) if contracts.uniswap_factory else None
        reader = NodeReader(rpc, artifacts, contracts.vault, contracts.lens, pools, has_data_fee=settings.node.data_fee)
        assets = reader.configuration(reader.head()).assets
        tokens = [asset.token for asset in assets]
        if contracts.native_token not in tokens:
            raise BadInput("contracts.native_token", contracts.native_token, f"one of {', '.join(tokens)}")
        if pools is not None:
            pools.find(tokens)
        names = asset_names(rpc, artifacts, tokens, [asset.parameters.decimals for asset in assets])
        store = Store(database, contracts.vault, settings.chain_id)
        stack.callback(store.close)
        choices = settings.planner
        brain = Brain(
            reader,
            WatchList(reader, store, contracts.first_block),
            BrainSettings(
                planner_settings(settings), choices.verify_blocks, choices.verify_accounts, share.worker, share.workers
            ),
        )
        relay = HttpClient([settings.node.relay], float(settings.node.timeout)) if settings.node.relay else None
        node = NodeSender(rpc, artifacts, relay)
        encoder = IntentEncoder(artifacts, contracts.vault, contracts.flash_liquidator)
        options = sender_options(settings)
        worker: Sender | PaperSender
        if signer is None:
            worker = PaperSender(node, encoder, NOBODY, options.fees)
        else:
            outbox = SqlOutbox(database, signer.address)
            stack.callback(outbox.close)
            worker = Sender(node, signer, encoder, outbox, options)
        inventory = Inventory(rpc, artifacts, tokens, worker.address, contracts.vault)
        uses_inventory = signer is not None and choices.funding != "flash"
        observers, panel, metrics = _observers(settings, worker, names, rpc, console, log, share, stack)

        def prepare() -> None:
            if uses_inventory:
                brain.inventory = inventory.refresh()

        yield _Parts(
            rpc,
            Service(
                reader,
                brain,
                worker,
                tokens.index(contracts.native_token),
                observers,
                inventory.jobs if uses_inventory else tuple,
                prepare,
            ),
            panel,
            metrics,
        )


def run_keeper(
    settings: KeeperSettings,
    signer: Signer | None,
    console: Console,
    stop: threading.Event,
    log: TextIO | None = None,
    share: Share | None = None,
) -> None:
    """Until `stop`. Raises CloseoutError where it cannot begin, or cannot go on."""
    with service(settings, signer, console, log, share) as parts:
        if settings.metrics_port:
            server = parts.metrics.serve(settings.metrics_port)
            try:
                _run(settings, parts, stop)
            finally:
                server.shutdown()
        else:
            _run(settings, parts, stop)


def _run(settings: KeeperSettings, parts: _Parts, stop: threading.Event) -> None:
    with Heads(settings.node.ws) as heads, parts.panel:

        def wake() -> None:
            stop.wait()
            heads.wake()

        threading.Thread(target=wake, name="stopper", daemon=True).start()
        parts.service.run(heads, stop, float(settings.node.poll))


def _observers(
    settings: KeeperSettings,
    worker: Sender | PaperSender,
    names: list[AssetName],
    rpc: HttpClient,
    console: Console,
    log: TextIO | None,
    share: Share,
    stack: contextlib.ExitStack,
) -> tuple[list[Observer], Panel, Metrics]:
    title = settings.name + (f" {share.worker + 1} of {share.workers}" if share.workers > 1 else "")
    thresholds = Thresholds(float(settings.alerts.silence), float(settings.alerts.age))
    json_log = JsonLog(log) if log is not None else None

    def failures() -> Mapping[str, int]:
        return rpc.failures

    if isinstance(worker, Sender):
        sender = worker
        view = SenderView(lambda: len(sender.book.open), sender.state, sender.spent)
        panel = Panel(console, f"keeper {title}", names, sender.state, sender.spent)
    else:
        view = None
        panel = Panel(console, f"keeper {title}, on paper", names)
    metrics = Metrics(names, view, failures)
    observers: list[Observer] = [metrics, panel]
    if json_log is not None:
        observers.append(json_log)
    if settings.alerts.webhook is not None:
        webhook = Webhook(settings.alerts.webhook, title)
        stack.callback(webhook.close)
        observers.append(Alerts(names, webhook, thresholds, view.trip if view else lambda: None))
    return observers, panel, metrics


def _lock(database: Path, stack: contextlib.ExitStack) -> None:
    """One process per database: two would undo each other's steps."""
    place = database.with_name(database.name + ".lock")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle = stack.enter_context(place.open("a+"))
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        raise EnvironmentProblem(f"{database}: in use by process {handle.read().strip() or 'unknown'}") from None
    except OSError as error:
        raise EnvironmentProblem(f"{database}: {error.strerror}") from None
    with contextlib.suppress(OSError):
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()


def _check_chain(rpc: HttpClient, settings: KeeperSettings) -> None:
    found = int(rpc.call("eth_chainId"), 16)
    if found != settings.chain_id:
        raise BadInput("chain_id", settings.chain_id, f"{found}, which is what {settings.node.urls[0]} says")
    for name in ("vault", "lens", "flash_liquidator", "uniswap_factory"):
        address = getattr(settings.contracts, name)
        if address is not None and rpc.call("eth_getCode", address, "latest") == "0x":
            raise BadInput(f"contracts.{name}", address, f"a contract: there is no code at it on chain {found}")
