"""A keeper in a process of its own, as an operator runs it: started, killed, starved of disk, watched by its log."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from closeout.chain.signing import KeySigner
from closeout.toolchain.settings import ROOT
from tests.chaos.market import Prepared
from tests.chaos.node import ChaosNode

__all__ = ["KEY", "KeeperProcess", "write_settings"]

KEY = "0x" + "c1" * 32
CHAIN_ID = 31337
OWNER = KeySigner(KEY, CHAIN_ID).address
STOP_SECONDS = 20.0
UNLIMITED = resource.RLIM_INFINITY
# An offset of the machine's clock, read again and again: the process has the wrong time, the chain the right one.
SKEW = """
import os, time
_true, _file = time.time, os.environ["CHAOS_CLOCK"]
def _skewed():
    try:
        return _true() + float(open(_file).read() or 0)
    except (OSError, ValueError):
        return _true()
time.time = _skewed
"""

SETTINGS = """
name: chaos
chain_id: {chain_id}
database: {folder}/keeper.db
node: {{urls: ["{http}"], ws: "{ws}", poll: 1, timeout: 2}}
contracts:
  vault: "{vault}"
  lens: "{lens}"
  flash_liquidator: "{flash}"
  uniswap_factory: "{factory}"
  native_token: "{weth}"
planner: {{least_profit: {least_profit}, verify_blocks: 5, verify_accounts: 20}}
ceilings: {{gas: {gas}, loss: {loss}, streak: 8, pause: 3}}
fees: {{stuck_blocks: 2}}
in_flight: 24
metrics_port: 0
"""


def write_settings(
    folder: Path, prepared: Prepared, http: str, ws: str, *, least_profit: int, gas_ceiling: str, loss_ceiling: int
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    world, flash = prepared.flash.world, prepared.flash
    text = SETTINGS.format(
        chain_id=CHAIN_ID, folder=folder, http=http, ws=ws, vault=world.vault.address, lens=world.lens.address,
        flash=flash.contract.address, factory=flash.trading.uniswap.factory, weth=world.weth.token.address,
        least_profit=least_profit, gas=gas_ceiling, loss=loss_ceiling,
    )  # fmt: skip
    place = folder / "keeper.yaml"
    place.write_text(text)
    return place


class KeeperProcess:
    """`scripts/keeper.py` on a settings file; its folder holds database, log and what it printed."""

    def __init__(self, settings: Path) -> None:
        self.settings, self.folder = settings, settings.parent
        self.log_file, self.printed = self.folder / "keeper.log", self.folder / "printed"
        self.clock_file = self.folder / "clock"
        (self.folder / "python").mkdir(exist_ok=True)
        (self.folder / "python" / "sitecustomize.py").write_text(SKEW)
        self._process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def database(self) -> Path:
        return self.folder / "keeper.db"

    def start(self) -> None:
        command = [sys.executable, str(ROOT / "scripts/keeper.py"), "--settings", str(self.settings)]
        environment = os.environ | {
            "KEEPER_PRIVATE_KEY": KEY,
            "PYTHONPATH": os.pathsep.join([str(self.folder / "python"), str(ROOT)]),
            "CHAOS_CLOCK": str(self.clock_file),
        }
        with self.printed.open("ab") as printed:
            self._process = subprocess.Popen(
                [*command, "--log", str(self.log_file)], stdin=subprocess.DEVNULL, stdout=printed, stderr=printed,
                env=environment, cwd=ROOT, start_new_session=True,
            )  # fmt: skip
        self.starts += 1

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_ready(self, seconds: float = 120.0) -> None:
        """Until it worked on a block."""
        before = len(self.events("block"))
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if len(self.events("block")) > before:
                return
            if not self.is_running:
                break
            time.sleep(0.1)
        raise AssertionError(f"the keeper did not get going: {self.printed.read_text()[-2000:]}")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the keeper did not end on SIGTERM") from None

    def end(self) -> None:
        """Whatever it does: gone."""
        with contextlib.suppress(ProcessLookupError):
            self.kill()

    def limit_files(self, size: int | None) -> None:
        """A disk that is full: no file of the process grows beyond this; None: there is room again."""
        assert self._process is not None
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (UNLIMITED if size is None else size, UNLIMITED))

    def skew(self, seconds: float) -> None:
        self.clock_file.write_text(str(seconds))

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """What it logged; a line that was cut by a kill is left out."""
        if not self.log_file.exists():
            return []
        found = []
        for line in self.log_file.read_text(errors="replace").splitlines():
            try:
                item = json.loads(line)
            except ValueError:
                continue
            if name is None or item.get("event") == name:
                found.append(item)
        return found

    def transactions(self, what: str) -> list[dict[str, Any]]:
        return [item for item in self.events("transaction") if item["what"] == what]


def keeper_balance(node: ChaosNode) -> int:
    return int(node.call("eth_getBalance", OWNER, "latest"), 16)
