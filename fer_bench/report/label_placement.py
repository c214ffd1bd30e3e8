"""Labels beside the points of a scatter plot, placed to avoid overlaps as far as possible."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text

Position = tuple[int, int, str, int]  # direction right and up (-1, 0 or 1), alignment, distance in points

# Direction and horizontal alignment, the most readable first.
DIRECTIONS = (
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
POSITIONS: list[Position] = [(*direction, distance) for distance in DISTANCES for direction in DIRECTIONS]
FONT_SIZE = 8
LEADER_LINE = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 4}
LABEL_BACKGROUND = {"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
POINT_RADIUS = 3.5  # points


def place_labels(axes: Axes, x: Iterable[float], y: Iterable[float], labels: Iterable[str]) -> None:
    """Write each label at its first position without an overlap, or at the one with the least overlap.

    The limits and the size of the axes must not change afterwards.

    Args:
        axes: The axes.
        x: Data coordinates of the points.
        y: Data coordinates of the points.
        labels: One label per point; empty for a point that is only to be avoided.
    """
    figure = axes.figure
    renderer, pixels_per_point = cast(FigureCanvasAgg, figure.canvas).get_renderer(), figure.dpi / 72
    axes.autoscale_view()
    points = axes.transData.transform(np.column_stack([list(x), list(y)]))
    radius = POINT_RADIUS * pixels_per_point
    occupied = [*np.hstack([points - radius, points + radius])]
    for index, label in enumerate(labels):
        if not label:
            continue
        annotation = axes.annotate(
            label,
            tuple(axes.transData.inverted().transform(points[index])),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize=FONT_SIZE,
            arrowprops=dict(LEADER_LINE),
            bbox=dict(LABEL_BACKGROUND),
        )
        size = np.array(Text.get_window_extent(annotation, renderer).size)  # without the leader line
        others = np.array(occupied[:index] + occupied[index + 1 :]).reshape(-1, 4)
        boxes = np.array([_label_box(points[index], position, size, pixels_per_point) for position in POSITIONS])
        best = int(np.argmin(_overlap_cost(boxes, others, np.ravel(axes.bbox.get_points()))))
        _apply_position(annotation, POSITIONS[best])
        occupied.append(boxes[best])


def _apply_position(annotation: Annotation, position: Position) -> None:
    right, up, align, distance = position
    annotation.set(ha=align, va={1: "bottom", 0: "center", -1: "top"}[up])
    annotation.xyann = (right * distance, up * distance)
    if annotation.arrow_patch is not None:
        annotation.arrow_patch.set_visible(distance > DISTANCES[0])


def _label_box(point: np.ndarray, position: Position, size: np.ndarray, pixels_per_point: float) -> np.ndarray:
    """Return left, bottom, right and top of a label at a position, in pixels."""
    right, up, align, distance = position
    offset = {"left": 0, "center": -0.5, "right": -1}[align], {1: 0, 0: -0.5, -1: -1}[up]
    corner = point + np.array([right, up]) * distance * pixels_per_point + np.array(offset) * size
    return np.concatenate([corner, corner + size])


def _overlap_cost(boxes: np.ndarray, others: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Return the area of each of n boxes that overlaps others or lies outside the border, in square pixels, (n,)."""
    outside = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - _overlap_areas(boxes, border[None])[:, 0]
    return _overlap_areas(boxes, others).sum(axis=1) + outside


def _overlap_areas(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the overlap of each of n boxes with each of m others, (n, m)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)
