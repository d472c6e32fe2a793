"""Where a transaction's gas goes: `python -m tests.gas.profile "close out 1 + 1"`; without a name, lists the works.

By what it is paid for, by contract, by call, by function, by line, and which slots were touched.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from closeout.chain.anvil import Anvil
from closeout.toolchain.artifacts import load
from tests.gas.attribution import Attribution
from tests.gas.bench import Bench
from tests.gas.floor import floor_items
from tests.gas.snapshots import spaced
from tests.gas.stage import Stage
from tests.gas.trace import COMPUTING, Kind, Trace
from tests.support.node import Node
from tests.support.world import GENESIS

__all__ = ["profile"]


def profile(node: Node, bench: Bench, name: str, lines: int) -> str:
    """The report on one work; leaves the chain as it was."""
    with node.rolled_back():
        bench.works()[name]()
        trace = Trace.of_last(node.rpc)
        attribution = Attribution(trace, node.rpc, node.artifacts)
        return "\n".join(_report(name, trace, attribution, lines))


def _report(name: str, trace: Trace, attribution: Attribution, lines: int) -> Iterator[str]:
    yield f"=== {name}: {spaced(trace.gas)} gas"
    functions = attribution.by_function()
    yield from _kinds(trace, attribution)
    yield "\n--- distance to the floor: what whoever holds the funds and reads the prices cannot save, and the rest"
    yield from _floor(trace, attribution)
    yield "\n--- calls: gas with all that is inside, what the call itself cost the caller included"
    for frame in trace.root.walk():
        yield f"{spaced(frame.price):>9}  {'  ' * (frame.depth - 1)}{attribution.call_of(frame)}"
    yield "\n--- slots and accounts: first touches and writes"
    yield from _accesses(trace, attribution)
    yield f"\n--- functions of the generated code, the first {lines} by what they compute"
    yield f"{'own':>9}{'computing':>10}{'total':>9}{'calls':>6}"
    for function in sorted(functions, key=lambda function: -function.computing)[:lines]:
        name = f"{function.contract}.{function.name}"
        gas = f"{spaced(function.own):>9}{spaced(function.computing):>10}{spaced(function.total):>9}"
        yield f"{gas}{function.calls:>6}  {name}"
    yield f"\n--- lines: the first {lines} by own gas; `computing` leaves out storage, accounts, logs and memory growth"
    yield f"{'gas':>9}{'computing':>10}"
    for line in attribution.by_line()[:lines]:
        computing = sum(line.kinds[kind] for kind in COMPUTING)
        yield f"{spaced(line.gas):>9}{spaced(computing):>10}  {line.place}  [{line.function}]  {line.text[:90]}"
    yield f"\n--- source functions, whatever was inlined where: the first {lines} by own gas"
    sums: Counter[str] = Counter()
    for line in attribution.by_line():
        sums[line.function] += line.gas
    for function_name, gas in sums.most_common(lines):
        yield f"{spaced(gas):>9}  {function_name}"
    yield ""


_ACCESSES = (Kind.COLD_SLOT, Kind.WRITE, Kind.COLD_ACCOUNT)


def _kinds(trace: Trace, attribution: Attribution) -> Iterator[str]:
    by_contract = attribution.by_contract()
    yield f"{'':<36}{'all':>9}" + "".join(f"{name[:17]:>18}" for name in by_contract)
    for kind, gas in trace.by_kind().items():
        if gas:
            yield f"{kind:<36}{spaced(gas):>9}" + "".join(f"{spaced(sums[kind]):>18}" for sums in by_contract.values())
    yield f"{'sum':<36}{spaced(trace.gas):>9}" + "".join(
        f"{spaced(sum(sums.values())):>18}" for sums in by_contract.values()
    )


def _floor(trace: Trace, attribution: Attribution) -> Iterator[str]:
    items = floor_items(trace, attribution.calls())
    for is_floor, title in ((True, "the floor"), (False, "above it")):
        chosen = [item for item in items if item.is_floor is is_floor]
        yield f"{spaced(sum(item.gas for item in chosen)):>9}  {title}"
        for item in chosen:
            yield f"{spaced(item.gas):>9}    {item.name}" + (f" ({item.count})" if item.count > 1 else "")


def _accesses(trace: Trace, attribution: Attribution) -> Iterator[str]:
    for step in trace.steps:
        paid = {kind: gas for kind, gas in step.parts.items() if kind in _ACCESSES}
        if paid:
            owner = attribution.contract_of(step.frame)
            what = ", ".join(f"{kind} {spaced(gas)}" for kind, gas in paid.items())
            yield f"{spaced(sum(paid.values())):>9}  {step.op:<12} {owner}  {what}  {attribution.line_of(step)}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.gas.profile", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("work", nargs="*", help="names of works, or parts of them, or `all`; none: list them")
    parser.add_argument("--lines", type=int, default=60, help="how many functions and lines to show")
    given = parser.parse_args(arguments)
    with Anvil(extra=("--steps-tracing",)) as anvil:
        node = Node(anvil.rpc, load(), GENESIS)
        bench = Bench(Stage(node))
        chosen = [name for name in bench.works() if any(part == "all" or part in name for part in given.work)]
        if not chosen:
            sys.stdout.write("\n".join(bench.works()) + "\n")
            return 2 if given.work else 0
        for name in chosen:
            sys.stdout.write(profile(node, bench, name, given.lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
