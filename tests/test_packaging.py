"""Versions, packaged files, the Makefile and the size of files in the repository."""

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
MAX_FILE_SIZE = 1_000_000  # bytes
PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.+!]+")

pytestmark = pytest.mark.skipif(not (ROOT / "pyproject.toml").is_file(), reason="not a checkout")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def constraints():
    return (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()


def test_constraints_contain_only_version_pins(constraints):
    assert [line for line in constraints if not PIN.fullmatch(line)] == []
    names = [canonicalize_name(line.split("==")[0]) for line in constraints]
    assert len(set(names)) == len(names)


def test_every_dependency_has_a_pin_within_its_bounds(project, constraints):
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in constraints)}
    for text in project["dependencies"] + project["optional-dependencies"]["dev"]:
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not pinned: run `make constraints`"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is outside {requirement.specifier}"


def test_the_version_is_a_literal_in_one_place(project):
    assert "version" in project["dynamic"]
    assignments = [
        ast.literal_eval(node.value)
        for node in ast.parse(Path(fer_bench.__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__version__"
    ]
    assert assignments == [fer_bench.__version__]  # read at build time without importing the package


def test_the_changelog_starts_with_this_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(name for name in headings if name != "Unreleased") == fer_bench.__version__


def test_architectures_and_experiments_are_next_to_the_package():
    parent = Path(fer_bench.__file__).resolve().parent.parent
    assert (parent / "architectures").is_dir()
    assert list((parent / "experiments").glob("*.yaml"))
    assert list((parent / "experiments" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("top", ["experiments", "fer_bench"])
def test_a_wheel_contains_every_file_that_is_no_module(top):
    """Every such file matches a package-data pattern of pyproject.toml."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    packaged = {
        file
        for package, patterns in tool["package-data"].items()
        for pattern in patterns
        for file in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    files = {path for path in (ROOT / top).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert {path for path in files if path.name != "py.typed"} <= packaged


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_makefile_has_all_targets():
    targets = ["help", "install", "bench", "test", "test-long", "lint", "format", "constraints", "clean"]
    completed = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout")
def test_git_contains_no_large_file():
    output = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in output.decode().split("\0") if name]
    assert [str(file) for file in files if file.is_file() and file.stat().st_size > MAX_FILE_SIZE] == []
