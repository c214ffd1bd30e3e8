"""`compare`, from the command line to its exit status."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from fer_bench import records
from fer_bench.cli import cli
from fer_bench.core.errors import UserError
from fer_bench.records.schema import Predictions, Record, Trial

SAMPLES = 400


@pytest.fixture
def write(working_dir):
    """Record a model with so many right of 400 samples, or with none where it failed."""

    def run(folder: str, model: str, right: int | None) -> None:
        trial = Trial(
            architecture=model,
            source_digest="0",
            dataset="fer2013",
            fingerprint="f",
            protocol="official",
            fold=0,
            recipe_name="default",
            recipe={},
            initial_weights="random",
            seed=0,
            backend="tensorflow",
            procedure_version=2,
        )
        known = {"started": "2030-01-01T00:00:00Z", "machine": {}, "classes": ["sad", "happy"], "samples": {}}
        if right is None:
            records.write(working_dir / folder, Record(trial=trial, status="failed", reason="no memory", **known), {})
            return
        ids = np.array([f"i{n}" for n in range(SAMPLES)])
        said = np.eye(2, dtype=np.float32)[(np.arange(SAMPLES) >= right).astype(int)]
        test = Predictions(ids, np.zeros(SAMPLES, np.int64), said)
        records.write(working_dir / folder, Record(trial=trial, status="finished", **known), {"test": test})

    return run


def call(*arguments):
    result = CliRunner().invoke(cli, ["compare", *arguments], catch_exceptions=False)
    return result.exit_code, result.output


def test_a_regression_fails_only_where_that_is_asked_for(write):
    write("a", "cnn", 260)
    write("b", "cnn", 200)
    assert call("a", "b")[0] == 0
    status, said = call("a", "b", "--fail-on-regression")
    assert status == 1 and "1 worse" in said
    assert call("b", "a", "--fail-on-regression")[0] == 0


def test_a_difference_within_chance_is_no_regression(write):
    write("a", "cnn", 204)
    write("b", "cnn", 200)
    status, said = call("a", "b", "--fail-on-regression")
    assert status == 0 and "1 not told apart" in said


def test_what_fails_now_is_a_regression(write):
    write("a", "cnn", 204)
    write("b", "cnn", None)
    status, said = call("a", "b", "--fail-on-regression")
    assert status == 1 and "1 fails now" in said


def test_nothing_to_test_is_no_success(write):
    write("a", "cnn", 204)
    write("b", "vgg16", 204)
    assert call("a", "b")[0] == 0
    with pytest.raises(UserError, match="Nothing could be tested"):
        call("a", "b", "--fail-on-regression")


def test_output_is_the_same_in_markdown(write, working_dir):
    write("a", "cnn", 260)
    write("b", "cnn", 200)
    status, said = call("a", "b", "--output", "comparison.md")
    assert status == 0 and "Written: comparison.md" in said
    assert "| cnn" in (working_dir / "comparison.md").read_text()
    with pytest.raises(UserError, match="cannot be written"):
        call("a", "b", "--output", "nowhere/comparison.md")
