"""`python -m closeout.audit.prove`: the theorems in z3, then Halmos over the compiled code. Both must be able to fail.

Halmos runs each `check_` function of tests/proofs/symbolic for all values of its arguments. Each `broken_` function
there states something false, for which it must find a counter-example.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from closeout.audit.evidence import Row, record
from closeout.toolchain.settings import ROOT

SYMBOLIC = "tests/proofs/symbolic"
HALMOS = ROOT / ".venv-analysis" / "bin" / "halmos"
OUT = Path(".build") / "halmos"
# Longer than the longest list of an account.
LOOP = "16"
SOLVER_MILLISECONDS = "600000"


def theorems() -> Row:
    """tests/proofs with z3."""
    command = [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-q", "tests/proofs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout.strip())
    passed = re.search(r"(\d+) passed", done.stdout)
    return Row("theorems", "z3 over the reals and integers", int(passed[1]) if passed else 0, _result(done.returncode))


def symbolic() -> dict[str, int]:
    """Halmos on all functions; its exit code for each: 0 proved, 1 refuted, anything else undecided."""
    report = ROOT / OUT / "report.json"
    # Halmos runs whatever a folder holds, also what was compiled from sources that are gone
    shutil.rmtree(report.parent, ignore_errors=True)
    report.parent.mkdir(parents=True)
    command = [str(HALMOS), "--forge-build-out", str(OUT), "--loop", LOOP, "--match-test", "^(check|broken)_"]
    # one counter-example is enough
    command += ["--solver-timeout-assertion", SOLVER_MILLISECONDS, "--early-exit", "--json-output", str(report)]
    folders = {f"FOUNDRY_{name}": SYMBOLIC for name in ("SRC", "TEST", "SCRIPT")}
    paths = {"FOUNDRY_OUT": str(OUT), "FOUNDRY_CACHE_PATH": str(OUT / "cache")}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | folders | paths, capture_output=True, text=True, check=False
    )
    if not report.exists():
        sys.exit(f"halmos: {(done.stdout + done.stderr).strip()[-2000:]}")
    results = json.loads(report.read_text())["test_results"]
    return {test["name"].split("(")[0]: test["exitcode"] for tests in results.values() for test in tests}


def _result(code: int) -> str:
    return "held" if code == 0 else "FAILED"


def main() -> int:
    if not HALMOS.exists():
        sys.exit("halmos: not found in .venv-analysis, expected version 0.3.3; `make setup-analysis` installs it")
    started = time.monotonic()
    rows = [theorems()]
    found = symbolic()
    checks = {name: code for name, code in found.items() if name.startswith("check_")}
    broken = {name: code for name, code in found.items() if name.startswith("broken_")}
    wrong = [f"{name}: not proved" for name, code in checks.items() if code]
    wrong += [f"{name}: not refuted" for name, code in broken.items() if code != 1]
    rows.append(Row("compiled code", "Halmos, for all arguments", len(checks), _result(len(wrong))))
    rows.append(Row("false statements", "Halmos, each refuted", len(broken), _result(len(wrong))))
    record("prove", rows)
    for line in wrong:
        print(line)
    print(f"halmos: {len(checks)} to prove for all arguments, {len(broken)} to refute, {len(wrong)} not as expected")
    print(f"{time.monotonic() - started:.0f} s")
    return 1 if wrong or any(row.result == "FAILED" for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
