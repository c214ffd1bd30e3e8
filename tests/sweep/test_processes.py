"""Trials in worker processes give the same records; a worker that crashes or stalls fails its trial only."""

import multiprocessing
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.sweep.estimate import Estimator
from fer_bench.sweep.executors import worker_handle
from fer_bench.sweep.executors.processes import ProcessExecutor
from fer_bench.sweep.executors.resources import ResourceSlot, available_cores, split_resources, visible_devices
from fer_bench.sweep.executors.worker_handle import WorkerHandle, stop_workers
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.run import run
from fer_bench.sweep.schedule import ExecutionContext, make_process_executor
from fer_bench.training.callback import Callback

FAULTY = '''
import os, signal, sys, time
import keras
from keras import layers


@register_architecture("killed", family="test")
def killed(inputs, recipe):
    """Kills its process."""
    print("last words", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGKILL)


@register_architecture("stalling", family="test")
def stalling(inputs, recipe):
    """Never ends."""
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


@pytest.fixture
def preloaded_workers(monkeypatch):
    """Fork workers from a process that has imported Keras, so that each starts in half a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fer_bench.training.train"])
    monkeypatch.setattr(worker_handle.multiprocessing, "get_context", lambda method: context)


def executor_of(count: int = 1, **options) -> ProcessExecutor:
    context = ExecutionContext({"accelerator": "none"}, Estimator([], {}), None)
    return make_process_executor(count, SweepOptions(**options), context)


def test_two_concurrent_trials_give_the_records_of_one_at_a_time(plan_of, tmp_path, callback, preloaded_workers):
    plan = plan_of(models=["tiny", "tiny_raising", "tiny_nan"], seeds=[0, 1], epochs=2)
    serial, parallel = tmp_path / "serial", tmp_path / "parallel"
    run(plan.trials, serial)
    run(plan.trials, parallel, [callback], SweepOptions(keep_models="all"), executor_of(2))
    assert not multiprocessing.active_children()
    expected, found = records.load(serial).stored, records.load(parallel).stored
    assert expected.keys() == found.keys()
    for key, stored in found.items():
        other = expected[key]
        assert (stored.record.status, stored.record.reason) == (other.record.status, other.record.reason)
        if stored.record.status == "finished":
            ours, theirs = (one.predictions("test").probabilities for one in (stored, other))
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
            assert stored.record.costs.concurrent_trials == 2 and other.record.costs.concurrent_trials == 1
            assert stored.record.machine["cores"] == max(1, len(available_cores()) // 2)
            assert stored.model_file is not None
            lines = (parallel / "logs" / f"{stored.path.name}.log").read_text().splitlines()
            assert f"tiny on made (official, seed {stored.record.trial.seed}), default" in lines[0]
            assert [line.split(":")[0] for line in lines[1:3]] == ["epoch 1/2", "epoch 2/2"]
            assert lines[-1].strip().endswith("finished")
    for log in (parallel / "logs").glob("tiny_raising-*.log"):
        assert "Traceback" in log.read_text() and "in tiny_raising" in log.read_text()
    assert sorted(event[2] for event in callback.events if event[0] == "trial begin") == [1, 2, 3, 4, 5, 6]
    assert callback.events.count(("epoch", 2, 2)) == 2
    assert not list((parallel / "records").glob(".part-*"))


def test_a_crash_a_stall_and_a_timeout_fail_one_trial_each(plan_of, scanned, tmp_path, preloaded_workers):
    scanned(FAULTY)
    endless = plan_of(models=["tiny"], epochs=1_000_000, patience=None).trials
    trials = plan_of(models=["stalling", "killed", "tiny"]).trials + endless
    run(trials, tmp_path, executor=executor_of(2, stall_timeout=6, trial_timeout=9))
    found = records.load(tmp_path).stored
    stalling, killed, tiny, long = (found[planned.key].record for planned in trials)
    assert tiny.status == "finished"
    assert "SIGKILL" in killed.reason and killed.reason.endswith("last words")
    assert killed.samples == tiny.samples and killed.machine["cores"]
    assert stalling.reason.startswith("it stalled") and "--stall-timeout" in stalling.reason
    (log,) = (tmp_path / "logs").glob("stalling*.log")
    assert "more_networks.py" in log.read_text() and "in stalling" in log.read_text()  # where it stalled
    assert "--trial-timeout" in long.reason and long.history
    assert not multiprocessing.active_children()


def test_a_worker_that_died_between_trials_is_replaced_and_an_interrupt_ends_it(plan_of, tmp_path, preloaded_workers):
    class KillThenInterrupt(Callback):
        def on_trial_end(self, planned, record):
            if planned.number == 1:
                for worker in multiprocessing.active_children():
                    worker.kill()
                    worker.join()

        def on_step_end(self, planned, step, steps, loss):
            if planned.number == 3:
                raise KeyboardInterrupt

    plan = plan_of(models=["tiny"], seeds=[0, 1, 2])
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, tmp_path, [KillThenInterrupt()], SweepOptions(keep_models="all"), executor_of())
    assert not multiprocessing.active_children()
    assert [stored.record.status for stored in records.load(tmp_path)] == ["finished", "finished"]
    assert not list((tmp_path / "records").glob(".part-*"))


def test_a_memory_map_is_sent_as_the_name_of_its_file(dataset, tmp_path):
    images = np.arange(50 * 6 * 6, dtype=np.uint8).reshape(50, 6, 6)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    sent = ForkingPickler.dumps(replace(dataset, images=mapped))
    plain = ForkingPickler.dumps(replace(dataset, images=images))
    assert len(sent) < len(plain) - images.nbytes // 2
    received = ForkingPickler.loads(sent).images
    np.testing.assert_array_equal(received, images)
    assert isinstance(received, np.memmap) and not received.flags.writeable
    for view in (mapped[10:20], mapped[:, ::2], mapped[[3, 1]]):
        np.testing.assert_array_equal(ForkingPickler.loads(ForkingPickler.dumps(view)), np.asarray(view))


@pytest.mark.slow
def test_a_trial_that_exceeded_its_time_resumes_when_it_is_retried(plan_of, tmp_path, monkeypatch):
    monkeypatch.setenv("FER_BENCH_CHECKPOINT_SECONDS", "1")
    endless = plan_of(models=["tiny"], epochs=1_000_000, patience=None).trials
    run(endless, tmp_path, executor=executor_of(trial_timeout=5))
    (long,) = (stored.record for stored in records.load(tmp_path))
    superseded = {endless[0].key: long.started}  # as with --retry-failed
    run(endless, tmp_path, executor=executor_of(trial_timeout=3), superseded=superseded)
    (longer,) = (stored.record for stored in records.load(tmp_path))
    assert longer.started > long.started
    assert longer.history[0] == long.history[0]  # also its seconds: the epoch was not trained again


def test_a_trial_without_memory_is_retried_with_half_batches_if_its_recipe_allows_it(
    plan_of, scanned, tmp_path, callback
):
    scanned(FAULTY)
    trials = [
        planned
        for allowed in ("fail", "halve")
        for planned in plan_of(models=["greedy"], epochs=1, out_of_memory=allowed).trials
    ]
    run(trials, tmp_path, [callback])
    found = records.load(tmp_path).stored
    failed, halved = (found[planned.key].record for planned in trials)
    assert failed.status == "failed" and failed.reason.startswith("MemoryError")
    assert [event for event in callback.events if event[0] == "trial begin"] == [
        ("trial begin", "greedy", 1, 2),
        ("trial begin", "greedy", 2, 2),
        ("trial begin", "greedy", 2, 2),
    ]
    assert halved.status == "finished" and "batches in 2 parts" in halved.split_notes


def test_a_probe_describes_the_machine_and_names_what_cannot_be_imported(plan_of, scanned, preloaded_workers):
    file = scanned('import kerass\n@register_architecture("late", family="test")\ndef late(inputs, recipe): pass\n')
    worker = WorkerHandle(ResourceSlot(frozenset(available_cores())))
    try:
        machine = worker.probe("tensorflow", plan_of(models=["tiny"]).trials)
        assert machine["cores"] == len(available_cores()) and machine["accelerator"]
        with pytest.raises(UserError, match="kerass") as raised:
            worker.probe("tensorflow", plan_of(models=["tiny", "late"]).trials)
        assert str(file) in str(raised.value)
        worker.process.kill()
        worker.process.join()
        with pytest.raises(UserError, match="SIGKILL"):
            worker.probe("tensorflow", plan_of(models=["tiny"]).trials)
    finally:
        stop_workers([worker])


@pytest.mark.parametrize(
    ("cores", "count", "expected"),
    [
        ([0, 1], 1, [{0, 1}]),
        ([0, 1], 2, [{0}, {1}]),
        ([2, 3, 5, 7, 11], 2, [{2, 3}, {5, 7}]),
        ([4], 3, [{4}, {4}, {4}]),
    ],
)
def test_cores_are_split_equally(cores, count, expected):
    assert [slot.cores for slot in split_resources(cores, count)] == expected


def test_each_slot_has_devices_of_its_own(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_devices("none") == []
    devices = visible_devices("one, another, a third, a fourth")
    single = [slot.environment for slot in split_resources(range(8), 4, devices)]
    assert single == [{"CUDA_VISIBLE_DEVICES": name} for name in "0123"]
    pairs = split_resources(range(8), 2, devices, devices_per_slot=2)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in pairs] == ["0,1", "2,3"]
    assert [slot.devices for slot in split_resources(range(8), 3, ["0", "1"])] == [("0",), ("1",), ("0",)]
    assert split_resources(range(8), 2)[0].environment == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    assert visible_devices("one, another") == ["5", "7"]
