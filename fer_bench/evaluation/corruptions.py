"""The fifteen common corruptions of Hendrycks & Dietterich (ICLR 2019), as the library imagecorruptions-imaug has them.

Apache-2.0, and so are the pictures of frost that come with it. It came with imaug; it is loaded when it is needed.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from contextlib import redirect_stdout
from importlib import metadata

import numpy as np

from fer_bench.core.errors import UserError

KINDS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS = tuple(name for names in KINDS.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 32  # pixels a side
SEEDED = ("glass_blur", "impulse_noise")  # these have a chance of their own beside NumPy's
# Whose versions the corrupted pixels may depend on.
LIBRARIES = ("imagecorruptions-imaug", "numpy", "numba", "opencv-python", "pillow", "scikit-image", "scipy")


def corrupt(images: np.ndarray, corruption: str, severity: int, seed: int = 0) -> np.ndarray:
    """Grey images (samples, height, width) uint8, corrupted, in the same shape and type.

    Chance comes from the seed, the corruption, the severity and the image's own pixels: an image is corrupted alike for
    every model, in any order, under any name. The library gets three equal channels; of those it returns the green one
    is kept, so that noise has the strength that it is defined with, which a mean of the three would weaken.
    UserError for images below 32 pixels a side and for sequences; ValueError for an unknown corruption or severity.
    """
    if images.ndim != 3 or min(images.shape[1:]) < SMALLEST:
        raise UserError(
            f"The corruptions are for images of at least {SMALLEST}×{SMALLEST}, not for "
            f"{'sequences' if images.ndim > 3 else '×'.join(map(str, images.shape[1:]))}."
        )
    if corruption not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"there is no {corruption} of severity {severity}")
    from imagecorruptions import corrupt as corrupted

    result = np.empty_like(images)
    before = np.random.get_state()
    try:
        with redirect_stdout(io.StringIO()):  # it prints when a blurred layer is a pixel smaller than the image
            for place, image in enumerate(images):
                chance = _chance(image, f"{seed}:{corruption}:{severity}")
                np.random.seed(chance)  # the library draws from NumPy's global generator
                own = {"seed": chance} if corruption in SEEDED else {}
                three = np.repeat(image[..., None], 3, axis=-1)
                result[place] = corrupted(three, severity, corruption, **own)[..., 1]
    finally:
        np.random.set_state(before)
    return result


def sample(images: np.ndarray, labels: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """A stratified sample without replacement: (count,) int64 indices in order, all of them where count is no smaller.

    Each class has its share within one image; which of them come depends on their pixels and the seed alone.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    chance = [_chance(image, f"{seed}:sample") for image in images]
    order = np.lexsort((chance, labels))
    return np.sort(order[np.arange(count) * len(labels) // count])


def versions() -> dict[str, str]:
    """Of the libraries that corrupt."""
    return {name: metadata.version(name) for name in LIBRARIES}


def mean_by_kind(accuracy: dict[str, dict[int, float]]) -> dict[str, float]:
    """Mean accuracy over the corruptions and severities of each kind that is there: noise, blur, weather, digital."""
    return {
        kind: _mean(accuracy[name] for name in names if name in accuracy)
        for kind, names in KINDS.items()
        if set(names) & set(accuracy)
    }


def mean_accuracy(accuracy: dict[str, dict[int, float]]) -> float:
    """Mean corruption accuracy: over corruptions, of each the mean over severities."""
    return _mean(accuracy.values())


def _mean(accuracies: Iterable[dict[int, float]]) -> float:
    return float(np.mean([np.mean(list(by_severity.values())) for by_severity in accuracies]))


def _chance(image: np.ndarray, purpose: str) -> int:
    digest = hashlib.sha256(purpose.encode() + np.ascontiguousarray(image).tobytes()).digest()
    return int.from_bytes(digest[:4], "big")
