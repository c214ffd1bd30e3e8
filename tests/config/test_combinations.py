"""Combinations of model and recipe: all compatible ones, with the others skipped or refused."""

import pytest

from fer_bench.config.combinations import Combinations, resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.core.errors import UserError

IMAGES = {"synthetic": "images"}


def resolve(input_kinds=IMAGES, **fields) -> Combinations:
    experiment = {"name": "tests", "models": ["cnn_small"], "datasets": list(input_kinds), **fields}
    return resolve_combinations(Experiment(**experiment), input_kinds)


def names(combinations: Combinations) -> list[tuple[str, str]]:
    return [(pair.architecture.name, pair.full_recipe_name) for pair in combinations.pairs]


def test_every_compatible_pair_of_model_and_recipe_is_resolved():
    combinations = resolve(models=["vgg16", "cnn_s*", "cnn"], recipes=["default", "uniform"])
    models = ("vgg16", "cnn_small", "cnn")
    assert names(combinations) == [(model, recipe) for model in models for recipe in ("default", "uniform")]
    assert combinations.notes() == []


def test_incompatible_pairs_of_a_pattern_are_skipped_and_listed():
    combinations = resolve(models=["vgg16", "cnn_s*", "mini*"], recipes=["default", "frozen"])
    assert names(combinations) == [
        ("vgg16", "default"),
        ("vgg16", "frozen"),
        ("cnn_small", "default"),
        ("mini_xception", "default"),
    ]
    (note,) = combinations.notes()
    assert "cnn_small, mini_xception × frozen (no ImageNet weights exist)" in note


def test_a_model_requested_by_name_is_not_skipped_even_if_a_pattern_selects_it_too():
    with pytest.raises(UserError, match=r"'cnn_small'.*'frozen'"):
        resolve(models=["cnn*", "vgg16", "cnn_small"], recipes=["frozen"])
    combinations = resolve(models=["cnn_small", "vgg16"], recipes=["frozen"], skip_incompatible=True)
    assert names(combinations) == [("vgg16", "frozen")]


def test_an_experiment_without_compatible_pairs_is_an_error():
    with pytest.raises(UserError, match=r"nothing to train.*cnn.*no ImageNet"):
        resolve(models=["cnn*"], recipes=["frozen", "finetune"])


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"backbone.trainable_blocks": 0}, "no pretrained backbone"),
        ({"backbone.learning_rate_factor": 0.1}, "no pretrained backbone"),
        ({"initial_weights": "imagenet"}, "no ImageNet weights"),
        ({"input_size": 8}, "input_size 8"),
        ({"input_size": [[0, 8], [0.5, 48]]}, "input_size 8"),
    ],
)
def test_an_incompatible_pair_is_refused_with_the_reason(recipe, reason):
    with pytest.raises(UserError, match=reason):
        resolve(recipe=recipe)


def test_an_architecture_whose_weights_depend_on_the_size_is_trained_at_one_size_only():
    stages = {"input_size": [[0, 32], [0.5, 48]]}
    combinations = resolve(models=["cnn_s*", "cnn_rnn"], recipe=stages, skip_incompatible=True)
    assert names(combinations) == [("cnn_small", "default, input_size=0:32 0.5:48")]
    (note,) = combinations.notes()
    assert "cnn_rnn (its weights depend on the input size" in note
    with pytest.raises(UserError, match=r"'cnn_rnn'.*depend on the input size"):
        resolve(models=["cnn_rnn"], recipe=stages)
    assert names(resolve(models=["cnn_rnn"], recipe={"input_size": 32})) == [("cnn_rnn", "default, input_size=32")]


def test_models_of_sequences_are_skipped_for_images():
    combinations = resolve(models=["cnn_small", "sequence_g*"], recipes=["default", "uniform"])
    assert names(combinations) == [("cnn_small", "default"), ("cnn_small", "uniform")]
    (note,) = combinations.notes()
    assert "sequence_gru (it needs sequences, synthetic has images)" in note


def test_each_model_is_paired_with_datasets_of_its_input_kind():
    kinds = {"synthetic": "images", "ckplus": "sequences"}
    combinations = resolve(kinds, models=["cnn_small", "sequence_gru"])
    assert {pair.architecture.name: pair.datasets for pair in combinations.pairs} == {
        "cnn_small": ("synthetic",),
        "sequence_gru": ("ckplus",),
    }


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"recipes": ["frozen"]}, "frozen"),
        ({"recipes": ["frozen"], "recipe": {"epochs": 3, "initial_weights": "auto"}}, "frozen, epochs=3"),
        (
            {"recipes": ["gradual"], "recipe": {"epochs": 8, "backbone.trainable_blocks": [[0, 0], [0.5, "all"]]}},
            "gradual, backbone.trainable_blocks=0:0 0.5:all, epochs=8",
        ),
        ({"recipe": {"augmentation": "strong", "epochs": 3}}, "default, epochs=3, augmentation=strong"),
        ({"recipe": {"augmentation.flip": 0}}, "default, augmentation.flip=0"),
    ],
)
def test_the_full_name_of_a_recipe_lists_the_overrides(fields, name):
    assert names(resolve(models=["resnet50"], **fields)) == [("resnet50", name)]


def test_a_recipe_that_needs_an_override_of_the_experiment_has_a_name(tmp_path):
    file = tmp_path / "long.yaml"
    file.write_text("recipe: {backbone.trainable_blocks: [[0, 0], [40, all]]}")
    combinations = resolve(models=["resnet50"], recipes=[str(file)], recipe={"epochs": 50})
    assert names(combinations) == [("resnet50", "long, backbone.trainable_blocks=0:0 40:all, epochs=50")]
