"""Commands on how datasets are split."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_bench.cli.options import DATA_OPTIONS, PATH, READ_OPTIONS, make_data_config, options

if TYPE_CHECKING:
    from fer_bench.datasets import DataConfig
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.protocols.fold import Fold

PROTOCOL = [
    click.option("--protocol", help="One of `list`, 'cross:TRAIN->TEST' or file:PATH.  [default: official]"),
    click.option("--split-seed", "seed", type=click.IntRange(0), default=0, help="Sweeps use 0, the default."),
]


@click.command()
@click.argument("name", required=False)
@options(
    PROTOCOL,
    [
        click.option("--output", type=PATH, help="The page.  [default: results/audits/NAME-PROTOCOL.md]"),
        click.option("--pictures", is_flag=True, help="Draw the twins too: shows faces, for your own eyes."),
    ],
    READ_OPTIONS,
    DATA_OPTIONS,
)
def audit(
    name: str | None, protocol: str | None, seed: int, output: Path | None, pictures: bool, **reading: Any
) -> None:
    """Look for what leaks: twins, near duplicates, persons in two parts, odd labels and images.

    Writes a page, and a table of all twins beside it. NAME is a dataset, or TRAIN->TEST in quotes.
    """
    from fer_bench.protocols.audit import findings, report

    dataset, folds, title = _folds(name, protocol, seed, make_data_config(**reading))
    found = findings.audit(dataset, title, folds)
    output = output or Path("results/audits") / (_slug(f"{dataset.name}-{title}") + ".md")
    told = report.summary(found)
    files = {
        output: f"{told}\n{report.lists(found)}".rstrip() + "\n",
        output.with_suffix(".csv"): report.twins_csv(found, folds),
    }
    for path, text in files.items():
        report.write(path, text.encode())
    written = [str(path) for path in files]
    if pictures:
        report.sheet(found, output.with_suffix(".png"))
        written.append(str(output.with_suffix(".png")))
    click.echo(told)
    click.echo(f"Written: {', '.join(written)}.")


@click.command()
@click.argument("name", required=False)
@options(
    PROTOCOL,
    [click.option("--output", type=PATH, required=True, help="A .json or .csv file; --protocol file:PATH reads it.")],
    READ_OPTIONS,
    DATA_OPTIONS,
)
def split(name: str | None, protocol: str | None, seed: int, output: Path, **reading: Any) -> None:
    """Write the folds of a dataset under a protocol, with the id of each sample."""
    from fer_bench.protocols import split_file

    dataset, folds, title = _folds(name, protocol, seed, make_data_config(**reading))
    split_file.write(output, dataset, title, seed, folds)
    for number, fold in enumerate(folds):
        sizes = ", ".join(f"{part} {len(getattr(fold, part)):,}" for part in ("training", "validation", "test"))
        click.echo(f"fold {number}: {sizes}")
    click.echo(f"Written: {output}.")


def _folds(name: str | None, protocol: str | None, seed: int, places: DataConfig) -> tuple[Dataset, list[Fold], str]:
    """A dataset, or two as one, with its folds and what the protocol is called in tables."""
    from fer_bench.protocols.cross_dataset import load
    from fer_bench.protocols.registry import ARROW, CROSS, expand_protocols, folds, title

    protocol = protocol or ("cross" if name and ARROW in name else "official")
    (setting,) = expand_protocols([] if protocol.startswith(CROSS) or not name else [name], [protocol])
    dataset = load(setting.data, places)
    return dataset, folds(setting.protocol, dataset, seed), title(setting.protocol)


def _slug(text: str) -> str:
    return re.sub(r"[^\w.=]+", "-", text).strip("-.")
