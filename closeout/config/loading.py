"""A network file, read and checked, before anything is asked of a chain."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from closeout.yamlfile.fields import parse
from closeout.yamlfile.problem import BadFile
from closeout.yamlfile.reading import read_yaml

from .checks import check_network
from .schema import NetworkFile

__all__ = ["NetworkConfig", "load_config", "read_config"]


@dataclass(frozen=True)
class NetworkConfig:
    """A checked file and the digest of what it says: comments and layout do not change it."""

    file: Path
    content: NetworkFile
    digest: str

    @property
    def name(self) -> str:
        """What the deployment is called: deployments/NAME.json."""
        return self.content.network.name


def load_config(file: Path) -> NetworkConfig:
    """The configuration in `file`.

    Raises:
        BadFile: in one line, with the file, the key's path, what was found and what was expected.
    """
    tree = read_yaml(file, "network")
    try:
        return read_config(tree, file)
    except BadFile as error:
        raise error.within(str(file)) from None


def read_config(tree: Any, file: Path) -> NetworkConfig:
    """The configuration in a tree of strings. Raises BadFile without the file's name."""
    content = parse(NetworkFile, tree)
    check_network(content)
    canonical = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return NetworkConfig(file, content, "sha256:" + hashlib.sha256(canonical.encode()).hexdigest())
