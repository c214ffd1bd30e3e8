"""Commands on datasets."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import DATA, options, places_of


@click.command()
@click.argument("names", nargs=-1)
@options(DATA)
def prepare(names: tuple[str, ...], data_dir: Path | None) -> None:
    """Read datasets once into their memory-mapped cache. Default: all that are found."""
    import numpy as np

    from fer_bench.datasets import DATASETS, available, load

    places = places_of(data_dir)
    chosen = names or [name for name in DATASETS.names() if available(name, places)]
    for name in chosen:
        dataset = load(name, places)
        per_class = np.bincount(dataset.labels, minlength=len(dataset.classes))
        counts = ", ".join(f"{label} {n:,}" for label, n in zip(dataset.classes, per_class, strict=True))
        *frames, height, width = dataset.images.shape[1:]
        kind = f"sequences of {frames[0]} frames" if frames else "images"
        click.echo(f"{name}: {len(dataset):,} {kind} of {width}×{height}: {counts}")
