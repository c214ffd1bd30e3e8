"""A sweep runs the pending trials only, records each as it ends, and continues after a failure."""

import hashlib
import os
import time

import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.records.kept_models import read_info
from fer_bench.sweep.disk_use import disk_use_line
from fer_bench.sweep.executors.executor import TrialResult
from fer_bench.sweep.executors.in_process import run_in_process
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.pending import STALE_SECONDS, clear_checkpoints, find_pending, open_results
from fer_bench.sweep.run import run
from fer_bench.training.callback import Callback


def pending(plan, results, **options):
    return find_pending(plan, records.load(results), SweepOptions(**options))


def test_a_sweep_runs_what_is_pending_and_then_nothing(plan_of, tmp_path, callback):
    results = tmp_path / "results"
    plan = plan_of(models=["tiny_raising", "tiny_nan", "tiny"])
    assert len(pending(plan, results).trials) == 3

    assert run(plan.trials, results, [callback]) == "completed"
    stored = {s.record.trial.architecture: s for s in records.load(results)}
    assert [stored[p.trial.architecture].record.trial for p in plan.trials] == [p.trial for p in plan.trials]
    assert [stored[p.trial.architecture].record.status for p in plan.trials] == ["failed", "diverged", "finished"]
    assert stored["tiny"].predictions("test").probabilities.shape == (18, 3)
    assert [event for event in callback.events if event[0] not in ("step", "epoch")] == [
        ("trial begin", "tiny_raising", 1, 3),
        ("trial end", "failed"),
        ("trial begin", "tiny_nan", 2, 3),
        ("trial end", "diverged"),
        ("trial begin", "tiny", 3, 3),
        ("trial end", "finished"),
        ("sweep end", "completed"),
    ]

    again = pending(plan, results)
    assert (again.trials, again.num_finished, again.num_failed) == ([], 1, 2)
    retried = pending(plan, results, retry_failed=True)
    assert [p.trial.architecture for p in retried.trials] == ["tiny_raising", "tiny_nan"] and retried.num_finished == 1
    overwritten = pending(plan, results, overwrite=True)
    assert len(overwritten.trials) == 3 and (overwritten.num_finished, overwritten.num_failed) == (0, 0)

    longer = plan_of(models=["tiny_raising", "tiny"], epochs=2)
    assert len(pending(longer, results).trials) == 2  # another recipe is another trial
    seeds = plan_of(models=["tiny"], seeds=[0, 1])
    assert [p.trial.seed for p in pending(seeds, results).trials] == [1]


def test_fail_fast_ends_the_sweep_at_the_first_failure(plan_of, tmp_path, callback, instant_executor):
    plan = plan_of(models=["tiny_raising", "tiny"])
    options = SweepOptions(fail_fast=True)
    assert run(plan.trials, tmp_path, [callback], options, instant_executor) == "first_failure"
    assert [stored.record.status for stored in records.load(tmp_path)] == ["failed"]
    assert callback.events[-2:] == [("trial end", "failed"), ("sweep end", "first_failure")]


@pytest.mark.parametrize(
    "hook", ["on_sweep_begin", "on_trial_begin", "on_step_end", "on_epoch_end", "on_trial_end", "on_poll"]
)
def test_an_exception_in_a_callback_ends_the_sweep(plan_of, tmp_path, callback, hook, instant_executor):
    class Broken(Callback):
        pass

    def broken(self, *event):
        raise ZeroDivisionError

    setattr(Broken, hook, broken)
    executor = run_in_process if hook in ("on_step_end", "on_epoch_end") else instant_executor  # called by the trial
    with pytest.raises(ZeroDivisionError):
        run(plan_of(models=["tiny"], seeds=[0, 1]).trials, tmp_path, [callback, Broken()], executor=executor)
    recorded = hook in ("on_trial_end", "on_poll")  # both come after the record
    assert [stored.record.status for stored in records.load(tmp_path)] == ["finished"] * recorded
    assert callback.events[-1] == ("sweep end", "error")
    assert not (tmp_path / "claims").exists()


def test_checkpoints_of_finished_trials_are_removed(plan_of, tmp_path, instant_executor):
    plan = plan_of(models=["tiny_raising", "tiny"])
    run(plan.trials, tmp_path, executor=instant_executor)
    known = records.load(tmp_path)
    folders = {stored.record.status: tmp_path / "checkpoints" / stored.path.name for stored in known}
    for folder in (*folders.values(), tmp_path / "checkpoints" / "without-record"):
        folder.mkdir(parents=True)
    clear_checkpoints(tmp_path, known, pending=plan.trials)  # both will run again
    assert len(list((tmp_path / "checkpoints").iterdir())) == 3
    clear_checkpoints(tmp_path, known, pending=[])
    assert not folders["finished"].exists() and len(list((tmp_path / "checkpoints").iterdir())) == 2


def test_recording_a_trial_reads_no_other_record(plan_of, tmp_path, monkeypatch, instant_executor):
    def read(path):
        raise AssertionError(f"{path} was read while trials ran")

    plan = plan_of(models=["tiny_raising", "tiny"])
    run(plan.trials[:1], tmp_path, executor=instant_executor)
    with monkeypatch.context() as patch:
        patch.setattr(records.store, "_read", read)
        run(plan.trials[1:], tmp_path, executor=instant_executor)
    assert pending(plan, tmp_path).trials == []


def test_a_record_is_replaced_only_on_request(plan_of, tmp_path, callback, instant_executor):
    plan = plan_of(models=["tiny"])
    run(plan.trials, tmp_path, executor=instant_executor)
    run(plan.trials, tmp_path, [callback], executor=instant_executor)
    assert callback.events == [("trial delegated", "tiny"), ("sweep end", "completed")]
    superseded = pending(plan, tmp_path, overwrite=True).superseded
    assert list(superseded) == [plan.trials[0].key]
    run(plan.trials, tmp_path, [callback], executor=instant_executor, superseded=superseded)
    assert callback.events[-2] == ("trial end", "finished")
    assert len(records.load(tmp_path)) == 1


def test_records_of_another_benchmark_version_are_replaced(plan_of, tmp_path, instant_executor, monkeypatch):
    plan = plan_of(models=["tiny"])
    run(plan.trials, tmp_path, executor=instant_executor)
    assert not pending(plan, tmp_path).trials
    monkeypatch.setattr("fer_bench.sweep.pending.BENCHMARK_VERSION", 2)
    again = pending(plan, tmp_path)
    assert list(again.superseded) == [plan.trials[0].key]
    assert (len(again.trials), again.outdated, again.num_finished) == (1, 1, 0)


def test_models_are_saved_on_request(plan_of, tmp_path, instant_executor):
    plan = plan_of(models=["tiny", "tiny_raising"])
    run(plan.trials, tmp_path, options=SweepOptions(keep_models="none"), executor=instant_executor)
    known = pending(plan, tmp_path, keep_models="all")
    assert (known.trials, known.without_saved_model) == ([], 1)  # reported, and not trained again without a request
    options = {"keep_models": "all", "overwrite": True}
    again = pending(plan, tmp_path, **options)
    run(again.trials, tmp_path, options=SweepOptions(**options), superseded=again.superseded)
    stored = {s.record.trial.architecture: s for s in records.load(tmp_path)}
    assert stored["tiny_raising"].model_file is None
    saved = stored["tiny"]
    assert saved.model_file.stat().st_size == saved.record.costs.model_bytes
    assert pending(plan, tmp_path).without_saved_model == 0
    assert not list((tmp_path / "records").glob(".part-*"))


@pytest.fixture
def model_writer(instant_executor):
    """An executor that trains nothing and leaves a file in the place of each model."""

    def run_trials(queue, callback):
        for result in instant_executor(queue, callback):
            if (file := result.planned.model_file) and result.record.status == "finished":
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(b"weights of seed %d" % result.planned.trial.seed)
            yield result

    return run_trials


def test_the_best_model_of_each_row_is_kept(plan_of, tmp_path, model_writer):
    plan = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1, 2])
    for seed in range(3):  # three sweeps, one after the other
        run([p for p in plan.trials if p.trial.seed == seed], tmp_path, executor=model_writer)
    stored = list(records.load(tmp_path))
    assert len(stored) == 6
    accuracies = {
        s.path: float((v.probabilities.argmax(1) == v.labels).mean())
        for s in stored
        for v in [s.predictions("validation")]
    }
    kept = [s for s in stored if s.model_file]
    assert {s.record.trial.architecture for s in kept} == {"tiny", "tiny_dropout"} and len(kept) == 2
    for best in kept:
        row = [s for s in stored if s.record.trial.row_id == best.record.trial.row_id]
        info = read_info(best.path)
        assert info.accuracy["validation"] == accuracies[best.path] == max(accuracies[s.path] for s in row)
        assert info.sha256 == hashlib.sha256(best.model_file.read_bytes()).hexdigest()
        assert info.classes == best.record.classes and len(info.image_shape) == 2
    others = {path.name for s in stored if not s.model_file for path in s.path.iterdir()}
    assert others == {"record.json", "predictions.npz"}


def test_models_that_are_kept_for_another_reason_stay(plan_of, tmp_path, model_writer):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    run(plan.trials[:2], tmp_path, options=SweepOptions(keep_models="all"), executor=model_writer)
    run(plan.trials[2:], tmp_path, executor=model_writer)
    assert {s.record.trial.seed for s in records.load(tmp_path) if s.model_file} >= {0, 1}


def test_a_full_disk_costs_the_model_and_not_the_record(plan_of, tmp_path, model_writer, monkeypatch, caplog):
    def disk_full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fer_bench.records.writing.shutil.move", disk_full)
    run(plan_of(models=["tiny"]).trials, tmp_path, executor=model_writer)
    (stored,) = records.load(tmp_path)
    assert stored.record.status == "finished" and stored.predictions("test") and stored.model_file is None
    assert "not kept" in caplog.text and not list((tmp_path / "records").glob(".part-*"))


def test_the_plan_states_the_disk_use_of_models(plan_of, tmp_path, monkeypatch):
    trials = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1, 2]).trials
    sizes = {"tiny": 2**20, "tiny_dropout": 3 * 2**20}
    assert "2 files, about 4 MiB" in disk_use_line(trials, "best", sizes, tmp_path / "new")
    assert "6 files, about 12 MiB" in disk_use_line(trials, "all", sizes, tmp_path)
    assert disk_use_line(trials, "none", sizes, tmp_path) is None
    monkeypatch.setattr("fer_bench.sweep.disk_use._free_bytes", lambda folder: 2**20)
    assert "Only 1 MiB" in disk_use_line(trials, "best", sizes, tmp_path)


def test_an_interrupt_leaves_no_model_behind(plan_of, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("fer_bench.records.write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(plan_of(models=["tiny"]).trials, tmp_path, options=SweepOptions(keep_models="all"))
    assert list((tmp_path / "records").iterdir()) == []


def test_the_record_of_a_failed_trial_is_replaced(plan_of, tmp_path, instant_executor):
    plan = plan_of(models=["tiny_raising"])
    run(plan.trials, tmp_path, executor=instant_executor)
    assert pending(plan, tmp_path).num_failed == 1
    again = pending(plan, tmp_path, retry_failed=True)

    def diverge(queue, callback):
        for planned, record, predictions in instant_executor(queue, callback):
            yield TrialResult(planned, record.model_copy(update={"status": "diverged"}), predictions)

    run(again.trials, tmp_path, executor=diverge, superseded=again.superseded)
    (stored,) = records.load(tmp_path)
    assert stored.record.status == "diverged"


def test_an_interrupted_sweep_keeps_its_records_and_resumes(plan_of, tmp_path):
    class Interrupt(Callback):
        def on_step_end(self, planned, step, steps, loss):
            if planned.number == 2:
                raise KeyboardInterrupt

    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, [Interrupt()])
    assert [p.trial.seed for p in pending(plan, tmp_path).trials] == [1, 2]
    assert [path.name[:12] for path in (tmp_path / "records").iterdir()] == ["tiny-made-s0"]


def test_open_results_creates_the_folder(tmp_path):
    open_results(tmp_path / "deep" / "results")
    assert (tmp_path / "deep" / "results" / "records").is_dir()
    assert list((tmp_path / "deep" / "results" / "records").iterdir()) == []


def test_a_results_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file" / "results", tmp_path / "file"):
        with pytest.raises(UserError, match=str(folder)):
            open_results(folder)
    assert (tmp_path / "file").read_text() == "mine"


def test_temporary_folders_of_killed_writers_are_removed(tmp_path):
    killed, active = (tmp_path / "records" / name for name in (".part-killed", ".part-active"))
    for folder in (killed, active):
        folder.mkdir(parents=True)
        (folder / "record.json").write_text("{")
    long_ago = time.time() - STALE_SECONDS - 60
    os.utime(killed, (long_ago, long_ago))
    open_results(tmp_path)
    assert not killed.exists() and active.exists()


def test_a_writer_that_finishes_at_that_moment_is_no_error(tmp_path, monkeypatch):
    finished = tmp_path / "records" / ".part-finished"
    monkeypatch.setattr(type(tmp_path), "glob", lambda self, pattern: [finished])
    open_results(tmp_path)
