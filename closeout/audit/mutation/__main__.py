"""`python -m closeout.audit.mutation [contracts|model]`: mutate, test, report. Stop and start it as you like."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from closeout.audit.evidence import Row, record
from closeout.audit.mutation.bench import Bench
from closeout.audit.mutation.ledger import Ledger, Result, digest_of
from closeout.audit.mutation.mutants import draw
from closeout.audit.mutation.report import LEAST_KILLED, Report, is_argued
from closeout.audit.mutation.targets import CONTRACTS, MODEL, targets
from closeout.errors import CloseoutError
from closeout.toolchain.settings import ROOT

SEED = "closeout-1"


def run(given: argparse.Namespace) -> Report:
    """Judges what is not judged yet, until done or out of time."""
    folder = ROOT / ".build" / "mutation"
    folder.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(folder / f"{given.what}.{given.seed}.jsonl")
    if given.retry:
        ledger.forget("survived")
    report = Report(given.what, given.seed)
    end = time.monotonic() + given.seconds
    # everything is read from the bench's copy: what changes in the checkout meanwhile is the next run's
    bench = Bench(ROOT, given.what)
    for target in targets(bench.tree, given.what):
        results: list[Result] = []
        digest = digest_of(bench.tree / target.path)
        if any(part in target.path for part in given.only):
            for mutant in draw(bench.tree, target.path, given.seed, given.tools):
                if sum(result.is_counted for result in results) == target.count:
                    break
                result = ledger.find(mutant, digest)
                if result is None or (result.status == "undecided" and not given.near):
                    if time.monotonic() > end:
                        break
                    outcome = bench.judge(target, mutant, is_near=given.near, is_argued=is_argued(mutant))
                    result = ledger.add(mutant, digest, outcome)
                    print(f"{result.status:9} {result.seconds:5.0f} s  {mutant.key}  {result.by}", flush=True)
                results.append(result)
            else:
                # a file of declarations has no more to change
                target = replace(target, count=sum(result.is_counted for result in results))
        report.add(target, results)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m closeout.audit.mutation", description=__doc__)
    parser.add_argument("what", choices=(CONTRACTS, MODEL), nargs="?", default=CONTRACTS)
    parser.add_argument("--seed", default=SEED, help="draws the sample; recorded in the report")
    parser.add_argument("--only", nargs="+", default=[""], help="files whose path contains one of these")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no mutant after so long")
    parser.add_argument("--retry", action="store_true", help="judge survivors again, where tests were added")
    parser.add_argument("--near", action="store_true", help="without the last stage of tests: what lives is undecided")
    parser.add_argument("--report", type=Path, help="put the report into this page, Markdown")
    parser.add_argument("--tools", type=Path, default=ROOT / ".venv-analysis" / "bin")
    given = parser.parse_args(arguments)
    try:
        report = run(given)
    except CloseoutError as error:
        print(error, file=sys.stderr)
        return 1
    if given.report:
        report.write(given.report)
    print(report.summary())
    if report.unargued:
        print(f"{len(report.unargued)} survivors without an argument in argued.yaml", file=sys.stderr)
    is_enough = report.counted == report.planned and report.killed >= LEAST_KILLED * report.counted
    result = "held" if is_enough and not report.unargued else "FAILED"
    killed = f"{report.killed} of {report.counted} killed"
    record(f"mutation-{given.what}", [Row(f"mutants of the {given.what}", killed, report.counted, result)])
    return 0 if result == "held" else 1


if __name__ == "__main__":
    sys.exit(main())
