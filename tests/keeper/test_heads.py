"""New heads: told at once where there is a websocket, asked for where there is none, and a cut connection is made
again.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from closeout.chain.heads import Heads
from closeout.errors import BadInput

LONG = 30.0


class FakeNode:
    """Announces a block when told to; cuts connections when told to."""

    def __init__(self) -> None:
        self.connections: list[ServerConnection] = []
        self.subscribed = threading.Event()
        self.server: Server = serve(self._serve, "127.0.0.1", 0)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def _serve(self, connection: ServerConnection) -> None:
        request = json.loads(connection.recv())
        assert request["params"] == ["newHeads"]
        connection.send(json.dumps({"jsonrpc": "2.0", "id": 1, "result": "0x1"}))
        self.connections.append(connection)
        self.subscribed.set()
        try:
            while True:
                connection.recv()
        except ConnectionClosed:
            return

    def announce(self, text: str | None = None) -> None:
        head = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x1", "result": {}}}
        self.connections[-1].send(text or json.dumps(head))

    def cut(self) -> None:
        self.subscribed.clear()
        self.connections[-1].socket.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def node() -> Iterator[FakeNode]:
    made = FakeNode()
    yield made
    made.server.shutdown()


def subscribed(node: FakeNode) -> None:
    assert node.subscribed.wait(LONG)


def test_head__announced__ends_the_wait(node: FakeNode) -> None:
    with Heads(node.url) as heads:
        subscribed(node)
        # the subscription itself counts as news: what came before it was not heard
        heads.wait(LONG)
        node.announce()
        began = time.monotonic()
        heads.wait(LONG)
        assert time.monotonic() - began < LONG


def test_connection__cut__is_made_again_and_counts_as_news(node: FakeNode) -> None:
    with Heads(node.url) as heads:
        subscribed(node)
        heads.wait(LONG)
        node.cut()
        subscribed(node)
        heads.wait(LONG)
        assert heads.connections == 2
        node.announce()
        heads.wait(LONG)


def test_garbage__on_the_websocket__is_no_news_and_no_end(node: FakeNode) -> None:
    with Heads(node.url) as heads:
        subscribed(node)
        heads.wait(LONG)
        node.announce("<html>")
        # what is no JSON ends the connection, and another one is made
        subscribed(node)
        deadline = time.monotonic() + LONG
        while heads.connections < 2 and time.monotonic() < deadline:
            heads.wait(0.05)
        assert heads.connections == 2


def test_node__without_a_websocket__is_asked_when_the_time_is_up() -> None:
    with Heads(None) as heads:
        heads.wait(0.01)
    assert heads.connections == 0


def test_node__dead__costs_no_more_than_the_wait() -> None:
    with Heads("ws://127.0.0.1:9") as heads:
        heads.wait(0.01)
    assert heads.connections == 0


def test_wait__can_be_ended_by_who_wants_to_stop() -> None:
    with Heads(None) as heads:
        threading.Timer(0.05, heads.wake).start()
        heads.wait(LONG)


def test_address__of_another_kind__is_refused() -> None:
    with pytest.raises(BadInput, match="ws_url: found 'http://x'"):
        Heads("http://x")
