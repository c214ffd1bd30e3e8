"""What `data` shows: the datasets that are there, their layout and their counts beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig, found, load
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.expected_counts import counts, differences, published
from fer_bench.datasets.registry import find, needs_files
from fer_bench.datasets.tree import look

MAX_FOLDERS = 4  # folders that a layout names


def print_datasets(places: DataConfig, console: Console, names: Sequence[str] = ()) -> int:
    """Print what is found where, with counts per class and part; how many of the datasets cannot be read.

    Datasets are read into their cache on the way. UserError for an unknown name.
    """
    sources = {name: find(name, places) for name in names} or found(places)
    there = {name: path for name, path in sources.items() if path or not needs_files(name)}
    failed = sum(not _print_dataset(name, path, places, console) for name, path in there.items())
    missing = [name for name in names or DATASETS.names() if name not in sources or name not in there]
    if missing:
        _print(console, f"[dim]Not found below {escape(str(places.data_dir))}:[/] {', '.join(missing)}")
        _print(console, "[dim]`data download NAME` gets one, or says where to ask and how to lay out its files.[/]")
    return failed


def _print_dataset(name: str, path: Path | None, places: DataConfig, console: Console) -> bool:
    """Print one dataset; whether it could be read."""
    where = f"{path}: {describe_layout(path)}" if path else "built in"
    _print(console, f"[bold]{escape(name)}[/]  {escape(where)}")
    try:
        dataset = load(name, places)
    except UserError as error:
        _print(console, f"  [red]✗[/] {escape(str(error))}")
        console.print()
        return False
    _print_counts(dataset, console)
    wrong = differences(dataset, DATASETS.get(name).options)
    if wrong is not None:
        verdict = (
            "[yellow]✗[/] The counts are not the published ones."
            if wrong
            else "[green]✓[/] The counts are the published ones."
        )
        _print(console, f"  {verdict}")
    for note in (note for note in dataset.notes if note not in (wrong or ())):
        _print(console, f"  [yellow]note[/]: {escape(note)}")
    console.print()
    return True


def describe_layout(path: Path) -> str:
    """What a source looks like, in a few words."""
    if path.is_file():
        return f"a {path.suffix.lstrip('.') or 'file'} file"
    folder = look(path)
    if folder is None or not folder.folders:
        return "a folder of images" if folder and folder.images else "a folder"
    more = f" and {len(folder.folders) - MAX_FOLDERS} more" if len(folder.folders) > MAX_FOLDERS else ""
    return f"folders {', '.join(folder.folders[:MAX_FOLDERS])}{more}"


def _print_counts(dataset: Dataset, console: Console) -> None:
    """A table of parts × classes, with the published figure behind a count that differs from it."""
    declared = published(dataset, DATASETS.get(dataset.name).options)
    rows = [["", *dataset.classes, "all"]]
    for part, own in counts(dataset).items():
        of = declared.get(part, own)
        cells = [_count_cell(one, other) for one, other in zip(own, of, strict=True)]
        rows.append([part, *cells, _count_cell(sum(own), sum(of))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        console.out("  ".join(["", first.ljust(widths[0]), *cells]), highlight=False)


def _count_cell(count: int, of: int) -> str:
    return f"{count:,}" if count == of else f"{count:,} of {of:,}"


def _print(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=True)
