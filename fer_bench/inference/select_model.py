"""Select one kept model of a results folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first
from fer_bench.inference.robustness import find_record, saved_models
from fer_bench.records import StoredRecord


def select_kept_model(
    results_dir: Path,
    model: str | None,
    model_file: Path | None = None,
    dataset: str | None = None,
    protocol: str | None = None,
) -> StoredRecord:
    """Return the record of a kept model: of several seeds and folds, the one with the best validation accuracy.

    Args:
        results_dir: The results folder.
        model: Name of an architecture, or None with `model_file`.
        model_file: A model.keras in the folder of its record.
        dataset: Only this dataset.
        protocol: Only this protocol.

    Raises:
        UserError: There is none, or there are models of several datasets or protocols.
    """
    if (model is None) == (model_file is None):
        raise UserError("Choose either --model, an architecture that was trained, or --model-file, its model.keras.")
    if model_file is not None:
        if not model_file.is_file():
            raise UserError(f"The model file {model_file} does not exist.")
        if stored := find_record(model_file):
            return stored
        raise UserError(f"{model_file} is not the model of a record: name the model.keras in a folder of records/.")
    found = saved_models(results_dir, str(model), dataset, protocol)
    _check_single(found, "--dataset", lambda stored: stored.record.trial.dataset)
    _check_single(found, "--protocol", lambda stored: stored.record.trial.protocol)
    return max(found, key=lambda stored: (_validation_accuracy(stored), stored.record.trial.key))


def _check_single(found: list[StoredRecord], flag: str, of: Callable[[StoredRecord], str]) -> None:
    if len(names := sorted({of(stored) for stored in found})) > 1:
        architecture = found[0].record.trial.architecture
        raise UserError(f"There are models of {architecture} for {list_first(names, 5)}. Choose one with {flag}.")


def _validation_accuracy(stored: StoredRecord) -> float:
    try:
        validation = stored.predictions("validation")
    except KeyError:  # a protocol without validation images
        return -1.0
    return float((validation.probabilities.argmax(axis=1) == validation.labels).mean())
