"""Accuracy under corruptions in the leaderboard, where models were tried so."""

import pytest

from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.records import load, robustness
from fer_bench.records.robustness import Robustness
from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.page import columns

FOG = {"fog": {1: 0.5, 5: 0.25}, "snow": {1: 0.75, 5: 0.5}}  # 0.375 and 0.625


def tried(record, accuracy=None, **changes) -> None:
    known = {"model": "cnn", "dataset": "fer2013", "protocol": "official", "uncorrupted": 0.6, "seed": 0}
    known |= {"accuracy": accuracy or FOG, "num_samples": 100, "num_test_images": 300, "tta": "1", "versions": {}}
    robustness.write(record / robustness.ROBUSTNESS_FILE, Robustness(**{**known, **changes}))


def read(make):
    records = load(make.results)
    return compute_leaderboard(records, records.skipped)


def about(found) -> list[str]:
    (notes,) = found.notes.values()
    return [note for note in notes if "corruption" in note]


def test_it_is_the_mean_over_trials_of_the_mean_over_corruptions(make):
    tried(make("cnn", seed=0))
    tried(make("cnn", seed=1), {"fog": {1: 0.25, 5: 0.25}, "snow": {1: 0.25, 5: 0.25}})
    make("cnn", seed=2)
    make("vgg16")
    found = read(make)
    accuracy = found.frame.set_index("model")["corruption_accuracy"]
    assert accuracy["cnn"] == pytest.approx(0.375) and accuracy.isna()["vgg16"]
    assert about(found) == [
        "Accuracy under corruptions, of 1 row whose models were tried so (2 trials): "
        "mean over 2 corruptions at 2 severities, of 100 test images."
    ]
    assert "corruption_accuracy" in to_csv(found.frame).splitlines()[0]
    text = to_markdown(found)
    scores, costs = (line for line in text.splitlines() if line.startswith("| rank") or line.startswith("|   rank"))
    assert "under corruptions" in costs and "under corruptions" not in scores
    assert "37.50" in text and about(found)[0] in text
    assert "corruption_accuracy" in [column.key for column in columns.present(found.frame)]


def test_where_nothing_was_tried_nothing_is_said(make):
    make("cnn")
    found = read(make)
    assert "corruption_accuracy" not in found.frame and about(found) == [] and found.skipped == []
    assert "corruption" not in to_markdown(found)


def test_means_over_other_corruptions_or_images_are_said_not_to_compare(make):
    tried(make("cnn"))
    tried(make("vgg16"), {"fog": {3: 0.5}})
    assert "mean over 1 to 2 corruptions at 1 to 2 severities" in about(read(make))[0]
    assert "do not compare" in about(read(make))[1]
    tried(make("vgg16"), num_samples=200)
    assert "2 corruptions at 2 severities, of 100 to 200 test images" in about(read(make))[0]
    assert "do not compare" in about(read(make))[1]


@pytest.mark.parametrize("text", ["", '{"model": "cnn"}', None])
def test_a_file_that_cannot_be_used_is_named_and_harms_nothing_else(make, text):
    record = make("cnn")
    if text is None:
        tried(record, key="a" * 64)
    else:
        (record / robustness.ROBUSTNESS_FILE).write_text(text)
    found = read(make)
    assert found.frame["accuracy"].notna().all() and "corruption_accuracy" not in found.frame
    ((path, reason),) = found.skipped
    assert path == record and reason.startswith("robustness.json") and "all else of the record is there" in reason
