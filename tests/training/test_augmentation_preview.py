"""The picture of an augmentation: a file that shows it, and says what it is made of."""

import cv2
import pytest

from fer_bench.config.recipe import IMGAUG_POLICIES, Augmentation
from fer_bench.core.errors import UserError
from fer_bench.training.augmentation_preview import describe, plot_augmentation
from fer_bench.training.imgaug_policies import PIPELINES

CLASSES = ("angry", "happy", "sad")


def show(policy, path, dataset, **options):
    augmentation = Augmentation.model_validate(policy)
    return plot_augmentation(
        augmentation, str(policy), dataset.images, dataset.labels, dataset.classes, path, **options
    )


def test_a_picture_is_drawn_and_the_same_again(tmp_path, dataset):
    path = show("strong", tmp_path / "made" / "strong.png", dataset)
    assert path == tmp_path / "made" / "strong.png"
    picture = cv2.imread(str(path))
    assert picture.shape[1] > 2 * picture.shape[0] > 400  # nine columns, three rows
    assert picture.std() > 20
    assert show("strong", tmp_path / "again.png", dataset).read_bytes() == path.read_bytes()
    assert show("strong", tmp_path / "other.png", dataset, seed=1).read_bytes() != path.read_bytes()


def test_mixing_makes_room_for_the_targets(tmp_path, dataset):
    plain = cv2.imread(str(show("standard", tmp_path / "plain.png", dataset)))
    mixed = cv2.imread(str(show({"policy": "standard", "mixup": 0.2}, tmp_path / "mixed.png", dataset)))
    assert mixed.shape[0] > plain.shape[0]


def test_a_picture_that_cannot_be_written_is_the_users_to_mend(tmp_path, dataset):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        show("none", tmp_path / "file" / "picture.png", dataset)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("none", "nothing is changed"),
        ("light", "flip 0.5, shift ±0.05"),
        ({"policy": "standard", "mixup": 0.2}, "flip 0.5, rotation ±10, shift ±0.08, zoom ±0.1, mixup 0.2"),
        ({"policy": "imgaug:light", "random_erasing": 0.5, "cutmix": 1}, "Flip 0.5, shift ±0.05, cutmix 1"),
    ],
    ids=str,
)
def test_the_caption_holds_the_numbers_that_count(policy, said):
    assert describe(Augmentation.model_validate(policy)) == said


def test_every_policy_of_the_library_is_there_and_says_what_it_does():
    assert set(PIPELINES) == set(IMGAUG_POLICIES)
    assert len({describe(Augmentation(imgaug=policy)) for policy in IMGAUG_POLICIES}) == len(IMGAUG_POLICIES)
