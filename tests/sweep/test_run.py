"""Running a plan: only what is missing, every trial recorded as it ends, no failure in the way of the rest."""

import os
import time

import numpy as np
import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.pending import STALE_SECONDS, clear_checkpoints, open_results, todo
from fer_bench.sweep.run import Ways, run


def left(plan, results, **options):
    return todo(plan, records.load(results), **options)


def test_a_sweep_runs_what_is_missing_and_then_nothing(plan_of, tmp_path, watcher):
    results = tmp_path / "results"
    plan = plan_of(models=["tiny_raising", "tiny_nan", "tiny"])
    assert len(left(plan, results).missing) == 3

    run(plan.trials, results, watcher)
    stored = {s.record.trial.architecture: s for s in records.load(results)}
    assert [stored[p.trial.architecture].record.trial for p in plan.trials] == [p.trial for p in plan.trials]
    assert [stored[p.trial.architecture].record.status for p in plan.trials] == ["failed", "diverged", "finished"]
    assert stored["tiny"].predictions("test").probabilities.shape == (18, 3)
    assert [e for e in watcher.events if e[0].startswith("trial")] == [
        ("trial begins", "tiny_raising", 1, 3),
        ("trial ends", "failed"),
        ("trial begins", "tiny_nan", 2, 3),
        ("trial ends", "diverged"),
        ("trial begins", "tiny", 3, 3),
        ("trial ends", "finished"),
    ]

    again = left(plan, results)
    assert (again.missing, again.finished, again.failed) == ([], 1, 2)
    retried = left(plan, results, retry_failed=True)
    assert [p.trial.architecture for p in retried.missing] == ["tiny_raising", "tiny_nan"] and retried.finished == 1
    anew = left(plan, results, overwrite=True)
    assert len(anew.missing) == 3 and (anew.finished, anew.failed) == (0, 0)

    longer = plan_of(models=["tiny_raising", "tiny"], epochs=2)
    assert len(left(longer, results).missing) == 2  # a changed recipe is another trial
    seeds = plan_of(models=["tiny"], seeds=[0, 1])
    assert [p.trial.seed for p in left(seeds, results).missing] == [1]


def test_checkpoints_of_what_has_finished_are_cleared_away(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny_raising", "tiny"])
    run(plan.trials, tmp_path, watcher)
    known = records.load(tmp_path)
    folders = {stored.record.status: tmp_path / "checkpoints" / stored.path.name for stored in known}
    for folder in (*folders.values(), tmp_path / "checkpoints" / "of-no-record"):
        folder.mkdir(parents=True)
    clear_checkpoints(tmp_path, known, missing=plan.trials)  # both are to be run again
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    clear_checkpoints(tmp_path, known, missing=[])
    assert not folders["finished"].exists() and len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_a_trial_is_recorded_without_a_look_at_the_others(plan_of, tmp_path, watcher, monkeypatch):
    def read(path):
        raise AssertionError(f"{path} was read while trials ran")

    plan = plan_of(models=["tiny_raising", "tiny"])
    run(plan.trials[:1], tmp_path, watcher)
    monkeypatch.setattr(records.store, "_read", read)
    run(plan.trials[1:], tmp_path, watcher)
    monkeypatch.undo()
    assert left(plan, tmp_path).missing == []


def test_overwriting_leaves_one_record_with_the_same_predictions(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny"])
    run(plan.trials, tmp_path, watcher)
    (before,) = records.load(tmp_path)
    expected = before.predictions("test").probabilities
    run(plan.trials, tmp_path, watcher)
    assert watcher.events.pop() == ("elsewhere", "tiny")  # it was not to be replaced
    run(plan.trials, tmp_path, watcher, Ways(replaced=left(plan, tmp_path, overwrite=True).replaced))
    assert watcher.events[-1] == ("trial ends", "finished")
    (after,) = records.load(tmp_path)
    np.testing.assert_array_equal(after.predictions("test").probabilities, expected)


def test_models_are_kept_where_that_is_asked_for(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny", "tiny_raising"])
    run(plan.trials, tmp_path, watcher)
    known = left(plan, tmp_path)
    assert (known.missing, known.without_model) == ([], 1)  # it is told, and not trained again unasked
    again = left(plan, tmp_path, overwrite=True)
    run(again.missing, tmp_path, watcher, Ways(keep_models=True, replaced=again.replaced))
    stored = {s.record.trial.architecture: s for s in records.load(tmp_path)}
    assert stored["tiny_raising"].model_file is None
    kept = stored["tiny"]
    assert kept.model_file.stat().st_size == kept.record.costs.model_bytes
    assert left(plan, tmp_path).without_model == 0
    assert not list((tmp_path / "records").glob(".part-*"))


def test_an_interrupt_leaves_no_model_behind(plan_of, tmp_path, watcher, monkeypatch):
    plan = plan_of(models=["tiny"])

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fer_bench.records.write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, watcher, Ways(keep_models=True))
    assert list((tmp_path / "records").iterdir()) == []


def test_a_trial_that_failed_is_replaced_once_it_succeeds(plan_of, tmp_path, watcher, monkeypatch):
    plan = plan_of(models=["tiny"])
    works = ARCHITECTURES.function("tiny")

    def broken(inputs, recipe):
        raise RuntimeError("out of order")

    monkeypatch.setattr(ARCHITECTURES, "function", lambda name: broken)
    run(plan.trials, tmp_path, watcher)
    monkeypatch.setattr(ARCHITECTURES, "function", lambda name: works)
    assert left(plan, tmp_path).failed == 1
    again = left(plan, tmp_path, retry_failed=True)
    run(again.missing, tmp_path, watcher, Ways(replaced=again.replaced))
    (stored,) = records.load(tmp_path)
    assert stored.record.status == "finished"


def test_an_interrupted_sweep_keeps_what_was_done_and_goes_on(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])

    class Interrupting(type(watcher)):
        def on_step_end(self, step, steps, loss):
            if len([e for e in self.events if e[0] == "trial begins"]) == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, Interrupting())
    assert [p.trial.seed for p in left(plan, tmp_path).missing] == [1, 2]
    assert [path.name[:12] for path in (tmp_path / "records").iterdir()] == ["tiny-made-s0"]


def test_open_results_makes_the_folder(tmp_path):
    open_results(tmp_path / "deep" / "results")
    assert (tmp_path / "deep" / "results" / "records").is_dir()
    assert list((tmp_path / "deep" / "results" / "records").iterdir()) == []


def test_a_results_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    for place in (tmp_path / "file" / "results", tmp_path / "file"):
        with pytest.raises(UserError, match=rf"The results folder {place} cannot be written: \w+"):
            open_results(place)
    assert (tmp_path / "file").read_text() == "mine"


def test_the_remains_of_long_dead_writers_are_swept_out(tmp_path):
    dead, living = (tmp_path / "records" / name for name in (".part-dead", ".part-living"))
    for folder in (dead, living):
        folder.mkdir(parents=True)
        (folder / "record.json").write_text("{")
    long_ago = time.time() - STALE_SECONDS - 60
    os.utime(dead, (long_ago, long_ago))
    open_results(tmp_path)
    assert not dead.exists() and living.exists()


def test_a_writer_that_finishes_meanwhile_is_no_error(tmp_path, monkeypatch):
    gone = tmp_path / "records" / ".part-gone"
    monkeypatch.setattr(type(tmp_path), "glob", lambda self, pattern: [gone])
    open_results(tmp_path)
