"""The design's floors hold: an import goes down, never up or round; and the light commands are light."""

from __future__ import annotations

import ast
import os
import statistics
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the top. A module stands where its longest matching name stands; of one floor, modules may import each other
# as long as it is not in a circle.
FLOORS = [
    ("benchmark",),
    ("fer_bench.cli",),
    ("fer_bench.runner",),
    (
        "fer_bench.sweep",
        "fer_bench.report",
        "fer_bench.inference",
        "fer_bench.protocols.audit",
        "fer_bench.contract",
        "fer_bench.registry.scaffold",
        "fer_bench.cli.list_view",
        "fer_bench.cli.dataset_view",
    ),
    (
        "fer_bench.datasets.face_crop",
        "fer_bench.training",
        "fer_bench.protocols",
        "fer_bench.records",
        "fer_bench.config.experiment",
        "fer_bench.config.named_recipes",
        "fer_bench.leaderboard.published_results",
        "fer_bench.registry.architectures",
        "architectures",
    ),
    (
        "fer_bench.datasets",
        "fer_bench.evaluation",
        "fer_bench.registry.registry",
        "fer_bench.registry.entry_points",
        "fer_bench.records.schema",
    ),
    # What belongs to no room: on nothing but the standard library and each other.
    (
        "fer_bench.registry.source_digest",
        "fer_bench.config.bundled",
        "fer_bench.core.stderr",
        "fer_bench.core.errors",
        "fer_bench",
    ),
]

HEAVY = ("keras", "tensorflow", "numpy", "pandas")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {
    module_name(path): path
    for path in [ROOT / "benchmark.py", *(ROOT / "fer_bench").rglob("*.py"), *(ROOT / "architectures").rglob("*.py")]
}


def imports(module: str) -> set[str]:
    """Our modules that a module imports, at its top or within a function."""
    found = set()
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative imports hide what is imported"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= inner & set(FILES)
            if inner - set(FILES):
                found.add(node.module)
    return found & set(FILES)


def floor(module: str) -> int:
    """0 is the top."""
    matches = [
        (len(name), number)
        for number, names in enumerate(FLOORS)
        for name in names
        if module == name or (name != "fer_bench" and module.startswith(f"{name}."))
    ]
    assert matches, f"{module} has no floor yet: give it one in FLOORS"
    return max(matches)[1]


def test_the_table_knows_every_module():
    assert {floor(module) for module in FILES} == set(range(len(FLOORS)))


@pytest.mark.parametrize("module", sorted(FILES))
def test_an_import_goes_down(module):
    upward = {other for other in imports(module) if floor(other) < floor(module)}
    assert upward == set(), f"{module} imports from a floor above"


def test_training_and_reporting_know_nothing_of_each_other():
    """The data flow one way, through the records: neither side of them may reach over to the other."""
    for module in FILES:
        if module.startswith("fer_bench.report"):
            assert not [m for m in imports(module) if m.startswith(("fer_bench.sweep", "fer_bench.training"))]
        if module.startswith(("fer_bench.sweep", "fer_bench.training")):
            assert not [m for m in imports(module) if m.startswith("fer_bench.report")]


def test_no_import_goes_round():
    graph = {module: imports(module) for module in FILES}
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"imported in a circle: {' → '.join(error.args[1])}")
    assert order.index("fer_bench.core.errors") < order.index("fer_bench.cli")  # the graph is not empty


@pytest.mark.parametrize("module", sorted(name for name in FILES if name.startswith("architectures.")))
def test_an_architecture_stands_on_keras_and_the_registry_alone(module):
    assert imports(module) <= {"architectures.layers", "fer_bench"}
    tree = ast.parse(FILES[module].read_text(encoding="utf-8"))
    heads = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
    heads |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert heads <= {"keras", "numpy", "math", "architectures", "fer_bench"}


def test_a_backend_is_named_in_its_own_file_alone():
    for module, path in FILES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        heads = {alias.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names}
        heads |= {node.module.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not heads & {"tensorflow", "torch"} or module.endswith((".tensorflow", ".torch")), module


# ---- light to start

RUN = """
import runpy, sys
sys.argv = ["benchmark.py", *sys.argv[1:]]
try:
    runpy.run_path("benchmark.py", run_name="__main__")
finally:
    print("HEAVY", *sorted({name.partition(".")[0] for name in sys.modules} & set(%r)), file=sys.stderr)
"""
LIMIT = 0.5  # seconds of processor time
SLOWER = 3.0  # how much slower than a free core a shared one of a test service may be


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["list", "--help"]], ids=" ".join)
def test_light_commands_answer_at_once_and_import_nothing_heavy(arguments, tmp_path):
    environment = {**os.environ, "FER_BENCH_CACHE": str(tmp_path)}
    seconds = []
    for _ in range(3):
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-c", RUN % (HEAVY,), *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        after = os.times()
        assert done.returncode == 0, done.stderr
        assert done.stderr.splitlines()[-1].split() == ["HEAVY"]
        seconds.append(after.children_user + after.children_system - before.children_user - before.children_system)
    assert ("vgg19" in done.stdout) == (arguments == ["list"])
    assert statistics.median(seconds) < LIMIT * SLOWER


def test_importing_the_vocabulary_imports_no_keras():
    modules = [
        "fer_bench.records.schema",
        "fer_bench.config.experiment",
        "fer_bench.records",
        "fer_bench.registry.architectures",
    ]
    modules += ["fer_bench.config.recipe", "fer_bench.training.weights", "fer_bench.sweep.plan"]
    modules += ["fer_bench.inference.external", "fer_bench.leaderboard.published_results"]
    code = f"import sys, {', '.join(modules)}; print(sorted({{'keras', 'tensorflow', 'pandas'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
