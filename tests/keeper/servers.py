"""HTTP servers on loopback that answer as they are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Answer", "FakeServer", "raw", "result"]

Answer = Callable[[Any], tuple[int, bytes]]


def result(value: object) -> Answer:
    def answer(message: Any) -> tuple[int, bytes]:
        items = message if isinstance(message, list) else [message]
        found = [{"jsonrpc": "2.0", "id": item["id"], "result": value} for item in items]
        return 200, json.dumps(found if isinstance(message, list) else found[0]).encode()

    return answer


def raw(status: int, body: bytes) -> Answer:
    return lambda _message: (status, body)


class FakeServer:
    """Answers with the next of `answers`, and with the last one for ever."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [result("0x1")]
        self.seen: list[Any] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.seen.append(message)
                answer = fake.answers.pop(0) if len(fake.answers) > 1 else fake.answers[0]
                status, body = answer(message)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"
