"""An installed package brings architectures by its entry point, without being imported to list them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NETS = '''
from keras import layers

from fer_bench.registry.architectures import register_architecture

from .blocks import flattened


@register_architecture("packaged", family="packaged")
def packaged(inputs, recipe):
    """One dense layer, from a package."""
    return layers.Dense(recipe.classes, dtype="float32")(flattened(inputs))
'''
BLOCKS = """
from keras import layers


def flattened(inputs):
    return layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
"""


@pytest.fixture
def site(tmp_path):
    """A folder such as site-packages, with one package installed, which counts how often it is imported."""
    install(tmp_path, "my-faces", "my_faces.nets")
    package = tmp_path / "my_faces"
    package.mkdir()
    (package / "__init__.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'a').write('x')\n")
    (package / "nets.py").write_text(NETS)
    (package / "blocks.py").write_text(BLOCKS)
    return tmp_path


def install(site: Path, name: str, module: str) -> None:
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[fer_bench.architectures]\n{name} = {module}\n")


def python(site: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(site), "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_it_is_listed_without_being_imported(site):
    done = python(site, "benchmark.py", "list")
    assert "One dense layer, from a package." in done.stdout
    assert done.stderr == ""
    assert not (site / "imported").exists()
    python(site, "benchmark.py", "--help")


def test_its_function_and_its_source_are_found(site):
    code = """
import keras
from fer_bench.registry.architectures import ARCHITECTURES, source_digest
from fer_bench.config.recipe import resolve
from fer_bench.training.train import build_model
from pathlib import Path

digest = source_digest("packaged")
print(build_model("packaged", resolve({}), (8, 8), 3).count_params(), ARCHITECTURES.get("packaged").module)
from fer_bench.registry import source_digest
source_digest._parse_file.cache_clear()
import my_faces.blocks
Path(my_faces.blocks.__file__).write_text(Path(my_faces.blocks.__file__).read_text().replace("255", "128"))
print(source_digest("packaged") != digest)
"""
    assert python(site, "-c", code).stdout.split() == ["195", "my_faces.nets", "True"]
    assert (site / "imported").read_text() == "x"


def test_a_whole_package_may_be_named(site):
    (site / "more_faces").mkdir()
    (site / "more_faces" / "__init__.py").write_text("")
    (site / "more_faces" / "first.py").write_text(NETS.replace("packaged", "first_net"))
    (site / "more_faces" / "second.py").write_text(NETS.replace("packaged", "second_net"))
    install(site, "more-faces", "more_faces")
    code = (
        "from fer_bench.registry.architectures import ARCHITECTURES as A; "
        "print(A.get('first_net').module, 'second_net' in A)"
    )
    assert python(site, "-c", code).stdout.split() == ["more_faces.first", "True"]


@pytest.mark.parametrize(
    ("module", "file", "said"),
    [
        ("not_there", None, "no Python file for its module 'not_there'"),
        ("my_faces.not_there", None, "no Python file for its module 'my_faces.not_there'"),
        ("math", None, "no Python file"),
        ("my_faces.broken", "def broken(:", "broken.py is not valid Python"),
        ("my_faces.broken", NETS.replace('"packaged"', '"cnn"'), "'cnn' is registered twice"),
        ("my_faces.broken", NETS.replace('family="packaged"', "family=FAMILY"), "literal options"),
    ],
)
def test_a_broken_package_costs_a_warning_with_its_name_and_nothing_else(site, module, file, said):
    install(site, "bad-faces", module)
    if file:
        (site / "my_faces" / "broken.py").write_text(file)
    done = python(site, "benchmark.py", "list")
    assert "packaged" in done.stdout and "vgg19" in done.stdout
    assert done.stderr.count("\n") == 1 and "'bad-faces'" in done.stderr and said in done.stderr
