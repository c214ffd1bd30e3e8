"""Pairs of model and recipe: all that are possible, refused or left out where they are not, and named."""

import re

import pytest

from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.sweep.plan import make_plan
from fer_bench.training import weights


def experiment(**changes) -> Experiment:
    return Experiment(**{"name": "tests", "models": ["tiny"], "datasets": ["made"], **changes})


BACKBONE = (
    '@register_architecture("wanting", family="test", weights="imagenet", recipe={"dropout": 0.1})\n'
    "def wanting(inputs, recipe):\n    return inputs\n"
)


@pytest.fixture
def wanting(scanned, tmp_path, monkeypatch):
    """An architecture with ImageNet weights, and a folder that holds them."""
    scanned(BACKBONE)
    (tmp_path / "wanting_notop.weights.h5").write_bytes(b"weights")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of(plan) -> list[tuple[str, str]]:
    return [(planned.trial.architecture, planned.trial.recipe_name) for planned in plan.trials]


def planned_for(weights_dir, backend="tensorflow", **changes):
    return make_plan(experiment(**changes), DataConfig(weights_dir), weights_dir, backend)


def test_every_possible_pair_of_model_and_recipe_is_a_trial(made, wanting):
    plan = planned_for(wanting, models=["wanting", "tiny*"], recipes=["default", "frozen", "uniform"], seeds=[0, 1])
    pairs = of(plan)[: len(plan.trials) // 2]
    assert pairs[:5] == [
        ("wanting", "default"),
        ("wanting", "frozen"),
        ("wanting", "uniform"),
        ("tiny", "default"),
        ("tiny", "uniform"),
    ]
    assert not [pair for pair in pairs if pair[0] != "wanting" and pair[1] == "frozen"]
    (note,) = plan.notes
    assert note.startswith("Left out as impossible: tiny, tiny_dropout, ")
    assert note.endswith(" × frozen (no ImageNet weights exist).")


def test_a_model_that_was_named_is_not_left_out_even_if_a_pattern_names_it_too(made, wanting):
    with pytest.raises(UserError, match="'tiny' cannot be trained with the recipe 'frozen'"):
        planned_for(wanting, models=["tiny*", "wanting", "tiny"], recipes=["frozen"])
    plan = planned_for(wanting, models=["tiny", "wanting"], recipes=["frozen"], skip_incompatible=True)
    assert of(plan) == [("wanting", "frozen")]


def test_where_nothing_is_left_that_is_said(made, wanting):
    with pytest.raises(UserError, match=r"Nothing is left to train\. Left out as impossible: tiny, .*no ImageNet"):
        planned_for(wanting, models=["tiny*"], recipes=["frozen", "finetune"])


def test_frozen_backbones_without_their_weights_are_refused_or_left_out(made, scanned, tmp_path):
    scanned(BACKBONE)
    for recipe in ({"initial_weights": "imagenet"}, {"backbone.trainable_blocks": 0}):
        with pytest.raises(UserError, match=r"[Nn]o ImageNet weights.* f"):
            planned_for(tmp_path, models=["wanting"], recipe=recipe)
        weights._find.cache_clear()
        with pytest.raises(UserError, match=r"Nothing is left to train.*no ImageNet weights found: see --weights-dir"):
            planned_for(tmp_path, models=["want*"], recipe=recipe)


def test_models_for_sequences_are_left_out_where_there_are_images(made, wanting):
    plan = planned_for(wanting, models=["tiny", "sequence_*"], recipes=["default", "uniform"])
    assert of(plan) == [("tiny", "default"), ("tiny", "uniform")]
    (note,) = plan.notes
    assert re.fullmatch(r"Left out as impossible: sequence_\w+(, \w+)+ \(takes sequences, made holds images\)\.", note)


def test_each_model_is_for_its_own_kind_of_dataset(made):
    asked = experiment(models=["tiny", "sequence_gru"], datasets=["made", "synthetic"])
    pairs = resolve_combinations(asked, {"made": "images", "synthetic": "sequences"})
    assert {p.architecture.name: p.datasets for p in pairs.pairs} == {
        "tiny": ("made",),
        "sequence_gru": ("synthetic",),
    }


def test_two_recipes_that_come_to_the_same_are_run_once_under_the_first_name(made, wanting):
    (wanting / "same.yaml").write_text("recipe: {dropout: 0.1}")
    plan = planned_for(wanting, models=["wanting"], recipes=["default", "same.yaml"])
    assert of(plan) == [("wanting", "default")]
    assert plan.notes == ["Run once, under the first name: 'same' is the same as 'default' for wanting."]


def test_the_name_of_a_recipe_says_what_departs_from_it(made, wanting):
    def name(**changes) -> str:
        (pair,) = resolve_combinations(experiment(models=["wanting"], **changes)).pairs
        return pair.full_recipe_name

    assert name(recipes=["frozen"]) == "frozen"
    assert name(recipes=["frozen"], recipe={"epochs": 3, "initial_weights": "auto"}) == "frozen, epochs=3"
    assert name(recipes=["gradual"], recipe={"epochs": 8, "backbone.trainable_blocks": [[0, 0], [0.5, "all"]]}) == (
        "gradual, backbone.trainable_blocks=0:0 0.5:all, epochs=8"
    )
    assert name(recipe={"augmentation": "strong", "epochs": 3}) == "default, epochs=3, augmentation=strong"
    assert name(recipe={"augmentation.flip": 0}) == "default, augmentation.flip=0"


def test_a_recipe_that_needs_what_the_experiment_adds_has_a_name_all_the_same(made, wanting):
    (wanting / "long.yaml").write_text("recipe: {backbone.trainable_blocks: [[0, 0], [40, all]]}")
    (pair,) = resolve_combinations(experiment(models=["wanting"], recipes=["long.yaml"], recipe={"epochs": 50})).pairs
    assert pair.full_recipe_name == "long, backbone.trainable_blocks=0:0 40:all, epochs=50"


def test_a_slower_backbone_is_refused_on_torch(made, wanting):
    with pytest.raises(UserError, match="learning_rate_factor is not possible on the Torch backend"):
        planned_for(wanting, "torch", models=["wanting"], recipes=["finetune"])
