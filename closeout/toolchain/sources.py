"""Solidity sources and what each of them imports, found as solc finds it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

__all__ = ["SourceTree"]

# An import inside a comment block is taken for one too; at worst a source is hashed that need not be.
_IMPORT = re.compile(r"""^\s*import\b[^;"']*["']([^"']+)["'][^;]*;""", re.MULTILINE)


class SourceTree:
    """The files of one checkout, read once each. A source is named by its path from the root, as solc names it."""

    def __init__(self, root: Path, remappings: Iterable[str] = ()) -> None:
        self.root = root
        pairs = (line.split("=", 1) for line in remappings)
        self._remappings = sorted(((prefix, target) for prefix, target in pairs), key=lambda pair: -len(pair[0]))
        self._read = cache(self._read_file)

    def units(self, *folders: str) -> list[str]:
        """Every source of our own below `folders`; what Ape puts into `.cache` is not ours."""
        found = (path.relative_to(self.root) for folder in folders for path in (self.root / folder).rglob("*.sol"))
        return sorted(path.as_posix() for path in found if ".cache" not in path.parts)

    def content(self, name: str) -> str | None:
        """The text of a source, or None if there is no such file."""
        return self._read(name)

    def imports(self, name: str) -> list[str]:
        """The names of the sources that `name` imports directly, whether or not they exist."""
        return [self._resolve(name, target) for target in _IMPORT.findall(self.content(name) or "")]

    def closure(self, name: str) -> dict[str, str]:
        """`name` and everything it imports, at any depth, with their texts; missing files are left to solc."""
        found: dict[str, str] = {}
        waiting = [name]
        while waiting:
            current = waiting.pop()
            content = self.content(current)
            if current not in found and content is not None:
                found[current] = content
                waiting.extend(self.imports(current))
        return dict(sorted(found.items()))

    def _resolve(self, importer: str, target: str) -> str:
        if target.startswith("."):
            target = posixpath.normpath(posixpath.join(posixpath.dirname(importer), target))
        for prefix, replacement in self._remappings:
            if target.startswith(prefix):
                return replacement + target[len(prefix) :]
        return target

    def _read_file(self, name: str) -> str | None:
        path = self.root / name
        return path.read_text(encoding="utf-8") if path.is_file() else None
