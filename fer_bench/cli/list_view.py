"""What `list` shows. Imports neither Keras nor NumPy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.config import bundled
from fer_bench.datasets import DATASETS, DataConfig, find
from fer_bench.datasets.registry import needs_files
from fer_bench.datasets.tree import Walk
from fer_bench.protocols.registry import PROTOCOLS
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, describe

FULL_TABLE_WIDTH = 110  # characters, below which what an architecture is leaves no room for its family
LOG_WIDTH = 200


def print_listing(places: DataConfig, console: Console) -> None:
    """Print the architectures, datasets, protocols, and the recipes and experiments that are shipped."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_WIDTH)  # one line for each, for grep
    _print_architectures(console)
    tree = Walk(places.data_dir)
    _print_table(
        console,
        "Datasets",
        ("name", "where", "what it is"),
        [(entry.name, _location(entry.name, places, tree), entry.summary) for entry in DATASETS],
        folded=2,
    )
    _print_table(console, "Protocols", ("name", "what it is"), [(entry.name, entry.summary) for entry in PROTOCOLS])
    _print_table(console, "Recipes", ("name", "what it is"), _describe_files(bundled.recipes))
    _print_table(console, "Experiments", ("name", "what it is"), _describe_files(bundled.experiments))


def _print_architectures(console: Console) -> None:
    columns: dict[str, Callable[[Architecture], str]] = {
        "name": lambda a: a.name,
        "family": lambda a: a.family,
        "takes": lambda a: a.input_kind,
        "parameters": lambda a: format_parameters(a.num_parameters),
        "weights": lambda a: a.weights or "random",
        "what it is": lambda a: a.summary,
    }
    if console.width < FULL_TABLE_WIDTH:
        del columns["family"], columns["takes"]
    rows = [tuple(show(describe(name)) for show in columns.values()) for name in ARCHITECTURES.names()]
    _print_table(console, "Architectures", tuple(columns), rows)


def print_details(names: Iterable[str], console: Console) -> None:
    """Print all that is known of some architectures, given by names or patterns."""
    for name in dict.fromkeys(name for pattern in names for name in ARCHITECTURES.match(pattern)):
        _print_details(describe(name), console)


def format_parameters(count: int | None) -> str:
    """A number of parameters as people say it: 58,423, 1.17 M."""
    if count is None:
        return "?"
    return f"{count:,}" if count < 100_000 else f"{count / 1e6:.2f} M"


def _print_details(architecture: Architecture, console: Console) -> None:
    from fer_bench.leaderboard.published_results import (
        reported,  # pydantic: `list` without names answers before that is imported
    )

    entry = ARCHITECTURES.get(architecture.name)
    weights = f"{architecture.weights} (those of {architecture.weights_name})" if architecture.weights else "random"
    lines = {
        "family": architecture.family,
        "paper": architecture.paper or "none named",
        "takes": architecture.input_kind,
        "input sizes": ", ".join(map(str, architecture.input_sizes)),
        "parameters": f"{architecture.num_parameters:,} for 7 classes"
        if architecture.num_parameters
        else "not declared",
        "weights": weights,
        "recipe": ", ".join(_dotted(architecture.recipe)) or "the base recipe",
        "file": f"{_relative_path(entry.file)}, line {entry.line}",
    }
    console.print(f"[bold]{architecture.name}[/]", highlight=False)
    console.print(escape(entry.doc.strip() or "Not described."), highlight=False, soft_wrap=True)
    console.print()
    width = max(map(len, lines)) + 2
    for key, value in lines.items():
        console.print(f"  [dim]{key:{width}}[/]{escape(value)}", highlight=False, soft_wrap=True)
    for claim in reported(architecture=architecture.name):
        console.print(f"  [dim]{'reported':{width}}[/]{escape(_published_line(claim))}", highlight=False, soft_wrap=True)
    console.print()


def _published_line(claim: dict[str, Any]) -> str:
    figure = f"{claim['value']:g} % {claim['metric']} on {claim['dataset']} ({claim['badge']})"
    parts = [claim["protocol"], f"views: {claim['views']}", claim["note"], claim["source"]]
    return f"{figure}: {'; '.join(part for part in parts if part)}"


def _dotted(tree: dict, prefix: str = "") -> list[str]:
    """The entries of nested keys: optimizer.learning_rate=0.001."""
    parts = []
    for key, value in tree.items():
        parts += _dotted(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}={value}"]
    return parts


def _relative_path(file: Path) -> str:
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") else relative


def _location(name: str, places: DataConfig, tree: Walk) -> str:
    if not needs_files(name):
        return "built in"
    path = find(name, places, tree)
    return str(path) if path else f"not found below {places.data_dir}"


def _describe_files(found: Callable[[], dict[str, Path]]) -> list[tuple[str, str]]:
    """Names and descriptions of shipped YAML files."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times faster where it is there
    files = {name: yaml.load(path.read_text(encoding="utf-8"), loader) or {} for name, path in found().items()}
    return [(name, " ".join(str(content.get("description", "")).split())) for name, content in files.items()]


def _print_table(
    console: Console, title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], folded: int = 1
) -> None:
    """A table whose last columns are folded where the terminal is narrow; the others, such as names, never are."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        numeric = column == "parameters"
        table.add_column(
            column,
            header_style="dim",
            overflow="fold",
            no_wrap=number < len(columns) - folded,
            justify="right" if numeric else "left",
        )
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    if console.is_terminal:
        console.print(table)
    else:  # without the spaces that fill each line
        with console.capture() as drawn:
            console.print(table)
        console.out("\n".join(line.rstrip() for line in drawn.get().splitlines()), highlight=False)
    console.print()
