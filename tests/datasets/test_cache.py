"""The cache: used if current, rebuilt otherwise, never incomplete."""

import os
import signal
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import LOCK, cached, fingerprint
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.registry import default_cache_dir


def make(seed: int = 0, count: int = 5) -> Dataset:
    rng = np.random.default_rng(seed)
    return Dataset(
        name="tiny",
        images=rng.integers(0, 256, (count, 48, 48), dtype=np.uint8),
        labels=rng.integers(0, 2, count),
        ids=np.array([f"tiny-{index}" for index in range(count)]),
        classes=("no", "yes"),
        fingerprint="",
        split=np.zeros(count, np.int8),
        subjects=np.array([f"subject {index % 2}" for index in range(count)]),
    )


class Reader:
    """A reader that counts its calls."""

    def __init__(self, **options) -> None:
        self.calls, self.options = 0, options

    def __call__(self) -> Dataset:
        self.calls += 1
        return make(**self.options)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source.csv"
    path.write_text("a")
    return path


@pytest.fixture
def cache_dir(tmp_path):
    return tmp_path / "deep" / "cache"


def contents(cache_dir) -> list[str]:
    """Return the names in the cache folder, except the lock file."""
    return sorted({path.name for path in cache_dir.iterdir()} - {LOCK})


def cache_of(cache_dir) -> Path:
    (name,) = contents(cache_dir)
    return cache_dir / name


def test_second_load_reads_the_cache(source, cache_dir):
    read = Reader()
    first, second = (cached("tiny", source, cache_dir, read) for _ in range(2))
    assert read.calls == 1 and len(contents(cache_dir)) == 1
    for data in (first, second):
        assert isinstance(data.images, np.memmap) and not data.images.flags.writeable
        for name in ("images", "labels", "ids", "split", "subjects"):
            assert np.array_equal(getattr(data, name), getattr(make(), name))
        assert data.classes == ("no", "yes") and data.fingerprint == fingerprint(make())


def test_dataset_without_split_and_subjects(source, cache_dir):
    bare = replace(make(), split=None, subjects=None)
    data = cached("tiny", source, cache_dir, lambda: bare)
    assert data.split is None and data.subjects is None and data.fingerprint != fingerprint(make())


def test_changed_source_is_read_again(source, cache_dir):
    cached("tiny", source, cache_dir, Reader())
    source.write_text("longer")
    assert cached("tiny", source, cache_dir, Reader(seed=1)).fingerprint == fingerprint(make(1))
    status = source.stat()
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert cached("tiny", source, cache_dir, Reader(seed=2)).fingerprint == fingerprint(make(2))
    assert len(contents(cache_dir)) == 1


def test_new_reader_version_is_read_again(cache_dir):
    cached("tiny", None, cache_dir, Reader(), version=1)
    read = Reader(seed=1)
    assert cached("tiny", None, cache_dir, read, version=2).fingerprint == fingerprint(make(1))
    assert read.calls == 1


def test_two_source_files_have_two_caches(source, cache_dir, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("a")
    one, two = Reader(), Reader(seed=1)
    for _ in range(2):
        cached("tiny", source, cache_dir, one)
        cached("tiny", other, cache_dir, two)
    assert (one.calls, two.calls) == (1, 1)


def test_failed_read_keeps_the_earlier_cache(source, cache_dir):
    def fail():
        raise UserError("no")

    with pytest.raises(UserError):
        cached("tiny", source, cache_dir, fail)
    assert contents(cache_dir) == []
    cached("tiny", source, cache_dir, Reader())
    before = contents(cache_dir)
    source.write_text("longer")
    with pytest.raises(UserError):
        cached("tiny", source, cache_dir, fail)
    assert contents(cache_dir) == before


@pytest.mark.parametrize("failing", ["fsync", "rename"])
def test_interrupted_write_leaves_nothing(source, cache_dir, monkeypatch, failing):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(*(("os.fsync",) if failing == "fsync" else ("pathlib.Path.rename",)), interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached("tiny", source, cache_dir, Reader())
    monkeypatch.undo()
    assert contents(cache_dir) == []
    assert len(cached("tiny", source, cache_dir, Reader())) == 5


KILLED = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_cache import make
from fer_bench.datasets import cache
def stop(file):
    print("writing", flush=True)
    time.sleep(60)
cache._sync = stop
cache.cached("tiny", None, Path(sys.argv[1]), make)
"""


def test_killed_write_is_removed(cache_dir):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(cache_dir), os.path.dirname(__file__)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    read = Reader()
    assert cached("tiny", None, cache_dir, read).fingerprint == fingerprint(make())
    assert read.calls == 1 and contents(cache_dir) == ["tiny"]


@pytest.mark.parametrize("file", ["meta.json", "images.npy", "labels.npy", "ids.npy", "split.npy"])
@pytest.mark.parametrize("damage", ["remove", "empty", "cut", "garbage"])
def test_damaged_cache_is_rebuilt(source, cache_dir, file, damage):
    cached("tiny", source, cache_dir, Reader())
    folder = cache_of(cache_dir)
    path = folder / file
    whole = path.read_bytes()
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut": whole[: len(whole) - 3], "garbage": b"\xff\x00[1" * 9}[damage])
    read = Reader()
    assert cached("tiny", source, cache_dir, read).fingerprint == fingerprint(make())
    assert read.calls == 1 and path.read_bytes() == whole


def test_array_of_the_wrong_length_is_rebuilt(source, cache_dir):
    cached("tiny", source, cache_dir, Reader())
    folder = cache_of(cache_dir)
    np.save(folder / "labels.npy", np.zeros(3, np.int64))
    assert len(cached("tiny", source, cache_dir, Reader())) == 5


def test_open_memory_maps_survive_a_rebuild(source, cache_dir):
    old = cached("tiny", source, cache_dir, Reader())
    source.write_text("longer")
    cached("tiny", source, cache_dir, Reader(seed=1))
    assert np.array_equal(old.images, make().images)


def test_unwritable_cache_folder_fails_before_reading(source, tmp_path):
    (tmp_path / "file").touch()
    read = Reader()
    with pytest.raises(UserError, match="FER_BENCH_CACHE") as raised:
        cached("tiny", source, tmp_path / "file" / "cache", read)
    assert str(tmp_path / "file" / "cache") in str(raised.value) and read.calls == 0


def test_full_disk_is_reported(source, cache_dir, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        cached("tiny", source, cache_dir, Reader())
    assert contents(cache_dir) == []


SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_cache import make
from fer_bench.datasets.cache import cached
def read():
    print("read", flush=True)
    time.sleep(0.5)  # longer than the others need to reach the lock
    return make()
print(cached("tiny", None, Path(sys.argv[1]), read).fingerprint)
"""


def test_concurrent_processes_read_once(cache_dir):
    command = [sys.executable, "-c", SLOW, str(cache_dir), os.path.dirname(__file__)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    lines = [process.communicate()[0].split() for process in processes]
    assert sum(line.count("read") for line in lines) == 1
    assert all(line[-1] == fingerprint(make()) for line in lines)


def test_fingerprint_depends_on_the_content():
    whole = make()
    labels = whole.labels.copy()
    labels[0] = 1 - labels[0]
    others = [
        replace(whole, labels=labels),
        replace(whole, split=None),
        replace(whole, subjects=None),
        replace(whole, images=whole.images[::-1]),
        replace(whole, images=whole.images.reshape(5, 24, 96)),
    ]
    assert len({fingerprint(data) for data in [whole, *others]}) == 6
    assert fingerprint(replace(whole, ids=whole.ids[::-1], name="other")) == fingerprint(whole)


def test_cached_images_are_not_copied_into_memory(cache_dir):
    read = Reader(count=4000)
    num_bytes = cached("tiny", None, cache_dir, read).images.nbytes
    tracemalloc.start()
    try:
        cached("tiny", None, cache_dir, read)
        assert tracemalloc.get_traced_memory()[1] < num_bytes / 4 and read.calls == 1
    finally:
        tracemalloc.stop()


def test_read_only_cache_folder_is_used(source, cache_dir, monkeypatch):
    read = Reader()
    cached("tiny", source, cache_dir, read)
    (cache_dir / LOCK).unlink()
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setattr("filelock.FileLock.acquire", lambda *_: pytest.fail("it needs no lock"))
    assert len(cached("tiny", source, cache_dir, read)) == 5 and read.calls == 1


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), NotImplementedError()])
def test_file_system_without_locks(source, cache_dir, monkeypatch, error):
    def acquire(*_):
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    assert len(cached("tiny", source, cache_dir, Reader())) == 5


def test_default_cache_folder(monkeypatch, tmp_path):
    for variable in ("FER_BENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / ".cache" / "fer-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert str(default_cache_dir()) == "/xdg/fer-bench"
    monkeypatch.setenv("FER_BENCH_CACHE", "~/mine")
    assert default_cache_dir() == tmp_path / "mine"
