"""What gains by running several at a time does so, and nothing else; the measurement is made once."""

from types import SimpleNamespace
from typing import ClassVar

import pytest

from fer_bench.sweep import calibrate, parallelism
from fer_bench.sweep.executors import processes
from fer_bench.sweep.executors.executor import Outcome
from fer_bench.sweep.executors.resources import available_cores, shares_of
from fer_bench.sweep.parallelism import Split, in_order, measured_gains
from fer_bench.sweep.queue import Turns

MACHINE = {"processor": "made", "cores": 2, "accelerator": "none"}
SPEEDS = {"tiny": (100.0, 70.0), "tiny_dropout": (100.0, 40.0)}  # alone, and each of two beside each other


class Hour:
    """An estimator that takes every trial to be long."""

    def seconds(self, planned) -> float:
        return 3600.0


class Processes:
    """Stands for the executor: what it is asked to run, and made-up speeds."""

    asked: ClassVar[list[tuple[int, list]]] = []

    def __init__(self, count):
        self.count = count

    def __call__(self, turns, follow):
        missing = [turn.planned for turn in iter(turns.take, None)]
        self.asked.append((self.count, missing))
        for planned in missing:
            speed = SPEEDS[planned.trial.architecture][self.count - 1]
            yield Outcome(None, SimpleNamespace(costs=SimpleNamespace(images_per_second=speed)), {}, None)


@pytest.fixture
def measure(tmp_path):
    Processes.asked = []

    def make(missing, machine=MACHINE, estimator=None):
        said = []
        gains = measured_gains(missing, 2, machine, estimator or Hour(), tmp_path, said.append, Processes)
        return gains, said

    return make


def test_small_ones_that_gain_run_first_and_together(plan_of, measure):
    missing = plan_of(models=["tiny_dropout", "tiny"], seeds=[0, 1]).trials
    gains, said = measure(missing)
    assert sorted(gains.values()) == [pytest.approx(0.8), pytest.approx(1.4)]
    assert said == ["Measuring whether 2 trials at a time train faster than one: tiny_dropout, tiny."]
    ordered, together = in_order(missing, gains)
    assert [planned.trial.architecture for planned in ordered] == ["tiny", "tiny", "tiny_dropout", "tiny_dropout"]
    assert together == 2 and sorted(map(id, ordered)) == sorted(map(id, missing))


def test_it_is_measured_with_a_few_steps_and_remembered(plan_of, measure):
    missing = plan_of(models=["tiny"], seeds=[0, 1], epochs=30, batch_size=2).trials
    gains, _ = measure(missing)
    assert [(count, len(trials)) for count, trials in Processes.asked] == [(1, 1), (2, 2)]
    short = Processes.asked[0][1][0]
    assert short.trial.recipe["epochs"] == 1 and len(short.fold.training) == calibrate.STEPS * 2
    assert measure(missing) == (gains, [])
    other = measure(missing, machine=MACHINE | {"processor": "another"})
    assert other[1] and len(Processes.asked) == 4


def test_what_is_soon_done_is_not_measured(plan_of, measure):
    missing = plan_of(models=["tiny"], seeds=[0, 1]).trials
    brief = SimpleNamespace(seconds=lambda planned: 100.0)
    unknown = SimpleNamespace(seconds=lambda planned: None)
    for estimator, trials in ((brief, missing), (unknown, missing), (Hour(), missing[:1])):
        gains, said = measure(trials, estimator=estimator)
        assert (gains, said, Processes.asked) == ({}, [], [])
        assert in_order(trials, gains) == (trials, 0)


def test_both_parts_are_run_and_numbered_through(plan_of, tmp_path, watcher):
    missing = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1]).trials
    ordered, together = in_order(missing, dict.fromkeys([parallelism._key(missing[0])], 1.5))
    several, single = (processes.Processes(shares_of(available_cores(), count)) for count in (2, 1))

    def follow(turn):
        return watcher.trial_begins(turn.planned, turn.number, turn.of)

    outcomes = list(Split(together, several, single)(Turns(ordered, tmp_path), follow))
    begun = [event[1:] for event in watcher.events if event[0] == "trial begins"]
    assert begun == [("tiny", 1, 4), ("tiny", 2, 4), ("tiny_dropout", 3, 4), ("tiny_dropout", 4, 4)]
    assert [outcome.record.costs.concurrent_trials for outcome in outcomes] == [2, 2, 1, 1]


def test_a_broken_memory_is_made_anew(plan_of, measure, tmp_path):
    (tmp_path / parallelism.FILE).write_text("{")
    gains, said = measure(plan_of(models=["tiny"], seeds=[0, 1]).trials)
    assert len(gains) == 1 and said
