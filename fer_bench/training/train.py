"""Train one trial: from its specification to its predictions and costs."""

from __future__ import annotations

import datetime
import gc
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_bench.config.recipe import BuildRecipe, Recipe
from fer_bench.core.errors import UserError
from fer_bench.datasets import default_cache_dir
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import Subset
from fer_bench.protocols.stratified import get_groups
from fer_bench.records.schema import Costs, Epoch, Predictions, Record, Trial
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.training import compiled_model_cache, devices, loop, machine
from fer_bench.training.batches import PREDICTION_BATCH_SIZE
from fer_bench.training.callback import Callback
from fer_bench.training.checkpoint import Checkpoint
from fer_bench.training.cost import measure_inference_costs
from fer_bench.training.history import Diverged
from fer_bench.training.planned_trial import PlannedTrial
from fer_bench.training.predict import predict
from fer_bench.training.pretrained import load_pretrained

ANSI_STYLE = re.compile(r"\x1b\[[0-9;]*m")  # Keras writes its messages in bold
MAX_BYTES_ON_DEVICE = 2**31  # of images that the loop on the device holds; more images are streamed
MAX_REASON_LENGTH = 2000


def build_model(
    architecture: str, recipe: Recipe, image_shape: tuple[int, ...], classes: int, weights_file: Path | None = None
) -> keras.Model:
    """Build the model of a registered architecture, from raw pixels to logits.

    Args:
        architecture: Name in the registry.
        recipe: The resolved recipe; its crop replaces height and width, and its final input size is that of the model.
        image_shape: ([time,] height, width) in pixels.
        classes: Number of classes.
        weights_file: Initial weights of the backbone.

    Returns:
        A model from (batch, *image_shape, 1) to float32 logits (batch, classes).

    Raises:
        UserError: The architecture returns something else, or the crop is larger than the images.
    """
    if recipe.crop and recipe.crop > min(image_shape[-2:]):
        size = f"{image_shape[-2]}×{image_shape[-1]}"
        raise UserError(f"The crop of {recipe.crop} pixels is larger than the images, {size}.")
    side = (recipe.crop, recipe.crop) if recipe.crop else image_shape[-2:]
    inputs = keras.Input((*image_shape[:-2], *side, 1), name="pixels")
    fields = recipe.model_dump() | {"input_size": recipe.final_input_size}
    build = BuildRecipe(**fields, classes=classes, weights_file=weights_file)
    logits = ARCHITECTURES.function(architecture)(inputs, build)
    if getattr(logits, "shape", None) != (None, classes) or logits.dtype != "float32":
        raise UserError(
            f"The architecture '{architecture}' must return float32 logits of shape (batch, {classes}), "
            f"not {getattr(logits, 'dtype', type(logits).__name__)} {getattr(logits, 'shape', '')}."
        )
    model = keras.Model(inputs, logits, name=architecture)
    if keras.backend.backend() == "jax":
        from fer_bench.training import jax_backend

        jax_backend.disable_cudnn_rnn(model)
    return model


def run_trial(planned: PlannedTrial, callback: Callback) -> tuple[Record, dict[str, Predictions]]:
    """Train one trial and predict its validation and test samples.

    A trial that fails or diverges returns a record with the reason and no predictions. KeyboardInterrupt passes
    through and leaves no record; the next run resumes from the checkpoint in `planned.checkpoint_dir` and gives the
    same result. A trained model that cannot be saved is a warning.

    Args:
        planned: The trial, its data and its files.
        callback: Receives `on_step_end` and `on_epoch_end`.

    Returns:
        The record, and the predictions by split: "validation" and "test".
    """
    trial, fold = planned.trial, planned.fold
    history: list[Epoch] = []

    def on_epoch(epoch: Epoch) -> None:
        history.append(epoch)
        callback.on_epoch_end(planned, epoch)

    known: dict[str, Any] = {
        "trial": trial,
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine.describe_machine(trial.backend),
        "classes": list(planned.dataset.classes),
        "samples": fold.sizes,
        "split_notes": [*fold.notes, *_accumulation_note(planned.accumulate)],
    }
    try:
        with _keras_state(trial):
            checkpoint = _checkpoint(planned, known["machine"])
            on_step = partial(callback.on_step_end, planned)
            results, predictions = _train_and_predict(planned, on_step, on_epoch, checkpoint)
    except Diverged as error:
        return Record(**known, status="diverged", reason=str(error), history=history), {}
    except Exception as error:
        compiled_model_cache.clear()  # its functions may be half made
        logging.getLogger(__name__).exception("%s failed:", trial)
        reason = f"{type(error).__name__}: {ANSI_STYLE.sub('', str(error)).strip()}"
        return Record(**known, status="failed", reason=reason[:MAX_REASON_LENGTH], history=history), {}
    except KeyboardInterrupt:
        compiled_model_cache.clear()
        raise
    return Record(**known, status="finished", **results), predictions


def _train_and_predict(
    planned: PlannedTrial,
    on_step: Callable[[int, int, float], None],
    on_epoch: Callable[[Epoch], None],
    checkpoint: Checkpoint | None,
) -> tuple[dict[str, Any], dict[str, Predictions]]:
    trial, dataset, fold, accumulate = planned.trial, planned.dataset, planned.fold, planned.accumulate
    recipe = Recipe.model_validate(trial.recipe)
    if reason := machine.precision_unsupported(recipe.precision, trial.backend):
        raise UserError(reason)
    if planned.requires and not (planned.pretrained_file and planned.pretrained_file.is_file()):
        raise UserError(
            f"It starts from {planned.requires}, which failed or whose model could not be saved: see the log of that "
            "trial, and add --retry-failed when the cause is fixed."
        )
    began = time.perf_counter()
    shape, classes = dataset.images.shape[1:], len(dataset.classes)
    graph = json.dumps([trial.architecture, trial.source_digest, trial.recipe, shape, classes, accumulate])

    def build(size: int) -> keras.Model:
        at_size = recipe.model_copy(update={"input_size": size})
        model = build_model(trial.architecture, at_size, shape, classes, planned.weights_file)
        if planned.pretrained_file:
            load_pretrained(model, planned.pretrained_file)
        return model

    models = compiled_model_cache.get_models(
        None if recipe.backbone.freezes else graph,  # each stage of unfreezing is traced anew
        build,
        sorted(recipe.input_sizes, key=lambda size: size != recipe.final_input_size),
    )
    _check_weights(models)
    model = models.pop(recipe.final_input_size)
    build_seconds = time.perf_counter() - began

    # The loop on the device takes whole batches.
    fitted = (loop.fit if accumulate > 1 else _training_loop(recipe, dataset))(
        model,
        Subset(dataset.images, fold.training),
        dataset.labels[fold.training],
        Subset(dataset.images, fold.validation),
        dataset.labels[fold.validation],
        recipe,
        trial.seed,
        soft_labels=None if dataset.soft_labels is None else dataset.soft_labels[fold.training],
        on_step_end=on_step,
        on_epoch_end=on_epoch,
        checkpoint=checkpoint,
        other_models=models,
        **({"accumulate": accumulate} if accumulate > 1 else {}),
    )
    # The test images are opened here only, after every choice has been made.
    tested = predict(model, Subset(dataset.images, fold.test), recipe.tta, recipe.crop)

    if trial.backend == "tensorflow":  # so that latency is that of the saved model, which is plain Keras
        from fer_bench.training import tensorflow_backend

        tensorflow_backend.use_plain_operations(model)
    costs = Costs(
        build_seconds=build_seconds,
        compile_seconds=fitted.compile_seconds,
        train_seconds=sum(e.train_seconds for e in fitted.history),
        validation_seconds=sum(e.validation_seconds for e in fitted.history),
        images_per_second=fitted.images_per_second,
        predict_images_per_second=tested.images_per_second,
        peak_memory_bytes=machine.peak_memory_bytes(),
        predict_batch_size=min(PREDICTION_BATCH_SIZE, len(fold.test)),
        **measure_inference_costs(model, planned.model_file),  # measured last, so that no other cost contains it
    )
    results = {
        "num_parameters": model.count_params(),
        "best_epoch": fitted.best_epoch,
        "history": fitted.history,
        "costs": costs,
    }
    predictions = {
        "validation": _predictions(dataset, fold.validation, fitted.validation_probabilities),
        "test": replace(_predictions(dataset, fold.test, tested.probabilities), no_duplicate=fold.no_duplicate),
    }
    return results, predictions


def _check_weights(models: Mapping[int, keras.Model]) -> None:
    """Raise UserError if the weights of the models of several input sizes differ in their shapes."""
    shapes = {size: [tuple(variable.shape) for variable in model.variables] for size, model in models.items()}
    size, *others = shapes
    if other := next((other for other in others if shapes[other] != shapes[size]), None):
        raise UserError(
            f"The weights of '{models[size].name}' at {other} pixels do not fit its model at {size} pixels: use a "
            "recipe with one input_size, and declare weights_depend_on_size=True in the architecture's decorator."
        )


def _accumulation_note(accumulate: int) -> list[str]:
    return [f"batches in {accumulate} parts"] if accumulate > 1 else []


def _checkpoint(planned: PlannedTrial, machine: dict[str, Any]) -> Checkpoint | None:
    """The checkpoint that a trial resumes from; other library versions would not give the same result."""
    if planned.checkpoint_dir is None:
        return None
    versions = [machine["versions"], machine["processor"], machine["accelerator"]]
    return Checkpoint(planned.checkpoint_dir, json.dumps([planned.key, planned.accumulate, *versions]))


def _training_loop(recipe: Recipe, dataset: Dataset) -> Callable[..., loop.FitResult]:
    """Return the loop on the device if JAX has an accelerator and the images fit and need no imgaug.

    On CPUs XLA runs convolutions inside a compiled loop far slower than outside: `cnn_small` more than forty times.
    """
    fits = not recipe.augmentation.imgaug and dataset.images.nbytes <= MAX_BYTES_ON_DEVICE
    if keras.backend.backend() == "jax" and fits and devices.num_replicas() == 1:
        from fer_bench.training import jax_backend, jax_loop

        if jax_backend.accelerators():
            return jax_loop.fit
    return loop.fit


def _predictions(dataset: Dataset, indices: np.ndarray, probabilities: np.ndarray) -> Predictions:
    groups = get_groups(dataset)
    return Predictions(
        np.asarray(dataset.ids[indices]),
        dataset.labels[indices].astype(np.int64),
        probabilities,
        groups=None if groups is None else np.asarray(groups[indices], dtype=np.str_),
    )


@contextmanager
def _keras_state(trial: Trial) -> Iterator[None]:
    """Set the seed and the precision of a trial; at the end restore the precision and free the graph."""
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
        jax_backend.enable_compilation_cache(default_cache_dir() / "xla")
