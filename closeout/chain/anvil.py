"""A local Anvil chain of our own: started for a purpose, ended with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from closeout.chain.rpc import IpcClient
from closeout.errors import EnvironmentProblem
from closeout.toolchain.settings import ROOT, compiler_settings

__all__ = ["Anvil", "end", "find_anvil", "free_port"]

START_SECONDS = 20.0
STOP_SECONDS = 5.0
# A scenario opens all accounts in one block; a real chain would take several.
GAS_LIMIT = "2000000000"
# Mines when told, for anybody, at no cost.
QUIET = ("--no-mining", "--auto-impersonate", "--base-fee", "0", "--gas-price", "0", "--gas-limit", GAS_LIMIT)
# What Ethereum and its testnets have a block, in 2026.
PUBLIC_GAS_LIMIT = "60000000"


def find_anvil() -> Path:
    """The Anvil binary: on PATH, in the virtual environment or in npm's package. Raises EnvironmentProblem."""
    candidates = [
        shutil.which("anvil"),
        ROOT / ".venv/bin/anvil",
        *ROOT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"),
    ]
    for candidate in candidates:
        if candidate and Path(candidate).exists():
            return Path(candidate)
    raise EnvironmentProblem("anvil: not found on PATH, in .venv or in node_modules; `make setup` installs it")


def end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Asks a process to end; after so many seconds it is killed."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Anvil:
    """A context manager: a fresh chain with manual mining, reached over IPC, gone when left, also on an interrupt.

    `port` 0 takes a free one; of past states the last `states` (at least 1) can be read. With `block_time` it mines by
    itself, every so many seconds (0: whenever there is a transaction), and asks for fees and signatures as a public
    chain does.
    Raises EnvironmentProblem where a wanted port is busy or Anvil does not start.
    """

    def __init__(
        self,
        port: int = 0,
        chain_id: int = 31337,
        states: int = 64,
        extra: tuple[str, ...] = (),
        block_time: float | None = None,
    ) -> None:
        self._wanted_port = port
        self._chain_id = chain_id
        self._states = states
        self._extra = extra
        interval = ("--block-time", str(block_time)) if block_time else ()
        self._mining = QUIET if block_time is None else ("--gas-limit", PUBLIC_GAS_LIMIT, *interval)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        binary = find_anvil()
        self.port = self._wanted_port or free_port()
        if self._wanted_port and _is_busy(self._wanted_port):
            raise EnvironmentProblem(f"port {self._wanted_port}: busy, expected a free one")
        self._folder = Path(tempfile.mkdtemp(prefix="closeout-anvil-"))
        socket_path = self._folder / "ipc"
        log_path = self._folder / "log"
        command = [
            str(binary), "--ipc", str(socket_path), "--port", str(self.port), "--chain-id", str(self._chain_id),
            "--silent", "--order", "fifo", *self._mining, "--hardfork", compiler_settings().evm_version,
            # else Anvil writes a state per block to disk, in the user's home, and leaves it there when it is killed
            "--prune-history", str(self._states), *self._extra,
        ]  # fmt: skip
        with log_path.open("wb") as log:
            # a session of its own: Ctrl-C in the terminal reaches us, and we end the chain in order
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
        try:
            self.rpc = _connect(self._process, socket_path, log_path)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.rpc.close()
        self._stop()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            end(self._process, STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _connect(process: subprocess.Popen[bytes], socket_path: Path, log_path: Path) -> IpcClient:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EnvironmentProblem(f"anvil: ended at start: {log_path.read_text().strip()[-300:]}")
        try:
            rpc = IpcClient(socket_path)
            rpc.call("eth_chainId")
            return rpc
        except OSError:
            time.sleep(0.02)
    raise EnvironmentProblem(f"anvil: did not answer within {START_SECONDS:.0f} s")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_busy(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _environment() -> dict[str, str]:
    # Foundry reads configuration from variables of its own; a fresh chain must not depend on the caller's
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOUNDRY_", "DAPP_", "ANVIL_"))}
    # on two processors it has two threads: a fork that mines and answers at once has both of them wait for its origin,
    # and none to hear the answer
    return kept | {"TOKIO_WORKER_THREADS": "8"}
