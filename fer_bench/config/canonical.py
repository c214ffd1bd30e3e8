"""The canonical form of a recipe, as part of a trial and of its key."""

from __future__ import annotations

from typing import Any

from fer_bench.config.recipe import Recipe

DEFAULT_CACHED_AUGMENTATIONS = 4  # per image, for recipes that change the images and do not set the number


def canonical_recipe(recipe: Recipe) -> dict[str, Any]:
    """Return all fields as JSON, without those that have no effect.

    `backbone.cached_augmentations` is resolved to a number, or omitted if nothing can be cached. `out_of_memory` is
    omitted if it is "fail", and `pretraining` if there is none.
    """
    fields = recipe.model_dump(mode="json")
    if recipe.out_of_memory == "fail":
        del fields["out_of_memory"]
    if recipe.pretraining is None:
        del fields["pretraining"]
    if _is_cacheable(recipe):
        fields["backbone"]["cached_augmentations"] = num_cached_augmentations(recipe)
    else:
        del fields["backbone"]["cached_augmentations"]
    return fields


def num_cached_augmentations(recipe: Recipe) -> int:
    """Return for how many augmentations of each training image the features of the frozen backbone are cached.

    The number is at most one per frozen epoch, and one if the recipe changes no image. It is 0 if the recipe mixes
    images, because the features of a mixed image are not a mixture of features, or changes the input size, because
    features belong to one size.
    """
    if not _is_cacheable(recipe):
        return 0
    requested = recipe.backbone.cached_augmentations
    if requested is None:
        requested = DEFAULT_CACHED_AUGMENTATIONS
    augmented = recipe.crop is not None or any(recipe.augmentation.model_dump(exclude={"mixup", "cutmix"}).values())
    return min(requested, _num_frozen_epochs(recipe) if augmented else 1)


def _is_cacheable(recipe: Recipe) -> bool:
    mixes = bool(recipe.augmentation.mixup or recipe.augmentation.cutmix)
    return _num_frozen_epochs(recipe) > 0 and not mixes and len(recipe.input_sizes) == 1


def _num_frozen_epochs(recipe: Recipe) -> int:
    """Return how many epochs train no block of the backbone. They are the first ones, because stages only grow."""
    first, *later = recipe.backbone.stages(recipe.epochs).items()
    end = later[0][0] - 1 if later else recipe.epochs
    return end if first[1] == 0 else 0
