"""Corruptions: the fifteen of the paper, equal for every model, with the defined strength."""

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.evaluation.corruptions import (
    CORRUPTIONS,
    SEEDED_CORRUPTIONS,
    SEVERITIES,
    corrupt,
    library_versions,
    mean_accuracy,
    mean_accuracy_by_type,
    stratified_sample,
)


@pytest.fixture(scope="module")
def images():
    """Four smooth 48×48 images, each with a bright disc in another position."""
    rows, columns = np.mgrid[:48, :48]
    centers = [(14, 14), (14, 34), (34, 14), (30, 30)]
    discs = [160 * (np.hypot(rows - y, columns - x) < 11) + rows + 20 for y, x in centers]
    return np.array(discs, np.uint8)


def test_the_corruptions_are_the_common_ones_of_the_library():
    from imagecorruptions import get_corruption_names

    assert list(CORRUPTIONS) == get_corruption_names("common") and len(CORRUPTIONS) == 15
    assert library_versions()["imagecorruptions-imaug"]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_higher_severity_changes_an_image_more(name, images):
    distance = {}
    for severity in (SEVERITIES[0], SEVERITIES[-1]):
        corrupted = corrupt(images, name, severity)
        assert corrupted.shape == images.shape and corrupted.dtype == np.uint8
        distance[severity] = np.abs(corrupted.astype(float) - images).mean()
    assert 0 < distance[1] < distance[5]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruption_depends_on_neither_order_nor_global_random_state(name, images):
    expected = corrupt(images, name, 3)
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    np.testing.assert_array_equal(corrupt(images[::-1], name, 3)[::-1], expected)
    np.testing.assert_array_equal(corrupt(images[2:3], name, 3)[0], expected[2])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # the global generator is unchanged


@pytest.mark.parametrize("name", ["gaussian_noise", "snow", "frost", *SEEDED_CORRUPTIONS])
def test_noise_depends_on_the_seed_and_the_image(name, images):
    assert (corrupt(images, name, 2) != corrupt(images, name, 2, seed=1)).any()
    darker = images - 1
    same_noise = np.abs(corrupt(darker, name, 2).astype(int) - corrupt(images, name, 2)) <= 1
    assert same_noise.mean() < 0.95


def test_noise_of_a_gray_image_has_the_defined_strength():
    gray = np.full((3, 64, 64), 128, np.uint8)
    for severity, scale in ((1, 0.08), (2, 0.12)):
        assert corrupt(gray, "gaussian_noise", severity).std() == pytest.approx(255 * scale, rel=0.03)


def test_images_need_not_be_square():
    assert corrupt(np.full((1, 40, 70), 90, np.uint8), "snow", 4).shape == (1, 40, 70)


@pytest.mark.parametrize(("shape", "word"), [((2, 31, 48), "31×48"), ((2, 3, 48, 48), "sequences")])
def test_unsupported_images_and_unknown_corruptions_are_errors(shape, word):
    with pytest.raises(UserError, match=word):
        corrupt(np.zeros(shape, np.uint8), "fog", 1)
    for name, severity in (("saturate", 1), ("fog", 6)):
        with pytest.raises(ValueError, match=name):
            corrupt(np.zeros((1, 48, 48), np.uint8), name, severity)


def test_a_sample_is_stratified_and_independent_of_the_order():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1, 2], [70, 25, 5])
    images = rng.integers(0, 256, (100, 4, 4), dtype=np.uint8)
    selected = stratified_sample(images, labels, 20)
    assert len(np.unique(selected)) == 20 and (np.diff(selected) > 0).all()
    assert np.bincount(labels[selected]).tolist() == [14, 5, 1]
    order = rng.permutation(100)
    np.testing.assert_array_equal(np.sort(order[stratified_sample(images[order], labels[order], 20)]), selected)
    assert stratified_sample(images, labels, 20, seed=1).tolist() != selected.tolist()
    np.testing.assert_array_equal(stratified_sample(images, labels, 500), np.arange(100))


def test_means_are_over_corruptions_then_severities():
    accuracy = {"gaussian_noise": {1: 0.4, 5: 0.2}, "fog": {1: 0.9, 5: 0.5}, "snow": {1: 0.6, 5: 0.4}}
    assert mean_accuracy_by_type(accuracy) == pytest.approx({"noise": 0.3, "weather": 0.6})
    assert mean_accuracy(accuracy) == pytest.approx((0.3 + 0.7 + 0.5) / 3)
