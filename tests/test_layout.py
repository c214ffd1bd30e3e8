"""Imports follow the list of rooms in CONTRIBUTING.md, and light commands import no heavy library."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("tensorflow", "torch", "jax")
MAX_LINES = 400


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_rooms() -> list[str]:
    """Return the module names of the rooms in CONTRIBUTING.md, from the top."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.partition("## Where things belong\n")[2]
    block = section.partition("```\n")[2].partition("```")[0]
    paths = [line.split()[0] for line in block.splitlines() if line.strip()]
    return [path.rstrip("/").removesuffix(".py").replace("/", ".") for path in paths]


FILES = {
    module_name(path): path
    for path in [ROOT / "benchmark.py", *(ROOT / "fer_bench").rglob("*.py"), *(ROOT / "architectures").rglob("*.py")]
}
ROOMS = read_rooms()


@cache
def imported_names(module: str) -> set[str]:
    """Return the dotted names that a module imports, at its top or within a function."""
    names = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{'.' * node.level}{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_modules(module: str) -> set[str]:
    """Return the modules of this project that a module imports, except `fer_bench` itself, the public API."""
    names = imported_names(module)
    found = {name if name in FILES else name.rpartition(".")[0] for name in names}
    return (found & set(FILES)) - {"fer_bench", module}


def imported_packages(module: str) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(module)}


def room_of(module: str) -> int | None:
    """Return the position of a module's room in the list, or None if it has none."""
    return next((i for i, room in enumerate(ROOMS) if module == room or module.startswith(f"{room}.")), None)


def violations() -> Iterator[str]:
    modules = sorted(set(FILES) - {"fer_bench"})
    graph = {module: imported_modules(module) for module in modules}
    for index, room in enumerate(ROOMS):
        if not any(room_of(module) == index for module in modules):
            yield f"the room {room} has no module"
    for module in modules:
        if room_of(module) is None:
            yield f"{module} is in no room"
        if any(name.startswith(".") for name in imported_names(module)):
            yield f"{module} has a relative import"
        for other in sorted(graph[module]):
            room, other_room = room_of(module), room_of(other)
            if room is not None and other_room is not None and other_room < room:
                yield f"{module} imports upward from {other}"
    while True:
        try:
            TopologicalSorter(graph).prepare()
            return
        except CycleError as error:
            cycle = error.args[1]  # each module is imported by the next one
            yield f"circle: {' → '.join(reversed(cycle))}"
            graph[cycle[1]] = graph[cycle[1]] - {cycle[0]}


def test_imports_go_down_the_list_of_rooms():
    found = list(violations())
    assert not found, "Violations of the list in CONTRIBUTING.md:\n" + "\n".join(found)


def test_folders_of_inference_import_in_no_circle():
    def folder(module: str) -> str:
        return ".".join(module.split(".")[:3])

    graph: dict[str, set[str]] = {}
    for module in FILES:
        if module.startswith("fer_bench.inference."):
            others = {folder(other) for other in imported_modules(module)}
            graph.setdefault(folder(module), set()).update(others - {folder(module)})
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_training_does_not_know_the_leaderboard():
    """Data flow one way, through the records."""
    trains = [module for module in FILES if module.startswith(("fer_bench.sweep", "fer_bench.training"))]
    shown = ("fer_bench.report", "fer_bench.leaderboard")
    found = [f"{m} imports {other}" for m in trains for other in imported_modules(m) if other.startswith(shown)]
    assert not found, "\n".join(found)


def test_architectures_import_only_keras_and_the_public_api():
    allowed = {"keras", "numpy", "math", "fer_bench"}
    found = [
        f"{module} imports {name}"
        for module in FILES
        if module.startswith("architectures.")
        for name in (imported_packages(module) - allowed) | (imported_modules(module) - {"fer_bench.layers"})
    ]
    assert not found, "\n".join(found)


def test_a_backend_is_imported_only_in_files_named_for_it():
    found = [
        f"{module} imports {backend}"
        for module in FILES
        for backend in set(BACKENDS) & imported_packages(module)
        if backend not in module.rpartition(".")[2]
    ]
    assert not found, "\n".join(found)


def test_no_file_is_too_long():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in FILES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


# ---- light to start

RUN_BENCHMARK = """
import runpy, sys
sys.argv = ["benchmark.py", *sys.argv[1:]]
try:
    runpy.run_path("benchmark.py", run_name="__main__")
finally:
    print("IMPORTED", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--help"]], ids=" ".join)
def test_light_commands_import_nothing_heavy(arguments, tmp_path):
    completed = subprocess.run(
        [sys.executable, "-c", RUN_BENCHMARK, *arguments],
        cwd=ROOT,
        env={**os.environ, "FER_BENCH_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert completed.returncode == 0, completed.stderr
    assert ("vgg19" in completed.stdout) == (arguments == ["list"])
    imported = set(completed.stderr.splitlines()[-1].split())
    assert "IMPORTED" in imported
    assert not imported & {"keras", "tensorflow", "jax", "torch", "numpy", "pandas", "matplotlib", "sklearn", "cv2"}


LIGHT_MODULES = (
    "fer_bench.config.experiment",
    "fer_bench.config.recipe",
    "fer_bench.inference.external.scoring",
    "fer_bench.leaderboard.published_results",
    "fer_bench.records",
    "fer_bench.records.schema",
    "fer_bench.registry.architectures",
    "fer_bench.sweep.plan",
    "fer_bench.training.weights",
)
REPORT_MODULES = sorted(name for name in FILES if re.match(r"fer_bench\.(report|leaderboard|cli)\b", name))


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        (LIGHT_MODULES, {"keras", "tensorflow", "pandas"}),
        (REPORT_MODULES, {"keras", "tensorflow", "jax", "torch", "matplotlib.pyplot"}),
    ],
    ids=["light modules", "reports"],
)
def test_modules_import_nothing_heavy(modules, heavy):
    code = f"import sys, {', '.join(modules)}; print(*sorted({heavy!r} & set(sys.modules)))"
    completed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == ""
