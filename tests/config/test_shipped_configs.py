"""The network files that ship: they load, explain every key, name distinct things and keep nobody's secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from closeout.config import NetworkFile, load_config
from closeout.config.schema import TEST, SourceSection
from closeout.toolchain.settings import ROOT
from closeout.yamlfile.fields import parse
from closeout.yamlfile.tree import parse_yaml

FILES = sorted((ROOT / "config").glob("*.yaml"))
REFERENCE = ROOT / "config/sepolia.yaml"
SOMEWHERE = "0x694AA1769357215DE4FAC081bf1f309aDC325306"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _keys(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[str]:
    """Of a model and all below it that are not `seen`: sources of prices nest without end."""
    if model in seen:
        return set()
    seen.add(model)
    model.model_rebuild()
    found = set(model.model_fields)
    for field in model.model_fields.values():
        for inner in _models(field.annotation):
            found |= _keys(inner, seen)
    return found


def test_files__are_the_three_networks():
    assert [file.stem for file in FILES] == ["base-sepolia", "local", "sepolia"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file__loads_and_is_named_after_its_network(file: Path):
    config = load_config(file)
    assert config.name == file.stem
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", config.digest)


def test_reference__has_every_key_there_is():
    """The explanation of each key stands in one file: a key that is added to the schema has to be added there."""
    text = REFERENCE.read_text()
    keys = _keys(NetworkFile, set())
    assert {"max_growth", "dispute_period", "spacing", "flash_fee"} <= keys
    missing = {key for key in keys if not re.search(rf"\b{key}:", text)}
    assert missing == set()


def test_reference__shows_every_source_of_a_price_as_it_is_read():
    """The comment at the end of the file, with an address in place of what stands for one."""
    _, _, comment = REFERENCE.read_text().partition("#   price:\n")
    text = "\n".join(line.removeprefix("#") for line in comment.splitlines())
    text = text.replace("# token:", "token:").replace('"0x..."', "0x" + "ab" * 32)
    times = "heartbeat: 60, max_age: 60"
    feed = f"{{feed: ADDRESS, decimals: 8, {times}}}"
    pyth = f"{{contract: ADDRESS, id: 0x{'ab' * 32}, {times}, max_ahead: 15, max_confidence: 0.01}}"
    text = text.replace("pyth: {...}", f"pyth: {pyth}").replace("{...}", feed)
    text = re.sub(r"\b(WSTETH_IN_ETH|ETH_IN_USD|ADDRESS)\b", SOMEWHERE, text)
    shown = parse_yaml(text)
    assert list(shown) == ["cross", "erc4626", "uniswap", "pyth", "watched"]
    for name, section in shown.items():
        assert parse(SourceSection, {name: section}).key == name


def test_public_networks__deploy_no_tokens_of_ours():
    for stem in ("sepolia", "base-sepolia"):
        assets = load_config(ROOT / f"config/{stem}.yaml").content.assets
        assert all(TEST not in (asset.token, asset.price.chainlink.feed) for asset in assets.values())


def test_digest__depends_on_what_the_file_says_and_not_on_its_layout(tmp_path: Path):
    text = REFERENCE.read_text()
    changed, spaced = tmp_path / "changed.yaml", tmp_path / "spaced.yaml"
    changed.write_text(text.replace("target_health: 1.10 ", "target_health: 1.11 "))
    spaced.write_text("# a comment\n" + text.replace("target_health: 1.10 ", "target_health:    1.10 "))
    digest = load_config(REFERENCE).digest
    assert load_config(spaced).digest == digest
    assert load_config(changed).digest != digest
