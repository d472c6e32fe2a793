"""`ape run upkeep` as a cron job runs it, on a network that plays Sepolia with the shipped file."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from closeout.toolchain.artifacts import load
from closeout.upkeep.chores import SOURCES
from closeout.upkeep.command import GasTooDear, run_upkeep
from tests.fork.test_scripts import ALIAS, PASSPHRASE, Shell, at_length
from tests.support.networks import HASTE, KeySigner
from tests.support.sessions import Deployer
from tests.upkeep.stage import HOUR

GWEI = 10**9
HASH = re.compile(r"0x[0-9a-f]{64}")


def after_an_hour(deployed: Deployer) -> Deployer:
    """Every price was recorded when it was listed, and is fresh."""
    deployed.network.wait(HOUR)
    deployed.network.publish_prices(deployed.config)
    return deployed


@pytest.fixture
def shell(deployed: Deployer, tmp_path: Path) -> Shell:
    """On a server that has the record of the deployment and a key that deployed nothing."""
    if deployed.network.is_real:
        pytest.skip("processes read the shipped file, whose reference prices are the local network's")
    signer = KeySigner("housekeeper")
    deployed.network.fund(signer.address)
    shell = Shell(deployed.network, deployed.config, tmp_path / "server", signer)
    shell.records = deployed.folder
    return shell


def test_upkeep__from_a_dry_run_to_nothing_left__as_a_cron_job_runs_it(deployed: Deployer, shell: Shell):
    after_an_hour(deployed)
    assets = len(deployed.config.content.assets)
    dry = shell.run("upkeep", *shell.options(), "--dry-run", **{f"APE_ACCOUNTS_{ALIAS}_PASSPHRASE": ""})
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert f"{assets} of {2 * assets} due, nothing was sent" in dry.stdout
    assert re.search(r"OracleRouter\.poke +WETH +due +last good price of", dry.stdout)
    assert re.search(r"RiskConfigurator\.syncPriceSource +WETH +not due +the table's source", dry.stdout)
    assert shell.sent() == 0

    dear = shell.run("upkeep", *shell.options(), "--account", ALIAS, "--most-gwei", "0.000000001")
    assert dear.returncode == 4, dear.stdout + dear.stderr
    expected = f"sepolia: {assets} of {assets} due not sent, gas is above 0.000000001 gwei"
    assert dear.stderr.strip().splitlines()[-1] == expected
    assert shell.sent() == 0

    done = shell.run("upkeep", *shell.options(), "--account", ALIAS, "--most-gwei", "1000", "--accounts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "accounts: 0 owe something" in done.stdout
    assert f"{assets} of {2 * assets} due, {assets} sent for " in done.stdout
    assert len(set(HASH.findall(done.stdout))) == assets
    assert shell.sent() == assets
    assert PASSPHRASE not in done.stdout + done.stderr

    again = shell.run("upkeep", *shell.options(), "--account", ALIAS)
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"nothing of {2 * assets} is due" in again.stdout
    assert shell.sent() == assets


def test_upkeep__without_an_account__exits_2_with_one_line(shell: Shell):
    done = shell.run("upkeep", *shell.options())
    assert done.returncode == 2
    expected = "--account: found 'nothing', expected an account that `ape accounts list` shows, or --dry-run"
    assert done.stderr.strip().splitlines()[-1] == expected


@at_length
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--account", "nobody"), "--account: found 'nobody', expected an account"),
        (("--dry-run", "--most-gwei", "much"), "--most-gwei: found 'much', expected a decimal number"),
        (("--dry-run", "--deployments", "nowhere"), "nowhere/sepolia.json: found 'No such file or directory'"),
    ],
    ids=["account", "ceiling", "record"],
)
def test_upkeep__of_bad_input__exits_2_with_one_line(shell: Shell, options: tuple[str, ...], expected: str):
    done = shell.run("upkeep", *shell.options(), *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith(expected)
    assert shell.sent() == 0


def test_ceiling__that_gas_rises_above_on_the_way__keeps_the_rest_back(deployed: Deployer):
    """What was sent before stays sent, and the exit status says that something was left."""
    after_an_hour(deployed)
    signer = KeySigner("housekeeper")
    deployed.network.fund(signer.address)
    prices = iter([1 * GWEI, 1 * GWEI, 3 * GWEI])

    class Rising:
        """A node whose gas price rises while the pass runs."""

        def call(self, method: str, *params: object) -> object:
            if method == "eth_gasPrice":
                return hex(next(prices, 3 * GWEI))
            return deployed.network.rpc.call(method, *params)

    artifacts = load(only=SOURCES) | deployed.network.artifacts
    session = replace(deployed.session, rpc=Rising(), artifacts=artifacts)
    with pytest.raises(GasTooDear, match="2 of 4 due not sent, gas is above 2 gwei"):
        run_upkeep(session, signer.address, signer, most_gas_price=2 * GWEI, patience=HASTE)
    said = session.console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert said.count("not sent: gas costs 3 gwei") == 2
    assert "4 of 8 due, 2 sent for " in said
    assert int(deployed.network.rpc.call("eth_getTransactionCount", signer.address, "latest"), 16) == 2
