"""The settings file: what is wrong is said in one line, by its key, before anything is started."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from closeout.keeper.settings import load_settings, planner_settings, sender_options
from closeout.toolchain.settings import ROOT
from closeout.yamlfile import BadFile
from scripts import keeper as script

WAD = 10**18
EXAMPLE = ROOT / "config/keeper/example.yaml"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = EXAMPLE.read_text()
    assert text.count(old) == 1, old
    place = tmp_path / "keeper.yaml"
    place.write_text(text.replace(old, new))
    return place


def test_example__is_valid_and_its_comments_are_the_defaults(tmp_path: Path) -> None:
    plain = load_settings(EXAMPLE)
    text = EXAMPLE.read_text()
    for line in text.splitlines():
        if line.lstrip().startswith("# ") and ":" in line and not line.startswith(("# A ", "# Commented")):
            value = line.replace("# ", "", 1).split("#")[0]
            if value.split(":", 1)[1].strip() not in ("", "[]"):
                text = text.replace(line, value)
    place = tmp_path / "full.yaml"
    place.write_text(text)
    assert text.count("least_profit: 1") == 1

    assert load_settings(place) == plain


def test_settings__become_the_integers_of_sender_and_planner() -> None:
    options = sender_options(load_settings(EXAMPLE))
    planner = planner_settings(load_settings(EXAMPLE))

    assert options.fees.most_fee == 500 * 10**9
    assert (options.fees.headroom_bps, options.fees.bump_bps) == (10_000, 1_250)
    assert options.ceilings.gas_per_hour == 2 * WAD
    assert options.ceilings.loss_per_hour == 5_000 * WAD
    assert planner.least_profit_wad == WAD
    assert planner.tolerance_wad == WAD // 5
    assert planner.with_flash


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("chain_id: 11155111", "chain_id: x", 'chain_id: found "x", expected a whole number'),
        ("name: sepolia ", "nam: sepolia ", "nam: found an unknown key"),
        ('["http://127.0.0.1:8545"]', "[]", "node.urls: found none, expected at least one address"),
        ('["http://127.0.0.1:8545"]', '["localhost"]', r'node.urls\[0\]: found "localhost", expected an address that'),
        ('"ws://127.0.0.1:8546"', "http://x", 'node.ws: found "http://x", expected an address that starts with ws://'),
        ("# bump: 0.125", "bump: 0.09", r"fees.bump: found 0.09, expected a ratio in \[0.1, 10\]"),
        ("# least_tip: 0.1", "least_tip: 600", "fees.least_tip: found 600000000000"),
        ("# funding: flash", "funding: all", 'planner.funding: found "all", expected flash, inventory or both'),
        ("# tolerance: 0.2", "tolerance: 1", "planner.tolerance: found 1, expected"),
        ("# metrics_port: 9464", "metrics_port: 70000", "metrics_port: found 70000, expected a port"),
        ("# data_fee: false", "data_fee: yes", 'node.data_fee: found "yes", expected true or false'),
    ],
)
def test_key__wrong__is_named_with_what_was_found_and_expected(tmp_path: Path, old: str, new: str, text: str) -> None:
    with pytest.raises(BadFile, match=f"keeper.yaml: {text}") as caught:
        load_settings(changed(tmp_path, old, new))
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["flash_liquidator", "uniswap_factory"])
def test_flash__without_its_contracts__is_refused(tmp_path: Path, name: str) -> None:
    text = "\n".join(line for line in EXAMPLE.read_text().splitlines() if not line.strip().startswith(f"{name}:"))
    place = tmp_path / "keeper.yaml"
    place.write_text(text)
    with pytest.raises(BadFile, match=rf"contracts\.{name}: found nothing, expected an address, or planner.funding"):
        load_settings(place)
    place.write_text(text.replace("# funding: flash", "funding: inventory"))
    assert load_settings(place).planner.funding == "inventory"


@pytest.fixture
def keeper() -> Iterator[Callable[..., Result]]:
    """The command, in this process; signal handlers are put back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner(mix_stderr=False).invoke(script.cli, arguments, env=environment)

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_command__with_a_file_that_is_not_there__ends_with_status_2_and_one_line(keeper: Callable[..., Result]) -> None:
    done = keeper("--settings", "nowhere.yaml", "--paper")

    assert done.exit_code == 2
    assert done.stderr.splitlines() == [
        "nowhere.yaml: found No such file or directory, expected a readable settings file"
    ]


def test_command__with_a_dead_node__ends_with_status_3_and_one_line(
    keeper: Callable[..., Result], tmp_path: Path
) -> None:
    place = changed(tmp_path, "http://127.0.0.1:8545", "http://127.0.0.1:9")
    place.write_text(place.read_text().replace("build/keeper/sepolia.db", str(tmp_path / "keeper.db")))
    done = keeper("--settings", str(place), "--paper")

    assert done.exit_code == 3, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("http://127.0.0.1:9: does not answer")


def test_command__without_key_or_paper__says_which_variable_is_missing(
    keeper: Callable[..., Result], tmp_path: Path
) -> None:
    done = keeper("--settings", str(EXAMPLE), KEEPER_PRIVATE_KEY="")

    assert done.exit_code == 2
    assert done.stderr.startswith("KEEPER_PRIVATE_KEY: found 'nothing', expected a private key")


def test_command__with_a_key_that_is_none__does_not_print_it(keeper: Callable[..., Result]) -> None:
    done = keeper("--settings", str(EXAMPLE), KEEPER_PRIVATE_KEY="sesame")

    assert done.exit_code == 2
    assert "sesame" not in done.stderr + done.stdout
    assert "expected 32 bytes as hex" in done.stderr
