"""Made-up records, written the way a sweep writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.evaluation.resampling import (
    NUM_RESAMPLES,
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_means,
)
from fer_bench.leaderboard.leaderboard import Leaderboard, compute_leaderboard
from fer_bench.leaderboard.published_results import PublishedResult
from fer_bench.records import heat_maps, load, robustness, write
from fer_bench.records.heat_maps import HeatMaps
from fer_bench.records.robustness import Robustness
from fer_bench.records.schema import BENCHMARK_VERSION, Costs, Epoch, Predictions, Record, TrainingCheck, Trial
from fer_bench.records.store import MODEL_FILE

CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SHARES = np.array([0.137, 0.015, 0.147, 0.245, 0.165, 0.116, 0.175])  # unequal, as in FER2013
MACHINE = {
    "processor": "Example CPU",
    "cores": 2,
    "memory_bytes": 8 * 2**30,
    "accelerator": None,
    "versions": {"keras": "3.15.0", "tensorflow": "2.21.0"},
}
PUBLISHED = PublishedResult(
    model="Their | Net",
    value=73.284,
    metric="accuracy",
    dataset="fer2013",
    protocol="the best epoch on test",
    views="ten-crop",
    badge="selected on test",
    source="Doe, 2020",
    url="https://example.org/doe",
    architecture="cnn",
    note="wider than ours",
)
RECIPE = {"precision": "float32", "epochs": 10, "batch_size": 64, "tta": 1}


def history(epochs: int, seed: int = 0) -> list[Epoch]:
    noise = np.random.default_rng(seed).normal(0, 0.015, (epochs, 2))
    return [
        Epoch(
            epoch=i,
            learning_rate=1e-3,
            loss=1.9 * np.exp(-0.12 * i),
            accuracy=min(0.99, 0.25 + 0.5 * (1 - np.exp(-0.15 * i))),
            validation_loss=1.9 * np.exp(-0.10 * i) + 0.02 * i + noise[i - 1, 0],
            validation_accuracy=0.25 + 0.38 * (1 - np.exp(-0.2 * i)) + noise[i - 1, 1],
            train_seconds=3.0,
            validation_seconds=0.5,
        )
        for i in range(1, epochs + 1)
    ]


def write_robustness(record: Path, **changes: Any) -> None:
    """Add accuracies under two corruptions to a record; their means are 0.375 and 0.625."""
    known = {"model": "cnn", "dataset": "fer2013", "protocol": "official", "uncorrupted": 0.6, "seed": 0, "tta": "1"}
    known |= {"accuracy": {"fog": {1: 0.5, 5: 0.25}, "snow": {1: 0.75, 5: 0.5}}, "versions": {}}
    known |= {"num_samples": 100, "num_test_images": 300}
    robustness.write(record / robustness.ROBUSTNESS_FILE, Robustness.model_validate(known | changes))


def write_heat_maps(record: Path, side: int = 48) -> None:
    """Add a kept model and its heat maps to a record: bright at the right for the first class, none for the last."""
    (record / MODEL_FILE).write_bytes(b"weights")
    heat = np.tile(np.linspace(0, 0.5, side), (side, 1)).tolist()
    known = {"model": "cnn", "dataset": "fer2013", "protocol": "official", "method": "grad-cam", "classes": CLASSES}
    known |= {"num_images": [3] * 6 + [0], "maps": [heat] * 6 + [[]], "deletion_marked": 0.12, "deletion_random": 0.03}
    heat_maps.write(record / heat_maps.HEAT_MAPS_FILE, HeatMaps.model_validate(known))


def made_up(samples: int, accuracy: float, seed: int) -> Predictions:
    """Return predictions of unequal classes with about this accuracy."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(7).choice(len(CLASSES), samples, p=SHARES).astype(np.int64)
    logits = rng.normal(0, 1, (samples, len(CLASSES)))
    correct = rng.random(samples) < accuracy
    winners = np.where(correct, labels, (labels + rng.integers(1, len(CLASSES), samples)) % len(CLASSES))
    logits[np.arange(samples), winners] += 5
    return _as_predictions(labels, np.exp(logits))


def exact(labels: list[int], predicted: list[int], classes: int = 3) -> Predictions:
    """Return predictions of exactly these classes, with probability 1."""
    return _as_predictions(np.array(labels), np.eye(classes)[predicted])


def _as_predictions(labels: np.ndarray, weights: np.ndarray) -> Predictions:
    probabilities = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return Predictions(np.array([f"i{i}" for i in range(len(labels))]), labels.astype(np.int64), probabilities)


def bootstrap_interval(
    values: np.ndarray, groups: np.ndarray | None = None, n_resamples: int = NUM_RESAMPLES
) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of the mean of values (samples,), or of each row's mean of values (rows, samples)."""
    samples = np.shape(values)[-1]
    weights = bootstrap_weights(samples if groups is None else groups, n_resamples)
    return percentile_interval(resampled_means(values, weights), num_resampling_units(samples, groups))


class RecordMaker:
    """Writes records into one results folder."""

    def __init__(self, results: Path):
        self.results = results

    def __call__(
        self,
        model: str = "cnn",
        seed: int = 0,
        *,
        dataset: str = "fer2013",
        protocol: str = "official",
        fold: int = 0,
        test: Predictions | None = None,
        validation: Predictions | None = None,
        accuracy: float = 0.6,
        samples: int = 300,
        recipe_name: str = "default",
        recipe: dict[str, Any] | None = None,
        weights: str = "random",
        backend: str = "tensorflow",
        source: str = "0" * 64,
        fingerprint: str = "f" * 64,
        status: str = "finished",
        reason: str = "",
        epochs: int = 10,
        seconds: float = 35.0,
        machine: dict[str, Any] = MACHINE,
        parameters: int | None = 1_330_000,
        split_notes: tuple[str, ...] = (),
        model_notes: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
        training_check: TrainingCheck | None = None,
        benchmark_version: int = BENCHMARK_VERSION,
    ) -> Path:
        """Write one record; without predictions, with made-up ones of about this accuracy."""
        trial = Trial(
            architecture=model,
            source_digest=source,
            dataset=dataset,
            fingerprint=fingerprint,
            protocol=protocol,
            fold=fold,
            recipe_name=recipe_name,
            recipe=RECIPE | (recipe or {}),
            initial_weights=weights,
            seed=seed,
            backend=backend,
            procedure_version=2,
        )
        finished = status == "finished"
        validation = validation or test or made_up(samples, accuracy, seed + 1000)
        test = test or made_up(samples, accuracy, seed)
        record = Record(
            trial=trial,
            status=status,
            reason=reason,
            started="2030-01-01T00:00:00Z",
            machine=machine,
            classes=CLASSES[: test.probabilities.shape[1]],
            samples={"training": 1000, "validation": len(validation.labels), "test": len(test.labels)},
            split_notes=list(split_notes),
            model_notes=list(model_notes),
            warnings=list(warnings),
            training_check=training_check,
            benchmark_version=benchmark_version,
            num_parameters=parameters,
            best_epoch=max(1, epochs - 2) if finished else None,
            history=history(epochs, seed),
            costs=Costs(
                build_seconds=1,
                compile_seconds=2,
                train_seconds=seconds - 5,
                validation_seconds=5,
                images_per_second=1234.5,
                predict_images_per_second=4000,
                peak_memory_bytes=2**30,
            )
            if finished
            else None,
        )
        return write(self.results, record, {"validation": validation, "test": test} if finished else {})


def leaderboard_of(make: RecordMaker) -> Leaderboard:
    """Return the leaderboard of the records that were made."""
    records = load(make.results)
    return compute_leaderboard(records, records.skipped)
