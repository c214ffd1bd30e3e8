"""The epochs of a trial in any training loop: their history, the best epoch, early stopping."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.records.schema import Epoch
from fer_bench.training.schedule import learning_rate


class Diverged(Exception):
    """The loss is not a finite number. The message names the epoch and the step."""


@dataclass
class TrainingHistory:
    """The epochs so far and the best of them: highest validation accuracy, then lowest validation loss.

    Attributes:
        history: One entry per epoch.
        best_score: Validation accuracy and negative validation loss of the best epoch; greater is better.
        best_epoch: Number of the best epoch, from 1.
        probabilities: (samples, classes) float32, of the validation images in the best epoch; None before there is one.
        patience_start: The epoch from which patience counts.
    """

    history: list[Epoch] = field(default_factory=list)
    best_score: tuple[float, float] | None = None
    best_epoch: int = 0
    probabilities: np.ndarray | None = None
    patience_start: int = 0

    def learning_rates(self, recipe: Recipe, epoch: int, steps: int) -> list[float]:
        """Return the learning rate of each step of an epoch."""
        accuracies = [past.validation_accuracy for past in self.history]
        return [learning_rate(recipe, step, steps, accuracies) for step in range((epoch - 1) * steps, epoch * steps)]

    def update_best(self, epoch: int, accuracy: float, loss: float, probabilities: np.ndarray) -> bool:
        """Store an epoch if it is the best so far, and return whether it is."""
        score = (accuracy, -loss)
        if self.best_score is not None and score <= self.best_score:
            return False
        self.best_score, self.best_epoch, self.patience_start, self.probabilities = score, epoch, epoch, probabilities
        return True

    def out_of_patience(self, recipe: Recipe, epoch: int, last_stage: int) -> bool:
        """Return whether training stops before an epoch. Patience applies only after the last stage has begun."""
        return recipe.patience is not None and epoch - 1 - self.patience_start >= recipe.patience and epoch > last_stage

    def to_metadata(self) -> dict[str, Any]:
        """Return everything except the probabilities, as JSON."""
        return {
            "history": [epoch.model_dump() for epoch in self.history],
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "patience_start": self.patience_start,
        }

    def restore(self, metadata: dict[str, Any], probabilities: np.ndarray | None) -> None:
        """Restore the state that `to_metadata` returned; other keys of `metadata` are ignored."""
        self.history = [Epoch.model_validate(epoch) for epoch in metadata["history"]]
        score = metadata["best_score"]
        self.best_score, self.best_epoch = score and (score[0], score[1]), metadata["best_epoch"]
        self.patience_start, self.probabilities = metadata["patience_start"], probabilities
