"""Fixtures of the sweep's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fer_bench.config.experiment import Experiment
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.plan import Plan, make_plan


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
