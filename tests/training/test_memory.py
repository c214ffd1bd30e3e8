"""A dataset may be larger than memory: images are read from a memory map on demand."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

STATUS = Path("/proc/self/status")
GIGABYTE = 10**9

# Plans and runs one trial on the images of a file, and prints the peak memory of the process in bytes, without and with
# mapped files.
TRIAL = """
import os, re, sys
os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"] = "tensorflow", "3"
import json
from pathlib import Path
import numpy as np
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.config.experiment import Experiment
from fer_bench.sweep.plan import make_plan
from fer_bench.training.callback import Callback
from fer_bench.training.train import run_trial

images = np.load(sys.argv[1], mmap_mode="r")
count = len(images)
dataset = Dataset(
    name="made",
    images=images,
    labels=np.arange(count) % 7,
    ids=np.array([f"made-{number:07d}" for number in range(count)]),
    classes=tuple("abcdefg"),
    fingerprint="made",
    split=np.repeat(np.arange(3, dtype=np.int8), (count - 2 * (count // 10), count // 10, count // 10)),
)


class PeakMemory(Callback):
    peak = {"RssAnon": 0, "VmRSS": 0}

    def on_step_end(self, planned, step, steps, loss):
        if step < 10 or step % 20 == 0:
            self.update()

    def on_epoch_end(self, planned, epoch):
        self.update()

    def update(self):
        status = Path("/proc/self/status").read_text()
        for name, peak in self.peak.items():
            self.peak[name] = max(peak, int(re.search(name + r":\\s+(\\d+) kB", status)[1]) * 1024)


@DATASETS.register("made", title="made images", source="the tests")
def load_made(data_config):
    return dataset


ARCHITECTURES.scan(Path(sys.argv[2]))
recipe = {"epochs": 1, "batch_size": 64, "augmentation": "none"}
experiment = Experiment(name="million", models=["tiny"], datasets=["made"], recipe=recipe)
(planned,) = make_plan(experiment, DataConfig(Path("data")), None, "tensorflow").trials
memory = PeakMemory()
record, predictions = run_trial(planned, memory)
memory.update()
assert len(predictions["test"].labels) == count // 10
print(json.dumps({"status": record.status + record.reason, **memory.peak}))
"""


@pytest.fixture
def images_file(tmp_path):
    """Return a function that writes a file of 48×48 images, 2.3 GB for a million; it is deleted after the test."""
    file = tmp_path / "images.npy"

    def write(count: int) -> Path:
        images = np.lib.format.open_memmap(file, "w+", np.uint8, (count, 48, 48))
        rng = np.random.default_rng(0)
        for start in range(0, count, 10_000):
            block = images[start : start + 10_000]
            block[:] = rng.integers(0, 256, block.shape, np.uint8)
        return file

    yield write
    file.unlink(missing_ok=True)


@pytest.mark.slow
@pytest.mark.skipif(not STATUS.exists(), reason="the system does not report the memory of a process")
def test_a_million_images_need_less_than_a_gigabyte(images_file, tiny_architectures):
    def peak_memory(count: int) -> dict:
        command = [sys.executable, "-c", TRIAL, str(images_file(count)), str(tiny_architectures)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=280)
        return json.loads(done.stdout.splitlines()[-1])

    few, many = peak_memory(1000), peak_memory(1_000_000)
    assert few["status"] == many["status"] == "finished"
    assert many["RssAnon"] - few["RssAnon"] < GIGABYTE / 4
    assert many["VmRSS"] - few["VmRSS"] < GIGABYTE  # including the pages that are being read
