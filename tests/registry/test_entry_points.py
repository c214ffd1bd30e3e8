"""Installed packages add architectures through entry points, and listing does not import them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

NETS = '''
from keras import layers

from fer_bench import register_architecture

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
    """A folder such as site-packages with one installed package, which records each time it is imported."""
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
    environment = {**os.environ, "PYTHONPATH": str(site), "KERAS_BACKEND": "numpy"}
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_listing_does_not_import_the_package(site):
    done = python(site, "benchmark.py", "list")
    assert "One dense layer, from a package." in done.stdout
    assert done.stderr == ""
    assert not (site / "imported").exists()
    python(site, "benchmark.py", "--help")


def test_the_function_and_the_source_digest_of_a_package_work(site):
    code = """
import keras
from fer_bench.registry.architectures import ARCHITECTURES, source_digest
from fer_bench.config.recipe import resolve
from fer_bench.training.train import build_model

parameters = build_model("packaged", resolve({}), (8, 8), 3).count_params()
print(parameters, ARCHITECTURES.get("packaged").module, source_digest("packaged"))
"""
    parameters, module, digest = python(site, "-c", code).stdout.split()
    assert (parameters, module) == ("195", "my_faces.nets")
    assert (site / "imported").read_text() == "x"
    (site / "my_faces" / "blocks.py").write_text(BLOCKS.replace("255", "128"))
    code = "from fer_bench.registry.architectures import source_digest; print(source_digest('packaged'))"
    assert python(site, "-c", code).stdout.strip() != digest


def test_an_entry_point_may_name_a_whole_package(site):
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


BROKEN = {
    "missing": ("not_there", None, "no Python file for its module 'not_there'"),
    "missing-inside": ("my_faces.not_there", None, "no Python file for its module 'my_faces.not_there'"),
    "compiled": ("math", None, "no Python file"),
    "invalid": ("my_faces.invalid", "def broken(:", "invalid.py is not valid Python"),
    "twice": ("my_faces.twice", NETS.replace('"packaged"', '"cnn"'), "'cnn' is registered twice"),
    "computed": ("my_faces.computed", NETS.replace('family="packaged"', "family=FAMILY"), "literal options"),
}


def test_each_broken_package_is_a_warning(site):
    for package, (module, source, _) in BROKEN.items():
        install(site, package, module)
        if source:
            (site / "my_faces" / f"{package}.py").write_text(source)
    done = python(site, "benchmark.py", "list")
    assert "packaged" in done.stdout and "vgg19" in done.stdout
    assert done.stderr.count("\n") == len(BROKEN)
    for package, (_, _, reason) in BROKEN.items():
        (warning,) = [line for line in done.stderr.splitlines() if f"the package '{package}'" in line]
        assert reason in warning
