"""What most tests of the model's Vault begin with."""

from __future__ import annotations

import pytest

from closeout.model import Vault
from tests.model.stage import make_vault


@pytest.fixture
def vault() -> Vault:
    """The stage of `tests.model.stage`."""
    return make_vault()
