"""Commands on the registry of architectures."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import DATA, OUTSIDE, add_outside, console, options, places_of


@click.command("list")
@options(OUTSIDE, DATA)
def list_(outside: tuple[Path, ...], data_dir: Path | None) -> None:
    """List architectures, datasets, protocols and experiments."""
    from fer_bench.listing import print_listing

    add_outside(outside)
    print_listing(places_of(data_dir), console())
