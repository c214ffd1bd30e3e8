"""A sweep with a budget runs what fits, names what it skips, and stops at its deadline."""

import pytest

from fer_bench import records
from fer_bench.sweep.budget import Budget, BudgetSpent
from fer_bench.sweep.run import run
from fer_bench.training.callback import Callback


class FixedEstimator:
    """An estimator with known seconds per architecture."""

    def __init__(self, **seconds):
        self._seconds = seconds

    def seconds(self, planned):
        return self._seconds.get(planned.trial.architecture)


class Clock:
    """A clock whose time the test sets."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class SlowTrials(Callback):
    """Moves the clock at the end of each trial, or at each step."""

    def __init__(self, clock, per_trial=0.0, per_step=0.0):
        self._clock, self._per_trial, self._per_step = clock, per_trial, per_step

    def on_step_end(self, planned, step, steps, loss):
        self._clock.now += self._per_step

    def on_trial_end(self, planned, record):
        self._clock.now += self._per_trial


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def budget_of(clock):
    """A budget of some seconds: `budget_of(100, tiny=20)`; None for no limit."""

    def make(seconds, concurrency=1, slowdown=1.0, **known):
        deadline = None if seconds is None else clock.now + seconds
        return Budget(deadline, FixedEstimator(**known), concurrency, slowdown, clock)

    return make


@pytest.fixture
def finished(trial_of):
    """The record of a finished trial, as far as a budget reads it."""
    from fer_bench.records.schema import Record

    return Record(trial=trial_of("tiny"), status="finished", started="", machine={}, classes=[], samples={})


def names(trials):
    return [f"{planned.trial.architecture} {planned.trial.seed}" for planned in trials]


def test_every_model_comes_before_any_second_seed(plan_of, budget_of):
    trials = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1, 2]).trials
    fitting, skipped = budget_of(100, tiny=20, tiny_dropout=25).split(trials)
    assert names(fitting) == ["tiny 0", "tiny_dropout 0", "tiny 1", "tiny_dropout 1"]
    assert names(skipped) == ["tiny 2", "tiny_dropout 2"]


def test_a_trial_that_is_too_long_makes_room_for_shorter_ones(plan_of, budget_of):
    trials = plan_of(models=["tiny_dropout", "tiny"], seeds=[0, 1]).trials
    fitting, skipped = budget_of(100, tiny=40, tiny_dropout=300).split(trials)
    assert names(fitting) == ["tiny 0", "tiny 1"] and names(skipped) == ["tiny_dropout 0", "tiny_dropout 1"]


def test_without_a_limit_or_an_estimate_everything_fits(plan_of, budget_of):
    trials = plan_of(models=["tiny_dropout", "tiny"], seeds=[0, 1]).trials
    unlimited = budget_of(None, tiny=1e9)
    assert unlimited.split(trials) == (trials, [])
    assert unlimited.seconds_left is None and unlimited.can_finish(trials[0])
    assert budget_of(1).split(trials) == (trials, [])


def test_concurrent_trials_share_the_time_but_none_may_exceed_it(plan_of, budget_of):
    trials = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1]).trials
    fitting, skipped = budget_of(100, tiny=90, tiny_dropout=150, concurrency=2).split(trials)
    assert names(fitting) == ["tiny 0", "tiny 1"] and len(skipped) == 2
    half_cores = budget_of(100, tiny=40, tiny_dropout=60, concurrency=2, slowdown=2.0)
    fitting, skipped = half_cores.split(trials)
    assert names(fitting) == ["tiny 0", "tiny 1"] and len(skipped) == 2
    assert half_cores.expected_seconds(fitting) == 80
    assert half_cores.can_finish(trials[0]) and not half_cores.can_finish(trials[1])


def test_a_trial_that_takes_longer_than_expected_leaves_less_room(plan_of, budget_of, clock, finished):
    (planned,) = plan_of(models=["tiny"]).trials
    budget = budget_of(100, tiny=20)
    assert budget.can_finish(planned) and budget.seconds_left == 100
    budget.on_trial_begin(planned)
    clock.now += 60
    budget.on_trial_end(planned, finished)
    assert not budget.can_finish(planned)  # 40 s are left, and the last trial took three times as long as expected


def test_time_that_is_over_stops_running_trials(budget_of, clock):
    budget = budget_of(100)
    budget.on_poll()
    clock.now += 100
    with pytest.raises(BudgetSpent):
        budget.on_poll()


def test_a_sweep_ends_at_its_deadline(plan_of, tmp_path, budget_of, clock, callback, instant_executor):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    callbacks = [SlowTrials(clock, per_trial=50), callback]
    stop_reason = run(plan.trials, tmp_path, callbacks, executor=instant_executor, budget=budget_of(100, tiny=45))
    assert stop_reason == "budget_exhausted"
    assert len(records.load(tmp_path)) == 2 and callback.events[-1] == ("sweep end", "budget_exhausted")
    assert run(plan.trials, tmp_path, executor=instant_executor) == "completed"
    assert [stored.record.status for stored in records.load(tmp_path)] == ["finished"] * 3


def test_a_trial_that_runs_at_the_deadline_leaves_no_record(plan_of, tmp_path, budget_of, clock):
    plan = plan_of(models=["tiny"])
    assert run(plan.trials, tmp_path, [SlowTrials(clock, per_step=1000)], budget=budget_of(100)) == "budget_exhausted"
    assert len(records.load(tmp_path)) == 0 and not list(tmp_path.glob("claims/*"))
