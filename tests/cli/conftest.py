"""Fixtures of the command-line tests: small networks, a small fer2013.csv and an empty working folder."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from small_fer2013 import write_fer2013

from fer_bench.cli import cli
from fer_bench.datasets import DataConfig, load
from fer_bench.datasets.registry import default_cache_dir
from fer_bench.registry.architectures import ARCHITECTURES

ARCHITECTURES_FILE = '''
"""Small networks for the tests."""

from keras import layers, ops

from fer_bench.layers import classification_head, rescale_input
from fer_bench import register_architecture


@register_architecture("cli_tiny", family="test", recipe={"epochs": 6, "batch_size": 16})
def cli_tiny(inputs, recipe):
    """One dense layer."""
    return classification_head(layers.Flatten()(rescale_input(inputs, recipe)), recipe)


@register_architecture("cli_broken", family="test", recipe={"epochs": 6, "batch_size": 16})
def cli_broken(inputs, recipe):
    """Raises when it is built."""
    raise ValueError("no such layer")
'''


@pytest.fixture(scope="session")
def run():
    """Return a function that runs a command, checks its exit status and returns its output."""

    def invoke(*arguments: object, status: int = 0) -> str:
        done = CliRunner().invoke(cli, [*map(str, arguments)], catch_exceptions=False)
        assert done.exit_code == status, done.output
        return done.output

    return invoke


@pytest.fixture
def imported_backends():
    """Return a function that runs a command in a new process and returns what it imports of Keras and its backends."""

    def invoke(*arguments: object) -> set[str]:
        code = (
            f"import sys; from fer_bench.cli import cli; cli({[*map(str, arguments)]!r}, standalone_mode=False)\n"
            "print(*({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
        )
        root = Path(__file__).parents[2]
        done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        return set(done.stdout.splitlines()[-1].split())

    return invoke


@pytest.fixture(scope="module")
def architectures_file(tmp_path_factory):
    """A file of architectures outside the repository, which are unregistered after the module."""
    file = tmp_path_factory.mktemp("outside") / "nets.py"
    file.write_text(ARCHITECTURES_FILE)
    with ARCHITECTURES.temporary():
        yield file


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A folder with a fer2013.csv of 98 rows whose classes differ in brightness."""
    folder = tmp_path_factory.mktemp("data")
    write_fer2013(folder)
    return folder


@pytest.fixture(scope="session")
def drawn_faces():
    """The synthetic dataset in the cache that all tests share."""
    load("synthetic", DataConfig())
    return default_cache_dir() / "synthetic"


@pytest.fixture
def working_dir(tmp_path, monkeypatch, drawn_faces):
    """An empty working folder with its own cache, in which only the synthetic faces are drawn already."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "synthetic").symlink_to(drawn_faces)
    monkeypatch.setenv("FER_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FER_BENCH_WEIGHTS", raising=False)
    return tmp_path


@pytest.fixture
def contents():
    """Read all files in a folder: path → bytes."""

    def read(folder):
        return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

    return read
