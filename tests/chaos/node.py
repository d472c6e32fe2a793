"""An Anvil of the chaos tests' own: blocks by the second, killed and started again on its state."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from closeout.chain.anvil import end, find_anvil, free_port
from closeout.chain.http import HttpClient
from closeout.chain.rpc import IpcClient
from closeout.errors import EnvironmentProblem, NodeError

__all__ = ["ChaosNode"]

START_SECONDS = 30.0
STOP_SECONDS = 20.0
GAS_LIMIT = 30_000_000
PREPARING_GAS_LIMIT = 60_000_000


class ChaosNode:
    """`folder` holds its state and socket. `block_seconds` 0: blocks are mined when asked for."""

    def __init__(
        self, folder: Path, state: Path | None = None, block_seconds: int = 1, genesis: int | None = None
    ) -> None:
        self._folder, self._block_seconds, self._genesis = folder, block_seconds, genesis
        self.port = free_port()
        self._state = folder / "state.json"
        if state is not None:
            shutil.copyfile(state, self._state)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def state(self) -> Path:
        return self._state

    def start(self) -> None:
        socket_path = self._folder / "ipc"
        socket_path.unlink(missing_ok=True)
        mining = ["--block-time", str(self._block_seconds)] if self._block_seconds else ["--no-mining"]
        gas_limit = GAS_LIMIT if self._block_seconds else PREPARING_GAS_LIMIT
        command = [
            str(find_anvil()), "--port", str(self.port), "--ipc", str(socket_path), "--silent", "--auto-impersonate",
            "--gas-limit", str(gas_limit), "--hardfork", "cancun", "--state", str(self._state), "--order", "fees",
            "--accounts", "4", *mining,
        ]  # fmt: skip
        if self._genesis is not None:
            command += ["--timestamp", str(self._genesis), "--base-fee", "0", "--gas-price", "0"]
        with (self._folder / "anvil.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise EnvironmentProblem("anvil: ended at start")
            try:
                self.rpc = IpcClient(socket_path)
                self.rpc.call("eth_chainId")
                return
            except (OSError, NodeError):
                time.sleep(0.05)
        raise EnvironmentProblem("anvil: did not answer")

    def stop(self) -> None:
        """SIGTERM: it writes its state and ends."""
        if self._process is None:
            return
        self.rpc.close()
        end(self._process, STOP_SECONDS)
        self._process = None

    def call(self, method: str, *params: Any) -> Any:
        return self.rpc.call(method, *params)

    def client(self) -> HttpClient:
        return HttpClient([self.http_url])
