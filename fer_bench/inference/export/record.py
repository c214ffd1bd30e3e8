"""What travels with an exported model, and its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fer_bench.core.text import plural
from fer_bench.datasets.class_selection import split_classes
from fer_bench.inference.formats.classifier import Classifier
from fer_bench.inference.preprocessing.labels import parse_labels
from fer_bench.protocols.registry import ARROW
from fer_bench.records import StoredRecord
from fer_bench.records.schema import EXPORT, Predictions, Record
from fer_bench.training.machine import describe_machine


def describe_preprocessing(stored: StoredRecord, input_shape: tuple[int, ...], image_shape: tuple[int, ...]) -> str:
    """Return how a model takes its images and what its outputs are, as `evaluate --preprocessing` reads it.

    Args:
        stored: The record of the model.
        input_shape: (batch, [time,] height, width, 1).
        image_shape: ([time,] height, width) of the dataset, from which a recipe may crop the middle.
    """
    trial, size, whole = stored.record.trial, list(input_shape[-3:-1]), list(image_shape[-2:])
    face_crop = split_classes(trial.dataset.split(ARROW)[0])[0].partition("~")[2]
    content: dict[str, Any] = {
        "input_size": size,
        **({"resize_size": whole} if whole != size else {}),
        "channels": 1,
        "scaling": "none",
        "labels": parse_labels(stored.record.classes),
        "outputs": "logits",
        **({"face_crop": face_crop} if face_crop else {}),
    }
    frames = f"sequences of {image_shape[0]} " if len(image_shape) == 3 else ""
    head = (
        f"# {trial.architecture}, trained on {trial.dataset}: {trial.protocol}, recipe {trial.recipe_name}, "
        f"seed {trial.seed}.\n# Input: {frames}gray faces, cropped as in {trial.dataset}, pixels from 0 to 255.\n"
    )
    return head + yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=120)


def describe_metadata(stored: StoredRecord, preprocessing: str) -> dict[str, str]:
    """Return the properties of an ONNX file."""
    trial, test = stored.record.trial, stored.predictions("test")
    return {
        "classes": json.dumps(stored.record.classes),
        "preprocessing": preprocessing,
        "architecture": trial.architecture,
        "dataset": trial.dataset,
        "protocol": trial.protocol,
        "test_accuracy": f"{accuracy(test.probabilities, test):.4f}",
    }


def make_record(
    stored: StoredRecord,
    classifier: Classifier,
    file_format: str,
    num_calibration: int,
    costs: dict[str, Any],
    started: str,
) -> Record:
    """Return the record of an exported model: that of its training, with the costs of its own runtime.

    Args:
        stored: The record of the training.
        classifier: The exported model.
        file_format: The format, with "-int8" for an 8-bit model.
        num_calibration: Number of training images that an 8-bit model is calibrated on.
        costs: The fields of `Costs` that were measured with the exported model.
        started: When the export started, ISO 8601, UTC.
    """
    source = stored.record
    assert source.costs is not None
    machine = describe_machine("tensorflow")
    machine["versions"] |= classifier.versions
    export = {"format": file_format, "trained_on": source.trial.backend, "calibration_images": num_calibration}
    trial = source.trial.model_copy(
        update={
            "recipe": source.trial.recipe | {EXPORT: export},
            "recipe_name": _name_recipe(source.trial.recipe_name, file_format),
            "backend": classifier.backend,
        }
    )
    calibrated = [f"calibrated on {plural(num_calibration, 'training image')}"] if num_calibration else []
    return source.model_copy(
        update={
            "trial": trial,
            "started": started,
            "machine": machine,
            "costs": source.costs.model_copy(update={**costs, "peak_memory_bytes": None, "concurrent_trials": 1}),
            "model_notes": [f"exported to {file_format}", *calibrated],
        }
    )


def _name_recipe(recipe_name: str, file_format: str) -> str:
    """Return `default as onnx, epochs=3` for `default, epochs=3`."""
    base, comma, changes = recipe_name.partition(", ")
    return f"{base} as {file_format}{comma}{changes}"


def accuracy(probabilities: np.ndarray, known: Predictions) -> float:
    """Return the accuracy of probabilities (images, classes) on images with known labels."""
    return float((probabilities.argmax(axis=1) == known.labels).mean())


def size_of(file: Path) -> int:
    """Return the size of a file, or of all files in a folder, in bytes."""
    files = [path for path in file.rglob("*") if path.is_file()] if file.is_dir() else [file]
    return sum(path.stat().st_size for path in files)
