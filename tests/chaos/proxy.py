"""A node that misbehaves on purpose: a loopback proxy in front of a real one, for HTTP and websockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

import requests
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect
from websockets.sync.server import Server, ServerConnection, serve

__all__ = ["Proxy"]

TIMEOUT_SECONDS = 3.0
GARBAGE = (b"<html>maintenance</html>", b'{"jsonrpc": "2.0"', b'{"jsonrpc": "2.0", "id": 77, "result": "0x"}', b"[]")
TAGGED = ("latest", "pending")


class Proxy:
    """Everything passes unless one of the attributes says otherwise; they may be changed at any time.

    `spoils`: the part of HTTP requests that are answered by 429, garbage, or not at all, in turn. `lag`: blocks that
    the node seems to be behind. `drops_every`: seconds after which every websocket is cut.
    """

    def __init__(self, upstream_http: str, upstream_ws: str, seed: int = 0) -> None:
        self.upstream_http, self.upstream_ws = upstream_http, upstream_ws
        self.spoils, self.lag, self.drops_every = 0.0, 0, 0.0
        self.spoiled, self.dropped = {"429": 0, "garbage": 0, "timeout": 0}, 0
        self._random = Random(seed)
        self._stop = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = proxy._answer(body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                """Quiet."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._ws: Server = serve(self._relay, "127.0.0.1", 0)
        for target in (self._http.serve_forever, self._ws.serve_forever):
            threading.Thread(target=target, daemon=True).start()

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._ws.socket.getsockname()[1]}"

    def close(self) -> None:
        self._stop.set()
        self._http.shutdown()
        self._http.server_close()
        self._ws.shutdown()

    # ------------------------------------------------------------------------------------------------------------ HTTP

    def _answer(self, body: bytes) -> tuple[int, bytes]:
        if self.spoils and self._random.random() < self.spoils:
            return self._spoil()
        try:
            message = json.loads(body)
            if self.lag:
                return 200, json.dumps(self._lagged(message)).encode()
            response = requests.post(self.upstream_http, data=body, headers=_JSON, timeout=30)
            return response.status_code, response.content
        except requests.RequestException:
            return 502, b"bad gateway"

    def _spoil(self) -> tuple[int, bytes]:
        kind = self._random.choice(list(self.spoiled))
        self.spoiled[kind] += 1
        if kind == "429":
            return 429, b'{"error": "too many requests"}'
        if kind == "timeout":
            self._stop.wait(TIMEOUT_SECONDS)
        garbage = (
            b"<html>maintenance</html>",
            b'{"jsonrpc": "2.0"',
            b'{"jsonrpc": "2.0", "id": 77, "result": "0x"}',
            b"[]",
        )
        return 200, self._random.choice(garbage)

    # ------------------------------------------------------------------------------------------------------------- lag

    def _lagged(self, message: Any) -> Any:
        """The answers of a node that has not seen the newest blocks; what it is sent, it passes on."""
        head = max(0, int(self._ask("eth_blockNumber", [])["result"], 16) - self.lag)
        messages = message if isinstance(message, list) else [message]
        answers = [self._lagged_one(item, head) for item in messages]
        return answers if isinstance(message, list) else answers[0]

    def _lagged_one(self, item: dict[str, Any], head: int) -> dict[str, Any]:
        method, params = item["method"], [hex(head) if value in TAGGED else value for value in item["params"]]
        if method == "eth_blockNumber":
            return {"jsonrpc": "2.0", "id": item["id"], "result": hex(head)}
        answer = self._ask(method, params) | {"id": item["id"]}
        result = answer.get("result")
        if isinstance(result, dict) and method in ("eth_getTransactionReceipt", "eth_getBlockByNumber"):
            number = result.get("blockNumber") or result.get("number")
            if int(number, 16) > head:
                answer["result"] = None
        return answer

    def _ask(self, method: str, params: list[Any]) -> dict[str, Any]:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: dict[str, Any] = requests.post(self.upstream_http, json=request, timeout=30).json()
        return answer

    # ------------------------------------------------------------------------------------------------------- websockets

    def _relay(self, client: ServerConnection) -> None:
        try:
            with connect(self.upstream_ws, proxy=None) as upstream:
                threading.Thread(target=_pass_on, args=(client.recv, upstream.send), daemon=True).start()
                threading.Thread(target=_pass_on, args=(upstream.recv, client.send), daemon=True).start()
                born = time.monotonic()
                while not self._stop.wait(0.1):
                    if client.state.name != "OPEN" or upstream.state.name != "OPEN":
                        return
                    if self.drops_every and time.monotonic() - born > self.drops_every:
                        self.dropped += 1
                        # so that both ends hear of it: closing alone waits for the thread that reads
                        client.socket.shutdown(socket.SHUT_RDWR)
                        return
        except (OSError, WebSocketException):
            return


_JSON = {"Content-Type": "application/json"}


def _pass_on(receive: Callable[[], Any], send: Callable[[Any], None]) -> None:
    try:
        while True:
            send(receive())
    except (ConnectionClosed, OSError):
        return
