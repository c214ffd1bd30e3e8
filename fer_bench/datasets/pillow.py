"""Read the image formats that Pillow reads and OpenCV does not."""

from __future__ import annotations

import io
import warnings
from importlib import import_module

import numpy as np

from fer_bench.datasets.image_format import HEAD_SIZE, is_heif

# Formats of one picture. Others run programs (EPS), are documents, or are recognized in almost any file (TGA).
FORMATS = (
    *("AVIF", "BMP", "DDS", "DIB", "GIF", "HEIF", "ICNS", "ICO", "JPEG", "JPEG2000", "PCX", "PNG", "PPM"),
    *("PSD", "QOI", "SGI", "SUN", "TIFF", "WEBP"),
)
HEIF_HINT = "HEIC, which is read after `pip install pillow-heif`; or convert it to JPEG"
UNKNOWN = "not an image that OpenCV or Pillow reads"


def read_with_pillow(data: bytes, suffix: str) -> np.ndarray | str:
    """Return the gray pixels (height, width) uint8 of an image file's content, or why it cannot be read.

    The first frame of a film, upright as its EXIF data say. Transparency is ignored.
    """
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return "not an image that OpenCV reads"
    has_heif = _register_heif()
    Image.init()
    wanted = (*FORMATS, "TGA") if suffix.lower() == ".tga" else FORMATS
    formats = [name for name in wanted if name in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data), formats=formats) as image:
                return _to_gray(ImageOps.exif_transpose(image))
    except Exception:  # damaged files raise almost anything
        return UNKNOWN if has_heif or not is_heif(data[:HEAD_SIZE]) else HEIF_HINT


def _register_heif() -> bool:
    """Let Pillow read HEIC. Return whether pillow-heif is installed."""
    try:
        import_module("pillow_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def _to_gray(image) -> np.ndarray:
    """Return 8-bit gray pixels: more bits are reduced to the highest eight, fractions from 0 to 1 are scaled."""
    if image.mode == "F" or image.mode.startswith("I"):
        values = np.asarray(image, np.float64)
        highest = float(values.max(initial=0))
        if not np.isfinite(values).all() or values.min(initial=0) < 0:
            raise ValueError("negative or infinite pixels")
        if image.mode.startswith("I;16") or highest > 255:
            values = values / 257  # of 65535
        elif image.mode == "F" and highest <= 1:
            values = values * 255
        return np.clip(np.rint(values), 0, 255).astype(np.uint8)
    color = image if image.mode in ("L", "LA", "1", "RGB") else image.convert("RGB")
    return np.asarray(color.convert("L"), np.uint8)
