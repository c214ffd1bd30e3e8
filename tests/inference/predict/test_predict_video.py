"""Faces in a video keep their numbers, their probabilities are smoothed, and files are whole."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from portraits import portrait

from fer_bench.core.errors import UserError
from fer_bench.inference.predict import video as predict_video
from fer_bench.inference.predict.video import (
    FaceTracker,
    VideoFile,
    Window,
    num_frames,
    open_camera,
    open_video,
    require_display,
)

LEFT, RIGHT = (10.0, 10.0, 50.0, 50.0), (200.0, 10.0, 50.0, 50.0)


@pytest.fixture
def opencv_window(monkeypatch):
    """Replace OpenCV's windows by one of which the key that is pressed and the visibility are known."""

    def replace(key, visible):
        def visibility(title, name):
            if isinstance(visible, Exception):
                raise visible
            return visible

        for name in ("namedWindow", "imshow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, lambda *_: None)
        monkeypatch.setattr(cv2, "waitKey", lambda _: key)
        monkeypatch.setattr(cv2, "getWindowProperty", visibility)

    return replace


def moved(box, pixels):
    return (box[0] + pixels, *box[1:])


def test_faces_keep_their_numbers():
    tracker, even = FaceTracker(), np.full((2, 2), 0.5)
    assert [face.number for face in tracker(0.0, [LEFT, RIGHT], even)] == [1, 2]
    assert [face.number for face in tracker(0.1, [moved(RIGHT, 5), moved(LEFT, 9)], even)] == [2, 1]
    assert [face.number for face in tracker(0.2, [moved(RIGHT, 8)], even[:1])] == [2]
    assert [face.number for face in tracker(0.5, [LEFT, RIGHT], even)] == [1, 2]  # missed for a moment
    assert [face.number for face in tracker(5.0, [LEFT], even[:1])] == [3]


def test_probabilities_are_averaged_over_time():
    surely_first, surely_second = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    for smooth, expected in ((0.0, 0.0), (0.5, np.exp(-0.1 / 0.5))):
        tracker = FaceTracker(smooth)
        tracker(0.0, [LEFT], surely_first)
        (face,) = tracker(0.1, [LEFT], surely_second)
        np.testing.assert_allclose(face.probabilities, [expected, 1 - expected])


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_a_video_file_is_whole_or_not_there(tmp_path, error):
    path = tmp_path / "new" / "film.mp4"
    try:
        with VideoFile(path, 10) as video:
            for _ in range(5):
                video.write(cv2.cvtColor(portrait(0)[0], cv2.COLOR_GRAY2BGR))
                assert not path.exists()
            if error:
                raise error
    except (KeyboardInterrupt, ValueError):
        pass
    if error is ValueError:
        assert [*path.parent.iterdir()] == []
    else:
        assert [*path.parent.iterdir()] == [path]
        with open_video(path) as capture:
            assert num_frames(capture) == 5 and predict_video.frame_rate(capture) == pytest.approx(10)


def test_what_is_no_video_or_camera_is_refused(tmp_path):
    (tmp_path / "film.mp4").write_bytes(b"not a film")
    for path, message in ((tmp_path / "film.mp4", "cannot be read as a video"), (Path("no.mp4"), "does not exist")):
        with pytest.raises(UserError, match=message), open_video(path):
            pass
    with pytest.raises(UserError, match="Camera 99"), open_camera(99):
        pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have a display always")
@pytest.mark.parametrize("display", [None, ":99999"])
def test_a_window_needs_a_display_that_can_be_reached(monkeypatch, display):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(UserError, match="--headless"):
        require_display()


@pytest.mark.parametrize("key, goes_on", [(-1, True), (ord("q"), False), (27, False)])
def test_keys_end_a_window(opencv_window, key, goes_on):
    opencv_window(key, visible=1.0)
    with Window("film") as window:
        assert window.show(np.zeros((4, 4, 3), np.uint8)) == goes_on


@pytest.mark.parametrize("visible", [0.0, -1.0, cv2.error("NULL guiReceiver")])
def test_closing_a_window_ends_it(opencv_window, visible):
    opencv_window(-1, visible)
    with Window("film") as window:
        assert not window.show(np.zeros((4, 4, 3), np.uint8))
