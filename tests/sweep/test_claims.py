"""Each trial has one owner at a time, even if a sweep dies, sleeps, or starts at the same moment as another."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fer_bench.core.errors import UserError
from fer_bench.sweep import claims
from fer_bench.sweep.claims import FOLDER, STALE_SECONDS, Claims

KEY, OTHER = "a" * 64, "b" * 64


def make_stale(file, host="another-machine"):
    """Make a claim look as if its owner, on another machine, had stopped its heartbeat."""
    file.write_text(json.dumps(json.loads(file.read_text()) | {"host": host}))
    old = time.time() - STALE_SECONDS - 5
    os.utime(file, (old, old))


def test_a_claim_excludes_other_sweeps_until_it_is_released(tmp_path):
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs:
        assert ours.claim(KEY) and ours.owns(KEY)
        assert not theirs.claim(KEY) and not theirs.owns(KEY)
        assert theirs.claim(OTHER) and not ours.claim(OTHER)
        ours.release(KEY)
        assert theirs.claim(KEY) and not ours.claim(KEY)
    assert not (tmp_path / FOLDER).exists()


def test_a_sweep_that_ends_releases_all_claims(tmp_path):
    with Claims(tmp_path) as theirs:
        with Claims(tmp_path) as ours:
            ours.claim(KEY)
            ours.claim(OTHER)
        assert theirs.claim(KEY) and theirs.claim(OTHER)


def test_a_stale_claim_is_taken_over_and_its_owner_notices(tmp_path):
    with Claims(tmp_path) as asleep, Claims(tmp_path) as awake, Claims(tmp_path) as third:
        asleep.claim(KEY)
        make_stale(tmp_path / FOLDER / f"{KEY[:16]}.0")
        assert awake.claim(KEY)
        assert not asleep.owns(KEY) and awake.owns(KEY)
        assert not third.claim(KEY)
        asleep.release(KEY)
        assert awake.owns(KEY) and not third.claim(KEY)
        awake.release(KEY)
        assert third.claim(KEY)


@pytest.mark.parametrize("host", ["another-machine", f"{socket.gethostname()} pid:[1]"], ids=["machine", "container"])
def test_a_fresh_claim_of_another_machine_or_container_is_respected(tmp_path, host):
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs:
        ours.claim(KEY)
        file = tmp_path / FOLDER / f"{KEY[:16]}.0"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"host": host, "process": 2**22 - 7}))
        assert not theirs.claim(KEY)


def test_the_claim_of_a_killed_process_is_free_at_once(tmp_path):
    program = (
        "import os, pathlib, sys\n"
        "from fer_bench.sweep.claims import Claims\n"
        f"assert Claims(pathlib.Path(sys.argv[1])).__enter__().claim('{KEY}')\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert (tmp_path / FOLDER / f"{KEY[:16]}.0").exists()
    with Claims(tmp_path) as ours:
        assert ours.claim(KEY)


@pytest.mark.parametrize("stale", [False, True])
def test_one_of_many_concurrent_sweeps_gets_the_claim(tmp_path, stale):
    with Claims(tmp_path) as before:
        if stale:
            before.claim(KEY)
            make_stale(tmp_path / FOLDER / f"{KEY[:16]}.0")
        many = [Claims(tmp_path).__enter__() for _ in range(8)]
        barrier = threading.Barrier(len(many))

        def claim(sweep):
            barrier.wait()
            return sweep.claim(KEY)

        with ThreadPoolExecutor(len(many)) as pool:
            got = list(pool.map(claim, many))
        assert sum(got) == 1
        assert [sweep.owns(KEY) for sweep in many] == got
        for sweep in many:
            sweep.__exit__()


def test_a_heartbeat_updates_the_claim(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "HEARTBEAT_SECONDS", 0.02)
    with Claims(tmp_path) as ours:
        ours.claim(KEY)
        file = tmp_path / FOLDER / f"{KEY[:16]}.0"
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 10
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert file.stat().st_mtime > 0


def test_a_damaged_claim_counts_until_it_is_stale(tmp_path):
    with Claims(tmp_path) as ours:
        file = tmp_path / FOLDER / f"{KEY[:16]}.3"
        file.write_text("{")
        assert not ours.claim(KEY)
        os.utime(file, (0, 0))
        assert ours.claim(KEY) and (tmp_path / FOLDER / f"{KEY[:16]}.4").exists()


def test_a_full_disk_is_an_error_and_leaves_no_claim(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with Claims(tmp_path) as ours:
        with monkeypatch.context() as patch:
            patch.setattr(type(tmp_path), "write_text", full)
            patch.setattr(type(tmp_path), "open", full)
            with pytest.raises(UserError, match="No space left on device"):
                ours.claim(KEY)
        assert not ours.owns(KEY) and ours.claim(KEY)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(UserError, match="claims"):
        Claims(tmp_path).__enter__()
