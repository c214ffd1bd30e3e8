"""Accuracy of kept models on corrupted test images; Hendrycks & Dietterich, ICLR 2019."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt, sample, versions
from fer_bench.protocols import cross_dataset
from fer_bench.protocols.registry import CROSS, SPLIT_SEED, expand_protocols, folds, title
from fer_bench.records import StoredRecord
from fer_bench.records.robustness import Robustness
from fer_bench.records.schema import Trial
from fer_bench.records.store import FOLDER, MODEL
from fer_bench.registry.architectures import ARCHITECTURES

SEED = 0


@dataclass(frozen=True)
class Subject:
    """A model in a file, and the test images that it is to be tried on: indices into the dataset.

    trial: what trained it, None of a model without a record.
    """

    name: str
    model_file: Path
    dataset: Dataset
    test: np.ndarray
    protocol: str
    trial: Trial | None = None

    @property
    def title(self) -> str:
        """What tables and figures call it."""
        if self.trial is None:
            return self.name
        fold = f", fold {self.trial.fold}" if self.trial.fold else ""
        return f"{self.name}, {self.trial.recipe_name}, seed {self.trial.seed}{fold}"

    @property
    def views(self) -> str:
        return self.trial.recipe["tta"] if self.trial else "1"

    @property
    def crop(self) -> int | None:
        return self.trial.recipe["crop"] if self.trial else None


@dataclass(frozen=True)
class Asked:
    """Under which corruptions, and on how many of the test images; None for all."""

    corruptions: Sequence[str] = CORRUPTIONS
    severities: Sequence[int] = SEVERITIES
    samples: int | None = None


def kept_models(results: Path, model: str, dataset: str | None, protocol: str | None) -> list[StoredRecord]:
    """The finished records of an architecture that have their model. UserError where there is none."""
    found = [
        stored
        for stored in records.load(results)
        if stored.record.trial.architecture == model
        and dataset in (None, stored.record.trial.dataset)
        and protocol in (None, stored.record.trial.protocol)
        and stored.record.status == "finished"
    ]
    asked = " ".join(part for part in (dataset and f"on {dataset}", protocol and f"under {protocol}") if part)
    where = f"{model}{asked and ' '}{asked} in {results}"
    if not found:
        raise UserError(f"There is no finished record of {where}: `train --model {model} --keep-models` makes one.")
    kept = [stored for stored in found if stored.model_file]
    if not kept:
        raise UserError(
            f"The model of {where} was not kept: `train --model {model} --keep-models --overwrite`, with the flags it "
            "was trained with, trains it again and keeps it."
        )
    return kept


def record_beside(model_file: Path) -> StoredRecord | None:
    """The record whose model a file is, None of any other file."""
    folder = model_file.resolve().parent
    if folder.parent.name != FOLDER:
        return None
    return next((stored for stored in records.load(folder.parent.parent) if stored.model_file == folder / MODEL), None)


def of_record(stored: StoredRecord, places: DataConfig) -> Subject:
    """The model of a record, on the test images that its trial predicted. UserError where the data are not the same."""
    trial, data = stored.record.trial, cross_dataset.load(stored.record.trial.dataset, places)
    if data.fingerprint != trial.fingerprint:
        raise UserError(f"'{data.name}' is not the copy that {trial.architecture} was trained on: their pixels differ.")
    order = np.argsort(data.ids)
    ids = stored.predictions("test").ids
    places_of_ids = np.searchsorted(data.ids, ids, sorter=order)
    test = order[np.minimum(places_of_ids, len(order) - 1)]
    if not np.array_equal(data.ids[test], ids):
        raise UserError(
            f"'{data.name}' names its images otherwise than the copy that {trial.architecture} was tried on."
        )
    assert stored.model_file is not None
    return Subject(trial.architecture, stored.model_file, data, test, trial.protocol, trial)


def of_file(file: Path, dataset: str, protocol: str, places: DataConfig) -> Subject:
    """A model in a file that has no record beside it: raw grey pixels to the classes of the dataset, in their order.

    UserError for a protocol of several folds: which of them the model was trained without is not known.
    """
    (setting,) = expand_protocols([] if protocol.startswith(CROSS) else [dataset], [protocol])
    data = cross_dataset.load(setting.data, places)
    parts = folds(setting.protocol, data, SPLIT_SEED)
    if len(parts) > 1:
        raise UserError(
            f"{protocol} has {len(parts)} folds, and which of them {file} was trained without is not known."
        )
    return Subject(file.stem, file, data, parts[0].test, title(setting.protocol))


def measure(
    subject: Subject, asked: Asked, cache_dir: Path, progress: Callable[[str, int, int], None] | None = None
) -> Robustness:
    """Accuracy on the test images as they are and under each corruption and severity.

    Corrupted images are kept below `cache_dir` for the next model. UserError where the model does not take the images.
    """
    from fer_bench.inference import keras_file
    from fer_bench.training.predict import predict

    _know_layers(subject.trial)
    model = keras_file.load(subject.model_file)
    data = subject.dataset
    _check_fit(subject, model.input_shape, model.outputs)
    chosen = subject.test[
        sample(data.images[subject.test], data.labels[subject.test], asked.samples or len(data), SEED)
    ]
    images, labels = data.images[chosen], data.labels[chosen]

    def accuracy(pixels: np.ndarray) -> float:
        predicted = predict(_Predicting(model.predict), pixels, subject.views, subject.crop)
        return float(np.mean(predicted.probabilities.argmax(axis=1) == labels))

    uncorrupted = accuracy(images)
    folder = cache_dir / f"corrupted-{_digest(images)}"
    found: dict[str, dict[int, float]] = {name: {} for name in asked.corruptions}
    steps = [(name, severity) for name in asked.corruptions for severity in asked.severities]
    for done, (name, severity) in enumerate(steps):
        if progress:
            progress(f"{subject.name}: {name} {severity}", done, len(steps))
        found[name][severity] = accuracy(corrupted(images, name, severity, folder))
    if progress:
        progress(subject.name, len(steps), len(steps))
    return Robustness(
        model=subject.title,
        dataset=data.name,
        protocol=subject.protocol,
        fold=subject.trial.fold if subject.trial else 0,
        key=subject.trial.key if subject.trial else None,
        uncorrupted=uncorrupted,
        accuracy=found,
        samples=len(chosen),
        test=len(subject.test),
        seed=SEED,
        tta=subject.views,
        versions=versions(),
    )


def corrupted(images: np.ndarray, corruption: str, severity: int, folder: Path) -> np.ndarray:
    """`corruptions.corrupt`, from a file in the folder where it has been there before; a read-only memory map."""
    file = folder / f"{corruption}-{severity}.npy"
    try:
        known = np.load(file, mmap_mode="r")
        if known.shape == images.shape and known.dtype == images.dtype:
            return known
    except (OSError, ValueError, EOFError):
        pass
    made = corrupt(images, corruption, severity, SEED)
    part = folder / f".{file.name}.{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as handle:
            np.save(handle, made)
        os.replace(part, file)
    except OSError:  # a full or read-only disk: it goes without
        with suppress(OSError):
            part.unlink()
    return made


@dataclass(frozen=True)
class _Predicting:
    """What `predict` needs of a model."""

    predict_on_batch: Callable[[np.ndarray], np.ndarray]


def _know_layers(trial: Trial | None) -> None:
    """Import what the model's own layers are defined in: a saved model names them alone."""
    import architectures.layers  # noqa: F401

    if trial is not None and trial.architecture in ARCHITECTURES:
        ARCHITECTURES.function(trial.architecture)


def _check_fit(subject: Subject, taken: tuple[int | None, ...], outputs: int | None) -> None:
    images, side = subject.dataset.images, subject.crop
    if images.ndim != 3:
        raise UserError(f"'{subject.dataset.name}' holds sequences: the corruptions are for images.")
    given = (side, side, 1) if side else (*images.shape[1:], 1)
    if len(taken) != 4 or any(a not in (None, b) for a, b in zip(taken[1:], given, strict=True)):
        raise UserError(f"{subject.model_file} takes {taken[1:]} and '{subject.dataset.name}' has images of {given}.")
    if outputs != len(subject.dataset.classes):
        raise UserError(
            f"{subject.model_file} tells {outputs} classes apart and '{subject.dataset.name}' has "
            f"{len(subject.dataset.classes)}."
        )


def _digest(images: np.ndarray) -> str:
    """Of all that corrupted images depend on, apart from corruption and severity."""
    digest = hashlib.sha256(f"{SEED} {versions()} {images.shape}".encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()[:16]
