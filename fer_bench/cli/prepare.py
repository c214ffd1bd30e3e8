"""The command that reads datasets into their cache and crops faces."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from fer_bench.cli.options import PATH, make_data_config, read_options, results_option
from fer_bench.core.errors import UserError

if TYPE_CHECKING:
    from fer_bench.datasets import DataConfig
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.datasets.face_crop.spec import FaceCropSpec

_face_option = partial(click.option, panel="Face crop")


@click.command()
@click.argument("names", nargs=-1)
@_face_option("--detector", type=click.Choice(["none", "haar", "yunet"]), help="Face detector. Default: none.")
@_face_option(
    "--yunet-model", type=PATH, metavar="FILE", help="YuNet's file, such as face_detection_yunet_2023mar.onnx."
)
@_face_option("--align/--no-align", default=None, help="Rotate and scale the face to fixed positions of the eyes.")
@_face_option(
    "--margin",
    type=float,
    metavar="FRACTION",
    help="Added on each side of the face, as a fraction of its width. Default: 0.",
)
@_face_option(
    "--equalize", type=click.Choice(["none", "histogram", "clahe"]), help="Flatten the histogram. Default: none."
)
@_face_option("--image-size", type=int, metavar="PIXELS", help="Height and width of the images. Default: 48.")
@_face_option(
    "--on-missing-face", type=click.Choice(["keep", "drop", "fail"]), help="Images without a face. Default: keep."
)
@_face_option(
    "--allow-cropped", is_flag=True, default=None, help="Search faces in cropped images, such as FER2013's, too."
)
@results_option(
    "--contact-sheet",
    type=PATH,
    metavar="FILE",
    help="Draw images before and after the crop. The PNG shows faces; keep it private.",
)
@read_options
def prepare(
    names: tuple[str, ...],
    contact_sheet: Path | None,
    data_dir: Path | None,
    skip_invalid: bool,
    refresh: bool,
    accept_classes: bool,
    **fields: Any,
) -> None:
    """Read datasets into the cache, and crop faces.

    NAMES are datasets. Default: all that are found. The options of the face crop make a new dataset, named for them:

        prepare jaffe --detector haar --align --margin 0.2 --equalize clahe
        sweep --datasets jaffe~haar+align+margin20+clahe
    """
    from fer_bench.datasets import find_all
    from fer_bench.datasets.face_crop.load import load
    from fer_bench.datasets.face_crop.spec import make_spec

    data_config = make_data_config(data_dir, skip_invalid, refresh, accept_classes)
    fields = {key: value for key, value in fields.items() if value is not None}
    if fields or contact_sheet:
        return _crop_faces(names, make_spec(**fields) if fields else None, contact_sheet, data_config)
    for name in names or find_all(data_config):
        _print_counts(load(name, data_config))


def _crop_faces(
    names: tuple[str, ...], spec: FaceCropSpec | None, contact_sheet: Path | None, data_config: DataConfig
) -> None:
    from fer_bench.datasets import load
    from fer_bench.datasets.face_crop.contact_sheet import write_contact_sheet
    from fer_bench.datasets.face_crop.load import load_cropped, load_originals

    if not names:
        raise UserError("Name the datasets, such as: prepare jaffe --detector haar --align.")
    if contact_sheet and len(names) > 1:
        raise UserError("A contact sheet shows one dataset. Name only one.")
    for base, spec_of_name in [_resolve_spec(name, spec) for name in names]:
        dataset = load_cropped(base, spec_of_name, data_config)
        _print_counts(dataset)
        for note in dataset.notes:
            click.echo(f"  {note}")
        click.echo(f"  Its name in other commands: --datasets {dataset.name}")
        if contact_sheet:
            source = load(base, data_config)
            originals = load_originals(source, data_config)
            path = write_contact_sheet(source, originals, spec_of_name, contact_sheet, data_config.progress)
            click.echo(f"  {path}")


def _resolve_spec(name: str, spec: FaceCropSpec | None) -> tuple[str, FaceCropSpec]:
    """Return a dataset's name without the face crop, and the face crop in the name or the options."""
    from fer_bench.datasets.face_crop.spec import split_name

    base, spec_of_name = split_name(name)
    if spec_of_name and spec:
        raise UserError(f"'{name}' contains a face crop already. Remove it from the name, or remove the options.")
    resolved = spec_of_name or spec
    if resolved is None:
        raise UserError("A contact sheet needs a face crop. Add --detector, --equalize or --image-size.")
    return base, resolved


def _print_counts(dataset: Dataset) -> None:
    import numpy as np

    per_class = np.bincount(dataset.labels, minlength=len(dataset.classes))
    counts = ", ".join(f"{label} {n:,}" for label, n in zip(dataset.classes, per_class, strict=True))
    *frames, height, width = dataset.images.shape[1:]
    kind = f"sequences of {frames[0]} frames" if frames else "images"
    click.echo(f"{dataset.name}: {len(dataset):,} {kind} of {width}×{height}: {counts}")
