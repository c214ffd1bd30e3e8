"""Accuracy under corruptions in the leaderboard."""

import pytest
from made_up_records import leaderboard_of, write_robustness

from fer_bench.records.robustness import ROBUSTNESS_FILE
from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.page import columns


def corruption_notes(found) -> list[str]:
    (notes,) = found.notes.values()
    return [note for note in notes if "corruption" in note.lower()]


def test_it_is_the_mean_over_trials_and_corruptions(make):
    write_robustness(make("cnn", seed=0))
    write_robustness(make("cnn", seed=1), accuracy={"fog": {1: 0.25, 5: 0.25}, "snow": {1: 0.25, 5: 0.25}})
    make("cnn", seed=2)
    make("vgg16")
    found = leaderboard_of(make)
    accuracy = found.frame.set_index("model")["corruption_accuracy"]
    assert accuracy["cnn"] == pytest.approx(0.375) and accuracy.isna()["vgg16"]
    (note,) = corruption_notes(found)
    assert "1 row (2 trials): mean over 2 corruptions at 2 severities, on 100 test images" in note
    assert "corruption_accuracy" in to_csv(found.frame).splitlines()[0]
    text = to_markdown(found)
    _, scores, costs = (line for line in text.splitlines() if line.startswith("|   rank"))
    assert "under corruptions" in costs and "under corruptions" not in scores
    assert "37.50" in text and note in text
    assert "corruption_accuracy" in [column.key for column in columns.present(found.frame)]


def test_without_results_there_is_no_column_and_no_note(make):
    make("cnn")
    found = leaderboard_of(make)
    assert "corruption_accuracy" not in found.frame and corruption_notes(found) == [] and found.skipped == []
    assert "corruption" not in to_markdown(found)


def test_different_corruptions_or_images_have_a_warning(make):
    write_robustness(make("cnn"))
    write_robustness(make("vgg16"), accuracy={"fog": {3: 0.5}})
    assert "mean over 1 to 2 corruptions at 1 to 2 severities" in corruption_notes(leaderboard_of(make))[0]
    assert "do not compare" in corruption_notes(leaderboard_of(make))[1]
    write_robustness(make("vgg16"), num_samples=200)
    assert "2 corruptions at 2 severities, on 100 to 200 test images" in corruption_notes(leaderboard_of(make))[0]
    assert "do not compare" in corruption_notes(leaderboard_of(make))[1]


@pytest.mark.parametrize("text", ["", '{"model": "cnn"}', None])
def test_an_invalid_file_is_named_and_the_record_is_used(make, text):
    record = make("cnn")
    if text is None:
        write_robustness(record, key="a" * 64)
    else:
        (record / ROBUSTNESS_FILE).write_text(text)
    found = leaderboard_of(make)
    assert found.frame["accuracy"].notna().all() and "corruption_accuracy" not in found.frame
    ((path, reason),) = found.skipped
    assert path == record and reason.startswith("robustness.json") and found.frame["accuracy"].notna().all()
