"""Cropping the faces of a dataset: its images, its name, and images without a face."""

from dataclasses import replace

import numpy as np
import pytest
from portraits import FakeDetector, portraits

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import fingerprint
from fer_bench.datasets.face_crop.apply import apply, equalize
from fer_bench.datasets.face_crop.geometry import Face
from fer_bench.datasets.face_crop.spec import parse_spec

ARRAYS = ("labels", "ids", "split", "subjects", "soft_labels", "sequences")


@pytest.fixture(scope="module")
def drawn():
    """Six portraits, the third and the fifth of them without a face."""
    return portraits(0, 1, None, 3, None, 5)


def test_samples_keep_their_order_and_the_name_has_the_options(drawn):
    cropped = apply(drawn, parse_spec("haar+align+margin20+clahe"))
    assert cropped.name == "drawn~haar+align+margin20+clahe"
    assert cropped.images.shape == (6, 48, 48) and cropped.images.dtype == np.uint8
    for name in ARRAYS:
        assert np.array_equal(getattr(cropped, name), getattr(drawn, name))
    assert cropped.classes == drawn.classes
    assert cropped.fingerprint == fingerprint(cropped) != fingerprint(drawn)


def test_images_without_a_face_are_kept(drawn):
    cropped = apply(drawn, parse_spec("haar"))
    assert cropped.notes == (
        "Drawn.",
        "haar found a face in 4 of 6 images; the others are kept as a whole: angry 2 of 3.",
    )
    assert (cropped.images[[2, 4]] == drawn.images[0, 0, 0]).all()


def test_images_without_a_face_are_dropped(drawn):
    cropped, kept = apply(drawn, parse_spec("haar+drop")), [0, 1, 3, 5]
    for name in ARRAYS:
        assert np.array_equal(getattr(cropped, name), getattr(drawn, name)[kept])
    assert np.array_equal(cropped.images, apply(drawn, parse_spec("haar")).images[kept])
    assert "4 of 6 images; the others are dropped: angry 2 of 3." in cropped.notes[1]


def test_images_without_a_face_fail(drawn):
    with pytest.raises(UserError, match=r"2 of 6 images: drawn-2, drawn-4\. .*--on-missing-face"):
        apply(drawn, parse_spec("haar+fail"))
    assert len(apply(portraits(0, 1), parse_spec("haar+fail"))) == 2


@pytest.mark.parametrize("name", ["haar", "haar+drop"])
def test_no_face_in_any_image(name):
    with pytest.raises(UserError, match="no face in any"):
        apply(portraits(None, None), parse_spec(name))


def test_faces_without_eyes_are_not_aligned():
    data = portraits(0, 1)
    images = data.images.copy()
    images[:, 0, 0] = 1, 2
    box = (60.0, 60.0, 96.0, 96.0)
    detector = FakeDetector({1: Face(box), 2: Face(box, ((90.0, 100.0), (130.0, 110.0)))})
    cropped = apply(replace(data, images=images), parse_spec("haar+align"), detector=detector)
    assert cropped.notes[1:] == (
        "haar found a face in 2 of 2 images.",
        "1 of the faces are not aligned: their eyes were not found.",
    )
    reduced = images[0, 60:156, 60:156].reshape(48, 2, 48, 2).mean((1, 3))
    assert np.abs(cropped.images[0] - reduced).max() <= 0.5


def test_originals_replace_small_images():
    data = portraits(0, 1)
    small = replace(data, images=data.images[:, ::8, ::8])
    originals = [data.images[0], np.pad(data.images[1], ((0, 0), (40, 60)), constant_values=120)]
    assert np.array_equal(
        apply(small, parse_spec("haar"), originals=originals).images[0], apply(data, parse_spec("haar")).images[0]
    )
    cropped = apply(small, parse_spec("haar+align+side96+fail"), originals=originals)
    assert cropped.images.shape == (2, 96, 96)
    with pytest.raises(UserError, match="cropped"):
        apply(small, parse_spec("haar"))


def test_cropped_images_need_allow_cropped():
    """FER2013's images are 48×48: a detector would miss most faces."""
    data = portraits(0, None)
    data = replace(data, images=data.images[:, 104:152, 104:152])
    with pytest.raises(UserError, match=r"48×48.*--allow-cropped"):
        apply(data, parse_spec("haar+align"))
    with pytest.raises(UserError, match="no face in any"):
        apply(data, parse_spec("haar+cropped"))
    assert apply(data, parse_spec("clahe")).images.shape == data.images.shape


def test_median_size_decides_whether_images_are_cropped():
    data = portraits(0, 1, 2)
    small = data.images[0][::8, ::8]
    assert len(apply(data, parse_spec("haar"), originals=[small, *data.images[1:]])) == 3
    with pytest.raises(UserError, match="32×32"):
        apply(data, parse_spec("haar"), originals=[data.images[0], small, small])


def test_sequences_are_rejected():
    data = portraits(0, 1)
    with pytest.raises(UserError, match="sequences"):
        apply(replace(data, images=data.images[:, None]), parse_spec("clahe"))


def test_center_square_of_a_rectangular_image():
    data = portraits(None)
    image = np.zeros((100, 200), np.uint8)
    image[:, 50:150] = 90
    assert (apply(data, parse_spec("side64"), originals=[image]).images == 90).all()


def test_same_spec_gives_the_same_pixels(drawn):
    spec = parse_spec("haar+align+margin10+histogram")
    assert apply(drawn, spec).fingerprint == apply(drawn, spec).fingerprint


def test_progress(drawn):
    steps = []
    apply(drawn, parse_spec("clahe"), lambda *step: steps.append(step))
    assert steps[0] == ("preparing drawn", 1, 6) and steps[-1] == ("preparing drawn", 6, 6)


# ---- equalization


@pytest.fixture
def flat():
    """An image of low contrast: gray values 100 to 119."""
    return np.random.default_rng(0).integers(100, 120, (64, 64), dtype=np.uint8)


def test_no_equalization(flat):
    assert np.array_equal(equalize(flat, "none"), flat)


def test_histogram_equalization_uses_all_gray_values(flat):
    spread = equalize(flat, "histogram")
    assert spread.min() == 0 and spread.max() == 255
    order = np.argsort(flat, axis=None, kind="stable")
    assert (np.diff(spread.ravel()[order].astype(int)) >= 0).all()


def test_clahe_increases_contrast_less_than_histogram(flat):
    assert flat.std() < equalize(flat, "clahe").std() < equalize(flat, "histogram").std()


@pytest.mark.parametrize("method", ["histogram", "clahe"])
def test_equalize_constant_image(method):
    pixels = equalize(np.full((48, 48), 77, np.uint8), method)
    assert pixels.shape == (48, 48) and len(np.unique(pixels)) == 1
