"""The training loop on JAX with the data on the device: an epoch, of one seed or of several, is one compiled program.

Images stay uint8 on the device; loss, accuracy and validation logits are read once an epoch. Without augmentation and
dropout it computes what `loop.fit` does, to rounding; with them it draws other numbers from the same distributions.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.records.schema import Epoch
from fer_bench.training import checkpoint as checkpoints
from fer_bench.training.batches import PREDICTION_BATCH_SIZE, batch_indices
from fer_bench.training.checkpoint import Checkpoint
from fer_bench.training.freezing import model_variables
from fer_bench.training.history import Diverged, TrainingHistory
from fer_bench.training.jax_program import Data, State, compile_program, initial_state
from fer_bench.training.loop import FitResult, begin_stage
from fer_bench.training.loss import class_weights, make_targets
from fer_bench.training.predict import log_loss, predict, softmax

WAIT = 1e-3  # seconds between two looks at the device, so that Ctrl-C is heard during an epoch


def fit(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    validation_images: np.ndarray,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seed: int,
    soft_labels: np.ndarray | None = None,
    on_step_end: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    on_epoch_end: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
) -> FitResult:
    """As `loop.fit`, on the device; `on_step` is called as an epoch ends."""
    steps = _steps(recipe, labels)

    def tell(_: int, epoch: Epoch) -> None:
        on_step_end(steps, steps, epoch.loss)
        on_epoch_end(epoch)

    data = (images, labels, validation_images, validation_labels)
    (fitted,) = fit_together([model], *data, recipe, [seed], soft_labels, tell, checkpoint)
    if isinstance(fitted, Diverged):
        raise fitted
    return fitted


def fit_together(
    models: Sequence[keras.Model],
    images: np.ndarray,
    labels: np.ndarray,
    validation_images: np.ndarray,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seeds: Sequence[int],
    soft_labels: np.ndarray | None = None,
    on_epoch_end: Callable[[int, Epoch], None] = lambda index, epoch: None,
    checkpoint: Checkpoint | None = None,
) -> list[FitResult | Diverged]:
    """Train models of one architecture at once, each built with its own seed; each is left with its best weights.

    What is returned, in the models' order, is what each would have returned alone, to rounding; seconds are each
    one's equal share. A model that diverges is a Diverged, and the others go on. ValueError for imgaug policies.
    From a checkpoint of the same seeds they go on after the epoch saved there.
    """
    model, classes = models[0], models[0].output_shape[-1]
    steps, stages = _steps(recipe, labels), recipe.backbone.stages(recipe.epochs)
    targets = make_targets(recipe, labels, classes, soft_labels)
    data = Data(jnp.asarray(images), jnp.asarray(targets), jnp.asarray(_full_batches(validation_images)))
    runs = [_Run(recipe=recipe, seed=seed, last_stage=max(stages)) for seed in seeds]
    weights = initial_state(models)
    best: list[jax.Array] | None = None
    compile_seconds = 0.0
    first = 1
    if saved := checkpoint.load() if checkpoint else None:
        first = saved.metadata["epoch"] + 1
        weights, best = ([jnp.asarray(a) for a in saved.arrays[name]] for name in ("weights", "best"))
        for index, run in enumerate(runs):
            run.restore(saved.metadata["runs"][index], saved.arrays["probabilities"][index])
            run.over = run.out_of_patience(recipe, first, run.last_stage)
            for epoch in run.history:
                on_epoch_end(index, epoch)

    for number in range(first, recipe.epochs + 1):
        if all(run.over for run in runs):
            break
        if number in stages or number == first:
            began = time.perf_counter()
            stage = max(start for start in stages if start <= number)
            begin_stage(model, recipe, stages[stage])
            state = State(weights, _optimizer_variables(model, len(models)))
            if number > stage:
                state = State(weights, [jnp.asarray(a) for a in saved.arrays["optimizer"]])
            program = compile_program(model, recipe, state, data, steps, class_weights(recipe, labels, classes))
            compile_seconds += time.perf_counter() - began
            for run in runs:
                run.patience_start = number - 1 if number == stage else run.patience_start

        began = time.perf_counter()
        rates = np.array([run.learning_rates(recipe, number, steps) for run in runs], np.float32)
        order = np.stack([batch_indices(labels, recipe, run.seed, number) for run in runs]).astype(np.int32)
        keys = jnp.stack([jax.random.fold_in(jax.random.key(run.seed), number) for run in runs])
        state, trained = program.train(state, order, rates, keys, data.images, data.targets)
        losses, accuracies = map(np.asarray, _waited_for(trained))
        train_seconds = (time.perf_counter() - began) / len(runs)

        began = time.perf_counter()
        evaluated = program.averaged(state)
        logits = np.asarray(_waited_for(program.logits(evaluated, data.validation)))
        logits = logits.reshape(len(runs), -1, classes)[:, : len(validation_labels)]
        better = [run.validated(number, softmax(of), validation_labels) for run, of in zip(runs, logits, strict=True)]
        best = _waited_for(_kept(np.array(better), evaluated, evaluated if best is None else best))
        validation_seconds = (time.perf_counter() - began) / len(runs)

        going = [(index, run) for index, run in enumerate(runs) if not run.over]
        for index, run in going:
            run.end(
                number, float(rates[index, -1]), losses[index], accuracies[index], train_seconds, validation_seconds
            )
        if checkpoint and checkpoint.is_due and not any(run.diverged for run in runs):
            checkpoint.save(_saved(number, runs, state, best))
        for index, run in going:
            if run.diverged is None:
                on_epoch_end(index, run.history[-1])
        weights = state.weights

    assert best is not None
    for index, of in enumerate(models):
        for variable, values in zip(model_variables(of), best, strict=True):
            variable.assign(values[index])
    seen = steps * min(recipe.batch_size, len(labels))
    return [
        run.fitted(of, validation_images, compile_seconds / len(runs), seen)
        for run, of in zip(runs, models, strict=True)
    ]


@dataclass(kw_only=True)
class _Run(TrainingHistory):
    """The course of one seed, and whether it is over."""

    recipe: Recipe
    seed: int
    last_stage: int
    over: bool = False
    diverged: Diverged | None = None
    _reached: tuple[float, float] = (0.0, 0.0)  # accuracy and loss of the epoch just validated

    def validated(self, number: int, probabilities: np.ndarray, labels: np.ndarray) -> bool:
        """Whether these are the best weights so far."""
        accuracy = float(np.mean(probabilities.argmax(1) == labels))
        loss = log_loss(probabilities, labels)
        self._reached = accuracy, loss
        return not self.over and math.isfinite(loss) and self.update_best(number, accuracy, loss, probabilities)

    def end(
        self, number: int, rate: float, losses: np.ndarray, accuracies: np.ndarray, trained: float, validated: float
    ) -> None:
        accuracy, loss = self._reached
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):
            where = f"epoch {number}, step {bad[0] + 1} of {len(losses)}"
            self.diverged = Diverged(f"the loss became {losses[bad[0]]} in {where}")
        elif not math.isfinite(loss):
            self.diverged = Diverged(f"the validation loss became {loss} in epoch {number}")
        if self.diverged:
            self.over = True
            return
        self.history.append(
            Epoch(
                epoch=number,
                learning_rate=rate,
                loss=float(losses.mean(dtype=np.float64)),
                accuracy=float(accuracies.mean(dtype=np.float64)),
                validation_loss=loss,
                validation_accuracy=accuracy,
                train_seconds=trained,
                validation_seconds=validated,
            )
        )
        self.over = self.out_of_patience(self.recipe, number + 1, self.last_stage)

    def fitted(self, model: keras.Model, images: np.ndarray, compile_seconds: float, seen: int) -> FitResult | Diverged:
        """`seen`: training images an epoch."""
        if self.diverged:
            return self.diverged
        probabilities = self.probabilities
        assert probabilities is not None
        if self.recipe.tta != "1":  # as the test will be predicted; no epoch's time, as the test's is none
            probabilities = predict(model, images, self.recipe.tta, self.recipe.crop).probabilities
        rate = seen / float(np.median([epoch.train_seconds for epoch in self.history]))
        return FitResult(self.history, self.best_epoch, probabilities, compile_seconds, rate)


def _saved(number: int, runs: list[_Run], state: State, best: list[jax.Array]) -> checkpoints.CheckpointState:
    arrays = {"weights": state.weights, "optimizer": state.optimizer, "best": best}
    return checkpoints.CheckpointState(
        {"epoch": number, "runs": [run.to_metadata() for run in runs]},
        {name: [np.asarray(a) for a in of] for name, of in arrays.items()}
        | {"probabilities": [run.probabilities for run in runs]},
    )


def _steps(recipe: Recipe, labels: np.ndarray) -> int:
    return max(1, len(labels) // recipe.batch_size)


def _full_batches(images: np.ndarray) -> np.ndarray:
    """Images (batches, batch, …), filled up by repeats."""
    batch = min(PREDICTION_BATCH_SIZE, len(images))
    count = math.ceil(len(images) / batch)
    return np.resize(images, (count * batch, *images.shape[1:])).reshape(count, batch, *images.shape[1:])


def _optimizer_variables(model: keras.Model, seeds: int) -> list[jax.Array]:
    model.optimizer.build(model.trainable_variables)
    return [jnp.stack([variable.value] * seeds) for variable in model.optimizer.variables]


@jax.jit
def _kept(better: jax.Array, new: list[jax.Array], old: list[jax.Array]) -> list[jax.Array]:
    """Of each seed the new weights where they are better, else the old."""
    return [jnp.where(better.reshape(-1, *(1,) * (a.ndim - 1)), a, b) for a, b in zip(new, old, strict=True)]


def _waited_for(arrays):
    """The same, once the device has made them."""
    while not all(array.is_ready() for array in jax.tree.leaves(arrays)):
        time.sleep(WAIT)
    return arrays
