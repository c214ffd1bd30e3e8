"""Figures of where models look."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_bench.records.heat_maps import HeatMaps
from fer_bench.report.figure_layout import fit_layout, tight_axes

COLORMAP = "inferno"  # perceptually uniform, and readable in gray
SIDE = 1.6  # inches of a face
MAP_SIDE = 1.1
METHOD_NAMES = {"grad-cam": "Grad-CAM", "occlusion": "occlusion"}
HINT = "Bright places support the class most. Each image counts equally; no face is shown."


def face_figure(face: np.ndarray, heat: np.ndarray, title: str, line: str) -> Figure:
    """Draw a face, the heat map, and the heat map over the face.

    Args:
        face: (height, width) uint8, or (height, width, 3) in RGB.
        heat: (height, width) in 0 to 1.
        title: First line of the title.
        line: Second line of the title.
    """
    figure, panels = tight_axes(3 * SIDE, SIDE, columns=3, gap=0.06)
    gray = face if face.ndim == 2 else face.mean(axis=-1)
    panels[0].imshow(face, cmap="gray", vmin=0, vmax=255)
    _draw(panels[1], heat)
    panels[2].imshow(gray, cmap="gray", vmin=0, vmax=255)
    panels[2].imshow(heat, cmap=COLORMAP, vmin=0, vmax=1, alpha=0.15 + 0.5 * heat, interpolation="bilinear")
    for axes in panels:
        _hide_frame(axes)
    fit_layout(figure, title, line)
    return figure


def mean_figure(results: Sequence[HeatMaps], heading: str) -> Figure:
    """Draw the mean heat map of each class (columns) and model (rows)."""
    classes = results[0].classes
    rows, columns = len(results), len(classes)
    figure, first = tight_axes(columns * MAP_SIDE, rows * MAP_SIDE * 1.15, columns=1)
    figure.delaxes(first[0])
    grid = figure.subplots(rows, columns, squeeze=False, gridspec_kw={"wspace": 0.06, "hspace": 0.15})
    names = [of_model.model.partition(",")[0] for of_model in results]
    for of_model, name_of_model, panels in zip(results, names, grid, strict=True):
        by_class = dict(zip(of_model.classes, zip(of_model.maps, of_model.num_images, strict=True), strict=True))
        for name, axes in zip(classes, panels, strict=True):
            values, number = by_class.get(name, ([], 0))
            if values:
                _draw(axes, np.array(values))
            _hide_frame(axes)
            if of_model is results[0]:
                axes.set_title(f"{name} ({number})", fontsize=8)
        unique = names.count(name_of_model) == 1  # else the settings distinguish the rows
        panels[0].set_ylabel(name_of_model if unique else _wrapped(of_model.model), fontsize=7.5)
    fit_layout(figure, heading, *[describe(of_model) for of_model in results], HINT)
    return figure


def describe(heat_maps: HeatMaps) -> str:
    """Return a line on the method and the deletion test."""
    marked, random = (_points(-fall) for fall in (heat_maps.deletion_marked, heat_maps.deletion_random))
    return (
        f"{heat_maps.model}: {METHOD_NAMES[heat_maps.method]}. Probability {marked} points without the brightest fifth "
        f"of the pixels, {random} without as many elsewhere"
    )


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}".replace("-", "−")


def _draw(axes: Axes, heat: np.ndarray) -> None:
    axes.imshow(heat, cmap=COLORMAP, vmin=0, vmax=max(float(heat.max()), 1e-6), interpolation="bilinear")


def _hide_frame(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def _wrapped(text: str) -> str:
    return text.replace(", ", ",\n")
