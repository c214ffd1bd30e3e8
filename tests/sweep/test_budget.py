"""A sweep keeps to its time: what fits is run, what does not is named, and the end is the end."""

import pytest

from fer_bench import records
from fer_bench.sweep import budget as module
from fer_bench.sweep.budget import Budget, BudgetSpent
from fer_bench.sweep.run import Ways, run


class Takes:
    """An estimator that knows how long each model takes."""

    def __init__(self, **seconds):
        self._seconds = seconds

    def seconds(self, planned):
        return self._seconds.get(planned.trial.architecture)


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def names(trials):
    return [f"{planned.trial.architecture} {planned.trial.seed}" for planned in trials]


def test_every_model_comes_before_any_second_seed(plan_of, clock):
    missing = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1, 2]).trials
    kept, left_out = Budget(1100, Takes(tiny=20, tiny_dropout=25)).divide(missing)
    assert names(kept) == ["tiny 0", "tiny_dropout 0", "tiny 1", "tiny_dropout 1"]
    assert names(left_out) == ["tiny 2", "tiny_dropout 2"]


def test_what_is_too_long_makes_room_for_what_is_not(plan_of, clock):
    missing = plan_of(models=["tiny_dropout", "tiny"], seeds=[0, 1]).trials
    kept, left_out = Budget(1100, Takes(tiny=40, tiny_dropout=300)).divide(missing)
    assert names(kept) == ["tiny 0", "tiny 1"] and names(left_out) == ["tiny_dropout 0", "tiny_dropout 1"]
    assert Budget(None, Takes(tiny=1e9)).divide(missing) == (missing, [])
    unknown, _ = Budget(1001, Takes()).divide(missing)
    assert unknown == missing


def test_several_at_a_time_have_more_time_but_none_longer_than_there_is(plan_of, clock):
    missing = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1]).trials
    kept, left_out = Budget(1100, Takes(tiny=90, tiny_dropout=150), at_a_time=2).divide(missing)
    assert names(kept) == ["tiny 0", "tiny 1"] and len(left_out) == 2
    shared = Budget(1100, Takes(tiny=40, tiny_dropout=60), at_a_time=2, slowdown=2)  # each on half of the cores
    kept, left_out = shared.divide(missing)
    assert names(kept) == ["tiny 0", "tiny 1"] and len(left_out) == 2 and shared.seconds(kept) == 80
    assert shared.fits(missing[0]) and not shared.fits(missing[1])


def test_what_takes_longer_than_expected_leaves_less_room(plan_of, clock):
    (planned,) = plan_of(models=["tiny"]).trials
    budget = Budget(1100, Takes(tiny=20))
    assert budget.fits(planned) and budget.left == 100
    clock[0] += 60
    budget.ended(planned, 60)
    assert not budget.fits(planned)  # 40 s are left, and the last one took three times what was expected
    budget.check()
    clock[0] += 40
    with pytest.raises(BudgetSpent):
        budget.check()


def test_a_sweep_ends_in_time(plan_of, tmp_path, watcher, clock, monkeypatch):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    budget = Budget(1100, Takes(tiny=45))
    usual = watcher.ends
    monkeypatch.setattr(watcher, "ends", lambda record: (usual(record), clock.__setitem__(0, clock[0] + 50)))
    assert run(plan.trials, tmp_path, watcher, Ways(budget=budget)) == "in time"
    assert len(records.load(tmp_path)) == 2
    assert run(plan.trials, tmp_path, watcher) == "all had their turn"
    assert len(records.load(tmp_path)) == 3


def test_a_trial_that_runs_when_time_is_over_leaves_no_record(plan_of, tmp_path, watcher, clock, monkeypatch):
    plan = plan_of(models=["tiny"])
    monkeypatch.setattr(watcher, "step", lambda *_: clock.__setitem__(0, clock[0] + 1000))
    assert run(plan.trials, tmp_path, watcher, Ways(budget=Budget(1100, Takes()))) == "in time"
    assert len(records.load(tmp_path)) == 0 and not list(tmp_path.glob("claims/*"))
