"""Sources on an explorer: a stand-in with Etherscan's API is sent what solc was given, to the letter."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ape_etherscan.client import ClientFactory
from ape_etherscan.types import EtherscanInstance

from closeout.chain.abi import ContractAbi
from closeout.chain.explorer import KEY_VARIABLE, EtherscanExplorer, publish_all
from closeout.deployment.record import textual
from closeout.errors import EnvironmentProblem
from closeout.toolchain.artifacts import load
from closeout.toolchain.compile import standard_input
from closeout.toolchain.solc import solc_version

VAULT = "0x00000000000000000000000000000000000000A1"


class Stub(HTTPServer):
    """Takes sources, says "pending" once, then what `verdict` is."""

    verdict = "Pass - Verified"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posted: list[dict[str, str]] = []
        self.asked = 0


class Handler(BaseHTTPRequestHandler):
    server: Stub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.posted.append({key: values[0] for key, values in parse_qs(body).items()})
        self.answer({"status": "1", "message": "OK", "result": "guid-1"})

    def do_GET(self) -> None:
        assert parse_qs(urlsplit(self.path).query)["guid"] == ["guid-1"]
        self.server.asked += 1
        pending = self.server.asked == 1
        self.answer({"status": "1", "message": "OK", "result": "Pending in queue" if pending else self.server.verdict})

    def answer(self, value: dict[str, str]) -> None:
        text = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv(KEY_VARIABLE, "a key")
    # what the plugin reads from the configuration of the network it is connected to
    monkeypatch.setattr("ape_etherscan.client._APIClient._rate_limit", 1000)
    monkeypatch.setattr("ape_etherscan.client._APIClient._retries", 1)
    server = Stub()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def explorer_at(port: int) -> EtherscanExplorer:
    address = f"http://127.0.0.1:{port}/api"
    return EtherscanExplorer(ClientFactory(EtherscanInstance("ethereum", "sepolia", address, address)), 0.0)


def test_explorer__is_sent_what_solc_was_given(stub: Stub) -> None:
    artifacts = load(only=("contracts/PenaltySplitter.sol",))
    arguments = (VAULT, VAULT, VAULT, 5 * 10**17, 3 * 10**17, 2 * 10**17)
    record = {"contracts": [{"contract": "PenaltySplitter", "address": VAULT, "arguments": textual(arguments)}]}
    assert publish_all(explorer_at(stub.server_port), record, artifacts) == {VAULT: "Pass - Verified"}
    [sent] = stub.posted
    assert json.loads(sent["sourceCode"]) == standard_input("contracts/PenaltySplitter.sol")
    assert sent["contractname"] == "contracts/PenaltySplitter.sol:PenaltySplitter"
    assert sent["compilerversion"] == f"v{solc_version()}"
    assert sent["constructorArguements"] == ContractAbi(artifacts["PenaltySplitter"]).constructor(*arguments)
    assert (sent["evmversion"], sent["optimizationUsed"], sent["runs"]) == ("cancun", "1", "200")
    assert sent["apikey"] == "a key"
    assert stub.asked == 2


def test_explorer__that_does_not_answer__is_one_line(stub: Stub) -> None:
    port = stub.server_port
    stub.shutdown()
    stub.server_close()
    artifacts = load(only=("contracts/PenaltySplitter.sol",))
    with pytest.raises(EnvironmentProblem, match="explorer: PenaltySplitter at 0x") as caught:
        explorer_at(port).publish(artifacts["PenaltySplitter"], VAULT, "")
    assert "a key" not in str(caught.value)


def test_explorer__that_refuses__says_why(stub: Stub) -> None:
    stub.verdict = "Fail - Unable to verify"
    artifacts = load(only=("contracts/PenaltySplitter.sol",))
    said = explorer_at(stub.server_port).publish(artifacts["PenaltySplitter"], VAULT, "")
    assert said == "Fail - Unable to verify"
