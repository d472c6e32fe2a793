"""Does what is left of a plan, as often as it takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from closeout.errors import EnvironmentProblem

from .effects import Effects
from .journal import Mined
from .plan import Plan, Step, transaction
from .ports import StepSender

__all__ = ["Done", "execute"]

# After a reorganisation steps may be undone; more than a few rounds of that is no reorganisation.
MAX_ROUNDS = 5

Progress = Callable[[int, Step, str], None]
"""Told of each step: its number, the step, and "there already", "sent" or "found" (sent by an earlier process)."""


@dataclass(frozen=True)
class Done:
    """A step and the transaction by which it was done; None where nobody here saw it."""

    step: Step
    mined: Mined | None


def execute(
    plan: Plan, sender: StepSender, effects: Effects, confirmations: int, progress: Progress | None = None
) -> Sequence[Done]:
    """Carries out every step that is not done yet, in order, and waits until all are buried under `confirmations`.

    Safe to call again after any interruption, in this process or another one, with the same journal or none.

    Raises:
        TransactionFailed: a step reverts. EnvironmentProblem: the node is gone for too long, or a step does not take.
    """
    for _ in range(MAX_ROUNDS):
        done = [_carry_out(number, step, sender, effects, progress) for number, step in enumerate(plan.steps)]
        last = max((item.mined.block for item in done if item.mined is not None), default=0)
        sender.await_confirmations(last, confirmations)
        if all(effects.is_done(step) for step in plan.steps):
            return done
    raise EnvironmentProblem("steps that were mined are undone again and again: the chain does not settle")


def _carry_out(number: int, step: Step, sender: StepSender, effects: Effects, progress: Progress | None) -> Done:
    def tell(how: str) -> None:
        if progress is not None:
            progress(number, step, how)

    if effects.is_done(step):
        tell("there already")
        return Done(step, sender.seen(step.label))
    mined = sender.finish(step.label)
    if mined is not None and effects.is_done(step):
        tell("found")
        return Done(step, mined)
    mined = sender.send(step.label, *transaction(step))
    if not effects.is_done(step):
        raise EnvironmentProblem(f"{step.label}: mined in block {mined.block}, and not to be seen in the state")
    tell("sent")
    return Done(step, mined)
