"""Trials in processes of their own: the same records, side by side, and whatever dies dies alone."""

import multiprocessing
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.sweep.executors.processes import Processes
from fer_bench.sweep.executors.resources import Share, available_cores, shares_of, visible_devices
from fer_bench.sweep.executors.worker_handle import Handle, Limits, end
from fer_bench.sweep.run import Ways, run

DEADLY = '''
import os, signal, sys, time
import keras
from keras import layers


@register_architecture("deadly", family="test")
def deadly(inputs, recipe):
    """Kills its process."""
    print("last words", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGKILL)


@register_architecture("leaving", family="test")
def leaving(inputs, recipe):
    """Leaves its process."""
    os._exit(7)


@register_architecture("hanging", family="test")
def hanging(inputs, recipe):
    """Never gets done."""
    time.sleep(3600)


@register_architecture("greedy", family="test")
def greedy(inputs, recipe):
    """Has no memory for whole batches."""
    logits = layers.Dense(recipe.classes)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))
    return Greedy(recipe.batch_size)(logits)


class Greedy(layers.Layer):
    def __init__(self, batch):
        super().__init__()
        self.batch = batch

    def call(self, x, training=False):
        if training and x.shape[0] == self.batch:
            raise MemoryError("no room for a whole batch")
        return x
'''


def processes(count: int = 1, **limits) -> Processes:
    return Processes(shares_of(available_cores(), count), Limits(**limits))


def test_two_at_a_time_make_the_records_that_one_makes(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny", "tiny_raising", "tiny_nan"], seeds=[0, 1], epochs=2)
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    run(plan.trials, alone, watcher)
    watcher.events.clear()
    run(plan.trials, beside, watcher, Ways(processes(2), keep_models=True))
    assert not multiprocessing.active_children()
    expected, found = records.load(alone).stored, records.load(beside).stored
    assert expected.keys() == found.keys()
    for key, stored in found.items():
        theirs = expected[key]
        assert (stored.record.status, stored.record.reason) == (theirs.record.status, theirs.record.reason)
        if stored.record.status == "finished":
            ours, before = (one.predictions("test").probabilities for one in (stored, theirs))
            np.testing.assert_allclose(ours, before, atol=1e-5)
            assert stored.record.costs.concurrent_trials == 2 and theirs.record.costs.concurrent_trials == 1
            assert stored.record.machine["cores"] == max(1, len(available_cores()) // 2)
            assert stored.model_file is not None
            lines = (beside / "logs" / f"{stored.path.name}.log").read_text().splitlines()
            assert f"tiny on made (official, seed {stored.record.trial.seed}), default" in lines[0]
            assert [line.split(":")[0] for line in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
            assert lines[-1].strip().endswith("finished")
    for log in (beside / "logs").glob("tiny_raising-*.log"):
        assert "Traceback" in log.read_text() and "in tiny_raising" in log.read_text()  # for whoever mends it
    assert sorted(event[2] for event in watcher.events if event[0] == "trial begins") == [1, 2, 3, 4, 5, 6]
    assert [event for event in watcher.events if event[0] == "epoch"].count(("epoch", 2, 2)) == 2
    assert not list((beside / "records").glob(".part-*"))


def test_a_process_that_dies_takes_its_trial_alone(plan_of, scanned, tmp_path, watcher):
    scanned(DEADLY)
    plan = plan_of(models=["deadly", "tiny", "leaving"])
    run(plan.trials, tmp_path, watcher, Ways(processes()))
    done = {stored.record.trial.architecture: stored.record for stored in records.load(tmp_path)}
    assert done["tiny"].status == "finished" and done["tiny"].costs.concurrent_trials == 1
    assert "was ended by SIGKILL, as the system does when memory runs out" in done["deadly"].reason
    assert done["deadly"].reason.endswith("last words")
    assert "ended with exit status 7" in done["leaving"].reason
    assert done["deadly"].samples == done["tiny"].samples and done["deadly"].machine["cores"]
    assert not multiprocessing.active_children()


def test_a_process_that_died_between_trials_is_replaced(plan_of, tmp_path, watcher, monkeypatch):
    def killed(record):
        for child in multiprocessing.active_children():
            child.kill()
            child.join()

    monkeypatch.setattr(watcher, "ends", killed)
    run(plan_of(models=["tiny"], seeds=[0, 1]).trials, tmp_path, watcher, Ways(processes()))
    assert [stored.record.status for stored in records.load(tmp_path)] == ["finished", "finished"]


def test_an_interrupt_ends_the_processes(plan_of, tmp_path, watcher, monkeypatch):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2], epochs=3)

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watcher, "epoch", pressed)
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, watcher, Ways(processes(2), keep_models=True))
    assert not multiprocessing.active_children()
    assert list((tmp_path / "records").glob("*")) == []


def test_a_memory_map_is_sent_as_its_files_name(dataset, tmp_path):
    images = np.arange(50 * 6 * 6, dtype=np.uint8).reshape(50, 6, 6)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    sent = ForkingPickler.dumps(replace(dataset, images=mapped))
    plain = ForkingPickler.dumps(replace(dataset, images=images))
    assert len(sent) < len(plain) - images.nbytes // 2
    again = ForkingPickler.loads(sent).images
    np.testing.assert_array_equal(again, images)
    assert isinstance(again, np.memmap) and not again.flags.writeable
    for part in (mapped[10:20], mapped[:, ::2], mapped[[3, 1]]):
        np.testing.assert_array_equal(ForkingPickler.loads(ForkingPickler.dumps(part)), np.asarray(part))


def test_a_trial_that_hangs_or_takes_too_long_is_ended_alone(plan_of, scanned, tmp_path, watcher):
    scanned(DEADLY)
    endless = plan_of(models=["tiny"], epochs=1_000_000, patience=None).trials
    trials = plan_of(models=["hanging", "tiny"]).trials + endless
    run(trials, tmp_path, watcher, Ways(processes(silence=6, trial=8)))
    found = records.load(tmp_path).stored
    hanging, tiny, long = (found[planned.key].record for planned in trials)
    assert tiny.status == "finished"
    assert hanging.reason.startswith("it hung: no step in the 6 s of --stall-timeout; the end of its log:")
    (log,) = (tmp_path / "logs").glob("hanging*.log")
    assert "more_networks.py" in log.read_text() and "in hanging" in log.read_text()  # where it hung
    assert long.reason.startswith("it took longer than the 8 s of --trial-timeout") and long.history


@pytest.mark.slow
def test_a_trial_that_took_too_long_goes_on_when_it_is_tried_again(plan_of, tmp_path, watcher, monkeypatch):
    monkeypatch.setenv("FER_BENCH_CHECKPOINT_SECONDS", "1")
    endless = plan_of(models=["tiny"], epochs=1_000_000, patience=None).trials
    run(endless, tmp_path, watcher, Ways(processes(trial=5)))
    (long,) = (stored.record for stored in records.load(tmp_path))
    again = Ways(processes(trial=3), replaced={endless[0].key: long.started})  # as with --retry-failed
    run(endless, tmp_path, watcher, again)
    (longer,) = (stored.record for stored in records.load(tmp_path))
    assert longer.started > long.started
    assert longer.history[0] == long.history[0]  # its seconds, too: it is not trained again


def test_a_trial_out_of_memory_is_tried_in_halves_where_its_recipe_allows_it(plan_of, scanned, tmp_path, watcher):
    scanned(DEADLY)
    trials = [
        planned
        for allowed in ("fail", "halve")
        for planned in plan_of(models=["greedy"], epochs=2, out_of_memory=allowed).trials
    ]
    run(trials, tmp_path, watcher, Ways(processes()))
    found = records.load(tmp_path).stored
    failed, halved = (found[planned.key].record for planned in trials)
    assert failed.status == "failed"
    assert failed.reason.startswith("MemoryError") and "no room" in failed.reason
    assert [event for event in watcher.events if event[0] == "trial begins"] == [
        ("trial begins", "greedy", 1, 2),
        ("trial begins", "greedy", 2, 2),
        ("trial begins", "greedy", 2, 2),
    ]
    assert halved.status == "finished" and "batches in 2 parts" in halved.split_notes


def test_the_first_failure_ends_a_sweep_that_asks_for_it(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny_raising", "tiny"])
    assert run(plan.trials, tmp_path, watcher, Ways(processes(), fail_fast=True)) == "at a failure"
    assert [stored.record.status for stored in records.load(tmp_path)] == ["failed"]
    assert not multiprocessing.active_children()


def test_what_is_wrong_with_keras_or_an_architecture_is_said_before_anything_starts(plan_of, scanned):
    file = scanned('import kerass\n@register_architecture("late", family="test")\ndef late(inputs, recipe): pass\n')
    handle = Handle(Share(frozenset(available_cores())))
    try:
        machine = handle.survey("tensorflow", plan_of(models=["tiny"]).trials)
        assert machine["cores"] == len(available_cores()) and machine["accelerator"]
        with pytest.raises(UserError, match=r"cannot be imported: ModuleNotFoundError.*kerass") as raised:
            handle.survey("tensorflow", plan_of(models=["tiny", "late"]).trials)
        assert str(file) in str(raised.value)
        handle.process.kill()
        handle.process.join()
        with pytest.raises(UserError, match="Keras cannot start: its process was ended by SIGKILL"):
            handle.survey("tensorflow", plan_of(models=["tiny"]).trials)
    finally:
        end([handle])


@pytest.mark.parametrize(
    ("cores", "count", "expected"),
    [
        ([0, 1], 1, [{0, 1}]),
        ([0, 1], 2, [{0}, {1}]),
        ([2, 3, 5, 7, 11], 2, [{2, 3}, {5, 7}]),
        ([4], 3, [{4}, {4}, {4}]),
    ],
)
def test_cores_are_shared_equally(cores, count, expected):
    assert [share.cores for share in shares_of(cores, count)] == expected


def test_each_trial_sees_devices_of_its_own(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_devices("none") == []
    devices = visible_devices("one, another, a third, a fourth")
    of_each = [share.environment for share in shares_of(range(8), 4, devices)]
    assert of_each == [{"CUDA_VISIBLE_DEVICES": name} for name in "0123"]
    of_pairs = [share.environment["CUDA_VISIBLE_DEVICES"] for share in shares_of(range(8), 2, devices, each=2)]
    assert of_pairs == ["0,1", "2,3"]
    assert [share.devices for share in shares_of(range(8), 3, ["0", "1"])] == [("0",), ("1",), ("0",)]
    assert shares_of(range(8), 2)[0].environment == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert visible_devices("one, another") == ["5", "7"]
