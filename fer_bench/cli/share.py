"""The commands `share` and `verify`: write a file of records, and check such a file."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click

from fer_bench.cli.options import (
    PATH,
    console,
    data_dir_option,
    make_data_config,
    results_dir_option,
    results_option,
    rows_option,
)
from fer_bench.core.console import print_text
from fer_bench.core.errors import UserError
from fer_bench.core.text import plural, split_names

if TYPE_CHECKING:
    from rich.table import Table

    from fer_bench.sharing.verification import Checked


@click.command()
@rows_option("--models", "--model", metavar="NAMES", help="Architectures, separated by commas. Default: all.")
@rows_option("--datasets", "--dataset", metavar="NAMES", help="Datasets, separated by commas. Default: all.")
@rows_option("--protocols", "--protocol", metavar="NAMES", help="Protocols, separated by commas. Default: all.")
@results_option("--output", type=PATH, metavar="FILE", default="results.zip", help="Default: results.zip.")
@results_dir_option
def share(models: str | None, datasets: str | None, protocols: str | None, output: Path, results_dir: Path) -> None:
    """Write records to one file that others can verify.

    Examples:

        share --models cnn_fast,vgg16 --output mine.zip

    The file has the specification, the history, the machine and the predictions of each finished trial, with the ids of
    the images as the dataset names them. It has no image, no model and no path of this machine.
    """
    from fer_bench import records
    from fer_bench.sharing.pack import write_pack

    chosen = {"architecture": models, "dataset": datasets, "protocol": protocols}
    stored = [one for one in records.load(results_dir) if one.record.status == "finished"]
    for field, text in chosen.items():
        if text:
            known = {getattr(one.record.trial, field) for one in stored}
            if unknown := [name for name in split_names(text) if name not in known]:
                raise UserError(
                    f"No finished trial has the {field} '{unknown[0]}'. There is {', '.join(sorted(known))}."
                )
            stored = [one for one in stored if getattr(one.record.trial, field) in split_names(text)]
    write_pack(stored, output)
    size = output.stat().st_size / 1000
    print_text(console(), f"Written: {output}, {plural(len(stored), 'record')}, {size:,.0f} kB.")


@click.command()
@click.argument("files", type=PATH, nargs=-1, required=True)
@results_option(
    "--import-to", type=PATH, metavar="DIR", help="Copy records to this results folder if all of them hold."
)
@data_dir_option
def verify(files: Sequence[Path], import_to: Path | None, data_dir: Path | None) -> None:
    """Check files of records that others have shared.

    Examples:

        verify theirs.zip --data-dir DIR
        verify theirs.zip --import-to results

    The table has the accuracy, recomputed from the predictions, and what holds: files and specification, predictions,
    the history of the training, the images and labels of the dataset, the split, and that no record is there twice.
    Without your copy of the dataset, the split is compared with a published digest if there is one, and the images are
    not checked. The history is that of single views, so that it is not checked for test-time augmentation. Whether
    predictions are those of the model that a record names, only training again can tell. Exits with status 1 if
    anything is wrong.
    """
    from fer_bench import records
    from fer_bench.sharing.pack import unpack
    from fer_bench.sharing.verification import NOT_CHECKED, check_records

    problems: list[str] = []
    checked: list[Checked] = []
    with tempfile.TemporaryDirectory() as temporary:
        for number, file in enumerate(files):
            folder = Path(temporary) / str(number)
            problems += [f"{file}: {problem}" for problem in unpack(file, folder)]
            loaded = records.load(folder)
            problems += [f"{file}: {path.name}: {reason}." for path, reason in loaded.skipped]
            checked += check_records(loaded, make_data_config(data_dir), [one.stored for one in checked])
        terminal = console()
        terminal.print(_table(checked))
        problems += [f"{one.stored.path.name}: {text}" for one in checked for text in one.problems]
        for problem in problems:
            print_text(terminal, problem)
        if import_to and not problems:
            print_text(terminal, f"New in {import_to}: {plural(_import(checked, import_to), 'record')}.")
    if problems:
        raise SystemExit(1)
    unchecked = any(NOT_CHECKED in one.found.values() for one in checked)
    print_text(terminal, f"Everything that was checked holds.{' – is not checked: see `verify --help`.' * unchecked}")


def _import(checked: Sequence[Checked], results_dir: Path) -> int:
    """Copy the records that a results folder does not have, and return their number."""
    import shutil

    from fer_bench import records
    from fer_bench.records.store import RECORDS_DIR

    known = records.load(results_dir).stored
    new = [one.stored.path for one in checked if one.stored.record.trial.key not in known]
    for path in new:
        shutil.copytree(path, results_dir / RECORDS_DIR / path.name)
    return len(new)


def _table(checked: Sequence[Checked]) -> Table:
    from rich.table import Table

    from fer_bench.sharing.verification import CHECKS, NOT_CHECKED

    table = Table("trial", "accuracy", *CHECKS, box=None, pad_edge=False)
    for one in checked:
        cells = ["holds" if not text else "–" if text == NOT_CHECKED else "wrong" for text in one.found.values()]
        trial = one.stored.record.trial
        table.add_row(f"{trial.architecture} s{trial.seed} f{trial.fold}", f"{100 * one.accuracy:.2f}", *cells)
    return table
