"""The four commands as a server runs them: processes of their own, a keyfile with its passphrase in the environment."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from eth_account import Account

from closeout.config import NetworkConfig
from closeout.toolchain.settings import ROOT
from tests.support.networks import KeySigner, Testnet

# Each start of Ape takes seconds: what a command does is looked at in this process, elsewhere.
at_length = pytest.mark.skipif(
    float(os.environ.get("CLOSEOUT_TEST_SIZE", "1")) <= 1, reason="a process per command: CLOSEOUT_TEST_SIZE=2 and up"
)
ALIAS, PASSPHRASE = "server", "a long passphrase"
TIMEOUT = 240


class Shell:
    """A home of its own with one Ape account, and the commands run from it."""

    def __init__(self, network: Testnet, config: NetworkConfig, home: Path, signer: KeySigner) -> None:
        self.network, self.config, self.home, self.signer = network, config, home, signer
        keys = home / ".ape/accounts"
        keys.mkdir(parents=True)
        keyfile = Account.encrypt(signer.key, PASSPHRASE, kdf="pbkdf2", iterations=1000)
        (keys / f"{ALIAS}.json").write_text(json.dumps(keyfile))
        self.records = home / "deployments"

    def command(self, name: str, *arguments: str) -> list[str]:
        network = f"ethereum:sepolia:{self.network.anvil.uri}"
        return [str(ROOT / ".venv/bin/ape"), "run", name, *arguments, "--network", network]

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {"HOME": str(self.home), f"APE_ACCOUNTS_{ALIAS}_PASSPHRASE": PASSPHRASE}

    def run(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """To its end."""
        return self.carry_out(self.command(name, *arguments), **environment)

    def carry_out(self, command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
        # a process takes seconds to start, which are minutes of this chain
        self.network.publish_prices(self.config)
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def run_until(self, sent: int, name: str, *arguments: str) -> None:
        """Killed, with all its children, once the deployer's nonce is `sent`."""
        self.network.publish_prices(self.config)
        process = subprocess.Popen(
            self.command(name, *arguments),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + TIMEOUT
        try:
            while self.sent() < sent:
                assert process.poll() is None, "it was done before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def sent(self) -> int:
        """Transactions of the deployer."""
        return int(self.network.rpc.call("eth_getTransactionCount", self.signer.address, "latest"), 16)

    def options(self, config: str = "config/sepolia.yaml") -> tuple[str, ...]:
        return ("--config", config, "--deployments", str(self.records))

    def deploy(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run("deploy", *self.options(), "--account", ALIAS, "--yes", *more)


@pytest.fixture
def shell(network: Testnet, config: NetworkConfig, tmp_path: Path) -> Shell:
    if network.is_real:
        pytest.skip("the shipped file's reference prices are the local network's: FORK_URL tests run in this process")
    signer = KeySigner("server")
    network.fund(signer.address)
    return Shell(network, config, tmp_path, signer)


def test_commands__from_deployment_to_drift__as_a_server_runs_them(shell: Shell, network: Testnet):
    """Deploy, killed on the way, and again; hand over; drift; verify says so with status 1."""
    shell.run_until(random.randint(2, 12), "deploy", *shell.options(), "--account", ALIAS, "--yes")
    assert not (shell.records / "sepolia.json").exists()

    done = shell.deploy()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "there already: deploy Authority" in done.stdout
    record = json.loads((shell.records / "sepolia.json").read_text())
    steps = len(record["contracts"]) + len(record["calls"])
    assert shell.sent() == steps
    assert PASSPHRASE not in done.stdout + done.stderr

    handed = shell.run("handover", *shell.options(), "--account", ALIAS, "--yes")
    assert handed.returncode == 0, handed.stdout + handed.stderr
    assert f"{shell.signer.address} holds no role and nothing that is scheduled" in handed.stdout
    # it ends with a verification of its own
    assert "compared, all as file and record say" in handed.stdout

    fund = next(item["address"] for item in record["contracts"] if item["contract"] == "InsuranceFund")
    network.rpc.call("anvil_setCode", fund, "0x00")
    drifted = shell.run("verify", *shell.options())
    assert drifted.returncode == 1
    assert "InsuranceFund code" in drifted.stdout
    assert drifted.stderr.strip().endswith("are not what they should be")


@at_length
def test_dry_run__needs_no_passphrase(shell: Shell):
    done = shell.run(
        "deploy", *shell.options(), "--account", ALIAS, "--dry-run", **{f"APE_ACCOUNTS_{ALIAS}_PASSPHRASE": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " gas at " in done.stdout
    assert shell.sent() == 0


def test_bad_input__exits_2_with_one_line(shell: Shell, tmp_path: Path):
    text = (ROOT / "config/sepolia.yaml").read_text()
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("fee_share: 0.2 ", "fee_share: 0.7 "))
    done = shell.run("deploy", *shell.options(str(broken)), "--account", ALIAS, "--yes")
    assert done.returncode == 2, done.stdout + done.stderr
    expected = f"{broken}: protocol.fee_share: found 0.7, expected a ratio in [0, 0.5], with at most 18 decimals"
    assert done.stderr.strip().splitlines()[-1] == expected
    assert shell.sent() == 0


@at_length
def test_unknown_account__exits_2_with_one_line(shell: Shell):
    unknown = shell.run("deploy", *shell.options(), "--account", "nobody", "--yes")
    assert unknown.returncode == 2
    assert "--account: found 'nobody', expected an account" in unknown.stderr


@at_length
def test_propose__of_what_is_so_already__says_so(shell: Shell):
    assert shell.deploy().returncode == 0
    nothing = shell.run("propose", "config/sepolia.yaml", "--deployments", str(shell.records))
    assert nothing.returncode == 0, nothing.stdout + nothing.stderr
    assert "nothing to propose" in nothing.stdout


@at_length
def test_base_sepolia__is_a_network_that_ape_knows(shell: Shell):
    """By its number in ape-config.yaml; what answers here is another chain, and that is said."""
    command = shell.command("verify", *shell.options("config/base-sepolia.yaml"))
    done = shell.carry_out([*command[:-1], f"base:sepolia:{shell.network.anvil.uri}"])
    assert done.returncode in (1, 2)
    assert "84532" in done.stdout + done.stderr or "chain" in (done.stdout + done.stderr).lower()
