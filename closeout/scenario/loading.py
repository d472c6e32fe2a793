"""A scenario file, read, checked and turned into something that can be played, before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from closeout.yamlfile.problem import BadFile
from closeout.yamlfile.reading import read_yaml

from .checks import check_scenario
from .compiling import compile_steps, compile_world
from .pricepath import read_price_path
from .schema import parse_scenario
from .world import Scenario

__all__ = ["load_scenario", "read_scenario"]


def load_scenario(file: Path, prices: Path | None = None) -> Scenario:
    """The scenario in `file`; `prices`, where given, stands for the file that `price_path` names.

    Raises:
        BadFile: in one line, with the file, the key's path, what was found and what was expected.
    """
    tree = read_yaml(file, "scenario")
    try:
        return read_scenario(tree, file, prices)
    except BadFile as error:
        raise error.within(str(file)) from None


def read_scenario(tree: Any, file: Path, prices: Path | None = None) -> Scenario:
    """The scenario in a tree of strings; `file` gives the default name and where a price file is looked for.

    Raises:
        BadFile: as `load_scenario`, without the name of the scenario file.
    """
    model = parse_scenario(tree)
    check_scenario(model)
    world = compile_world(model)
    path = None
    if prices is not None and model.price_path is None:
        raise BadFile("price_path", "nothing", "columns for the price file that was given")
    if model.price_path is not None:
        source = prices if prices is not None else file.parent / model.price_path.file
        decimals = {name: asset.feed_decimals for name, asset in world.assets.items()}
        path = read_price_path(model.price_path, source, decimals)
    return Scenario(model.name or file.stem, world, compile_steps(model), path)
