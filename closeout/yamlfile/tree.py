"""YAML into a tree of strings: nothing is guessed, no scalar becomes a binary float, no key is lost.

PyYAML's own loaders turn `1.10` into a float, `0x10` into 16, `yes` into True and let the second of two equal keys
win. Here every scalar stays the text that the file says (an empty one is None), and equal keys are refused.
"""

from __future__ import annotations

from typing import Any

import yaml

from .problem import BadFile, dotted

__all__ = ["Tree", "parse_yaml"]

Tree = Any
"""What a file consists of: dict, list, str or None."""

_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = {_TAG + name for name in ("str", "int", "float", "bool", "timestamp", "null")}
_MERGE_TAG = _TAG + "merge"
_MAX_DEPTH = 32
_MAX_NODES = 1_000_000


class _TextLoader(yaml.SafeLoader):
    """Resolves empty scalars to null and `<<` to a merge, nothing else."""


_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in (_TAG + "null", _MERGE_TAG)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Builder:
    """Walks the node graph once, knowing where it is, and counting, so that aliases cannot blow up."""

    def __init__(self) -> None:
        self._nodes = 0

    def build(self, node: yaml.Node, path: tuple[str | int, ...]) -> Tree:
        self._nodes += 1
        if len(path) > _MAX_DEPTH or self._nodes > _MAX_NODES:
            raise BadFile(dotted(path), "nesting without end", f"at most {_MAX_DEPTH} levels")
        if isinstance(node, yaml.ScalarNode):
            if node.tag not in _PLAIN_TAGS:
                raise BadFile(dotted(path), f"the tag {node.tag}", "a plain value")
            return None if node.tag == _TAG + "null" else str(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        assert isinstance(node, yaml.MappingNode)  # noqa: S101 - the three kinds of node there are
        return self._build_mapping(node, path)

    def _build_mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Tree]:
        result: dict[str, Tree] = {}
        merged: dict[str, Tree] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                sources = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in sources:
                    if not isinstance(source, yaml.MappingNode):
                        raise BadFile(dotted((*path, "<<")), "something else", "a mapping to merge in")
                    for name, value in self._build_mapping(source, (*path, "<<")).items():
                        merged.setdefault(name, value)
                continue
            key = self.build(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
            if not isinstance(key, str):
                found = "an empty key" if isinstance(key_node, yaml.ScalarNode) else "a list or mapping as a key"
                raise BadFile(dotted(path), found, f"a name (line {key_node.start_mark.line + 1})")
            if key in result:
                line = key_node.start_mark.line + 1
                raise BadFile(dotted((*path, key)), f"the key a second time (line {line})", "each key once")
            result[key] = self.build(value_node, (*path, key))
        return merged | result if merged else result


def parse_yaml(text: str) -> Tree:
    """The tree of the one document in `text`.

    Raises:
        BadFile: the text is not YAML, holds more than one document, a duplicate key, or a tag.
    """
    loader: Any = _TextLoader(text)  # PyYAML's stubs do not know the inherited Composer
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "file"
        raise BadFile(where, str(error.problem or error.context), "YAML") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadFile("file", type(error).__name__, "YAML") from None
    finally:
        loader.dispose()
    return None if node is None else _Builder().build(node, ())
