"""What `list` prints. Imports neither Keras nor NumPy."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.config import bundled
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.text import flatten, millions, one_line
from fer_bench.datasets import DATASETS, DataConfig, find
from fer_bench.datasets.archives import origin
from fer_bench.datasets.registry import needs_files
from fer_bench.datasets.search import source_tree
from fer_bench.datasets.tree import Folder
from fer_bench.protocols.registry import PROTOCOLS
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, describe

if TYPE_CHECKING:
    from fer_bench.leaderboard.published_results import PublishedResult

FULL_TABLE_WIDTH = 110  # characters; a narrower table omits families and input kinds
LOG_WIDTH = 200
LIST = re.compile(r"\n[ *-]")  # in a paragraph whose line breaks mean something


def print_listing(data_config: DataConfig, console: Console) -> None:
    """Print all architectures, datasets and protocols, and the recipes and experiments of the repository."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_WIDTH)  # one line per entry, for grep
    _print_architectures(console)
    tree = source_tree(data_config.data_dir)
    datasets = [(entry.name, _location(entry.name, data_config, tree), entry.summary) for entry in DATASETS]
    _print_table(console, "Datasets", ("name", "location", "description"), datasets, num_folded=2)
    columns = ("name", "description")
    _print_table(console, "Protocols", columns, [(entry.name, entry.summary) for entry in PROTOCOLS])
    _print_table(console, "Recipes", columns, _descriptions(bundled.recipes()))
    _print_table(console, "Experiments", columns, _descriptions(bundled.experiments()))


def _print_architectures(console: Console) -> None:
    columns: dict[str, Callable[[Architecture], str]] = {
        "name": lambda architecture: architecture.name,
        "family": lambda architecture: architecture.family,
        "input": lambda architecture: architecture.input_kind,
        "parameters": lambda architecture: millions(architecture.num_parameters or float("nan")),
        "weights": lambda architecture: architecture.weights or "random",
        "description": lambda architecture: architecture.summary,
    }
    if console.width < FULL_TABLE_WIDTH:
        del columns["family"], columns["input"]
    rows = [tuple(cell(describe(name)) for cell in columns.values()) for name in ARCHITECTURES.names()]
    _print_table(console, "Architectures", tuple(columns), rows)


def print_details(names: Iterable[str], console: Console) -> None:
    """Print everything about some architectures, selected by names or patterns."""
    names = list(names)
    if other := next((name for name in names if DATASETS.spelling(name) in DATASETS), None):
        raise UserError(f"'{other}' is a dataset. `data list {other}` shows it.")
    for name in dict.fromkeys(name for pattern in names for name in ARCHITECTURES.match(pattern)):
        _print_details(describe(name), console)


def _print_details(architecture: Architecture, console: Console) -> None:
    from fer_bench.leaderboard.published_results import published_results  # pydantic: too slow for the plain list

    entry = ARCHITECTURES.get(architecture.name)
    weights = f"{architecture.weights} (of {architecture.weights_name})" if architecture.weights else "random"
    count = f"{architecture.num_parameters:,} for 7 classes" if architecture.num_parameters else "not declared"
    overrides = [f"{key}={value}" for key, value in flatten(architecture.recipe).items()]
    sizes = ", ".join(map(str, architecture.input_sizes))
    lines = [
        ("family", architecture.family),
        ("paper", architecture.paper or "none"),
        ("input", architecture.input_kind),
        ("input sizes", f"{sizes}{'; its weights depend on the size' if architecture.weights_depend_on_size else ''}"),
        ("parameters", count),
        ("weights", weights),
        ("recipe", ", ".join(overrides) or "the base recipe"),
        ("file", f"{_relative_path(entry.file)}, line {entry.line}"),
        *(("published", _published_line(result)) for result in published_results(architecture=architecture.name)),
    ]
    print_text(console, f"[bold]{architecture.name}[/]", markup=True)
    paragraphs = entry.doc.strip().split("\n\n")
    text = "\n\n".join(part if LIST.search(part) else one_line(part) for part in paragraphs)
    print_text(console, f"{text or 'No description.'}\n")
    for key, value in lines:
        print_text(console, f"  [dim]{key:13}[/]{escape(value)}", markup=True)
    console.print()


def _published_line(result: PublishedResult) -> str:
    figure = f"{result.value:g} % {result.metric} on {result.dataset} ({result.badge})"
    details = [result.protocol, f"views: {result.views}", result.note, result.source]
    return f"{figure}: {'; '.join(detail for detail in details if detail)}"


def _relative_path(file: Path) -> str:
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative


def _location(name: str, data_config: DataConfig, tree: Iterable[Folder]) -> str:
    if not needs_files(name):
        return "built in"
    path = find(name, data_config, tree, unpack=False)  # `list` answers immediately
    return origin(path) if path else f"not found in {data_config.data_dir}"


def _descriptions(files: Mapping[str, Path]) -> list[tuple[str, str]]:
    """Return the names and descriptions of YAML files."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster if it is installed
    contents = {name: yaml.load(path.read_text(encoding="utf-8"), loader) or {} for name, path in files.items()}
    return [(name, one_line(str(content.get("description", "")))) for name, content in contents.items()]


def _print_table(
    console: Console, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], num_folded: int = 1
) -> None:
    """Print a table whose last columns are folded in a narrow terminal. The others, such as names, are not."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        table.add_column(
            column,
            header_style="dim",
            overflow="fold",
            no_wrap=number < len(columns) - num_folded,
            justify="right" if column == "parameters" else "left",
        )
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    if console.is_terminal:
        console.print(table)
    else:  # without the spaces that fill each line
        with console.capture() as capture:
            console.print(table)
        console.out("\n".join(line.rstrip() for line in capture.get().splitlines()), highlight=False)
    console.print()
