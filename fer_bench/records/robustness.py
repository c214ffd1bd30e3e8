"""RESULTS/records/<record>/robustness.json: a saved model's accuracy on corrupted test images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from fer_bench.core.files import write_output
from fer_bench.records.schema import FrozenModel, describe_validation_error

ROBUSTNESS_FILE = "robustness.json"
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
BySeverity = Annotated[dict[int, Fraction], Field(min_length=1)]


class Robustness(FrozenModel):
    """Accuracy under corruptions, and how it was measured.

    Attributes:
        model: The model's name in tables.
        dataset: Name of the dataset.
        protocol: Name of the protocol.
        fold: Number of the fold.
        key: Key of the trial that trained the model; None for an external model.
        uncorrupted: Accuracy on the same images without corruption.
        accuracy: Accuracy by corruption, then by severity.
        num_samples: Number of images, a stratified sample if there are more test images.
        num_test_images: Number of test images of the dataset and protocol.
        seed: Seed of the sample and of the corruptions.
        tta: Test-time augmentation of the predictions.
        versions: Versions of the libraries that corrupt.
    """

    model: str
    dataset: str
    protocol: str
    fold: int = 0
    key: str | None = None
    uncorrupted: Fraction
    accuracy: Annotated[dict[str, BySeverity], Field(min_length=1)]
    num_samples: int
    num_test_images: int
    seed: int
    tta: str
    versions: dict[str, str]


def write(file: Path, robustness: Robustness) -> None:
    """Write the file atomically. Raises UserError if it cannot be written."""
    write_output(file, robustness.model_dump_json(indent=1) + "\n")


def read(record_dir: Path) -> Robustness | None:
    """Return the robustness of the model in a record's folder; None if it was not measured.

    Raises ValueError with the reason if the file cannot be read.
    """
    try:
        return Robustness.model_validate_json((record_dir / ROBUSTNESS_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{ROBUSTNESS_FILE} cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        raise ValueError(f"{ROBUSTNESS_FILE}: {describe_validation_error(error)}") from None
