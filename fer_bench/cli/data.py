"""Commands on datasets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fer_bench.cli.options import DATA_OPTIONS, PATH, READ_OPTIONS, console, default_dataset_name, make_data_config, options
from fer_bench.core.errors import UserError


@click.group(invoke_without_command=True)
@options(READ_OPTIONS, DATA_OPTIONS)
@click.pass_context
def data(ctx: click.Context, **given: Any) -> None:
    """Show which datasets are found where, with their counts; get one with `data download`."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, names=(), **given)
    ctx.default_map = dict.fromkeys(data.commands, given)  # `data --data-dir DIR list` is `data list --data-dir DIR`


@data.command("list")
@click.argument("names", nargs=-1)
@options(READ_OPTIONS, DATA_OPTIONS)
def list_(names: tuple[str, ...], data_dir: Path | None, skip_invalid: bool, refresh: bool) -> None:
    """Read the datasets that are found, or NAMES, and show their counts beside the published ones."""
    from fer_bench.cli.dataset_view import print_datasets

    if print_datasets(make_data_config(data_dir, skip_invalid, refresh), console(), names):
        sys.exit(1)


@data.command()
@click.argument("name")
@options(DATA_OPTIONS)
def download(name: str, data_dir: Path | None) -> None:
    """Get a dataset from Kaggle with your own account, or say where to ask for it and how to lay out its files."""
    from fer_bench.datasets.download import download, instructions

    places = make_data_config(data_dir)
    path = download(name, places)
    click.echo(str(path) if path else instructions(name, places))


@click.command("show-augmentation")
@click.argument("policy")
@options(
    [
        click.option("--dataset", "name", help="Whose images; default: FER2013 if found, else synthetic."),
        click.option("--output", type=PATH, help="The picture.  [default: augmentation-POLICY.png]"),
    ],
    DATA_OPTIONS,
)
def show_augmentation(policy: str, name: str | None, output: Path | None, data_dir: Path | None) -> None:
    """Draw what an augmentation does: none, light, standard, strong, imgaug:strong, …

    POLICY may go on with fields of its own, separated by commas: strong,mixup=0.2
    """
    from fer_bench.config.recipe import resolve
    from fer_bench.datasets.face_crop.load import load
    from fer_bench.training.augmentation_preview import show_augmentation

    policy, *fields = policy.split(",")
    for field in fields:
        if "=" not in field:
            raise UserError(f"'{field}' is no field with a value, such as mixup=0.2.")
    own = {f"augmentation.{key}": value for key, value in (field.split("=", 1) for field in fields)}
    augmentation = resolve({"augmentation": policy}, own, source=policy).augmentation
    dataset = load(name or default_dataset_name(data_dir), make_data_config(data_dir))
    if dataset.images.ndim != 3:
        raise UserError(f"'{dataset.name}' is of sequences: name a dataset of images.")
    title = f"{', '.join([policy, *fields])} on {dataset.name}"
    path = output or Path("-".join(["augmentation", policy.replace(":", "-"), *fields]) + ".png")
    click.echo(show_augmentation(augmentation, title, dataset.images, dataset.labels, dataset.classes, path))
