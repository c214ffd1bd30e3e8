"""One call plans, runs and reports a benchmark."""

import gc
import weakref
from io import StringIO

import pytest
from rich.console import Console

import fer_bench
from fer_bench import runner
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.records import Records
from fer_bench.records.schema import Record
from fer_bench.records.store import StoredRecord


@pytest.fixture
def benchmark(dataset, tiny_architectures, tmp_path, empty_figures):
    """Run a benchmark of tiny networks: `benchmark(["tiny"], seeds=2)`; returns its result and what it prints."""
    with DATASETS.temporary():

        @DATASETS.register("made", title="made images", source="the tests")
        def load_made(data_config: DataConfig):
            """Three classes of made images."""
            return dataset

        def make(models, **options):
            out = StringIO()
            result = fer_bench.run_benchmark(
                models,
                ["made"],
                recipe={"epochs": 1, "batch_size": 32},
                data_dir=tmp_path / "data",
                results_dir=tmp_path / "results",
                console=Console(file=out, width=300),
                **{"executor": "in-process", "seeds": 1} | options,
            )
            return result, out.getvalue()

        yield make


def test_a_benchmark_returns_its_leaderboard_and_records_and_resumes(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "missing_figures_note", lambda leaderboard: "Some rows have no figures.")
    result, printed = benchmark(["tiny", "tiny_raising"])
    assert dict(zip(result.leaderboard["model"], result.leaderboard["status"], strict=True)) == {
        "tiny": "finished",
        "tiny_raising": "failed",
    }
    assert result.leaderboard.set_index("model")["accuracy"]["tiny"] > 0
    assert sorted(record.trial.architecture for record in result.records) == ["tiny", "tiny_raising"]
    assert [record.trial.architecture for record in result.failed] == ["tiny_raising"]
    assert "1 trial failed" in printed and "Some rows have no figures." in printed
    assert (tmp_path / "results" / "leaderboard.csv").is_file()

    again, printed = benchmark(["tiny", "tiny_raising"])
    assert again.records == result.records and "2 recorded already" in printed and "to run" not in printed
    assert again.leaderboard.equals(result.leaderboard)

    other, _ = benchmark(["tiny"], seeds=2, targets=[0.01])
    assert other.leaderboard.set_index("model")["reached_1"]["tiny"] == "2 of 2"
    assert len(other.records) == 2 and other.failed == []  # of this request only
    assert list(other.leaderboard["model"]) == ["tiny", "tiny_raising"]  # the whole table


def test_a_wrong_request_is_an_error_before_any_training(benchmark, tmp_path):
    with pytest.raises(fer_bench.UserError, match="Did you mean 'tiny"):
        benchmark(["tinny"])
    with pytest.raises(fer_bench.UserError, match="target"):
        benchmark(["tiny"], targets=[60])
    assert not (tmp_path / "results").exists()


def test_known_records_are_released_while_trials_run(benchmark, tmp_path, trial_of, monkeypatch):
    """Otherwise the garbage collection of every trial would visit them."""
    known = {"status": "failed", "reason": "x", "started": "2025-01-01T00:00:00+00:00", "samples": {}, "machine": {}}
    loaded, alive = [], []

    def load(results):
        stored = StoredRecord(Record(trial=trial_of("cnn"), classes=["no", "yes"], **known), tmp_path)
        loaded.append(weakref.ref(stored))
        return Records({stored.record.trial.key: stored})

    def run(*_):
        gc.collect()
        alive.extend(reference() for reference in loaded)
        return "first_failure"

    monkeypatch.setattr(runner.records, "load", load)
    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(runner, "_report", lambda *_: None)
    benchmark(["tiny"])
    assert alive == [None]
