"""Leaderboards ranked by another metric than the accuracy."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_records import bootstrap_interval, exact, leaderboard_of, made_up

from fer_bench.core.errors import UserError
from fer_bench.evaluation.metrics import METRICS, SampleMetric, evaluate
from fer_bench.evaluation.resampling import sample_values
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.records import load
from fer_bench.records.schema import Predictions
from fer_bench.report.markdown import to_markdown


def ranked(make, metric):
    return rank_by(leaderboard_of(make), metric, load(make.results))


@pytest.fixture
def unequal(make):
    """Return a maker with three rows: `majority` always predicts the frequent class, `fair` both, `broken` failed."""
    labels = [0] * 270 + [1] * 30
    make("majority", test=exact(labels, [0] * 300, 2))
    make("fair", test=exact(labels, [0] * 225 + [1] * 75, 2))
    make("broken", status="failed", reason="out of memory")
    return make


def test_rows_are_sorted_by_the_metric_with_failed_ones_last(unequal):
    assert ranked(unequal, "accuracy").frame["model"].tolist() == ["majority", "fair", "broken"]
    frame = ranked(unequal, "macro_f1").frame
    assert frame["model"].tolist() == ["fair", "majority", "broken"]
    assert frame["rank"].fillna(0).tolist() == [1, 2, 0]


def test_a_lower_loss_is_better(unequal):
    frame = ranked(unequal, "log_loss").frame
    assert frame["model"].tolist() == ["majority", "fair", "broken"]
    assert frame["log_loss"].iloc[0] < frame["log_loss"].iloc[1]


def test_ties_are_computed_from_the_metric(unequal):
    # The accuracies differ by 15 of 300 images, the recalls of the rare class by 30 of 30.
    leaderboard = ranked(unequal, "balanced_accuracy")
    assert leaderboard.frame["tied"].tolist() == [True, False, None]
    (notes,) = leaderboard.notes.values()
    assert "30 images" in notes[-1] and "1 of 1 other row" in notes[-2] and "balanced accuracy" in notes[-3]
    assert not [note for note in notes if "McNemar" in note]


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_the_order_of_samples_does_not_matter(make, metric):
    test = made_up(300, 0.6, seed=1)
    other = np.random.default_rng(0).permutation(300)
    make("a", test=test)
    make("b", test=Predictions(test.ids[other], test.labels[other], test.probabilities[other]))
    make("poor", accuracy=0.3)
    frame = ranked(make, metric).frame.set_index("model")
    ends = frame[[f"{metric}_low", f"{metric}_high"]]
    assert np.allclose(ends.loc["a"], ends.loc["b"], atol=1e-12)
    assert frame["tied"].to_dict() == {"a": True, "b": True, "poor": False}


def test_the_interval_of_a_loss_covers_its_mean_over_samples_and_seeds(make):
    tests = [made_up(300, 0.6, seed) for seed in range(2)]
    for seed, test in enumerate(tests):
        make(seed=seed, test=test)
    losses = np.mean([-np.log(t.probabilities[np.arange(300), t.labels].astype(float)) for t in tests], axis=0)
    order = np.lexsort((tests[0].labels, tests[0].ids))
    row = ranked(make, "log_loss").frame.iloc[0]
    assert (row["log_loss_low"], row["log_loss_high"]) == pytest.approx(bootstrap_interval(losses[order]), abs=1e-6)
    assert row["log_loss"] == pytest.approx(losses.mean(), abs=1e-6)


def test_subjects_are_drawn_whole(make):
    """Thirty copies of ten images have the interval of ten images."""
    test = exact([0, 1] * 150, [0, 1, 0, 1, 0, 0, 1, 0, 1, 0] * 30, 2)
    subjects = np.array([f"s{i % 10}" for i in range(300)])
    make("alone", test=test)
    make("alone", dataset="jaffe", test=replace(test, groups=subjects))
    frame = ranked(make, "macro_f1").frame
    width = (frame["macro_f1_high"] - frame["macro_f1_low"]).tolist()
    assert width[1] > 3 * width[0]


def test_five_different_images_are_too_few_for_mcnemar(make):
    labels = [0] * 200 + [1] * 100
    make("all", test=exact(labels, labels))
    make("most", test=exact(labels, [1] * 5 + labels[5:]))  # class 2 ties with the true one, and comes first
    frame = ranked(make, "top2_accuracy").frame
    assert frame["top2_accuracy"].tolist() == pytest.approx([1, 295 / 300])
    assert frame["tied"].tolist() == [True, True]


def test_one_image_of_a_class_is_not_significant(make):
    labels = [0] * 299 + [1]
    make("right", test=exact(labels, labels, 2))
    make("wrong", test=exact(labels, [0] * 300, 2))
    frame = ranked(make, "balanced_accuracy").frame
    assert frame["balanced_accuracy"].tolist() == [1, 0.5]
    assert frame["tied"].tolist() == [True, True] and frame["balanced_accuracy_low"].isna().all()


def test_rows_with_other_test_images_are_not_compared(make):
    for model in ("a", "b"):
        make(model)
    make("other", test=made_up(200, 0.6, seed=3))
    frame = ranked(make, "macro_f1").frame.set_index("model")
    assert frame["tied"].isna().to_dict() == {"a": False, "b": False, "other": True}
    assert frame["macro_f1_low"].notna().all()


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if not metric.has_interval])
def test_metrics_without_intervals_rank_without_ties(unequal, metric):
    found = ranked(unequal, metric)
    assert found.frame["tied"].isna().all() and f"{metric}_low" not in found.frame
    assert "neither intervals nor tests" in to_markdown(found)


@pytest.mark.parametrize("metric", [metric for metric in METRICS.values() if isinstance(metric, SampleMetric)])
def test_the_mean_of_sample_values_is_the_metric(metric):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)
    shares = rng.integers(0, 4, (2, 500, 4)).astype(float) + 1e-9  # many of them equal
    shares /= shares.sum(axis=2, keepdims=True)
    values = sample_values(metric, labels, shares)
    assert values.mean(axis=1) == pytest.approx([evaluate(labels, one).scores[metric.name] for one in shares], abs=1e-9)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss", "ece"])
def test_markdown_shows_the_metric_first_with_its_interval(unequal, metric):
    text = to_markdown(ranked(unequal, metric))
    header, _, best, _, failed = [
        line for line in text.split("## Full tables")[1].splitlines() if line.startswith("|")
    ][:5]
    names, cells, last = ([cell.strip() for cell in line.split("|")] for line in (header, best, failed))
    first = names.index("failed") + 1
    assert names[first] == METRICS[metric].title
    assert len(names) == len(set(names)) + 1  # but for the two ends of the line
    assert last[first] == "failed: out of memory"
    if METRICS[metric].has_interval:
        assert names[first + 1] == "95 % interval" and cells[first + 1] != "–"


def test_an_unknown_metric_raises(unequal):
    with pytest.raises(UserError, match="macro_f1"):
        ranked(unequal, "macro-f1")
