"""The network files that ship: they load, explain every key, name distinct things and keep nobody's secret."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from closeout.config import NetworkFile, load_config
from closeout.config.schema import TEST
from closeout.toolchain.settings import ROOT

FILES = sorted((ROOT / "config").glob("*.yaml"))
REFERENCE = ROOT / "config/sepolia.yaml"


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]


def _keys(model: type[BaseModel]) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        found.add(name)
        for inner in _models(field.annotation):
            found |= _keys(inner)
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
    missing = {key for key in _keys(NetworkFile) if not re.search(rf"\b{key}:", text)}
    assert missing == set()


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
