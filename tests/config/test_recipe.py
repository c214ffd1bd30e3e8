"""Recipes: layers of overrides, and a clear error for an invalid one."""

import pytest
from pydantic import ValidationError

from fer_bench.config.recipe import Recipe, diff, resolve
from fer_bench.core.errors import UserError


def test_no_overrides_give_the_defaults():
    assert resolve() == Recipe() == resolve({}, {})


def test_a_later_layer_overrides_only_its_own_keys():
    recipe = resolve(
        {"epochs": 5, "optimizer": {"name": "sgd", "learning_rate": 0.1}},
        {"epochs": 7, "optimizer": {"learning_rate": 0.2}},
    )
    assert (recipe.epochs, recipe.optimizer.name, recipe.optimizer.learning_rate) == (7, "sgd", 0.2)
    assert recipe.optimizer.weight_decay == Recipe().optimizer.weight_decay


def test_dotted_and_nested_keys_can_be_mixed():
    recipe = resolve(
        {"optimizer.learning_rate": 0.1, "optimizer": {"name": "adam"}},
        {"optimizer.momentum": 0.5, "augmentation.flip": 0},
    )
    assert recipe.optimizer.model_dump() == {
        **Recipe().optimizer.model_dump(),
        "name": "adam",
        "learning_rate": 0.1,
        "momentum": 0.5,
    }
    assert recipe.augmentation.flip == 0 and recipe.augmentation.zoom == Recipe().augmentation.zoom


def test_resolving_does_not_change_the_layers():
    base = {"optimizer": {"name": "sgd"}}
    resolve(base, {"optimizer": {"learning_rate": 0.2}, "schedule.final_lr_ratio": 0.5})
    assert base == {"optimizer": {"name": "sgd"}}


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ({"epoch": 3}, "'epoch'"),
        ({"optimizer.rate": 3}, "unknown key 'optimizer.rate'"),
        ({"optimizer": {"rate": 3}}, "unknown key 'optimizer.rate'"),
        ({"optimizer": {1: 3}}, "unknown key 'optimizer.1'"),
        ({"epochs": 0}, "epochs should be greater than or equal to 1 (given: 0)"),
        ({"epochs": "many"}, "epochs should be a valid integer"),
        ({"epochs.first": 1}, "epochs should be a valid integer"),
        ({"optimizer.name": "lion"}, "optimizer.name should be 'adamw', 'adam', 'sgd', 'schedule_free_adamw' or"),
        ({"optimizer": "adam"}, "optimizer should be a valid dictionary"),
        ({"augmentation.shift": 0.9}, "augmentation.shift should be less than or equal to 0.5"),
        ({"input_size": 4}, "input_size should be greater than or equal to 8"),
        ({"input_size": [[0, 24], [0.5, 4]]}, "input_size.1.1 should be greater than or equal to 8"),
        ({"input_size": "large"}, "input_size should be a valid integer"),
        ({"input_size": [24, 48]}, "a number, or pairs such as"),
        ({"input_size": []}, "a number, or pairs such as"),
        ({"input_size": [[0.2, 24], [0.5, 48]]}, "the first pair of input_size"),
        ({"input_size": [[0, 24], [0.5, 48]], "epochs": 1}, "1 epochs"),
        ({"input_size": [[0, 24], [9, 48]], "epochs": 8}, "8 epochs"),
        ({"input_size": [[0, 24], [0.9, 32], [3, 48]]}, "chronological"),
        ({"precision": "float64"}, "precision should be 'float32'"),
        ({"tta": 10}, "tta should be '1', 'flip' or 'ten-crop' (given: '10')"),
        ({"optimizer.lerning_rate": 3}, "Did you mean 'optimizer.learning_rate'"),
        ({"optimiser.name": "sgd"}, "Did you mean 'optimizer'"),
        ({"augmentation": "strnog"}, "Did you mean 'strong'"),
        ({"augmentation": "imgaug:heavy"}, "unknown policy 'imgaug:heavy'"),
        ({"augmentation.flip": 2}, "flip must be a probability"),
        ({"augmentation": {"policy": "imgaug:light", "flip": "alternating"}}, "flips images itself"),
        ({"tta": "ten-crop"}, "tta 'ten-crop' needs a crop"),
        ({"backbone.trainable_blocks": 0, "initial_weights": "random"}, "random weights"),
        ({"backbone.trainable_blocks": "some"}, "must be 'all', a number, or pairs"),
        ({"backbone.trainable_blocks": -1}, "backbone.trainable_blocks should be"),
        ({"backbone.trainable_blocks": [[0, 2], [0.5, 2]]}, "must grow"),
        ({"backbone.trainable_blocks": [[3, 2], [9, "all"]]}, "first pair"),
        ({"backbone.trainable_blocks": [[0, 0], [9, 2]], "epochs": 8}, "8 epochs"),
        ({"backbone.trainable_blocks": [[0, 0], [0.9, 2], [3, "all"]]}, "chronological"),
        ({"optimizer": {"clip_norm": 1, "clip_value": 1}}, "exclude each other"),
        ({"optimizer": {"name": "schedule_free_adamw", "ema": 0.9}}, "remove ema"),
        ({"class_weights": "balanced", "sampling": "balanced"}, "choose one"),
        ({"optimizer.learning_rate": float("nan")}, "optimizer.learning_rate should be greater than 0"),
    ],
)
def test_an_invalid_recipe_is_an_error_with_its_source(layer, reason):
    with pytest.raises(UserError) as raised:
        resolve(layer, source="the recipe of cnn")
    assert str(raised.value).startswith("the recipe of cnn: ")
    assert reason in str(raised.value) and "\n" not in str(raised.value)


def test_a_recipe_is_immutable():
    with pytest.raises(ValidationError):
        Recipe().epochs = 3  # type: ignore[misc]


def test_diff_has_dotted_keys():
    assert diff(resolve({"epochs": 3, "optimizer.learning_rate": 0.5}), Recipe()) == {
        "epochs": 3,
        "optimizer.learning_rate": 0.5,
    }
    assert diff(Recipe(), Recipe()) == {}
    assert diff(resolve({"patience": None}), Recipe()) == {"patience": None}


def test_a_recipe_is_read_back_from_its_dump():
    recipe = resolve({"patience": None, "optimizer": {"clip_norm": 1}})
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_stages_of_unfreezing_scale_with_the_epochs():
    gradual = {"backbone.trainable_blocks": [[0, 0], [0.3, 2], [0.6, "all"]]}
    assert resolve(gradual, {"epochs": 10}).backbone.stages(10) == {1: 0, 4: 2, 7: "all"}
    assert resolve(gradual, {"epochs": 4}).backbone.stages(4) == {1: 0, 2: 2, 3: "all"}
    by_epoch = resolve({"backbone.trainable_blocks": [[1, 0], [5, "all"]]})
    assert by_epoch.backbone.stages(by_epoch.epochs) == {1: 0, 5: "all"}
    assert Recipe().backbone.stages(3) == {1: "all"} and not Recipe().backbone.freezes


def test_stages_of_the_input_size_combine_with_those_of_unfreezing():
    sizes = {"input_size": [[0, 24], [0.4, 32], [0.8, 48]], "epochs": 5}
    recipe = resolve(sizes)
    assert recipe.stages == {1: ("all", 24), 3: ("all", 32), 5: ("all", 48)}
    assert (recipe.input_sizes, recipe.final_input_size, recipe.final_size_epoch) == ([24, 32, 48], 48, 5)
    both = resolve(sizes, {"backbone.trainable_blocks": [[0, 0], [2, 1], [5, "all"]]})
    assert both.stages == {1: (0, 24), 2: (1, 24), 3: (1, 32), 5: ("all", 48)}
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    plain = resolve({"input_size": 40})
    assert plain.stages == {1: ("all", 40)} and plain.model_dump()["input_size"] == 40
    assert (plain.input_sizes, plain.final_input_size, plain.final_size_epoch) == ([40], 40, 1)


def test_a_policy_sets_all_fields_of_an_augmentation():
    assert resolve({"augmentation": "standard"}).augmentation == Recipe().augmentation
    after = resolve({"augmentation": {"rotation": 45, "mixup": 1}}, {"augmentation": "none"}).augmentation
    assert not any(after.model_dump().values())
    more = resolve({"augmentation": "strong"}, {"augmentation.mixup": 0.2}).augmentation
    assert (
        more.mixup == 0.2 and more.random_erasing == resolve({"augmentation": "strong"}).augmentation.random_erasing > 0
    )
    library = resolve({"augmentation": "imgaug:light"}).augmentation
    assert library.imgaug == "light" and library.rotation == library.flip == 0
