"""Puts a broken twin in the place of the real contracts, for a whole run of pytest: `CLOSEOUT_BROKEN_TWIN=name`."""

from __future__ import annotations

from closeout.toolchain import artifacts

TWIN = "CLOSEOUT_BROKEN_TWIN"


def install(name: str) -> None:
    """From here on `load()` gives the twin's contracts. Before anyone imports it by name."""
    from tests.stateful.broken.module_twins import MODULE_TWINS
    from tests.stateful.broken.vault_twins import VAULT_TWINS

    [twin] = [twin for twin in (*VAULT_TWINS, *MODULE_TWINS) if twin.name == name]
    made = twin.artifacts()
    artifacts.load = lambda *_, **__: dict(made)
