"""Mixup and cutmix: the targets say what is in the pixels."""

import numpy as np
import pytest

from fer_bench.config.recipe import Augmentation
from fer_bench.training.mixing import mix


def mix(images, targets, seed=0, **alphas):
    augmentation = Augmentation.model_validate({"policy": "none", **alphas})
    return mix(images, targets, augmentation, np.random.default_rng(seed))


@pytest.fixture
def batch():
    """Eight even images, from black to white, each a class of its own."""
    shades = np.linspace(0, 252, 8).astype(np.uint8)
    return np.broadcast_to(shades[:, None, None], (8, 20, 30)).copy(), np.eye(8, dtype=np.float32)


def test_without_either_nothing_is_mixed(batch):
    images, targets = mix(*batch)
    assert images is batch[0] and targets is batch[1]


@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}], ids=str)
def test_targets_match_the_pixels(batch, alphas):
    images, one_hot = batch
    before, shades = images.copy(), images[:, 0, 0]
    for seed in range(30):
        x, y = mix(images, one_hot, seed, **alphas)
        assert x.dtype == np.uint8 and x.shape == images.shape and y.dtype == np.float32
        np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(x.mean((1, 2)), y @ shades, atol=0.51)
    np.testing.assert_array_equal(images, before)


def test_mixup_blends_every_pixel(batch):
    x, y = mix(*batch, seed=3, mixup=1.0)
    assert (x == x[:, :1, :1]).all()
    assert len(np.unique(y.max(1).round(5))) <= 2  # one share for the whole batch; an image may meet itself


def test_mixup_keeps_most_of_each_image(batch):
    for seed in range(30):
        _, y = mix(*batch, seed=seed, mixup=0.4)
        assert (np.diag(y) >= 0.5).all()


def test_the_share_follows_alpha(batch):
    """Beta(α, α): a small α leaves images nearly whole, a large one halves them."""

    def shares(alpha):
        return [mix(*batch, seed=seed, mixup=alpha)[1].max(1).min() for seed in range(60)]

    assert np.mean(shares(0.05)) > 0.9
    assert np.mean(shares(50)) < 0.56


def test_cutmix_puts_a_box_of_one_image_into_another(batch):
    images, one_hot = batch
    areas = []
    for seed in range(60):
        x, y = mix(images, one_hot, seed, cutmix=1.0)
        for image, target, old in zip(x, y, images, strict=True):
            rows, columns = np.nonzero(image != old)
            if len(rows):
                height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
                assert len(rows) == height * width  # a full rectangle
                assert height * width / 600 == pytest.approx(1 - target[(images[:, 0, 0] == old[0, 0])][0], abs=1e-5)
                areas.append(height * width / 600)
    assert min(areas) < 0.1 and max(areas) > 0.7


def test_with_both_each_batch_takes_one(batch):
    blended = [(x == x[:, :1, :1]).all() for x, _ in (mix(*batch, seed=s, mixup=1.0, cutmix=1.0) for s in range(100))]
    assert 30 < sum(blended) < 70


def test_soft_targets_are_mixed_too(batch):
    votes = np.random.default_rng(0).dirichlet(np.ones(7), 8).astype(np.float32)
    x, y = mix(batch[0], votes, seed=1, mixup=1.0)
    np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
    assert len(x) == 8 and (y != votes).any()


@pytest.mark.parametrize("alphas", [{"mixup": 1.0}, {"cutmix": 1.0}], ids=str)
def test_the_frames_of_a_sequence_are_mixed_alike(batch, alphas):
    images, one_hot = batch
    x, y = mix(np.repeat(images[:, None], 3, axis=1), one_hot, seed=5, **alphas)
    alone, same = mix(images, one_hot, seed=5, **alphas)
    np.testing.assert_array_equal(x, np.repeat(alone[:, None], 3, axis=1))
    np.testing.assert_array_equal(y, same)
