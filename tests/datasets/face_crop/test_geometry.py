"""What is cut out for a face: the eyes level and at fixed places, the margin, the picture's border."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from portraits import portrait

from fer_bench.datasets.face_crop.geometry import EYE_DISTANCE, EYE_LEVEL, Face, Square, extract, crop_square

BOX = (100.0, 80.0, 60.0, 60.0)
places = st.tuples(st.floats(-50, 300), st.floats(-50, 300))


@given(left=places, apart=st.floats(5, 200), turned=st.floats(-60, 60), margin=st.floats(0, 1))
def test_aligned_eyes_lie_level_and_at_fixed_places(left, apart, turned, margin):
    angle = np.radians(turned)
    right = (left[0] + apart * np.cos(angle), left[1] + apart * np.sin(angle))
    where = crop_square(Face(BOX, (left, right)), True, margin)
    grown = 1 + 2 * margin
    level = (EYE_LEVEL + margin) / grown
    assert where.relative_position(left) == pytest.approx([0.5 - EYE_DISTANCE / grown / 2, level], abs=1e-6)
    assert where.relative_position(right) == pytest.approx([0.5 + EYE_DISTANCE / grown / 2, level], abs=1e-6)


def test_a_turned_face_is_put_straight():
    """Turned by 20 degrees and aligned, it has the pixels of the face that was never turned."""
    straight, turned = (extract(picture, crop_square(Face(BOX, eyes), True, 0.1)) for picture, eyes in both(0, 20))
    assert np.abs(straight.astype(int) - turned).mean() < 4  # what smoothing leaves at edges
    (picture, eyes), (tilted, _) = both(0, 20)
    where = crop_square(Face(BOX, eyes), True, 0.1)
    assert np.abs(extract(picture, where).astype(int) - extract(tilted, where)).mean() > 12  # unlike the tilted one


def both(*degrees: float):
    """The same portrait, turned by each of the degrees, with its eyes."""
    return [(picture, tuple(map(tuple, eyes))) for picture, eyes in (portrait(3, turned) for turned in degrees)]


def test_without_eyes_or_unaligned_the_box_is_cut_out_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (200, 220), dtype=np.uint8)
    eyes = ((110.0, 100.0), (140.0, 110.0))
    for where in (crop_square(Face(BOX), True, 0), crop_square(Face(BOX, eyes), False, 0)):
        assert np.array_equal(extract(picture, where), picture[80:140, 100:160])


def test_a_margin_is_a_share_of_the_face_on_each_side():
    picture = np.random.default_rng(0).integers(0, 256, (200, 220), dtype=np.uint8)
    assert np.array_equal(extract(picture, crop_square(Face(BOX), False, 0.25)), picture[65:155, 85:175])


def test_an_oblong_box_is_cut_out_as_a_square_about_its_middle():
    where = crop_square(Face((100.0, 80.0, 40.0, 60.0)), False, 0)
    assert where == Square((120.0, 110.0), 60.0)


def test_beyond_the_border_its_pixels_go_on():
    picture = np.tile(np.arange(100, dtype=np.uint8), (100, 1))
    pixels = extract(picture, crop_square(Face((0.0, 0.0, 40.0, 40.0)), False, 0.5))
    assert pixels.shape == (80, 80)
    assert (pixels[:, :20] == 0).all() and np.array_equal(pixels[40, 20:], picture[0, :60])


def test_corners_are_those_of_what_is_cut_out():
    corners = Square((50.0, 60.0), 20.0).corners()
    assert corners.tolist() == [[40, 50], [60, 50], [60, 70], [40, 70]]
    turned = Square((50.0, 60.0), 20.0, np.pi / 2).corners()
    assert turned == pytest.approx(np.array([[60, 50], [60, 70], [40, 70], [40, 50]]))


def test_a_tiny_face_is_no_empty_picture():
    assert extract(np.zeros((50, 50), np.uint8), Square((10.0, 10.0), 0.4)).size
