"""The figures of a report: content, layout without overlaps, and valid files."""

import math
from io import BytesIO
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from made_up_records import MACHINE, exact
from matplotlib.text import Text
from PIL import Image

from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.records import load
from fer_bench.report.figure_layout import to_image_files
from fer_bench.report.figures import (
    confusion_figure,
    curves_figure,
    overview_figure,
    performance_profile_figure,
)


def only_row(make):
    (row,) = compute_leaderboard(load(make.results)).rows.values()
    return row


def overview(make):
    return overview_figure(compute_leaderboard(load(make.results)).frame, "fer2013, protocol official")


def labels_in(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure):
    """Return the extents in pixels of the title, the axes with their labels, and the legends."""
    renderer = figure.canvas.get_renderer()
    extents = [figure._suptitle.get_window_extent(renderer)]
    extents += [axis.get_tightbbox(renderer) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    return extents + [axes.get_legend().get_window_extent(renderer) for axes in figure.axes if axes.get_legend()]


def test_cells_show_percentage_and_count_pooled_over_seeds(make):
    make(seed=0, test=exact([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]))
    make(seed=1, test=exact([0, 0, 0, 0, 1], [0, 1, 1, 1, 0]))
    figure = confusion_figure(only_row(make), "fer2013", "cnn")
    cells = {tuple(np.floor(t.get_position()).astype(int)[::-1]): t.get_text() for t in figure.axes[0].texts}
    assert cells[0, 0] == "50.0\n4" and cells[0, 1] == "50.0\n4" and cells[0, 2] == "0.0\n0"
    assert cells[1, 0] == "100.0\n2" and cells[1, 1] == "0.0\n0"
    assert {cells[2, c] for c in range(3)} == {"–"}  # no test image of that class
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["angry (8)", "disgust (2)", "fear (0)"]
    assert "2 seeds pooled" in figure.get_suptitle()
    top_left = figure.axes[0].transAxes.inverted().transform(figure.axes[0].transData.transform((0.5, 0.5)))
    assert top_left == pytest.approx([1 / 6, 5 / 6])  # the first true class is at the top


def test_cell_text_has_contrast_on_every_shade(make):
    labels = np.repeat([0, 1, 2], 100)
    predicted = np.concatenate([np.repeat([0, 1, 2], counts) for counts in ([100, 0, 0], [65, 35, 0], [0, 25, 75])])
    make(test=exact(list(labels), list(predicted)))
    figure = confusion_figure(only_row(make), "fer2013", "cnn")
    mesh = figure.axes[0].collections[0]
    shades = mesh.cmap(mesh.norm(mesh.get_array())).reshape(3, 3, 4)
    for text in figure.axes[0].texts:
        column, line = np.floor(text.get_position()).astype(int)
        background, foreground = luminance(shades[line, column]), 1.0 if text.get_color() == "white" else 0.0
        low, high = sorted([background, foreground])
        assert (high + 0.05) / (low + 0.05) >= 4  # WCAG 2.2: 4.5 for small text, 3 for large text


def luminance(color) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("name", ["cnn", "a very long name of a model with many words " * 4, "x" * 200])
def test_title_labels_and_legend_are_complete_and_separate(make, name):
    for seed in range(8):
        make(seed=seed)
    make(seed=8, status="diverged", reason="loss is NaN", epochs=2)
    row = only_row(make)
    frame = compute_leaderboard(load(make.results)).frame
    for figure in (confusion_figure(row, "h", name), curves_figure(row, "h", name), overview_figure(frame, name)):
        title, *others = boxes(figure)
        for box in (title, *others):
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert all(title.y0 >= box.y1 for box in others)


def test_trials_are_distinguishable_without_color(make):
    for seed in range(4):
        make(seed=seed)
    figure = curves_figure(only_row(make), "fer2013", "cnn")
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    assert len(solid) == 4 == len({line.get_marker() for line in solid})


def test_all_rows_are_labeled_if_few_and_the_pareto_front_if_many(make):
    for index in range(20):
        make(f"m{index:02}", seconds=100 + index, test=exact([0] * 50, [0] * (10 + index) + [1] * (40 - index)))
    assert sorted(labels_in(overview(make))) == [f"m{index:02}" for index in range(20)]
    make("slow", seconds=1000, test=exact([0] * 50, [0] * 15 + [1] * 35))
    figure = overview(make)
    assert "slow" not in labels_in(figure) and "m19" in labels_in(figure)
    assert "best 20 rows of the Pareto front, out of 21" in figure.get_suptitle()
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_linestyle() == "None") >= 21


def test_a_row_far_below_the_others_is_drawn_at_the_lower_edge(make):
    for index, accuracy in enumerate((0.7, 0.68, 0.65)):
        make(
            f"m{index}",
            seconds=100 + index,
            test=exact([0] * 100, [0] * int(100 * accuracy) + [1] * int(100 - 100 * accuracy)),
        )
    make("collapsed", seconds=110, test=exact([0] * 100, [0] * 20 + [1] * 80))
    figure = overview(make)
    assert "collapsed (20.00 %)" in labels_in(figure)
    assert "accuracies below 56 % are drawn at the lower edge" in figure.get_suptitle()
    low, high = figure.axes[0].get_ylim()
    assert 53 < low < 56 and 70 < high < 73


def test_each_machine_has_a_pareto_front(make):
    make("cnn", seconds=40, accuracy=0.7, machine=MACHINE | {"cores": 64})
    for model, accuracy, seconds in (("vgg19", 0.6, 900), ("resnet18", 0.65, 1000), ("mobilenet", 0.5, 3000)):
        make(model, seconds=seconds, accuracy=accuracy)
    figure = overview(make)
    fronts = [list(line.get_xdata()) for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert fronts == [[900, 1000], [40]]
    assert "Times of different machines cannot be compared." in figure.get_suptitle().replace("\n", " ")
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert {"random initial weights, machine 1", "random initial weights, machine 2"} < set(names)
    assert len(names) == 3  # one entry for both fronts


def test_labels_do_not_overlap(make):
    for index in range(6):
        make(f"model_{index}", seconds=100 + 0.2 * index, test=exact([0] * 50, [0] * 30 + [1] * 20))
    figure = overview(make)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts = [Text.get_window_extent(annotation, renderer) for annotation in figure.axes[0].texts]
    assert len(texts) == 6
    assert not [pair for pair in combinations(texts, 2) if pair[0].overlaps(pair[1])]
    assert all(figure.axes[0].bbox.containsx(x) for box in texts for x in (box.x0, box.x1))


def test_png_and_svg_have_the_same_size_and_are_reproducible(make):
    make()
    row = only_row(make)
    first, second = (to_image_files(confusion_figure(row, "fer2013", "cnn")) for _ in range(2))
    assert first == second
    with Image.open(BytesIO(first["png"])) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        inches = np.array(image.size) / 300
    svg = ElementTree.fromstring(first["svg"])
    points = [float(svg.attrib[side].removesuffix("pt")) for side in ("width", "height")]
    assert np.array(points) / 72 == pytest.approx(inches, abs=0.01)
    assert b"<image" not in first["svg"] and b"<text" not in first["svg"]  # lines and outlines, no fonts needed


def profile(**times):
    """Return the performance profile of rows with these times to target."""
    frame = pd.DataFrame({f"seconds_to_{name.removeprefix('t')}": values for name, values in times.items()})
    return performance_profile_figure(frame, "fer2013, protocol official")


def test_a_performance_profile_has_the_share_of_rows_within_a_factor_of_the_fastest():
    figure = profile(t60=[20.0, 10.0, math.inf, 40.0, math.nan], t65=[math.inf] * 4 + [math.nan])
    (curve,) = figure.axes[0].lines
    x, y = curve.get_data()
    assert x[:3].tolist() == [1, 2, 4] and y.tolist() == [25, 50, 75, 75]  # a miss counts, an external model does not
    (label,) = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert label == "60 %: 3 of 4, the fastest in 10.0 s"
    assert not any(a.overlaps(b) for a, b in combinations(boxes(figure)[:3], 2))


@pytest.mark.parametrize("times", [[math.inf, math.inf], [10.0, math.inf], [math.nan, math.nan]])
def test_fewer_than_two_rows_have_no_performance_profile(times):
    assert profile(t60=times) is None
