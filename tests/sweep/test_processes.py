"""Trials in processes of their own: the same records, side by side, and whatever dies dies alone."""

import multiprocessing
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from fer_bench import records
from fer_bench.sweep.executors.processes import Processes, available_cores, shares_of
from fer_bench.sweep.run import run

DEADLY = '''
import os, signal, sys
import keras


@register_architecture("deadly", family="test")
def deadly(inputs, recipe):
    """Kills its process."""
    print("last words", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGKILL)


@register_architecture("leaving", family="test")
def leaving(inputs, recipe):
    """Leaves its process."""
    os._exit(7)
'''


def test_two_at_a_time_make_the_records_that_one_makes(plan_of, tmp_path, watcher):
    plan = plan_of(models=["tiny", "tiny_raising", "tiny_nan"], seeds=[0, 1], epochs=2)
    alone, beside = tmp_path / "alone", tmp_path / "beside"
    run(plan.trials, alone, watcher)
    watcher.events.clear()
    run(plan.trials, beside, watcher, keep_models=True, executor=Processes(2, beside))
    assert not multiprocessing.active_children()
    expected, found = records.load(alone).stored, records.load(beside).stored
    assert expected.keys() == found.keys()
    for key, stored in found.items():
        theirs = expected[key]
        assert (stored.record.status, stored.record.reason) == (theirs.record.status, theirs.record.reason)
        if stored.record.status == "finished":
            ours, before = (one.predictions("test").probabilities for one in (stored, theirs))
            np.testing.assert_allclose(ours, before, atol=1e-5)
            assert stored.record.costs.beside == 2 and theirs.record.costs.beside == 1
            assert stored.record.machine["cores"] == max(1, len(available_cores()) // 2)
            assert stored.model_file is not None
    assert sorted(event[2] for event in watcher.events if event[0] == "trial begins") == [1, 2, 3, 4, 5, 6]
    assert [event for event in watcher.events if event[0] == "epoch"].count(("epoch", 2, 2)) == 2
    assert not list((beside / "records").glob(".part-*"))


def test_a_process_that_dies_takes_its_trial_alone(plan_of, scanned, tmp_path, watcher):
    scanned(DEADLY)
    plan = plan_of(models=["deadly", "tiny", "leaving"])
    run(plan.trials, tmp_path, watcher, executor=Processes(1, tmp_path))
    done = {stored.record.trial.architecture: stored.record for stored in records.load(tmp_path)}
    assert done["tiny"].status == "finished" and done["tiny"].costs.beside == 1
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
    run(plan_of(models=["tiny"], seeds=[0, 1]).trials, tmp_path, watcher, executor=Processes(1, tmp_path))
    assert [stored.record.status for stored in records.load(tmp_path)] == ["finished", "finished"]


def test_an_interrupt_ends_the_processes(plan_of, tmp_path, watcher, monkeypatch):
    plan = plan_of(models=["tiny"], seeds=[0, 1, 2], epochs=3)

    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(watcher, "epoch", pressed)
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, watcher, keep_models=True, executor=Processes(2, tmp_path))
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
    assert shares_of(cores, count) == expected
