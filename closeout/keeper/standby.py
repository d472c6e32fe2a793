"""Two processes with one key, by mistake: whoever sees the other's transactions lets him have the key. Pure.

A nonce that somebody else used costs nothing, so both may go on safely; but each spoils what the other has in flight.
On a sighting a keeper stands by for a number of blocks that it draws; a sighting while it stands by makes it draw
again. The one that wakes first acts, the other sees it and stays away: one of them works, and where that one dies the
other takes over.
"""

from __future__ import annotations

from random import Random

__all__ = ["Standby"]

LEAST_BLOCKS, MOST_BLOCKS = 4, 20


class Standby:
    """`seed`: what tells this process from another, or both would wake together."""

    def __init__(self, seed: str) -> None:
        self._random = Random(seed)
        self._until = 0
        self.sightings = 0

    def sighted(self, block: int) -> int:
        """Somebody else used the key, seen at this block; the block at which to act again."""
        self.sightings += 1
        self._until = max(self._until, block + self._random.randint(LEAST_BLOCKS, MOST_BLOCKS))
        return self._until

    def holds(self, block: int) -> bool:
        """Whether to send nothing at this block."""
        return block < self._until
