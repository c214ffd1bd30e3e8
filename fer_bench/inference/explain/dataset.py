"""Where a model looks in the test images of a dataset: the mean heat map of each class."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.emotions import canonical_label
from fer_bench.datasets.images import silent
from fer_bench.inference.explain.heat_maps import Explanation, Method, deletion_test, explain, heat_maps
from fer_bench.inference.loaded_model import LoadedModel, load_record
from fer_bench.inference.predict.face_finder import FaceFinder
from fer_bench.inference.predict.images import read_photo
from fer_bench.inference.robustness import RobustnessTarget, target_from_file, target_from_record
from fer_bench.inference.saved_models import select_model
from fer_bench.records import StoredRecord
from fer_bench.records.heat_maps import HeatMaps

IMAGES_PER_CLASS = 20


@dataclass(frozen=True)
class ExplainTarget:
    """A model and the test images in which to explain it; `file` is the model's file."""

    model: LoadedModel
    images: RobustnessTarget
    file: Path


def select_targets(
    results_dir: Path, names: list[str], dataset: str | None, protocol: str | None, data_config: DataConfig
) -> list[ExplainTarget]:
    """Return kept models with the test images of their trials: those that are named, or the best for photographs."""
    targets = []
    wanted: list[str | None] = [*names] or [None]
    for name in wanted:
        stored, members = select_model(results_dir, name, dataset, protocol)
        if stored.model_file is None:
            raise UserError("Mean heat maps are for single models. Name the members of the ensemble.")
        targets.append(_target(stored, load_record(stored, members), data_config))
    return targets


def target_of_file(
    model: LoadedModel, file: Path, dataset: str, protocol: str, data_config: DataConfig
) -> ExplainTarget:
    """Return a model file with the test images of a protocol. UserError if that has several folds."""
    return ExplainTarget(model, target_from_file(file, dataset, protocol, data_config), file)


def mean_heat_maps(
    target: ExplainTarget, images_per_class: int = IMAGES_PER_CLASS, method: Method = "auto"
) -> HeatMaps:
    """Explain each class in test images of that class, and check the heat maps with the deletion test.

    Args:
        target: The model and its test images.
        images_per_class: At most so many images of each class, spread evenly over the test split.
        method: See `heat_maps.heat_maps`.

    Raises:
        UserError: The dataset consists of sequences, has none of the model's classes, or the method does not apply.
    """
    model, data = target.model, target.images.dataset
    if data.images.ndim != 3:
        raise UserError(f"'{data.name}' contains sequences. Heat maps are for images.")
    names = [canonical_label(name) for name in data.classes]
    class_of = {canonical_label(name): index for index, name in enumerate(model.classes)}
    test = target.images.test_indices
    chosen, classes = [], []
    for label, name in enumerate(names):
        of_class = test[data.labels[test] == label]
        if name in class_of and len(of_class):
            spread = np.linspace(0, len(of_class) - 1, min(images_per_class, len(of_class))).round().astype(int)
            chosen.append(of_class[spread])
            classes.append(np.full(len(spread), class_of[name]))
    if not chosen:
        raise UserError(f"'{data.name}' has no test image of the classes of {model.name}.")
    faces, explained = np.asarray(data.images[np.concatenate(chosen)]), np.concatenate(classes)
    maps, used = heat_maps(model, faces, explained, method)
    deletion = deletion_test(model.predict_probabilities, faces, explained, maps)
    trial = target.images.trial
    return HeatMaps(
        model=target.images.title,
        dataset=data.name,
        protocol=target.images.protocol,
        key=trial.key if trial else None,
        method=used,
        classes=list(model.classes),
        num_images=[int((explained == index).sum()) for index in range(len(model.classes))],
        maps=[_mean(maps[explained == index]) for index in range(len(model.classes))],
        deletion_marked=deletion.marked,
        deletion_random=deletion.random,
    )


def _target(stored: StoredRecord, model: LoadedModel, data_config: DataConfig) -> ExplainTarget:
    assert stored.model_file is not None
    return ExplainTarget(model, target_from_record(stored, data_config), stored.model_file)


def _mean(maps: np.ndarray) -> list[list[float]]:
    """Return the mean of heat maps (images, height, width) as rows of rounded numbers."""
    return np.round(maps.mean(axis=0), 3).tolist() if len(maps) else []


def explain_file(
    model: LoadedModel, finder: FaceFinder, path: Path, label: str | None = None, method: Method = "auto"
) -> list[Explanation]:
    """Explain each face in an image file, the largest first; an empty list if there is none.

    Raises:
        UserError: The file cannot be read, or see `heat_maps.explain`.
    """
    with silent():
        photo = read_photo(path, model.color_mode)
    if isinstance(photo, str):
        raise UserError(f"{path} cannot be read as an image: {photo}.")
    return [explain(model, face.pixels, label, method) for face in finder(*photo)]
