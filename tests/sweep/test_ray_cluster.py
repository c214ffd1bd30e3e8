"""A sweep on a Ray cluster gives the same records, also if it loses nodes. The cluster is real, and local."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

from fer_bench import records  # noqa: E402
from fer_bench.core.errors import UserError  # noqa: E402
from fer_bench.sweep.executors import ray_nodes  # noqa: E402
from fer_bench.sweep.executors.executor import TimeLimits  # noqa: E402
from fer_bench.sweep.executors.processes import ProcessExecutor  # noqa: E402
from fer_bench.sweep.executors.ray_cluster import RayExecutor  # noqa: E402
from fer_bench.sweep.executors.resources import ResourceSlot  # noqa: E402
from fer_bench.sweep.options import SweepOptions  # noqa: E402
from fer_bench.sweep.run import run  # noqa: E402
from fer_bench.training.callback import Callback  # noqa: E402

FAULTY = '''
import os
import keras


@register_architecture("exiting", family="test")
def exiting(inputs, recipe):
    """Exits its process."""
    os._exit(7)


@register_architecture("locating", family="test")
def locating(inputs, recipe):
    """Reports the folder of its file."""
    raise ValueError(f"read in {os.path.dirname(__file__)}")
'''


LOCAL_CLUSTER = """
import sys
from fer_bench.sweep.executors.executor import TimeLimits
from fer_bench.sweep.executors.ray_cluster import RayExecutor

executor = RayExecutor(None, 1, 1, TimeLimits())
executor.start()
print("started", flush=True)
sys.stdin.read()
executor.stop()
"""


@pytest.fixture
def cluster():
    """Two nodes of one core each."""
    try:
        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.add_node(num_cpus=1)
    except Exception as error:  # such as no shared memory or no ports
        pytest.skip(f"Ray does not start here: {error}")
    yield made
    ray.shutdown()
    made.shutdown()


def executor_on(cluster, **limits) -> RayExecutor:
    executor = RayExecutor(cluster.address, 1, 1, TimeLimits(**limits))
    executor.start()
    assert (executor.capacity, executor.trials_per_node) == (2, 1)
    return executor


def one_core() -> ProcessExecutor:
    """An executor on this machine with as many cores as a node has."""
    return ProcessExecutor([ResourceSlot(frozenset(sorted(os.sched_getaffinity(0))[:1]))])


def predictions(results) -> dict[str, dict[str, bytes]]:
    """Return the bytes of all predictions by key."""
    finished = {key: s for key, s in records.load(results).stored.items() if s.record.status == "finished"}
    return {key: {name: array.tobytes() for name, array in s.arrays().items()} for key, s in finished.items()}


def test_a_local_cluster_gives_the_record_of_one_process(plan_of, tmp_path):
    plan = plan_of(models=["tiny_dropout"], epochs=3)
    run(plan.trials, tmp_path / "serial")
    executor = RayExecutor(None, 1, 1, TimeLimits())
    executor.start()
    run(plan.trials, tmp_path / "ray", [], SweepOptions(keep_models="all"), executor)
    assert predictions(tmp_path / "ray") == predictions(tmp_path / "serial") != {}
    (stored,) = records.load(tmp_path / "ray")
    assert stored.model_file is not None
    assert "epoch 3/3" in (tmp_path / "ray" / "logs" / f"{stored.path.name}.log").read_text()
    assert not ray.is_initialized()


@pytest.mark.slow
def test_the_model_of_a_pretraining_trial_is_sent_to_the_nodes(plan_of, tmp_path):
    recipe = tmp_path / "quick.yaml"
    recipe.write_text("recipe: {epochs: 1}\n")
    plan = plan_of(models=["tiny_dropout"], pretraining={"dataset": "made", "recipe": str(recipe)})
    run(plan.trials, tmp_path / "serial")
    executor = RayExecutor(None, 1, 1, TimeLimits())
    executor.start()
    run(plan.trials, tmp_path / "ray", [], SweepOptions(keep_models="all"), executor)
    assert predictions(tmp_path / "ray") == predictions(tmp_path / "serial")
    assert [stored.record.status for stored in records.load(tmp_path / "ray")] == ["finished"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("lost", [False, True], ids=["both stay", "one is lost"])
def test_two_nodes_give_the_records_of_one_process(cluster, plan_of, tmp_path, monkeypatch, lost):
    class RemoveNode(Callback):
        def on_trial_end(self, planned, record):
            if lost and record.status == "finished" and other in cluster.worker_nodes:
                cluster.remove_node(other, allow_graceful=False)

    plan = plan_of(models=["tiny_dropout"], seeds=[0, 1, 2], epochs=40, patience=None)
    serial, parallel = tmp_path / "serial", tmp_path / "parallel"
    run(plan.trials, serial)
    monkeypatch.setenv("FER_BENCH_CHECKPOINT_SECONDS", "0")
    (other,) = cluster.worker_nodes
    run(plan.trials, parallel, [RemoveNode()], SweepOptions(keep_models="all"), executor_on(cluster))
    assert (other in cluster.worker_nodes) != lost
    expected, found = records.load(serial).stored, records.load(parallel).stored
    assert expected.keys() == found.keys()
    for key, stored in found.items():
        record = expected[key].record
        assert (stored.record.status, stored.record.reason) == (record.status, record.reason)
        if record.status == "finished":
            assert stored.model_file is not None
            log = (parallel / "logs" / f"{stored.path.name}.log").read_text()
            assert "epoch 40/40" in log and log.endswith("finished\n")
    assert predictions(parallel) == predictions(serial)
    assert not ray.is_initialized()
    assert not list((parallel / "records").glob(".part-*")) and not (parallel / "claims").exists()
    assert not list((parallel / "checkpoints").glob("*"))


@pytest.mark.slow
def test_a_crash_and_a_timeout_fail_one_trial_each(cluster, plan_of, scanned, tmp_path):
    scanned(FAULTY)
    run(plan_of(models=["exiting", "tiny", "locating"]).trials, tmp_path / "crash", executor=executor_on(cluster))
    found = {stored.record.trial.architecture: stored.record for stored in records.load(tmp_path / "crash")}
    assert found["tiny"].status == "finished"
    assert (found["exiting"].status, found["exiting"].reason) == ("failed", "its process has crashed")
    assert "/fer-bench-" in found["locating"].reason  # its file was sent: other nodes cannot read the original
    (log,) = (tmp_path / "crash" / "logs").glob("locating-*.log")
    assert "Traceback" in log.read_text() and "in locating" in log.read_text()
    endless = plan_of(models=["tiny"], epochs=1_000_000, patience=None).trials
    run(endless, tmp_path / "long", executor=executor_on(cluster, trial_timeout=12))
    (record,) = (stored.record for stored in records.load(tmp_path / "long"))
    assert "--trial-timeout" in record.reason and record.history


@pytest.mark.slow
def test_an_interrupt_ends_all_trials_and_they_resume_from_their_checkpoints(
    cluster, plan_of, tmp_path, callback, monkeypatch
):
    class Interrupt(Callback):
        def on_epoch_end(self, planned, epoch):
            if epoch.epoch == 20:
                raise KeyboardInterrupt

    plan = plan_of(models=["tiny_dropout"], seeds=[0, 1], epochs=40, patience=None)
    serial, results = tmp_path / "serial", tmp_path / "results"
    run(plan.trials, serial, executor=one_core())
    monkeypatch.setenv("FER_BENCH_CHECKPOINT_SECONDS", "0")
    with pytest.raises(KeyboardInterrupt):
        run(plan.trials, results, [Interrupt()], executor=executor_on(cluster))
    assert not ray.is_initialized() and list((results / "records").glob("*")) == []
    assert list((results / "checkpoints").glob("*/state.npz"))
    run(plan.trials, results, [callback], executor=executor_on(cluster))
    num_trained_epochs = sum(event[:2] == ("step", 1) for event in callback.events)
    assert num_trained_epochs < 80  # at least one trial resumed; 80 are all epochs of both
    assert predictions(results) == predictions(serial)


def listening_addresses(mark: str) -> set[str]:
    """Return the addresses, in hexadecimal, at which processes with a mark in their environment listen."""
    sockets = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() not in (process / "environ").read_bytes():
                continue
            sockets |= {os.readlink(file) for file in (process / "fd").iterdir()}
        except OSError:
            continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux lists the open ports in /proc")
def test_a_local_cluster_listens_on_the_loopback_address_only():
    mark = uuid.uuid4().hex
    started = subprocess.Popen(
        [sys.executable, "-c", LOCAL_CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MARK": mark},
    )
    try:
        assert started.stdout.readline() == "started\n"
        found = listening_addresses(mark)
    finally:
        started.communicate(timeout=60)
    assert found and found <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:", "nonsense"])
def test_an_address_without_a_cluster_is_an_error(address):
    with pytest.raises(UserError, match=address):
        RayExecutor(address, None, 1, TimeLimits()).start()


def test_an_address_of_a_ray_client_is_an_error_with_advice():
    with pytest.raises(UserError, match="'auto'"):
        RayExecutor("ray://127.0.0.1:10001", None, 1, TimeLimits()).start()


@pytest.mark.slow
def test_more_cores_or_devices_than_any_node_has_are_an_error(cluster):
    with pytest.raises(UserError, match="--cpus-per-trial 3"):
        RayExecutor(cluster.address, 3, 1, TimeLimits()).start()
    ray.shutdown()
    with pytest.raises(UserError, match="--devices-per-trial 2"):
        RayExecutor(cluster.address, 1, 2, TimeLimits()).start()


@pytest.mark.slow
def test_a_cluster_that_no_longer_answers_ends_the_sweep_with_an_error(cluster, plan_of, tmp_path, monkeypatch):
    class KillHead(Callback):
        def on_epoch_end(self, planned, epoch):
            if epoch.epoch == 3:
                cluster.head_node.kill_gcs_server()

    monkeypatch.setattr("fer_bench.sweep.executors.ray_cluster.HEAD_SECONDS", 3)
    plan = plan_of(models=["tiny"], epochs=100_000, patience=None)
    with pytest.raises(UserError, match="no longer answers"):
        run(plan.trials, tmp_path, [KillHead()], executor=executor_on(cluster))
    assert not (tmp_path / "claims").exists()


@pytest.mark.parametrize(
    ("nodes", "cores", "devices", "expected", "capacity"),
    [
        ([{"CPU": 8.0}, {"CPU": 4.0}], None, 1, (4, 0), 3),
        ([{"CPU": 8.0}, {"CPU": 4.0}], 2, 1, (2, 0), 6),
        ([{"CPU": 32.0, "GPU": 4.0}, {"CPU": 8.0}], None, 1, (8, 1), 4),
        ([{"CPU": 32.0, "GPU": 4.0}], None, 2, (16, 2), 2),
        ([{"CPU": 2.0, "GPU": 8.0}], None, 1, (1, 1), 2),
    ],
)
def test_each_trial_gets_an_equal_share_of_a_node(nodes, cores, devices, expected, capacity):
    assert ray_nodes.resources_per_trial(nodes, cores, devices) == expected
    assert sum(ray_nodes.trials_per_node(node, *expected) for node in nodes) == capacity
