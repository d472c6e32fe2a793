"""Our YAML files: read into a tree of strings, checked by pydantic, refused in one line. See the module of each name.

tree       text → tree of strings, nothing guessed      fields     what schemas are made of
decimals   exact numbers and their bounds               problem    `BadFile`, the one-line error
"""

from __future__ import annotations

from .problem import BadFile, dotted, one_of, shown
from .reading import read_yaml
from .tree import parse_yaml

__all__ = ["BadFile", "dotted", "one_of", "parse_yaml", "read_yaml", "shown"]
