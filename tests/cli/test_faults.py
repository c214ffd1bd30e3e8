"""After any fault, the same command resumes and gives what an undisturbed sweep gives, byte for byte.

`make test` injects one or two faults of each kind, `make test-long` fifty.
"""

from __future__ import annotations

import csv
import io
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from fer_bench import cli, records
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.interrupt import Terminated

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 3
NUM_KILLS = 50
NETWORKS = '''
"""Networks that fail while the file TROUBLE exists."""

import os
import resource
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from keras import layers

from fer_bench.layers import classification_head, rescale_input
from fer_bench import register_architecture

TROUBLE = Path(os.environ["TROUBLE"])


def network(inputs, recipe):
    return classification_head(layers.Dropout(0.2)(layers.Flatten()(rescale_input(inputs, recipe))), recipe)


@register_architecture("fault_none", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_none(inputs, recipe):
    """One dense layer."""
    return network(inputs, recipe)


@register_architecture("fault_raises", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_raises(inputs, recipe):
    """Raises."""
    if TROUBLE.exists():
        raise ValueError("no such layer")
    return network(inputs, recipe)


@register_architecture("fault_nan", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_nan(inputs, recipe):
    """Returns NaN."""
    logits = network(inputs, recipe)
    return logits * float("nan") if TROUBLE.exists() else logits


@register_architecture("fault_stalls", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_stalls(inputs, recipe):
    """Never ends."""
    while TROUBLE.exists():
        time.sleep(1)
    return network(inputs, recipe)


@register_architecture("fault_grows", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_grows(inputs, recipe):
    """Allocates memory until its small limit."""
    taken = []
    if TROUBLE.exists():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, resource.getrlimit(resource.RLIMIT_AS)[1]))
    while TROUBLE.exists():
        taken.append(bytearray(2**24))
    return network(inputs, recipe)


@register_architecture("fault_exits", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_exits(inputs, recipe):
    """Exits its process."""
    if TROUBLE.exists():
        os._exit(7)
    return network(inputs, recipe)


@register_architecture("fault_crashes", family="test", recipe={"epochs": 40, "batch_size": 16, "patience": None})
def fault_crashes(inputs, recipe):
    """Reads an invalid address."""
    if TROUBLE.exists():
        import ctypes

        ctypes.string_at(0)
    return network(inputs, recipe)
'''


class Sweeps:
    """Starts sweeps of one request in a folder."""

    def __init__(self, folder: Path, data_dir: Path, *request: str) -> None:
        self.folder, self.results, self.trouble = folder, folder / "results", folder / "trouble"
        networks = folder / "networks.py"
        networks.write_text(NETWORKS)
        flags = {
            "--extra-architectures": networks,
            "--data-dir": data_dir,
            "--results-dir": self.results,
            "--jobs": 1,
        }
        options = [text for flag in flags.items() for text in flag]
        self._command = [str(part) for part in (sys.executable, ROOT / "benchmark.py", *options, *request)]
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FER_BENCH_CACHE": str(folder / "cache"),
            "FER_BENCH_CHECKPOINT_SECONDS": "0.2",
            "TROUBLE": str(self.trouble),
        }

    def start(self, *more: str, prepare=lambda: None, own_group: bool = False) -> subprocess.Popen:
        """Start a sweep; with `own_group` in a process group, all of which receives Ctrl-C as in a terminal."""

        def in_child():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
            prepare()

        return subprocess.Popen(
            [*self._command, *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            cwd=self.folder,
            preexec_fn=in_child,
            start_new_session=own_group,
        )

    def run(self, *more: str, prepare=lambda: None) -> tuple[int, str]:
        """Run a sweep to its end; return its exit status and its output."""
        sweep = self.start(*more, prepare=prepare)
        out, _ = sweep.communicate(timeout=600)
        return sweep.returncode, out

    def run_in_process(self, *more: str) -> tuple[int, str]:
        """Run a sweep in this process, which has imported Keras; return its exit status and its output."""
        out = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            ARCHITECTURES.temporary(),
            redirect_stdout(out),
            redirect_stderr(out),
            pytest.raises(SystemExit) as stopped,
        ):
            patch.chdir(self.folder)
            patch.setattr("fer_bench.report.write._figures", lambda *_: iter(()))  # they take most of a report's time
            patch.setattr(sys, "argv", [*self._command[1:], "--executor", "in-process", *more])
            for name in ("FER_BENCH_CACHE", "FER_BENCH_CHECKPOINT_SECONDS", "TROUBLE"):
                patch.setenv(name, self._environment[name])
            cli.main()
        return stopped.value.code or 0, out.getvalue()

    def records(self) -> int:
        """Return the number of complete records."""
        return len(list((self.results / "records").glob("[!.]*")))

    def checkpoints(self) -> list[Path]:
        return list((self.results / "checkpoints").glob("*/state.npz"))


def workers(sweep: subprocess.Popen) -> list[int]:
    """Return the worker processes of a sweep; its other child is multiprocessing's resource tracker."""
    found = []
    for task in Path(f"/proc/{sweep.pid}/task").glob("*/children"):
        for child in task.read_text().split():
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:
                continue
            if b"spawn_main" in command:
                found.append(int(child))
    return found


def kill(processes: list[int]) -> int:
    """Kill processes and return their number."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    return len(processes)


def wait_until(condition, seconds: float = 120, sweep: subprocess.Popen | None = None) -> None:
    """Wait for a condition; fail if that takes too long or the sweep ends before."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert sweep is None or sweep.poll() is None, sweep.communicate()[0]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def stopped(process: int) -> bool:
    """Whether all threads of a process have stopped; until then another signal may end it."""
    states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{process}/task").glob("*/stat")]
    return set(states) == {"T"}


def outcome(results: Path) -> dict:
    """Return what a fault must not change: predictions, histories and the leaderboard, without times."""
    found = {}
    for stored in records.load(results):
        record = stored.record
        history = [(e.epoch, e.learning_rate, e.loss, e.validation_loss, e.validation_accuracy) for e in record.history]
        known = stored.arrays() if record.status == "finished" else {}
        arrays = {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in known.items()}
        found[stored.path.name] = (record.status, record.best_epoch, history, arrays)
    with (results / "leaderboard.csv").open() as file:
        timed = re.compile("second|memory|throughput|latency|wall|time|machine|started")
        rows = [{name: value for name, value in row.items() if not timed.search(name)} for row in csv.DictReader(file)]
    return {"records": found, "rows": sorted(rows, key=str)}


def assert_nothing_is_left(results: Path) -> None:
    assert not (results / "claims").exists()
    assert not list((results / "records").glob(".part-*"))
    assert not list((results / "checkpoints").glob("*/*"))


REQUEST = ("--models", "fault_none", "--seeds", str(SEEDS))


@pytest.fixture(scope="module")
def undisturbed_results(tmp_path_factory, data_dir):
    sweeps = Sweeps(tmp_path_factory.mktemp("undisturbed"), data_dir, *REQUEST)
    status, out = sweeps.run_in_process()
    assert status == 0, out
    assert_nothing_is_left(sweeps.results)
    return sweeps.results


@pytest.fixture(scope="module")
def undisturbed(undisturbed_results):
    expected = outcome(undisturbed_results)
    assert len(expected["records"]) == SEEDS
    return expected


@pytest.fixture
def sweeps(tmp_path, data_dir):
    return Sweeps(tmp_path, data_dir, *REQUEST)


def test_a_worker_and_then_the_sweep_are_killed(sweeps, undisturbed):
    sweep = sweeps.start()
    wait_until(sweeps.checkpoints, sweep=sweep)
    kill(workers(sweep))
    wait_until(lambda: sweep.poll() is not None or (sweeps.records() and len(sweeps.checkpoints()) > 1))
    remaining = workers(sweep)
    sweep.kill()
    sweep.communicate()
    wait_until(lambda: all(map(ended, remaining)), 30)
    status, out = sweeps.run_in_process("--retry-failed")
    assert status == 0, out
    assert outcome(sweeps.results) == undisturbed
    assert not list((sweeps.results / "checkpoints").glob("*/*"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_sweep_is_killed_fifty_times(sweeps, undisturbed):
    rng = random.Random(1)
    for _ in range(NUM_KILLS):
        sweep = sweeps.start()
        wait_until(lambda sweep=sweep: workers(sweep) or sweep.poll() is not None)
        time.sleep(rng.uniform(0, 12))
        its_workers = workers(sweep)
        sweep.kill()
        sweep.communicate()
        wait_until(lambda its_workers=its_workers: all(map(ended, its_workers)), 30)
        if len(records.load(sweeps.results)) == SEEDS:
            shutil.rmtree(sweeps.results)
    status, out = sweeps.run()
    assert status == 0, out
    assert outcome(sweeps.results) == undisturbed
    assert not list((sweeps.results / "checkpoints").glob("*/*"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_its_workers_are_killed_fifty_times(sweeps, undisturbed):
    rng, killed = random.Random(2), 0
    while killed < NUM_KILLS:
        sweep = sweeps.start("--retry-failed")
        while sweep.poll() is None and killed < NUM_KILLS:
            time.sleep(rng.uniform(0.5, 9))
            killed += kill(workers(sweep))
        out, _ = sweep.communicate(timeout=300)
        failed = [stored.record for stored in records.load(sweeps.results) if stored.record.status != "finished"]
        assert sweep.returncode in (0, 1, 2), out  # 2: a worker that was starting Keras
        assert all("SIGKILL" in record.reason for record in failed)
        if len(records.load(sweeps.results)) == SEEDS and not failed and killed < NUM_KILLS:
            shutil.rmtree(sweeps.results)
    status, out = sweeps.run("--retry-failed")
    assert status == 0, out
    assert outcome(sweeps.results) == undisturbed


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
    ids=["Ctrl-C", "SIGTERM"],
)
def test_the_sweep_is_interrupted(sweeps, undisturbed, number, status):
    sweep = sweeps.start(own_group=True)
    wait_until(sweeps.checkpoints, sweep=sweep)
    its_workers = workers(sweep)
    os.killpg(sweep.pid, number)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == status and "to resume" in out and "Traceback" not in out
    assert all(map(ended, its_workers)) and not (sweeps.results / "claims").exists()
    assert sweeps.checkpoints()
    assert all(stored.record.status == "finished" for stored in records.load(sweeps.results))
    status, out = sweeps.run_in_process()
    assert status == 0, out
    assert outcome(sweeps.results) == undisturbed
    assert_nothing_is_left(sweeps.results)


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, 130), (Terminated, 143)])
def test_the_exit_status_names_the_signal(working_dir, monkeypatch, capsys, error, status):
    def run(benchmark):
        raise error

    monkeypatch.setattr("fer_bench.runner.Benchmark.run", run)
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--models", "cnn_small"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == status and "to resume" in capsys.readouterr().err


def test_the_sweep_is_interrupted_while_its_worker_starts(sweeps):
    sweep = sweeps.start(own_group=True)
    wait_until(lambda: workers(sweep), sweep=sweep)
    os.killpg(sweep.pid, signal.SIGINT)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "Interrupted" in out and "Traceback" not in out, out


def test_a_second_interrupt_does_not_wait_for_the_workers(sweeps):
    sweep = sweeps.start()
    wait_until(lambda: workers(sweep) and list((sweeps.results / "logs").glob("*")), sweep=sweep)
    its_workers = workers(sweep)
    for process in its_workers:
        os.kill(process, signal.SIGSTOP)  # so that they cannot end when the sweep asks them to
    wait_until(lambda: all(map(stopped, its_workers)))
    sweep.send_signal(signal.SIGINT)
    time.sleep(0.5)
    sweep.send_signal(signal.SIGINT)
    assert sweep.wait(timeout=60) == 130
    for process in its_workers:
        if not ended(process):
            os.kill(process, signal.SIGCONT)
    wait_until(lambda: all(map(ended, its_workers)), 30)
    out, _ = sweep.communicate(timeout=60)
    assert "Interrupted" not in out  # which it prints if it waits for them
    assert records.load(sweeps.results).skipped == []


def test_two_sweeps_share_a_folder(sweeps, undisturbed):
    first = sweeps.start()
    wait_until(sweeps.checkpoints, sweep=first)
    second_status, second_out = sweeps.run_in_process()
    first_out, _ = first.communicate(timeout=300)
    outputs = [first_out, second_out]
    assert (first.returncode, second_status) == (0, 0), outputs
    counts = [len(re.findall(r"^trial \d+ of", out, re.M)) for out in outputs]
    assert sum(counts) == SEEDS and all(counts), outputs
    assert outcome(sweeps.results) == undisturbed
    assert_nothing_is_left(sweeps.results)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_of_two_sweeps_that_share_a_folder_is_killed(sweeps, undisturbed):
    rng = random.Random(3)
    for _ in range(NUM_KILLS // 5):
        shutil.rmtree(sweeps.results, ignore_errors=True)
        killed, other = sweeps.start(), sweeps.start()
        wait_until(lambda killed=killed: workers(killed))
        time.sleep(rng.uniform(2, 14))
        killed.kill()
        killed.communicate()
        out, _ = other.communicate(timeout=300)
        assert other.returncode == 0, out
        assert outcome(sweeps.results) == undisturbed
        assert not (sweeps.results / "claims").exists() or not list((sweeps.results / "claims").glob("[!.]*"))


def test_records_are_damaged(sweeps, undisturbed, undisturbed_results):
    shutil.copytree(undisturbed_results, sweeps.results)
    truncated, incomplete, changed = records.load(sweeps.results)
    file = truncated.path / "record.json"
    file.write_bytes(file.read_bytes()[:-100])
    (incomplete.path / "predictions.npz").unlink()
    content = bytearray((changed.path / "predictions.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (changed.path / "predictions.npz").write_bytes(content)
    status, out = sweeps.run_in_process()
    assert status == 0 and "2 unreadable records: run again." in out and "2 to run" in out, out
    assert "The predictions of 1 trial cannot be read: run again." in out
    assert outcome(sweeps.results) == undisturbed


def mount_small_disk(folder: Path) -> bool:
    """Mount a file system of 256 kB; return False if this process may not do that."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


def test_the_disk_is_full(sweeps, undisturbed):
    if mount_small_disk(sweeps.results):
        try:
            for kilobytes in (256, 220):  # full from the start; full when the first record is written
                (sweeps.results / "filler").write_bytes(bytes(kilobytes * 1024))
                status, out = sweeps.run_in_process()
                assert status == 2 and "No space left on device" in out and "Traceback" not in out, out
            (sweeps.results / "filler").unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", sweeps.results], check=True)
            status, out = sweeps.run_in_process("--retry-failed")
            assert status == 0, out
            assert outcome(sweeps.results) == undisturbed
        finally:
            subprocess.run(["umount", "-l", sweeps.results], check=False)
        return

    def quota():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    status, out = sweeps.run(prepare=quota)
    assert status == 2 and "cannot be written" in out and "Traceback" not in out, out
    status, out = sweeps.run("--retry-failed")
    assert status == 0, out
    assert outcome(sweeps.results) == undisturbed


def test_the_folder_is_read_only(sweeps):
    sweeps.results.mkdir()
    if os.geteuid() == 0:
        bound = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", sweeps.results], check=False)
        if bound.returncode != 0:
            pytest.skip("root can write everywhere and cannot mount here")
    else:
        sweeps.results.chmod(0o555)
    try:
        status, out = sweeps.run()
        assert status == 2 and "cannot be written" in out and "Traceback" not in out, out
    finally:
        subprocess.run(["umount", "-l", sweeps.results], check=False, capture_output=True)


@pytest.mark.slow
def test_every_kind_of_faulty_architecture_fails_alone_and_is_retried(tmp_path, data_dir):
    names = ["fault_raises", "fault_nan", "fault_stalls", "fault_grows", "fault_exits", "fault_crashes", "fault_none"]
    request = ("--models", ",".join(names), "--epochs", "5")
    sweeps = Sweeps(tmp_path, data_dir, *request, "--stall-timeout", "8s")
    sweeps.trouble.touch()
    status, out = sweeps.run()
    assert status == 1, out
    found = {stored.record.trial.architecture: stored.record for stored in records.load(sweeps.results)}
    assert {name: record.status for name, record in found.items()} == {
        **dict.fromkeys(names, "failed"),
        "fault_nan": "diverged",
        "fault_none": "finished",
    }
    for name, reason in [
        ("fault_raises", "ValueError: no such layer"),
        ("fault_nan", "the loss became nan in epoch 1, step 1"),
        ("fault_stalls", "it stalled"),
        ("fault_grows", "MemoryError"),
        ("fault_exits", "exit status 7"),
        ("fault_crashes", "SIGSEGV"),
    ]:
        assert reason in found[name].reason and reason in out
    assert "6 trials failed" in out and "--retry-failed" in out
    sweeps.trouble.unlink()
    status, out = sweeps.run("--retry-failed")
    assert status == 0, out
    (tmp_path / "healthy").mkdir()
    healthy = Sweeps(tmp_path / "healthy", data_dir, *request, "--executor", "in-process")
    assert healthy.run()[0] == 0
    assert outcome(sweeps.results)["records"] == outcome(healthy.results)["records"]
