"""Commands on datasets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import rich_click as click

from fer_bench.cli.options import (
    DATASET_HELP,
    PATH,
    console,
    data_dir_option,
    data_option,
    make_data_config,
    read_options,
    results_option,
)
from fer_bench.core.errors import UserError


@click.group(invoke_without_command=True)
@read_options
@click.pass_context
def data(ctx: click.Context, **flags: Any) -> None:
    """Show which datasets are found, and their counts.

    Without a command, this is `data list`.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, names=(), **flags)
    ctx.default_map = dict.fromkeys(data.commands, flags)  # `data --data-dir DIR list` is `data list --data-dir DIR`


@data.command("list")
@click.argument("names", nargs=-1)
@read_options
def list_(names: tuple[str, ...], **reading: Any) -> None:
    """Read datasets and show their counts beside the published ones.

    NAMES are datasets. Default: all that are found.
    """
    from fer_bench.cli.dataset_view import print_datasets

    data_config = make_data_config(**reading)
    if reading["data_dir"] and not data_config.data_dir.exists():
        raise UserError(f"There is no folder or file {data_config.data_dir}. Correct --data-dir.")
    if print_datasets(data_config, console(), names):
        sys.exit(1)


@data.command()
@click.argument("name")
@data_dir_option
def download(name: str, data_dir: Path | None) -> None:
    """Download a dataset, or explain how to get it.

    Datasets on Kaggle are downloaded with your account. For other datasets the output says where to request them and
    where to put their files, and the exit status is 1.
    """
    from fer_bench.datasets.download import download, instructions

    data_config = make_data_config(data_dir)
    if path := download(name, data_config):
        click.echo(path)
    else:
        click.echo(instructions(name, data_config))
        sys.exit(1)


@click.command("show-augmentation")
@click.argument("policy")
@data_option("--dataset", "name", metavar="NAME", help=f"Dataset of the images. {DATASET_HELP}")
@data_dir_option
@results_option("--output", type=PATH, metavar="FILE", help="The image. Default: augmentation-POLICY.png.")
def show_augmentation(policy: str, name: str | None, output: Path | None, data_dir: Path | None) -> None:
    """Draw images before and after an augmentation.

    POLICY is none, light, standard, strong or a policy of imgaug, such as imgaug:strong. Further values may follow
    after commas: strong,mixup=0.2.
    """
    from fer_bench.config.recipe import resolve
    from fer_bench.datasets import default_dataset
    from fer_bench.datasets.face_crop.load import load
    from fer_bench.training.augmentation_preview import plot_augmentation

    policy, *fields = policy.split(",")
    for field in fields:
        if "=" not in field:
            raise UserError(f"'{field}' is not a field with a value, such as mixup=0.2.")
    overrides = {f"augmentation.{key}": value for key, value in (field.split("=", 1) for field in fields)}
    augmentation = resolve({"augmentation": policy}, overrides, source=policy).augmentation
    dataset = load(name or default_dataset(data_dir), make_data_config(data_dir))
    if dataset.images.ndim != 3:
        raise UserError(f"'{dataset.name}' is a dataset of sequences. Name a dataset of images.")
    title = f"{', '.join([policy, *fields])} on {dataset.name}"
    path = output or Path("-".join(["augmentation", policy.replace(":", "-"), *fields]) + ".png")
    click.echo(plot_augmentation(augmentation, title, dataset.images, dataset.labels, dataset.classes, path))
