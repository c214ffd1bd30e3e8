"""What `check` shows: a line for each architecture while it runs, a table and every complaint at the end."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.contract.run import Outcome

Board = dict[str, list[Outcome]]  # architecture → outcomes, in the order of the checks


def follow(outcomes: Iterable[Outcome], backend: str, total: int, console: Console) -> Board:
    """Take all outcomes of a backend, saying how far they are."""
    board: Board = {}
    with console.status(f"{backend}: starting") as status:
        for outcome in outcomes:
            if outcome.architecture not in board and board:
                _say_done(board, backend, total, console)
            board.setdefault(outcome.architecture, []).append(outcome)
            status.update(f"{backend} {len(board)}/{total} {outcome.architecture}: {outcome.check}")
    if board:
        _say_done(board, backend, total, console)
    return board


def show(board: Board, backend: str, console: Console) -> int:
    """Print the table of a backend and the complaints below it; how many architectures have one."""
    checks = list(dict.fromkeys(o.check for outcomes in board.values() for o in outcomes))
    table = Table(
        title=f"\nContract on {backend}", title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0)
    )
    table.add_column("architecture", header_style="dim", no_wrap=True)
    for check in checks:
        table.add_column(check, header_style="dim", justify="center")
    table.add_column("time", header_style="dim", justify="right", no_wrap=True)
    for name, outcomes in board.items():
        marks = {o.check: _mark(o) for o in outcomes}
        table.add_row(name, *(marks.get(check, "") for check in checks), f"{sum(o.seconds for o in outcomes):.1f} s")
    console.print(table)
    wrong = {name: [o for o in outcomes if o.complaint] for name, outcomes in board.items()}
    wrong = {name: outcomes for name, outcomes in wrong.items() if outcomes}
    for name, outcomes in wrong.items():
        console.print(f"\n[bold]{name}[/] on {backend}", highlight=False)
        for outcome in outcomes:
            console.print(
                f"  [red]{outcome.check}[/]: {escape(str(outcome.complaint))}", highlight=False, soft_wrap=True
            )
    return len(wrong)


def _mark(outcome: Outcome) -> str:
    if outcome.skipped:
        return "[dim]–[/]"
    return "[bold red]✗[/]" if outcome.complaint else "[green]✓[/]"


def _say_done(board: Board, backend: str, total: int, console: Console) -> None:
    name, outcomes = list(board.items())[-1]
    failed = [o.check for o in outcomes if o.complaint]
    result = f"[red]fails {', '.join(failed)}[/]" if failed else "[green]passes[/]"
    seconds = sum(o.seconds for o in outcomes)
    console.print(f"{backend} {len(board)}/{total} {name}: {result}, {seconds:.1f} s", highlight=False, soft_wrap=True)
