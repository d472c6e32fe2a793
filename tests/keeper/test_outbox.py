"""The outbox in SQLite: what is written is there after a kill, and a disk that is full says so."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from closeout.keeper.breaker import Spending
from closeout.keeper.fees import Fees
from closeout.keeper.nonces import Attempt, Inclusion, Slot, SlotState
from closeout.keeper.outbox import SqlOutbox
from closeout.keeper.sending import OutboxUnwritable

OWNER = "0x" + "Ab" * 20
ATTEMPT = Attempt(
    nonce=3, hash="0x01", raw="0x02ff", key=("close out", 2**255 + 7), to="0x" + "22" * 20, data="0x1234",
    fees=Fees(10**12, 10**9), gas_limit=400_000, block=9, gross_wad=5 * 10**30, expected_profit_wad=-1,
    native_price_wad=2_000 * 10**18, is_private=True,
)  # fmt: skip
MINED = Inclusion("0x01", 10, "0xb10c", 1_800_000_000, True, Spending(3 * 10**20, -7 * 10**19, is_failed=False))


def test_attempt__written__comes_back_whole(tmp_path: Path) -> None:
    SqlOutbox(tmp_path / "keeper.db", OWNER).write(ATTEMPT)
    restored = SqlOutbox(tmp_path / "keeper.db", OWNER.lower()).restore()

    assert restored.slots == (Slot(3, (ATTEMPT,)),)
    assert (restored.used, restored.settled) == (0, ())


def test_slot__saved_twice__comes_back_as_it_was_last(tmp_path: Path) -> None:
    outbox = SqlOutbox(tmp_path / "keeper.db", OWNER)
    outbox.write(ATTEMPT)
    outbox.save([Slot(3, (ATTEMPT,), SlotState.OPEN, None, 5)], 0)
    outbox.save([Slot(3, (ATTEMPT,), SlotState.MINED, MINED)], 2)

    assert outbox.restore().slots == (Slot(3, (ATTEMPT,), SlotState.MINED, MINED),)
    assert outbox.restore().used == 2


def test_attempts__of_one_nonce__come_back_in_the_order_of_signing(tmp_path: Path) -> None:
    outbox = SqlOutbox(tmp_path / "keeper.db", OWNER)
    later = replace(ATTEMPT, hash="0x00", gross_wad=None)
    outbox.write(ATTEMPT)
    outbox.write(later)
    outbox.write(ATTEMPT)

    assert SqlOutbox(tmp_path / "keeper.db", OWNER).restore().slots == (Slot(3, (ATTEMPT, later)),)


def test_settled__within_two_hours_of_the_newest__is_told_and_older_ones_are_not(tmp_path: Path) -> None:
    outbox = SqlOutbox(tmp_path / "keeper.db", OWNER)
    for nonce, age in ((0, 7_200), (1, 7_199), (2, 0)):
        attempt = replace(ATTEMPT, nonce=nonce, hash=f"0x{nonce}")
        outbox.write(attempt)
        seen = replace(MINED, hash=attempt.hash, time=MINED.time - age)
        outbox.save([Slot(nonce, (attempt,), SlotState.FINAL, seen)], 2)

    restored = outbox.restore()
    assert [slot.nonce for slot in restored.settled] == [1]
    assert [slot.nonce for slot in restored.slots] == [2]


def test_two_keys__in_one_file__do_not_see_each_other(tmp_path: Path) -> None:
    one, two = (SqlOutbox(tmp_path / "keeper.db", owner) for owner in (OWNER, "0x" + "cd" * 20))
    one.write(ATTEMPT)

    assert two.restore().slots == ()
    assert one.instance != two.instance
    assert SqlOutbox(tmp_path / "keeper.db", OWNER).instance == one.instance


def test_file__that_is_no_database__is_an_environment_problem(tmp_path: Path) -> None:
    (tmp_path / "keeper.db").write_text("not a database, and longer than a header of one would be " * 9)
    with pytest.raises(OutboxUnwritable, match="not a database"):
        SqlOutbox(tmp_path / "keeper.db", OWNER)


# in a process of its own, which has `closeout` and not the tests
CHILD = f"""
import os, resource, signal, sys
from dataclasses import replace
from pathlib import Path
from closeout.keeper.fees import Fees
from closeout.keeper.nonces import Attempt
from closeout.keeper.outbox import SqlOutbox
from closeout.keeper.sending import OutboxUnwritable
OWNER, ATTEMPT = {OWNER!r}, {ATTEMPT!r}
"""

KILLED = """
outbox = SqlOutbox(Path(sys.argv[1]), OWNER)
for nonce in range(10):
    outbox.write(replace(ATTEMPT, nonce=nonce, hash=f"0x{nonce}"))
    print(nonce, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_process__killed_right_after_writing__leaves_all_it_wrote(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD + KILLED, str(tmp_path / "keeper.db")], capture_output=True, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr

    restored = SqlOutbox(tmp_path / "keeper.db", OWNER).restore()
    assert [slot.nonce for slot in restored.slots] == list(range(10))


FULL = """
outbox = SqlOutbox(Path(sys.argv[1]), OWNER)
outbox.write(ATTEMPT)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
written = 0
try:
    while written < 10_000:
        outbox.write(replace(ATTEMPT, nonce=4 + written, hash=f"0x{4 + written}", data="0x" + "00" * 4_000))
        written += 1
except OutboxUnwritable as error:
    print("full:", error)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
outbox.write(replace(ATTEMPT, nonce=10**6, hash="0xlast"))
known = {slot.nonce for slot in outbox.restore().slots}
assert known == {3, 10**6} | set(range(4, 4 + written)), known
"""


def test_disk__full__is_said_and_nothing_written_before_is_lost(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    done = subprocess.run(
        [sys.executable, "-c", CHILD + FULL, str(tmp_path / "keeper.db")], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "full:" in done.stdout
    assert "keeper.db" in done.stdout
