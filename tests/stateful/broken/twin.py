"""A broken twin: the project's contracts with one bug planted, and by what the suite catches it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from closeout.toolchain.artifacts import Artifact, load
from closeout.toolchain.patched import Patch, build_patched

VAULT = ("contracts/Vault.sol",)
EXTENSION = ("contracts/VaultExtension.sol",)
ENGINE = ("contracts/LiquidationEngine.sol",)

MACHINE = "machine: "
"""In front of a check of the machine: one of its invariants, `ledger`, or `model` for the comparison to the unit."""


@dataclass(frozen=True)
class Twin:
    """`name` says what is wrong. `caught_by`: a check of the machine, or a test by its id.

    `units` are the files compiled with the bug; `often`: kinds of moves that the machine makes more of, by weight.
    """

    name: str
    source: str
    old: str
    new: str
    units: Sequence[str]
    caught_by: str
    setting: str = "all"
    often: dict[str, int] = field(default_factory=dict, hash=False)

    @property
    def check(self) -> str | None:
        """The check of the machine that catches it; None where a test of its own does."""
        return self.caught_by.removeprefix(MACHINE) if self.caught_by.startswith(MACHINE) else None

    def artifacts(self) -> dict[str, Artifact]:
        """All contracts, those of `units` with the bug. Raises PatchDoesNotApply where the sources have moved on."""
        return load(log=None) | build_patched([Patch(self.source, self.old, self.new)], self.units)
