"""`--tracker mlflow`: a run for each trial, at MLFLOW_TRACKING_URI or in RESULTS/mlflow.db.

`mlflow ui --backend-store-uri sqlite:///RESULTS/mlflow.db` shows the latter.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.sweep.tracking.tracker import CURVES, flat

logging.getLogger("mlflow").setLevel(logging.WARNING)  # it tells of each table that it makes
FILE, FOLDER = "mlflow.db", "mlflow"
LONGEST = 500  # characters of a parameter


def make(results: Path, experiment: str) -> Server:
    if address := os.environ.get("MLFLOW_TRACKING_URI"):
        return Server(address, experiment)
    results = results.resolve()
    return Server(f"sqlite:///{results / FILE}", experiment, (results / FOLDER).as_uri())


class Server:
    """An experiment of MLflow, made where it is not there; its files lie at `files`, None: where the server says."""

    def __init__(self, address: str, experiment: str, files: str | None = None) -> None:
        self._client = MlflowClient(tracking_uri=address)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment, files)

    def begins(self, trial: Trial) -> Run:
        return Run(self._client, self._experiment, trial)


class Run:
    """A run of MLflow."""

    def __init__(self, client: MlflowClient, experiment: str, trial: Trial) -> None:
        self._client = client
        self._id = client.create_run(experiment, run_name=str(trial), tags={"key": trial.key}).info.run_id
        told = trial.model_dump(exclude={"recipe"}) | flat(trial.recipe, "recipe.")
        client.log_batch(self._id, params=[Param(key, str(value)[:LONGEST]) for key, value in told.items()])

    def on_epoch_end(self, epoch: Epoch) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, getattr(epoch, name), now, epoch.epoch) for name in CURVES]
        self._client.log_batch(self._id, metrics=metrics)

    def on_trial_end(self, record: Record | None) -> None:
        if record is None:
            self._client.set_terminated(self._id, "KILLED")
            return
        self._client.log_text(self._id, record.model_dump_json(indent=1), "record.json")
        if record.reason:
            self._client.set_tag(self._id, "reason", record.reason)
        self._client.set_terminated(self._id, "FINISHED" if record.status == "finished" else "FAILED")
