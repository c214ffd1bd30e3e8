"""The trained models that sweeps keep: model.keras in a record's folder, and beside it what a user of it must know.

Of the models that are kept as the best of their row, the worse ones are removed. Which of two is better is the same for
everybody who asks, so sweeps that share a folder agree, and the best model is never removed. Models that are kept for
another reason stay.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from fer_bench.core.files import write_atomically
from fer_bench.records.schema import FrozenModel, Predictions, Record, Trial
from fer_bench.records.store import MODEL_FILE, RECORDS_DIR, TEMPORARY_PREFIX, record_dir

MODEL_INFO_FILE = "model_info.json"

Reason = Literal["best", "all", "pretraining"]  # why a model is kept: --keep-models, or others start from it


class ModelInfo(FrozenModel):
    """What a user of a kept model must know.

    Attributes:
        key: Key of its trial.
        row: Id of its leaderboard row.
        kept: Why it is kept.
        architecture: Name of its architecture.
        dataset: Name of the dataset that it was trained on, with the face crop.
        protocol: Name of the protocol.
        recipe_name: Name of the recipe.
        fold: Number of the fold.
        seed: The seed.
        classes: Class names in the order of its outputs, which are logits.
        image_shape: ([time,] height, width) of the dataset's images, in pixels.
        samples: Number of samples by split.
        accuracy: Accuracy by split, a fraction.
        sha256: SHA-256 of model.keras; empty until it is written.
    """

    key: str
    row: str
    kept: Reason
    architecture: str
    dataset: str
    protocol: str
    recipe_name: str
    fold: int
    seed: int
    classes: list[str]
    image_shape: list[int]
    samples: dict[str, int]
    accuracy: dict[str, float]
    sha256: str = ""

    @property
    def order(self) -> tuple[float, str]:
        """The larger, the better; no two models are equal."""
        return self.accuracy.get("validation", -1.0), self.key


def describe_model(
    record: Record, predictions: Mapping[str, Predictions], image_shape: tuple[int, ...], kept: Reason
) -> ModelInfo:
    """Return what a user of a trial's model must know, without the file's SHA-256."""
    trial = record.trial
    accuracy = {
        split: float(np.mean(of.probabilities.argmax(axis=1) == of.labels))
        for split, of in predictions.items()
        if len(of.labels)
    }
    return ModelInfo(
        key=trial.key,
        row=trial.row_id,
        kept=kept,
        architecture=trial.architecture,
        dataset=trial.dataset,
        protocol=trial.protocol,
        recipe_name=trial.recipe_name,
        fold=trial.fold,
        seed=trial.seed,
        classes=record.classes,
        image_shape=list(image_shape),
        samples=record.samples,
        accuracy=accuracy,
    )


def read_info(folder: Path) -> ModelInfo | None:
    """Return the description of the model in a folder; None if there is none or it is damaged."""
    try:
        return ModelInfo.model_validate_json((folder / MODEL_INFO_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def write_info(folder: Path, info: ModelInfo) -> None:
    """Write the description of the model in a folder, with its SHA-256. Raises OSError."""
    with (folder / MODEL_FILE).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    content = info.model_copy(update={"sha256": digest}).model_dump_json(indent=1)
    write_atomically(folder / MODEL_INFO_FILE, content + "\n")


def is_surpassed(results: Path, info: ModelInfo) -> bool:
    """Whether the folder has a better model of the same row, so that this one need not be kept as the best."""
    return any(other.order > info.order for _, other in _others(results, info))


def remove_surpassed(results: Path, info: ModelInfo) -> None:
    """Remove the models that are worse than this one and are kept only as the best of its row."""
    for folder, other in _others(results, info):
        if other.kept == "best" and other.order < info.order:
            with suppress(OSError):  # another sweep has just removed it
                (folder / MODEL_FILE).unlink()
                (folder / MODEL_INFO_FILE).unlink()


def keep_for_pretraining(results: Path, trial: Trial) -> None:
    """Keep a recorded model that other trials start from, whatever better one may come."""
    folder = record_dir(results, trial)
    if (info := read_info(folder)) and info.kept == "best":
        try:
            write_info(folder, info.model_copy(update={"kept": "pretraining"}))
        except OSError as error:
            logging.getLogger(__name__).warning("%s cannot be written: %s", folder / MODEL_INFO_FILE, error)


def _others(results: Path, info: ModelInfo) -> Iterator[tuple[Path, ModelInfo]]:
    """Yield the other models of a row, with their folders."""
    for file in (results / RECORDS_DIR).glob(f"*/{MODEL_INFO_FILE}"):
        other = None if file.parent.name.startswith(TEMPORARY_PREFIX) else read_info(file.parent)
        if other and other.row == info.row and other.key != info.key and (file.parent / MODEL_FILE).is_file():
            yield file.parent, other
