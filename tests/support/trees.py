"""Trees of strings, as our YAML files are read, and changes that break them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Change", "Remove", "Tree", "both", "change"]

Tree = dict[str, Any]
Change = Callable[[Tree], object]


class Remove:
    """Stands for a key that is taken out."""


def change(path: str, value: object) -> Change:
    """Puts `value` at a path like `assets/WETH/price`, or takes away what is there."""

    def apply(tree: Tree) -> None:
        *parents, last = path.split("/")
        node: Any = tree
        for key in parents:
            node = node.setdefault(key, {})
        if value is Remove:
            del node[last]
        else:
            node[last] = value

    return apply


def both(*changes: Change) -> Change:
    """One change after another."""
    return lambda tree: [apply(tree) for apply in changes]
