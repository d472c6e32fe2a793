"""Contract sizes against the limits of the chain: `python -m closeout.toolchain.sizes`, or `make size`."""

from __future__ import annotations

import sys

from closeout.toolchain.artifacts import load
from closeout.toolchain.compile import CompileFailed
from closeout.toolchain.solc import SolcMissing

__all__ = ["CODE_LIMIT", "INIT_CODE_LIMIT"]

CODE_LIMIT = 24_576  # EIP-170
INIT_CODE_LIMIT = 49_152  # EIP-3860


def main() -> int:
    try:
        shipped = [artifact for artifact in load().values() if artifact.is_shipped]
    except (CompileFailed, SolcMissing) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{'contract':<32}{'bytes':>8}{'left':>8}{'of ' + str(CODE_LIMIT):>10}{'creation':>10}")
    for artifact in sorted(shipped, key=lambda artifact: -artifact.size):
        left = CODE_LIMIT - artifact.size
        share = 100 * artifact.size / CODE_LIMIT
        print(f"{artifact.name:<32}{artifact.size:>8}{left:>8}{share:>8.1f} %{artifact.init_size:>10}")
    too_big = [a.name for a in shipped if a.size > CODE_LIMIT or a.init_size > INIT_CODE_LIMIT]
    if too_big:
        print(f"too big to deploy: {', '.join(too_big)}", file=sys.stderr)
    return 1 if too_big else 0


if __name__ == "__main__":
    sys.exit(main())
