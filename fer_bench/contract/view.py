"""What the command `check` prints: a line per architecture while it runs, then a table and all problems."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.contract.run import CheckResult
from fer_bench.core.console import print_text

Results = dict[str, list[CheckResult]]  # per architecture, in the order of the checks


def collect_results(stream: Iterable[CheckResult], backend: str, total: int, console: Console) -> Results:
    """Collect the results of a backend, which are grouped by architecture, and print progress."""
    results: Results = {}
    with console.status(f"{backend}: starting") as status:
        for name, group in groupby(stream, attrgetter("architecture")):
            position = f"{backend} {len(results) + 1}/{total} {name}"
            results[name] = []
            for result in group:
                results[name].append(result)
                status.update(f"{position}: {result.check}")
            failed = [result.check for result in results[name] if result.problem]
            verdict = f"[red]fails {', '.join(failed)}[/]" if failed else "[green]passes[/]"
            text = f"{position}: {verdict}, {_sum_seconds(results[name]):.1f} s"
            print_text(console, text, markup=True)
    return results


def print_results(results: Results, backend: str, console: Console) -> int:
    """Print the table of a backend and the problems below it. Return the number of architectures with a problem."""
    checks = list(dict.fromkeys(result.check for group in results.values() for result in group))
    table = Table(
        title=f"\nContract on {backend}", title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0)
    )
    table.add_column("architecture", header_style="dim", no_wrap=True)
    for check in checks:
        table.add_column(check, header_style="dim", justify="center")
    table.add_column("time", header_style="dim", justify="right", no_wrap=True)
    for name, group in results.items():
        marks = {result.check: _mark(result) for result in group}
        table.add_row(name, *(marks.get(check, "") for check in checks), f"{_sum_seconds(group):.1f} s")
    console.print(table)
    failed = {name: problems for name, group in results.items() if (problems := [r for r in group if r.problem])}
    for name, problems in failed.items():
        console.print(f"\n[bold]{name}[/] on {backend}", highlight=False)
        for result in problems:
            text = f"  [red]{result.check}[/]: {escape(str(result.problem))}"
            print_text(console, text, markup=True)
    return len(failed)


def _mark(result: CheckResult) -> str:
    if result.skipped:
        return "[dim]–[/]"
    return "[bold red]✗[/]" if result.problem else "[green]✓[/]"


def _sum_seconds(group: list[CheckResult]) -> float:
    return sum(result.seconds for result in group)
