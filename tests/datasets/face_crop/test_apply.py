"""A dataset prepared: its images, its name, and what becomes of images without a face."""

from dataclasses import replace

import numpy as np
import pytest
from portraits import Knows, portraits

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import fingerprint
from fer_bench.datasets.face_crop.apply import equalize, apply
from fer_bench.datasets.face_crop.geometry import Face
from fer_bench.datasets.face_crop.spec import parse_spec

PARTS = ("labels", "ids", "split", "subjects", "soft_labels", "sequences")


@pytest.fixture(scope="module")
def drawn():
    """Six portraits, the third and the fifth of them without a face."""
    return portraits(0, 1, None, 3, None, 5)


def test_every_sample_is_kept_in_its_order_and_the_name_tells(drawn):
    made = apply(drawn, parse_spec("haar+align+margin20+clahe"))
    assert made.name == "drawn~haar+align+margin20+clahe"
    assert made.images.shape == (6, 48, 48) and made.images.dtype == np.uint8
    for part in PARTS:
        assert np.array_equal(getattr(made, part), getattr(drawn, part))
    assert made.classes == drawn.classes
    assert made.fingerprint == fingerprint(made) != fingerprint(drawn)


def test_images_without_a_face_are_counted_and_kept_whole(drawn):
    made = apply(drawn, parse_spec("haar"))
    assert made.notes == (
        "Drawn.",
        "haar found a face in 4 of 6 images; the others are kept whole: angry 2 of 3.",
    )
    assert (made.images[[2, 4]] == drawn.images[0, 0, 0]).all()


def test_images_without_a_face_are_left_out_with_all_that_is_known_of_them(drawn):
    made, kept = apply(drawn, parse_spec("haar+drop")), [0, 1, 3, 5]
    for part in PARTS:
        assert np.array_equal(getattr(made, part), getattr(drawn, part)[kept])
    assert np.array_equal(made.images, apply(drawn, parse_spec("haar")).images[kept])
    assert "4 of 6 images; the others are left out: angry 2 of 3." in made.notes[1]


def test_an_image_without_a_face_fails_where_that_is_asked_for(drawn):
    with pytest.raises(UserError, match=r"no face in 2 of 6 images: drawn-2, drawn-4; --without-face keep or drop"):
        apply(drawn, parse_spec("haar+fail"))
    assert len(apply(portraits(0, 1), parse_spec("haar+fail"))) == 2


@pytest.mark.parametrize("words", ["haar", "haar+drop"])
def test_no_face_anywhere_is_a_mistake(words):
    with pytest.raises(UserError, match="haar finds no face in any of the 2 images of drawn"):
        apply(portraits(None, None), parse_spec(words))


def test_faces_without_eyes_are_counted_and_not_turned():
    data = portraits(0, 1)
    images = data.images.copy()
    images[:, 0, 0] = 1, 2
    box = (60.0, 60.0, 96.0, 96.0)
    detector = Knows({1: Face(box), 2: Face(box, ((90.0, 100.0), (130.0, 110.0)))})
    made = apply(replace(data, images=images), parse_spec("haar+align"), detector=detector)
    assert made.notes[1:] == (
        "haar found a face in 2 of 2 images.",
        "1 of the faces found not aligned: no eyes found in them.",
    )
    halved = images[0, 60:156, 60:156].reshape(48, 2, 48, 2).mean((1, 3))
    assert np.abs(made.images[0] - halved).max() <= 0.5


def test_pictures_of_any_size_take_the_place_of_small_images():
    data = portraits(0, 1)
    small = replace(data, images=data.images[:, ::8, ::8])
    pictures = [data.images[0], np.pad(data.images[1], ((0, 0), (40, 60)), constant_values=120)]
    assert np.array_equal(
        apply(small, parse_spec("haar"), originals=pictures).images[0], apply(data, parse_spec("haar")).images[0]
    )
    made = apply(small, parse_spec("haar+align+side96+fail"), originals=pictures)
    assert made.images.shape == (2, 96, 96)
    with pytest.raises(UserError, match="cropped to the face already"):
        apply(small, parse_spec("haar"))


def test_small_images_are_left_alone_unless_that_is_insisted_on():
    """FER2013's are 48×48: a detector that loses most of them would say nothing of it."""
    data = portraits(0, None)
    data = replace(data, images=data.images[:, 104:152, 104:152])
    with pytest.raises(UserError, match=r"The images of drawn, 48×48, are cropped .* left alone.*--cropped-too"):
        apply(data, parse_spec("haar+align"))
    with pytest.raises(UserError, match="finds no face in any"):
        apply(data, parse_spec("haar+cropped"))
    assert apply(data, parse_spec("clahe")).images.shape == data.images.shape


def test_most_of_the_pictures_say_whether_they_are_cropped():
    data = portraits(0, 1, 2)
    small = data.images[0][::8, ::8]
    assert len(apply(data, parse_spec("haar"), originals=[small, *data.images[1:]])) == 3
    with pytest.raises(UserError, match="32×32"):
        apply(data, parse_spec("haar"), originals=[data.images[0], small, small])


def test_sequences_are_not_prepared():
    data = portraits(0, 1)
    with pytest.raises(UserError, match="'drawn' is of sequences"):
        apply(replace(data, images=data.images[:, None]), parse_spec("clahe"))


def test_the_middle_of_an_oblong_picture_stands_for_the_whole():
    data = portraits(None)
    picture = np.zeros((100, 200), np.uint8)
    picture[:, 50:150] = 90
    assert (apply(data, parse_spec("side64"), originals=[picture]).images == 90).all()


def test_the_same_preparation_gives_the_same_pixels(drawn):
    words = parse_spec("haar+align+margin10+histogram")
    assert apply(drawn, words).fingerprint == apply(drawn, words).fingerprint


def test_progress_is_told(drawn):
    told = []
    apply(drawn, parse_spec("clahe"), lambda *step: told.append(step))
    assert told[0] == ("preparing drawn", 1, 6) and told[-1] == ("preparing drawn", 6, 6)


# ---- equalisation


@pytest.fixture
def flat():
    """A picture of little contrast: shades 100 to 119."""
    return np.random.default_rng(0).integers(100, 120, (64, 64), dtype=np.uint8)


def test_no_equalisation_changes_nothing(flat):
    assert np.array_equal(equalize(flat, "none"), flat)


def test_a_histogram_is_spread_over_all_shades_in_their_order(flat):
    spread = equalize(flat, "histogram")
    assert spread.min() == 0 and spread.max() == 255
    order = np.argsort(flat, axis=None, kind="stable")
    assert (np.diff(spread.ravel()[order].astype(int)) >= 0).all()


def test_clahe_raises_contrast_but_less_than_a_whole_histogram(flat):
    assert flat.std() < equalize(flat, "clahe").std() < equalize(flat, "histogram").std()


@pytest.mark.parametrize("how", ["histogram", "clahe"])
def test_a_constant_image_can_be_equalised(how):
    pixels = equalize(np.full((48, 48), 77, np.uint8), how)
    assert pixels.shape == (48, 48) and len(np.unique(pixels)) == 1
