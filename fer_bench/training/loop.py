"""The training loop: epochs over augmented batches, the best weights by validation, every second accounted for.

`Model.fit` is left alone because it returns late under tf.data autotuning and its clock cannot be taken apart;
`train_on_batch` and `predict_on_batch` are the same steps, on every Keras backend.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import keras
import numpy as np

from fer_bench.config.recipe import Backbone, Blocks, Recipe
from fer_bench.records.schema import Epoch
from fer_bench.training import compiled_model_cache
from fer_bench.training.batches import Batch, training_batches
from fer_bench.training.checkpoint import Checkpoint, CheckpointState
from fer_bench.training.features import FeatureCache, cached_batches, make_feature_cache, refill_cache
from fer_bench.training.freezing import model_variables, pretrained_variables, set_trainable_blocks
from fer_bench.training.history import Diverged, TrainingHistory
from fer_bench.training.loss import add_kernel_regularizers, class_weights, make_loss, make_targets
from fer_bench.training.optimizer import averaged_weights, make_optimizer
from fer_bench.training.predict import compile_overhead, log_loss, predict, predict_features


@dataclass(frozen=True)
class FitResult:
    """What training leaves behind, apart from the model, which holds the best weights.

    validation_probabilities: (samples, classes) float32, of the best epoch, over the recipe's test views.
    """

    history: list[Epoch]
    best_epoch: int
    validation_probabilities: np.ndarray
    compile_seconds: float
    images_per_second: float


def compile_model(model: keras.Model, recipe: Recipe, accumulate: int = 1) -> None:
    """Attach loss, penalties and optimizer; targets are (batch, classes) float32, the learning rate is the peak.

    The optimizer takes a step each `accumulate` calls, with the mean of their gradients.

    XLA stays off on TensorFlow: on CPUs it is slower for every architecture measured. JAX is nothing without it.
    """
    add_kernel_regularizers(model, recipe)
    factor = recipe.backbone.learning_rate_factor
    slow = pretrained_variables(model) if factor != 1 else []
    model.compile(
        optimizer=make_optimizer(recipe.optimizer, slow, factor, accumulate),
        loss=make_loss(recipe),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],  # the likeliest class of a soft target is its label
        jit_compile=keras.backend.backend() == "jax",
    )


def begin_stage(model: keras.Model, recipe: Recipe, trainable_blocks: Blocks, accumulate: int = 1) -> None:
    """Freeze all but the last blocks of the backbone and compile anew.

    The optimizer's moments and moving averages start anew with the stage; the learning-rate schedule goes on.
    """
    if recipe.backbone.freezes:  # what is traced changes from stage to stage
        set_trainable_blocks(model, trainable_blocks)
        compile_model(model, recipe, accumulate)
    elif not compiled_model_cache.restore_optimizer(model):
        compile_model(model, recipe, accumulate)
        compiled_model_cache.store_optimizer(model)


def _begin_head(head: keras.Model, recipe: Recipe, accumulate: int) -> keras.Model:
    """Compile the head of a cut model, which has no backbone that could learn more slowly."""
    compile_model(head, recipe.model_copy(update={"backbone": Backbone()}), accumulate)
    return head


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
    accumulate: int = 1,
) -> FitResult:
    """Train on images (samples, [time,] height, width) uint8; the model is left with the best epoch's weights.

    The best epoch has the highest validation accuracy, then the lowest validation loss. `soft_labels` (samples,
    classes) are of the training images. Patience waits for the last stage of unfreezing. Raises Diverged.

    While the whole backbone is frozen, the head is trained on features that are computed once, where `make_cache` can:
    in the first epoch of each view, in its training time.

    From a checkpoint it goes on after the last epoch saved there, as if it had never stopped; its epochs are told
    again. With `accumulate` each batch is taken in so many parts, whose gradients make one step: it needs less memory,
    and batch normalisation sees the parts.
    """
    classes = model.output_shape[-1]
    targets = make_targets(recipe, labels, classes, soft_labels)
    weights = class_weights(recipe, labels, classes)
    steps = max(1, len(labels) // recipe.batch_size)
    stages = recipe.backbone.stages(recipe.epochs)
    saved = checkpoint.load() if checkpoint else None
    run = _Run.restored(saved) if saved else _Run()
    first = len(run.history) + 1
    if saved:
        _assign(model_variables(model), saved.arrays["variables"])
        for epoch in run.history:
            on_epoch_end(epoch)
    cache: FeatureCache | None = None
    network = model  # what is trained: the model, or its head on cached features
    computed = 0.0

    for number in range(first, recipe.epochs + 1):
        if run.out_of_patience(recipe, number, max(stages)):
            break
        if begins := number in stages or number == first:  # what is compiled is new
            began = time.perf_counter()
            stage = max(start for start in stages if start <= number)
            begin_stage(model, recipe, stages[stage], accumulate)
            cache = make_feature_cache(model, images, validation_images, recipe) if stage == 1 else None
            network = _begin_head(cache.head, recipe, accumulate) if cache else model
            if number > stage:
                network.optimizer.build(network.trainable_variables)
                _assign(network.optimizer.variables, saved.arrays["optimizer"])
            else:
                run.patience_start = number - 1
            computed = sum(cache.call_seconds) - compile_overhead(cache.call_seconds) if cache else 0.0
            run.compile_seconds += time.perf_counter() - began - computed
            if cache:
                refill_cache(cache, number, images, targets, recipe, seed, labels)

        rates = run.learning_rates(recipe, number, steps)
        taken = (images, targets, recipe, seed, number, labels)
        made = cached_batches(cache, *taken) if cache else training_batches(*taken)
        trained = _train_epoch(network, made, weights, rates, f"epoch {number}", on_step_end, accumulate)
        traced = compile_overhead(trained.step_seconds) if begins else 0.0
        if cache:
            run.cached_seconds.append((trained.seconds - traced) / steps)
        else:
            run.step_seconds += [trained.step_seconds[0] - traced, *trained.step_seconds[1:]]

        began = time.perf_counter()
        with averaged_weights(network):
            if cache:
                predicted = predict_features(network, cache.validation)
            else:
                predicted = predict(model, validation_images, crop=recipe.crop)
            accuracy = float(np.mean(predicted.probabilities.argmax(1) == validation_labels))
            loss = log_loss(predicted.probabilities, validation_labels)
            if not math.isfinite(loss):
                raise Diverged(f"the validation loss became {loss} in epoch {number}")
            if run.update_best(number, accuracy, loss, predicted.probabilities):
                run.weights = model.get_weights()
        predict_traced = predicted.compile_seconds if begins else 0.0
        epoch = Epoch(
            epoch=number,
            learning_rate=rates[-1],
            loss=trained.loss,
            accuracy=trained.accuracy,
            validation_loss=loss,
            validation_accuracy=accuracy,
            train_seconds=trained.seconds - traced,
            validation_seconds=time.perf_counter() - began - predict_traced + (computed if begins else 0.0),
        )
        run.compile_seconds += traced + predict_traced
        run.history.append(epoch)
        if checkpoint and checkpoint.is_due:
            checkpoint.save(run.saved(model, network))
        on_epoch_end(epoch)

    assert run.probabilities is not None
    model.set_weights(run.weights)
    probabilities = run.probabilities
    if recipe.tta != "1":  # as the test will be predicted; no epoch's time, as the test's is none
        probabilities = predict(model, validation_images, recipe.tta, recipe.crop).probabilities
    rate = min(recipe.batch_size, len(labels)) / float(np.median(run.seconds_a_step(steps)))
    return FitResult(run.history, run.best_epoch, probabilities, run.compile_seconds, rate)


@dataclass
class _Run(TrainingHistory):
    """Beside its course the weights of its best epoch, and its seconds."""

    weights: list[np.ndarray] = field(default_factory=list)
    compile_seconds: float = 0.0
    step_seconds: list[float] = field(default_factory=list)
    cached_seconds: list[float] = field(default_factory=list)  # a step's, of each epoch on cached features

    def seconds_a_step(self, steps: int) -> list[float]:
        """Of all steps; one on cached features bears its share of the time that they took."""
        if not self.cached_seconds:
            return self.step_seconds
        return self.step_seconds + [float(np.mean(self.cached_seconds))] * (steps * len(self.cached_seconds))

    def saved(self, model: keras.Model, network: keras.Model) -> CheckpointState:
        arrays = {
            "variables": [variable.numpy() for variable in model_variables(model)],
            "optimizer": [variable.numpy() for variable in network.optimizer.variables],
            "best": self.weights,
            "probabilities": [self.probabilities],
            "seconds": [np.array(self.step_seconds), np.array(self.cached_seconds)],
        }
        return CheckpointState(self.to_metadata() | {"compile_seconds": self.compile_seconds}, arrays)

    @staticmethod
    def restored(state: CheckpointState) -> _Run:
        steps, cached = (seconds.tolist() for seconds in state.arrays["seconds"])
        compile_seconds = state.metadata["compile_seconds"]
        run = _Run(
            weights=state.arrays["best"], compile_seconds=compile_seconds, step_seconds=steps, cached_seconds=cached
        )
        run.restore(state.metadata, state.arrays["probabilities"][0])
        return run


def _assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@dataclass(frozen=True)
class _Trained:
    """One epoch of training. Loss and accuracy are means over its steps: its batches are of one size."""

    loss: float
    accuracy: float
    seconds: float
    step_seconds: list[float]


def _train_epoch(
    model: keras.Model,
    made: Iterator[Batch],
    weights: np.ndarray | None,
    rates: list[float],
    where: str,
    on_step: Callable[[int, int, float], None],
    accumulate: int,
) -> _Trained:
    began = time.perf_counter()
    losses, accuracies, seconds = [], [], []
    for step, (batch, rate) in enumerate(zip(made, rates, strict=True), start=1):
        step_began = time.perf_counter()
        model.optimizer.learning_rate = rate
        parts = [_train_part(model, x, y, weights) for x, y in _parts(batch, accumulate)]
        loss, accuracy = np.mean(parts, axis=0)
        losses.append(float(loss))
        accuracies.append(float(accuracy))
        seconds.append(time.perf_counter() - step_began)
        if not math.isfinite(losses[-1]):
            raise Diverged(f"the loss became {losses[-1]} in {where}, step {step} of {len(rates)}")
        on_step(step, len(rates), losses[-1])
    return _Trained(float(np.mean(losses)), float(np.mean(accuracies)), time.perf_counter() - began, seconds)


def _train_part(model: keras.Model, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    logs = model.train_on_batch(x, y, None if weights is None else y @ weights, return_dict=True)
    return float(logs["loss"]), float(logs["accuracy"])


def _parts(batch: Batch, count: int) -> Iterable[Batch]:
    """A batch in parts of one size: what does not fill them is left out."""
    size = len(batch.targets) // count
    return (Batch(*(of[i : i + size] for of in batch)) for i in range(0, count * size, size))
