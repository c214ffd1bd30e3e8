"""What `list` shows. Imports neither Keras nor NumPy."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from fer_bench.architecture import ARCHITECTURES, describe
from fer_bench.datasets import DATASETS, Places, find
from fer_bench.protocols.catalogue import PROTOCOLS


def print_listing(places: Places, console: Console) -> None:
    """Print the architectures, datasets, protocols and shipped experiments."""
    architectures = [describe(name) for name in ARCHITECTURES.names()]
    _table(
        console,
        "Architectures",
        ("name", "family", "initial weights", "what it is"),
        [(a.name, a.family, a.weights or "random", a.summary) for a in architectures],
    )
    _table(
        console,
        "Datasets",
        ("name", "where", "what it is"),
        [(entry.name, _where(entry.name, places), entry.summary) for entry in DATASETS],
    )
    _table(console, "Protocols", ("name", "what it is"), [(entry.name, entry.summary) for entry in PROTOCOLS])
    _table(console, "Experiments", ("name", "what it is"), _experiments())


def _where(name: str, places: Places) -> str:
    if not DATASETS.get(name).options.get("files"):
        return "built in"
    path = find(name, places)
    return str(path) if path else f"not found below {places.data_dir}"


def _experiments() -> list[tuple[str, str]]:
    import yaml

    from fer_bench.shipped import experiments

    return [
        (name, str(yaml.safe_load(path.read_text(encoding="utf-8")).get("description", "")))
        for name, path in experiments().items()
    ]


def _table(console: Console, title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, header_style="dim", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print()
