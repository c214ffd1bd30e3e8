"""Corruptions: the fifteen of the paper, the same for every model, as strong as they are defined."""

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.evaluation.corruptions import (
    CORRUPTIONS,
    SEEDED,
    SEVERITIES,
    corrupt,
    mean_accuracy,
    mean_by_kind,
    sample,
    versions,
)


@pytest.fixture(scope="module")
def images():
    """Four smooth pictures of 48×48, each with a bright disc of its own."""
    rows, columns = np.mgrid[:48, :48]
    places = [(14, 14), (14, 34), (34, 14), (30, 30)]
    discs = [160 * (np.hypot(rows - y, columns - x) < 11) + rows + 20 for y, x in places]
    return np.array(discs, np.uint8)


def test_they_are_the_librarys_common_ones():
    from imagecorruptions import get_corruption_names

    assert list(CORRUPTIONS) == get_corruption_names("common") and len(CORRUPTIONS) == 15
    assert versions()["imagecorruptions-imaug"]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_each_changes_an_image_and_more_so_the_more_severe(name, images):
    distance = {}
    for severity in (SEVERITIES[0], SEVERITIES[-1]):
        seen = corrupt(images, name, severity)
        assert seen.shape == images.shape and seen.dtype == np.uint8
        distance[severity] = np.abs(seen.astype(float) - images).mean()
    assert 0 < distance[1] < distance[5]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_an_image_is_corrupted_alike_in_any_order_and_whatever_was_drawn_before(name, images):
    expected = corrupt(images, name, 3)
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(corrupt(images[::-1], name, 3)[::-1], expected)
    np.testing.assert_array_equal(corrupt(images[2:3], name, 3)[0], expected[2])
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # nobody else's chance is touched


@pytest.mark.parametrize("name", ["gaussian_noise", "snow", "frost", *SEEDED])
def test_another_seed_and_another_image_have_other_noise(name, images):
    assert (corrupt(images, name, 2) != corrupt(images, name, 2, seed=1)).any()
    darker = images - 1
    same_noise = np.abs(corrupt(darker, name, 2).astype(int) - corrupt(images, name, 2)) <= 1
    assert same_noise.mean() < 0.95


def test_noise_of_a_grey_image_is_as_strong_as_it_is_defined():
    grey = np.full((3, 64, 64), 128, np.uint8)
    for severity, scale in ((1, 0.08), (2, 0.12)):
        assert corrupt(grey, "gaussian_noise", severity).std() == pytest.approx(255 * scale, rel=0.03)


def test_images_need_not_be_square():
    assert corrupt(np.full((1, 40, 70), 90, np.uint8), "snow", 4).shape == (1, 40, 70)


@pytest.mark.parametrize(("shape", "said"), [((2, 31, 48), "31×48"), ((2, 3, 48, 48), "sequences")])
def test_what_cannot_be_corrupted_is_refused(shape, said):
    with pytest.raises(UserError, match=said):
        corrupt(np.zeros(shape, np.uint8), "fog", 1)
    for name, severity in (("saturate", 1), ("fog", 6)):
        with pytest.raises(ValueError, match=name):
            corrupt(np.zeros((1, 48, 48), np.uint8), name, severity)


def test_a_sample_is_stratified_and_does_not_depend_on_the_order():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    images = rng.integers(0, 256, (100, 4, 4), dtype=np.uint8)
    chosen = sample(images, labels, 20)
    assert len(np.unique(chosen)) == 20 and (np.diff(chosen) > 0).all()
    assert np.bincount(labels[chosen]).tolist() == [14, 5, 1]
    order = rng.permutation(100)
    np.testing.assert_array_equal(np.sort(order[sample(images[order], labels[order], 20)]), chosen)
    assert sample(images, labels, 20, seed=1).tolist() != chosen.tolist()
    np.testing.assert_array_equal(sample(images, labels, 500), np.arange(100))


def test_means_are_over_corruptions_then_severities():
    accuracy = {"gaussian_noise": {1: 0.4, 5: 0.2}, "fog": {1: 0.9, 5: 0.5}, "snow": {1: 0.6, 5: 0.4}}
    assert mean_by_kind(accuracy) == pytest.approx({"noise": 0.3, "weather": 0.6})
    assert mean_accuracy(accuracy) == pytest.approx((0.3 + 0.7 + 0.5) / 3)
