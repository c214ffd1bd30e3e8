"""Recipes as part of a trial: fields without effect are omitted, so that equal training has equal keys."""

import pytest

from fer_bench.config.canonical import DEFAULT_CACHED_AUGMENTATIONS, canonical_recipe, num_cached_augmentations
from fer_bench.config.recipe import Recipe, resolve

FROZEN = {"backbone.trainable_blocks": 0, "epochs": 10}
NONE = {"augmentation": "none"}


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"backbone.trainable_blocks": 2},
        FROZEN | {"input_size": [[0, 32], [0.5, 48]]},
        {"backbone.trainable_blocks": [[0, 1], [0.5, "all"]]},
        {**FROZEN, "augmentation.mixup": 0.2},
        {**FROZEN, "augmentation.cutmix": 0.2, "backbone.cached_augmentations": 3},
        {"backbone.cached_augmentations": 3},
    ],
)
def test_fields_without_effect_are_omitted(recipe):
    expected = resolve(recipe).model_dump(mode="json")
    del expected["backbone"]["cached_augmentations"], expected["out_of_memory"], expected["pretraining"]
    assert canonical_recipe(resolve(recipe)) == expected
    assert canonical_recipe(resolve(recipe, {"out_of_memory": "halve"})) == expected | {"out_of_memory": "halve"}
    assert num_cached_augmentations(resolve(recipe)) == 0


@pytest.mark.parametrize(
    ("recipe", "count"),
    [
        ({}, DEFAULT_CACHED_AUGMENTATIONS),
        ({"backbone.cached_augmentations": 6}, 6),
        ({"backbone.cached_augmentations": 0}, 0),
        ({"backbone.cached_augmentations": 60}, 10),
        ({"epochs": 1}, 1),
        (NONE, 1),
        ({**NONE, "backbone.cached_augmentations": 6}, 1),
        ({**NONE, "backbone.cached_augmentations": 0}, 0),
        ({**NONE, "crop": 40}, DEFAULT_CACHED_AUGMENTATIONS),
        ({"augmentation": "imgaug:light"}, DEFAULT_CACHED_AUGMENTATIONS),
        ({"augmentation": {"policy": "none", "random_erasing": 0.1}}, DEFAULT_CACHED_AUGMENTATIONS),
        ({"backbone.trainable_blocks": [[0, 0], [0.3, 2]], "backbone.cached_augmentations": 6}, 3),
        ({"backbone.trainable_blocks": [[0, 0], [8, 2]], "backbone.cached_augmentations": 6}, 6),
    ],
    ids=str,
)
def test_no_more_augmentations_are_cached_than_frozen_epochs_use(recipe, count):
    resolved = resolve(FROZEN, recipe)
    assert num_cached_augmentations(resolved) == count
    assert canonical_recipe(resolved)["backbone"]["cached_augmentations"] == count


@pytest.mark.parametrize(
    "recipe", [{}, FROZEN, {**FROZEN, "backbone.cached_augmentations": 0}, {**FROZEN, **NONE}], ids=str
)
def test_a_canonical_recipe_is_read_back_unchanged(recipe):
    canonical = canonical_recipe(resolve(recipe))
    assert canonical_recipe(Recipe.model_validate(canonical)) == canonical


def test_an_explicit_default_resolves_to_the_same_trial():
    explicit = canonical_recipe(resolve(FROZEN, {"backbone.cached_augmentations": DEFAULT_CACHED_AUGMENTATIONS}))
    assert explicit == canonical_recipe(resolve(FROZEN))
    assert explicit != canonical_recipe(resolve(FROZEN, {"backbone.cached_augmentations": 0}))
