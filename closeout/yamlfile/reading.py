"""A YAML file from the disk: small enough, readable, UTF-8, one document."""

from __future__ import annotations

from pathlib import Path

from .problem import BadFile
from .tree import Tree, parse_yaml

__all__ = ["read_yaml"]

_LARGEST_FILE = 16 * 1024 * 1024


def read_yaml(file: Path, kind: str) -> Tree:
    """The tree of strings in `file`; `kind` is what an error calls it ("scenario").

    Raises:
        BadFile: in one line, with the file's name.
    """
    try:
        size = file.stat().st_size
        if size > _LARGEST_FILE:
            raise BadFile("", f"{size} bytes", f"a {kind} of at most {_LARGEST_FILE}", str(file))
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadFile("", error.strerror or "an error", f"a readable {kind} file", str(file)) from None
    except UnicodeDecodeError:
        raise BadFile("", "bytes that are not UTF-8", "a YAML file", str(file)) from None
    try:
        return parse_yaml(text)
    except BadFile as error:
        raise error.within(str(file)) from None
