"""The square that is cropped for a face: positions of the eyes, margin, border of the image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portraits import portrait

from fer_bench.datasets.face_crop.geometry import EYE_DISTANCE, EYE_LEVEL, Face, Square, crop_square, extract

BOX = (100.0, 80.0, 60.0, 60.0)
points = st.tuples(st.floats(-50, 300), st.floats(-50, 300))


@given(left=points, distance=st.floats(5, 200), rotation=st.floats(-60, 60), margin=st.floats(0, 1))
def test_aligned_eyes_have_fixed_positions(left, distance, rotation, margin):
    angle = np.radians(rotation)
    right = (left[0] + distance * np.cos(angle), left[1] + distance * np.sin(angle))
    square = crop_square(Face(BOX, (left, right)), True, margin)
    scale = 1 + 2 * margin
    level = (EYE_LEVEL + margin) / scale
    eyes = (np.array([left, right]) - square.center) @ square.axes / square.size + 0.5  # as fractions of the square
    half = EYE_DISTANCE / scale / 2
    assert eyes == pytest.approx(np.array([[0.5 - half, level], [0.5 + half, level]]), abs=1e-6)


def test_rotated_face_is_straightened():
    """Rotated by 20 degrees and aligned, it has the pixels of the upright face."""
    upright, aligned = (extract(image, crop_square(Face(BOX, eyes), True, 0.1)) for image, eyes in rotated(0, 20))
    assert np.abs(upright.astype(int) - aligned).mean() < 4  # differences at edges from interpolation
    (image, eyes), (tilted, _) = rotated(0, 20)
    square = crop_square(Face(BOX, eyes), True, 0.1)
    assert np.abs(extract(image, square).astype(int) - extract(tilted, square)).mean() > 12  # unlike without alignment


def rotated(*degrees: float):
    """Return the same portrait, rotated by each of the angles, with its eyes."""
    return [(image, tuple(map(tuple, eyes))) for image, eyes in (portrait(3, angle) for angle in degrees)]


def test_box_is_cropped_without_eyes_or_alignment():
    image = np.random.default_rng(0).integers(0, 256, (200, 220), dtype=np.uint8)
    eyes = ((110.0, 100.0), (140.0, 110.0))
    for square in (crop_square(Face(BOX), True, 0), crop_square(Face(BOX, eyes), False, 0)):
        assert np.array_equal(extract(image, square), image[80:140, 100:160])


def test_margin_is_a_fraction_of_the_face():
    image = np.random.default_rng(0).integers(0, 256, (200, 220), dtype=np.uint8)
    assert np.array_equal(extract(image, crop_square(Face(BOX), False, 0.25)), image[65:155, 85:175])


def test_rectangular_box_becomes_a_square():
    square = crop_square(Face((100.0, 80.0, 40.0, 60.0)), False, 0)
    assert square == Square((120.0, 110.0), 60.0)


def test_border_pixels_are_repeated():
    image = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    pixels = extract(image, crop_square(Face((0.0, 0.0, 40.0, 40.0)), False, 0.5))
    assert pixels.shape == (80, 80)
    assert (pixels[:, :20] == 0).all() and np.array_equal(pixels[40, 20:], image[0, :60])


def test_corners():
    corners = Square((50.0, 60.0), 20.0).corners()
    assert corners.tolist() == [[40, 50], [60, 50], [60, 70], [40, 70]]
    turned = Square((50.0, 60.0), 20.0, np.pi / 2).corners()
    assert turned == pytest.approx(np.array([[60, 50], [60, 70], [40, 70], [40, 50]]))


def test_tiny_face():
    assert extract(np.zeros((50, 50), np.uint8), Square((10.0, 10.0), 0.4)).size
