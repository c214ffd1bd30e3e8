"""`--tracker mlflow`: one run per trial, at MLFLOW_TRACKING_URI or in RESULTS/mlflow.db.

`mlflow ui --backend-store-uri sqlite:///RESULTS/mlflow.db` shows that file.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from fer_bench.core.text import flatten
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.sweep.tracking.tracker import CURVES

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it logs each table that it creates
FILE, FOLDER = "mlflow.db", "mlflow"
MAX_PARAMETER_LENGTH = 500  # characters


def create(results: Path, experiment: str) -> MlflowTracker:
    """Return the tracker of an experiment; see `create_tracker`."""
    if address := os.environ.get("MLFLOW_TRACKING_URI"):
        return MlflowTracker(address, experiment)
    results = results.resolve()
    return MlflowTracker(f"sqlite:///{results / FILE}", experiment, (results / FOLDER).as_uri())


class MlflowTracker:
    """An experiment of MLflow, which is created if it does not exist.

    Args:
        address: Tracking URI of the server or the database.
        experiment: Name of the experiment.
        artifacts: URI of the folder for files; None leaves the choice to the server.
    """

    def __init__(self, address: str, experiment: str, artifacts: str | None = None) -> None:
        self._client = MlflowClient(tracking_uri=address)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment, artifacts)

    def start_run(self, trial: Trial) -> MlflowRun:
        return MlflowRun(self._client, self._experiment, trial)


class MlflowRun:
    """A run of MLflow: one trial."""

    def __init__(self, client: MlflowClient, experiment: str, trial: Trial) -> None:
        self._client = client
        self._id = client.create_run(experiment, run_name=str(trial), tags={"key": trial.key}).info.run_id
        parameters = trial.model_dump(exclude={"recipe"}) | flatten(trial.recipe, "recipe.")
        client.log_batch(
            self._id, params=[Param(key, str(value)[:MAX_PARAMETER_LENGTH]) for key, value in parameters.items()]
        )

    def log_epoch(self, epoch: Epoch) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, getattr(epoch, name), now, epoch.epoch) for name in CURVES]
        self._client.log_batch(self._id, metrics=metrics)

    def end(self, record: Record | None) -> None:
        if record is None:
            self._client.set_terminated(self._id, "KILLED")
            return
        self._client.log_text(self._id, record.model_dump_json(indent=1), "record.json")
        if record.reason:
            self._client.set_tag(self._id, "reason", record.reason)
        self._client.set_terminated(self._id, "FINISHED" if record.status == "finished" else "FAILED")
