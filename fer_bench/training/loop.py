"""The training loop: epochs over augmented batches, selection of the best weights, measured times.

`Model.fit` is not used because it returns late under tf.data autotuning, and its time cannot be split into compilation
and training. `train_on_batch` and `predict_on_batch` run the same steps, on every Keras backend.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import keras
import numpy as np

from fer_bench.config.recipe import Backbone, Blocks, Recipe
from fer_bench.config.stages import value_at
from fer_bench.records.schema import Epoch
from fer_bench.training import compiled_model_cache
from fer_bench.training.batches import Batch, Images, training_batches
from fer_bench.training.checkpoint import Checkpoint, CheckpointState
from fer_bench.training.features import FeatureCache, cached_batches, make_feature_cache, refill_cache
from fer_bench.training.freezing import model_variables, set_trainable_blocks
from fer_bench.training.history import Diverged, TrainingHistory
from fer_bench.training.loss import add_kernel_regularizers, class_weights, make_loss, make_targets
from fer_bench.training.optimizer import assign_values, averaged_weights, learning_rate_factors, make_optimizer
from fer_bench.training.predict import compile_overhead, log_loss, predict, predict_features


@dataclass(frozen=True)
class FitResult:
    """What `fit` returns. The model itself has the weights of the best epoch.

    Attributes:
        history: One entry per epoch.
        best_epoch: Number of the best epoch, from 1.
        validation_probabilities: (samples, classes) float32, of the best epoch, averaged over the test-time views.
        compile_seconds: Time of tracing and compiling, which no epoch contains.
        images_per_second: Training speed at the final input size.
    """

    history: list[Epoch]
    best_epoch: int
    validation_probabilities: np.ndarray
    compile_seconds: float
    images_per_second: float


def compile_model(model: keras.Model, recipe: Recipe, accumulate: int = 1) -> None:
    """Compile a model with the loss, penalties and optimizer of a recipe, at the peak learning rate.

    XLA stays off on TensorFlow, because it is slower on CPUs for every architecture measured. JAX requires it.

    Args:
        model: The model; its targets are (batch, classes) float32.
        recipe: The recipe.
        accumulate: Number of calls whose mean gradient makes one step of the optimizer.
    """
    add_kernel_regularizers(model, recipe)
    lr_factors = learning_rate_factors(model, recipe)
    model.compile(
        optimizer=make_optimizer(recipe.optimizer, lr_factors, accumulate, recipe.fast_operations),
        loss=make_loss(recipe),
        metrics=[keras.metrics.CategoricalAccuracy("accuracy")],  # the most likely class of a soft target is its label
        jit_compile=keras.backend.backend() == "jax",
    )
    _use_fast_operations(model, recipe)


def begin_stage(model: keras.Model, recipe: Recipe, trainable_blocks: Blocks, accumulate: int = 1) -> None:
    """Freeze all blocks of the backbone except the last `trainable_blocks`, and compile the model with a new optimizer.

    A model that an earlier trial compiled is not compiled again: its optimizer returns to the state before any step.
    """
    if recipe.backbone.freezes:  # the traced graph changes from stage to stage
        set_trainable_blocks(model, trainable_blocks)
        compile_model(model, recipe, accumulate)
    elif compiled_model_cache.restore_optimizer(model):
        _use_fast_operations(model, recipe)  # the costs of the earlier trial were measured without them
    else:
        compile_model(model, recipe, accumulate)
        compiled_model_cache.store_optimizer(model)


def keeps_optimizer(recipe: Recipe, epoch: int) -> bool:
    """Return whether the optimizer continues at the start of an epoch: the trainable blocks are those before it."""
    stages = recipe.stages
    return epoch > 1 and value_at(stages, epoch).trainable_blocks == value_at(stages, epoch - 1).trainable_blocks


def _use_fast_operations(model: keras.Model, recipe: Recipe) -> None:
    if recipe.fast_operations and keras.backend.backend() == "tensorflow":
        from fer_bench.training import tensorflow_backend

        tensorflow_backend.use_fast_operations(model)


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
    accumulate: int = 1,
    other_models: Mapping[int, keras.Model] | None = None,
) -> FitResult:
    """Train a model and leave it with the weights of the best epoch.

    The best epoch has the highest validation accuracy, then the lowest validation loss, among the epochs at the final
    input size. Patience applies only after the last stage has begun. When the input size changes, weights and
    optimizer continue; when the trainable blocks change, the optimizer's moments and moving averages restart. The
    learning-rate schedule always continues. While the whole backbone is frozen, the head trains on cached features if
    `make_feature_cache` can cache them; computing them is part of the training time of the first epochs.

    Args:
        model: The model at the final input size, which this function compiles.
        images: Training images (samples, [time,] height, width) uint8.
        labels: Classes of the training images (samples,).
        validation_images: Validation images of the same shape.
        validation_labels: Classes of the validation images (samples,).
        recipe: The recipe.
        seed: Seed of sampling and augmentation.
        soft_labels: Label distributions of the training images (samples, classes).
        on_step_end: Called with the number of the step, the steps per epoch and the loss.
        on_epoch_end: Called after each epoch, also for the epochs of the checkpoint.
        checkpoint: Training resumes after its last epoch, with the same result as without an interruption.
        accumulate: Number of parts of each batch whose gradients make one step. More parts need less memory; batch
            normalization sees the parts.
        other_models: The models at the other input sizes of the recipe, by size. Their weights have the same shapes.

    Raises:
        Diverged: A loss is not a finite number.
    """
    classes = model.output_shape[-1]
    targets = make_targets(recipe, labels, classes, soft_labels)
    weights = class_weights(recipe, labels, classes)
    steps = max(1, len(labels) // recipe.batch_size)
    stages = recipe.stages
    saved = checkpoint.load() if checkpoint else None
    run = _Run.from_checkpoint(saved) if saved else _Run()
    first = len(run.history) + 1
    optimizer_state: list[np.ndarray] = []
    if saved:
        assign_values(model_variables(model), saved.arrays["variables"])
        optimizer_state = saved.arrays["optimizer"]
        for entry in run.history:
            on_epoch_end(entry)
    cache: FeatureCache | None = None
    models = {**(other_models or {}), recipe.final_input_size: model}
    network = model  # what is trained: the model of the stage, or its head on cached features

    for epoch in range(first, recipe.epochs + 1):
        if run.out_of_patience(recipe, epoch, max(stages)):
            break
        feature_seconds = 0.0
        if compiles := epoch in stages or epoch == first:
            began = time.perf_counter()
            stage, start = value_at(stages, epoch), max(start for start in stages if start <= epoch)
            if epoch > first:
                optimizer_state = [variable.numpy() for variable in network.optimizer.variables]
            model = _move_weights(model, models[stage.input_size])
            begin_stage(model, recipe, stage.trainable_blocks, accumulate)
            cache = make_feature_cache(model, images, validation_images, recipe) if start == 1 else None
            network = _compile_head(cache.head, recipe, accumulate) if cache else model
            if keeps_optimizer(recipe, epoch):
                network.optimizer.build(network.trainable_variables)
                assign_values(network.optimizer.variables, optimizer_state)
            if epoch == start:
                run.patience_start = epoch - 1
            if epoch == recipe.final_size_epoch:
                run.step_seconds.clear()  # the training speed is that at the final input size
            if cache:
                feature_seconds = sum(cache.validation_seconds) - compile_overhead(cache.validation_seconds)
            run.compile_seconds += time.perf_counter() - began - feature_seconds
            if cache:
                refill_cache(cache, epoch, images, targets, recipe, seed, labels)

        rates = run.learning_rates(recipe, epoch, steps)
        data = (images, targets, recipe, seed, epoch, labels)
        batches = cached_batches(cache, *data) if cache else training_batches(*data)
        trained = _train_epoch(network, batches, weights, rates, epoch, on_step_end, accumulate)
        train_overhead = compile_overhead(trained.step_seconds) if compiles else 0.0
        if cache:
            run.cached_seconds.append((trained.seconds - train_overhead) / steps)
        else:
            run.step_seconds += [trained.step_seconds[0] - train_overhead, *trained.step_seconds[1:]]

        began = time.perf_counter()
        with averaged_weights(network):
            if cache:
                predicted = predict_features(network, cache.validation)
            else:
                predicted = predict(model, validation_images, crop=recipe.crop)
            accuracy = float(np.mean(predicted.probabilities.argmax(1) == validation_labels))
            loss = log_loss(predicted.probabilities, validation_labels)
            if not math.isfinite(loss):
                raise Diverged(f"the validation loss became {loss} in epoch {epoch}")
            if epoch >= recipe.final_size_epoch and run.update_best(epoch, accuracy, loss, predicted.probabilities):
                run.weights = model.get_weights()
        predict_overhead = predicted.compile_seconds if compiles else 0.0
        run.compile_seconds += train_overhead + predict_overhead
        run.history.append(
            Epoch(
                epoch=epoch,
                learning_rate=rates[-1],
                loss=trained.loss,
                accuracy=trained.accuracy,
                validation_loss=loss,
                validation_accuracy=accuracy,
                train_seconds=trained.seconds - train_overhead,
                validation_seconds=time.perf_counter() - began - predict_overhead + feature_seconds,
            )
        )
        if checkpoint and checkpoint.is_due:
            checkpoint.save(run.to_checkpoint(model, network))
        on_epoch_end(run.history[-1])

    assert run.probabilities is not None
    model.set_weights(run.weights)
    probabilities = run.probabilities
    if recipe.tta != "1":  # predicted like the test split; no epoch contains this time
        probabilities = predict(model, validation_images, recipe.tta, recipe.crop).probabilities
    rate = min(recipe.batch_size, len(labels)) / float(np.median(run.seconds_per_step(steps)))
    return FitResult(run.history, run.best_epoch, probabilities, run.compile_seconds, rate)


def _move_weights(source: keras.Model, target: keras.Model) -> keras.Model:
    """Give a model the weights and random states of the model of the stage before, and return it."""
    if target is not source:
        assign_values(model_variables(target), [variable.numpy() for variable in model_variables(source)])
    return target


def _compile_head(head: keras.Model, recipe: Recipe, accumulate: int) -> keras.Model:
    """Compile the head of a split model, which has no backbone that needs a learning rate of its own."""
    compile_model(head, recipe.model_copy(update={"backbone": Backbone()}), accumulate)
    return head


@dataclass
class _Run(TrainingHistory):
    """The history, the weights of the best epoch, and the times of all steps.

    Attributes:
        weights: Weights of the best epoch.
        compile_seconds: Time of tracing and compiling so far.
        step_seconds: Time of each step, without steps on cached features.
        cached_seconds: Mean time of a step on cached features, per epoch.
    """

    weights: list[np.ndarray] = field(default_factory=list)
    compile_seconds: float = 0.0
    step_seconds: list[float] = field(default_factory=list)
    cached_seconds: list[float] = field(default_factory=list)

    def seconds_per_step(self, steps: int) -> list[float]:
        """Return the time of each step; steps on cached features share the time of their epochs equally."""
        if not self.cached_seconds:
            return self.step_seconds
        return self.step_seconds + [float(np.mean(self.cached_seconds))] * (steps * len(self.cached_seconds))

    def to_checkpoint(self, model: keras.Model, network: keras.Model) -> CheckpointState:
        arrays = {
            "variables": [variable.numpy() for variable in model_variables(model)],
            "optimizer": [variable.numpy() for variable in network.optimizer.variables],
            "best": self.weights,
            "probabilities": [] if self.probabilities is None else [self.probabilities],
            "seconds": [np.array(self.step_seconds), np.array(self.cached_seconds)],
        }
        return CheckpointState(self.to_metadata() | {"compile_seconds": self.compile_seconds}, arrays)

    @staticmethod
    def from_checkpoint(state: CheckpointState) -> _Run:
        step_seconds, cached_seconds = (seconds.tolist() for seconds in state.arrays["seconds"])
        run = _Run(
            weights=state.arrays["best"],
            compile_seconds=state.metadata["compile_seconds"],
            step_seconds=step_seconds,
            cached_seconds=cached_seconds,
        )
        run.restore(state.metadata, next(iter(state.arrays["probabilities"]), None))
        return run


@dataclass(frozen=True)
class _TrainedEpoch:
    """One epoch of training. Loss and accuracy are means over its steps, because all batches have the same size."""

    loss: float
    accuracy: float
    seconds: float
    step_seconds: list[float]


def _train_epoch(
    model: keras.Model,
    batches: Iterator[Batch],
    weights: np.ndarray | None,
    rates: list[float],
    epoch: int,
    on_step_end: Callable[[int, int, float], None],
    accumulate: int,
) -> _TrainedEpoch:
    began = time.perf_counter()
    losses, accuracies, seconds = [], [], []
    for step, (batch, rate) in enumerate(zip(batches, rates, strict=True), start=1):
        step_began = time.perf_counter()
        model.optimizer.learning_rate = rate
        parts = [_train_on_part(model, x, y, weights) for x, y in _split_batch(batch, accumulate)]
        loss, accuracy = np.mean(parts, axis=0)
        losses.append(float(loss))
        accuracies.append(float(accuracy))
        seconds.append(time.perf_counter() - step_began)
        if not math.isfinite(losses[-1]):
            raise Diverged(f"the loss became {losses[-1]} in epoch {epoch}, step {step} of {len(rates)}")
        on_step_end(step, len(rates), losses[-1])
    return _TrainedEpoch(float(np.mean(losses)), float(np.mean(accuracies)), time.perf_counter() - began, seconds)


def _train_on_part(model: keras.Model, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[float, float]:
    logs = model.train_on_batch(x, y, None if weights is None else y @ weights, return_dict=True)
    return float(logs["loss"]), float(logs["accuracy"])


def _split_batch(batch: Batch, count: int) -> Iterable[Batch]:
    """Return a batch in `count` parts of the same size; a remainder is dropped."""
    size = len(batch.targets) // count
    return (Batch(batch.images[i : i + size], batch.targets[i : i + size]) for i in range(0, count * size, size))
