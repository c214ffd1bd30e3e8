"""What the repository promises to those who install it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import fer_bench

ROOT = Path(__file__).resolve().parent.parent
LARGEST_FILE = 1_000_000  # bytes
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+")

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not a checkout")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def constraints():
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_constraints_hold_only_version_pins(constraints):
    assert [line for line in constraints if not PIN.fullmatch(line)] == []
    names = [canonicalize_name(line.split("==")[0]) for line in constraints]
    assert len(set(names)) == len(names)


def test_every_dependency_has_a_pin_within_its_bounds(project, constraints):
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in constraints)}
    for text in project["dependencies"] + project["optional-dependencies"]["dev"]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} has no pin: run `make constraints`"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is not {requirement.specifier}"


def test_the_version_stands_in_one_place(project):
    assert "version" in project["dynamic"]
    assignments = [
        ast.literal_eval(node.value)
        for node in ast.parse(Path(fer_bench.__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    ]
    assert assignments == [fer_bench.__version__]  # a literal: read at build time without importing anything


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(name for name in headings if name != "Unreleased") == fer_bench.__version__


def test_architectures_and_experiments_lie_beside_the_package():
    beside = Path(fer_bench.__file__).resolve().parent.parent
    assert (beside / "architectures").is_dir()
    assert list((beside / "experiments").glob("*.yaml"))
    assert list((beside / "experiments" / "recipes").glob("*.yaml"))


def test_a_wheel_holds_every_experiment_and_recipe():
    """Every YAML file matches what pyproject.toml says of their folder."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folder = ROOT / "experiments"
    packed = {path for pattern in tool["package-data"]["experiments"] for path in folder.glob(pattern)}
    assert packed == set(folder.rglob("*.yaml"))


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_knows_its_targets():
    targets = ["help", "install", "bench", "test", "test-long", "lint", "format", "constraints", "clean"]
    done = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout")
def test_git_holds_no_large_file():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listed.decode().split("\0") if name]
    assert [str(file) for file in files if file.is_file() and file.stat().st_size > LARGEST_FILE] == []
