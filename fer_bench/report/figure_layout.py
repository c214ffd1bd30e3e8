"""Colors, layout and image files of all figures."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import cast

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

# The colors of Okabe and Ito, which color-blind readers can distinguish; without yellow, which is too pale for lines.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dv<>"  # used together with the colors, for prints in gray
GRAY = "#555555"
TITLE_FONT_SIZE, LINE_SPACING = 9.5, 1.4
TITLE_CHARACTERS_PER_INCH = 12
TITLE_LINE_HEIGHT = TITLE_FONT_SIZE * LINE_SPACING / 72  # inches
MARGIN = 0.12  # inches
DPI = 300
# Hinting only helps coarse screens and takes a third of the drawing time. The salt makes SVG files reproducible.
STYLE = {"text.hinting": "no_hinting", "svg.fonttype": "path", "svg.hashsalt": "fer-bench"}


def to_image_files(figure: Figure) -> dict[str, bytes]:
    """Return a figure as files by suffix: "png" at 300 dpi, and "svg" with text as outlines.

    Equal figures give equal files with the same version of matplotlib.
    """
    png, svg = BytesIO(), BytesIO()
    with rc_context(STYLE):  # type: ignore[arg-type]  # matplotlib's stubs list every key as a literal
        figure.dpi = DPI
        # The canvases are called directly because `savefig` draws each figure twice.
        FigureCanvasAgg(figure).print_png(png, pil_kwargs={"compress_level": 1})
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def image_files(figure: Figure, stem: Path) -> dict[Path, bytes]:
    """Return the contents of the files STEM.png and STEM.svg."""
    return {stem.with_name(f"{stem.name}.{suffix}"): content for suffix, content in to_image_files(figure).items()}


def tight_axes(width: float, height: float, columns: int = 1, gap: float = 0.3) -> tuple[Figure, list[Axes]]:
    """Create a figure of one row of axes without margins; `fit_layout` adds them.

    Args:
        width: Width of the row in inches.
        height: Height of the row in inches.
        columns: Number of axes.
        gap: Gap between axes, as a fraction of their width.
    """
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False, gridspec_kw={"wspace": gap})
    figure.subplots_adjust(0, 0, 1, 1)
    return figure, list(axes[0])


def fit_layout(figure: Figure, name: str, *lines: str) -> None:
    """Enlarge a figure of `tight_axes` to fit its labels, legends and title.

    The layout engines of matplotlib would draw the figure twice to measure them.

    Args:
        figure: The figure, with labels and legends.
        name: First line of the title.
        *lines: Further lines of the title.
    """
    renderer = cast(FigureCanvasAgg, figure.canvas).get_renderer()
    boxes = [axis.get_tightbbox(renderer) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    boxes += [axes.title.get_window_extent(renderer) for axes in figure.axes if axes.get_title()]
    boxes += [legend.get_window_extent(renderer) for axes in figure.axes if (legend := axes.get_legend())]
    extent = Bbox.union([figure.bbox, *filter(None, boxes)])
    left, bottom = MARGIN - np.array(extent.min) / figure.dpi
    right, top = MARGIN + (np.array(extent.max) - figure.bbox.max) / figure.dpi
    inner_width, inner_height = figure.get_size_inches()
    width = inner_width + left + right
    title_lines = [part for line in (name, *lines) for part in wrap(line, int(width * TITLE_CHARACTERS_PER_INCH))]
    top += len(title_lines) * TITLE_LINE_HEIGHT + MARGIN / 2
    height = inner_height + bottom + top
    figure.set_size_inches(width, height)
    figure.subplots_adjust(left / width, bottom / height, 1 - right / width, 1 - top / height)
    figure.suptitle(
        "\n".join(title_lines),
        fontsize=TITLE_FONT_SIZE,
        x=MARGIN / width,
        y=1 - MARGIN / height,
        ha="left",
        linespacing=LINE_SPACING,
    )


def style_axes(axes: Axes) -> None:
    """Remove the top and right spines and draw a light grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
