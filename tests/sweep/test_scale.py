"""Planning and resuming do the same work per trial, however many trials are recorded."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from fer_bench import records
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.sweep import resolved_pair
from fer_bench.sweep.pending import find_pending

MODELS = ["tiny", "tiny_dropout"]
EPOCH = {"learning_rate": 1e-3, "loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
HISTORY = [Epoch(epoch=number, **EPOCH, train_seconds=3.0, validation_seconds=0.5) for number in range(1, 4)]
RECORD = {"started": "2025-01-01T00:00:00+00:00", "machine": {"cores": 2}, "classes": ["no", "yes"], "samples": {}}


@pytest.fixture
def resume(plan_of, tmp_path, monkeypatch):
    """Record all trials of MODELS with some seeds; return a function that plans them again and finds the pending."""
    monkeypatch.setattr(os, "fsync", lambda file: None)

    def make(seeds: int):
        results = tmp_path / str(seeds)
        for planned in plan_of(models=MODELS, seeds=list(range(seeds))).trials:
            records.write(results, Record(trial=planned.trial, status="diverged", history=HISTORY, **RECORD), {})

        def run():
            pending = find_pending(plan_of(models=MODELS, seeds=list(range(seeds))), records.load(results))
            assert (len(pending.trials), pending.num_failed) == (0, 2 * seeds)

        return run

    return make


def test_resuming_reads_each_record_once_and_hashes_each_trial_once_per_side(resume, monkeypatch):
    run = resume(20)
    count = Counter()
    read_bytes, key = Path.read_bytes, Trial.key.fget

    def counted_read(path):
        count[path.name] += 1
        return read_bytes(path)

    def counted_key(trial):
        count["key"] += 1
        return key(trial)

    monkeypatch.setattr(Path, "read_bytes", counted_read)
    monkeypatch.setattr(Trial, "key", property(counted_key))
    run()
    assert count["record.json"] == 40 and count["predictions.npz"] == 0
    assert count["key"] == 80  # of the planned trials and of the recorded ones


def test_ten_times_the_records_take_ten_times_the_calls(resume):
    def num_calls(seeds: int) -> int:
        run, calls = resume(seeds), 0

        def count(frame, event, argument):
            nonlocal calls
            calls += event == "call"

        sys.setprofile(count)
        try:
            run()
        finally:
            sys.setprofile(None)
        return calls

    few, many = num_calls(10), num_calls(100)
    assert many <= 10 * few  # if each were compared with all others, there would be a hundred times as many


def test_a_source_file_is_digested_once_for_all_its_trials(plan_of, monkeypatch):
    digested = []
    digest = resolved_pair.source_digest
    monkeypatch.setattr(resolved_pair, "source_digest", lambda name: digested.append(name) or digest(name))
    plan = plan_of(models=MODELS, seeds=list(range(50)))
    assert len(plan.trials) == 100 and sorted(digested) == MODELS
