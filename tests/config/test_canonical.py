"""What of a recipe stands in a trial: keys of before stay, and cached views are told where they have a bearing."""

import pytest

from fer_bench.config.canonical import DEFAULT_CACHED_AUGMENTATIONS, num_cached_augmentations, canonical_recipe
from fer_bench.config.recipe import Recipe, resolve

FROZEN = {"backbone.trainable_blocks": 0, "epochs": 10}
NONE = {"augmentation": "none"}


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"backbone.trainable_blocks": 2},
        {"backbone.trainable_blocks": [[0, 1], [0.5, "all"]]},
        {**FROZEN, "augmentation.mixup": 0.2},
        {**FROZEN, "augmentation.cutmix": 0.2, "backbone.cached_augmentations": 3},
        {"backbone.cached_augmentations": 3},
    ],
)
def test_a_recipe_that_caches_nothing_stands_in_a_trial_as_it_always_did(recipe):
    """Whoever changes it sends every recorded trial back to training."""
    expected = resolve(recipe).model_dump(mode="json")
    del expected["backbone"]["cached_augmentations"], expected["out_of_memory"]
    assert canonical_recipe(resolve(recipe)) == expected
    allowed = canonical_recipe(resolve(recipe, {"out_of_memory": "halve"}))
    assert allowed == expected | {"out_of_memory": "halve"}
    assert set(expected["backbone"]) == {"trainable_blocks", "learning_rate_factor"}
    assert num_cached_augmentations(resolve(recipe)) == 0


@pytest.mark.parametrize(
    ("recipe", "views"),
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
def test_a_frozen_backbone_is_cached_in_no_more_views_than_are_seen(recipe, views):
    resolved = resolve(FROZEN, recipe)
    assert num_cached_augmentations(resolved) == views
    assert canonical_recipe(resolved)["backbone"]["cached_augmentations"] == views


@pytest.mark.parametrize("recipe", [{}, FROZEN, {**FROZEN, "backbone.cached_augmentations": 0}, {**FROZEN, **NONE}], ids=str)
def test_a_trials_recipe_is_read_back_as_what_it_was(recipe):
    said = canonical_recipe(resolve(recipe))
    assert canonical_recipe(Recipe.model_validate(said)) == said
    assert num_cached_augmentations(Recipe.model_validate(said)) == num_cached_augmentations(resolve(recipe))


def test_two_ways_to_ask_for_the_same_views_are_one_trial():
    said = canonical_recipe(resolve(FROZEN, {"backbone.cached_augmentations": DEFAULT_CACHED_AUGMENTATIONS}))
    assert said == canonical_recipe(resolve(FROZEN)) != canonical_recipe(resolve(FROZEN, {"backbone.cached_augmentations": 0}))
