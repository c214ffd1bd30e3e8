"""The training loop: epochs over augmented batches, the best weights by validation, every second accounted for.

`Model.fit` is left alone because it returns late under tf.data autotuning and its clock cannot be taken apart;
`train_on_batch` and `predict_on_batch` are the same steps, on every Keras backend.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from fer_bench.training.input import batches, padded_batches
from fer_bench.training.recipe import Optimizer, Recipe
from fer_bench.trial import Epoch

PREDICTION_BATCH = 256


class Diverged(Exception):
    """The loss is not a finite number; the message says where."""


@dataclass(frozen=True)
class Fitted:
    """What training leaves behind, apart from the model, which holds the best weights.

    validation_probabilities: (samples, classes) float32, of the best epoch.
    """

    history: list[Epoch]
    best_epoch: int
    validation_probabilities: np.ndarray
    trace_seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Predicted:
    """Logits (samples, classes) float32, with the prediction's own costs."""

    logits: np.ndarray
    trace_seconds: float
    images_per_second: float | None  # None where a single batch leaves nothing to time


def compile_model(model: keras.Model, recipe: Recipe, steps_per_epoch: int) -> None:
    """Attach loss, optimizer and schedule. XLA stays off: on CPUs it is slower for every architecture measured."""
    loss: keras.losses.Loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if recipe.label_smoothing:
        loss = _SmoothedCrossentropy(recipe.label_smoothing)
    model.compile(optimizer=_optimizer(recipe, steps_per_epoch), loss=loss, metrics=["accuracy"], jit_compile=False)


def fit(
    model: keras.Model,
    images: np.ndarray,
    labels: np.ndarray,
    validation_images: np.ndarray,
    validation_labels: np.ndarray,
    recipe: Recipe,
    seed: int,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Fitted:
    """Train on images (samples, height, width) uint8 and leave the weights of the best validation epoch in the model.

    The best epoch has the highest validation accuracy, then the lowest validation loss. Raises Diverged.
    """
    steps = max(1, len(labels) // recipe.batch_size)
    compile_model(model, recipe, steps)
    history: list[Epoch] = []
    best: tuple[tuple[float, float], int, list[np.ndarray], np.ndarray] | None = None
    step_seconds: list[float] = []
    trace_seconds = first_step = 0.0

    for number in range(1, recipe.epochs + 1):
        began = time.perf_counter()
        losses, accuracies = [], []  # of equal batches: their mean is the epoch's
        for step, (x, y) in enumerate(
            batches(images, labels, recipe.batch_size, recipe.augmentation, seed, number), start=1
        ):
            step_began = time.perf_counter()
            logs = model.train_on_batch(x, y, return_dict=True)
            loss = float(logs["loss"])
            losses.append(loss)
            accuracies.append(float(logs["accuracy"]))
            elapsed = time.perf_counter() - step_began
            if not math.isfinite(loss):
                raise Diverged(f"the loss became {loss} in epoch {number}, step {step} of {steps}")
            if number == 1 and step == 1:
                first_step = elapsed
            else:
                step_seconds.append(elapsed)
            on_step(step, steps, loss)
        train_seconds = time.perf_counter() - began
        if number == 1:  # the first step is traced and compiled: what it took beyond a usual step is not training
            usual = float(np.median(step_seconds)) if step_seconds else first_step
            trace_seconds += max(0.0, first_step - usual)
            train_seconds -= trace_seconds

        began = time.perf_counter()
        predicted = predict(model, validation_images)
        validation_seconds = time.perf_counter() - began
        if number == 1:
            trace_seconds += predicted.trace_seconds
            validation_seconds -= predicted.trace_seconds
        probabilities = softmax(predicted.logits)
        epoch = Epoch(
            epoch=number,
            learning_rate=float(model.optimizer.learning_rate),
            loss=float(np.mean(losses)),
            accuracy=float(np.mean(accuracies)),
            validation_loss=_log_loss(probabilities, validation_labels),
            validation_accuracy=float(np.mean(probabilities.argmax(1) == validation_labels)),
            train_seconds=train_seconds,
            validation_seconds=validation_seconds,
        )
        if not math.isfinite(epoch.validation_loss):
            raise Diverged(f"the validation loss became {epoch.validation_loss} in epoch {number}")
        history.append(epoch)
        on_epoch(epoch)
        merit = (epoch.validation_accuracy, -epoch.validation_loss)
        if best is None or merit > best[0]:
            best = (merit, number, model.get_weights(), probabilities)
        elif recipe.patience is not None and number - best[1] >= recipe.patience:
            break

    assert best is not None
    model.set_weights(best[2])
    rate = min(recipe.batch_size, len(labels)) / float(np.median(step_seconds or [first_step]))
    return Fitted(history, best[1], best[3], trace_seconds, rate)


def predict(model: keras.Model, images: np.ndarray) -> Predicted:
    """Logits of images (samples, height, width) uint8, in their order."""
    batch = min(PREDICTION_BATCH, len(images))
    logits, seconds = [], []
    for x, real in padded_batches(images, batch):
        began = time.perf_counter()
        logits.append(np.asarray(model.predict_on_batch(x), np.float32)[:real])
        seconds.append(time.perf_counter() - began)
    usual = float(np.median(seconds[1:])) if len(seconds) > 1 else seconds[0]
    rate = batch / usual if len(seconds) > 1 else None
    return Predicted(np.concatenate(logits), max(0.0, seconds[0] - usual), rate)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (samples, classes) float32, summed in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


@keras.saving.register_keras_serializable(package="fer_bench")
class _SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy from logits and integer labels with label smoothing, which Keras' sparse loss does not have."""

    def __init__(self, label_smoothing: float, name: str = "smoothed_crossentropy", **kwargs) -> None:
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        classes = y_pred.shape[-1]
        one_hot = keras.ops.one_hot(keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32"), classes)
        return keras.losses.categorical_crossentropy(
            one_hot, y_pred, from_logits=True, label_smoothing=self.label_smoothing
        )

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def _optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    asked: Optimizer = recipe.optimizer
    rate = _learning_rate(recipe, steps_per_epoch)
    # AdamW takes no None for no decay; to the others it spares an idle step over every weight.
    decay = asked.weight_decay if asked.name == "adamw" else asked.weight_decay or None
    common = {"learning_rate": rate, "weight_decay": decay, "global_clipnorm": asked.clip_norm}
    if asked.name == "sgd":
        optimizer = keras.optimizers.SGD(momentum=asked.momentum, nesterov=asked.momentum > 0, **common)
    else:
        optimizer = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[asked.name](**common)
    if asked.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _learning_rate(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.schedules.LearningRateSchedule:
    peak, schedule = recipe.optimizer.learning_rate, recipe.schedule
    total = recipe.epochs * steps_per_epoch
    # A tenth of the run at most: a short run must not spend itself on warming up.
    warmup = min(round(schedule.warmup_epochs * steps_per_epoch), total // 10)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else peak,
        decay_steps=max(1, total - warmup),
        alpha=schedule.final if schedule.name == "cosine" else 1.0,
        warmup_target=peak if warmup else None,
        warmup_steps=warmup,
    )


def _log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())
