"""Theorems for z3: assumptions with names, a claim, and for each assumption a witness that the claim needs it.

A theorem holds where its negation has no model. It would hold just as well where the assumptions contradict each
other, or where an assumption is idle: so they are shown to have a model, and each that is said to be needed is taken
away, which must give a counter-example. Quotients that a contract rounds are variables held between the bounds of
their rounding: what is proved of them over the real numbers holds for the integers too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import z3

__all__ = ["Theorem", "reals"]

TIMEOUT_MS = 60_000


def reals(names: str) -> list[z3.ArithRef]:
    """Real variables: `C, B = reals("C B")`."""
    return [z3.Real(name) for name in names.split()]


@dataclass(frozen=True)
class Theorem:
    """For all values of the variables: where the assumptions hold, the claim does."""

    assumptions: Mapping[str, z3.BoolRef]
    claim: z3.BoolRef
    logic: str = "QF_NRA"

    def prove(self) -> None:
        """Fails with the counter-example where there is one, and where the assumptions cannot all hold."""
        assert _model(self.logic, [*self.assumptions.values()]) is not None, "the assumptions contradict each other"
        found = _model(self.logic, [*self.assumptions.values(), z3.Not(self.claim)])
        assert found is None, f"a counter-example: {found}"

    def needs(self, *names: str) -> None:
        """Each of these assumptions, taken away, gives a counter-example to the claim."""
        for name in names:
            kept = [assumption for other, assumption in self.assumptions.items() if other != name]
            assert len(kept) == len(self.assumptions) - 1, f"no assumption {name}"
            found = _model(self.logic, [*kept, z3.Not(self.claim)])
            assert found is not None, f"the claim holds without: {name}"
            # the witness, put in, does what it is to show
            for part in [*kept, z3.Not(self.claim)]:
                assert z3.is_true(found.eval(part, model_completion=True)), f"no witness without {name}: {found}"


def _model(logic: str, parts: list[z3.BoolRef]) -> z3.ModelRef | None:
    """A model, or None where there is none. Fails where z3 does not know."""
    solver = z3.SolverFor(logic)
    solver.set("timeout", TIMEOUT_MS)
    solver.add(*parts)
    answer = solver.check()
    assert answer != z3.unknown, f"z3 does not know: {solver.reason_unknown()}"
    return solver.model() if answer == z3.sat else None
