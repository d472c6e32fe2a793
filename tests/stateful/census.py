"""How often what must have happened in a run of twenty thousand steps, and the report of what did."""

from __future__ import annotations

from tests.stateful.judging import Census

FLOORS: dict[str, tuple[int, int]] = {}
TOLD: dict[str, int] = {}


def report_of(census: Census) -> str:
    """One line per move: how often it succeeded, how often it was refused and why; then the properties."""
    names = sorted({name.split(": ")[0] for name in census.moves})
    lines = [f"{census.steps} steps", f"{'move':<26}{'done':>8}{'refused':>9}  by"]
    for name in names:
        done, refused = census.outcomes(name)
        lines.append(f"{name:<26}{done:>8}{refused:>9}  {', '.join(census.refusals(name))}")
    lines.append(", ".join(f"{kind} {census.moves[f'{what}: {kind}']}" for what, kind in KINDS))
    lines.append("told: " + ", ".join(f"{name} {count}" for name, count in census.told.items()))
    return "\n".join(lines)


KINDS = [
    (what, kind)
    for what in ("close out", "close out and call back")
    for kind in ("restorative", "capped", "terminal", "opted in", "put on call")
]
