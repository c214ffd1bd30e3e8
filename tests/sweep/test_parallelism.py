"""Trials run concurrently if that was measured to be faster; each kind is measured once."""

from types import SimpleNamespace
from typing import ClassVar

import pytest

from fer_bench.sweep import calibrate, parallelism
from fer_bench.sweep.executors.executor import TrialResult
from fer_bench.sweep.parallelism import ParallelThenSerial, measure_speedups, order_by_speedup
from fer_bench.sweep.queue import TrialQueue, number_trials

MACHINE = {"processor": "made", "cores": 2, "accelerator": "none"}
SPEEDS = {"tiny": (100.0, 70.0), "tiny_dropout": (100.0, 40.0)}  # images/s alone, and each of two concurrent trials


def estimator_of(seconds):
    """An estimator that expects the same seconds of every trial."""
    return SimpleNamespace(seconds=lambda planned: seconds)


class FakeExecutor:
    """Takes all trials of its queue and returns records with made-up speeds."""

    calls: ClassVar[list[tuple[int, list]]] = []

    def __init__(self, concurrency):
        self.concurrency = concurrency

    def __call__(self, queue, callback):
        trials = list(iter(queue.pop_ready, None))
        self.calls.append((self.concurrency, trials))
        for planned in trials:
            callback.on_trial_begin(planned)
            speed = SPEEDS[planned.trial.architecture][self.concurrency - 1]
            yield TrialResult(planned, SimpleNamespace(costs=SimpleNamespace(images_per_second=speed)), {})


@pytest.fixture
def measure(tmp_path):
    FakeExecutor.calls = []

    def make(trials, machine=MACHINE, seconds=3600.0):
        echoed = []
        speedups = measure_speedups(trials, 2, machine, estimator_of(seconds), tmp_path, echoed.append, FakeExecutor)
        return speedups, echoed

    return make


def test_trials_that_gain_run_first_and_concurrently(plan_of, measure):
    trials = plan_of(models=["tiny_dropout", "tiny"], seeds=[0, 1]).trials
    speedups, echoed = measure(trials)
    assert sorted(speedups.values()) == [pytest.approx(0.8), pytest.approx(1.4)]
    assert len(echoed) == 1 and "tiny_dropout, tiny" in echoed[0]
    ordered, num_parallel = order_by_speedup(trials, speedups)
    assert [planned.trial.architecture for planned in ordered] == ["tiny", "tiny", "tiny_dropout", "tiny_dropout"]
    assert num_parallel == 2 and sorted(map(id, ordered)) == sorted(map(id, trials))


def test_speedups_are_measured_with_a_few_steps_and_remembered(plan_of, measure):
    trials = plan_of(models=["tiny"], seeds=[0, 1], epochs=30, batch_size=2).trials
    speedups, _ = measure(trials)
    assert [(concurrency, len(run)) for concurrency, run in FakeExecutor.calls] == [(1, 1), (2, 2)]
    short = FakeExecutor.calls[0][1][0]
    assert short.trial.recipe["epochs"] == 1 and len(short.fold.training) == calibrate.NUM_STEPS * 2
    assert measure(trials) == (speedups, []) and len(FakeExecutor.calls) == 2
    _, echoed = measure(trials, machine=MACHINE | {"processor": "another"})
    assert echoed and len(FakeExecutor.calls) == 4


def test_short_and_single_trials_are_not_measured(plan_of, measure):
    trials = plan_of(models=["tiny"], seeds=[0, 1]).trials
    for seconds, some in ((100.0, trials), (None, trials), (3600.0, trials[:1])):
        speedups, echoed = measure(some, seconds=seconds)
        assert (speedups, echoed, FakeExecutor.calls) == ({}, [], [])
        assert order_by_speedup(some, speedups) == (some, 0)


def test_the_first_trials_go_to_the_parallel_executor_and_the_others_to_the_serial_one(plan_of, tmp_path, callback):
    trials = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1]).trials
    ordered, num_parallel = order_by_speedup(trials, {parallelism._kind(trials[0]): 1.5})
    FakeExecutor.calls = []
    executor = ParallelThenSerial(num_parallel, FakeExecutor(2), FakeExecutor(1))
    results = list(executor(TrialQueue(number_trials(ordered, tmp_path)), callback))
    assert callback.events == [
        ("trial begin", "tiny", 1, 4),
        ("trial begin", "tiny", 2, 4),
        ("trial begin", "tiny_dropout", 3, 4),
        ("trial begin", "tiny_dropout", 4, 4),
    ]
    assert [(concurrency, len(run)) for concurrency, run in FakeExecutor.calls] == [(2, 2), (1, 2)]
    assert [result.planned.number for result in results] == [1, 2, 3, 4]


def test_a_subset_shares_the_trials_of_its_queue(plan_of, tmp_path):
    queue = TrialQueue(number_trials(plan_of(models=["tiny"], seeds=[0, 1, 2]).trials, tmp_path))
    first = queue.subset([1, 3])
    assert [planned.number for planned in iter(first.pop_ready, None)] == [1, 3]
    assert not first.has_pending() and queue.has_pending()
    first.requeue(queue.pop_ready())
    assert queue.has_pending() and queue.pop_ready().number == 2 and queue.pop_ready() is None


def test_a_damaged_cache_is_replaced(plan_of, measure, tmp_path):
    (tmp_path / parallelism.FILE).write_text("{")
    trials = plan_of(models=["tiny"], seeds=[0, 1]).trials
    speedups, echoed = measure(trials)
    assert len(speedups) == 1 and echoed
    assert measure(trials) == (speedups, [])


def test_a_trial_that_fails_has_no_speed(plan_of):
    class Failing(FakeExecutor):
        def __call__(self, queue, callback):
            for planned in iter(queue.pop_ready, None):
                yield TrialResult(planned, SimpleNamespace(costs=None), {})

    assert calibrate.images_per_second(Failing(1), plan_of(models=["tiny"]).trials) == 0
