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

from closeout.toolchain.settings import ROOT
from tests.support.networks import KeySigner, Testnet

ALIAS, PASSPHRASE = "server", "a long passphrase"
TIMEOUT = 240


class Shell:
    """A home of its own with one Ape account, and the commands run from it."""

    def __init__(self, network: Testnet, home: Path, signer: KeySigner) -> None:
        self.network, self.home, self.signer = network, home, signer
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

    def run(
        self, name: str, *arguments: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(name, *arguments),
            cwd=ROOT,
            env=self.environment | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    def options(self, config: str = "config/sepolia.yaml") -> tuple[str, ...]:
        return ("--config", config, "--deployments", str(self.records))

    def deploy(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run("deploy", *self.options(), "--account", ALIAS, "--yes", *more)


@pytest.fixture
def shell(network: Testnet, tmp_path: Path) -> Shell:
    if network.is_real:
        pytest.skip("the shipped file's reference prices are the local network's: FORK_URL tests run in this process")
    signer = KeySigner("server")
    network.fund(signer.address)
    return Shell(network, tmp_path, signer)


def nonce(shell: Shell) -> int:
    return int(shell.network.rpc.call("eth_getTransactionCount", shell.signer.address, "latest"), 16)


def test_commands__from_deployment_to_drift__as_a_server_runs_them(shell: Shell, network: Testnet):
    """Deploy, killed twice on the way; verify; hand over; propose nothing; drift; verify says so with status 1."""
    for _ in range(2):
        process = subprocess.Popen(
            shell.command("deploy", *shell.options(), "--account", ALIAS, "--yes"),
            cwd=ROOT,
            env=shell.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        before, deadline = nonce(shell), time.monotonic() + TIMEOUT
        while nonce(shell) < before + random.randint(2, 5):
            assert process.poll() is None, "it was done before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert not (shell.records / "sepolia.json").exists()

    done = shell.deploy()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "there already: deploy Authority" in done.stdout
    record = json.loads((shell.records / "sepolia.json").read_text())
    steps = len(record["contracts"]) + len(record["calls"])
    assert nonce(shell) == steps
    assert PASSPHRASE not in done.stdout + done.stderr

    verified = shell.run("verify", *shell.options())
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "compared, all as file and record say" in verified.stdout

    handed = shell.run("handover", *shell.options(), "--account", ALIAS, "--yes")
    assert handed.returncode == 0, handed.stdout + handed.stderr
    assert f"{shell.signer.address} holds no role and nothing that is scheduled" in handed.stdout

    nothing = shell.run("propose", "config/sepolia.yaml", "--deployments", str(shell.records))
    assert nothing.returncode == 0, nothing.stdout + nothing.stderr
    assert "nothing to propose" in nothing.stdout

    fund = next(item["address"] for item in record["contracts"] if item["contract"] == "InsuranceFund")
    network.rpc.call("anvil_setCode", fund, "0x00")
    drifted = shell.run("verify", *shell.options())
    assert drifted.returncode == 1
    assert "InsuranceFund code" in drifted.stdout
    assert drifted.stderr.strip().endswith("are not what they should be")


def test_dry_run__needs_no_passphrase(shell: Shell):
    done = shell.run(
        "deploy", *shell.options(), "--account", ALIAS, "--dry-run", **{f"APE_ACCOUNTS_{ALIAS}_PASSPHRASE": ""}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " gas at " in done.stdout
    assert nonce(shell) == 0


def test_bad_input__exits_2_with_one_line(shell: Shell, tmp_path: Path):
    text = (ROOT / "config/sepolia.yaml").read_text()
    broken, other = tmp_path / "broken.yaml", tmp_path / "other.yaml"
    broken.write_text(text.replace("fee_share: 0.2 ", "fee_share: 0.7 "))
    other.write_text(text.replace("chain_id: 11155111", "chain_id: 17000"))
    for file, expected in (
        (broken, f"{broken}: protocol.fee_share: found 0.7, expected a ratio in [0, 0.5], with at most 18 decimals"),
        (other, f"{other}: network.chain_id: found 17000, expected what the node says, 11155111"),
    ):
        done = shell.run("deploy", *shell.options(str(file)), "--account", ALIAS, "--yes")
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.strip().splitlines()[-1] == expected
    unknown = shell.run("deploy", *shell.options(), "--account", "nobody", "--yes")
    assert unknown.returncode == 2
    assert "--account: found 'nobody', expected an account" in unknown.stderr
    assert nonce(shell) == 0


def test_base_sepolia__is_a_network_that_ape_knows(shell: Shell):
    """By its number in ape-config.yaml; what answers here is another chain, and that is said."""
    command = shell.command("verify", *shell.options("config/base-sepolia.yaml"))
    done = shell.carry_out([*command[:-1], f"base:sepolia:{shell.network.anvil.uri}"])
    assert done.returncode in (1, 2)
    assert "84532" in done.stdout + done.stderr or "chain" in (done.stdout + done.stderr).lower()
