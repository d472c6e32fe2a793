"""What was run: places of instructions, and both ways of each jump, kept in a file that runs add to."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from closeout.audit.coverage.builds import Code

__all__ = ["Hits"]

Place = tuple[str, int, int]


class Hits:
    """Places that were executed; of each place with a jump, whether it was taken and whether it fell through."""

    def __init__(self) -> None:
        self.places: set[Place] = set()
        self.jumps: defaultdict[Place, set[bool]] = defaultdict(set)

    def add(self, code: Code, counters: set[int], jumps: set[tuple[int, int]]) -> None:
        """Counters that were executed, and (counter, next counter) of each jump."""
        self.places |= {code.places[counter] for counter in counters if counter in code.places}
        for counter, following in jumps:
            if counter in code.places:
                self.jumps[code.places[counter]].add(following != counter + 1)

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
