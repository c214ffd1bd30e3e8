"""Trackers receive the curves and the record of each trial, and never fail a trial."""

import json
import sys
from pathlib import Path

import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.sweep.run import run
from fer_bench.sweep.tracking.tracker import CURVES, TrackerCallback, create_tracker
from fer_bench.training.callback import Callback


@pytest.fixture
def plan(plan_of):
    return plan_of(models=["tiny", "tiny_nan"], epochs=2)


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def run_tracked(instant_executor):
    """Run trials with a tracker; return their records by architecture."""

    def make(tracker, trials, results, *callbacks):
        run(trials, results, [TrackerCallback(tracker), *callbacks], executor=instant_executor)
        return {stored.record.trial.architecture: stored for stored in records.load(results)}

    return make


def expected_curve(history, curve):
    return [(epoch.epoch, pytest.approx(getattr(epoch, curve), rel=1e-6)) for epoch in history]


def test_tensorboard_has_the_curves_and_the_record(plan, tmp_path, run_tracked):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = run_tracked(create_tracker("tensorboard", tmp_path, "faces"), plan.trials, tmp_path)
    for name, stored in found.items():
        events = EventAccumulator(str(tmp_path / "tensorboard" / stored.path.name))
        events.Reload()
        if name == "tiny":
            assert set(events.Tags()["scalars"]) == set(CURVES)
            for curve in CURVES:
                logged = [(event.step, event.value) for event in events.Scalars(curve)]
                assert logged == expected_curve(stored.record.history, curve)
        (text,) = events.Tensors("record")
        logged = json.loads(text.tensor_proto.string_val[0])
        assert logged["status"] == stored.record.status and logged["trial"]["architecture"] == name
    folder = tmp_path / "tensorboard" / found["tiny"].path.name
    create_tracker("tensorboard", tmp_path, "faces").start_run(plan.trials[0].trial).end(None)
    assert len(list(folder.iterdir())) == 1  # a new run of a trial replaces the earlier one


def mlflow_runs(folder):
    """Return the MLflow client and the runs of the experiment by architecture."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("faces").experiment_id
    return client, {run.data.params["architecture"]: run for run in client.search_runs([experiment])}


def test_mlflow_has_the_curves_and_the_record(plan, tmp_path, run_tracked):
    pytest.importorskip("mlflow")
    found = run_tracked(create_tracker("mlflow", tmp_path, "faces"), plan.trials, tmp_path)
    client, runs = mlflow_runs(tmp_path)
    assert runs["tiny"].info.status == "FINISHED" and runs["tiny_nan"].info.status == "FAILED"
    assert "the loss became nan" in runs["tiny_nan"].data.tags["reason"]
    for curve in CURVES:
        logged = client.get_metric_history(runs["tiny"].info.run_id, curve)
        assert [(m.step, m.value) for m in logged] == expected_curve(found["tiny"].record.history, curve)
    assert runs["tiny"].data.params["recipe.optimizer.name"] == "adamw"
    path = client.download_artifacts(runs["tiny"].info.run_id, "record.json", str(tmp_path))
    assert json.loads(Path(path).read_text())["status"] == "finished"


def test_mlflow_shows_an_interrupted_trial_as_killed(plan, tmp_path):
    pytest.importorskip("mlflow")
    callback = TrackerCallback(create_tracker("mlflow", tmp_path, "faces"))
    callback.on_trial_begin(plan.trials[0])
    callback.on_sweep_end("interrupted")
    assert mlflow_runs(tmp_path)[1]["tiny"].info.status == "KILLED"


class FakeTracker:
    """Records its calls; raises in those that are named."""

    def __init__(self, *failing):
        self.calls, self._failing = [], failing

    def start_run(self, trial):
        self._call("start_run")
        return self

    def log_epoch(self, epoch):
        self._call("log_epoch")

    def end(self, record):
        self._call("end", record and record.status)

    def _call(self, name, *details):
        self.calls.append((name, *details))
        if name in self._failing:
            raise ConnectionError("the server is down")


def test_an_interrupted_trial_is_ended(plan, tmp_path, run_tracked):
    class Interrupt(Callback):
        def on_step_end(self, planned, step, steps, loss):
            raise KeyboardInterrupt

    tracker = FakeTracker()
    with pytest.raises(KeyboardInterrupt):
        run_tracked(tracker, plan.trials, tmp_path, Interrupt())
    assert tracker.calls == [("start_run",), ("end", None)]


@pytest.mark.parametrize("failing", ["start_run", "log_epoch", "end"])
def test_a_tracker_that_fails_fails_no_trial(plan, tmp_path, run_tracked, caplog, failing):
    found = run_tracked(FakeTracker(failing), plan.trials[:1], tmp_path)
    assert found["tiny"].record.status == "finished"
    assert "the server is down" in caplog.text


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_library_is_an_error_with_advice(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"fer_bench.sweep.tracking.{name}", raising=False)
    for module in [m for m in sys.modules if m.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(UserError, match="pip install"):
        create_tracker(name, tmp_path, "faces")
