"""A contact sheet: pictures as they were, with what was found in them, beside what was made of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_bench.core.errors import write_error
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.apply import Prepared, prepare_picture
from fer_bench.datasets.face_crop.detect import detector_of
from fer_bench.datasets.face_crop.spec import Preparation
from fer_bench.datasets.faces import opencv
from fer_bench.datasets.registry import Progress

LOOKED_AT = 400  # pictures at most; of them those without a face come first, then those without eyes
SHOWN = 48
FEW = SHOWN // 3  # of those without a face, and of those without eyes
COLUMNS = 6
TILE, GAP, LINE = 144, 8, 16  # pixels: a side of a picture, between pairs, the writing below
BOX, EYE, LACKING = (80, 220, 80), (80, 80, 255), (40, 40, 220)  # as OpenCV has it: blue, green, red


def write_sheet(
    dataset: Dataset,
    pictures: Sequence[np.ndarray],
    preparation: Preparation,
    path: Path,
    progress: Progress | None = None,
) -> Path:
    """Write a contact sheet of at most 48 pictures as a PNG; its path. To look at, not to publish: it shows faces.

    `pictures` are those before the preparation, one for each sample of the unprepared dataset. Those in which no face
    was found come first, then those without eyes, then others by chance. UserError where the file cannot be written.
    """
    chosen = np.random.default_rng(0).permutation(len(dataset))[:LOOKED_AT]
    detector = detector_of(preparation)
    pairs = []
    for done, index in enumerate(map(int, chosen), start=1):
        pairs.append(
            (str(dataset.ids[index]), pictures[index], prepare_picture(pictures[index], preparation, detector))
        )
        if progress:
            progress("looking at pictures for the sheet", done, len(chosen))
    shown = _telling(pairs) if detector else pairs[:SHOWN]
    _, png = opencv().imencode(".png", drawn([pair(*one, preparation) for one in shown]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png.tobytes())
    except OSError as error:
        raise write_error(path, error) from None
    return path


def pair(name: str, picture: np.ndarray, made: Prepared, preparation: Preparation) -> np.ndarray:
    """(height, width, 3) uint8: a picture with its box and eyes, what was made of it, and a line below."""
    before = _drawn_on(picture, made)
    after = _tile(opencv().cvtColor(made.pixels, opencv().COLOR_GRAY2BGR))
    image = np.full((TILE + LINE, 2 * TILE, 3), 255, np.uint8)
    image[:TILE] = np.hstack([before, after])
    lacks = _lacks(made, preparation)
    _write(image, f"{name}{': ' if lacks else ''}{lacks}", LACKING if lacks else (0, 0, 0))
    return image


def drawn(pairs: list[np.ndarray]) -> np.ndarray:
    """(height, width, 3) uint8: pairs in rows of six."""
    height, width = pairs[0].shape[:2]
    rows, columns = -(-len(pairs) // COLUMNS), min(COLUMNS, len(pairs))
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    for place, one in enumerate(pairs):
        top, left = (GAP + at * (size + GAP) for at, size in zip(divmod(place, columns), (height, width), strict=True))
        sheet[top : top + height, left : left + width] = one
    return sheet


def _telling(pairs: list[tuple[str, np.ndarray, Prepared]]) -> list[tuple[str, np.ndarray, Prepared]]:
    faceless = [one for one in pairs if one[2].face is None]
    eyeless = [one for one in pairs if one[2].face is not None and one[2].face.eyes is None]
    others = [one for one in pairs if one[2].face is not None and one[2].face.eyes is not None]
    some = faceless[:FEW] + eyeless[:FEW]
    return (some + others + faceless[FEW:] + eyeless[FEW:])[:SHOWN]


def _lacks(made: Prepared, preparation: Preparation) -> str:
    if preparation.detector == "none":
        return ""
    if made.face is None:
        return "no face"
    return "no eyes" if preparation.align and made.face.eyes is None else ""


def _drawn_on(picture: np.ndarray, made: Prepared) -> np.ndarray:
    """A tile of the picture with the square that was cut out and the eyes; beyond its border where that reaches."""
    cv2 = opencv()
    height, width = picture.shape
    scale = TILE / max(height, width)
    tile = _tile(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_GRAY2BGR))
    if made.where is not None:
        cv2.polylines(tile, [np.rint(made.where.corners() * scale).astype(np.int32)], True, BOX, 1, cv2.LINE_AA)
    for x, y in (made.face and made.face.eyes) or ():
        cv2.circle(tile, (round(x * scale), round(y * scale)), 2, EYE, -1, cv2.LINE_AA)
    return tile


def _tile(image: np.ndarray) -> np.ndarray:
    """(TILE, TILE, 3): an image as large as fits, in the upper left corner."""
    cv2 = opencv()
    height, width = image.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return tile


def _write(image: np.ndarray, text: str, colour: tuple[int, int, int]) -> None:
    cv2 = opencv()
    plain = text.encode("ascii", "replace").decode()  # OpenCV's letters are ASCII
    short = plain if len(plain) <= 40 else f"...{plain[-37:]}"
    cv2.putText(image, short, (2, TILE + LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.36, colour, 1, cv2.LINE_AA)
