"""How often what must have happened in a run of twenty thousand steps, and the report of what did."""

from __future__ import annotations

from tests.stateful.judging import Census

FLOORS: dict[str, tuple[int, int]] = {
    "absorb": (6, 10),
    "approve shares": (60, 0),
    "borrow": (150, 250),
    "borrow shares": (12, 30),
    "claim": (10, 40),
    "clear margin call": (1, 25),
    "close out": (75, 250),
    "close out and call back": (8, 15),
    "confirm freeze": (1, 15),
    "credit claim": (60, 1),
    "deposit": (250, 100),
    "deposit by face": (15, 0),
    "donate": (10, 0),
    "feed": (100, 0),
    "feed the fund": (40, 0),
    "flash close out": (5, 10),
    "flash loan": (30, 10),
    "freeze": (25, 1),
    "invalidate nonces": (5, 2),
    "margin call": (8, 50),
    "mint": (20, 2),
    "mint by face": (20, 1),
    "mood": (70, 0),
    "multicall": (6, 45),
    "note insolvency": (9, 80),
    "operator by signature": (3, 5),
    "permit": (5, 0),
    "poke": (45, 8),
    "prices": (800, 0),
    "rebalance": (70, 50),
    "redeem": (14, 20),
    "redeem by face": (13, 20),
    "repay": (20, 60),
    "repay from inside": (10, 45),
    "repay shares": (20, 20),
    "set asset": (40, 10),
    "set deleverage": (100, 25),
    "set operator": (12, 0),
    "set pauses": (12, 0),
    "set protocol": (25, 2),
    "split": (12, 0),
    "steward step": (15, 2),
    "supply": (400, 25),
    "transfer shares": (28, 8),
    "transfer shares from": (5, 15),
    "trespass": (0, 35),
    "unfreeze": (0, 10),
    "withdraw": (25, 15),
    "withdraw by face": (15, 15),
    "withdraw collateral": (40, 45),
    "write off": (12, 50),
}
"""How often each move succeeded and was refused at least: a quarter of what it usually is."""

TOLD: dict[str, int] = {
    "P1": 15_000,
    "P2": 2_000,
    "P3": 200,
    "P4": 35,
    "P5 P6": 5,
    "P7": 230,
    "P8": 15,
    "P9": 300,
    "P10": 60,
    "P11": 140,
    "P12": 40,
    "P13": 60,
    "P14": 3_000,
    "P15": 35,
    "P16": 60,
    "P17": 5,
    "P18": 20,
    "P19": 60,
    "P20": 20,
    "P21": 10,
    "P22": 4,
    "P23": 4,
    "T74": 10,
    "ledger": 3_000,
    "section 5": 18,
    "section 9": 15,
}
"""How many steps told something about each property at least."""

REGIMES: dict[str, int] = {"restorative": 30, "capped": 5, "terminal": 30, "put on call": 8, "opted in": 2}


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
