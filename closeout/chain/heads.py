"""New blocks as the node announces them over a websocket; where that is silent or gone, the caller asks by himself."""

from __future__ import annotations

import json
import threading
from types import TracebackType
from typing import Self

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from closeout.errors import BadInput

__all__ = ["Heads"]

OPEN_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
# A node that announces nothing for so long may be gone without a word.
SILENCE_SECONDS = 60.0


class Heads:
    """A context manager. `wait` ends when a block was announced since the last wait, and otherwise when its time is up.

    What is announced is not believed: it says when to look. So a connection that drops costs at most the time of one
    `wait`, and is made again in the background.
    """

    def __init__(self, url: str | None) -> None:
        if url is not None and not url.startswith(("ws://", "wss://")):
            raise BadInput("ws_url", url, "an address that starts with ws:// or wss://")
        self._url = url
        self._news = threading.Event()
        self._stop = threading.Event()
        self._connection: Connection | None = None
        self._thread = threading.Thread(target=self._listen, name="heads", daemon=True)
        self.connections = 0
        """How many times a subscription was made: one more than it was lost."""

    def __enter__(self) -> Self:
        if self._url is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._news.set()
        if self._connection is not None:
            self._connection.close()
        if self._thread.is_alive():
            self._thread.join(OPEN_SECONDS)

    def wait(self, seconds: float) -> None:
        """Until a block is announced, or so many seconds."""
        self._news.wait(seconds)
        self._news.clear()

    def wake(self) -> None:
        """Ends the current wait, from another thread or a signal."""
        self._news.set()

    def _listen(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stop.is_set():
            try:
                self._subscribed()
                pause = FIRST_PAUSE_SECONDS
            except (OSError, WebSocketException, ValueError, TimeoutError):
                self._stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _subscribed(self) -> None:
        assert self._url is not None  # noqa: S101 - the thread runs only with one
        with connect(self._url, open_timeout=OPEN_SECONDS, close_timeout=1, proxy=None) as connection:
            self._connection = connection
            connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]}))
            self.connections += 1
            # blocks that came while there was no connection
            self._news.set()
            while not self._stop.is_set():
                message = json.loads(connection.recv(SILENCE_SECONDS))
                if isinstance(message, dict) and message.get("method") == "eth_subscription":
                    self._news.set()
