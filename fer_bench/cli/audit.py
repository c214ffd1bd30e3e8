"""Commands on how datasets are split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.cli.options import PATH, PROTOCOL_HELP, data_option, make_data_config, read_options, results_option
from fer_bench.core.files import write_output
from fer_bench.core.text import slug

if TYPE_CHECKING:
    from fer_bench.datasets import DataConfig
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.protocols.fold import Fold

protocol_option = data_option("--protocol", metavar="NAME", help=f"{PROTOCOL_HELP} Default: official.")
split_seed_option = data_option(
    "--split-seed", "seed", type=click.IntRange(0), metavar="N", default=0, help="Default: 0, as in sweeps."
)


@click.command()
@click.argument("name", required=False)
@protocol_option
@split_seed_option
@read_options
@results_option("--output", type=PATH, metavar="FILE", help="The page. Default: results/audits/NAME-PROTOCOL.md.")
@results_option("--images", is_flag=True, help="Also draw the duplicates. The image shows faces; keep it private.")
def audit(name: str | None, protocol: str | None, seed: int, output: Path | None, images: bool, **reading: Any) -> None:
    """Search for duplicates, subjects in two splits and bad labels.

    Writes a page, and a table of all duplicates beside it. NAME is a dataset, or TRAIN->TEST in quotes.
    """
    from fer_bench.protocols.audit import findings, report

    dataset, folds, title = _load_folds(name, protocol, seed, make_data_config(**reading))
    found = findings.audit(dataset, title, folds)
    output = output or Path("results/audits") / (slug(f"{dataset.name}-{title}") + ".md")
    summary = report.summary(found)
    written = [output, output.with_suffix(".csv")]
    write_output(output, f"{summary}\n{report.details(found)}".rstrip() + "\n")
    write_output(output.with_suffix(".csv"), report.duplicates_csv(found, folds))
    if images:
        written.append(output.with_suffix(".png"))
        report.write_contact_sheet(found, output.with_suffix(".png"))
    click.echo(summary)
    click.echo(f"Written: {', '.join(map(str, written))}.")


@click.command()
@click.argument("name", required=False)
@protocol_option
@split_seed_option
@read_options
@results_option(
    "--output", type=PATH, metavar="FILE", required=True, help="A .json or .csv file, which --protocol file:PATH reads."
)
def split(name: str | None, protocol: str | None, seed: int, output: Path, **reading: Any) -> None:
    """Write the folds of a dataset under a protocol, with sample ids."""
    from fer_bench.protocols import split_file

    dataset, folds, title = _load_folds(name, protocol, seed, make_data_config(**reading))
    split_file.write(output, dataset, title, seed, folds)
    for number, fold in enumerate(folds):
        sizes = ", ".join(f"{split} {size:,}" for split, size in fold.sizes.items())
        click.echo(f"fold {number}: {sizes}")
    click.echo(f"Written: {output}.")


def _load_folds(
    name: str | None, protocol: str | None, seed: int, data_config: DataConfig
) -> tuple[Dataset, list[Fold], str]:
    """Return a dataset (or two as one), its folds, and the protocol's name in tables."""
    from fer_bench.protocols.cross_dataset import load_folds
    from fer_bench.protocols.registry import ARROW

    return load_folds(name, protocol or ("cross" if name and ARROW in name else "official"), data_config, seed)
