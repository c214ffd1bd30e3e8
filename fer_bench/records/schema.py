"""Trial, Record and Predictions: the vocabulary on the ground floor."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

# Raised when a change of the training code changes what a recipe means on a backend; part of every key.
PROCEDURE_VERSIONS = {"tensorflow": 2, "jax": 3, "torch": 2}

# What stands in a Trial for people to read, without a bearing on the outcome.
NOT_IN_KEY = {"recipe_name"}

# What stands below a table with Costs.flops.
FLOPS_METHOD = (
    "multiply-adds of convolutions, dense and recurrent layers and attention, each counted as two operations; biases, "
    "normalisation, activations, pooling, resizing and other element-wise work are left out"
)

EXTERNAL = "external"  # the recipe of a model that others trained, and the entry of it with its preprocessing
ENSEMBLE = "ensemble"  # the architecture of a vote of other trials, and the entry of its recipe with its members


class _Frozen(BaseModel):
    # Plain JSON has no NaN: pydantic would write null, and refuse it when reading.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Trial(_Frozen):
    """One architecture × dataset × protocol fold × recipe × seed × backend."""

    architecture: str
    source_digest: str  # digest of the architecture's source
    dataset: str
    fingerprint: str  # digest of the dataset's images, labels and split
    protocol: str
    fold: int
    recipe_name: str
    recipe: dict[str, Any]  # resolved: every field, no defaults left open
    initial_weights: str  # "random", or "imagenet:<digest of the file>"
    seed: int
    backend: str
    procedure_version: int

    @property
    def key(self) -> str:
        """Hash of all that determines the outcome, and of nothing else: 64 hexadecimal digits."""
        text = json.dumps(self.model_dump(exclude=NOT_IN_KEY), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def precision(self) -> str:
        return str(self.recipe["precision"])

    @property
    def external(self) -> bool:
        """Whether others trained the model: of its initial weights, selection and precision nothing is known."""
        return EXTERNAL in self.recipe

    @property
    def ensemble(self) -> bool:
        """Whether its predictions are a vote of other trials'; see `Record.members`."""
        return ENSEMBLE in self.recipe

    def __str__(self) -> str:
        fold = f" fold {self.fold}" if self.fold else ""
        return f"{self.architecture} on {self.dataset} ({self.protocol}{fold}, seed {self.seed})"


class Epoch(_Frozen):
    """One line of a trial's history. Seconds are wall-clock; training excludes validation and tracing."""

    epoch: int  # from 1
    learning_rate: float  # as the epoch ends
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    train_seconds: float
    validation_seconds: float


class Costs(_Frozen):
    """What a trial cost, each measured apart. None: not measured."""

    build_seconds: float  # building the model and loading its weights
    compile_seconds: float  # first calls of the compiled steps, beyond a usual call
    train_seconds: float  # all epochs: training steps and their input, without validation
    validation_seconds: float
    images_per_second: float  # training throughput: median over steps, or epochs where one is a single program
    predict_images_per_second: float | None  # at the prediction batch size, on the test images
    peak_memory_bytes: int | None  # of the process, while this trial ran; not of an accelerator's own memory
    predict_batch_size: int | None = None  # images to a call, of predict_images_per_second
    flops: int | None = None  # of one image or sequence, one view; see FLOPS_METHOD
    model_bytes: int | None = None  # on disk, as a .keras file without optimizer
    latency_p50_seconds: float | None = None  # a call with one image, warmed up, from array to array
    latency_p95_seconds: float | None = None
    concurrent_trials: int = 1  # trials at a time on the machine, each on a share of its cores; 1: this one alone


class Member(_Frozen):
    """A trial that votes in an ensemble, and its share of the vote: all shares sum to 1."""

    key: str
    architecture: str
    recipe_name: str
    seed: int
    weight: float


class Record(_Frozen):
    """What is known of one trial; its predictions lie beside it."""

    trial: Trial
    status: Literal["finished", "failed", "diverged"]
    reason: str = ""  # one sentence, where the status is not "finished"
    started: str  # ISO 8601, UTC
    machine: dict[str, Any]  # processor, cores, memory_bytes, accelerator, versions
    classes: list[str]
    samples: dict[str, int]  # training, validation, test
    split_notes: list[str] = Field(default_factory=list)  # of its split, in the few words of a badge
    num_parameters: int | None = None
    best_epoch: int | None = None  # selected by validation accuracy
    history: list[Epoch] = Field(default_factory=list)
    costs: Costs | None = None
    members: list[Member] = Field(default_factory=list)  # of an ensemble

    @property
    def wall_clock_seconds(self) -> float | None:
        """Training and validation over all epochs; no build, no trace, no download, no prediction."""
        return self.costs and self.costs.train_seconds + self.costs.validation_seconds


@dataclass(frozen=True)
class Predictions:
    """Class probabilities of one part of a dataset.

    ids: (samples,) str; labels: (samples,) int64; probabilities: (samples, classes) float32; clean: (samples,) bool,
    those without a twin in the parts that were trained or selected on, None where that was not looked at; groups:
    (samples,) str, the subject of each, or else its sequence, None where neither is known: what depends on each other
    when intervals are drawn.
    """

    ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    no_duplicate: np.ndarray | None = None
    groups: np.ndarray | None = None
