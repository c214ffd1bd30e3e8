"""Versions, packaged files, the Makefile and the size of files in the repository."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import cv2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from portraits import portrait

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel of a copy of the checkout, as `pip install fer-bench` gets it."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("fer_bench", "architectures", "experiments"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", folder, folder]
    subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


def test_a_wheel_contains_every_file_in_one_package(wheel):
    """What a checkout has beside the package lies inside it, so that it cannot collide with other packages."""
    with zipfile.ZipFile(wheel) as opened:
        names = {name for name in opened.namelist() if ".dist-info/" not in name}
    files = {
        f"{'' if top == 'fer_bench' else 'fer_bench/'}{path.relative_to(ROOT).as_posix()}"
        for top in ("fer_bench", "architectures", "experiments")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert names == files


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_installed_wheel_needs_no_checkout(wheel, tmp_path):
    """In an environment with the dependencies of this one, but without the project, and from another folder."""
    venv.create(tmp_path / "venv", with_pip=False)
    (packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))  # without what its own .pth files add
    python, fer = tmp_path / "venv" / "bin" / "python", tmp_path / "venv" / "bin" / "fer-bench"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    (tmp_path / "work" / "architectures").mkdir(parents=True)  # another project's package of this name
    (tmp_path / "work" / "architectures" / "__init__.py").write_text("raise ImportError('not ours')\n")
    cv2.imwrite(str(tmp_path / "work" / "face.png"), portrait()[0])
    lines = (
        "list",
        "--models cnn_fast --datasets synthetic --epochs 1",
        "report",
        "check cnn_fast",
        "predict face.png",
    )
    outputs = [
        subprocess.run([fer, *line.split()], cwd=tmp_path / "work", capture_output=True, text=True, check=True).stdout
        for line in lines
    ]
    assert "cnn_fast" in outputs[0] and "cnn_fast" in outputs[2]
    assert "face.png" in outputs[-1]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_the_makefile_has_all_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):.*##", text, re.MULTILINE)
    assert {"install", "bench", "test", "lint", "docs", "dist"} <= set(targets)
    completed = subprocess.run(["make", "--dry-run", *targets], cwd=ROOT, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git checkout")
def test_git_contains_no_large_file():
    output = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in output.decode().split("\0") if name]
    assert [str(file) for file in files if file.is_file() and file.stat().st_size > MAX_FILE_SIZE] == []
