"""Export kept models to other formats, each checked against Keras and recorded as a row of its own."""

from __future__ import annotations

import datetime
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_bench import records
from fer_bench.core.backend import import_keras
from fer_bench.core.errors import UserError, write_error
from fer_bench.core.files import write_atomically
from fer_bench.core.text import did_you_mean, one_line
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import Subset
from fer_bench.inference.export.record import accuracy, describe_metadata, describe_preprocessing, make_record
from fer_bench.inference.export.runtime import Agreement, RuntimeModel, check_agreement, compare, measure_costs
from fer_bench.inference.formats import model_file, onnx_file
from fer_bench.inference.robustness import find_record, register_layers, target_from_record
from fer_bench.inference.saved_models import check_kept_file, select_model
from fer_bench.records import StoredRecord
from fer_bench.records.schema import Predictions, Record

if TYPE_CHECKING:
    import keras

    from fer_bench.training.predict import PredictionResult

SUFFIXES = {"onnx": ".onnx", "litert": ".tflite", "saved_model": "", "keras": ".keras"}
FORMATS = tuple(SUFFIXES)
INT8_FORMATS = ("onnx", "litert")
EXPORTS_DIR = "exports"
MAX_COMPARED = 256  # test images that Keras predicts, too
MAX_CALIBRATION = 300  # training images


@dataclass(frozen=True)
class Export:
    """An exported model.

    Attributes:
        file: The file, or the folder of a SavedModel.
        file_format: One of FORMATS, with "-int8" for an 8-bit model.
        record: Its record, with the costs in its own runtime.
        accuracy: Accuracy on the test images of the trial.
        original_accuracy: The accuracy that the trial recorded.
        agreement: How far it agrees with Keras.
    """

    file: Path
    file_format: str
    record: Record
    accuracy: float
    original_accuracy: float
    agreement: Agreement


@dataclass(frozen=True)
class _Source:
    """A kept model in float32 with the images that its export needs; `indices` has those of each recorded split."""

    stored: StoredRecord
    model: keras.Model
    data: Dataset
    indices: dict[str, np.ndarray]

    @property
    def name(self) -> str:
        return self.stored.record.trial.architecture

    def predict(self, model: Any, indices: np.ndarray) -> PredictionResult:
        """Return what a model predicts for some images, with the test-time views of the trial."""
        from fer_bench.training.predict import predict

        recipe = self.stored.record.trial.recipe
        return predict(model, Subset(self.data.images, indices), recipe["tta"], recipe["crop"])


def check_formats(formats: Sequence[str], int8: bool = False) -> list[str]:
    """Return the formats without repetition. UserError if one is unknown, has no 8-bit version or needs a package."""
    if not formats:
        raise UserError(f"No format is named. Choose from: {', '.join(FORMATS)}.")
    for name in formats:
        if name not in FORMATS:
            raise UserError(f"Unknown format '{name}'. {did_you_mean(name, FORMATS)}")
        if int8 and name not in INT8_FORMATS:
            raise UserError(f"There is no 8-bit version of {name}. Use --int8 with {' or '.join(INT8_FORMATS)}.")
    if "onnx" in formats:
        onnx_file.require_onnxruntime()
        if missing := [name for name in ("tf2onnx", "onnx") if importlib.util.find_spec(name) is None]:
            raise UserError(f"Export to ONNX requires {missing[0]}. Run: pip install 'fer-bench[export]'.")
    return list(dict.fromkeys(formats))


def select_record(
    results_dir: Path,
    model: str | None = None,
    model_file: Path | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
) -> StoredRecord:
    """Return the record of a kept model.

    Args:
        results_dir: The results folder.
        model: See `saved_models.select_model`, which also selects the best model if there is no name.
        model_file: A model.keras in the folder of its record, instead of a name.
        dataset: Only models that were trained on this dataset.
        protocol: Only models that were trained under this protocol.

    Raises:
        UserError: There is none, or it is an ensemble.
    """
    if model_file is None:
        stored, members = select_model(results_dir, model, dataset, protocol, allow_sequences=True)
        if stored.model_file is None:
            names = ", ".join(dict.fromkeys(member.record.trial.architecture for member, _ in members))
            raise UserError(f"An ensemble is not one model. Export its members one by one: {names}.")
        return stored
    if model or dataset or protocol:
        raise UserError("Choose either --model, with --dataset and --protocol, or --model-file.")
    if not model_file.is_file():
        raise UserError(f"The model file {model_file} does not exist.")
    if found := find_record(model_file):
        return found
    raise UserError(f"{model_file} is not the model of a record. Name a model.keras in a folder of records/.")


def export_model(
    results_dir: str | Path,
    model: str | None = None,
    file_format: str = "onnx",
    *,
    int8: bool = False,
    output: str | Path | None = None,
    data_dir: str | Path = "data",
    dataset: str | None = None,
    protocol: str | None = None,
) -> Export:
    """Export a kept model of a results folder, as the command `export` does.

    Args:
        results_dir: The results folder, which gets a record of the exported model.
        model: An architecture, or the id of a row in leaderboard.csv. Default: the best model for photographs.
        file_format: "onnx", "litert", "saved_model" or "keras".
        int8: Whether to quantize ONNX or LiteRT to 8 bits, calibrated on training images.
        output: Folder of the file. Default: a folder in RESULTS/exports.
        data_dir: Folder of the datasets.
        dataset: Only models that were trained on this dataset.
        protocol: Only models that were trained under this protocol.

    Returns:
        The file, its agreement with Keras, its accuracy and its record.

    Raises:
        UserError: There is no such model, it cannot be exported, or the file disagrees with Keras.

    Examples:
        >>> fer_bench.export_model("results", "cnn", "litert").file
        PosixPath('results/exports/cnn-fer2013-s0-5a1c…/cnn.tflite')
    """
    check_formats([file_format], int8)
    stored = select_record(Path(results_dir), model, dataset=dataset, protocol=protocol)
    import_keras("tensorflow")
    return export_record(stored, file_format, DataConfig(Path(data_dir)), Path(output) if output else None, int8)


def export_record(
    stored: StoredRecord, file_format: str, data_config: DataConfig, output: Path | None = None, int8: bool = False
) -> Export:
    """Export the kept model of a record, compare it with Keras on test images, and record it as a row.

    The exported model maps raw gray pixels (batch, [time,] height, width, 1) in [0, 255] to logits, and computes in
    float32 with the operations of plain Keras. Keras must run on TensorFlow.

    Args:
        stored: A finished record with a model.
        file_format: One of FORMATS.
        data_config: Where datasets and caches are.
        output: Folder of the file. Default: RESULTS/exports/<name of the record's folder>.
        int8: Whether to quantize weights and activations to 8 bits, calibrated on training images.

    Raises:
        UserError: The model cannot be converted, its file disagrees with Keras, or a file cannot be written. Nothing of
            that export is left.
    """
    check_formats([file_format], int8)
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    source, results_dir = _load(stored, data_config), stored.path.parent.parent
    calibration = _calibration_images(source) if int8 else None
    name = f"{file_format}-int8" if int8 else file_format
    folder = output or results_dir / EXPORTS_DIR / stored.path.name
    preprocessing = describe_preprocessing(stored, source.model.input_shape, source.data.images.shape[1:])
    with _temporary_folder(folder) as temporary:
        part = temporary / export_file_name(source.name, file_format, int8)
        _convert(source, part, file_format, calibration)
        if file_format == "onnx":
            from fer_bench.inference.export.writers import add_onnx_metadata

            add_onnx_metadata(part, describe_metadata(stored, preprocessing))
        classifier = model_file.load(part)
        runtime = RuntimeModel(classifier, source.model.input_shape)
        predicted = {split: source.predict(runtime, of_split) for split, of_split in source.indices.items()}
        agreement = _compare_with_keras(source, predicted["test"].probabilities)
        check_agreement(agreement, source.name, name, int8)
        num_calibration = 0 if calibration is None else len(calibration)
        costs = measure_costs(runtime, part, predicted["test"].images_per_second)
        record = make_record(stored, classifier, name, num_calibration, costs, started)
        predictions = {
            split: replace(stored.predictions(split), probabilities=result.probabilities)
            for split, result in predicted.items()
        }
        _write(part, folder, preprocessing)
        _write_record(results_dir, record, predictions)
    original = stored.predictions("test")
    return Export(
        file=folder / part.name,
        file_format=name,
        record=record,
        accuracy=accuracy(predictions["test"].probabilities, original),
        original_accuracy=accuracy(original.probabilities, original),
        agreement=agreement,
    )


def _load(stored: StoredRecord, data_config: DataConfig) -> _Source:
    """Load the kept model of a record and its dataset. UserError if one does not fit the record."""
    assert stored.model_file is not None
    check_kept_file(stored.model_file)
    data = target_from_record(stored, data_config).dataset
    import keras

    from fer_bench.inference.export.writers import plain_model
    from fer_bench.inference.formats.keras_file import load_model

    if keras.backend.backend() != "tensorflow":
        raise UserError(
            "Export requires Keras on TensorFlow, whatever the model was trained on. Set KERAS_BACKEND=tensorflow."
        )
    register_layers(stored.record.trial)
    order = np.argsort(data.ids)
    ids = {split: stored.arrays(f"{split}_ids").get(f"{split}_ids") for split in ("validation", "test")}
    indices = {
        split: order[np.searchsorted(data.ids, of_split, sorter=order)]
        for split, of_split in ids.items()
        if of_split is not None  # a protocol may have no validation split
    }
    return _Source(stored, plain_model(load_model(stored.model_file)), data, indices)


def _calibration_images(source: _Source) -> np.ndarray:
    """Return training images (images, [time,] height, width, 1), spread evenly over the dataset.

    Images that are pixel-identical to one of validation or test are not used.
    """
    from fer_bench.training.batches import tta_views

    data, held_out = source.data, np.concatenate([*source.indices.values()])
    training = np.setdiff1d(np.arange(len(data)), held_out)
    chosen = training[np.linspace(0, len(training) - 1, min(MAX_CALIBRATION, len(training))).round().astype(int)]
    known = {np.asarray(data.images[index]).tobytes() for index in held_out}
    images = [image for index in chosen if (image := np.asarray(data.images[index])).tobytes() not in known]
    if not images:
        raise UserError(f"'{data.name}' has no training images to calibrate an 8-bit model on. Export without --int8.")
    return tta_views(np.stack(images)[..., None], "1", source.stored.record.trial.recipe["crop"])[0]


def export_file_name(architecture: str, file_format: str, int8: bool) -> str:
    """Return the name of an exported file, or of the folder of a SavedModel."""
    return f"{architecture}{'-int8' * int8}{SUFFIXES[file_format] or f'-{file_format}'}"


def _convert(source: _Source, file: Path, file_format: str, calibration: np.ndarray | None) -> None:
    from fer_bench.inference.export.writers import write_model

    try:
        write_model(source.model, file, file_format, calibration)
    except OSError as error:
        raise write_error(file, error) from None
    except Exception as error:  # the converters raise any kind
        reason = one_line(str(error))[:300].rstrip(".") or type(error).__name__
        raise UserError(
            f"{source.name} cannot be exported to {file_format}: {reason}. Choose another format."
        ) from None


def _compare_with_keras(source: _Source, probabilities: np.ndarray) -> Agreement:
    """Compare probabilities of the test images with those of Keras, on some of the images."""
    number = len(probabilities)
    compared = np.unique(np.linspace(0, number - 1, min(MAX_COMPARED, number)).round().astype(int))
    expected = source.predict(source.model, source.indices["test"][compared]).probabilities
    return compare(probabilities[compared], expected)


def _write(part: Path, folder: Path, preprocessing: str) -> None:
    """Move a finished file or folder to its place, with its preprocessing beside it."""
    final = folder / part.name
    try:
        write_atomically(folder / f"{part.name}.yaml", preprocessing)
        if final.is_dir():
            shutil.rmtree(final)
        part.replace(final)
    except OSError as error:
        raise write_error(final, error) from None


def _write_record(results_dir: Path, record: Record, predictions: dict[str, Predictions]) -> None:
    try:
        records.write(results_dir, record, predictions)
    except OSError as error:
        raise write_error(f"The record of {record.trial} in {results_dir}", error) from None


@contextmanager
def _temporary_folder(folder: Path) -> Iterator[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = tempfile.TemporaryDirectory(prefix=".part-", dir=folder, ignore_cleanup_errors=os.name == "nt")
    except OSError as error:
        raise write_error(folder, error) from None
    with opened as name:
        yield Path(name)
