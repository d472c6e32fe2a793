"""Pyth's updates as they come off the wire: price messages, their Merkle tree, a signed message over its root."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eth_keys import keys
from eth_utils.crypto import keccak

__all__ = ["GUARDIAN_ADDRESS", "PriceMessage", "encode_update"]

_GUARDIAN = keys.PrivateKey(keccak(text="oracle tests: wormhole guardian"))
GUARDIAN_ADDRESS: str = _GUARDIAN.public_key.to_address()
PYTHNET, EMITTER = 26, b"\xe1" + b"\x01" * 31


@dataclass(frozen=True)
class PriceMessage:
    """One price, in Pyth's own integers."""

    id: bytes
    price: int
    confidence: int
    exponent: int
    publish_time: int

    def encode(self) -> bytes:
        price, confidence = self.price.to_bytes(8, "big", signed=True), self.confidence.to_bytes(8, "big")
        return b"".join(
            [
                b"\x00",
                self.id,
                price,
                confidence,
                self.exponent.to_bytes(4, "big", signed=True),
                self.publish_time.to_bytes(8, "big"),
                (self.publish_time - 1).to_bytes(8, "big"),
                # the exponentially weighted mean, which nobody here reads
                price,
                confidence,
            ]
        )


def encode_update(messages: Sequence[PriceMessage], *, signer: keys.PrivateKey = _GUARDIAN) -> bytes:
    """An accumulator update that proves all of `messages`."""
    encoded = [message.encode() for message in messages]
    levels = _tree([_hash(b"\x00" + message) for message in encoded])
    update = (
        b"PNAU" + bytes([1, 0, 0, 0]) + _sized(_signed(_root_message(levels[-1][0]), signer)) + bytes([len(encoded)])
    )
    for place, message in enumerate(encoded):
        proof = [level[(place >> depth) ^ 1] for depth, level in enumerate(levels[:-1])]
        update += _sized(message) + bytes([len(proof)]) + b"".join(proof)
    return update


def _hash(data: bytes) -> bytes:
    return keccak(data)[:20]


def _tree(leaves: list[bytes]) -> list[list[bytes]]:
    """All levels, from the leaves, filled up to a power of two, to the root."""
    while len(leaves) & (len(leaves) - 1):
        leaves.append(bytes(20))
    levels = [leaves]
    while len(levels[-1]) > 1:
        level = levels[-1]
        pairs = zip(level[::2], level[1::2], strict=True)
        levels.append([_hash(b"\x01" + min(pair) + max(pair)) for pair in pairs])
    return levels


def _root_message(root: bytes) -> bytes:
    return b"AUWV\x00" + (1).to_bytes(8, "big") + (10_000).to_bytes(4, "big") + root


def _signed(payload: bytes, signer: keys.PrivateKey) -> bytes:
    body = b"".join(
        [(0).to_bytes(8, "big"), PYTHNET.to_bytes(2, "big"), EMITTER, (1).to_bytes(8, "big"), b"\x01", payload]
    )
    signature = signer.sign_msg_hash(keccak(keccak(body)))
    signed = signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([signature.v])
    return b"\x01" + bytes(4) + b"\x01\x00" + signed + body


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
