"""Raw JSON-RPC over a Unix socket: what is hot does not go through Ape or web3 objects."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from closeout.errors import NodeError

__all__ = ["IpcClient", "RpcError", "understood"]


class RpcError(NodeError):
    """The node answered with an error. `data` is the revert data where a call reverted, else None."""

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"{method}: {error.get('message', error)}")
        self.method = method
        self.code = error.get("code")
        data = error.get("data")
        if isinstance(data, dict):
            data = data.get("data")
        self.data: str | None = data if isinstance(data, str) else None


class IpcClient:
    """One connection to a node's IPC socket."""

    def __init__(self, path: Path, timeout_seconds: float = 60.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_seconds)
        self._socket.connect(str(path))
        self._decoder = json.JSONDecoder()
        self._buffer = ""
        self._next_id = 0

    def call(self, method: str, *params: Any) -> Any:
        """One request. Raises RpcError where the node answers with an error, NodeError where it does not answer."""
        return next(self._exchange([(method, params)]))

    def call_many(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several requests in one write, answers in the same order. Raises RpcError at the first error, all read.

        The node may work on them at the same time: none may depend on another.
        """
        return list(self._exchange(requests))

    def close(self) -> None:
        self._socket.close()

    def _exchange(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> Iterator[Any]:
        first = self._next_id
        self._next_id += len(requests)
        text = "".join(
            json.dumps({"jsonrpc": "2.0", "id": first + i, "method": method, "params": list(params)}) + "\n"
            for i, (method, params) in enumerate(requests)
        )
        try:
            self._socket.sendall(text.encode())
            answers: dict[int, Any] = {}
            while len(answers) < len(requests):
                answer = self._read()
                answers[answer["id"]] = answer
        except OSError as error:
            raise NodeError(f"the node does not answer: {error}") from error
        for i, (method, _) in enumerate(requests):
            answer = answers[first + i]
            if "error" in answer:
                raise RpcError(method, answer["error"])
            yield answer["result"]

    def _read(self) -> Any:
        while True:
            text = self._buffer.lstrip()
            if text:
                try:
                    value, end = self._decoder.raw_decode(text)
                except json.JSONDecodeError:
                    pass
                else:
                    self._buffer = text[end:]
                    return value
            chunk = self._socket.recv(1 << 20)
            if not chunk:
                raise NodeError("the node closed the connection")
            self._buffer += chunk.decode()


@contextmanager
def understood(question: str) -> Iterator[None]:
    """What a node answers may be anything: what cannot be read is a NodeError that names the question."""
    try:
        yield
    except NodeError:
        raise
    except Exception as error:
        raise NodeError(f"{question}: an answer that makes no sense ({error!r:.80})") from error
