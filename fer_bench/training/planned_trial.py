"""A trial with all that its execution needs: what a sweep queues, sends to a worker and runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold
from fer_bench.records.schema import Trial


@dataclass(frozen=True)
class PlannedTrial:
    """A trial and the data and files of its execution.

    Attributes:
        trial: The specification.
        dataset: The data that `fold` indexes.
        fold: Indices of the training, validation and test samples.
        source_file: The file of the architecture, which may lie outside the registry's folder.
        weights_file: The initial weights of the backbone; None for random ones.
        requires: The pretraining trial, which must end before this one starts; None if there is none.
        pretrained_file: The trained model whose weights replace all initial weights except the classifier's.
        keep_model: Whether other trials start from its model, which is therefore saved beside its record.
        number: Position in the sweep, from 1.
        total: Number of trials in the sweep.
        log_file: File to which a worker process writes its output; None for no log.
        checkpoint_dir: Folder from which the trial resumes; None for no checkpoints.
        model_file: File for the trained model; None if the model is not kept.
        accumulate: Number of parts of a batch whose gradients are accumulated for one step.
    """

    trial: Trial
    dataset: Dataset
    fold: Fold
    source_file: Path
    weights_file: Path | None = None
    requires: Trial | None = None
    pretrained_file: Path | None = None
    keep_model: bool = False
    number: int = 1
    total: int = 1
    log_file: Path | None = None
    checkpoint_dir: Path | None = None
    model_file: Path | None = None
    accumulate: int = 1

    @cached_property
    def key(self) -> str:
        """The key of the trial, which is slow to hash."""
        return self.trial.key

    @cached_property
    def required_key(self) -> str:
        """The key of the trial that it requires; empty if there is none."""
        return self.requires.key if self.requires else ""
