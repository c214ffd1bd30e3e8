"""results/reference/: the records hold, and the leaderboards are those of the records."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
import yaml

from fer_bench import records
from fer_bench.config.canonical import canonical_recipe
from fer_bench.config.combinations import IN_WEIGHTS_COLUMN, resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.config.recipe_names import split_recipe_name
from fer_bench.datasets import DataConfig
from fer_bench.sharing.pack import unpack
from fer_bench.sharing.verification import NOT_CHECKED, check_records

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "results" / "reference"
# Fields of a recipe that its name omits: the precision and the weights that the machine had, and a pretraining
NOT_IN_NAME = ("precision", *IN_WEIGHTS_COLUMN)
FOLDERS = sorted((REFERENCE / "records").iterdir())

pytestmark = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


def test_the_records_hold(folder, tmp_path):
    files = sorted(folder.glob("*.zip"))
    assert files and [problem for file in files for problem in unpack(file, tmp_path)] == []
    loaded = records.load(tmp_path)
    checked = check_records(loaded, DataConfig(tmp_path), [])
    assert len(checked) >= len(files) and not loaded.skipped
    for one in checked:
        assert list(one.problems) == []
        if one.stored.record.trial.dataset == "fer2013":  # the only one with published digests
            assert one.found["split"] != NOT_CHECKED


def test_the_records_have_the_settings_of_their_named_recipe(folder, tmp_path):
    """A changed recipe needs new records."""
    for file in folder.glob("*.zip"):
        unpack(file, tmp_path)
    for stored in records.load(tmp_path):
        trial = stored.record.trial
        named, changes = split_recipe_name(trial.recipe_name)
        request = Experiment(
            name="tests",
            models=[trial.architecture],
            datasets=[trial.dataset],
            recipes=[named],
            recipe={key: yaml.safe_load(value) for key, _, value in (change.partition("=") for change in changes)},
        )
        (pair,) = resolve_combinations(request).pairs
        requested, used = (
            {key: value for key, value in recipe.items() if key not in NOT_IN_NAME}
            for recipe in (canonical_recipe(pair.recipe), trial.recipe)
        )
        assert used == requested, trial.architecture


def test_the_leaderboard_is_that_of_the_records(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "scripts"))
    import reference

    written = reference.report(folder)
    markdown, table = (REFERENCE / f"{folder.name}.{suffix}" for suffix in ("md", "csv"))
    assert written[markdown.name] == markdown.read_text(encoding="utf-8"), "run `python docs/scripts/reference.py`"
    # The last digits depend on the processor.
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(written[table.name])), pd.read_csv(table), rtol=1e-9)
