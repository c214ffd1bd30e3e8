"""Accuracy of saved models on corrupted test images; Hendrycks & Dietterich, ICLR 2019."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.core.files import atomic_write
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.spec import spelling
from fer_bench.datasets.registry import Progress
from fer_bench.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt, library_versions, stratified_sample
from fer_bench.protocols import cross_dataset
from fer_bench.protocols.registry import spell_protocol
from fer_bench.records import StoredRecord
from fer_bench.records.robustness import Robustness
from fer_bench.records.schema import Trial
from fer_bench.records.store import MODEL_FILE, RECORDS_DIR
from fer_bench.registry.architectures import ARCHITECTURES

SEED = 0


@dataclass(frozen=True)
class RobustnessTarget:
    """A saved model and the test images to measure it on.

    `test_indices` are indices into the dataset; `trial` is None for a model without a record.
    """

    name: str
    model_file: Path
    dataset: Dataset
    test_indices: np.ndarray
    protocol: str
    trial: Trial | None = None

    @property
    def title(self) -> str:
        """Name in tables and figures."""
        if self.trial is None:
            return self.name
        fold = f", fold {self.trial.fold}" if self.trial.fold else ""
        return f"{self.name}, {self.trial.recipe_name}, seed {self.trial.seed}{fold}"

    @property
    def tta(self) -> Literal["1", "flip", "ten-crop"]:
        return self.trial.recipe["tta"] if self.trial else "1"

    @property
    def crop(self) -> int | None:
        return self.trial.recipe["crop"] if self.trial else None


@dataclass(frozen=True)
class RobustnessConfig:
    """The corruptions, their severities, and the number of test images in the sample; None for all."""

    corruptions: Sequence[str] = CORRUPTIONS
    severities: Sequence[int] = SEVERITIES
    samples: int | None = None


def saved_models(results_dir: Path, model: str, dataset: str | None, protocol: str | None) -> list[StoredRecord]:
    """Return the finished records of an architecture, on all datasets and protocols or on one, with a saved model.

    Raises:
        UserError: There is none.
    """
    model, dataset = ARCHITECTURES.spelling(model), dataset and spelling(dataset)
    protocol = protocol and spell_protocol(protocol)
    finished = [
        stored
        for stored in records.load(results_dir)
        if stored.record.trial.architecture == model
        and dataset in (None, stored.record.trial.dataset)
        and protocol in (None, stored.record.trial.protocol)
        and stored.record.status == "finished"
    ]
    on, under = f" on {dataset}" if dataset else "", f" under {protocol}" if protocol else ""
    description = f"{model}{on}{under} in {results_dir}"
    if not finished:
        raise UserError(f"There is no finished record of {description}. Run `train --model {model}` first.")
    if saved := [stored for stored in finished if stored.model_file]:
        return saved
    raise UserError(f"No model was saved for {description}. Train again with the same flags and --overwrite.")


def find_record(model_file: Path) -> StoredRecord | None:
    """Return the record that a model file belongs to; None for any other file."""
    folder = model_file.resolve().parent
    if folder.parent.name != RECORDS_DIR:
        return None
    stored_records = records.load(folder.parent.parent)
    return next((stored for stored in stored_records if stored.model_file == folder / MODEL_FILE), None)


def target_from_record(stored: StoredRecord, data_config: DataConfig) -> RobustnessTarget:
    """Return the saved model of a record with the test images of its trial. UserError if the data differ."""
    trial, data = stored.record.trial, cross_dataset.load(stored.record.trial.dataset, data_config)
    if data.fingerprint != trial.fingerprint:
        raise UserError(f"'{data.name}' differs from the copy that {trial.architecture} was trained on (other pixels).")
    order = np.argsort(data.ids)
    ids = stored.predictions("test").ids
    positions = np.searchsorted(data.ids, ids, sorter=order)
    test = order[np.minimum(positions, len(order) - 1)]
    if not np.array_equal(data.ids[test], ids):
        raise UserError(f"'{data.name}' differs from the copy that {trial.architecture} was tested on (other ids).")
    assert stored.model_file is not None
    return RobustnessTarget(trial.architecture, stored.model_file, data, test, trial.protocol, trial)


def target_from_file(file: Path, dataset: str, protocol: str, data_config: DataConfig) -> RobustnessTarget:
    """Return a .keras file without a record, which maps gray pixels to the classes of the dataset in their order.

    Raises:
        UserError: The protocol has several folds, so the test images of the model are unknown.
    """
    data, folds, title = cross_dataset.load_folds(dataset, protocol, data_config)
    if len(folds) > 1:
        raise UserError(
            f"{protocol} has {len(folds)} folds, and the test fold of {file} is unknown. "
            "Choose a protocol with one fold."
        )
    return RobustnessTarget(file.stem, file, data, folds[0].test, title)


def measure(
    target: RobustnessTarget, config: RobustnessConfig, cache_dir: Path, progress: Progress | None = None
) -> Robustness:
    """Measure the accuracy on the original test images and under each corruption and severity.

    Args:
        target: The model and its test images.
        config: What to measure.
        cache_dir: Corrupted images are cached here for the next model.
        progress: Called with a text, the number of corruptions done and their total.

    Raises:
        UserError: The model does not match the images or the classes of the dataset.
    """
    from fer_bench.inference.formats.keras_file import load_model
    from fer_bench.training.predict import predict

    register_layers(target.trial)
    model = load_model(target.model_file)
    _check_shapes(target, model.input_shape, model.output_shape)
    data, test = target.dataset, target.test_indices
    indices = test[stratified_sample(data.images[test], data.labels[test], config.samples or len(data), SEED)]
    images, labels = data.images[indices], data.labels[indices]

    def accuracy(pixels: np.ndarray) -> float:
        predicted = predict(model, pixels, target.tta, target.crop)
        return float(np.mean(predicted.probabilities.argmax(axis=1) == labels))

    uncorrupted = accuracy(images)
    folder = cache_dir / f"corrupted-{_cache_key(images)}"
    by_corruption: dict[str, dict[int, float]] = {name: {} for name in config.corruptions}
    steps = [(name, severity) for name in config.corruptions for severity in config.severities]
    for done, (name, severity) in enumerate(steps):
        if progress:
            progress(f"{target.name}: {name} {severity}", done, len(steps))
        by_corruption[name][severity] = accuracy(corrupt_cached(images, name, severity, folder))
    if progress:
        progress(target.name, len(steps), len(steps))
    return Robustness(
        model=target.title,
        dataset=data.name,
        protocol=target.protocol,
        fold=target.trial.fold if target.trial else 0,
        key=target.trial.key if target.trial else None,
        uncorrupted=uncorrupted,
        accuracy=by_corruption,
        num_samples=len(indices),
        num_test_images=len(test),
        seed=SEED,
        tta=target.tta,
        versions=library_versions(),
    )


def corrupt_cached(images: np.ndarray, corruption: str, severity: int, folder: Path) -> np.ndarray:
    """Return corrupted images (images, height, width), as a memory map if the folder has them; cache them otherwise."""
    file = folder / f"{corruption}-{severity}.npy"
    with suppress(OSError, ValueError, EOFError):
        cached = np.load(file, mmap_mode="r")
        if cached.shape == images.shape and cached.dtype == images.dtype:
            return cached
    result = corrupt(images, corruption, severity, SEED)
    with suppress(OSError), atomic_write(file) as opened:  # a full or read-only disk only costs the cache
        np.save(opened, result)
    return result


def register_layers(trial: Trial | None) -> None:
    """Import the modules that define custom layers: a saved model refers to them by name."""
    import fer_bench.layers  # noqa: F401

    if trial is not None and trial.architecture in ARCHITECTURES:
        ARCHITECTURES.function(trial.architecture)


def _check_shapes(
    target: RobustnessTarget, input_shape: tuple[int | None, ...], output_shape: tuple[int | None, ...]
) -> None:
    data, crop = target.dataset, target.crop
    if data.images.ndim != 3:
        raise UserError(f"'{data.name}' contains sequences. Corruptions apply to images only.")
    image_shape = (crop, crop, 1) if crop else (*data.images.shape[1:], 1)
    if len(input_shape) != 4 or any(a not in (None, b) for a, b in zip(input_shape[1:], image_shape, strict=True)):
        raise UserError(
            f"{target.model_file} expects images of {input_shape[1:]}, but '{data.name}' has images of {image_shape}."
        )
    if output_shape[1:] != (len(data.classes),):
        raise UserError(
            f"{target.model_file} has outputs of shape {output_shape}; '{data.name}' has {len(data.classes)} classes."
        )


def _cache_key(images: np.ndarray) -> str:
    """Hash everything that corrupted images depend on, except corruption and severity."""
    digest = hashlib.sha256(f"{SEED} {library_versions()} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()[:16]
