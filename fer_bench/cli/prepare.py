"""The command that reads datasets into their cache, and prepares faces where that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fer_bench.cli.options import DATA_OPTIONS, PATH, READ_OPTIONS, make_data_config, options
from fer_bench.core.errors import UserError

if TYPE_CHECKING:
    from fer_bench.datasets import DataConfig
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.datasets.face_crop.spec import Preparation

PREPARATION = [
    click.option("--face", "detector", type=click.Choice(["none", "haar", "yunet"]), help="Find the face with this."),
    click.option("--yunet-model", type=PATH, help="YuNet's file, such as face_detection_yunet_2023mar.onnx."),
    click.option("--align/--no-align", default=None, help="Turn and scale the face so that the eyes lie fixed."),
    click.option("--margin", type=float, help="Room on each side of the face, as a share of its width.  [default: 0]"),
    click.option("--equalise", type=click.Choice(["none", "histogram", "clahe"]), help="Flatten the histogram."),
    click.option("--side", type=int, help="Pixels a side.  [default: 48]"),
    click.option(
        "--without-face",
        type=click.Choice(["keep", "drop", "fail"]),
        help="What to do with an image without a face.  [default: keep]",
    ),
    click.option("--cropped-too", is_flag=True, default=None, help="Look for faces in cropped images, as FER2013's."),
    click.option("--sheet", type=PATH, help="Draw a contact sheet to this PNG: before and after. It shows faces."),
]


@click.command()
@click.argument("names", nargs=-1)
@options(PREPARATION, READ_OPTIONS, DATA_OPTIONS)
def prepare(
    names: tuple[str, ...], sheet: Path | None, data_dir: Path | None, skip_invalid: bool, refresh: bool, **wanted: Any
) -> None:
    """Read datasets once into their memory-mapped cache. Default: all that are found.

    With --face, --equalise or --side a new dataset is made, named for what was done, to be used by that name:

    \b
    prepare jaffe --face haar --align --margin 0.2 --equalise clahe
    --datasets jaffe~haar+align+margin20+clahe
    """
    from fer_bench.datasets import found
    from fer_bench.datasets.face_crop.load import load

    places = make_data_config(data_dir, skip_invalid=skip_invalid, refresh=refresh)
    preparation = _preparation(wanted)
    if preparation or sheet:
        return _prepare(names, preparation, sheet, places)
    for name in names or found(places):
        _tell(load(name, places))


def _preparation(wanted: dict[str, Any]) -> Preparation | None:
    """What the options ask for; None where none of them is given."""
    from fer_bench.datasets.face_crop.spec import make

    given = {key: value for key, value in wanted.items() if value is not None}
    return make(**given) if given else None


def _prepare(names: tuple[str, ...], preparation: Preparation | None, sheet: Path | None, places: DataConfig) -> None:
    from fer_bench.datasets.face_crop.load import load_prepared

    if not names:
        raise UserError("Name the datasets to prepare, such as: prepare jaffe --face haar --align.")
    if sheet and len(names) > 1:
        raise UserError("A contact sheet is of one dataset: name one.")
    for base, chosen in [_chosen(name, preparation) for name in names]:
        dataset = load_prepared(base, chosen, places)
        _tell(dataset)
        for note in dataset.notes:
            click.echo(f"  {note}")
        click.echo(f"  Use it by its name: --datasets {dataset.name}")
        if sheet:
            click.echo(f"  {_sheet(base, chosen, sheet, places)}")


def _chosen(name: str, preparation: Preparation | None) -> tuple[str, Preparation]:
    """A dataset's plain name and its preparation, which stands either in the name or in the options."""
    from fer_bench.datasets.face_crop.spec import split_name

    base, own = split_name(name)
    if own and preparation:
        raise UserError(f"'{name}' says already how it is prepared: leave out either that or the options.")
    chosen = own or preparation
    if chosen is None:
        raise UserError("A contact sheet is of a preparation: add --face, --equalise or --side.")
    return base, chosen


def _sheet(name: str, preparation: Preparation, path: Path, places: DataConfig) -> Path:
    from fer_bench.datasets import load
    from fer_bench.datasets.face_crop.contact_sheet import write_sheet
    from fer_bench.datasets.face_crop.load import originals

    source = load(name, places)
    return write_sheet(source, originals(source, places), preparation, path, places.progress)


def _tell(dataset: Dataset) -> None:
    import numpy as np

    per_class = np.bincount(dataset.labels, minlength=len(dataset.classes))
    counts = ", ".join(f"{label} {n:,}" for label, n in zip(dataset.classes, per_class, strict=True))
    *frames, height, width = dataset.images.shape[1:]
    kind = f"sequences of {frames[0]} frames" if frames else "images"
    click.echo(f"{dataset.name}: {len(dataset):,} {kind} of {width}×{height}: {counts}")
