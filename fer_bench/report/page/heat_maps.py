"""Where the model of a row looks: the mean heat maps that `explain` measured, small enough for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fer_bench.leaderboard.rows import LeaderboardRow
from fer_bench.records.heat_maps import HEAT_MAPS_FIGURE, HeatMaps, read
from fer_bench.report.tables import link_to

MAX_SIDE = 16  # cells of a map: 2 kB per class and row at most, and finer than the feature maps of most networks


def row_heat_maps(row: LeaderboardRow, folder: Path) -> dict[str, Any] | None:
    """Return what the page shows of a row's kept model as JSON types; None if `explain` measured nothing.

    Returns:
        `figure`, the address of the figure; `text` on the method and the deletion test; and `maps`, for each class with
        images its name, their number and rows of percentages of its largest value. Without a readable heat_maps.json,
        `text` and `maps` are empty.
    """
    if row.model_file is None:
        return None
    figure = row.model_file.with_name(HEAT_MAPS_FIGURE)
    link = link_to(figure, folder) if figure.is_file() else None
    try:
        found = read(row.model_file.parent)
    except ValueError:  # damaged: the other details remain
        found = None
    if found is None:
        return {"figure": link, "text": "", "maps": []} if link else None
    from fer_bench.report.heat_maps import describe  # imports matplotlib

    return {"figure": link, "text": f"{describe(found)}.", "maps": _maps(found)}


def _maps(found: HeatMaps) -> list[list[Any]]:
    by_class = zip(found.classes, found.num_images, found.maps, strict=True)
    return [[name, images, _percentages(np.array(heat, np.float32))] for name, images, heat in by_class if heat]


def _percentages(heat: np.ndarray) -> list[list[int]]:
    """Return a map (height, width), reduced to MAX_SIDE cells per side, in percent of its largest value."""
    scale = min(1, MAX_SIDE / max(heat.shape))
    size = (max(1, round(heat.shape[1] * scale)), max(1, round(heat.shape[0] * scale)))
    small = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BOX))
    rows: list[list[int]] = np.rint(100 * small / max(float(small.max()), 1e-6)).astype(int).tolist()
    return rows
