"""The figures of a report: what stands in them, that nothing in them collides, and that their files are sound."""

from io import BytesIO
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from made_up_records import exact
from matplotlib.text import Text
from PIL import Image

from fer_bench.leaderboard.leaderboard import board
from fer_bench.records import load
from fer_bench.report.figures import confusion_figure, curves_figure, overview_figure, pictures


def the_row(make):
    (row,) = board(load(make.results)).rows.values()
    return row


def overview(make):
    return overview_figure(board(load(make.results)).frame, "fer2013, protocol official")


def names_in(figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def boxes(figure):
    """Of the title, the axes with their labels, and the legends, in pixels."""
    renderer = figure.canvas.get_renderer()
    found = [figure._suptitle.get_window_extent(renderer)]
    found += [axis.get_tightbbox(renderer) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    return found + [axes.get_legend().get_window_extent(renderer) for axes in figure.axes if axes.get_legend()]


def test_a_cell_holds_the_share_of_its_true_class_and_the_count_over_all_seeds(make):
    make(seed=0, test=exact([0, 0, 0, 0, 1], [0, 0, 0, 1, 0]))
    make(seed=1, test=exact([0, 0, 0, 0, 1], [0, 1, 1, 1, 0]))
    figure = confusion_figure(the_row(make), "fer2013", "cnn")
    cells = {tuple(np.floor(t.get_position()).astype(int)[::-1]): t.get_text() for t in figure.axes[0].texts}
    assert cells[0, 0] == "50.0\n4" and cells[0, 1] == "50.0\n4" and cells[0, 2] == "0.0\n0"
    assert cells[1, 0] == "100.0\n2" and cells[1, 1] == "0.0\n0"
    assert {cells[2, c] for c in range(3)} == {"–"}  # no test image of that class
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == ["angry (8)", "disgust (2)", "fear (0)"]
    assert "2 seeds pooled" in figure.get_suptitle()
    top_left = figure.axes[0].transAxes.inverted().transform(figure.axes[0].transData.transform((0.5, 0.5)))
    assert top_left == pytest.approx([1 / 6, 5 / 6])  # the first true class on top


def test_numbers_are_legible_on_every_shade(make):
    labels = np.repeat([0, 1, 2], 100)
    predicted = np.concatenate([np.repeat([0, 1, 2], counts) for counts in ([100, 0, 0], [65, 35, 0], [0, 25, 75])])
    make(test=exact(list(labels), list(predicted)))
    figure = confusion_figure(the_row(make), "fer2013", "cnn")
    mesh = figure.axes[0].collections[0]
    shades = mesh.cmap(mesh.norm(mesh.get_array())).reshape(3, 3, 4)
    for text in figure.axes[0].texts:
        column, line = np.floor(text.get_position()).astype(int)
        ground, ink = luminance(shades[line, column]), 1.0 if text.get_color() == "white" else 0.0
        low, high = sorted([ground, ink])
        assert (high + 0.05) / (low + 0.05) >= 4  # WCAG 2.2 asks for 4.5 of small text, 3 of large


def luminance(colour) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


@pytest.mark.parametrize("name", ["cnn", "a very long name of a model with many words " * 4, "x" * 200])
def test_title_labels_and_legend_are_whole_and_apart(make, name):
    for seed in range(8):
        make(seed=seed)
    make(seed=8, status="diverged", reason="loss is NaN", epochs=2)
    row = the_row(make)
    frame = board(load(make.results)).frame
    for figure in (confusion_figure(row, "h", name), curves_figure(row, "h", name), overview_figure(frame, name)):
        title, *others = boxes(figure)
        for box in (title, *others):
            assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert all(title.y0 >= box.y1 for box in others)


def test_trials_are_told_apart_without_colour(make):
    for seed in range(4):
        make(seed=seed)
    figure = curves_figure(the_row(make), "fer2013", "cnn")
    solid = [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
    assert len(solid) == 4 == len({line.get_marker() for line in solid})


def test_few_rows_are_all_named_and_many_by_their_front(make):
    for place in range(20):
        make(f"m{place:02}", seconds=100 + place, test=exact([0] * 50, [0] * (10 + place) + [1] * (40 - place)))
    assert sorted(names_in(overview(make))) == [f"m{place:02}" for place in range(20)]
    make("slow", seconds=1000, test=exact([0] * 50, [0] * 15 + [1] * 35))
    figure = overview(make)
    assert "slow" not in names_in(figure) and "m19" in names_in(figure)
    assert "named: 20 rows of the front, of 21 in all" in figure.get_suptitle()
    assert sum(len(line.get_xdata()) for line in figure.axes[0].lines if line.get_linestyle() == "None") >= 21


def test_names_do_not_cover_each_other(make):
    for place in range(6):
        make(f"model_{place}", seconds=100 + 0.2 * place, test=exact([0] * 50, [0] * 30 + [1] * 20))
    figure = overview(make)
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    texts = [Text.get_window_extent(note, renderer) for note in figure.axes[0].texts]
    assert len(texts) == 6
    assert not [pair for pair in combinations(texts, 2) if pair[0].overlaps(pair[1])]
    assert all(figure.axes[0].bbox.containsx(x) for box in texts for x in (box.x0, box.x1))


def test_files_show_the_same_at_the_stated_size_and_are_equal_for_equal_figures(make):
    make()
    row = the_row(make)
    first, again = (pictures(confusion_figure(row, "fer2013", "cnn")) for _ in range(2))
    assert first == again
    with Image.open(BytesIO(first["png"])) as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
        inches = np.array(image.size) / 300
    svg = ElementTree.fromstring(first["svg"])
    points = [float(svg.attrib[side].removesuffix("pt")) for side in ("width", "height")]
    assert np.array(points) / 72 == pytest.approx(inches, abs=0.01)
    assert b"<image" not in first["svg"] and b"<text" not in first["svg"]  # lines and outlines, no fonts needed
