"""The details of a row."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_records import CLASSES, exact, made_up, write_heat_maps
from page_reader import Page, render_page

from fer_bench.evaluation.metrics import evaluate
from fer_bench.records import heat_maps, load
from fer_bench.records.schema import Predictions, TrainingCheck
from fer_bench.report.page.render import leaderboard_page
from fer_bench.report.write import read_leaderboard


def first_details(make) -> dict:
    page = render_page(make)
    return page.details(page.rows()[0])


def test_details_match_the_predictions(make):
    make(test=exact([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]), epochs=4)
    details = first_details(make)
    assert details["classes"] == ["angry", "disgust", "fear"]
    assert details["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert [scores["images"] for scores in details["per_class"]] == [3, 2, 1]
    assert [scores["precision"] for scores in details["per_class"]] == pytest.approx([2 / 3, 2 / 3, 0], rel=1e-5)
    assert details["per_class"][0]["f1"] == pytest.approx(2 / 3, rel=1e-5)
    assert details["mistakes"] == {
        "count": 2,
        "samples": 6,
        "seeds": 1,
        "most_confident": [["i2", 0, 1, 1, 1], ["i5", 2, 0, 1, 1]],
    }
    assert sum(details["reliability"]["count"]) == 6
    assert details["reliability"]["ece"] == pytest.approx(1 / 3, rel=1e-5)
    (curve,) = details["curves"]
    (stored,) = load(make.results)
    assert curve["validation_loss"] == pytest.approx([e.validation_loss for e in stored.record.history], rel=1e-3)
    assert curve["best_epoch"] == 2


def test_most_confident_mistakes_are_first(make):
    labels = np.zeros(4, int)
    probabilities = np.array([[0.4, 0.6, 0], [0.1, 0.9, 0], [0.8, 0.1, 0.1], [0.2, 0.05, 0.75]], np.float32)
    make(test=Predictions(np.array(["a", "b", "c", "d"]), labels, probabilities))
    mistakes = first_details(make)["mistakes"]["most_confident"]
    assert [line[:3] for line in mistakes] == [["b", 0, 1], ["d", 0, 2], ["a", 0, 1]]
    assert [line[3] for line in mistakes] == pytest.approx([0.9, 0.75, 0.6], rel=1e-5)


def test_seeds_are_pooled_or_averaged(make):
    for seed, predicted in enumerate(([0, 1, 1], [0, 0, 1], [0, 0, 0])):
        make(seed=seed, test=exact([0, 1, 1], predicted, classes=2))
    details = first_details(make)
    assert details["confusion"] == [[3, 0], [3, 3]]
    assert details["per_class"][1]["recall"] == 0.5
    assert details["per_class"][1]["recall_sd"] == 0.5
    assert details["mistakes"]["count"] == 1  # by the mean of the three
    assert details["mistakes"]["most_confident"] == [["i1", 1, 0, pytest.approx(2 / 3, rel=1e-5), 2]]
    assert [curve["name"] for curve in details["curves"]] == ["seed 0", "seed 1", "seed 2"]


def test_seeds_with_different_test_samples_are_not_averaged(make):
    first, second = exact([0, 1], [0, 0], classes=2), exact([1, 1], [1, 1], classes=2)
    make(seed=0, test=first)
    make(seed=1, test=Predictions(np.array(["other", "another"]), second.labels, second.probabilities))
    mistakes = first_details(make)["mistakes"]
    assert (mistakes["seeds"], mistakes["samples"], mistakes["most_confident"]) == (1, 2, [["i1", 1, 0, 1, 1]])


def test_area_under_roc_curves_is_the_auc(make):
    test = made_up(2000, 0.6, 0)
    make(test=test)
    details = first_details(make)
    areas = [np.trapezoid(curve, details["roc"]["fpr"]) for curve in details["roc"]["tpr"]]
    assert np.mean(areas) == pytest.approx(evaluate(test.labels, test.probabilities).scores["macro_auc"], abs=0.01)
    assert [scores["auc"] for scores in details["per_class"]] == pytest.approx(areas, abs=0.02)
    assert all(curve[-1] == 1 for curve in details["roc"]["tpr"])


def test_a_class_without_test_samples_has_no_curve(make):
    make(test=exact([0, 0, 1], [0, 1, 2]))
    details = first_details(make)
    assert details["roc"]["tpr"][2] is None
    assert details["per_class"][2]["auc"] is None
    assert details["confusion"][2] == [0, 0, 0]


def test_non_finite_losses_are_gaps(make):
    make("cnn", status="diverged", reason="loss is NaN", epochs=3)
    (path,) = make.results.glob("records/*/record.json")
    record = json.loads(path.read_text())
    record["history"][-1]["loss"] = "NaN"
    path.write_text(json.dumps(record))
    (curve,) = first_details(make)["curves"]
    assert curve["loss"][-1] is None and curve["loss"][0] > 0


def test_folds_are_pooled(make):
    make(fold=0, test=exact([0, 1], [0, 1]))
    make(fold=1, test=exact([2, 2], [2, 0]))
    details = first_details(make)
    assert details["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]
    assert [trial["name"] for trial in details["trials"]] == ["seed 0, fold 0", "seed 0, fold 1"]
    assert [trial["accuracy"] for trial in details["trials"]] == [1, 0.5]


def test_missing_predictions_leave_the_other_details(make):
    path = make()
    leaderboard = read_leaderboard(make.results)
    (path / "predictions.npz").unlink()
    page = Page(leaderboard_page(leaderboard, make.results))
    details = page.details(page.rows()[0])
    assert "confusion" not in details and details["curves"]


def test_warnings_are_in_the_row_and_a_suspected_row_says_why(make):
    make("constant", test=exact([0, 1, 2] * 20, [2] * 60))
    check = TrainingCheck(images=3000, accuracy=0.95, neighbor_accuracy=0.3)
    recipe = {"external": {"labels": []}}
    make("theirs", accuracy=0.95, samples=500, recipe=recipe, recipe_name="external", training_check=check)
    make("fine", samples=500)
    rows = {row["model"]: row for row in render_page(make).rows()}
    assert rows["constant"]["warnings"] == ["All 60 test images got one class, fear. Did the training collapse?"]
    assert rows["fine"]["warnings"] == [] and rows["fine"]["suspicion"] is None and rows["fine"]["rank"] == 1
    assert rows["theirs"]["rank"] is None and rows["theirs"]["suspicion"] in rows["theirs"]["badges"]


def test_heat_maps_of_the_kept_model_are_small_numbers(make):
    folder = make()
    assert first_details(make)["heat_maps"] is None
    write_heat_maps(folder)
    (folder / heat_maps.HEAT_MAPS_FIGURE).write_bytes(b"a figure")
    found = first_details(make)["heat_maps"]
    assert found["figure"].endswith(f"{folder.name}/{heat_maps.HEAT_MAPS_FIGURE}")
    assert "−12.0 points" in found["text"]
    assert [(name, images) for name, images, _ in found["maps"]] == [(name, 3) for name in CLASSES[:6]]
    first = np.array(found["maps"][0][2])
    assert first.shape == (16, 16) and first[0, 0] < 5 and (first[:, -1] == 100).all()
    assert len(json.dumps(found)) < 12_000


def test_small_heat_maps_keep_their_size_and_damaged_ones_leave_the_figure(make):
    folder = make()
    write_heat_maps(folder, side=5)
    assert np.array(first_details(make)["heat_maps"]["maps"][0][2]).shape == (5, 5)
    (folder / heat_maps.HEAT_MAPS_FILE).write_text("{")
    assert first_details(make)["heat_maps"] is None
    (folder / heat_maps.HEAT_MAPS_FIGURE).write_bytes(b"a figure")
    found = first_details(make)["heat_maps"]
    assert found["maps"] == [] and found["figure"]
