"""The training loop on JAX with the data on the device: an epoch of one or several seeds is one compiled program.

Images stay uint8 on the device; losses, accuracies and validation logits are read once per epoch. Without augmentation
and dropout the loop computes the same as `loop.fit`, up to rounding; with them it draws other random numbers from the
same distributions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.config.stages import value_at
from fer_bench.records.schema import Epoch
from fer_bench.training.augmentation import alternating_flips
from fer_bench.training.batches import PREDICTION_BATCH_SIZE, Images, batch_indices
from fer_bench.training.checkpoint import Checkpoint, CheckpointState
from fer_bench.training.freezing import model_variables
from fer_bench.training.history import Diverged, TrainingHistory
from fer_bench.training.jax_program import Data, State, compile_program, initial_state
from fer_bench.training.loop import FitResult, begin_stage, keeps_optimizer
from fer_bench.training.loss import class_weights, make_targets
from fer_bench.training.predict import log_loss, predict, softmax

POLL_SECONDS = 1e-3  # between two checks of the device, so that Ctrl-C interrupts an epoch

T = TypeVar("T")


def fit(
    model: keras.Model,
    images: Images,
    labels: np.ndarray,
    validation_images: Images,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seed: int,
    soft_labels: np.ndarray | None = None,
    on_step_end: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    on_epoch_end: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
    other_models: Mapping[int, keras.Model] | None = None,
) -> FitResult:
    """Train a model on the device, with the arguments of `loop.fit`; `on_step_end` is called once per epoch."""
    steps = _steps_per_epoch(recipe, labels)

    def end_epoch(_: int, epoch: Epoch) -> None:
        on_step_end(steps, steps, epoch.loss)
        on_epoch_end(epoch)

    data = (images, labels, validation_images, validation_labels)
    (result,) = fit_together([model], *data, recipe, [seed], soft_labels, end_epoch, checkpoint, other_models)
    if isinstance(result, Diverged):
        raise result
    return result


def fit_together(
    models: Sequence[keras.Model],
    images: Images,
    labels: np.ndarray,
    validation_images: Images,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seeds: Sequence[int],
    soft_labels: np.ndarray | None = None,
    on_epoch_end: Callable[[int, Epoch], None] = lambda index, epoch: None,
    checkpoint: Checkpoint | None = None,
    other_models: Mapping[int, keras.Model] | None = None,
) -> list[FitResult | Diverged]:
    """Train several models of one architecture at once, and leave each with the weights of its best epoch.

    Each model gets the same result as alone, up to rounding. A model that diverges does not affect the others.

    Args:
        models: The models, each built with its own seed.
        images: Training images (samples, [time,] height, width) uint8.
        labels: Classes of the training images (samples,).
        validation_images: Validation images of the same shape.
        validation_labels: Classes of the validation images (samples,).
        recipe: The recipe.
        seeds: One seed per model.
        soft_labels: Label distributions of the training images (samples, classes).
        on_epoch_end: Called with the index of the model and the epoch, also for the epochs of the checkpoint.
        checkpoint: Training resumes after its last epoch, with the same seeds.
        other_models: The models at the other input sizes of the recipe, by size, as in `loop.fit`.

    Returns:
        One result per model, with an equal share of the measured times; a Diverged for a model that diverged.

    Raises:
        ValueError: The augmentation is a policy of imgaug.
    """
    by_size = {**(other_models or {}), recipe.final_input_size: models[0]}
    classes = models[0].output_shape[-1]
    steps, stages = _steps_per_epoch(recipe, labels), recipe.stages
    targets = make_targets(recipe, labels, classes, soft_labels)
    data = Data(jnp.asarray(images), jnp.asarray(targets), jnp.asarray(_full_batches(validation_images)))
    runs = [_Run(recipe=recipe, seed=seed, last_stage=max(stages)) for seed in seeds]
    weights, optimizer = initial_state(models), list[jax.Array]()
    best: list[jax.Array] | None = None
    compile_seconds = 0.0
    first = 1
    saved = checkpoint.load() if checkpoint else None
    if saved:
        first = saved.metadata["epoch"] + 1
        names = ("weights", "optimizer", "best")
        weights, optimizer, best = ([jnp.asarray(a) for a in saved.arrays[name]] for name in names)
        for index, run in enumerate(runs):
            run.restore(saved.metadata["runs"][index], next(iter(saved.arrays["probabilities"][index:]), None))
            run.stopped = run.out_of_patience(recipe, first, run.last_stage)
            for entry in run.history:
                on_epoch_end(index, entry)

    for epoch in range(first, recipe.epochs + 1):
        if all(run.stopped for run in runs):
            break
        if epoch in stages or epoch == first:
            began = time.perf_counter()
            stage = value_at(stages, epoch)
            model = by_size[stage.input_size]
            begin_stage(model, recipe, stage.trainable_blocks)
            initial = _optimizer_variables(model, len(models))
            state = State(weights, optimizer if keeps_optimizer(recipe, epoch) else initial)
            program = compile_program(model, recipe, state, data, steps, class_weights(recipe, labels, classes))
            compile_seconds += time.perf_counter() - began
            if epoch in stages:
                for run in runs:
                    run.patience_start = epoch - 1

        began = time.perf_counter()
        rates = np.array([run.learning_rates(recipe, epoch, steps) for run in runs], np.float32)
        order = np.stack([batch_indices(labels, recipe, run.seed, epoch) for run in runs]).astype(np.int32)
        flipped = np.stack([alternating_flips(len(labels), run.seed, epoch) for run in runs])
        keys = jnp.stack([jax.random.fold_in(jax.random.key(run.seed), epoch) for run in runs])
        state, metrics = program.train(state, order, flipped, rates, keys, data.images, data.targets)
        losses, accuracies = map(np.asarray, _wait_for(metrics))
        train_seconds = (time.perf_counter() - began) / len(runs)

        began = time.perf_counter()
        averaged = program.averaged(state)
        logits = np.asarray(_wait_for(program.logits(averaged, data.validation)))
        logits = logits.reshape(len(runs), -1, classes)[:, : len(validation_labels)]
        improved = [run.validate(epoch, softmax(x), validation_labels) for run, x in zip(runs, logits, strict=True)]
        best = _wait_for(_select(np.array(improved), averaged, averaged if best is None else best))
        validation_seconds = (time.perf_counter() - began) / len(runs)

        active = [(index, run) for index, run in enumerate(runs) if not run.stopped]
        for index, run in active:
            rate = float(rates[index, -1])
            run.end_epoch(epoch, rate, losses[index], accuracies[index], train_seconds, validation_seconds)
        if checkpoint and checkpoint.is_due and not any(run.diverged for run in runs):
            checkpoint.save(_to_checkpoint(epoch, runs, state, best))
        for index, run in active:
            if run.diverged is None:
                on_epoch_end(index, run.history[-1])
        weights, optimizer = state

    assert best is not None
    for index, trained in enumerate(models):
        for variable, values in zip(model_variables(trained), best, strict=True):
            variable.assign(values[index])
    images_per_epoch = steps * min(recipe.batch_size, len(labels))
    return [
        run.result(trained, validation_images, compile_seconds / len(runs), images_per_epoch)
        for run, trained in zip(runs, models, strict=True)
    ]


@dataclass(kw_only=True)
class _Run(TrainingHistory):
    """The history of one seed.

    Attributes:
        recipe: The recipe.
        seed: The seed.
        last_stage: First epoch of the last stage of unfreezing.
        stopped: Whether the run diverged or is out of patience.
        diverged: The exception of a run that diverged.
    """

    recipe: Recipe
    seed: int
    last_stage: int
    stopped: bool = False
    diverged: Diverged | None = None
    _validation: tuple[float, float] = (0.0, 0.0)  # accuracy and loss of the current epoch

    def validate(self, epoch: int, probabilities: np.ndarray, labels: np.ndarray) -> bool:
        """Evaluate the validation probabilities of an epoch, and return whether the epoch is the best so far."""
        accuracy = float(np.mean(probabilities.argmax(1) == labels))
        loss = log_loss(probabilities, labels)
        self._validation = accuracy, loss
        can_be_best = epoch >= self.recipe.final_size_epoch and not self.stopped and math.isfinite(loss)
        return can_be_best and self.update_best(epoch, accuracy, loss, probabilities)

    def end_epoch(
        self,
        epoch: int,
        rate: float,
        losses: np.ndarray,
        accuracies: np.ndarray,
        train_seconds: float,
        validation_seconds: float,
    ) -> None:
        """Append an epoch to the history, or stop the run if a loss is not finite."""
        accuracy, loss = self._validation
        invalid = np.flatnonzero(~np.isfinite(losses))
        if len(invalid):
            where = f"epoch {epoch}, step {invalid[0] + 1} of {len(losses)}"
            self.diverged = Diverged(f"the loss became {losses[invalid[0]]} in {where}")
        elif not math.isfinite(loss):
            self.diverged = Diverged(f"the validation loss became {loss} in epoch {epoch}")
        if self.diverged:
            self.stopped = True
            return
        self.history.append(
            Epoch(
                epoch=epoch,
                learning_rate=rate,
                loss=float(losses.mean(dtype=np.float64)),
                accuracy=float(accuracies.mean(dtype=np.float64)),
                validation_loss=loss,
                validation_accuracy=accuracy,
                train_seconds=train_seconds,
                validation_seconds=validation_seconds,
            )
        )
        self.stopped = self.out_of_patience(self.recipe, epoch + 1, self.last_stage)

    def result(
        self, model: keras.Model, validation_images: Images, compile_seconds: float, images_per_epoch: int
    ) -> FitResult | Diverged:
        if self.diverged:
            return self.diverged
        probabilities = self.probabilities
        assert probabilities is not None
        if self.recipe.tta != "1":  # predicted like the test split; no epoch contains this time
            probabilities = predict(model, validation_images, self.recipe.tta, self.recipe.crop).probabilities
        seconds = [epoch.train_seconds for epoch in self.history[self.recipe.final_size_epoch - 1 :]]
        rate = images_per_epoch / float(np.median(seconds))
        return FitResult(self.history, self.best_epoch, probabilities, compile_seconds, rate)


def _to_checkpoint(epoch: int, runs: list[_Run], state: State, best: list[jax.Array]) -> CheckpointState:
    on_device = {"weights": state.weights, "optimizer": state.optimizer, "best": best}
    arrays = {name: [np.asarray(array) for array in arrays] for name, arrays in on_device.items()}
    arrays["probabilities"] = [run.probabilities for run in runs if run.probabilities is not None]
    return CheckpointState({"epoch": epoch, "runs": [run.to_metadata() for run in runs]}, arrays)


def _steps_per_epoch(recipe: Recipe, labels: np.ndarray) -> int:
    return max(1, len(labels) // recipe.batch_size)


def _full_batches(images: Images) -> np.ndarray:
    """Return images as (batches, batch, …), padded with repeated images."""
    batch_size = min(PREDICTION_BATCH_SIZE, len(images))
    count = math.ceil(len(images) / batch_size)
    return np.resize(images, (count * batch_size, *images.shape[1:])).reshape(count, batch_size, *images.shape[1:])


def _optimizer_variables(model: keras.Model, num_seeds: int) -> list[jax.Array]:
    model.optimizer.build(model.trainable_variables)
    return [jnp.stack([variable.value] * num_seeds) for variable in model.optimizer.variables]


@jax.jit
def _select(improved: jax.Array, new: list[jax.Array], old: list[jax.Array]) -> list[jax.Array]:
    """Return the new weights of the seeds that improved, and the old weights of the others."""
    return [jnp.where(improved.reshape(-1, *(1,) * (a.ndim - 1)), a, b) for a, b in zip(new, old, strict=True)]


def _wait_for(arrays: T) -> T:
    """Return the arrays as soon as the device has computed them."""
    while not all(array.is_ready() for array in jax.tree.leaves(arrays)):
        time.sleep(POLL_SECONDS)
    return arrays
