"""A trial, from its specification to its predictions and costs."""

from __future__ import annotations

import datetime
import gc
import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_bench.config.recipe import BuildRecipe, Recipe
from fer_bench.core.errors import UserError
from fer_bench.datasets import default_cache_dir
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import Subset
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.stratified import groups_of
from fer_bench.records.schema import Costs, Epoch, Predictions, Record, Trial
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.training import compiled_model_cache, devices, loop, machine
from fer_bench.training.batches import PREDICTION_BATCH
from fer_bench.training.callback import TrainingCallback
from fer_bench.training.checkpoint import Checkpoint
from fer_bench.training.cost import costs_of_use
from fer_bench.training.history import Diverged
from fer_bench.training.predict import predict

BOLD = re.compile(r"\x1b\[[0-9;]*m")  # in what Keras raises
MOST_ON_DEVICE = 2**31  # bytes of images that the loop on the device holds; beyond, they are streamed to it


def build_model(
    architecture: str, recipe: Recipe, image_shape: tuple[int, ...], classes: int, weights_file: Path | None = None
) -> keras.Model:
    """A registered architecture as a model from raw pixels (batch, *image_shape, 1) to logits (batch, classes).

    `image_shape` is ([time,] height, width); the recipe's crop replaces height and width. UserError where the
    architecture does not return float32 logits of that shape, or the crop is greater than the image.
    """
    if recipe.crop and recipe.crop > min(image_shape[-2:]):
        raise UserError(f"A crop of {recipe.crop} is greater than the images of {image_shape[-2]}×{image_shape[-1]}.")
    side = (recipe.crop, recipe.crop) if recipe.crop else image_shape[-2:]
    inputs = keras.Input((*image_shape[:-2], *side, 1), name="pixels")
    build = BuildRecipe(**recipe.model_dump(), classes=classes, weights_file=weights_file)
    logits = ARCHITECTURES.function(architecture)(inputs, build)
    if getattr(logits, "shape", None) != (None, classes) or logits.dtype != "float32":
        raise UserError(
            f"The architecture '{architecture}' must return float32 logits of shape (batch, {classes}), "
            f"not {getattr(logits, 'dtype', type(logits).__name__)} {getattr(logits, 'shape', '')}."
        )
    model = keras.Model(inputs, logits, name=architecture)
    if keras.backend.backend() == "jax":
        from fer_bench.training import jax_backend

        jax_backend.recur_without_cudnn(model)
    return model


def run_trial(
    trial: Trial,
    dataset: Dataset,
    fold: Fold,
    weights_file: Path | None,
    watcher: TrainingCallback,
    model_file: Path | None = None,
    checkpoints: Path | None = None,
    accumulate: int = 1,
) -> tuple[Record, dict[str, Predictions]]:
    """Train and predict one trial. A trial that fails or diverges returns a record that says so, without predictions.

    The trained model of one that finishes is saved as `model_file`, where that is named; one that cannot be saved is a
    warning. KeyboardInterrupt passes through: a trial that the user abandons leaves no record, but a checkpoint in the
    folder `checkpoints`, from which it goes on with the same result. `accumulate`: see `loop.fit`.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    known: dict[str, Any] = {
        "trial": trial,
        "started": started,
        "machine": machine.describe_machine(trial.backend),
        "classes": list(dataset.classes),
        "samples": {part: len(getattr(fold, part)) for part in ("training", "validation", "test")},
        "split_notes": [*fold.notes, *([f"batches in {accumulate} parts"] if accumulate > 1 else [])],
    }
    checkpoint = Checkpoint(checkpoints, _identity(trial, known["machine"], accumulate)) if checkpoints else None
    watched = _Watched(watcher, int(trial.recipe["epochs"]))
    try:
        with _keras_state(trial):
            measured, predictions = _train_and_predict(
                trial, dataset, fold, weights_file, watched, model_file, checkpoint, accumulate
            )
    except Diverged as error:
        return Record(**known, status="diverged", reason=str(error), history=watched.history), {}
    except Exception as error:
        compiled_model_cache.forget()  # its functions may be half made
        logging.getLogger(__name__).exception("%s failed:", trial)
        reason = f"{type(error).__name__}: {BOLD.sub('', str(error)).strip()}"
        return Record(**known, status="failed", reason=reason[:2000], history=watched.history), {}
    except KeyboardInterrupt:
        compiled_model_cache.forget()
        raise
    return Record(**known, status="finished", **measured), predictions


def _train_and_predict(
    trial: Trial,
    dataset: Dataset,
    fold: Fold,
    weights_file: Path | None,
    watched: _Watched,
    model_file: Path | None,
    checkpoint: Checkpoint | None,
    accumulate: int,
) -> tuple[dict, dict[str, Predictions]]:
    recipe = Recipe.model_validate(trial.recipe)
    if reason := machine.precision_unsupported(recipe.precision, trial.backend):
        raise UserError(reason)
    began = time.perf_counter()
    shape, classes = dataset.images.shape[1:], len(dataset.classes)
    traced = json.dumps([trial.architecture, trial.source_digest, trial.recipe, shape, classes, accumulate])
    model = compiled_model_cache.prepared(
        None if recipe.backbone.freezes else traced,  # each stage of unfreezing is traced anew
        lambda: build_model(trial.architecture, recipe, shape, classes, weights_file),
    )
    build_seconds = time.perf_counter() - began

    # The loop on the device takes whole batches.
    fitted = (loop.fit if accumulate > 1 else _loop(recipe, dataset))(
        model,
        Subset(dataset.images, fold.training),
        dataset.labels[fold.training],
        Subset(dataset.images, fold.validation),
        dataset.labels[fold.validation],
        recipe,
        trial.seed,
        soft_labels=None if dataset.soft_labels is None else dataset.soft_labels[fold.training],
        on_step=watched.step,
        on_epoch=watched.epoch,
        checkpoint=checkpoint,
        **({"accumulate": accumulate} if accumulate > 1 else {}),
    )
    # Only here, after every choice has been made, are the test images opened.
    tested = predict(model, Subset(dataset.images, fold.test), recipe.test_views, recipe.crop)

    costs = Costs(
        build_seconds=build_seconds,
        compile_seconds=fitted.compile_seconds,
        train_seconds=sum(e.train_seconds for e in fitted.history),
        validation_seconds=sum(e.validation_seconds for e in fitted.history),
        images_per_second=fitted.images_per_second,
        predict_images_per_second=tested.images_per_second,
        peak_memory_bytes=machine.peak_memory_bytes(),
        predict_batch_size=min(PREDICTION_BATCH, len(fold.test)),
        **costs_of_use(model, model_file),  # the last: what they take themselves is in no other cost
    )
    measured = {
        "parameters": model.count_params(),
        "best_epoch": fitted.best_epoch,
        "history": fitted.history,
        "costs": costs,
    }
    predictions = {
        "validation": _predictions(dataset, fold.validation, fitted.validation_probabilities),
        "test": replace(_predictions(dataset, fold.test, tested.probabilities), clean=fold.no_duplicate),
    }
    return measured, predictions


def _identity(trial: Trial, machine: dict[str, Any], accumulate: int) -> str:
    """What must be equal for a checkpoint to be gone on from: of other libraries the rest would not be the same."""
    return json.dumps([trial.key, accumulate, machine["versions"], machine["processor"], machine["accelerator"]])


def _loop(recipe: Recipe, dataset: Dataset) -> Callable[..., loop.Fitted]:
    """What trains: the loop on the device where JAX has one, and the images fit and need no imgaug.

    On CPUs XLA runs convolutions inside a compiled loop far slower than outside: `cnn_small` more than forty times.
    """
    fits = not recipe.augmentation.imgaug and dataset.images.nbytes <= MOST_ON_DEVICE
    if keras.backend.backend() == "jax" and fits and devices.sharing() == 1:
        from fer_bench.training import jax_backend, jax_loop

        if jax_backend.accelerators():
            return jax_loop.fit
    return loop.fit


def _predictions(dataset: Dataset, indices: np.ndarray, probabilities: np.ndarray) -> Predictions:
    groups = groups_of(dataset)
    return Predictions(
        np.asarray(dataset.ids[indices]),
        dataset.labels[indices].astype(np.int64),
        probabilities,
        groups=None if groups is None else np.asarray(groups[indices], dtype=np.str_),
    )


class _Watched:
    """Passes the events on, and keeps the history for the record of a trial that does not finish."""

    def __init__(self, watcher: TrainingCallback, epochs: int) -> None:
        self.history: list[Epoch] = []
        self._watcher, self._epochs = watcher, epochs

    def on_step_end(self, step: int, steps: int, loss: float) -> None:
        self._watcher.on_step_end(step, steps, loss)

    def on_epoch_end(self, epoch: Epoch) -> None:
        self.history.append(epoch)
        self._watcher.on_epoch_end(epoch, self._epochs)


@contextmanager
def _keras_state(trial: Trial) -> Iterator[None]:
    """Seed and precision of a trial; afterwards the precision of before, and no graph left in memory."""
    precision = keras.config.dtype_policy()
    machine.reset_peak_memory()
    _make_deterministic()
    keras.utils.set_random_seed(trial.seed)
    keras.config.set_dtype_policy(trial.precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(precision)
        keras.backend.clear_session()
        gc.collect()


def _make_deterministic() -> None:
    if keras.backend.backend() == "tensorflow":
        from fer_bench.training import tensorflow_backend

        tensorflow_backend.make_deterministic()
    elif keras.backend.backend() == "jax":
        from fer_bench.training import jax_backend

        jax_backend.make_deterministic()
        jax_backend.keep_programs(default_cache_dir() / "xla")
