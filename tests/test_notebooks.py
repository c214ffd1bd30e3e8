"""The notebooks run from top to bottom, and show what their text says."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest

import fer_bench
from fer_bench.contract import run as contract
from fer_bench.registry.architectures import ARCHITECTURES

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.py"))
CELL = re.compile(r"^# %%(.*)\n", re.M)
QUICK = {
    **{"MODELS": ["tiny", "tiny_dropout"], "MODEL": "tiny", "BASELINES": ["tiny"]},
    **{"SEEDS": 1, "EPOCHS": 1, "NUM_TESTED": 4},
}

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="not a checkout")


def read_cells(notebook: Path) -> list[tuple[str, str]]:
    """Return the cells of a notebook in jupytext's percent format: what follows `# %%`, and the source."""
    _, *parts = CELL.split(notebook.read_text(encoding="utf-8"))
    return list(zip([kind.strip() for kind in parts[::2]], parts[1::2], strict=True))


def with_settings(source: str, settings: dict) -> str:
    """Return the source of a cell with other values of its top-level constants, which it must assign as literals."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in settings:
            node.value = ast.parse(repr(settings[node.targets[0].id]), mode="eval").body
    return ast.unparse(tree)


@pytest.fixture
def run_notebook(tmp_path, monkeypatch, empty_figures):
    """Run a notebook in an empty folder, with trials in this process; return its variables.

    `run_notebook("1_explore_a_dataset", EPOCHS=1)` changes settings.
    """
    import matplotlib.pyplot as plt

    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    original = fer_bench.run_benchmark
    monkeypatch.setattr(
        fer_bench, "run_benchmark", lambda **options: original(**options, executor="in-process"), raising=False
    )
    backend = matplotlib.get_backend()
    plt.switch_backend("agg")

    def run(name: str, **settings) -> SimpleNamespace:
        variables: dict = {"__name__": "__main__"}
        for kind, source in read_cells(FOLDER / f"{name}.py"):
            if kind == "":
                exec(compile(with_settings(source, settings), name, "exec"), variables)
        return SimpleNamespace(**variables)

    with ARCHITECTURES.temporary():
        yield run
    plt.close("all")
    plt.switch_backend(backend)


def test_there_are_four():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["1_", "2_", "3_", "4_"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_in_percent_format_and_use_the_public_api(notebook):
    text, cells = notebook.read_text(encoding="utf-8"), read_cells(notebook)
    assert text.startswith("# ---\n") and "format_name: percent" in text.split("# %%")[0]
    assert {kind for kind, _ in cells} == {"", "[markdown]"}
    for kind, source in cells:
        if kind:
            assert all(line.startswith("#") for line in source.strip().splitlines())
        else:
            ast.parse(source)
    kind, first = cells[0]
    assert kind and first.startswith("# # ") and "`DATASET`" in first  # a title, and what to change for FER2013
    assert '\nDATASET = "synthetic"  # for FER2013: "fer2013"\n' in text
    imported = set(re.findall(r"^(?:from|import) (\S*fer_bench\S*)", "".join(s for k, s in cells if not k), re.M))
    assert imported <= {"fer_bench", "fer_bench.layers"}


def test_jupytext_reads_them():
    jupytext = pytest.importorskip("jupytext", reason="jupytext is not installed: pip install -e '.[notebook]'")
    for path in NOTEBOOKS:
        assert [cell.cell_type for cell in jupytext.read(path).cells] == [
            "markdown" if kind else "code" for kind, _ in read_cells(path)
        ]


def test_a_dataset_is_explored(run_notebook, few_synthetic_samples):
    notebook = run_notebook("1_explore_a_dataset")
    assert notebook.counts.to_numpy().sum() == 49 and list(notebook.counts.index) == sorted(notebook.dataset.classes)
    assert [len(axis.images) for axis in notebook.axes.flat] == [1] * 14
    assert notebook.audit["test images"] > 0
    assert len(notebook.copies) == len(notebook.found.near_duplicates)


def test_models_are_compared(run_notebook, few_synthetic_samples, tiny_architectures):
    notebook = run_notebook("2_train_and_compare", **QUICK)
    assert sorted(notebook.leaderboard["label"].str.split(",").str[0]) == ["tiny", "tiny_dropout"]
    assert notebook.leaderboard["accuracy"].between(0, 1).all()
    assert [len(axis.lines) for axis in notebook.axes.flat] == [2, 2]
    assert notebook.axis.images and notebook.confusion.sum() == notebook.result.records[0].samples["test"]
    assert (Path("..") / "results" / "notebooks" / "leaderboard.html").is_file()


def test_a_model_is_used_and_explained(run_notebook, few_synthetic_samples, tiny_architectures):
    notebook = run_notebook("3_use_and_explain_a_model", **QUICK)
    assert set(notebook.predictions["true label"]) <= set(notebook.dataset.classes)
    assert notebook.predictions["probability"].between(1 / 7, 1).all()
    assert all(axis.images for axis in notebook.axes.flat)
    assert notebook.fall_marked != notebook.fall_elsewhere


def test_an_architecture_is_added(run_notebook, few_synthetic_samples, tiny_architectures, monkeypatch):
    def check_docs_only(backend, names, extra_architectures):  # all checks, in a new process, take ten seconds
        return [result for name in names for result in contract.run_checks(name, only=["docs"])]

    monkeypatch.setattr(contract, "run_checks_on_backend", check_docs_only)
    notebook = run_notebook("4_add_an_architecture", **QUICK)
    assert notebook.checks["passed"].all()
    assert {"notebook_net", "tiny"} == set(notebook.result.leaderboard["model"])
    assert notebook.leaderboard["accuracy"].between(0, 1).all()


@pytest.mark.slow
def test_unchanged_notebooks_show_what_their_text_says(run_notebook):
    explored = run_notebook("1_explore_a_dataset")
    assert explored.found.total("test_duplicates") == 0 and len(explored.copies) > 0
    compared = run_notebook("2_train_and_compare")
    used = run_notebook("3_use_and_explain_a_model")
    assert len(fer_bench.load_records(used.RESULTS).stored) == len(compared.result.records)  # none is trained again
    assert used.explanation.method == "grad-cam" and used.fall_marked > used.fall_elsewhere
    added = run_notebook("4_add_an_architecture")
    assert added.checks["passed"].all() and len(added.checks) == 10
