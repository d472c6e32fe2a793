"""Encoding and decoding by a contract's ABI, cached per function: the little that raw JSON-RPC needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_abi.codec import ABICodec
from eth_abi.decoding import UnsignedIntegerDecoder
from eth_abi.encoding import UnsignedIntegerEncoder
from eth_abi.registry import BaseEquals, registry
from eth_utils.crypto import keccak

from closeout.toolchain.artifacts import Artifact

__all__ = ["ContractAbi", "Event", "Function", "Revert", "decode"]


def _strict_codec() -> ABICodec:
    """eth_abi's, as it was made: Ape, once it is imported, pads every integer of which there is too little."""
    types = registry.copy()  # type: ignore[no-untyped-call]  # eth_abi does not say
    types.unregister("uint")
    unsigned = BaseEquals("uint")  # type: ignore[no-untyped-call]  # likewise
    types.register(unsigned, UnsignedIntegerEncoder, UnsignedIntegerDecoder, label="uint")
    return ABICodec(types)


_CODEC = _strict_codec()
decode, encode = _CODEC.decode, _CODEC.encode


@dataclass(frozen=True)
class Revert:
    """A decoded custom error. `name` is "" where the revert data fits no error that is known."""

    name: str
    arguments: tuple[Any, ...]
    data: str


class Function:
    """One function: `encode(arguments)` gives calldata, `decode(data)` what it returned (a lone value, unwrapped)."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self._inputs = [_type_of(item) for item in entry["inputs"]]
        self._outputs = [_type_of(item) for item in entry["outputs"]]
        self._outputs_named = entry["outputs"]
        self.selector = keccak(text=f"{self.name}({','.join(self._inputs)})")[:4]

    def encode(self, *arguments: Any) -> str:
        return "0x" + (self.selector + encode(self._inputs, arguments)).hex()

    def decode_arguments(self, data: bytes) -> tuple[Any, ...]:
        """The arguments in calldata of this function."""
        return tuple(decode(self._inputs, data[4:]))

    def decode(self, data: str) -> Any:
        values = decode(self._outputs, bytes.fromhex(data[2:]))
        return values[0] if len(values) == 1 else values

    def decode_named(self, data: str) -> Any:
        """As `decode`, with structs, and several outputs, as dictionaries by the names of the declaration."""
        values = _named(
            {"type": "tuple", "components": self._outputs_named}, decode(self._outputs, bytes.fromhex(data[2:]))
        )
        return values[self._outputs_named[0]["name"]] if len(values) == 1 else values


class Event:
    """One event. `decode` returns the values in the order of the declaration."""

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name: str = entry["name"]
        self.fields = [item["name"] for item in entry["inputs"]]
        self._inputs = [(_type_of(item), bool(item["indexed"])) for item in entry["inputs"]]
        self.topic = "0x" + keccak(text=f"{self.name}({','.join(kind for kind, _ in self._inputs)})").hex()

    def decode(self, log: dict[str, Any]) -> tuple[Any, ...]:
        topics = iter(log["topics"][1:])
        plain = iter(decode([kind for kind, indexed in self._inputs if not indexed], bytes.fromhex(log["data"][2:])))
        return tuple(
            decode([kind], bytes.fromhex(next(topics)[2:]))[0] if indexed else next(plain)
            for kind, indexed in self._inputs
        )


class ContractAbi:
    """The functions, events and errors of one artifact, or of several that share an address."""

    def __init__(self, *artifacts: Artifact) -> None:
        self._entries = [entry for artifact in artifacts for entry in artifact.abi]

    def constructor(self, *arguments: Any) -> str:
        """Encoded constructor arguments, without 0x."""
        inputs = [item for entry in self._entries if entry["type"] == "constructor" for item in entry["inputs"]]
        return encode([_type_of(item) for item in inputs], arguments).hex()

    @cached_property
    def functions(self) -> dict[str, Function]:
        return {entry["name"]: Function(entry) for entry in self._entries if entry["type"] == "function"}

    @cached_property
    def events(self) -> dict[str, Event]:
        """By topic."""
        events = [Event(entry) for entry in self._entries if entry["type"] == "event"]
        return {event.topic: event for event in events}

    @cached_property
    def _errors(self) -> dict[str, tuple[str, list[str]]]:
        errors = {}
        for entry in self._entries:
            if entry["type"] == "error":
                types = [_type_of(item) for item in entry["inputs"]]
                selector = keccak(text=f"{entry['name']}({','.join(types)})")[:4].hex()
                errors[selector] = (entry["name"], types)
        return errors

    def decode_revert(self, data: str | None) -> Revert:
        """The custom error in revert data."""
        raw = (data or "0x")[2:]
        name, types = self._errors.get(raw[:8], ("", []))
        return Revert(name, tuple(decode(types, bytes.fromhex(raw[8:]))) if name else (), data or "0x")


def _named(item: dict[str, Any], value: Any) -> Any:
    kind: str = item["type"]
    if kind.endswith("]"):
        inner = item | {"type": kind[: kind.rindex("[")]}
        return [_named(inner, part) for part in value]
    if kind == "tuple":
        return {part["name"]: _named(part, one) for part, one in zip(item["components"], value, strict=True)}
    return value


def _type_of(item: dict[str, Any]) -> str:
    kind: str = item["type"]
    if kind.startswith("tuple"):
        return "(" + ",".join(_type_of(part) for part in item["components"]) + ")" + kind[len("tuple") :]
    return kind
