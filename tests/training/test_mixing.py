"""Mixup and CutMix: the targets match the pixels."""

import numpy as np
import pytest

from fer_bench.config.recipe import Augmentation
from fer_bench.training.mixing import mix


def mix_batch(images, targets, seed=0, **alphas):
    augmentation = Augmentation.model_validate({"policy": "none", **alphas})
    return mix(images, targets, augmentation, np.random.default_rng(seed))


@pytest.fixture
def batch():
    """Return eight uniform images from black to white, each of another class."""
    shades = np.linspace(0, 252, 8).astype(np.uint8)
    return np.broadcast_to(shades[:, None, None], (8, 20, 30)).copy(), np.eye(8, dtype=np.float32)


def test_without_mixup_and_cutmix_nothing_changes(batch):
    images, targets = mix_batch(*batch)
    assert images is batch[0] and targets is batch[1]


@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}], ids=str)
def test_targets_match_the_pixels(batch, alphas):
    images, one_hot = batch
    before, shades = images.copy(), images[:, 0, 0]
    for seed in range(30):
        x, y = mix_batch(images, one_hot, seed, **alphas)
        assert x.dtype == np.uint8 and x.shape == images.shape and y.dtype == np.float32
        np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(x.mean((1, 2)), y @ shades, atol=0.51)
    np.testing.assert_array_equal(images, before)


def test_mixup_blends_every_pixel(batch):
    x, y = mix_batch(*batch, seed=3, mixup=1.0)
    assert (x == x[:, :1, :1]).all()
    assert len(np.unique(y.max(1).round(5))) <= 2  # one coefficient per batch; an image may be mixed with itself


def test_each_image_is_the_larger_part_of_its_mixture(batch):
    for seed in range(30):
        _, y = mix_batch(*batch, seed=seed, mixup=0.4)
        assert (np.diag(y) >= 0.5).all()


def test_the_coefficient_follows_alpha(batch):
    """The coefficient has a Beta(α, α) distribution: near 0 or 1 for small α, near 1/2 for large α."""

    def coefficients(alpha):
        return [mix_batch(*batch, seed=seed, mixup=alpha)[1].max(1).min() for seed in range(60)]

    assert np.mean(coefficients(0.05)) > 0.9
    assert np.mean(coefficients(50)) < 0.56


def test_cutmix_pastes_a_box_of_another_image(batch):
    images, one_hot = batch
    areas = []
    for seed in range(60):
        x, y = mix_batch(images, one_hot, seed, cutmix=1.0)
        for image, target, old in zip(x, y, images, strict=True):
            rows, columns = np.nonzero(image != old)
            if len(rows):
                height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
                assert len(rows) == height * width  # a full rectangle
                assert height * width / 600 == pytest.approx(1 - target[(images[:, 0, 0] == old[0, 0])][0], abs=1e-5)
                areas.append(height * width / 600)
    assert min(areas) < 0.1 and max(areas) > 0.7


def test_with_both_methods_each_batch_uses_one(batch):
    images = [mix_batch(*batch, seed=seed, mixup=1.0, cutmix=1.0)[0] for seed in range(100)]
    blended = [(x == x[:, :1, :1]).all() for x in images]
    assert 30 < sum(blended) < 70


def test_soft_targets_are_mixed(batch):
    votes = np.random.default_rng(0).dirichlet(np.ones(7), 8).astype(np.float32)
    x, y = mix_batch(batch[0], votes, seed=1, mixup=1.0)
    np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
    assert len(x) == 8 and (y != votes).any()


@pytest.mark.parametrize("alphas", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=str)
def test_all_frames_of_a_sequence_are_mixed_in_the_same_way(batch, alphas):
    images, one_hot = batch
    x, y = mix_batch(np.repeat(images[:, None], 3, axis=1), one_hot, seed=5, **alphas)
    single, expected = mix_batch(images, one_hot, seed=5, **alphas)
    np.testing.assert_array_equal(x, np.repeat(single[:, None], 3, axis=1))
    np.testing.assert_array_equal(y, expected)
