"""JSON-RPC over HTTP: a node that limits, lies, is silent or dead is a NodeError, and mended by another try or node."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from closeout.chain.http import HttpClient, NodeBusy
from closeout.chain.rpc import RpcError
from closeout.errors import BadInput, NodeError
from tests.keeper.servers import FakeServer, raw, result


@pytest.fixture
def server() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.server.shutdown()


@pytest.fixture
def other() -> Iterator[FakeServer]:
    made = FakeServer()
    yield made
    made.server.shutdown()


def no_sleep(_seconds: float) -> None:
    """The pauses between tries are not what is tested."""


def client(*servers: FakeServer, tries: int = 3) -> HttpClient:
    return HttpClient([item.url for item in servers], timeout_seconds=2, tries=tries, sleep=no_sleep)


BAD = {
    "rate limit": raw(429, b"slow down"),
    "overload": raw(503, b""),
    "page": raw(200, b"<html></html>"),
    "half": raw(200, b'{"jsonrpc": "2.0", "id":'),
    "other id": raw(200, b'{"jsonrpc": "2.0", "id": 999, "result": "0x1"}'),
    "neither": raw(200, b'{"jsonrpc": "2.0", "id": 0}'),
    "both": raw(200, b'{"jsonrpc": "2.0", "id": 0, "result": "0x1", "error": {"code": 1}}'),
    "empty list": raw(200, b"[]"),
    "number": raw(200, b"7"),
    "error that is none": raw(200, b'{"jsonrpc": "2.0", "id": 0, "error": "no"}'),
    "limit as an error": raw(200, b'{"jsonrpc": "2.0", "id": 0, "error": {"code": -32005, "message": "limit"}}'),
}


@pytest.mark.parametrize("name", BAD)
def test_answer__bad_once__is_mended_by_another_try(server: FakeServer, name: str) -> None:
    server.answers = [BAD[name], result("0x2a")]
    rpc = client(server)

    assert rpc.call("eth_chainId") == "0x2a"
    assert sum(rpc.failures.values()) == 1


@pytest.mark.parametrize("name", BAD)
def test_answer__bad_for_ever__is_a_node_error_after_the_tries(server: FakeServer, name: str) -> None:
    server.answers = [BAD[name]]
    with pytest.raises(NodeError):
        client(server, tries=3).call("eth_chainId")
    assert len(server.seen) in (2, 3)


def test_rate_limit__is_told_from_other_troubles(server: FakeServer) -> None:
    server.answers = [BAD["rate limit"]]
    with pytest.raises(NodeBusy, match="HTTP 429"):
        client(server).call("eth_chainId")


def test_error_of_the_node__is_final_and_not_asked_again(server: FakeServer) -> None:
    data = b'{"jsonrpc": "2.0", "id": 0, "error": {"code": 3, "message": "execution reverted", "data": "0xabcd"}}'
    server.answers = [raw(200, data)]
    with pytest.raises(RpcError, match="execution reverted") as caught:
        client(server).call("eth_call")
    assert caught.value.data == "0xabcd"
    assert len(server.seen) == 1


def test_node__dead__the_next_one_answers_and_stays_first(server: FakeServer, other: FakeServer) -> None:
    other.answers = [result("0x2")]
    server.server.shutdown()
    server.server.server_close()
    rpc = client(server, other)

    assert rpc.call("eth_chainId") == "0x2"
    assert rpc.urls[0] == other.url
    assert rpc.call("eth_chainId") == "0x2"
    assert rpc.failures["silent"] == 1


def test_node__silent__is_given_up_after_the_timeout(server: FakeServer, other: FakeServer) -> None:
    never = threading.Event()

    def hang(_message: Any) -> tuple[int, bytes]:
        never.wait(5)
        return 200, b""

    server.answers = [hang]
    other.answers = [result("0x2")]
    rpc = HttpClient([server.url, other.url], timeout_seconds=0.2, sleep=no_sleep)

    assert rpc.call("eth_chainId") == "0x2"
    never.set()


def test_batch__answered_out_of_order__is_put_in_order(server: FakeServer) -> None:
    def backwards(message: Any) -> tuple[int, bytes]:
        return 200, json.dumps(
            [{"jsonrpc": "2.0", "id": item["id"], "result": item["method"]} for item in reversed(message)]
        ).encode()

    server.answers = [backwards]
    assert client(server).call_many([("a", []), ("b", []), ("c", [])]) == ["a", "b", "c"]


def test_batch__with_one_error__says_which_and_keeps_the_others(server: FakeServer) -> None:
    def mixed(message: Any) -> tuple[int, bytes]:
        first, second = message
        good = {"jsonrpc": "2.0", "id": first["id"], "result": "0x1"}
        bad = {"jsonrpc": "2.0", "id": second["id"], "error": {"code": -1, "message": "no"}}
        return 200, json.dumps([good, bad]).encode()

    server.answers = [mixed]
    good, bad = client(server).answers([("a", []), ("b", [])])
    assert good == "0x1"
    assert isinstance(bad, RpcError)
    with pytest.raises(RpcError, match="b: no"):
        client(server).call_many([("a", []), ("b", [])])


def test_batch__that_is_refused_as_a_whole__is_a_node_error(server: FakeServer) -> None:
    server.answers = [raw(200, b'{"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "too large"}}')]
    with pytest.raises(NodeBusy, match="refuses a batch"):
        client(server).call_many([("a", []), ("b", [])])


def test_nothing__asked__is_nothing_answered(server: FakeServer) -> None:
    assert client(server).call_many([]) == []
    assert server.seen == []


@pytest.mark.parametrize("urls", [[], ["localhost:8545"], ["http://127.0.0.1:1", "ws://127.0.0.1:1"]])
def test_address__that_is_none__is_refused_by_its_place(urls: list[str]) -> None:
    with pytest.raises(BadInput, match="urls"):
        HttpClient(urls)


def test_failure__of_a_node_whose_address_holds_a_key__does_not_tell_it() -> None:
    node = HttpClient(["http://127.0.0.1:9/v3/the-key?token=the-token"], tries=1, sleep=no_sleep)
    with pytest.raises(NodeError) as caught:
        node.call("eth_blockNumber")
    assert "http://127.0.0.1:9: does not answer" in str(caught.value)
    assert "the-" not in str(caught.value)
