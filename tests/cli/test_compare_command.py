"""`compare`, from the command line to its exit status."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from made_up_records import RecordMaker, exact

from fer_bench.cli import cli
from fer_bench.core.errors import UserError

SAMPLES = 400


@pytest.fixture
def write(working_dir):
    """Return a function that records a model with some of 400 samples correct, or as failed."""

    def run(folder: str, model: str, num_correct: int | None) -> None:
        make = RecordMaker(working_dir / folder)
        if num_correct is None:
            make(model, status="failed", reason="no memory")
        else:
            make(model, test=exact([0] * SAMPLES, [0] * num_correct + [1] * (SAMPLES - num_correct)))

    return run


def call(*arguments):
    result = CliRunner().invoke(cli, ["compare", *arguments], catch_exceptions=False)
    return result.exit_code, result.output


def test_a_regression_fails_only_with_the_flag(write):
    write("a", "cnn", 260)
    write("b", "cnn", 200)
    assert call("a", "b")[0] == 0
    status, output = call("a", "b", "--fail-on-regression")
    assert status == 1 and "1 worse" in output
    assert call("b", "a", "--fail-on-regression")[0] == 0


@pytest.mark.parametrize(("after", "status", "verdict"), [(200, 0, "1 not significant"), (None, 1, "1 fails now")])
def test_failures_are_regressions_and_chance_is_not(write, after, status, verdict):
    write("a", "cnn", 204)
    write("b", "cnn", after)
    code, output = call("a", "b", "--fail-on-regression")
    assert code == status and verdict in output


def test_without_tests_the_flag_raises(write):
    write("a", "cnn", 204)
    write("b", "vgg16", 204)
    assert call("a", "b")[0] == 0
    with pytest.raises(UserError, match="test"):
        call("a", "b", "--fail-on-regression")


def test_output_has_the_tables_as_markdown(write, working_dir):
    write("a", "cnn", 260)
    write("b", "cnn", 200)
    status, output = call("a", "b", "--output", "comparison.md")
    assert status == 0 and "Written: comparison.md" in output
    assert "| cnn" in (working_dir / "comparison.md").read_text()
    with pytest.raises(UserError, match="cannot be written"):
        call("a", "b", "--output", "comparison.md/comparison.md")
