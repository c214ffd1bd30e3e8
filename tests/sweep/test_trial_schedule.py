"""How many trials run at a time, and in which order."""

from types import SimpleNamespace

import pytest

from fer_bench.core.errors import UserError
from fer_bench.sweep import parallelism, schedule
from fer_bench.sweep.executors.in_process import run_in_process
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.parallelism import ParallelThenSerial
from fer_bench.sweep.schedule import ExecutionContext, probe_machine, schedule_trials

CORES = [0, 1, 2, 3]


@pytest.fixture
def schedule_of(plan_of, tmp_path, monkeypatch):
    """Schedule two seeds of two models on a machine of four cores where `tiny` gains from concurrency."""
    monkeypatch.setattr(schedule, "available_cores", lambda: CORES)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    trials = plan_of(models=["tiny_dropout", "tiny"], seeds=[0, 1]).trials
    speedups = {parallelism._kind(trials[0]): 0.9, parallelism._kind(trials[1]): 1.5}
    monkeypatch.setattr(schedule, "measure_speedups", lambda *_: speedups)
    echoed = []

    def make(accelerator="none", memory_bytes=2**40, num_trials=4, **options):
        machine = {"accelerator": accelerator, "memory_bytes": memory_bytes}
        context = ExecutionContext(machine, SimpleNamespace(), None)
        made = schedule_trials(trials[:num_trials], SweepOptions(**options), context, tmp_path, echoed.append)
        return made, [planned.trial.architecture for planned in made.trials], echoed

    return make


PLAN_ORDER = ["tiny_dropout", "tiny", "tiny_dropout", "tiny"]


def test_trials_that_gain_run_concurrently_and_first(schedule_of):
    made, order, echoed = schedule_of()
    assert order == ["tiny", "tiny", "tiny_dropout", "tiny_dropout"]
    assert isinstance(made.executor, ParallelThenSerial) and made.executor.num_parallel == 2
    assert (made.concurrency, made.slowdown) == (4, 4)
    assert "tiny." in echoed[0] and "--exclusive" in echoed[0]


@pytest.mark.parametrize(
    ("options", "concurrency", "slowdown"),
    [
        ({"jobs": 1}, 1, 1),
        ({"jobs": 2}, 2, 2),  # each on half of the cores
        ({"jobs": 4, "accelerator": "A, B"}, 4, 2),  # two trials share one accelerator
        ({"accelerator": "A, B"}, 2, 1),
        ({"accelerator": "A, B", "devices_per_trial": 2}, 1, 1),
        ({"budget": 60.0}, 1, 1),  # a budget keeps the plan's order
        ({"memory_bytes": 2**30}, 1, 1),
        ({"num_trials": 1}, 1, 1),
        ({"executor": "in-process"}, 1, 1),
    ],
)
def test_otherwise_trials_keep_the_order_of_the_plan(schedule_of, options, concurrency, slowdown):
    made, order, echoed = schedule_of(**options)
    assert order == PLAN_ORDER[: len(order)] and not echoed
    assert (made.concurrency, made.slowdown) == (concurrency, slowdown)
    assert (made.executor is run_in_process) == (options.get("executor") == "in-process")


@pytest.mark.parametrize(
    "options",
    [{"executor": "in-process"}, {"backend": "tensorflow"}, {"backend": "jax"}],
    ids=["no worker processes", "not on TensorFlow", "uneven batches"],
)
def test_trials_that_cannot_share_devices_are_refused_before_anything_starts(plan_of, options):
    trials = plan_of(models=["tiny"], batch_size=32).trials
    with pytest.raises(UserError, match=r"devices|images per batch"):
        probe_machine(trials, [], SweepOptions(devices_per_trial=3, **options))
