"""Fixtures that several folders of tests share. No test reads real data, the user's caches or the network."""

from __future__ import annotations

import gc
import os
import sys

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from fer_bench.config.recipe import resolve
from fer_bench.datasets import synthetic, synthetic_sequences
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.registry import folds
from fer_bench.records.schema import Trial
from fer_bench.registry.architectures import ARCHITECTURES, source_digest
from fer_bench.training import weights
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

# Networks that train in a second, and networks that fail, each in its own way.
TINY_ARCHITECTURES = '''
import keras
from keras import layers

from fer_bench import register_architecture


def _dense(inputs, recipe):
    return layers.Dense(recipe.classes, name="logits")(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))


@register_architecture("tiny", family="test")
def tiny(inputs, recipe):
    """One dense layer."""
    return _dense(inputs, recipe)


@register_architecture("tiny_dropout", family="test", recipe={"optimizer": {"learning_rate": 0.01}})
def tiny_dropout(inputs, recipe):
    """One dense layer behind dropout."""
    return _dense(layers.Dropout(0.2)(inputs), recipe)


@register_architecture("tiny_raising", family="test")
def tiny_raising(inputs, recipe):
    """Cannot be built."""
    raise ValueError("no room for this layer [/job:localhost]")


@register_architecture("tiny_nan", family="test")
def tiny_nan(inputs, recipe):
    """Returns NaN."""
    return layers.Lambda(lambda x: x * float("nan"))(_dense(inputs, recipe))


@register_architecture("tiny_misshapen", family="test")
def tiny_misshapen(inputs, recipe):
    """Returns a feature map instead of logits."""
    return layers.Conv2D(4, 3)(inputs)
'''


@pytest.fixture(scope="session", autouse=True)
def _separate_cache(tmp_path_factory) -> Iterator[None]:
    """All processes of the tests share a cache, so that the synthetic faces are drawn once."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FER_BENCH_CACHE", str(folder / "shared-cache"))
        patch.delenv("FER_BENCH_WEIGHTS", raising=False)
        yield


@pytest.fixture
def few_synthetic_samples(tmp_path_factory, monkeypatch) -> None:
    """Draw 49 samples of each synthetic dataset, in a cache of their own, because drawing all takes seconds."""
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    for module in (synthetic, synthetic_sequences):
        monkeypatch.setattr(module, "draw_dataset", partial(module.draw_dataset, 7))


@pytest.fixture
def empty_figures(monkeypatch) -> None:
    """Write empty image files: figures take most of a report's time. `tests/report` draws all of them."""
    monkeypatch.setattr("fer_bench.report.figures.fit_layout", lambda *_: None)
    monkeypatch.setattr("fer_bench.report.figure_layout.to_image_files", lambda figure: {"png": b"", "svg": b""})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first, so that no process runs them alone at the end."""
    items.sort(key=lambda item: item.path.name != "test_jax_backend.py")


@pytest.fixture(scope="module", autouse=True)
def _freeze_objects_of_earlier_modules() -> None:
    """Exclude them from garbage collection: each trial ends with full collections, which would visit all of them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_download() -> Iterator[None]:
    """Each test searches for weights anew and downloads none."""

    def reset() -> None:
        weights._find.cache_clear()
        weights.file_digest.cache_clear()
        weights._unreachable[:] = ["tests download nothing"]

    reset()
    yield
    reset()


@pytest.fixture(autouse=True)
def _no_cached_model() -> Iterator[None]:
    """No test reuses the compiled model of another, which may have registered something else under its name."""
    yield
    if cache := sys.modules.get("fer_bench.training.compiled_model_cache"):
        cache._last.clear()  # not clear(), whose garbage collection after each test would take minutes


@pytest.fixture(scope="module")
def tiny_architectures(tmp_path_factory) -> Iterator[Path]:
    """Register the tiny architectures for one module of tests, and return their file."""
    file = tmp_path_factory.mktemp("outside") / "tiny_networks.py"
    file.write_text(TINY_ARCHITECTURES)
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(file)
        yield file


def make_dataset(counts: tuple[int, int, int] = (60, 21, 18), side: int = 12) -> Dataset:
    """Return `counts` images per split of three classes, which differ in the third that is bright."""
    rng = np.random.default_rng(7)
    total = sum(counts)
    labels = np.arange(total, dtype=np.int64) % 3
    bright = np.arange(side) * 3 // side == labels[:, None]  # (total, side) rows
    images = rng.normal(80 + 100 * bright[:, :, None], 25, (total, side, side))
    return Dataset(
        name="made",
        images=np.clip(images, 0, 255).astype(np.uint8),
        labels=labels,
        ids=np.array([f"made-{i:03d}" for i in range(total)]),
        classes=("top", "middle", "bottom"),
        fingerprint="made-fingerprint",
        split=np.repeat(np.arange(3, dtype=np.int8), counts),
    )


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return make_dataset()


@pytest.fixture
def trial_of() -> Callable[..., Trial]:
    """Return a trial on the made dataset: `trial_of("tiny", seed=1, epochs=2)`."""

    def make(architecture: str, seed: int = 0, **recipe) -> Trial:
        quick = {"epochs": 2, "batch_size": 16, "optimizer": {"learning_rate": 0.02}}
        return Trial(
            architecture=architecture,
            source_digest=source_digest(architecture) if architecture in ARCHITECTURES else "0" * 64,
            dataset="made",
            fingerprint="made-fingerprint",
            protocol="official",
            fold=0,
            recipe_name="default",
            recipe=resolve(quick, recipe).model_dump(mode="json"),
            initial_weights="random",
            seed=seed,
            backend="tensorflow",
            procedure_version=2,
        )

    return make


@pytest.fixture
def planned_of(trial_of, dataset) -> Callable[..., PlannedTrial]:
    """Return a planned trial on the made dataset: `planned_of("tiny", seed=1, epochs=2)`."""

    def make(architecture: str, seed: int = 0, **recipe) -> PlannedTrial:
        trial = trial_of(architecture, seed, **recipe)
        file = ARCHITECTURES.get(architecture).file
        return PlannedTrial(trial, dataset, folds("official", dataset, seed=0)[0], file)

    return make


class RecordingCallback(Callback):
    """Records the events of a sweep."""

    def __init__(self) -> None:
        self.events: list[tuple] = []

    def on_sweep_end(self, stop_reason) -> None:
        self.events.append(("sweep end", stop_reason))

    def on_trial_begin(self, planned) -> None:
        self.events.append(("trial begin", planned.trial.architecture, planned.number, planned.total))

    def on_trial_delegated(self, planned) -> None:
        self.events.append(("trial delegated", planned.trial.architecture))

    def on_step_end(self, planned, step, steps, loss) -> None:
        self.events.append(("step", step, steps))

    def on_epoch_end(self, planned, epoch) -> None:
        self.events.append(("epoch", epoch.epoch, planned.trial.recipe["epochs"]))

    def on_trial_end(self, planned, record) -> None:
        self.events.append(("trial end", record.status))


@pytest.fixture
def callback() -> RecordingCallback:
    return RecordingCallback()
