"""Small records that several folders of tests share."""

from __future__ import annotations

import numpy as np

from fer_bench.records.schema import Costs, Epoch, Predictions, Record, Trial

COSTS = Costs(
    build_seconds=1,
    compile_seconds=2,
    train_seconds=30,
    validation_seconds=5,
    images_per_second=123.5,
    predict_images_per_second=None,
    peak_memory_bytes=2**30,
)


def make_epoch(number: int, validation_accuracy: float) -> Epoch:
    return Epoch(
        epoch=number,
        learning_rate=1e-7,
        loss=1 / 3,
        accuracy=0.9,
        validation_loss=1,
        validation_accuracy=validation_accuracy,
        train_seconds=15,
        validation_seconds=2.5,
    )


def make_trial(seed: int = 0) -> Trial:
    return Trial(
        architecture="cnn",
        source_digest="a" * 64,
        dataset="made",
        fingerprint="b" * 64,
        protocol="official",
        fold=0,
        recipe_name="default",
        recipe={"epochs": 1, "precision": "float32"},
        initial_weights="random",
        seed=seed,
        backend="tensorflow",
        procedure_version=2,
    )


def make_record(seed: int = 0, **changes) -> Record:
    known = {"trial": make_trial(seed), "status": "finished", "started": "2025-01-01T00:00:00+00:00"}
    known |= {"machine": {"cores": 2}, "classes": ["no", "yes"], "samples": {"training": 2}}
    return Record(**{**known, **changes})


def make_predictions(count: int = 5, seed: int = 0) -> dict[str, Predictions]:
    rng = np.random.default_rng(seed)
    first = rng.random((count, 1), np.float32)
    validation = Predictions(
        ids=np.array([f"made-{i}" for i in range(count)]),
        labels=rng.integers(0, 2, count),
        probabilities=np.concatenate([first, 1 - first], axis=1),
    )
    test = Predictions(validation.ids[::-1], validation.labels[::-1], validation.probabilities[::-1])
    return {"validation": validation, "test": test}
