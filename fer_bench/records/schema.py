"""The data model: Trial, Record and Predictions."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

# Raised when a change of the training code changes the meaning of a recipe on a backend; part of every key.
PROCEDURE_VERSIONS = {"tensorflow": 3, "jax": 3, "torch": 2}

# Raised when protocols, splits, metrics or named recipes change so that figures no longer compare; see CHANGELOG.md.
# It is no part of a key: what changes an outcome does so through the fields of the trial.
BENCHMARK_VERSION = 1

# Fields of a Trial that are labels and do not affect the outcome.
NOT_IN_KEY = {"recipe_name"}

# Shown below every table with Costs.flops.
FLOPS_METHOD = (
    "multiply-adds of convolutions, dense and recurrent layers and attention, each counted as two operations; biases, "
    "normalization, activations, pooling, resizing and other element-wise operations are not counted"
)

EXTERNAL = "external"  # recipe name of an external model, and the key of its preprocessing in the recipe
PRETRAINED = "pretrained on"  # how initial weights start that were trained on another dataset
EXPORT = "export"  # key of the format in the recipe of an exported model
ENSEMBLE = "ensemble"  # architecture name of an ensemble, and the key of its members in the recipe


class FrozenModel(BaseModel):
    # Plain JSON has no NaN: pydantic would write null, and reject it when reading.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Trial(FrozenModel):
    """One architecture × dataset × protocol fold × recipe × seed × backend.

    Attributes:
        architecture: Name of the architecture.
        source_digest: Digest of the architecture's source code.
        dataset: Name of the dataset.
        fingerprint: Digest of the dataset's images, labels and split.
        protocol: Name of the protocol, with its version.
        fold: Number of the fold.
        recipe_name: Name of the recipe in tables; not part of the key.
        recipe: The complete recipe, with all defaults.
        initial_weights: `random`, `imagenet:<digest of the file>`, `pretrained on <dataset>:<digest of the trial>`, or
            `pretrained on unknown data:<digest of the file>`.
        seed: Seed of everything random in training.
        backend: Keras backend.
        procedure_version: One of PROCEDURE_VERSIONS.
    """

    architecture: str
    source_digest: str
    dataset: str
    fingerprint: str
    protocol: str
    fold: int
    recipe_name: str
    recipe: dict[str, Any]
    initial_weights: str
    seed: int
    backend: str
    procedure_version: int

    @property
    def key(self) -> str:
        """Hash of everything that determines the outcome, and of nothing else: 64 hexadecimal digits."""
        return self._digest(NOT_IN_KEY)

    @property
    def row_id(self) -> str:
        """Hash of what the trials of a leaderboard row have in common, all but seed and fold: 12 digits."""
        text = json.dumps(self.model_dump(exclude={"seed", "fold", "recipe_name"}), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def start(self) -> str:
        """What training starts from, without the digest: "random weights", or "pretrained on fer2013"."""
        kind = self.initial_weights.partition(":")[0]
        return kind if kind.startswith(PRETRAINED) else f"{kind} weights"

    @property
    def pretraining_label(self) -> str:
        """The `initial_weights` of trials that start from the model of this trial with the same seed.

        It is the same for all seeds, so that they share a row. With the seed, it determines this trial's key.
        """
        return f"{PRETRAINED} {self.dataset}:{self._digest(NOT_IN_KEY | {'seed'})[:16]}"

    @property
    def precision(self) -> str:
        """Numeric precision of the training."""
        return str(self.recipe["precision"])

    @property
    def external(self) -> bool:
        """Whether somebody else trained the model; its initial weights, selection and precision are unknown."""
        return EXTERNAL in self.recipe

    @property
    def exported(self) -> bool:
        """Whether this is a model of another trial in another format; its training is that of the other trial."""
        return EXPORT in self.recipe

    @property
    def ensemble(self) -> bool:
        """Whether the predictions are a vote of other trials; see `Record.members`."""
        return ENSEMBLE in self.recipe

    def _digest(self, exclude: set[str]) -> str:
        text = json.dumps(self.model_dump(exclude=exclude), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def __str__(self) -> str:
        fold = f" fold {self.fold}" if self.fold else ""
        return f"{self.architecture} on {self.dataset} ({self.protocol}{fold}, seed {self.seed})"


class Epoch(FrozenModel):
    """One epoch of a trial's history; wall-clock seconds.

    Attributes:
        epoch: Number of the epoch, from 1.
        learning_rate: Learning rate at the end of the epoch.
        loss: Training loss.
        accuracy: Training accuracy.
        validation_loss: Loss on the validation split.
        validation_accuracy: Accuracy on the validation split.
        train_seconds: Training without validation and compilation.
        validation_seconds: Validation.
    """

    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    train_seconds: float
    validation_seconds: float


class Costs(FrozenModel):
    """The costs of a trial, each measured separately; None if not measured.

    Attributes:
        build_seconds: Building the model and loading its weights.
        compile_seconds: First calls of the compiled steps, beyond the time of a usual call.
        train_seconds: All epochs: training steps and their input, without validation.
        validation_seconds: Validation after all epochs.
        images_per_second: Training throughput: median over steps, or over epochs if an epoch is one compiled program.
        predict_images_per_second: Throughput on the test images at `predict_batch_size`.
        peak_memory_bytes: Peak memory of the process during the trial, without an accelerator's own memory.
        predict_batch_size: Images per call of `predict_images_per_second`.
        flops: FLOPs of one image or sequence, one view; see FLOPS_METHOD.
        model_bytes: Size of the .keras file without optimizer.
        latency_p50_seconds: Median time of a warmed-up call with one image, from array to array.
        latency_p95_seconds: The 95th percentile of that time.
        concurrent_trials: Number of trials that shared the machine's cores, including this one.
    """

    build_seconds: float
    compile_seconds: float
    train_seconds: float
    validation_seconds: float
    images_per_second: float
    predict_images_per_second: float | None
    peak_memory_bytes: int | None
    predict_batch_size: int | None = None
    flops: int | None = None
    model_bytes: int | None = None
    latency_p50_seconds: float | None = None
    latency_p95_seconds: float | None = None
    concurrent_trials: int = 1


class TrainingCheck(FrozenModel):
    """How an external model does on images that it may have been trained on; see `evaluation.contamination`.

    Attributes:
        images: Number of training images in the sample.
        accuracy: Its accuracy on them, a fraction.
        neighbor_accuracy: Accuracy on test images of copying the label of the nearest training image.
    """

    images: int
    accuracy: float
    neighbor_accuracy: float


class Member(FrozenModel):
    """A trial in an ensemble and its weight in the vote; all weights sum to 1."""

    key: str
    architecture: str
    recipe_name: str
    seed: int
    weight: float


class Record(FrozenModel):
    """The result of one trial; its predictions are stored beside it.

    Attributes:
        trial: The specification.
        status: How the trial ended.
        reason: One sentence if the trial did not finish.
        started: Start time, ISO 8601, UTC.
        machine: Processor, cores, memory_bytes, accelerator and library versions.
        classes: Class names in the order of the probabilities.
        samples: Number of samples by split.
        split_notes: Short notes on the split, shown as badges.
        model_notes: Short notes on an external or exported model and its outputs, shown as badges.
        warnings: Sentences on an external model's settings that do not fit the dataset.
        training_check: Accuracy of an external model on training images.
        num_parameters: Number of parameters of the model.
        best_epoch: Epoch with the best validation accuracy, whose weights made the predictions.
        history: One entry per epoch.
        costs: Costs of the trial; None if it did not finish.
        members: Members of an ensemble.
        benchmark_version: The BENCHMARK_VERSION that it was made for.
    """

    trial: Trial
    status: Literal["finished", "failed", "diverged"]
    reason: str = ""
    started: str
    machine: dict[str, Any]
    classes: list[str]
    samples: dict[str, int]
    split_notes: list[str] = Field(default_factory=list)
    model_notes: list[str] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)
    training_check: TrainingCheck | None = None
    num_parameters: int | None = None
    best_epoch: int | None = None
    history: list[Epoch] = Field(default_factory=list)
    costs: Costs | None = None
    members: list[Member] = Field(default_factory=list)
    benchmark_version: int = BENCHMARK_VERSION

    @property
    def wall_clock_seconds(self) -> float | None:
        """Training and validation over all epochs, without building, compiling, downloading and predicting."""
        return self.costs.train_seconds + self.costs.validation_seconds if self.costs else None


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of one split.

    Attributes:
        ids: Sample ids, (samples,) str.
        labels: (samples,) int64.
        probabilities: (samples, classes) float32.
        no_duplicate: Whether a sample has no duplicate in the other splits, (samples,) bool; None if unknown.
        groups: Subject of each sample, or else its sequence, (samples,) str; None if neither is known. Samples of one
            group are drawn together for intervals.
    """

    ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    no_duplicate: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def accuracy(self) -> float:
        """The share of samples whose most probable class is their label."""
        return float((self.probabilities.argmax(axis=1) == self.labels).mean())


def describe_validation_error(error: ValidationError) -> str:
    """Return the field and the reason of pydantic's first error."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))} {first['msg']}".strip()
