"""Whatever befalls a sweep, the same command goes on and comes to what an undisturbed one comes to, byte for byte.

`make test` injects a fault or two of each kind, `make test-long` fifty.
"""

from __future__ import annotations

import csv
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_bench import records

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 3
KILLS = 50
NETWORKS = '''
"""Networks that go wrong while a file is there."""

import os
import resource
import time
from pathlib import Path

from keras import layers

from architectures.layers import classification_head, rescale_input
from fer_bench import register_architecture

TROUBLE = Path(os.environ["TROUBLE"])

def network(inputs, recipe):
    return classification_head(layers.Dropout(0.2)(layers.Flatten()(rescale_input(inputs, recipe))), recipe)


@register_architecture("fault_none", family="test", recipe={"epochs": 60, "batch_size": 16, "patience": None})
def fault_none(inputs, recipe):
    """One dense layer."""
    return network(inputs, recipe)


@register_architecture("fault_raises", family="test", recipe={"epochs": 60, "batch_size": 16, "patience": None})
def fault_raises(inputs, recipe):
    """Raises."""
    if TROUBLE.exists():
        raise ValueError("no such layer")
    return network(inputs, recipe)


@register_architecture("fault_nan", family="test", recipe={"epochs": 60, "batch_size": 16, "patience": None})
def fault_nan(inputs, recipe):
    """Returns no numbers."""
    logits = network(inputs, recipe)
    return logits * float("nan") if TROUBLE.exists() else logits


@register_architecture("fault_hangs", family="test", recipe={"epochs": 60, "batch_size": 16, "patience": None})
def fault_hangs(inputs, recipe):
    """Never gets done."""
    while TROUBLE.exists():
        time.sleep(1)
    return network(inputs, recipe)


@register_architecture("fault_grows", family="test", recipe={"epochs": 60, "batch_size": 16, "patience": None})
def fault_grows(inputs, recipe):
    """Takes memory until there is no more, of which it has been given little."""
    taken = []
    if TROUBLE.exists():
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, resource.getrlimit(resource.RLIMIT_AS)[1]))
    while TROUBLE.exists():
        taken.append(bytearray(2**24))
    return network(inputs, recipe)


@register_architecture("fault_crashes", family="test", recipe={"epochs": 60, "batch_size": 16, "patience": None})
def fault_crashes(inputs, recipe):
    """Reads where nothing is."""
    if TROUBLE.exists():
        import ctypes

        ctypes.string_at(0)
    return network(inputs, recipe)
'''


class Runs:
    """Starts sweeps in a folder, all of one request."""

    def __init__(self, folder: Path, data_dir: Path, *request: str) -> None:
        self.folder, self.results, self.trouble = folder, folder / "results", folder / "trouble"
        networks = folder / "networks.py"
        if not networks.exists():
            networks.write_text(NETWORKS)
        given = [
            "--extra-architectures",
            networks,
            "--data-dir",
            data_dir,
            "--results-dir",
            self.results,
            "--jobs",
            "1",
        ]
        self._command = [sys.executable, ROOT / "benchmark.py", *given, *request]
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "FER_BENCH_CACHE": str(folder / "cache"),
            "FER_BENCH_CHECKPOINT_SECONDS": "0.2",
            "TROUBLE": str(self.trouble),
        }

    def start(self, *more: str, prepare=lambda: None, in_terminal: bool = False) -> subprocess.Popen:
        """A sweep; `in_terminal`: in a process group of its own, all of which hears of Ctrl-C."""

        def in_child():
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
            prepare()

        return subprocess.Popen(
            [*map(str, self._command), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            cwd=self.folder,
            preexec_fn=in_child,
            start_new_session=in_terminal,
        )

    def whole(self, *more: str, prepare=lambda: None) -> tuple[int, str]:
        sweep = self.start(*more, prepare=prepare)
        out, _ = sweep.communicate(timeout=600)
        return sweep.returncode, out


def workers(sweep: subprocess.Popen) -> list[int]:
    """Processes of a sweep that run its trials; of its own children there is a resource tracker, too."""
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
    """How many there were to be killed."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    return len(processes)


def wait_until(condition, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def outcome(results: Path) -> dict:
    """What must not depend on what befell a sweep: predictions, histories and the leaderboard, without the times."""
    told = {}
    for stored in records.load(results):
        record = stored.record
        history = [(e.epoch, e.learning_rate, e.loss, e.validation_loss, e.validation_accuracy) for e in record.history]
        arrays = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in stored.arrays().items()}
        told[stored.path.name] = (record.status, record.best_epoch, history, arrays)
    with (results / "leaderboard.csv").open() as file:
        timed = re.compile("second|memory|beside|throughput|latency|wall|time|machine|started")
        rows = [{name: value for name, value in row.items() if not timed.search(name)} for row in csv.DictReader(file)]
    return {"records": told, "rows": sorted(rows, key=str)}


def nothing_left_behind(results: Path) -> None:
    assert not (results / "claims").exists()
    assert not list((results / "records").glob(".part-*"))
    assert not list((results / "checkpoints").glob("*/*"))


@pytest.fixture(scope="module")
def request_of():
    return ("--models", "fault_none", "--seeds", str(SEEDS))


@pytest.fixture(scope="module")
def undisturbed_folder(tmp_path_factory, data_dir, request_of):
    runs = Runs(tmp_path_factory.mktemp("undisturbed"), data_dir, *request_of)
    status, out = runs.whole()
    assert status == 0, out
    nothing_left_behind(runs.results)
    return runs.results


@pytest.fixture(scope="module")
def undisturbed(undisturbed_folder):
    told = outcome(undisturbed_folder)
    assert len(told["records"]) == SEEDS
    return told


@pytest.fixture
def runs(tmp_path, data_dir, request_of):
    return Runs(tmp_path, data_dir, *request_of)


def test_a_process_and_the_sweep_are_killed(runs, undisturbed):
    rng = random.Random(0)
    sweep = runs.start()
    wait_until(lambda: workers(sweep))
    time.sleep(rng.uniform(1, 8))
    kill(workers(sweep))
    time.sleep(rng.uniform(1, 8))
    theirs = workers(sweep)
    sweep.kill()
    sweep.communicate()
    wait_until(lambda: all(map(gone, theirs)), 30)
    status, out = runs.whole("--retry-failed")
    assert status == 0, out
    assert outcome(runs.results) == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_sweep_is_killed_fifty_times(runs, undisturbed):
    rng = random.Random(1)
    for _ in range(KILLS):
        sweep = runs.start()
        wait_until(lambda sweep=sweep: workers(sweep) or sweep.poll() is not None)
        time.sleep(rng.uniform(0, 12))
        theirs = workers(sweep)
        sweep.kill()
        sweep.communicate()
        wait_until(lambda theirs=theirs: all(map(gone, theirs)), 30)
        if len(records.load(runs.results)) == SEEDS:
            shutil.rmtree(runs.results)
    status, out = runs.whole()
    assert status == 0, out
    assert outcome(runs.results) == undisturbed
    assert not list((runs.results / "checkpoints").glob("*/*"))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_its_processes_are_killed_fifty_times(runs, undisturbed):
    rng, killed = random.Random(2), 0
    while killed < KILLS:
        sweep = runs.start("--retry-failed")
        while sweep.poll() is None and killed < KILLS:
            time.sleep(rng.uniform(0.5, 9))
            killed += kill(workers(sweep))
        out, _ = sweep.communicate(timeout=300)
        failed = [stored.record for stored in records.load(runs.results) if stored.record.status != "finished"]
        assert sweep.returncode in (0, 1, 2), out  # 2: the process in which Keras was to start
        assert all("its process was ended by SIGKILL" in record.reason for record in failed)
        if len(records.load(runs.results)) == SEEDS and not failed and killed < KILLS:
            shutil.rmtree(runs.results)
    status, out = runs.whole("--retry-failed")
    assert status == 0, out
    assert outcome(runs.results) == undisturbed


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"])
def test_it_is_asked_to_stop(runs, undisturbed, how, code):
    sweep = runs.start(in_terminal=True)
    wait_until(lambda: list((runs.results / "checkpoints").glob("*/state.npz")))
    theirs, asked = workers(sweep), time.monotonic()
    os.killpg(sweep.pid, how)
    out, _ = sweep.communicate(timeout=60)
    assert time.monotonic() - asked < 15
    assert sweep.returncode == code and "resume" in out and "Traceback" not in out
    assert all(map(gone, theirs)) and not (runs.results / "claims").exists()
    assert list((runs.results / "checkpoints").glob("*/state.npz"))
    assert all(stored.record.status == "finished" for stored in records.load(runs.results))
    if how == signal.SIGTERM:
        return  # all that follows is as after Ctrl-C
    status, out = runs.whole()
    assert status == 0, out
    assert outcome(runs.results) == undisturbed
    nothing_left_behind(runs.results)


def test_it_is_asked_to_stop_while_its_process_starts(runs):
    sweep = runs.start(in_terminal=True)
    wait_until(lambda: workers(sweep))
    os.killpg(sweep.pid, signal.SIGINT)
    out, _ = sweep.communicate(timeout=60)
    assert sweep.returncode == 130 and "Interrupted" in out and "Traceback" not in out, out


def test_it_is_told_twice_to_stop(runs):
    sweep = runs.start()
    wait_until(lambda: workers(sweep) and list((runs.results / "logs").glob("*")))
    theirs = workers(sweep)
    for process in theirs:
        os.kill(process, signal.SIGSTOP)  # they will not end when they are asked to
    sweep.send_signal(signal.SIGINT)
    time.sleep(0.5)
    sweep.send_signal(signal.SIGINT)
    assert sweep.wait(timeout=3) == 130
    for process in theirs:
        if not gone(process):
            os.kill(process, signal.SIGCONT)
    wait_until(lambda: all(map(gone, theirs)), 30)
    sweep.communicate()
    assert not list((runs.results / "records").glob("[!.]*")) or records.load(runs.results).skipped == []


def test_two_sweeps_share_a_folder(runs, undisturbed):
    both = [runs.start() for _ in range(2)]
    told = [sweep.communicate(timeout=300)[0] for sweep in both]
    assert [sweep.returncode for sweep in both] == [0, 0], told
    assert sum(len(re.findall(r"^trial \d+ of", out, re.M)) for out in told) == SEEDS
    assert outcome(runs.results) == undisturbed
    nothing_left_behind(runs.results)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_of_two_sweeps_that_share_a_folder_one_is_killed(runs, undisturbed):
    rng = random.Random(3)
    for _ in range(KILLS // 5):
        shutil.rmtree(runs.results, ignore_errors=True)
        killed, other = runs.start(), runs.start()
        wait_until(lambda killed=killed: workers(killed))
        time.sleep(rng.uniform(2, 14))
        killed.kill()
        killed.communicate()
        out, _ = other.communicate(timeout=300)
        assert other.returncode == 0, out
        assert outcome(runs.results) == undisturbed
        assert not (runs.results / "claims").exists() or not list((runs.results / "claims").glob("[!.]*"))


def test_records_are_damaged(runs, undisturbed, undisturbed_folder):
    shutil.copytree(undisturbed_folder, runs.results)
    one, other, third = records.load(runs.results)
    spoilt = one.path / "record.json"
    spoilt.write_bytes(spoilt.read_bytes()[:-100])
    (other.path / "predictions.npz").unlink()
    flipped = bytearray((third.path / "predictions.npz").read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    (third.path / "predictions.npz").write_bytes(flipped)
    status, out = runs.whole()
    assert status == 0 and "2 records cannot be read: run again.\n2 to run" in out, out
    assert "The predictions of 1 trial cannot be read: run again." in out
    assert outcome(runs.results) == undisturbed


def small_disk(folder: Path) -> bool:
    """A file system of a megabyte, where this process may make one."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False
    )
    return made.returncode == 0


def test_the_disk_is_full(runs, undisturbed):
    if small_disk(runs.results):
        try:
            for kilobytes in (256, 220):  # nothing can be written; no record can
                (runs.results / "filler").write_bytes(bytes(kilobytes * 1024))
                status, out = runs.whole()
                assert status == 2 and "No space left on device" in out and "Traceback" not in out, out
            (runs.results / "filler").unlink()
            subprocess.run(["mount", "-o", "remount,size=64m", runs.results], check=True)
            status, out = runs.whole("--retry-failed")
            assert status == 0, out
            assert outcome(runs.results) == undisturbed
        finally:
            subprocess.run(["umount", "-l", runs.results], check=False)
        return

    def quota():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    status, out = runs.whole(prepare=quota)
    assert status == 2 and "cannot be written" in out and "Traceback" not in out, out
    status, out = runs.whole("--retry-failed")
    assert status == 0, out
    assert outcome(runs.results) == undisturbed


def test_the_folder_is_read_only(runs):
    runs.results.mkdir()
    if os.geteuid() == 0:
        bound = subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", runs.results], check=False)
        if bound.returncode != 0:
            pytest.skip("root may write everywhere, and mount nothing here")
    else:
        runs.results.chmod(0o555)
    try:
        status, out = runs.whole()
        assert status == 2 and "cannot be written" in out and "Traceback" not in out, out
    finally:
        subprocess.run(["umount", "-l", runs.results], check=False, capture_output=True)


@pytest.mark.parametrize("to_the_end", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_architectures_go_wrong(tmp_path, data_dir, to_the_end):
    names = ["fault_raises", "fault_nan", "fault_hangs", "fault_grows", "fault_crashes", "fault_none"]
    request = ("--models", ",".join(names), "--epochs", "5")
    runs = Runs(tmp_path, data_dir, *request, "--stall-timeout", "8s")
    runs.trouble.touch()
    status, out = runs.whole()
    assert status == 1, out
    found = {stored.record.trial.architecture: stored.record for stored in records.load(runs.results)}
    assert {name: record.status for name, record in found.items()} == {
        **dict.fromkeys(names, "failed"),
        "fault_nan": "diverged",
        "fault_none": "finished",
    }
    for name, reason in [
        ("fault_raises", "ValueError: no such layer"),
        ("fault_nan", "the loss became nan in epoch 1, step 1"),
        ("fault_hangs", "it hung: no step in the 8 s of --stall-timeout"),
        ("fault_grows", "MemoryError"),
        ("fault_crashes", "its process was ended by SIGSEGV"),
    ]:
        assert reason in found[name].reason and reason in out
    assert "5 trials failed" in out and "--retry-failed runs them again" in out
    if not to_the_end:
        return
    runs.trouble.unlink()
    status, again = runs.whole("--retry-failed")
    assert status == 0, again
    assert {stored.record.status for stored in records.load(runs.results)} == {"finished"}
    (tmp_path / "healthy").mkdir()
    healthy = Runs(tmp_path / "healthy", data_dir, *request, "--executor", "in-process")
    assert healthy.whole()[0] == 0
    assert outcome(runs.results)["records"].keys() == outcome(healthy.results)["records"].keys()
    for name, told in outcome(healthy.results)["records"].items():
        assert outcome(runs.results)["records"][name] == told
