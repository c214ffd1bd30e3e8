"""What the epochs of a trial have come to, in whatever loop: its history, the best of them, when patience is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.records.schema import Epoch
from fer_bench.training.schedule import learning_rate


class Diverged(Exception):
    """The loss is not a finite number; the message says where."""


@dataclass
class TrainingHistory:
    """The best epoch has the highest validation accuracy, then the lowest validation loss.

    probabilities: (samples, classes) float32, of the validation images in the best epoch. since: the epoch that
    patience counts from.
    """

    history: list[Epoch] = field(default_factory=list)
    best_score: tuple[float, float] | None = None  # of the best epoch, the greater the better
    best_epoch: int = 0
    probabilities: np.ndarray | None = None
    patience_start: int = 0

    def learning_rates(self, recipe: Recipe, number: int, steps: int) -> list[float]:
        """Learning rates of an epoch's steps."""
        reached = [epoch.validation_accuracy for epoch in self.history]
        return [learning_rate(recipe, step, steps, reached) for step in range((number - 1) * steps, number * steps)]

    def update_best(self, number: int, accuracy: float, loss: float, probabilities: np.ndarray) -> bool:
        """Whether an epoch is the best so far, as which it is kept then."""
        if self.best_score is not None and (accuracy, -loss) <= self.best_score:
            return False
        self.best_score, self.best_epoch, self.patience_start, self.probabilities = (
            (accuracy, -loss),
            number,
            number,
            probabilities,
        )
        return True

    def out_of_patience(self, recipe: Recipe, number: int, last_stage: int) -> bool:
        """Whether patience ends it before an epoch; it waits for the last stage of unfreezing."""
        return (
            recipe.patience is not None and number - 1 - self.patience_start >= recipe.patience and number > last_stage
        )

    def to_metadata(self) -> dict[str, Any]:
        """All but the probabilities, as JSON can hold it."""
        return {
            "history": [epoch.model_dump() for epoch in self.history],
            "merit": self.best_score,
            "best_epoch": self.best_epoch,
            "since": self.patience_start,
        }

    def restore(self, metadata: dict[str, Any], probabilities: np.ndarray) -> None:
        """Become what `facts` told of; other facts beside them are left alone."""
        accuracy, minus_loss = metadata["merit"]
        self.history = [Epoch.model_validate(epoch) for epoch in metadata["history"]]
        self.best_score, self.best_epoch, self.patience_start = (
            (accuracy, minus_loss),
            metadata["best_epoch"],
            metadata["since"],
        )
        self.probabilities = probabilities
