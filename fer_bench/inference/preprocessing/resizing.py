"""Resizing and cropping of single images, by the methods that libraries for faces use."""

from __future__ import annotations

import numpy as np

from fer_bench.datasets import images
from fer_bench.datasets.images import import_opencv

# "nearest" is Pillow's and Keras': OpenCV's own INTER_NEAREST takes other pixels at most sizes.
OPENCV_FLAGS = {
    "nearest": "INTER_NEAREST_EXACT",
    "bilinear": "INTER_LINEAR",
    "bicubic": "INTER_CUBIC",
    "lanczos": "INTER_LANCZOS4",
}


def resize(image: np.ndarray, height: int, width: int, interpolation: str) -> np.ndarray:
    """Resize an image (height, width) or (height, width, channels) uint8.

    `interpolation` is a key of OPENCV_FLAGS, `area` (area averages, linear where it enlarges) or `antialias` (bilinear
    as Pillow and torchvision).
    """
    if image.shape[:2] == (height, width):
        return image
    if interpolation == "area":
        return images.resize(image, height, width)
    if interpolation == "antialias":
        from PIL import Image

        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))
    cv2 = import_opencv()
    return cv2.resize(image, (width, height), interpolation=getattr(cv2, OPENCV_FLAGS[interpolation]))


def center_crop(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the middle of an image, as torchvision's CenterCrop rounds it."""
    top, left = (round((size - part) / 2) for size, part in zip(image.shape[:2], (height, width), strict=True))
    return image[top : top + height, left : left + width]
