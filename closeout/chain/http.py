"""JSON-RPC over HTTP to nodes that may be slow, rate limited, wrong or dead: answers are checked before they are
believed.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any
from urllib.parse import urlsplit

import requests

from closeout.chain.rpc import RpcError
from closeout.errors import BadInput, NodeError

__all__ = ["HttpClient", "NodeBusy"]

CONNECT_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
TOO_MANY_REQUESTS = 429


class NodeBusy(NodeError):
    """The node limits the rate of requests, or says that it is overloaded."""


class HttpClient:
    """Several nodes of one chain, used in their order: the first that answers. `call` and `call_many` as IpcClient's.

    A request that fails in a way that another try may mend (no answer, nonsense, a rate limit) is sent again, to the
    next node, up to `tries` times; so only what may be sent twice should be sent at all. Errors that the node itself
    reports are final. `failures` counts what went wrong, by kind: "busy", "nonsense", "silent".
    """

    def __init__(
        self,
        urls: Sequence[str],
        timeout_seconds: float = 10.0,
        tries: int = 4,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        for i, url in enumerate(urls):
            if not url.startswith(("http://", "https://")):
                raise BadInput(f"urls.{i}", url, "an address that starts with http:// or https://")
        if not urls:
            raise BadInput("urls", [], "at least one address")
        self.urls = list(urls)
        self.failures = {"busy": 0, "nonsense": 0, "silent": 0}
        self._timeout = (min(CONNECT_SECONDS, timeout_seconds), timeout_seconds)
        self._tries = max(tries, 1)
        self._sleep = sleep
        self._random = Random()
        self._ids = itertools.count()
        self._session = requests.Session()
        # the environment's proxies are for the internet, not for a node beside us
        self._session.trust_env = False

    def call(self, method: str, *params: Any) -> Any:
        """One request. Raises RpcError where the node answers with an error, NodeError where none answers."""
        return self.call_many([(method, params)])[0]

    def call_many(self, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several requests in one message, answers in the same order. Raises RpcError at the first error."""
        answers = self.answers(requests_)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise answer
        return answers

    def answers(self, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """As `call_many`, with each error in the place of the answer."""
        if not requests_:
            return []
        pause = FIRST_PAUSE_SECONDS
        for attempt in itertools.count(1):
            try:
                return self._exchange(self.urls[0], requests_)
            except NodeError:
                # the next one from now on: it stays first as long as it answers
                self.urls.append(self.urls.pop(0))
                if attempt >= self._tries:
                    raise
            self._sleep(pause * (0.5 + self._random.random()))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._session.close()

    # ---------------------------------------------------------------------------------------------------------- inside

    def _exchange(self, url: str, requests_: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        ids = [next(self._ids) for _ in requests_]
        messages = [
            {"jsonrpc": "2.0", "id": id_, "method": method, "params": list(params)}
            for id_, (method, params) in zip(ids, requests_, strict=True)
        ]
        body = self._post(url, messages[0] if len(messages) == 1 else messages)
        items = body if isinstance(body, list) else [body]
        found = {item.get("id"): item for item in items if isinstance(item, dict)}
        if len(items) == 1 and len(ids) > 1 and "error" in items[0]:
            raise self._failed("busy", f"{_shown(url)}: refuses a batch: {items[0]['error']}", NodeBusy)
        answers: list[Any] = []
        for id_, (method, _) in zip(ids, requests_, strict=True):
            item = found.get(id_)
            if item is None or ("result" in item) == ("error" in item and item["error"] is not None):
                raise self._failed("nonsense", f"{_shown(url)}: answers {method} with something else than JSON-RPC")
            error = item.get("error")
            if error is None:
                answers.append(item["result"])
            elif not isinstance(error, dict):
                raise self._failed("nonsense", f"{_shown(url)}: answers {method} with an error that is none: {error!r}")
            elif _is_rate_limit(error):
                raise self._failed("busy", f"{_shown(url)}: {error.get('message')}", NodeBusy)
            else:
                answers.append(RpcError(method, error))
        return answers

    def _post(self, url: str, message: Any) -> Any:
        try:
            response = self._session.post(url, json=message, timeout=self._timeout)
        except requests.RequestException as error:
            raise self._failed("silent", f"{_shown(url)}: does not answer ({type(error).__name__})") from None
        if response.status_code == TOO_MANY_REQUESTS or response.status_code >= 500:
            raise self._failed("busy", f"{_shown(url)}: HTTP {response.status_code}", NodeBusy)
        try:
            return response.json()
        except requests.JSONDecodeError:
            raise self._failed("nonsense", f"{_shown(url)}: answers with something else than JSON") from None

    def _failed(self, kind: str, text: str, error: type[NodeError] = NodeError) -> NodeError:
        self.failures[kind] += 1
        return error(text)


def _is_rate_limit(error: dict[str, Any]) -> bool:
    # -32005: "limit exceeded" of EIP-1474
    return error.get("code") in (-32005, TOO_MANY_REQUESTS)


def _shown(url: str) -> str:
    """A node's address without its path and query, where providers put the key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
