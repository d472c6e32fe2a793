"""What was run: places of instructions, and both ways of each jump, kept in a file that runs add to."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from closeout.audit.coverage.builds import Code, Place

__all__ = ["Hits"]


class Hits:
    """Places that were executed; of each place with a jump, whether it was taken and whether it fell through."""

    def __init__(self) -> None:
        self.places: set[Place] = set()
        self.jumps: defaultdict[Place, set[bool]] = defaultdict(set)
        self._known: defaultdict[int, tuple[set[int], set[tuple[int, int]]]] = defaultdict(lambda: (set(), set()))

    def add(self, code: Code, counters: set[int], jumps: set[tuple[int, int]]) -> bool:
        """Counters that were executed, and (counter, next counter) of each jump. Whether anything of it is new."""
        known_counters, known_jumps = self._known[id(code)]
        new_counters, new_jumps = counters - known_counters, jumps - known_jumps
        known_counters |= new_counters
        known_jumps |= new_jumps
        before = len(self.places), sum(map(len, self.jumps.values())) if new_jumps else 0
        self.places |= {code.places[counter] for counter in new_counters if counter in code.places}
        for counter, following in new_jumps:
            if counter in code.places:
                self.jumps[code.places[counter]].add(following != counter + 1)
        return before != (len(self.places), sum(map(len, self.jumps.values())) if new_jumps else 0)

    def merge(self, file: Path) -> None:
        """Adds what an earlier run wrote."""
        if file.exists():
            known = json.loads(file.read_text())
            self.places |= {(name, start, length) for name, start, length in known["places"]}
            for name, start, length, ways in known["jumps"]:
                self.jumps[name, start, length] |= set(ways)

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        jumps = [[*place, sorted(ways)] for place, ways in sorted(self.jumps.items())]
        file.write_text(json.dumps({"places": sorted(self.places), "jumps": jumps}))
