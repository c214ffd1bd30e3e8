"""The figure of an augmentation and its caption."""

import cv2
import pytest

from fer_bench.config.recipe import IMGAUG_POLICIES, Augmentation
from fer_bench.core.errors import UserError
from fer_bench.training.augmentation_preview import describe, plot_augmentation
from fer_bench.training.imgaug_policies import PIPELINES

CLASSES = ("angry", "happy", "sad")


def plot(policy, path, dataset, **options):
    augmentation = Augmentation.model_validate(policy)
    return plot_augmentation(
        augmentation, str(policy), dataset.images, dataset.labels, dataset.classes, path, **options
    )


def test_the_figure_is_reproducible(tmp_path, dataset):
    path = plot("strong", tmp_path / "made" / "strong.png", dataset)
    assert path == tmp_path / "made" / "strong.png"
    image = cv2.imread(str(path))
    assert image.shape[1] > 2 * image.shape[0] > 400  # nine columns, three rows
    assert image.std() > 20
    assert plot("strong", tmp_path / "repeated.png", dataset).read_bytes() == path.read_bytes()
    assert plot("strong", tmp_path / "other.png", dataset, seed=1).read_bytes() != path.read_bytes()


def test_mixed_targets_get_space(tmp_path, dataset):
    plain = cv2.imread(str(plot("standard", tmp_path / "plain.png", dataset)))
    mixed = cv2.imread(str(plot({"policy": "standard", "mixup": 0.2}, tmp_path / "mixed.png", dataset)))
    assert mixed.shape[0] > plain.shape[0]


def test_a_file_that_cannot_be_written_is_a_user_error(tmp_path, dataset):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        plot("none", tmp_path / "file" / "figure.png", dataset)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("none", "nothing is changed"),
        ("light", "flip 0.5, shift ±0.05"),
        ({"policy": "standard", "mixup": 0.2}, "flip 0.5, rotation ±10, shift ±0.08, zoom ±0.1, mixup 0.2"),
        ({"policy": "none", "flip": "alternating"}, "flip alternating"),
        ({"policy": "imgaug:light", "random_erasing": 0.5, "cutmix": 1}, "Flip 0.5, shift ±0.05, cutmix 1"),
    ],
    ids=str,
)
def test_the_caption_lists_nonzero_fields(policy, text):
    assert describe(Augmentation.model_validate(policy)) == text


def test_every_imgaug_policy_has_a_description():
    assert set(PIPELINES) == set(IMGAUG_POLICIES)
    assert len({describe(Augmentation(imgaug=policy)) for policy in IMGAUG_POLICIES}) == len(IMGAUG_POLICIES)
