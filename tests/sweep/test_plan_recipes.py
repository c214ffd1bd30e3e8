"""Recipes in a plan: initial weights, backends, and recipes that resolve to the same trial."""

import pytest

from fer_bench.config.experiment import Experiment
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.sweep.plan import make_plan
from fer_bench.training import weights

PRETRAINED = (
    '@register_architecture("pretrained", family="test", weights="imagenet", recipe={"dropout": 0.1})\n'
    "def pretrained(inputs, recipe):\n    return inputs\n"
)


@pytest.fixture
def plan(made, scanned, tmp_path):
    """Plan trials of an architecture with ImageNet weights, which lie in `tmp_path` if the test puts them there."""
    scanned(PRETRAINED)

    def plan(backend="tensorflow", **fields):
        experiment = Experiment(**{"name": "tests", "models": ["pretrained"], "datasets": ["made"], **fields})
        return make_plan(experiment, DataConfig(tmp_path), tmp_path, backend)

    return plan


@pytest.fixture
def weights_file(tmp_path):
    (tmp_path / "pretrained_notop.weights.h5").write_bytes(b"weights")


@pytest.mark.parametrize("recipe", [{"initial_weights": "imagenet"}, {"backbone.trainable_blocks": 0}], ids=str)
def test_a_recipe_whose_weights_are_missing_is_refused_or_skipped(plan, recipe):
    with pytest.raises(UserError, match=r"[Nn]o ImageNet weights"):
        plan(recipe=recipe)
    weights._find.cache_clear()
    with pytest.raises(UserError, match=r"nothing to train.*no ImageNet weights found"):
        plan(models=["pretr*"], recipe=recipe)


def test_recipes_that_resolve_to_the_same_trial_run_once_under_the_first_name(plan, weights_file, tmp_path):
    file = tmp_path / "same.yaml"
    file.write_text("recipe: {dropout: 0.1}")
    planned = plan(recipes=["default", str(file)])
    assert [trial.trial.recipe_name for trial in planned.trials] == ["default"]
    (note,) = planned.notes
    assert "'same'" in note and "'default'" in note


def test_a_slower_backbone_is_refused_on_torch(plan, weights_file):
    with pytest.raises(UserError, match="learning_rate_factor"):
        plan("torch", recipes=["finetune"])
    with pytest.raises(UserError, match="norm_bias_lr_factor"):
        plan("torch", recipe={"optimizer.norm_bias_lr_factor": 64})
