"""Finding faces and eyes: OpenCV's own cascades on drawn portraits, and a fake YuNet."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from portraits import blank, portrait

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop import detect
from fer_bench.datasets.face_crop.detect import HaarDetector, YuNetDetector, plausible_eyes
from fer_bench.datasets.face_crop.spec import parse_spec
from fer_bench.datasets.portraits import FACE_SIDE, SIDE


@pytest.fixture(scope="module")
def haar():
    return HaarDetector()


@pytest.mark.parametrize("rotation", [-12, 0, 12])
def test_cascades_find_a_face_and_its_eyes(haar, rotation):
    for seed in range(3):
        image, eyes = portrait(seed, rotation)
        face = haar(image, True)
        x, y, width, height = face.box
        center = (x + width / 2, y + height / 2)
        assert np.abs(np.array(center) - (SIDE / 2, SIDE / 2)).max() < 0.15 * FACE_SIDE
        assert np.abs(np.array(face.eyes) - eyes).max() < 0.06 * FACE_SIDE


def test_eyes_are_optional(haar):
    assert haar(portrait()[0], False).eyes is None


@pytest.mark.parametrize("image", [blank(), np.zeros((20, 30), np.uint8), np.zeros((3, 3), np.uint8)])
def test_image_without_a_face(haar, image):
    assert haar(image, True) is None


def test_largest_face_in_any_order():
    boxes = np.array([[5, 9, 20, 20], [50, 5, 30, 30], [5, 5, 30, 30], [0, 0, 10, 10]])
    for seed in range(5):
        assert detect._largest(np.random.default_rng(seed).permutation(boxes)) == (5, 5, 30, 30)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ((30, 40), (68, 40), True),
        ((30, 40), (62, 55), True),  # tilted by 25 degrees
        ((30, 40), (55, 70), False),  # tilted by 50
        ((30, 40), (45, 40), False),  # too close
        ((10, 40), (90, 40), False),  # too far apart
        (None, (68, 40), False),
        ((30, 40), None, False),
    ],
)
def test_plausible_eyes(left, right, expected):
    assert plausible_eyes(left, right, 100) == ((left, right) if expected else None)


# ---- YuNet


class Network:
    """Answers like cv2.FaceDetectorYN: a row of box, five points and score per face; None without a face."""

    def __init__(self, *rows) -> None:
        self.rows, self.size = rows, None

    def setInputSize(self, size):
        self.size = size

    def detect(self, image):
        assert image.shape == (self.size[1], self.size[0], 3)
        return 1, np.array(self.rows, np.float32) if self.rows and image.any() else None


def yunet(monkeypatch, *rows) -> YuNetDetector:
    network = Network(*rows)
    monkeypatch.setattr(cv2, "FaceDetectorYN", SimpleNamespace(create=lambda *_: network))
    return YuNetDetector("model.onnx")


def row(box, *points):
    return [*box, *points[0], *points[1], *[0.0] * 6, 0.9]


def test_yunet_finds_the_largest_face_and_sorts_its_eyes(monkeypatch):
    small = row((0, 0, 20, 25), (5, 8), (14, 8))
    large = row((50, 40, 80, 100), (105, 80), (72, 78))
    face = yunet(monkeypatch, small, large)(portrait()[0][:200], True)
    assert face.box == (50, 40, 80, 100)
    assert face.eyes == ((72, 78), (105, 80))


def test_yunet_without_a_face(monkeypatch):
    assert yunet(monkeypatch)(portrait()[0], True) is None


def test_invalid_yunet_model(tmp_path):
    file = tmp_path / "weights.onnx"
    file.write_bytes(b"no network")
    with pytest.raises(UserError, match=r"weights\.onnx is no YuNet model"):
        YuNetDetector(file)


def test_yunet_needs_its_model_file():
    with pytest.raises(UserError, match="0123abcd"):
        detect.make_detector(parse_spec("yunet@0123abcd"))


def test_missing_cascades(monkeypatch, tmp_path):
    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(UserError, match=r"frontalface_default\.xml"):
        HaarDetector()


@pytest.mark.parametrize("scale", [0.35, 4])
def test_eyes_in_small_and_large_faces(haar, scale):
    image, eyes = portrait()
    face = haar(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), True)
    assert np.abs(np.array(face.eyes) / scale - eyes).max() < 0.08 * FACE_SIDE
