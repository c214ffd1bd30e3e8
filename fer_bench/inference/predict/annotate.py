"""Draw the predictions on copies of images and video frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.files import check_output_folder, unique_name, write_output
from fer_bench.datasets.images import import_opencv, read_color
from fer_bench.inference.predict.images import FacePrediction, ImageResult

BOX_COLOR, TEXT_COLOR = (80, 200, 80), (0, 0, 0)  # blue, green, red
TEXT_HEIGHT = 1 / 28  # of the image's shorter side
MIN_TEXT_HEIGHT, CAP_HEIGHT = 11, 22  # pixels; that of OpenCV's font at scale 1
WRITABLE = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")  # other formats become PNG
MAX_SIDE = 16_383  # pixels of a WebP image; larger ones become PNG


class AnnotatedImages:
    """Copies of images with boxes, labels and probabilities, in a folder.

    Args:
        folder: The folder, which is created.
        classes: The class names.
    """

    def __init__(self, folder: Path, classes: Sequence[str]) -> None:
        self.folder, self.classes = folder, classes
        self._names: set[str] = set()
        check_output_folder(folder, "--annotate")

    def write(self, result: ImageResult) -> Path:
        """Write the copy of an image, and return its path. Raises UserError if it cannot be written."""
        source = Path(result.file)
        image = read_color(source, "bgr")
        if isinstance(image, str):
            raise UserError(f"{source} cannot be read as an image: {image}.")
        is_writable = source.suffix.lower() in WRITABLE and max(image.shape) <= MAX_SIDE
        suffix = source.suffix.lower() if is_writable else ".png"
        target = self.path(source, suffix)
        _, encoded = import_opencv().imencode(suffix, draw_faces(image, result.faces, self.classes))
        write_output(target, encoded.tobytes())
        return target

    def path(self, source: Path, suffix: str) -> Path:
        """Return the path of a copy, which is no other copy and not the source. Raises UserError if it would be."""
        target = self.folder / unique_name(source.stem, suffix, self._names)
        if target.resolve() == source.resolve():
            raise UserError(f"--annotate {self.folder} would replace {source}. Name another folder.")
        return target


def draw_faces(image: np.ndarray, faces: Sequence[FacePrediction], classes: Sequence[str]) -> np.ndarray:
    """Return a copy of an image (height, width, 3) uint8, BGR, with the box, label and probability of each face."""
    image = np.ascontiguousarray(image).copy()
    for face in faces:
        _draw_face(image, face, classes)
    return image


def _draw_face(image: np.ndarray, face: FacePrediction, classes: Sequence[str]) -> None:
    cv2 = import_opencv()
    x, y, width, height = (round(value) for value in face.box)
    text_height = max(MIN_TEXT_HEIGHT, round(min(image.shape[:2]) * TEXT_HEIGHT))
    line = max(1, text_height // 8)
    cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), BOX_COLOR, line)
    best = int(face.probabilities.argmax())
    label = classes[best].encode("ascii", "replace").decode()  # OpenCV's font is ASCII
    text = f"{label} {face.probabilities[best]:.0%}"
    scale, thickness = text_height / CAP_HEIGHT / 1.4, max(1, line // 2)
    (text_width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    pad = text_height // 4
    bar = text_height + pad
    # Above the box, or inside of it if there is no room; never beyond the right edge.
    top = y - bar if y >= bar else y
    left = max(0, min(x, image.shape[1] - text_width - 2 * pad))
    cv2.rectangle(image, (left, top), (left + text_width + 2 * pad, top + bar), BOX_COLOR, -1)
    position = (left + pad, top + bar - pad - text_height // 8)
    cv2.putText(image, text, position, cv2.FONT_HERSHEY_SIMPLEX, scale, TEXT_COLOR, thickness, cv2.LINE_AA)
