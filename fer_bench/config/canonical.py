"""A recipe as it stands in a trial, and so in its key: what came later stands there only where it has a bearing."""

from __future__ import annotations

from typing import Any

from fer_bench.config.recipe import Augmentation, Recipe

DEFAULT_CACHED_AUGMENTATIONS = 4  # of each image, where the recipe changes the images and does not say


def canonical_recipe(recipe: Recipe) -> dict[str, Any]:
    """All fields as JSON. `backbone.cached_augmentations` is resolved, and left out where it changes nothing.

    So the keys of trials without a frozen backbone are what they were before there was that field; and so with
    `out_of_memory`, which changes nothing where it is "fail".
    """
    fields = recipe.model_dump(mode="json")
    if recipe.out_of_memory == "fail":
        del fields["out_of_memory"]
    if _is_cacheable(recipe):
        fields["backbone"]["cached_augmentations"] = num_cached_augmentations(recipe)
    else:
        del fields["backbone"]["cached_augmentations"]
    return fields


def num_cached_augmentations(recipe: Recipe) -> int:
    """Views of each training image whose features are computed once while the whole backbone is frozen; 0: none.

    At most one for each frozen epoch, and one where the recipe changes no image. None where it mixes images: the
    features of a mixed image are not those of its parts.
    """
    if not _is_cacheable(recipe):
        return 0
    asked = recipe.backbone.cached_augmentations
    changes = _changes_images(recipe.augmentation) or recipe.crop is not None
    return min(DEFAULT_CACHED_AUGMENTATIONS if asked is None else asked, _frozen_epochs(recipe) if changes else 1)


def _is_cacheable(recipe: Recipe) -> bool:
    return _frozen_epochs(recipe) > 0 and not (recipe.augmentation.mixup or recipe.augmentation.cutmix)


def _frozen_epochs(recipe: Recipe) -> int:
    """How many epochs train no block of the backbone. They are the first: unfreezing only ever grows."""
    first, *later = recipe.backbone.stages(recipe.epochs).items()
    ends = later[0][0] - 1 if later else recipe.epochs
    return ends if first[1] == 0 else 0


def _changes_images(augmentation: Augmentation) -> bool:
    return any(augmentation.model_dump(exclude={"mixup", "cutmix"}).values())
