"""The learning rate of each step: pure functions of the recipe, the step and the validation accuracies so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_bench.config.recipe import Recipe, Schedule


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, accuracies: Sequence[float] = ()) -> float:
    """Learning rate of a step, counted from 0 over the whole run.

    `accuracies` are the validation accuracies of the epochs before; the plateau schedule alone looks at them.
    """
    total = recipe.epochs * steps_per_epoch
    # A tenth of the run at most: a short run must not spend itself on warming up.
    warmup = min(round(recipe.schedule.warmup_epochs * steps_per_epoch), total // 10)
    # The first step is never an idle one, and the peak is reached as the warm-up ends.
    warm = min(1.0, (step + 1) / (warmup + 1))
    progress = (step - warmup) / (total - warmup)
    decay = _decay(recipe.schedule, progress, step // steps_per_epoch, accuracies)
    return recipe.optimizer.learning_rate * warm * decay


def _decay(schedule: Schedule, progress: float, epochs_done: int, accuracies: Sequence[float]) -> float:
    """Part of the peak. `progress`: part of what follows the warm-up that is done, below 0 before."""
    if schedule.name == "cosine":
        progress = max(0.0, progress)
        return schedule.final_lr_ratio + (1 - schedule.final_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2
    if schedule.name == "step":
        return schedule.factor ** (max(0, epochs_done - schedule.start) // schedule.every)
    if schedule.name == "plateau":
        return max(schedule.final_lr_ratio, schedule.factor ** num_reductions(accuracies, schedule.patience))
    return 1.0


def num_reductions(accuracies: Sequence[float], patience: int) -> int:
    """How often `patience` epochs have passed without a better accuracy, each drop waiting anew."""
    best, waited, count = -math.inf, 0, 0
    for accuracy in accuracies:
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited == patience:
            waited, count = 0, count + 1
    return count
