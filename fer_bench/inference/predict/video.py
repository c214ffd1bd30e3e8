"""Predict the expressions in a video or of a camera, frame by frame in constant memory."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.files import atomic_path, writing
from fer_bench.core.stderr import suppress_stderr
from fer_bench.datasets.face_crop.geometry import Box
from fer_bench.datasets.images import import_opencv, silent
from fer_bench.inference.loaded_model import LoadedModel
from fer_bench.inference.predict.face_finder import FaceFinder, FoundFace
from fer_bench.inference.predict.images import FacePrediction

DEFAULT_RATE = 25.0  # frames per second, of a camera or a file that does not say
MIN_OVERLAP = 0.3  # intersection over union of a face in two frames
FORGET_SECONDS = 1.0  # after which a face that is not found is another one
COUNTED_SUFFIXES = (".mp4", ".m4v", ".mov", ".avi")  # of formats that store the number of frames
COMPLETE_SHARE = 0.9  # of the stated frames; some files state a few too many
END_KEYS = (ord("q"), 27)  # 27 is Esc


@dataclass(frozen=True)
class Frame:
    """A frame and its faces.

    Attributes:
        number: Its number, from 0.
        seconds: Its time.
        image: (height, width, 3) uint8, BGR.
        faces: The faces; a face keeps its number from frame to frame.
    """

    number: int
    seconds: float
    image: np.ndarray
    faces: tuple[FacePrediction, ...]


@dataclass
class _Track:
    number: int
    box: Box
    probabilities: np.ndarray
    seconds: float


class FaceTracker:
    """Numbers faces from frame to frame by the overlap of their boxes, and averages their probabilities over time.

    Args:
        smooth: Time constant in seconds of the exponential mean; 0 for none.
    """

    def __init__(self, smooth: float = 0.0) -> None:
        self.smooth = smooth
        self._tracks: list[_Track] = []
        self._count = 0

    def __call__(self, seconds: float, boxes: Sequence[Box], probabilities: np.ndarray) -> list[FacePrediction]:
        """Return the faces of the next frame.

        Args:
            seconds: Time of the frame.
            boxes: The boxes of its faces.
            probabilities: (faces, classes).
        """
        self._tracks = [track for track in self._tracks if seconds - track.seconds <= FORGET_SECONDS]
        free, result = list(self._tracks), []
        for box, of_face in zip(boxes, probabilities, strict=True):
            track = max(free, key=lambda track: _overlap(track.box, box), default=None)
            if track is None or _overlap(track.box, box) < MIN_OVERLAP:
                self._count += 1
                track = _Track(self._count, box, of_face, seconds)
                self._tracks.append(track)
            else:
                free.remove(track)
                old = math.exp(-(seconds - track.seconds) / self.smooth) if self.smooth else 0.0
                track.probabilities = old * track.probabilities + (1 - old) * of_face
                track.box, track.seconds = box, seconds
            result.append(FacePrediction(track.number, box, track.probabilities))
        return result


@contextmanager
def open_video(path: Path) -> Iterator[Any]:
    """Open a video file. Raises UserError if it cannot be read."""
    if not path.is_file():
        raise UserError(f"The video {path} does not exist.")
    with _capture(str(path)) as capture:
        if not capture.isOpened():
            raise UserError(f"{path} cannot be read as a video: it is damaged, or its codec is unknown to OpenCV.")
        yield capture


@contextmanager
def open_camera(number: int) -> Iterator[Any]:
    """Open a camera. Raises UserError if there is none of that number."""
    with _capture(number) as capture:
        if not capture.isOpened() or not capture.read()[0]:
            raise UserError(
                f"Camera {number} cannot be opened. Check that it is connected and that no other program uses it; "
                "--camera 0 is the first one."
            )
        yield capture


def frame_rate(capture: Any) -> float:
    """Return the frames per second of a video or a camera."""
    rate = capture.get(import_opencv().CAP_PROP_FPS)
    return rate if math.isfinite(rate) and 1 <= rate <= 1000 else DEFAULT_RATE


def num_frames(capture: Any) -> int:
    """Return the number of frames that a video says it has; 0 if unknown."""
    count = capture.get(import_opencv().CAP_PROP_FRAME_COUNT)
    return int(count) if math.isfinite(count) and count > 0 else 0


def missing_frames(path: Path, capture: Any, num_read: int) -> int:
    """Return how many frames a video lacks of those that it says it has; 0 for formats that only estimate them."""
    expected = num_frames(capture) if path.suffix.lower() in COUNTED_SUFFIXES else 0
    return expected - num_read if num_read < COMPLETE_SHARE * expected else 0


def predict_video(model: LoadedModel, finder: FaceFinder, capture: Any, smooth: float = 0.0) -> Iterator[Frame]:
    """Yield each frame of an open video with its faces.

    Args:
        model: The model.
        finder: Finds and crops the faces.
        capture: The video.
        smooth: See `FaceTracker`.
    """
    cv2 = import_opencv()
    rate, tracker, number = frame_rate(capture), FaceTracker(smooth), 0
    while True:
        known, image = capture.read()
        if not known:
            return
        gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        color = {"rgb": image[..., ::-1], "bgr": image}.get(model.color_mode)
        found = finder(gray, None if color is None else np.ascontiguousarray(color))
        seconds = number / rate
        yield Frame(number, seconds, image, tuple(_predict(model, found, tracker, seconds)))
        number += 1


def _predict(
    model: LoadedModel, found: Sequence[FoundFace], tracker: FaceTracker, seconds: float
) -> list[FacePrediction]:
    if not found:
        return []
    pixels = [face.pixels for face in found]
    probabilities = model.predict_probabilities(np.stack(pixels) if model.image_size else pixels)
    return tracker(seconds, [face.box for face in found], probabilities)


class VideoFile:
    """An mp4 file that appears when it is complete, also if the program is interrupted. A context manager.

    Args:
        path: The file.
        rate: Frames per second.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self._rate = path, rate
        self._writer: Any = None

    def __enter__(self) -> VideoFile:
        self._atomic = atomic_path(self.path, keep_on_interrupt=True, suffix=".mp4")  # OpenCV's format
        with writing(self.path):
            self._temporary = self._atomic.__enter__()
        return self

    def write(self, image: np.ndarray) -> None:
        """Append a frame (height, width, 3) uint8, BGR."""
        if self._writer is None:
            self._writer = self._open(image.shape[1], image.shape[0])
        self._writer.write(image)

    def __exit__(self, *error: Any) -> None:
        if self._writer is not None:
            self._writer.release()
        with writing(self.path):
            self._atomic.__exit__(*error)

    def _open(self, width: int, height: int) -> Any:
        cv2 = import_opencv()
        code = cv2.VideoWriter_fourcc(*"mp4v")
        with silent(), suppress_stderr():
            writer = cv2.VideoWriter(str(self._temporary), code, self._rate, (width, height))
        if not writer.isOpened():
            raise UserError(f"{self.path} cannot be written. Name another folder with --annotate.")
        return writer


def require_display() -> None:
    """Raise UserError if OpenCV cannot open a window here.

    Another process tries it: without a display, Qt would abort this one.
    """
    command = [sys.executable, "-c", "import cv2; cv2.namedWindow('fer-bench')"]
    if subprocess.run(command, capture_output=True).returncode:
        raise UserError(
            "No window can be opened here: there is no display that can be reached, or this build of OpenCV has no "
            "windows. Pass --headless."
        )


class Window:
    """A window that shows frames. A context manager."""

    def __init__(self, title: str) -> None:
        self._title = title

    def __enter__(self) -> Window:
        cv2 = import_opencv()
        cv2.namedWindow(self._title, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL)  # without Qt's toolbar
        return self

    def show(self, image: np.ndarray) -> bool:
        """Show a frame (height, width, 3) uint8, BGR; return whether the user wants to see more."""
        cv2 = import_opencv()
        cv2.imshow(self._title, image)
        if cv2.waitKey(1) & 0xFF in END_KEYS:
            return False
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # with Qt, when the last window was closed
            return False

    def __exit__(self, *_: object) -> None:
        cv2 = import_opencv()
        with suppress(cv2.error):  # closed by the user
            cv2.destroyWindow(self._title)


@contextmanager
def _capture(source: str | int) -> Iterator[Any]:
    cv2 = import_opencv()
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # quiet: our messages name the files
    with silent(), suppress_stderr():
        capture = cv2.VideoCapture(source)
    try:
        yield capture
    finally:
        capture.release()


def _overlap(first: Box, second: Box) -> float:
    """Return the intersection over union of two boxes."""
    (x, y, width, height), (a, b, wide, high) = first, second
    across = max(0.0, min(x + width, a + wide) - max(x, a))
    down = max(0.0, min(y + height, b + high) - max(y, b))
    shared = across * down
    return shared / (width * height + wide * high - shared)
