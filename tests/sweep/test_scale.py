"""Planning and resuming cost as much for each trial, however many are recorded."""

import os
import time

import pytest

from fer_bench import records
from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep import plan as planning
from fer_bench.sweep.pending import todo

MODELS = ["tiny", "tiny_dropout"]
EPOCH = {"learning_rate": 1e-3, "loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
HISTORY = [Epoch(epoch=number, **EPOCH, train_seconds=3.0, validation_seconds=0.5) for number in range(1, 31)]


@pytest.fixture
def recorded(plan_of, tmp_path, monkeypatch):
    """A results folder in which all trials of MODELS with so many seeds are recorded."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

    def make(seeds: int):
        results = tmp_path / str(seeds)
        known = {
            "started": "2025-01-01T00:00:00+00:00",
            "machine": {"cores": 2},
            "classes": ["no", "yes"],
            "samples": {},
        }
        for planned in plan_of(models=MODELS, seeds=list(range(seeds))).trials:
            records.write(results, Record(trial=planned.trial, status="diverged", history=HISTORY, **known), {})
        return results

    return make


def test_ten_times_the_records_cost_no_more_each(plan_of, recorded):
    def seconds(seeds: int) -> float:
        """Processor time from the request to what is left to do: the least of a few."""
        results, taken = recorded(seeds), []
        for _ in range(3):
            began = time.process_time()
            left = todo(plan_of(models=MODELS, seeds=list(range(seeds))), records.load(results))
            taken.append(time.process_time() - began)
            assert (len(left.missing), left.failed) == (0, 2 * seeds)
        return min(taken)

    few, many = seconds(100), seconds(1000)
    assert many < 25 * few  # ten, or less; each compared with all others would be a hundred
    assert many < 3.0  # half a second on a free core


def test_a_source_is_digested_once_for_all_its_trials(plan_of, monkeypatch):
    asked = []
    digest = planning.source_digest
    monkeypatch.setattr(planning, "source_digest", lambda name: asked.append(name) or digest(name))
    plan = plan_of(models=MODELS, seeds=list(range(50)))
    assert len(plan.trials) == 100 and sorted(asked) == MODELS
