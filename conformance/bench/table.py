"""The figures of a benchmark as a table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from conformance.bench.run import SATURATED, BenchRun, Spread
from conformance.bench.workloads import Workload
from conformance.core.terminal import fitted, is_narrow


def print_table(console: Console, run: BenchRun) -> None:
    """Print one line per workload and subject: the median and the spread of the rounds.

    A terminal that is too narrow for the table gets lines of text.
    """
    table = Table("workload", "subject", box=None, pad_edge=False)
    for heading in ("rate", "spread", f"{run.relative_to}/it", "spread", "generator"):
        table.add_column(heading, justify="right", no_wrap=True)
    for workload in run.workloads:
        for index, subject in enumerate(run.measured(workload)):
            table.add_row("" if index else workload.name, subject, *_cells(run, workload, subject))
        table.add_section()
    if is_narrow():
        console.print(fitted("\n".join(_lines(run))), highlight=False, markup=False, soft_wrap=True)
    else:
        console.print(table)
    units = ", ".join(f"{each.name} in {each.unit}" for each in run.workloads)
    notes = [
        f"rate: {units}; medians of {run.rounds} rounds of {run.seconds:g} s.",
        "spread: half the difference between the fastest and the slowest round.",
        "generator: the highest processor share of the load generator itself.",
    ]
    if any(_is_saturated(run, each, name) for each in run.workloads for name in run.measured(each)):
        notes.append("! The generator was saturated: the subject may be faster.")
    console.print(fitted("\n".join(notes)), highlight=False, soft_wrap=True)


def _lines(run: BenchRun) -> Iterator[str]:
    for workload in run.workloads:
        for subject in run.measured(workload):
            rate, spread, ratio, its_spread, generator = _cells(run, workload, subject)
            compared = f", {ratio} {its_spread} of {run.relative_to}" if ratio else ""
            yield f"{workload.name}  {subject}: {rate} {spread}{compared}; generator {generator}"


def _cells(run: BenchRun, workload: Workload, subject: str) -> list[str]:
    rate = Spread.of(run.rates(workload, subject))
    ratio = run.ratio(workload, subject)
    mark = "!" if _is_saturated(run, workload, subject) else ""
    return [
        f"{rate.median:,.0f}",
        f"±{rate.deviation:.0%}",
        f"{ratio.median:.3g}" if ratio else "",
        f"±{ratio.deviation:.0%}" if ratio else "",
        f"{mark}{run.generator_cpu(workload, subject):.0%}",
    ]


def _is_saturated(run: BenchRun, workload: Workload, subject: str) -> bool:
    return run.generator_cpu(workload, subject) >= SATURATED
