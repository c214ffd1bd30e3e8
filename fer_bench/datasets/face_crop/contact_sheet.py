"""A contact sheet: images with the detected face and eyes, next to the cropped faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_bench.core.files import write_output
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.apply import CroppedImage, Images, crop_image
from fer_bench.datasets.face_crop.detect import make_detector
from fer_bench.datasets.face_crop.spec import FaceCropSpec
from fer_bench.datasets.images import import_opencv
from fer_bench.datasets.registry import Progress

MAX_CROPPED = 400  # images from which those on the sheet are selected
MAX_PAIRS = 48
MAX_PROBLEMS = MAX_PAIRS // 3  # images without a face, and without eyes
COLUMNS = 6
TILE, GAP, LINE = 144, 8, 16  # pixels: size of an image, between pairs, height of the text
BOX_COLOR, EYE_COLOR, PROBLEM_COLOR = (80, 220, 80), (80, 80, 255), (40, 40, 220)  # blue, green, red, as in OpenCV

_Pair = tuple[str, np.ndarray, CroppedImage]  # id, original, result


def write_contact_sheet(
    dataset: Dataset,
    originals: Images,
    spec: FaceCropSpec,
    path: Path,
    progress: Progress | None = None,
) -> Path:
    """Write a contact sheet of at most 48 images as a PNG. Do not publish it: it shows faces.

    Images without a face come first, then those without eyes, then random others.

    Args:
        dataset: The dataset without the face crop.
        originals: One gray image (height, width) uint8 per sample.
        spec: The face crop.
        path: The PNG file.
        progress: Called with the number of images that are done.

    Returns:
        The path.

    Raises:
        UserError: The file cannot be written.
    """
    indices = np.random.default_rng(0).permutation(len(dataset))[:MAX_CROPPED]
    detector = make_detector(spec)
    pairs = []
    for done, index in enumerate(map(int, indices), start=1):
        pairs.append((str(dataset.ids[index]), originals[index], crop_image(originals[index], spec, detector)))
        if progress:
            progress("cropping images for the contact sheet", done, len(indices))
    selected = _select(pairs) if detector else pairs[:MAX_PAIRS]
    _, png = import_opencv().imencode(".png", _arrange([_draw_pair(*pair, spec) for pair in selected]))
    write_output(path, png.tobytes())
    return path


def _draw_pair(name: str, original: np.ndarray, cropped: CroppedImage, spec: FaceCropSpec) -> np.ndarray:
    """Return (height, width, 3) uint8: the original with box and eyes, the result, and a line of text below."""
    after = _to_tile(import_opencv().cvtColor(cropped.pixels, import_opencv().COLOR_GRAY2BGR))
    image = np.full((TILE + LINE, 2 * TILE, 3), 255, np.uint8)
    image[:TILE] = np.hstack([_draw_detection(original, cropped), after])
    problem = _describe_problem(cropped, spec)
    _write_text(image, f"{name}: {problem}" if problem else name, PROBLEM_COLOR if problem else (0, 0, 0))
    return image


def _arrange(pairs: list[np.ndarray]) -> np.ndarray:
    """Return (height, width, 3) uint8: pairs in rows of six."""
    height, width = pairs[0].shape[:2]
    rows, columns = -(-len(pairs) // COLUMNS), min(COLUMNS, len(pairs))
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 255, np.uint8)
    for index, pair in enumerate(pairs):
        row, column = divmod(index, columns)
        top, left = GAP + row * (height + GAP), GAP + column * (width + GAP)
        sheet[top : top + height, left : left + width] = pair
    return sheet


def _select(pairs: list[_Pair]) -> list[_Pair]:
    no_face = [pair for pair in pairs if pair[2].face is None]
    no_eyes = [pair for pair in pairs if pair[2].face is not None and pair[2].face.eyes is None]
    others = [pair for pair in pairs if pair[2].face is not None and pair[2].face.eyes is not None]
    first, rest = no_face[:MAX_PROBLEMS] + no_eyes[:MAX_PROBLEMS], no_face[MAX_PROBLEMS:] + no_eyes[MAX_PROBLEMS:]
    return (first + others + rest)[:MAX_PAIRS]


def _describe_problem(cropped: CroppedImage, spec: FaceCropSpec) -> str:
    if spec.detector == "none":
        return ""
    if cropped.face is None:
        return "no face"
    return "no eyes" if spec.align and cropped.face.eyes is None else ""


def _draw_detection(original: np.ndarray, cropped: CroppedImage) -> np.ndarray:
    """Return a tile of the original with the cropped square, which may extend beyond the image, and the eyes."""
    cv2 = import_opencv()
    scale = TILE / max(original.shape)
    tile = _to_tile(cv2.cvtColor(np.ascontiguousarray(original), cv2.COLOR_GRAY2BGR))
    if cropped.square is not None:
        corners = np.rint(cropped.square.corners() * scale).astype(np.int32)
        cv2.polylines(tile, [corners], True, BOX_COLOR, 1, cv2.LINE_AA)
    for x, y in (cropped.face and cropped.face.eyes) or ():
        cv2.circle(tile, (round(x * scale), round(y * scale)), 2, EYE_COLOR, -1, cv2.LINE_AA)
    return tile


def _to_tile(image: np.ndarray) -> np.ndarray:
    """Return (TILE, TILE, 3): the image, as large as possible, in the upper left corner."""
    cv2 = import_opencv()
    height, width = image.shape[:2]
    scale = TILE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tile = np.full((TILE, TILE, 3), 255, np.uint8)
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile[: size[1], : size[0]] = cv2.resize(image, size, interpolation=interpolation)
    return tile


def _write_text(image: np.ndarray, text: str, color: tuple[int, int, int]) -> None:
    cv2 = import_opencv()
    ascii_text = text.encode("ascii", "replace").decode()  # OpenCV's font is ASCII
    short = ascii_text if len(ascii_text) <= 40 else f"...{ascii_text[-37:]}"
    cv2.putText(image, short, (2, TILE + LINE - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.36, color, 1, cv2.LINE_AA)
