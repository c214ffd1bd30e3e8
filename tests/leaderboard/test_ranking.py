"""A leaderboard ranked by another metric than the accuracy."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_records import exact, made_up

from fer_bench.core.errors import UserError
from fer_bench.evaluation.metrics import METRICS, SampleMetric, evaluate
from fer_bench.evaluation.resampling import bootstrap_interval, sample_values
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.records import load
from fer_bench.records.schema import Predictions
from fer_bench.report.markdown import to_markdown


def by(make, metric):
    records = load(make.results)
    return rank_by(compute_leaderboard(records), metric, records)


@pytest.fixture
def unequal(make):
    """`majority` says the frequent class always; `fair` finds both, and is wrong more often. And a failed row."""
    labels = [0] * 270 + [1] * 30
    make("majority", test=exact(labels, [0] * 300, 2))
    make("fair", test=exact(labels, [0] * 225 + [1] * 75, 2))
    make("broken", status="failed", reason="out of memory")
    return make


def test_rows_stand_in_the_order_of_the_metric_and_failed_ones_last(unequal):
    assert by(unequal, "accuracy").frame["model"].tolist() == ["majority", "fair", "broken"]
    frame = by(unequal, "macro_f1").frame
    assert frame["model"].tolist() == ["fair", "majority", "broken"]
    assert frame["rank"].fillna(0).tolist() == [1, 2, 0]


def test_less_is_better_of_a_loss(unequal):
    frame = by(unequal, "log_loss").frame
    assert frame["model"].tolist() == ["majority", "fair", "broken"]
    assert frame["log_loss"].iloc[0] < frame["log_loss"].iloc[1]


def test_marks_are_of_the_metric(unequal):
    # Equally often right but for 15 of 300 images, and far apart in the recall of the rare class.
    board_of = by(unequal, "balanced_accuracy")
    assert board_of.frame["tied"].tolist() == [True, False, None]
    (notes,) = board_of.notes.values()
    assert notes[-1].endswith("go by the images (or subjects) of the rarest: 30.")
    assert notes[-2] == (
        "Ranked by balanced accuracy, and the interval is of it. 1 of 1 other row can be told from the best by it: "
        "paired bootstrap rejects at 5 %."
    )
    assert not [note for note in notes if "McNemar" in note]


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_the_order_in_which_samples_were_recorded_does_not_count(make, metric):
    test = made_up(300, 0.6, seed=1)
    other = np.random.default_rng(0).permutation(300)
    make("a", test=test)
    make("b", test=Predictions(test.ids[other], test.labels[other], test.probabilities[other]))
    make("poor", accuracy=0.3)
    frame = by(make, metric).frame.set_index("model")
    ends = frame[[f"{metric}_low", f"{metric}_high"]]
    assert np.allclose(ends.loc["a"], ends.loc["b"], atol=1e-12)
    assert frame["tied"].to_dict() == {"a": True, "b": True, "poor": False}


def test_the_interval_of_a_loss_is_that_of_its_mean_over_samples_and_seeds(make):
    tests = [made_up(300, 0.6, seed) for seed in range(2)]
    for seed, test in enumerate(tests):
        make(seed=seed, test=test)
    losses = np.mean([-np.log(t.probabilities[np.arange(300), t.labels].astype(float)) for t in tests], axis=0)
    order = np.lexsort((tests[0].labels, tests[0].ids))
    row = by(make, "log_loss").frame.iloc[0]
    assert (row["log_loss_low"], row["log_loss_high"]) == pytest.approx(bootstrap_interval(losses[order]), abs=1e-6)
    assert row["log_loss"] == pytest.approx(losses.mean(), abs=1e-6)


def test_subjects_are_drawn_whole(make):
    """Thirty copies of ten images are worth ten images."""
    test = exact([0, 1] * 150, [0, 1, 0, 1, 0, 0, 1, 0, 1, 0] * 30, 2)
    subjects = np.array([f"s{i % 10}" for i in range(300)])
    make("alone", test=test)
    make("alone", dataset="jaffe", test=replace(test, groups=subjects))
    frame = by(make, "macro_f1").frame
    width = (frame["macro_f1_high"] - frame["macro_f1_low"]).tolist()
    assert width[1] > 3 * width[0]


def test_five_images_that_only_one_model_knows_are_too_few_for_mcnemar(make):
    labels = [0] * 200 + [1] * 100
    make("all", test=exact(labels, labels))
    make("most", test=exact(labels, [1] * 5 + labels[5:]))  # class 2 ties with the true one, and comes first
    frame = by(make, "top2_accuracy").frame
    assert frame["top2_accuracy"].tolist() == pytest.approx([1, 295 / 300])
    assert frame["tied"].tolist() == [True, True]


def test_one_image_of_a_class_decides_nothing(make):
    labels = [0] * 299 + [1]
    make("right", test=exact(labels, labels, 2))
    make("wrong", test=exact(labels, [0] * 300, 2))
    frame = by(make, "balanced_accuracy").frame
    assert frame["balanced_accuracy"].tolist() == [1, 0.5]
    assert frame["tied"].tolist() == [True, True] and frame["balanced_accuracy_low"].isna().all()


def test_rows_with_other_test_images_are_not_compared(make):
    for model in ("a", "b"):
        make(model)
    make("other", test=made_up(200, 0.6, seed=3))
    frame = by(make, "macro_f1").frame.set_index("model")
    assert frame["tied"].isna().to_dict() == {"a": False, "b": False, "other": True}
    assert frame["macro_f1_low"].notna().all()


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if not metric.has_interval])
def test_areas_and_calibration_rank_without_marks_and_say_so(unequal, metric):
    found = by(unequal, metric)
    assert found.frame["tied"].isna().all() and f"{metric}_low" not in found.frame
    assert "neither interval nor test is computed" in to_markdown(found)


@pytest.mark.parametrize("metric", [metric for metric in METRICS.values() if isinstance(metric, SampleMetric)])
def test_what_samples_add_has_the_metric_as_its_mean(metric):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)
    shares = rng.integers(0, 4, (2, 500, 4)).astype(float) + 1e-9  # many of them equal
    shares /= shares.sum(axis=2, keepdims=True)
    values = sample_values(metric, labels, shares)
    assert values.mean(axis=1) == pytest.approx([evaluate(labels, one).scores[metric.name] for one in shares], abs=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_markdown_shows_the_metric_first_with_its_interval(unequal, metric):
    text = to_markdown(by(unequal, metric))
    header, _, best, _, failed = [line for line in text.splitlines() if line.startswith("|")][:5]
    names, cells, last = ([cell.strip() for cell in line.split("|")] for line in (header, best, failed))
    first = names.index("failed") + 1
    assert names[first].lower().replace(" ", "_").replace("-", "") == metric
    assert len(names) == len(set(names)) + 1  # but for the two ends of the line
    assert last[first] == "failed: out of memory"
    if METRICS[metric].has_interval:
        assert names[first + 1] == "95 % interval" and cells[first + 1] != "–"


def test_another_name_is_a_mistake(unequal):
    with pytest.raises(UserError, match=r"no metric 'macro-f1' to rank by: did you mean macro_f1"):
        by(unequal, "macro-f1")
