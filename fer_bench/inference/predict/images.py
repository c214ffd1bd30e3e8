"""Predict the expressions in image files: read, find and crop faces in threads, while the model predicts others."""

from __future__ import annotations

import os
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.geometry import Box
from fer_bench.datasets.images import read_color, read_gray, silent
from fer_bench.inference.loaded_model import LoadedModel
from fer_bench.inference.predict.face_finder import FaceFinder, FoundFace, make_face_finder
from fer_bench.inference.predict.image_sources import find_sources

if TYPE_CHECKING:
    import pandas as pd

BATCH_SIZE = 256  # faces that are predicted at once, if the model's faces are small
LARGE_BATCH_SIZE = 32  # if they have any size
CHUNK_SIZE = 16  # images per task of a thread
MAX_THREADS = 4
MAX_MEGAPIXELS = 150
SUSPICIOUS_BYTES = 30_000  # no smaller file holds so many pixels


@dataclass(frozen=True)
class FacePrediction:
    """A face and what the model says.

    Attributes:
        number: Its number in the image from 1, the largest first; in a video that of the person.
        box: x, y, width and height in pixels.
        probabilities: (classes,) float32.
    """

    number: int
    box: Box
    probabilities: np.ndarray


@dataclass(frozen=True)
class ImageResult:
    """The faces in an image, or the problem with the file."""

    file: str
    faces: tuple[FacePrediction, ...] = ()
    problem: str = ""


_Found = tuple[str, list[FoundFace], str]  # name, faces, problem


def predict_images(model: LoadedModel, finder: FaceFinder, files: Sequence[Path]) -> Iterator[ImageResult]:
    """Yield the predictions of image files in their order. A file that cannot be read has a `problem`."""

    def find(path: Path, finder: FaceFinder) -> _Found:
        photo = read_photo(path, model.color_mode)
        return (str(path), [], photo) if isinstance(photo, str) else (str(path), finder(*photo), "")

    with silent():
        yield from _predict(model, _find_in_threads(find, files, finder))


def read_photo(path: Path, color_mode: str) -> tuple[np.ndarray, np.ndarray | None] | str:
    """Return the pixels of an image file, (height, width) gray and (height, width, 3) in color, or why it has none.

    Args:
        path: The file.
        color_mode: "rgb" or "bgr"; with "grayscale", there is no color.
    """
    gray = _check_size(path) or read_gray(path)
    color = None if color_mode == "grayscale" or isinstance(gray, str) else read_color(path, color_mode)
    if isinstance(gray, str) or isinstance(color, str):
        return str(color or gray)
    return gray, color


def predict_arrays(model: LoadedModel, finder: FaceFinder, images: Iterable[np.ndarray]) -> Iterator[ImageResult]:
    """Yield the predictions of images (height, width[, 1 or 3]) uint8 in their order; color is RGB."""
    return _predict(model, ((str(n), find_faces(model, finder, image), "") for n, image in enumerate(images)))


def predict_frame(model: LoadedModel, images: Any, detector: str | None, **options: Any) -> pd.DataFrame:
    """Return the predictions of paths or arrays as a frame, see `LoadedModel.predict`."""
    import pandas as pd

    single = isinstance(images, str | Path) or (isinstance(images, np.ndarray) and _is_single(images))
    items = [images] if single else list(images)
    are_paths = bool(items) and isinstance(items[0], str | Path)
    finder = make_face_finder(model, detector or (None if are_paths else "none"), **options)
    if are_paths:
        sources = find_sources(map(str, items))
        if sources.videos and not sources.images:
            raise UserError(f"{sources.videos[0]} is a video. Predict it with the command `predict`.")
        results = predict_images(model, finder, sources.images)
    else:
        results = predict_arrays(model, finder, items)
    rows = []
    for result in results:
        if result.problem:
            raise UserError(f"{result.file} cannot be read as an image: {result.problem}.")
        rows += face_rows(result, model.classes) or [{"file": result.file}]
    columns = ["file", "face", "x", "y", "width", "height", "label", "probability", *model.classes]
    frame = pd.DataFrame(rows, columns=columns)
    return frame if are_paths else frame.assign(file=frame["file"].astype(int)).rename(columns={"file": "image"})


def face_rows(result: ImageResult, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Return one row of values per face, for tables and files."""
    rows = []
    for face in result.faces:
        best = int(face.probabilities.argmax())
        box = dict(zip(("x", "y", "width", "height"), map(round, face.box), strict=True))
        probabilities = {name: round(float(p), 4) for name, p in zip(classes, face.probabilities, strict=True)}
        known = {"label": classes[best], "probability": probabilities[classes[best]]}
        rows.append({"file": result.file, "face": face.number, **box, **known, **probabilities})
    return rows


def _predict(model: LoadedModel, found: Iterable[_Found]) -> Iterator[ImageResult]:
    """Yield results, predicting the faces of many images at once."""
    size = BATCH_SIZE if model.image_size else LARGE_BATCH_SIZE
    waiting: list[_Found] = []
    num_faces = 0
    for image in found:
        waiting.append(image)
        num_faces += len(image[1])
        if num_faces >= size or len(waiting) >= BATCH_SIZE:
            yield from _predict_batch(model, waiting)
            waiting, num_faces = [], 0
    yield from _predict_batch(model, waiting)


def _predict_batch(model: LoadedModel, images: list[_Found]) -> Iterator[ImageResult]:
    pixels = [face.pixels for _, faces, _ in images for face in faces]
    batch = np.stack(pixels) if pixels and model.image_size else pixels
    probabilities = iter(model.predict_probabilities(batch) if pixels else ())
    for name, faces, problem in images:
        predictions = (FacePrediction(n, face.box, next(probabilities)) for n, face in enumerate(faces, start=1))
        yield ImageResult(name, tuple(predictions), problem)


def _find_in_threads(
    find: Callable[[Path, FaceFinder], _Found], files: Sequence[Path], finder: FaceFinder
) -> Iterator[_Found]:
    """Yield what is found in files in their order; a few chunks of files ahead of the consumer."""
    finders = threading.local()  # OpenCV's detectors are not safe for several threads

    def find_in(chunk: Sequence[Path]) -> list[_Found]:
        if not hasattr(finders, "finder"):
            finders.finder = finder.copy()
        return [find(path, finders.finder) for path in chunk]

    chunks = iter([files[start : start + CHUNK_SIZE] for start in range(0, len(files), CHUNK_SIZE)])
    threads = min(MAX_THREADS, os.cpu_count() or 1, -(-len(files) // CHUNK_SIZE) or 1)
    with ThreadPoolExecutor(threads) as pool:
        ahead: deque[Future[list[_Found]]] = deque()
        try:
            for chunk in chunks:
                ahead.append(pool.submit(find_in, chunk))
                if len(ahead) > BATCH_SIZE // CHUNK_SIZE + threads:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def find_faces(model: LoadedModel, finder: FaceFinder, image: np.ndarray) -> list[FoundFace]:
    """Return the faces in an image (height, width[, 1 or 3]) uint8, the largest first; color is RGB.

    Raises:
        UserError: The array is no such image.
    """
    from fer_bench.datasets.images import import_opencv

    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise UserError(
            f"The image is {pixels.dtype} of shape {pixels.shape}. Pass uint8 pixels (height, width), or "
            "(height, width, 3) in RGB."
        )
    pixels = np.ascontiguousarray(pixels)
    gray = pixels if pixels.ndim == 2 else import_opencv().cvtColor(pixels, import_opencv().COLOR_RGB2GRAY)
    color = None
    if model.color_mode != "grayscale":
        color = np.repeat(gray[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels
        color = color if model.color_mode == "rgb" else np.ascontiguousarray(color[..., ::-1])
    return finder(gray, color)


def _is_single(images: np.ndarray) -> bool:
    return images.ndim == 2 or (images.ndim == 3 and images.shape[2] in (1, 3) and images.shape[1] > 3)


def _check_size(path: Path) -> str | None:
    """Return a problem if an image has too many pixels to be read. Other problems are found by reading it."""
    try:
        if path.stat().st_size < SUSPICIOUS_BYTES:
            return None
        from PIL import Image

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                width, height = image.size
    except Exception as error:
        is_bomb = "DecompressionBomb" in type(error).__name__
        return f"more than {MAX_MEGAPIXELS} megapixels; reduce it" if is_bomb else None
    too_large = width * height > MAX_MEGAPIXELS * 1_000_000
    return f"{width:,}×{height:,} pixels, more than {MAX_MEGAPIXELS} megapixels; reduce it" if too_large else None
