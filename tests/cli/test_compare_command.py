"""`compare`, from the command line to its exit status."""

from __future__ import annotations

from functools import partial

import pytest
from made_up_records import RecordMaker, exact

from fer_bench.core.errors import UserError

SAMPLES = 400


@pytest.fixture
def write(working_dir):
    """Return a function that records a model with some of 400 samples correct, or as failed."""

    def record(folder: str, model: str, num_correct: int | None) -> None:
        make = RecordMaker(working_dir / folder)
        if num_correct is None:
            make(model, status="failed", reason="no memory")
        else:
            make(model, test=exact([0] * SAMPLES, [0] * num_correct + [1] * (SAMPLES - num_correct)))

    return record


@pytest.fixture
def compare(run):
    return partial(run, "compare")


def test_a_regression_fails_only_with_the_flag(compare, write):
    write("a", "cnn", 260)
    write("b", "cnn", 200)
    compare("a", "b")
    assert "1 worse" in compare("a", "b", "--fail-on-regression", status=1)
    compare("b", "a", "--fail-on-regression")


@pytest.mark.parametrize(("after", "status", "verdict"), [(200, 0, "1 not significant"), (None, 1, "1 fails now")])
def test_failures_are_regressions_and_chance_is_not(compare, write, after, status, verdict):
    write("a", "cnn", 204)
    write("b", "cnn", after)
    assert verdict in compare("a", "b", "--fail-on-regression", status=status)


def test_without_tests_the_flag_raises(compare, write):
    write("a", "cnn", 204)
    write("b", "vgg16", 204)
    compare("a", "b")
    with pytest.raises(UserError, match="test"):
        compare("a", "b", "--fail-on-regression")


def test_output_has_the_tables_as_markdown(compare, write, working_dir):
    write("a", "cnn", 260)
    write("b", "cnn", 200)
    assert "Written: comparison.md" in compare("a", "b", "--output", "comparison.md")
    assert "| cnn" in (working_dir / "comparison.md").read_text()
    with pytest.raises(UserError, match="cannot be written"):
        compare("a", "b", "--output", "comparison.md/comparison.md")
