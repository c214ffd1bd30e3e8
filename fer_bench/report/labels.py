"""Labels beside the points of a scatter plot, kept off each other as far as there is room."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

# Where a label may stand from its point: direction and horizontal alignment, the most readable first.
PLACES = (
    (1, 0, "left"),
    (-1, 0, "right"),
    (0, 1, "center"),
    (0, -1, "center"),
    (1, 1, "left"),
    (-1, 1, "right"),
    (1, -1, "left"),
    (-1, -1, "right"),
)
DISTANCES = (7, 16, 28)  # points
LINE = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
POINT = 6  # half the side of the square that a point takes, in pixels


def place_labels(axes: Axes, x: Iterable[float], y: Iterable[float], labels: Iterable[str]) -> None:
    """Write each label at the first place that crosses no point, other label or border, else at the least crowded.

    x, y: data coordinates. The figure is drawn once to learn the size of the text.
    """
    x, y = list(x), list(y)
    figure = axes.figure
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # what is placed now must not be moved by a second layout
    renderer = figure.canvas.get_renderer()
    spots = axes.transData.transform(np.column_stack([x, y]))
    taken = [Bbox.from_extents(px - POINT, py - POINT, px + POINT, py + POINT) for px, py in spots]
    for index, label in enumerate(labels):
        note = axes.annotate(
            label, (x[index], y[index]), xytext=(0, 0), textcoords="offset points", fontsize=8, arrowprops=dict(LINE)
        )
        others = taken[:index] + taken[index + 1 :]
        best = min(_candidates(), key=lambda place: _crowding(note, place, others, axes.bbox, renderer))
        _put(note, best)
        note.arrow_patch.set_visible(best[3] > DISTANCES[0])
        taken.append(_text_box(note, renderer))


def _candidates() -> list[tuple[int, int, str, int]]:
    return [(*place, distance) for distance in DISTANCES for place in PLACES]


def _put(note, place: tuple[int, int, str, int]) -> None:
    right, up, align, distance = place
    note.set(ha=align, va={1: "bottom", 0: "center", -1: "top"}[up])
    note.xyann = (right * distance, up * distance)


def _crowding(note, place: tuple[int, int, str, int], others: list[Bbox], border: Bbox, renderer) -> float:
    """Area in pixels that a label at this place would share with others or lose beyond the border."""
    _put(note, place)
    note.update_positions(renderer)
    box = _text_box(note, renderer)
    shared = sum(_area(Bbox.intersection(box, other)) for other in others)
    return shared + _area(box) - _area(Bbox.intersection(box, border))


def _text_box(note, renderer) -> Bbox:
    return Text.get_window_extent(note, renderer)  # without the line to its point


def _area(box: Bbox | None) -> float:
    return box.width * box.height if box is not None else 0.0
