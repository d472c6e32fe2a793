"""What our ABI codec makes of an answer that is too short."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHORT = """
{first}
from closeout.chain.abi import Function
{second}
from eth_abi.exceptions import DecodingError
view = Function({{"name": "amount", "inputs": [], "outputs": [{{"name": "", "type": "uint256"}}]}})
try:
    print(view.decode("0x"))
except DecodingError:
    print("refused")
"""


@pytest.mark.parametrize("is_first", [True, False])
def test_answer_of_nothing__is_refused__also_where_ape_pads_numbers(is_first: bool):
    """An address without code is not a contract that says 0, in whichever order the two are imported."""
    ape = "import ape.utils.abi"
    program = SHORT.format(first=ape if is_first else "", second="" if is_first else ape)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"
