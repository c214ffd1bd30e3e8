"""The learning rate of each step, a pure function of the recipe, the step and earlier validation accuracies."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fer_bench.config.recipe import Recipe, Schedule


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int, accuracies: Sequence[float] = ()) -> float:
    """Return the learning rate of a step.

    Args:
        recipe: The recipe.
        step: Number of the step in the whole run, from 0.
        steps_per_epoch: Steps per epoch.
        accuracies: Validation accuracies of earlier epochs, used by the plateau schedule only.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = _warmup_steps(recipe.schedule, total, steps_per_epoch)
    # The first step has a learning rate above 0, and the warm-up ends at the peak.
    warm = min(1.0, (step + 1) / (warmup + 1))
    progress = (step - warmup) / (total - warmup)
    decay = _decay(recipe.schedule, progress, step // steps_per_epoch, accuracies)
    return recipe.optimizer.learning_rate * warm * decay


def _warmup_steps(schedule: Schedule, total: int, steps_per_epoch: int) -> int:
    if schedule.name == "one_cycle":
        return min(round(schedule.warmup_fraction * total), total - 1)
    # At most a tenth of the run, so that short runs do not consist of warm-up.
    return min(round(schedule.warmup_epochs * steps_per_epoch), total // 10)


def _decay(schedule: Schedule, progress: float, epochs_done: int, accuracies: Sequence[float]) -> float:
    """Return the factor of the peak. `progress` is the fraction of the steps after the warm-up, below 0 before."""
    progress = max(0.0, progress)
    if schedule.name in ("linear", "one_cycle"):
        return 1 - (1 - schedule.final_lr_ratio) * progress
    if schedule.name == "cosine":
        return schedule.final_lr_ratio + (1 - schedule.final_lr_ratio) * (1 + math.cos(math.pi * progress)) / 2
    if schedule.name == "step":
        return schedule.factor ** (max(0, epochs_done - schedule.start) // schedule.every)
    if schedule.name == "plateau":
        return max(schedule.final_lr_ratio, schedule.factor ** num_reductions(accuracies, schedule.patience))
    return 1.0


def num_reductions(accuracies: Sequence[float], patience: int) -> int:
    """Return how often `patience` epochs passed without a better accuracy; the wait restarts after each time."""
    best, wait, count = -math.inf, 0, 0
    for accuracy in accuracies:
        wait = 0 if accuracy > best else wait + 1
        best = max(best, accuracy)
        if wait == patience:
            wait, count = 0, count + 1
    return count
