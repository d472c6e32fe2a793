"""How much the differential and property tests look at: more for a longer audit run.

`CLOSEOUT_TEST_SIZE` multiplies every number of cases (1: what a change must pass), `CLOSEOUT_TEST_SEED` shifts every
seed, so that another run looks at other cases.
"""

from __future__ import annotations

import os
from random import Random

SIZE = float(os.environ.get("CLOSEOUT_TEST_SIZE", "1"))
SEED = int(os.environ.get("CLOSEOUT_TEST_SEED", "0"))


def sized(count: int) -> int:
    """How many cases to look at, where `count` are usual."""
    return max(1, round(count * SIZE))


def least(count: int) -> int:
    """How many of them must have told something; a short run promises nothing."""
    return int(count * SIZE * 0.8) if SIZE >= 0.5 else 0


def seeded(name: str, number: int) -> Random:
    """The randomness of one case: printed by whoever fails."""
    return Random(f"{name} {SEED + number}")
