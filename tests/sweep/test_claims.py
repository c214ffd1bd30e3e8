"""A trial is one sweep's at a time, whoever dies, sleeps or is as fast as another."""

import json
import os
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


def age(file, host="another machine"):
    """A claim as it looks when its owner, on another machine, has been silent for long."""
    file.write_text(json.dumps(json.loads(file.read_text()) | {"host": host}))
    old = time.time() - STALE_SECONDS - 5
    os.utime(file, (old, old))


def test_what_one_claims_no_other_gets_until_it_lets_go(tmp_path):
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs:
        assert ours.claim(KEY) and ours.holds(KEY)
        assert not theirs.claim(KEY) and not theirs.holds(KEY)
        assert theirs.claim(OTHER) and not ours.claim(OTHER)
        ours.let_go(KEY)
        assert theirs.claim(KEY) and not ours.claim(KEY)
    assert not (tmp_path / FOLDER).exists()


def test_one_that_goes_lets_go_of_all(tmp_path):
    with Claims(tmp_path) as theirs:
        with Claims(tmp_path) as ours:
            ours.claim(KEY)
            ours.claim(OTHER)
        assert theirs.claim(KEY) and theirs.claim(OTHER)


def test_a_stale_claim_is_taken_over_and_its_owner_finds_out(tmp_path):
    with Claims(tmp_path) as asleep, Claims(tmp_path) as awake, Claims(tmp_path) as third:
        asleep.claim(KEY)
        age(tmp_path / FOLDER / f"{KEY[:16]}.0")
        assert awake.claim(KEY)
        assert not asleep.holds(KEY) and awake.holds(KEY)
        assert not third.claim(KEY)
        asleep.let_go(KEY)
        assert awake.holds(KEY) and not third.claim(KEY)
        awake.let_go(KEY)
        assert third.claim(KEY)


def test_a_young_claim_of_another_machine_is_respected(tmp_path):
    with Claims(tmp_path) as ours, Claims(tmp_path) as theirs:
        ours.claim(KEY)
        file = tmp_path / FOLDER / f"{KEY[:16]}.0"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"host": "another machine", "process": 2**22 - 7}))
        assert not theirs.claim(KEY)


def test_the_claim_of_a_process_that_was_killed_is_free_at_once(tmp_path):
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
def test_of_many_at_once_one_gets_it(tmp_path, stale):
    with Claims(tmp_path) as before:
        if stale:
            before.claim(KEY)
            age(tmp_path / FOLDER / f"{KEY[:16]}.0")
        many = [Claims(tmp_path).__enter__() for _ in range(8)]
        together = threading.Barrier(len(many))

        def grab(one):
            together.wait()
            return one.claim(KEY)

        with ThreadPoolExecutor(len(many)) as pool:
            got = list(pool.map(grab, many))
        assert sum(got) == 1
        assert [one.holds(KEY) for one in many] == got
        for one in many:
            one.__exit__()


def test_a_claim_is_kept_young(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.02)
    with Claims(tmp_path) as ours:
        ours.claim(KEY)
        file = tmp_path / FOLDER / f"{KEY[:16]}.0"
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 10
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert time.time() - file.stat().st_mtime < 10


def test_a_damaged_claim_holds_until_it_is_old(tmp_path):
    with Claims(tmp_path) as ours:
        file = tmp_path / FOLDER / f"{KEY[:16]}.3"
        file.write_text("{")
        assert not ours.claim(KEY)
        os.utime(file, (0, 0))
        assert ours.claim(KEY) and (tmp_path / FOLDER / f"{KEY[:16]}.4").exists()


def test_a_full_disk_is_a_clear_error_and_leaves_no_claim(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with Claims(tmp_path) as ours:
        with monkeypatch.context() as patch:
            patch.setattr(type(tmp_path), "write_text", full)
            patch.setattr(type(tmp_path), "open", full)
            with pytest.raises(UserError, match="claims cannot be written: No space left on device"):
                ours.claim(KEY)
        assert not ours.holds(KEY) and ours.claim(KEY)


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / FOLDER).write_text("")
    with pytest.raises(UserError, match="claims cannot be written"):
        Claims(tmp_path).__enter__()
