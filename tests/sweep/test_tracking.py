"""Trackers are told what a sweep does, and are never in its way."""

import json
import sys
from pathlib import Path

import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.sweep.run import run
from fer_bench.sweep.tracking.tracker import CURVES, Tracking, tracker


@pytest.fixture
def plan(plan_of):
    return plan_of(models=["tiny", "tiny_nan"], epochs=3)


def tracked(name, plan, results, watcher):
    with Tracking(tracker(name, results, "faces"), watcher) as sweep:
        run(plan.trials, results, sweep)
        assert not sweep.open
    return {stored.record.trial.architecture: stored for stored in records.load(results)}


def test_tensorboard_has_the_curves_and_the_record(plan, tmp_path, watcher):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = tracked("tensorboard", plan, tmp_path, watcher)
    assert ("trial ends", "finished") in watcher.events and ("epoch", 3, 3) in watcher.events
    for name, stored in found.items():
        events = EventAccumulator(str(tmp_path / "tensorboard" / stored.path.name))
        events.Reload()
        history = stored.record.history
        if name == "tiny":
            assert set(events.Tags()["scalars"]) == set(CURVES)
            for curve in CURVES:
                told = [(event.step, event.value) for event in events.Scalars(curve)]
                assert told == [(e.epoch, pytest.approx(getattr(e, curve), rel=1e-6)) for e in history]
        (text,) = events.Tensors("record")
        told = json.loads(text.tensor_proto.string_val[0])
        assert told["status"] == stored.record.status and told["trial"]["architecture"] == name
    run(plan.trials[:1], tmp_path / "again", Tracking(tracker("tensorboard", tmp_path, "faces"), watcher))
    assert len(list((tmp_path / "tensorboard" / found["tiny"].path.name).iterdir())) == 1


def test_mlflow_has_the_curves_and_the_record(plan, tmp_path, watcher, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    found = tracked("mlflow", plan, tmp_path, watcher)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("faces").experiment_id
    runs = {run.data.params["architecture"]: run for run in client.search_runs([experiment])}
    assert runs["tiny"].info.status == "FINISHED" and runs["tiny_nan"].info.status == "FAILED"
    assert "the loss became nan" in runs["tiny_nan"].data.tags["reason"]
    history = found["tiny"].record.history
    for curve in CURVES:
        told = client.get_metric_history(runs["tiny"].info.run_id, curve)
        assert [(m.step, m.value) for m in told] == [(e.epoch, pytest.approx(getattr(e, curve))) for e in history]
    assert runs["tiny"].data.params["recipe.optimizer.name"] == "adamw"
    path = client.download_artifacts(runs["tiny"].info.run_id, "record.json", str(tmp_path))
    assert json.loads(Path(path).read_text())["status"] == "finished"


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_trial_that_was_interrupted_is_not_left_open(plan, tmp_path, watcher, monkeypatch, name):
    pytest.importorskip(name)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watcher, "step", pressed)
    with pytest.raises(KeyboardInterrupt):
        tracked(name, plan, tmp_path, watcher)
    if name == "mlflow":
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
        (run,) = client.search_runs([client.get_experiment_by_name("faces").experiment_id])
        assert run.info.status == "KILLED"


class Broken:
    """A tracker whose server is down."""

    def begins(self, trial):
        return self

    def on_epoch_end(self, epoch):
        raise ConnectionError("the server is down")

    on_trial_end = on_epoch_end


def test_a_tracker_that_fails_costs_no_trial(plan, tmp_path, watcher, caplog):
    with Tracking(Broken(), watcher) as sweep:
        run(plan.trials, tmp_path, sweep)
    assert len(records.load(tmp_path)) == 2
    assert "The tracker failed: ConnectionError: the server is down" in caplog.text


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_library_that_is_missing_is_said(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"fer_bench.sweep.tracking.{name}", raising=False)
    for module in [m for m in sys.modules if m.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(UserError, match=f"--tracker {name} needs .*pip install 'fer-bench"):
        tracker(name, tmp_path, "faces")
