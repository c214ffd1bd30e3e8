"""Robustness as tables and as a figure."""

from io import StringIO

import pytest
from matplotlib.colors import to_hex
from rich.console import Console

from fer_bench.core.errors import UserError
from fer_bench.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from fer_bench.records.robustness import Robustness
from fer_bench.report.robustness import describe, model_table, robustness_figure, severity_table, write_figure


def make(model="cnn, default, seed 0", accuracy=None, **changes) -> Robustness:
    all_corruptions = {name: {s: 0.6 - 0.01 * i - 0.05 * s for s in SEVERITIES} for i, name in enumerate(CORRUPTIONS)}
    fields = {
        "model": model,
        "dataset": "made",
        "protocol": "official",
        "uncorrupted": 0.625,
        "accuracy": accuracy or all_corruptions,
    }
    fields |= {"num_samples": 1000, "num_test_images": 3589, "seed": 0, "tta": "1", "versions": {}}
    return Robustness(**{**fields, **changes})


def text(table) -> list[str]:
    """Return the lines of a table with single spaces."""
    console = Console(file=StringIO(), width=80)
    console.print(table)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_table_by_severity_has_accuracies_and_means():
    accuracy = {"fog": {1: 0.5, 5: 0.25}, "jpeg_compression": {1: 0.75, 5: 0.5}}
    lines = text(severity_table(make(accuracy=accuracy)))
    assert "fog 50.00 25.00 37.50" in lines and "jpeg compression 75.00 50.00 62.50" in lines
    assert "mean corruption accuracy 62.50 37.50 50.00" in lines
    assert "uncorrupted, same images 62.50" in lines


def test_models_are_sorted_by_mean_corruption_accuracy():
    accuracies = {"a": 0.2, "b": 0.4, "c": 0.3}
    results = [make(name, {"fog": {1: value}, "snow": {1: value + 0.2}}) for name, value in accuracies.items()]
    lines = text(model_table(results))
    assert lines[-3:] == ["b 62.50 50.00 50.00", "c 62.50 40.00 40.00", "a 62.50 30.00 30.00"]


def test_description_names_images_and_corruptions():
    assert describe(make()) == (
        "made, official: a stratified sample (seed 0) of 1,000 of 3,589 test images (± 3.00 points) "
        "under the 15 common corruptions at 5 severities"
    )
    partial = make(accuracy={"fog": {1: 0.5, 3: 0.2}}, num_samples=3589, fold=2)
    assert describe(partial) == (
        "made, official, fold 2: all 3,589 test images (± 1.58 points) under fog at severity 1, 3, not all of 15 × 5"
    )


def test_figure_has_a_line_per_corruption_from_the_uncorrupted_accuracy():
    figure = robustness_figure(make())
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines if len(line.get_xdata()) == 6}
    assert set(lines) == {name.replace("_", " ") for name in CORRUPTIONS}
    assert list(lines["fog"].get_xdata()) == [0, *SEVERITIES]
    assert list(lines["fog"].get_ydata()) == pytest.approx([62.5, *(51 - 5 * s for s in SEVERITIES)])
    for axes in figure.axes:
        colors = [to_hex(line.get_color()) for line in axes.lines if line in lines.values()]
        assert len(set(colors)) == len(colors)
    assert [axes.get_title() for axes in figure.axes] == ["noise", "blur", "weather", "digital"]
    assert "mean corruption accuracy 38.00 %" in figure.get_suptitle()


def test_figure_of_one_type_has_one_panel():
    assert len(robustness_figure(make(accuracy={"fog": {2: 0.5}})).axes) == 1


def test_figures_are_written_as_png_and_svg(tmp_path):
    paths = write_figure(robustness_figure(make()), tmp_path / "robustness")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["robustness.png", "robustness.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG") and b"<svg" in paths[1].read_bytes()
    with pytest.raises(UserError, match="cannot be written"):
        write_figure(robustness_figure(make()), tmp_path / "robustness.png" / "robustness")
