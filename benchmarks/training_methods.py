"""The training methods that `loops.py` compares: our loop, single steps, Model.fit and ImageDataGenerator.

All of them train one compiled model, with the optimizer, loss and metric of `fer_bench.training.loop.compile_model`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import keras
import numpy as np
import pandas as pd
from keras.src.legacy.preprocessing.image import ImageDataGenerator

from fer_bench.config.recipe import Augmentation, Recipe
from fer_bench.datasets import DataConfig, load
from fer_bench.datasets.fer2013.folder import USAGES
from fer_bench.protocols.official import official
from fer_bench.training import loop
from fer_bench.training.schedule import learning_rate
from fer_bench.training.train import build_model

NUM_CLASSES = 7
IMAGE_SHAPE = (48, 48)
_Result = TypeVar("_Result")
WARMUP_STEPS = 3  # untimed steps per method, in which its functions are traced and compiled


class LoopTimer:
    """Measures from outside how long our loop spends in training steps, waiting for batches and validating.

    `seconds` is wall-clock and `cpu_seconds` is processor time of all threads, by "step", "wait" and "validation".
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.cpu_seconds: dict[str, float] = defaultdict(float)
        self.is_active = True  # False while another method uses the model

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        start, start_cpu = time.perf_counter(), time.process_time()
        yield
        if self.is_active:
            self.seconds[part] += time.perf_counter() - start
            self.cpu_seconds[part] += time.process_time() - start_cpu

    def measure_calls(self, part: str, function: Callable[..., _Result]) -> Callable[..., _Result]:
        def measured(*args: Any, **kwargs: Any) -> _Result:
            with self.measure(part):
                return function(*args, **kwargs)

        return measured

    def measure_batches(self, make_batches: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[Any]]:
        def measured(*args: Any) -> Iterator[Any]:
            batches = iter(make_batches(*args))
            while True:
                with self.measure("wait"):
                    batch = next(batches, None)
                if batch is None:
                    return
                yield batch

        return measured


@dataclass
class LoopTimes:
    """One number per round and method.

    Attributes:
        rates: Images per second.
        processor: Processor seconds of all threads per image. They are reliable on a busy machine, but do not include
            time spent waiting.
        shares: Shares of our loop's time: in the training step, waiting for batches, and the rest.
    """

    rates: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    processor: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    shares: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, method: str, num_images: int, seconds: float, cpu_seconds: float) -> None:
        self.rates[method].append(num_images / seconds)
        self.processor[method].append(cpu_seconds / num_images)


def time_methods(model: keras.Model, images: np.ndarray, labels: np.ndarray, recipe: Recipe) -> LoopTimes:
    """Run every method once in each of `recipe.epochs` - 1 rounds on the same images.

    Our loop trains all epochs in one call, and the other methods run between its epochs, so that other load on the
    machine affects all methods alike. The time of our loop is the time between two rounds without its validation.

    Args:
        model: The compiled model.
        images: Training images, uint8, (samples, height, width).
        labels: Class indices, (samples,).
        recipe: The recipe of our loop and of the augmentation.
    """
    timer, times = LoopTimer(), LoopTimes()
    batch_size = recipe.batch_size
    pixels = images.astype("float32")[..., None]
    targets = np.eye(NUM_CLASSES, dtype="float32")[labels]
    rng = np.random.default_rng(0)
    fixed_batch = images[:batch_size, ..., None], targets[:batch_size]

    def step(num_images: int) -> None:
        for _ in range(num_images // batch_size):
            model.optimizer.learning_rate = 1e-3 * rng.random()  # our loop sets it at each step too
            model.train_on_batch(*fixed_batch, return_dict=True)

    def model_fit(num_images: int) -> None:
        model.fit(pixels[:num_images], targets[:num_images], batch_size=batch_size, epochs=1, verbose=0)

    def image_data_generator(num_images: int) -> None:
        generator = make_generator(recipe.augmentation)
        flow = generator.flow(pixels[:num_images], targets[:num_images], batch_size=batch_size)
        model.fit(flow, epochs=1, verbose=0)

    others = {function.__name__: function for function in (step, model_fit, image_data_generator)}
    start, start_cpu = time.perf_counter(), time.process_time()

    def on_epoch_end(epoch: Any) -> None:
        nonlocal start, start_cpu
        seconds = time.perf_counter() - start - timer.seconds["validation"]
        cpu_seconds = time.process_time() - start_cpu - timer.cpu_seconds["validation"]
        timer.is_active = False
        if epoch.epoch == 1:
            for method in others.values():
                method(WARMUP_STEPS * batch_size)
        else:
            times.add("ours", len(images), seconds, cpu_seconds)
            parts = {part: timer.seconds[part] for part in ("step", "wait")}
            parts["rest"] = seconds - sum(parts.values())
            for part, part_seconds in parts.items():
                times.shares[part].append(part_seconds / seconds)
            for name, method in others.items():
                start, start_cpu = time.perf_counter(), time.process_time()
                method(len(images))
                times.add(name, len(images), time.perf_counter() - start, time.process_time() - start_cpu)
        timer.restart()
        start, start_cpu = time.perf_counter(), time.process_time()

    model.train_on_batch = timer.measure_calls("step", model.train_on_batch)
    with (
        mock.patch.object(loop, "training_batches", timer.measure_batches(loop.training_batches)),
        mock.patch.object(loop, "predict", timer.measure_calls("validation", loop.predict)),
    ):
        loop.fit(model, images, labels, images[:256], labels[:256], recipe, 0, on_epoch_end=on_epoch_end)
    return times


def measure_step_seconds(model: keras.Model, images: np.ndarray, recipe: Recipe) -> float:
    """Return the seconds of a training step of a compiled model: the minimum of three after the first."""
    targets = np.resize(np.eye(NUM_CLASSES, dtype="float32"), (recipe.batch_size, NUM_CLASSES))
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        model.train_on_batch(images[: recipe.batch_size, ..., None], targets)
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def make_generator(augmentation: Augmentation) -> ImageDataGenerator:
    """Return the ImageDataGenerator with an augmentation's flips, rotations, shifts and zooms."""
    return ImageDataGenerator(
        rotation_range=augmentation.rotation,
        width_shift_range=augmentation.shift,
        height_shift_range=augmentation.shift,
        zoom_range=augmentation.zoom,
        horizontal_flip=augmentation.flip != 0,
        fill_mode="nearest",
    )


def run_ours_from_csv(folder: Path, name: str, recipe: Recipe, seed: int, cache_dir: Path) -> dict[str, float]:
    """Read fer2013.csv through an empty cache, train a model with our loop and predict the test images."""
    start = time.perf_counter()
    dataset = load("fer2013", DataConfig(folder, cache_dir))
    fold = next(official(dataset, seed))
    read = time.perf_counter()
    model = build_model(name, recipe, IMAGE_SHAPE, NUM_CLASSES)
    images, labels = dataset.images, dataset.labels
    training, validation = fold.training, fold.validation
    result = loop.fit(model, images[training], labels[training], images[validation], labels[validation], recipe, seed)
    predictions = loop.predict(model, images[fold.test])
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "read_seconds": read - start,
        "images": len(fold.training) * recipe.epochs,
        "validation_accuracy": max(epoch.validation_accuracy for epoch in result.history),
        "test_accuracy": float(np.mean(predictions.probabilities.argmax(1) == labels[fold.test])),
        "compile_seconds": result.compile_seconds,
        "train_seconds": sum(epoch.train_seconds for epoch in result.history),
    }


def run_generator_from_csv(folder: Path, name: str, recipe: Recipe, seed: int) -> dict[str, float]:
    """Do the same with pandas row by row, ImageDataGenerator and Model.fit, at the learning rates of our loop.

    It does less than our loop, which keeps the weights of the best epoch. Validation and prediction use batches of 32,
    the default of Keras.
    """
    start = time.perf_counter()
    table = pd.read_csv(folder / "fer2013.csv")
    images: dict[str, list[np.ndarray]] = {usage: [] for usage in USAGES}
    labels: dict[str, list[int]] = {usage: [] for usage in USAGES}
    for _, row in table.iterrows():
        images[row["Usage"]].append(np.array(row["pixels"].split(" "), "float32").reshape(*IMAGE_SHAPE, 1))
        labels[row["Usage"]].append(row["emotion"])
    x, validation_x, test_x = (np.array(split) for split in images.values())
    y, validation_y, test_y = (keras.utils.to_categorical(split, NUM_CLASSES) for split in labels.values())
    read = time.perf_counter()
    model = build_model(name, recipe, IMAGE_SHAPE, NUM_CLASSES)
    loop.compile_model(model, recipe)
    history = model.fit(
        make_generator(recipe.augmentation).flow(x, y, batch_size=recipe.batch_size, seed=seed),
        validation_data=(validation_x, validation_y),
        epochs=recipe.epochs,
        callbacks=[_LearningRates(recipe, len(x) // recipe.batch_size)],
        verbose=0,
    ).history
    probabilities = model.predict(test_x, verbose=0)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "read_seconds": read - start,
        "images": len(x) * recipe.epochs,
        "validation_accuracy": float(max(history["val_accuracy"])),
        "test_accuracy": float(np.mean(probabilities.argmax(1) == test_y.argmax(1))),
    }


class _LearningRates(keras.callbacks.Callback):
    """Sets the learning rate of our loop at every step, so that accuracies are comparable."""

    def __init__(self, recipe: Recipe, steps_per_epoch: int) -> None:
        super().__init__()
        num_steps = steps_per_epoch * recipe.epochs
        self._rates = [learning_rate(recipe, step, steps_per_epoch) for step in range(num_steps)]
        self._step = 0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = self._rates[min(self._step, len(self._rates) - 1)]
        self._step += 1
