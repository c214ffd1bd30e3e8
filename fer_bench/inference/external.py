"""Score a model that others trained: its predictions under one of our protocols, recorded like any trial's."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench import records
from fer_bench.core.errors import UserError, write_error
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.inference.classifier import outputs, probabilities
from fer_bench.inference.model_file import check, load, needs_keras
from fer_bench.inference.preprocessing import Preprocessing, meaning, read
from fer_bench.protocols import cross_dataset
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.registry import ARROW, CROSS, SPLIT_SEED, expand_protocols, folds, title
from fer_bench.protocols.stratified import groups_of
from fer_bench.records.schema import EXTERNAL, Predictions, Record, Trial
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.training.machine import describe_machine

PROCEDURE = 1  # raised when the same preprocessing comes to mean something else; part of every key
LONGEST_NAME = 60  # characters
PARTS = ("validation", "test")


@dataclass(frozen=True)
class Request:
    """A model to be scored, with all that can be checked before it is opened.

    kept: for each class of the dataset, which of the model's outputs is its.
    """

    name: str
    model_file: Path
    digest: str  # SHA-256 of the model file
    preprocessing: Preprocessing
    dataset: Dataset
    protocol: str
    folds: list[Fold]
    kept: list[int]

    @property
    def needs_keras(self) -> bool:
        return needs_keras(self.model_file)


def request(
    model_file: Path, preprocessing_file: Path, dataset: str, protocol: str, places: DataConfig, name: str | None = None
) -> Request:
    """Check what is asked for; neither Keras nor the model is loaded. The name is the file's unless one is given.

    UserError for a file that is missing or of another kind, a mistake in the preprocessing, data or a protocol that do
    not fit, classes that the model has and the dataset lacks, or the other way round.
    """
    name = _name(model_file.stem if name is None else name)
    check(model_file)
    preprocessing = read(preprocessing_file)
    (setting,) = expand_protocols([] if protocol.startswith(CROSS) else [dataset], [protocol])
    data = cross_dataset.load(setting.data, places)
    if data.images.ndim != 3:
        raise UserError(f"'{data.name}' holds sequences, and models of others are scored on images alone.")
    return Request(
        name=name,
        model_file=model_file,
        digest=_digest(model_file),
        preprocessing=preprocessing,
        dataset=data,
        protocol=title(setting.protocol),
        folds=folds(setting.protocol, data, SPLIT_SEED),
        kept=_kept(preprocessing.labels, data, preprocessing_file),
    )


def score(asked: Request, results: Path, places: DataConfig) -> list[Path]:
    """Predict validation and test of every fold and write a record for each; the folders written.

    Each image is predicted once, however many folds have it. UserError where the model does not do what the
    preprocessing says, or where the results folder cannot be written.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    model, data = load(asked.model_file), asked.dataset
    chosen = np.unique(np.concatenate([getattr(fold, part) for fold in asked.folds for part in PARTS]))
    said = outputs(model, asked.preprocessing, data.images, chosen, places.progress)
    made = probabilities(said, asked.preprocessing.outputs, asked.kept, str(asked.model_file))
    machine = describe_machine(model.backend)
    machine["versions"] |= model.versions
    written = []
    for number, fold in enumerate(asked.folds):
        predictions = {part: _part(data, fold, part, chosen, made) for part in PARTS if len(getattr(fold, part))}
        record = Record(
            trial=_trial(asked, number, model.backend),
            status="finished",
            started=started,
            machine=machine,
            classes=list(data.classes),
            samples={part: len(p.labels) for part, p in predictions.items()},
            split_notes=list(fold.notes),
            num_parameters=model.parameters,
        )
        written.append(_write(results, record, predictions))
    return written


def _trial(asked: Request, fold: int, backend: str) -> Trial:
    """Of its training nothing is known, and so nothing is said: neither initial weights nor selection nor precision."""
    return Trial(
        architecture=asked.name,
        source_digest=asked.digest,
        dataset=asked.dataset.name,
        fingerprint=asked.dataset.fingerprint,
        protocol=asked.protocol,
        fold=fold,
        recipe_name=EXTERNAL,
        recipe={EXTERNAL: asked.preprocessing.model_dump(mode="json"), "tta": "1"},
        initial_weights="unknown",
        seed=0,
        backend=backend,
        procedure_version=PROCEDURE,
    )


def _part(data: Dataset, fold: Fold, part: str, chosen: np.ndarray, made: np.ndarray) -> Predictions:
    indices, groups = getattr(fold, part), groups_of(data)
    return Predictions(
        np.asarray(data.ids[indices]),
        data.labels[indices].astype(np.int64),
        made[np.searchsorted(chosen, indices)],
        no_duplicate=fold.no_duplicate if part == "test" else None,
        groups=None if groups is None else np.asarray(groups[indices], dtype=np.str_),
    )


def _write(results: Path, record: Record, predictions: dict[str, Predictions]) -> Path:
    try:
        return records.write(results, record, predictions)
    except OSError as error:
        raise write_error(f"The record of {record.trial} in {results}", error) from None


def _name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or "\\" in name:
        raise UserError(
            f"--name: '{name[:LONGEST_NAME]}' cannot name a row: 1 to {LONGEST_NAME} characters, no slashes."
        )
    if name in ARCHITECTURES:
        raise UserError(f"'{name}' is an architecture of the registry: give the model another name with --name.")
    return name


def _digest(file: Path) -> str:
    try:
        with open(file, "rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from None


def _kept(labels: list[str | None], data: Dataset, where: Path) -> list[int]:
    """For each class of a dataset, the output that is its. Of two datasets the classes of both count, and no other."""
    classes = [meaning(name) for name in data.classes]
    if missing := [name for name in classes if name not in labels]:
        hint = "" if ARROW in data.name else f"; under '{CROSS}TRAIN{ARROW}{data.name}' the classes of both count alone"
        raise UserError(f"{where}: '{data.name}' has the class '{missing[0]}', and labels do not name it{hint}.")
    others = [name for name in labels if name is not None and name not in classes]
    if others and ARROW not in data.name:
        raise UserError(
            f"{where}: '{data.name}' has no class '{others[0]}': write null in its place, and that output is left out."
        )
    return [labels.index(name) for name in classes]
