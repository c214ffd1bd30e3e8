"""Commands on datasets."""

from __future__ import annotations

from pathlib import Path

import click

from fer_bench.cli.options import DATA, PATH, default_dataset, options, places_of
from fer_bench.errors import UserError


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


@click.command("show-augmentation")
@click.argument("policy")
@options(
    [
        click.option("--dataset", "name", help="Whose images; default: FER2013 if found, else synthetic."),
        click.option("--output", type=PATH, help="The picture.  [default: augmentation-POLICY.png]"),
    ],
    DATA,
)
def show_augmentation(policy: str, name: str | None, output: Path | None, data_dir: Path | None) -> None:
    """Draw what an augmentation does: none, light, standard, strong, imgaug:strong, …

    POLICY may go on with fields of its own, separated by commas: strong,mixup=0.2
    """
    from fer_bench.datasets import load
    from fer_bench.training.picture import show_augmentation
    from fer_bench.training.recipe import resolve

    policy, *fields = policy.split(",")
    for field in fields:
        if "=" not in field:
            raise UserError(f"'{field}' is no field with a value, such as mixup=0.2.")
    own = {f"augmentation.{key}": value for key, value in (field.split("=", 1) for field in fields)}
    augmentation = resolve({"augmentation": policy}, own, where=policy).augmentation
    dataset = load(name or default_dataset(data_dir), places_of(data_dir))
    if dataset.images.ndim != 3:
        raise UserError(f"'{dataset.name}' is of sequences: name a dataset of images.")
    title = f"{', '.join([policy, *fields])} on {dataset.name}"
    path = output or Path("-".join(["augmentation", policy.replace(":", "-"), *fields]) + ".png")
    click.echo(show_augmentation(augmentation, title, dataset.images, dataset.labels, dataset.classes, path))
