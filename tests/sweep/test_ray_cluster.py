"""A sweep on a Ray cluster makes the same records, whatever becomes of its nodes. The cluster is real, and local."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster as Nodes  # noqa: E402

from fer_bench import records  # noqa: E402
from fer_bench.core.errors import UserError  # noqa: E402
from fer_bench.sweep.executors import ray_nodes as on_nodes  # noqa: E402
from fer_bench.sweep.executors.processes import Processes  # noqa: E402
from fer_bench.sweep.executors.ray_cluster import Cluster  # noqa: E402
from fer_bench.sweep.executors.resources import Share  # noqa: E402
from fer_bench.sweep.executors.worker_handle import Limits  # noqa: E402
from fer_bench.sweep.run import Ways, run  # noqa: E402

CRASHING = '''
import os
import keras


@register_architecture("crashing", family="test")
def crashing(inputs, recipe):
    """Leaves its process."""
    os._exit(7)


@register_architecture("telling", family="test")
def telling(inputs, recipe):
    """Says where it stands."""
    raise ValueError(f"read in {os.path.dirname(__file__)}")
'''


ALONE = """
import sys
from fer_bench.sweep.executors.ray_cluster import Cluster
from fer_bench.sweep.executors.worker_handle import Limits

cluster = Cluster(None, 1, 1, Limits())
cluster.start()
print("started", flush=True)
sys.stdin.read()
cluster.stop()
"""


@pytest.fixture
def nodes():
    """Two nodes of one core each."""
    try:
        made = Nodes(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        made.add_node(num_cpus=1)
    except Exception as error:  # no shared memory, say, or no ports
        pytest.skip(f"Ray does not start here: {error}")
    yield made
    ray.shutdown()
    made.shutdown()


def on(nodes, **limits) -> Cluster:
    executor = Cluster(nodes.address, 1, 1, Limits(**limits))
    executor.start()
    assert (executor.room, executor.beside) == (2, 1)
    return executor


def one_core() -> Processes:
    """Trials of this machine, on as much of it as a node has."""
    return Processes([Share(frozenset(sorted(os.sched_getaffinity(0))[:1]))])


def predicted(stored) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in stored.arrays().items()}


def test_two_nodes_make_the_records_that_one_process_makes_though_one_is_lost(
    nodes, plan_of, tmp_path, watcher, monkeypatch
):
    plan = plan_of(models=["tiny_dropout", "tiny_raising", "tiny_nan"], seeds=[0, 1], epochs=40, patience=None)
    alone, spread = tmp_path / "alone", tmp_path / "spread"
    run(plan.trials, alone, watcher, Ways(one_core()))
    watcher.events.clear()
    monkeypatch.setenv("FER_BENCH_CHECKPOINT_SECONDS", "0")
    (other,) = nodes.worker_nodes
    usual = watcher.ends

    def ends(record):
        usual(record)
        if record.status == "finished" and other in nodes.worker_nodes:
            nodes.remove_node(other, allow_graceful=False)

    monkeypatch.setattr(watcher, "ends", ends)
    run(plan.trials, spread, watcher, Ways(on(nodes), keep_models=True))
    assert other not in nodes.worker_nodes
    expected, found = records.load(alone).stored, records.load(spread).stored
    assert expected.keys() == found.keys()
    for key, stored in found.items():
        theirs = expected[key]
        assert (stored.record.status, stored.record.reason) == (theirs.record.status, theirs.record.reason)
        if stored.record.status == "finished":
            assert predicted(stored) == predicted(theirs)
            assert stored.model_file is not None
            log = (spread / "logs" / f"{stored.path.name}.log").read_text()
            assert "epoch 40/40" in log and log.endswith("finished\n")
    assert not ray.is_initialized()
    assert not list((spread / "records").glob(".part-*")) and not (spread / "claims").exists()
    assert not list((spread / "checkpoints").glob("*"))


@pytest.mark.slow
def test_a_crash_and_a_timeout_are_of_one_trial_alone(nodes, plan_of, scanned, tmp_path, watcher):
    scanned(CRASHING)
    models = ["crashing", "tiny", "telling"]
    run(plan_of(models=models).trials, tmp_path / "crash", watcher, Ways(on(nodes)))
    found = {stored.record.trial.architecture: stored.record for stored in records.load(tmp_path / "crash")}
    assert found["tiny"].status == "finished"
    assert (found["crashing"].status, found["crashing"].reason) == ("failed", "its process has crashed")
    assert "/fer-bench-" in found["telling"].reason  # sent there: another node has no file where it lies here
    (log,) = (tmp_path / "crash" / "logs").glob("telling-*.log")
    assert "Traceback" in log.read_text() and "in telling" in log.read_text()
    endless = plan_of(models=["tiny"], epochs=1_000_000, patience=None).trials
    run(endless, tmp_path / "long", watcher, Ways(on(nodes, trial=12)))
    (record,) = (stored.record for stored in records.load(tmp_path / "long"))
    assert record.reason.startswith("it took longer than the 12 s of --trial-timeout") and record.history


@pytest.mark.slow
def test_an_interrupt_ends_all_trials_which_go_on_from_their_checkpoints(
    nodes, plan_of, tmp_path, watcher, monkeypatch
):
    plan = plan_of(models=["tiny_dropout"], seeds=[0, 1], epochs=40, patience=None)
    alone, results = tmp_path / "alone", tmp_path / "results"
    run(plan.trials, alone, watcher, Ways(one_core()))
    monkeypatch.setenv("FER_BENCH_CHECKPOINT_SECONDS", "0")

    def pressed(epoch, epochs):
        if epoch.epoch == 20:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(watcher, "epoch", pressed)
        with pytest.raises(KeyboardInterrupt):
            run(plan.trials, results, watcher, Ways(on(nodes)))
    assert not ray.is_initialized() and list((results / "records").glob("*")) == []
    assert list((results / "checkpoints").glob("*/state.npz"))
    watcher.events.clear()
    run(plan.trials, results, watcher, Ways(on(nodes)))
    assert sum(event[0] == "step" for event in watcher.events) <= 60  # of 80 that all epochs have
    expected = records.load(alone).stored
    assert {key: predicted(one) for key, one in records.load(results).stored.items()} == {
        key: predicted(one) for key, one in expected.items()
    }


def listening(mark: str) -> set[str]:
    """Addresses, as the system writes them, at which processes with a mark in their environment listen."""
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


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="what listens is told by Linux")
def test_what_is_started_here_listens_on_the_loopback_address_alone():
    mark = uuid.uuid4().hex
    started = subprocess.Popen(
        [sys.executable, "-c", ALONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "MARK": mark},
    )
    try:
        assert started.stdout.readline() == "started\n"
        found = listening(mark)
    finally:
        started.communicate(timeout=60)
    assert found and found <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:", "nonsense"])
def test_where_no_cluster_is_it_is_said(address):
    with pytest.raises(UserError, match=f"No Ray cluster answers at {address}"):
        Cluster(address, None, 1, Limits()).start()


def test_clients_of_ray_are_told_what_to_do_instead():
    with pytest.raises(UserError, match="run the sweep on one of its nodes"):
        Cluster("ray://127.0.0.1:10001", None, 1, Limits()).start()


@pytest.mark.slow
def test_what_no_node_has_is_refused(nodes):
    with pytest.raises(UserError, match="No node of the cluster has the 3 cores"):
        Cluster(nodes.address, 3, 1, Limits()).start()
    ray.shutdown()
    with pytest.raises(UserError, match="no node of the cluster has so many GPUs"):
        Cluster(nodes.address, 1, 2, Limits()).start()


@pytest.mark.slow
def test_a_cluster_that_is_gone_ends_the_sweep_with_a_word(nodes, plan_of, tmp_path, watcher, monkeypatch):
    monkeypatch.setattr("fer_bench.sweep.executors.ray_cluster.HEAD_SECONDS", 3)
    usual = watcher.epoch

    def gone(epoch, epochs):
        usual(epoch, epochs)
        if epoch.epoch == 3:
            nodes.head_node.kill_gcs_server()

    monkeypatch.setattr(watcher, "epoch", gone)
    plan = plan_of(models=["tiny"], epochs=100_000, patience=None)
    with pytest.raises(
        UserError, match=r"The head node of the Ray cluster, .*, no longer answers. What is recorded stays"
    ):
        run(plan.trials, tmp_path, watcher, Ways(on(nodes)))
    assert not (tmp_path / "claims").exists()


@pytest.mark.parametrize(
    ("nodes", "cores", "devices", "expected", "room"),
    [
        ([{"CPU": 8.0}, {"CPU": 4.0}], None, 1, (4, 0), 3),
        ([{"CPU": 8.0}, {"CPU": 4.0}], 2, 1, (2, 0), 6),
        ([{"CPU": 32.0, "GPU": 4.0}, {"CPU": 8.0}], None, 1, (8, 1), 4),
        ([{"CPU": 32.0, "GPU": 4.0}], None, 2, (16, 2), 2),
        ([{"CPU": 2.0, "GPU": 8.0}], None, 1, (1, 1), 2),
    ],
)
def test_what_a_trial_gets_of_the_nodes(nodes, cores, devices, expected, room):
    assert on_nodes.share(nodes, cores, devices) == expected
    assert sum(on_nodes.fit(node, *expected) for node in nodes) == room
