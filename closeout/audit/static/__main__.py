"""`python -m closeout.audit.static`: builds with forge, runs Slither, fails on what nobody looked at."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from closeout.audit.evidence import Row, record
from closeout.audit.static.findings import accepted, detectors_off, findings_of, sift
from closeout.toolchain.settings import ROOT

TOOLS = ROOT / ".venv-analysis" / "bin"
# Not shipped: what tests need.
SKIPPED = ("contracts/mocks", "contracts/harness")


def build(out: Path) -> None:
    """A forge build of what is shipped, with the syntax trees that Slither reads."""
    # Slither reads every build-info it finds, also one of sources that have changed since
    shutil.rmtree(out, ignore_errors=True)
    skipped = [argument for folder in SKIPPED for argument in ("--skip", f"{folder}/**")]
    command = ["forge", "build", "--build-info", "--out", str(out), *skipped]
    environment = os.environ | {"FOUNDRY_CACHE_PATH": str(out / "cache")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"forge build: {(done.stderr or done.stdout).strip()}")


def slither(out: Path) -> dict[str, object]:
    """Slither's JSON for that build."""
    if not (TOOLS / "slither").exists():
        sys.exit("slither: not found in .venv-analysis, expected version 0.11.6; `make setup-analysis` installs it")
    with tempfile.TemporaryDirectory(prefix="closeout-slither-") as folder:
        file = Path(folder) / "slither.json"
        command = [str(TOOLS / "slither"), ".", "--foundry-out-directory", str(out), "--ignore-compile"]
        command += ["--filter-paths", "|".join(("node_modules", *SKIPPED)), "--json", str(file)]
        command += ["--exclude", ",".join(detectors_off())]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if not file.exists():
            sys.exit(f"slither: {done.stderr.strip()[-2000:]}")
        report: dict[str, object] = json.loads(file.read_text())
    if not report["success"]:
        sys.exit(f"slither: {report['error']}")
    return report


def main() -> int:
    out = ROOT / ".build" / "slither"
    build(out)
    findings = findings_of(slither(out))
    known = accepted()
    open_, stale = sift(findings, known)
    for finding in open_:
        print(f"open: {finding.check} ({finding.impact}) {finding.where}: {finding.text[:300]}")
    for entry in stale:
        print(f"stale: {entry.check} {entry.pattern}: nothing fits it any more")
    counts = Counter(finding.check for finding in findings)
    record(
        "static",
        [Row("Slither", "0.11.6, every finding argued", len(findings), "FAILED" if open_ or stale else "held")],
    )
    looked_at = ", ".join(f"{count} {check}" for check, count in sorted(counts.items()))
    print(f"slither: {len(findings)} findings ({looked_at}), {len(open_)} open, {len(stale)} stale entries")
    return 1 if open_ or stale else 0


if __name__ == "__main__":
    sys.exit(main())
