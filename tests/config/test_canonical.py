"""What of a recipe stands in a trial: keys of before stay, and cached views are told where they have a bearing."""

import pytest

from fer_bench.config.canonical import VIEWS, cached_views, specification
from fer_bench.config.recipe import Recipe, resolve

FROZEN = {"backbone.trained_blocks": 0, "epochs": 10}
NONE = {"augmentation": "none"}


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"backbone.trained_blocks": 2},
        {"backbone.trained_blocks": [[0, 1], [0.5, "all"]]},
        {**FROZEN, "augmentation.mixup": 0.2},
        {**FROZEN, "augmentation.cutmix": 0.2, "backbone.cached_views": 3},
        {"backbone.cached_views": 3},
    ],
)
def test_a_recipe_that_caches_nothing_stands_in_a_trial_as_it_always_did(recipe):
    """Whoever changes it sends every recorded trial back to training."""
    expected = resolve(recipe).model_dump(mode="json")
    del expected["backbone"]["cached_views"], expected["out_of_memory"]
    assert specification(resolve(recipe)) == expected
    allowed = specification(resolve(recipe, {"out_of_memory": "halve"}))
    assert allowed == expected | {"out_of_memory": "halve"}
    assert set(expected["backbone"]) == {"trained_blocks", "learning_rate_factor"}
    assert cached_views(resolve(recipe)) == 0


@pytest.mark.parametrize(
    ("recipe", "views"),
    [
        ({}, VIEWS),
        ({"backbone.cached_views": 6}, 6),
        ({"backbone.cached_views": 0}, 0),
        ({"backbone.cached_views": 60}, 10),
        ({"epochs": 1}, 1),
        (NONE, 1),
        ({**NONE, "backbone.cached_views": 6}, 1),
        ({**NONE, "backbone.cached_views": 0}, 0),
        ({**NONE, "crop": 40}, VIEWS),
        ({"augmentation": "imgaug:light"}, VIEWS),
        ({"augmentation": {"policy": "none", "erasing": 0.1}}, VIEWS),
        ({"backbone.trained_blocks": [[0, 0], [0.3, 2]], "backbone.cached_views": 6}, 3),
        ({"backbone.trained_blocks": [[0, 0], [8, 2]], "backbone.cached_views": 6}, 6),
    ],
    ids=str,
)
def test_a_frozen_backbone_is_cached_in_no_more_views_than_are_seen(recipe, views):
    resolved = resolve(FROZEN, recipe)
    assert cached_views(resolved) == views
    assert specification(resolved)["backbone"]["cached_views"] == views


@pytest.mark.parametrize("recipe", [{}, FROZEN, {**FROZEN, "backbone.cached_views": 0}, {**FROZEN, **NONE}], ids=str)
def test_a_trials_recipe_is_read_back_as_what_it_was(recipe):
    said = specification(resolve(recipe))
    assert specification(Recipe.model_validate(said)) == said
    assert cached_views(Recipe.model_validate(said)) == cached_views(resolve(recipe))


def test_two_ways_to_ask_for_the_same_views_are_one_trial():
    said = specification(resolve(FROZEN, {"backbone.cached_views": VIEWS}))
    assert said == specification(resolve(FROZEN)) != specification(resolve(FROZEN, {"backbone.cached_views": 0}))
