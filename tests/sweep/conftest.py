"""Fixtures of the sweep's tests."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import numpy as np
import pytest

from fer_bench.config.experiment import Experiment
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.records.schema import Epoch, Predictions, Record
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.executors.executor import Executor, TrialResult
from fer_bench.sweep.plan import Plan, make_plan
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial


@pytest.fixture
def made(dataset: Dataset, tiny_architectures: Path) -> Iterator[None]:
    """Register the made dataset beside the tiny architectures."""
    with DATASETS.temporary():

        @DATASETS.register("made", title="made images", source="the tests")
        def load_made(data_config: DataConfig) -> Dataset:
            """Three classes of made images."""
            return dataset

        yield


@pytest.fixture
def plan_of(made: None, tmp_path: Path) -> Callable[..., Plan]:
    """The plan of an experiment on the made dataset: `plan_of(models=["tiny"], seeds=[0, 1], epochs=2)`."""

    def make(
        models: list[str],
        seeds: list[int] | None = None,
        per_model: dict | None = None,
        recipes: list[str] | None = None,
        **recipe,
    ) -> Plan:
        experiment = Experiment(
            name="tests",
            models=models,
            datasets=["made"],
            seeds=seeds or [0],
            recipes=recipes or ["default"],
            recipe={"epochs": 1, "batch_size": 32, **recipe},
            per_model=per_model or {},
        )
        return make_plan(experiment, DataConfig(tmp_path / "data", tmp_path / "cache"), None, "tensorflow")

    return make


@pytest.fixture
def scanned(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Register a file of architectures for one test."""

    def scan(text: str) -> Path:
        file = tmp_path / "more_networks.py"
        file.write_text("from fer_bench import register_architecture\n" + text)
        ARCHITECTURES.scan(file)
        return file

    with ARCHITECTURES.temporary():
        yield scan


@pytest.fixture
def instant_executor() -> Executor:
    """Make up the results of trials without training: "tiny_raising" fails, "tiny_nan" diverges, others finish."""

    def run_trials(queue: TrialQueue, callback: Callback) -> Generator[TrialResult, None, None]:
        while (planned := queue.pop_ready()) is not None:
            callback.on_trial_begin(planned)
            yield _made_up_result(planned, callback)

    return run_trials


def _made_up_result(planned: PlannedTrial, callback: Callback) -> TrialResult:
    dataset, fold = planned.dataset, planned.fold
    record = Record(
        trial=planned.trial,
        status="failed",
        reason="ValueError: no room for this layer [/job:localhost]",
        started="2025-01-01T00:00:00+00:00",
        machine={"cores": 1},
        classes=list(dataset.classes),
        samples=fold.sizes,
    )
    if planned.trial.architecture == "tiny_raising":
        return TrialResult(planned, record, {})
    rates = {"learning_rate": 1e-3, "loss": 1.0, "accuracy": 0.5, "validation_loss": 1.0, "validation_accuracy": 0.5}
    history = []
    for number in range(1, planned.trial.recipe["epochs"] + 1):
        callback.on_step_end(planned, 1, 1, 1.0)
        if planned.trial.architecture == "tiny_nan":
            changes = {"status": "diverged", "reason": "the loss became nan in epoch 1, step 1 of 1"}
            return TrialResult(planned, record.model_copy(update=changes), {})
        history.append(Epoch(epoch=number, **rates, train_seconds=1.0, validation_seconds=0.1))
        callback.on_epoch_end(planned, history[-1])
    rng = np.random.default_rng(planned.trial.seed)
    predictions = {}
    for split in ("validation", "test"):
        indices = getattr(fold, split)
        probabilities = rng.dirichlet(np.ones(len(dataset.classes)), len(indices)).astype(np.float32)
        predictions[split] = Predictions(dataset.ids[indices], dataset.labels[indices], probabilities)
    changes = {"status": "finished", "reason": "", "history": history, "best_epoch": 1}
    return TrialResult(planned, record.model_copy(update=changes), predictions)
