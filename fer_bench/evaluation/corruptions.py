"""The fifteen common corruptions of Hendrycks & Dietterich (ICLR 2019), from the library imagecorruptions-imaug.

The library and its frost images are under Apache-2.0. It is installed with imaug, and imported on first use.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from contextlib import redirect_stdout
from importlib import metadata

import numpy as np

from fer_bench.core.errors import UserError

CORRUPTIONS_BY_TYPE = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS = tuple(name for names in CORRUPTIONS_BY_TYPE.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)
MIN_SIZE = 32  # pixels per side
SEEDED_CORRUPTIONS = ("glass_blur", "impulse_noise")  # they use a generator of their own besides NumPy's
# The corrupted pixels may depend on the versions of these.
LIBRARIES = ("imagecorruptions-imaug", "numpy", "numba", "opencv-python", "pillow", "scikit-image", "scipy")


def corrupt(images: np.ndarray, corruption: str, severity: int, seed: int = 0) -> np.ndarray:
    """Corrupt gray images.

    The random numbers depend on the seed, the corruption, the severity and the image's own pixels. So an image is
    corrupted in the same way for every model and in any order.

    Args:
        images: (samples, height, width) uint8.
        corruption: One of CORRUPTIONS.
        severity: One of SEVERITIES.
        seed: Seed of the random numbers.

    Returns:
        (samples, height, width) uint8.

    Raises:
        UserError: The images are smaller than 32×32 pixels or are sequences.
        ValueError: The corruption or the severity is unknown.
    """
    if images.ndim != 3 or min(images.shape[1:]) < MIN_SIZE:
        size = "sequences" if images.ndim > 3 else "×".join(map(str, images.shape[1:]))
        raise UserError(f"The corruptions require images of at least {MIN_SIZE}×{MIN_SIZE}, not {size}.")
    if corruption not in CORRUPTIONS or severity not in SEVERITIES:
        raise ValueError(f"there is no {corruption} of severity {severity}")
    import imagecorruptions  # type: ignore[import-untyped]

    result = np.empty_like(images)
    global_state = np.random.get_state()
    try:
        with redirect_stdout(io.StringIO()):  # the library prints if a blurred layer is a pixel smaller than the image
            for index, image in enumerate(images):
                image_seed = _hash_seed(image, f"{seed}:{corruption}:{severity}")
                np.random.seed(image_seed)  # the library draws from NumPy's global generator
                options = {"seed": image_seed} if corruption in SEEDED_CORRUPTIONS else {}
                rgb = np.repeat(image[..., None], 3, axis=-1)
                # One channel alone: the mean of three would weaken the noise below its defined strength.
                result[index] = imagecorruptions.corrupt(rgb, severity, corruption, **options)[..., 1]
    finally:
        np.random.set_state(global_state)
    return result


def stratified_sample(images: np.ndarray, labels: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Sample images without replacement; the fraction of each class is exact up to one image.

    The selection within a class depends on the pixels and the seed alone.

    Args:
        images: (samples, …) uint8.
        labels: (samples,) int.
        count: Number of images to select; all images if there are no more.
        seed: Seed of the selection.

    Returns:
        Ascending indices, (count,) int64.
    """
    if count >= len(labels):
        return np.arange(len(labels))
    hashes = np.array([_hash_seed(image, f"{seed}:sample") for image in images])
    order = np.lexsort((hashes, labels))
    return np.sort(order[np.arange(count) * len(labels) // count])


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that the corrupted pixels may depend on."""
    return {name: metadata.version(name) for name in LIBRARIES}


def mean_accuracy_by_type(accuracy: dict[str, dict[int, float]]) -> dict[str, float]:
    """Return the mean accuracy of each type of corruption (noise, blur, weather, digital) that was measured.

    accuracy: Accuracy by corruption, then by severity.
    """
    return {
        kind: _mean(accuracy[name] for name in names if name in accuracy)
        for kind, names in CORRUPTIONS_BY_TYPE.items()
        if set(names) & set(accuracy)
    }


def mean_accuracy(accuracy: dict[str, dict[int, float]]) -> float:
    """Return the mean over corruptions of the mean over severities."""
    return _mean(accuracy.values())


def _mean(accuracies: Iterable[dict[int, float]]) -> float:
    return float(np.mean([np.mean(list(by_severity.values())) for by_severity in accuracies]))


def _hash_seed(image: np.ndarray, purpose: str) -> int:
    """Return a 32-bit number that depends on the pixels and the purpose alone."""
    digest = hashlib.sha256(purpose.encode() + np.ascontiguousarray(image).tobytes()).digest()
    return int.from_bytes(digest[:4], "big")
