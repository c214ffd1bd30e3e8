"""The ways to train that `loops.py` times: ours, the bare step, Keras' own, and the one of student projects.

All of them train one compiled model: the optimizer, the loss and the metric of `training.loop.compile_model`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from fer_bench.config.recipe import Augmentation, Recipe
from fer_bench.datasets import DataConfig, load
from fer_bench.protocols.official import official
from fer_bench.training import loop
from fer_bench.training.predict import Predicted
from fer_bench.training.schedule import learning_rate
from fer_bench.training.train import build_model

CLASSES = 7
SHAPE = (48, 48)
WAYS = ("step", "ours", "fit", "student")
STEPS_TO_BEGIN_WITH = 3  # of each way, untimed: what is traced is compiled then


@dataclass
class Watch:
    """Seconds of our loop inside the training step and waiting for its input, seen from outside.

    Of its validation, processor seconds too: all threads of the process together.
    """

    step: float = 0.0
    wait: float = 0.0
    validation: float = 0.0
    validation_processor: float = 0.0
    ours: bool = True  # whether it is our loop that calls

    def watched(self, model: keras.Model) -> None:
        step = model.train_on_batch

        def timed(*arguments: Any, **named: Any) -> Any:
            if not self.ours:
                return step(*arguments, **named)
            began = time.perf_counter()
            result = step(*arguments, **named)
            self.step += time.perf_counter() - began
            return result

        model.train_on_batch = timed

    def waited(self, made: Iterable[Any]) -> Iterator[Any]:
        batches = iter(made)
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            self.wait += time.perf_counter() - began
            if batch is None:
                return
            yield batch

    def predicted(self, predict: Callable[..., Predicted]) -> Callable[..., Predicted]:
        def timed(*arguments: Any, **named: Any) -> Predicted:
            began, processor = time.perf_counter(), time.process_time()
            result = predict(*arguments, **named)
            self.validation += time.perf_counter() - began
            self.validation_processor += time.process_time() - processor
            return result

        return timed

    def begin(self) -> None:
        self.step = self.wait = self.validation = self.validation_processor = 0.0
        self.ours = True


@dataclass
class Timed:
    """Images a second of each way, its processor seconds an image, and the shares of our loop's time: a number a turn.

    Processor seconds are of all threads. Where the machine has other work they say more than the clock, but nothing of
    time spent waiting.
    """

    rates: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    processor: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    shares: dict[str, list[float]] = field(default_factory=lambda: {"step": [], "wait": [], "rest": []})


def loops(model: keras.Model, images: np.ndarray, labels: np.ndarray, recipe: Recipe) -> Timed:
    """Every way once in each of `recipe.epochs` - 1 repeats, on the same images (samples, height, width) uint8.

    Our loop runs all epochs in one call; the others take their turn between its epochs, so that whatever else the
    machine does hits all alike. Its time is what lies between two turns, without validation.
    """
    watch, timed = Watch(), Timed()
    batch = recipe.batch_size
    rows = images.astype("float32")[..., None]
    targets = np.eye(CLASSES, dtype="float32")[labels]
    rng = np.random.default_rng(0)
    kept = images[:batch, ..., None], targets[:batch]
    resumed, processor = time.perf_counter(), time.process_time()

    def step(count: int) -> None:
        for _ in range(count // batch):
            model.optimizer.learning_rate = 1e-3 * rng.random()  # set at each step, as ours is
            model.train_on_batch(*kept, return_dict=True)

    def fit(count: int) -> None:
        model.fit(rows[:count], targets[:count], batch_size=batch, epochs=1, verbose=0)

    def student(count: int) -> None:
        flow = generator(recipe.augmentation).flow(rows[:count], targets[:count], batch_size=batch)
        model.fit(flow, epochs=1, verbose=0)

    ways = {"step": step, "fit": fit, "student": student}

    def note(way: str, seconds: float, processor_seconds: float) -> None:
        timed.rates[way].append(len(images) / seconds)
        timed.processor[way].append(processor_seconds / len(images))

    def on_epoch(epoch: Any) -> None:
        nonlocal resumed, processor
        seconds = time.perf_counter() - resumed - watch.validation
        processor_seconds = time.process_time() - processor - watch.validation_processor
        watch.ours = False
        if epoch.epoch == 1:
            for way in ways.values():
                way(STEPS_TO_BEGIN_WITH * batch)
        else:
            note("ours", seconds, processor_seconds)
            for name, part in zip(
                timed.shares, (watch.step, watch.wait, seconds - watch.step - watch.wait), strict=True
            ):
                timed.shares[name].append(part / seconds)
            for name, way in ways.items():
                began, processor = time.perf_counter(), time.process_time()
                way(len(images))
                note(name, time.perf_counter() - began, time.process_time() - processor)
        watch.begin()
        resumed, processor = time.perf_counter(), time.process_time()

    watch.watched(model)
    made, predict = loop.batches, loop.predict
    loop.batches, loop.predict = (lambda *given: watch.waited(made(*given))), watch.predicted(predict)
    try:
        loop.fit(model, images, labels, images[:256], labels[:256], recipe, 0, on_epoch=on_epoch)
    finally:
        loop.batches, loop.predict = made, predict
    return timed


def step_seconds(model: keras.Model, images: np.ndarray, recipe: Recipe) -> float:
    """Seconds of a training step of a compiled model, the least of three after the first."""
    targets = np.resize(np.eye(CLASSES, dtype="float32"), (recipe.batch_size, CLASSES))
    batch = images[: recipe.batch_size, ..., None], targets
    seconds = []
    for _ in range(4):
        began = time.perf_counter()
        model.train_on_batch(*batch)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def generator(augmentation: Augmentation) -> ImageDataGenerator:
    """Keras' old generator, image by image in Python, with an augmentation's flips, rotations, shifts and zooms."""
    return ImageDataGenerator(
        rotation_range=augmentation.rotation,
        width_shift_range=augmentation.shift,
        height_shift_range=augmentation.shift,
        zoom_range=augmentation.zoom,
        horizontal_flip=augmentation.flip > 0,
        fill_mode="nearest",
    )


def ours_from_csv(folder: Path, name: str, recipe: Recipe, seed: int, cache: Path) -> dict[str, float]:
    """From a csv file, through an empty cache, to the probabilities of its test images."""
    began = time.perf_counter()
    dataset = load("fer2013", DataConfig(folder, cache))
    fold = next(official(dataset, seed))
    read = time.perf_counter()
    model = build_model(name, recipe, SHAPE, CLASSES)
    parts = [data[part] for part in (fold.training, fold.validation) for data in (dataset.images, dataset.labels)]
    fitted = loop.fit(model, *parts, recipe, seed)
    tested = loop.predict(model, dataset.images[fold.test])
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "read_seconds": read - began,
        "images": len(fold.training) * recipe.epochs,
        "validation_accuracy": max(epoch.validation_accuracy for epoch in fitted.history),
        "test_accuracy": float(np.mean(tested.probabilities.argmax(1) == dataset.labels[fold.test])),
        "compile_seconds": fitted.compile_seconds,
        "train_seconds": sum(epoch.train_seconds for epoch in fitted.history),
    }


def student_from_csv(folder: Path, name: str, recipe: Recipe, seed: int) -> dict[str, float]:
    """The same with pandas row by row, Keras' old generator and Model.fit, at our learning rates.

    The best weights are not kept, which ours does; validation and prediction are in batches of 32, Keras' own choice.
    """
    began = time.perf_counter()
    table = pd.read_csv(folder / "fer2013.csv")
    images: dict[str, list[np.ndarray]] = {"Training": [], "PublicTest": [], "PrivateTest": []}
    labels: dict[str, list[int]] = {usage: [] for usage in images}
    for _, row in table.iterrows():
        images[row["Usage"]].append(np.array(row["pixels"].split(" "), "float32").reshape(*SHAPE, 1))
        labels[row["Usage"]].append(row["emotion"])
    x, validation_x, test_x = (np.array(part) for part in images.values())
    y, validation_y, test_y = (keras.utils.to_categorical(part, CLASSES) for part in labels.values())
    read = time.perf_counter()
    model = build_model(name, recipe, SHAPE, CLASSES)
    loop.compile_model(model, recipe)
    rates = _Rates(recipe, len(x) // recipe.batch_size)
    flow = generator(recipe.augmentation).flow(x, y, batch_size=recipe.batch_size, seed=seed)
    fitted = model.fit(
        flow, validation_data=(validation_x, validation_y), epochs=recipe.epochs, callbacks=[rates], verbose=0
    )
    predicted = model.predict(test_x, verbose=0)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "read_seconds": read - began,
        "images": len(x) * recipe.epochs,
        "validation_accuracy": float(max(fitted.history["val_accuracy"])),
        "test_accuracy": float(np.mean(predicted.argmax(1) == test_y.argmax(1))),
    }


class _Rates(keras.callbacks.Callback):
    """Our learning rate at every step, so that accuracies compare."""

    def __init__(self, recipe: Recipe, steps: int) -> None:
        super().__init__()
        self._rates = [learning_rate(recipe, step, steps) for step in range(steps * recipe.epochs)]
        self._step = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = self._rates[min(self._step, len(self._rates) - 1)]
        self._step += 1
