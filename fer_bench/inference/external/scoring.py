"""Score an external model: predict the validation and test splits of a protocol and write records."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench import records
from fer_bench.core.errors import UserError, write_error
from fer_bench.core.splits import SPLITS
from fer_bench.core.text import plural
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.inference.external.model_checks import check_training, compare_settings
from fer_bench.inference.external.original_images import select_images
from fer_bench.inference.formats.classifier import ImageSource, predict_outputs, to_probabilities
from fer_bench.inference.formats.model_file import check_model_file, digest, load, needs_keras
from fer_bench.inference.preprocessing.labels import match_labels
from fer_bench.inference.preprocessing.preprocessing import Preprocessing, read_preprocessing
from fer_bench.protocols import class_subset, cross_dataset
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.stratified import get_groups
from fer_bench.records.schema import EXTERNAL, Predictions, Record, Trial
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.training.machine import describe_machine

PROCEDURE_VERSION = 1  # part of every key; raised if the same preprocessing file leads to other predictions
MAX_NAME_LENGTH = 60
SCORED_SPLITS = SPLITS[1:]


@dataclass(frozen=True)
class Request:
    """An external model to score, checked as far as possible without opening it.

    Dataset, folds and protocol are restricted to the classes that the model has.
    """

    name: str
    model_file: Path
    digest: str  # SHA-256 of the model's files
    preprocessing: Preprocessing
    dataset: Dataset
    protocol: str
    folds: list[Fold]
    output_indices: list[int]  # the output of each class of the dataset
    images: ImageSource  # those of the dataset, or its image files
    images_digest: str  # of the image files; empty for the images of the dataset
    notes: tuple[str, ...] = ()  # on images, and on outputs that are ignored

    @property
    def needs_keras(self) -> bool:
        return needs_keras(self.model_file)


def build_request(
    model_file: Path,
    preprocessing_file: Path,
    dataset: str,
    protocol: str,
    data_config: DataConfig,
    name: str | None = None,
    trust: bool = False,
) -> Request:
    """Check the arguments and load the dataset. Neither Keras nor the model is loaded.

    Args:
        model_file: A Keras or ONNX file.
        preprocessing_file: YAML, see `Preprocessing`.
        dataset: Name of a dataset; ignored by cross-dataset protocols.
        protocol: Name of a protocol.
        data_config: Where datasets and caches are.
        name: Name of the model on the leaderboard. Default: the name of the file.
        trust: Whether formats that can run any operation are allowed.

    Raises:
        UserError: A file is missing or of an unknown format, the preprocessing is invalid, the protocol does not apply
            to the dataset, or the labels do not match its classes.
    """
    name = _validate_name(model_file.stem if name is None else name)
    check_model_file(model_file, trust)
    preprocessing = read_preprocessing(preprocessing_file)
    data, folds, title = cross_dataset.load_folds(dataset, protocol, data_config)
    if data.images.ndim != 3:
        raise UserError(f"'{data.name}' contains sequences. External models are scored on images only.")
    match = match_labels(preprocessing.labels, data, preprocessing_file)
    if len(match.classes) < len(data.classes):
        data, folds, title = class_subset.restrict(data, folds, title, match.classes)
    selected = select_images(data, preprocessing, _scored(folds), data_config)
    return Request(
        name=name,
        model_file=model_file,
        digest=digest(model_file),
        preprocessing=selected.preprocessing,
        dataset=data,
        protocol=title,
        folds=folds,
        output_indices=match.outputs,
        images=selected.images,
        images_digest=selected.digest,
        notes=(*selected.notes, *match.notes),
    )


def score(request: Request, results_dir: Path, data_config: DataConfig) -> list[Path]:
    """Predict the validation and test splits of every fold and write one record per fold.

    Each image is predicted once, even if several folds contain it.

    Returns:
        The folders of the records.

    Raises:
        UserError: The model does not match the preprocessing, or the results folder cannot be written.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    model, data = load(request.model_file), request.dataset
    indices = _scored(request.folds)
    outputs = predict_outputs(model, request.preprocessing, request.images, indices, data_config.progress)

    def predict(preprocessing: Preprocessing, wanted: np.ndarray) -> np.ndarray:
        if preprocessing == request.preprocessing and np.isin(wanted, indices).all():
            return outputs[np.searchsorted(indices, wanted)]
        return predict_outputs(model, preprocessing, request.images, wanted, data_config.progress)

    source = str(request.model_file)
    unlabeled = [i for i, label in enumerate(request.preprocessing.labels) if label is None]
    kind = request.preprocessing.outputs
    probabilities = to_probabilities(outputs, kind, request.output_indices, source, unlabeled)
    training_check = check_training(predict, request.preprocessing, data, request.folds[0])
    warnings = compare_settings(predict, request.preprocessing, data, request.folds[0])
    machine = describe_machine(model.backend)
    machine["versions"] |= model.versions
    folders = []
    for fold_index, fold in enumerate(request.folds):
        predictions = {
            split: _split_predictions(data, fold, split, indices, probabilities)
            for split in SCORED_SPLITS
            if len(getattr(fold, split))
        }
        record = Record(
            trial=_make_trial(request, fold_index, model.backend),
            status="finished",
            started=started,
            machine=machine,
            classes=list(data.classes),
            samples={split: len(of_split.labels) for split, of_split in predictions.items()},
            split_notes=list(fold.notes),
            model_notes=[*model.notes, *request.notes, *_tie_note(probabilities)],
            warnings=warnings,
            training_check=training_check,
            num_parameters=model.num_parameters,
        )
        try:
            folders.append(records.write(results_dir, record, predictions))
        except OSError as error:
            raise write_error(f"The record of {record.trial} in {results_dir}", error) from None
    return folders


def _tie_note(probabilities: np.ndarray) -> list[str]:
    """Return a note on the images with several most probable classes, the first of which counts."""
    is_highest = probabilities == probabilities.max(axis=1, keepdims=True)
    num_ties = int((is_highest.sum(axis=1) > 1).sum())
    return [f"{plural(num_ties, 'image')} with several most probable classes"] if num_ties else []


def _scored(folds: list[Fold]) -> np.ndarray:
    """Return the indices of all images that are scored, ascending."""
    return np.unique(np.concatenate([getattr(fold, split) for fold in folds for split in SCORED_SPLITS]))


def _make_trial(request: Request, fold: int, backend: str) -> Trial:
    """Return the trial of a model whose training details are unknown.

    Image files are named by their digest, since the fingerprint covers the images in the cache only.
    """
    image_files = {"image_files": request.images_digest} if request.images_digest else {}
    return Trial(
        architecture=request.name,
        source_digest=request.digest,
        dataset=request.dataset.name,
        fingerprint=request.dataset.fingerprint,
        protocol=request.protocol,
        fold=fold,
        recipe_name=EXTERNAL,
        recipe={EXTERNAL: request.preprocessing.model_dump(mode="json") | image_files, "tta": "1"},
        initial_weights="unknown",
        seed=0,
        backend=backend,
        procedure_version=PROCEDURE_VERSION,
    )


def _split_predictions(
    data: Dataset, fold: Fold, split: str, predicted_indices: np.ndarray, probabilities: np.ndarray
) -> Predictions:
    indices, groups = getattr(fold, split), get_groups(data)
    return Predictions(
        np.asarray(data.ids[indices]),
        data.labels[indices].astype(np.int64),
        probabilities[np.searchsorted(predicted_indices, indices)],
        no_duplicate=fold.no_duplicate if split == "test" else None,
        groups=None if groups is None else np.asarray(groups[indices], dtype=np.str_),
    )


def _validate_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > MAX_NAME_LENGTH or not name.isprintable() or "/" in name or "\\" in name:
        raise UserError(
            f"'{name[:MAX_NAME_LENGTH]}' is not a valid --name. Use 1 to {MAX_NAME_LENGTH} characters without slashes."
        )
    if name in ARCHITECTURES:
        raise UserError(f"'{name}' is a registered architecture. Choose another name with --name.")
    return name
