"""What `data` prints: the datasets that are found, their layout, and their counts beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.progress import ProgressBar
from fer_bench.core.text import list_first
from fer_bench.datasets import DATASETS, DataConfig, find_all
from fer_bench.datasets.archives import origin
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.expected_counts import class_counts, count_mismatches, published_counts
from fer_bench.datasets.face_crop.load import load
from fer_bench.datasets.face_crop.spec import spelling, split_name
from fer_bench.datasets.registry import find, needs_files, unreadable_archives
from fer_bench.datasets.tree import list_folder

MAX_FOLDERS = 4  # folders that a layout names


def print_datasets(data_config: DataConfig, console: Console, names: Sequence[str] = ()) -> int:
    """Read datasets into their cache and print their counts per class and split.

    Without names, all datasets that are found are read. Return how many cannot be read or are missing. Raise UserError
    for an unknown name.
    """
    sources = {spelling(name): find(split_name(name)[0], data_config) for name in names} or find_all(data_config)
    num_failed = sum(not _print_dataset(name, path, data_config, console) for name, path in sources.items())
    if missing := [name for name in DATASETS.names() if not names and name not in sources]:
        folder = escape(str(data_config.data_dir))
        print_text(console, f"[dim]Not found in {folder}:[/] {', '.join(missing)}", markup=True)
        for problem in unreadable_archives(data_config):
            print_text(console, f"  [red]✗[/] {escape(problem)}", markup=True)
        advice = "`data download NAME` downloads one, or explains how to request it and where to put its files."
        print_text(console, f"[dim]{advice}[/]", markup=True)
    return num_failed


def _print_dataset(name: str, path: Path | None, data_config: DataConfig, console: Console) -> bool:
    """Print one dataset and return whether it can be read."""
    base, _ = split_name(name)
    missing = "not found" if needs_files(base) else "built in"
    source = f"{origin(path)}: {describe_layout(path)}" if path else missing
    print_text(console, f"[bold]{escape(name)}[/]  {escape(source)}", markup=True)
    try:
        dataset = load(name, data_config)
    except UserError as error:
        ProgressBar.close()
        print_text(console, f"  [red]✗[/] {escape(str(error))}\n", markup=True)
        return False
    options = DATASETS.get(base).options if dataset.name == base else {}
    _print_counts(dataset, options, console)
    mismatches = count_mismatches(dataset, options)
    if mismatches:
        print_text(console, "  [yellow]✗[/] The counts differ from the published ones.", markup=True)
    elif mismatches is not None:
        print_text(console, "  [green]✓[/] The counts are the published ones.", markup=True)
    for note in (note for note in dataset.notes if note not in (mismatches or ())):
        print_text(console, f"  [yellow]note[/]: {escape(note)}", markup=True)
    console.print()
    return True


def describe_layout(path: Path) -> str:
    """Return in a few words what a source is: a file, or a folder with which subfolders."""
    if path.is_file():
        return f"a {path.suffix.lstrip('.') or 'file'} file"
    folder = list_folder(path)
    if folder is None or not folder.folders:
        return "a folder of images" if folder and folder.images else "a folder"
    return f"folders {list_first(folder.folders, MAX_FOLDERS)}"


def _print_counts(dataset: Dataset, options: Mapping[str, Any], console: Console) -> None:
    """Print a table of splits × classes. A count that differs from the published one is followed by that one."""
    published = published_counts(dataset, options)
    rows = [["", *dataset.classes, "all"]]
    for split, counts in class_counts(dataset).items():
        expected = published.get(split, counts)
        cells = [_count_cell(*pair) for pair in zip(counts, expected, strict=True)]
        rows.append([split, *cells, _count_cell(sum(counts), sum(expected))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        console.out("  ".join(["", first.ljust(widths[0]), *cells]), highlight=False)


def _count_cell(count: int, expected: int) -> str:
    return f"{count:,}" if count == expected else f"{count:,} of {expected:,}"
