"""Fixtures. pytest puts the folder of this file on sys.path: tests in folders below find made_up_models.py."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_models import CLASSES, SIZE, thirds

from fer_bench import records
from fer_bench.records.kept_models import describe_model
from fer_bench.records.schema import Predictions, Record


@pytest.fixture
def keep(trial_of, tmp_path):
    """Write a record whose model sees the bright third, with a validation accuracy and the model if it is kept."""

    def write(seed=0, accuracy=1.0, saved=True, order=(0, 1, 2), architecture="tiny", **changes):
        trial = trial_of("tiny", seed).model_copy(update={"architecture": architecture, "dataset": "made", **changes})
        labels = np.arange(20) % 3
        wrong = np.arange(20) >= round(20 * accuracy)
        probabilities = np.eye(3, dtype=np.float32)[(labels + wrong) % 3]
        predictions = {
            split: Predictions(np.arange(20).astype(str), labels, probabilities) for split in ("validation", "test")
        }
        known = {"status": "finished", "started": "2025-01-01", "machine": {}, "samples": {"training": 100}}
        record = Record(trial=trial, classes=CLASSES, **known)
        file = None
        if saved:
            file = tmp_path / "trained.keras"
            thirds(order=order, softmax=False).save(file)
        info = describe_model(record, predictions, (SIZE, SIZE), "all") if saved else None
        return records.write(tmp_path / "results", record, predictions, file, info)

    return write
