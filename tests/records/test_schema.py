"""The key of a trial depends on everything that determines the outcome, and on nothing else."""

import pytest
from sample_records import COSTS, make_epoch, make_record, make_trial

from fer_bench.records.schema import Record, Trial

RECIPE = {"epochs": 3, "optimizer": {"name": "adamw", "learning_rate": 1e-3}, "precision": "float32"}
TRIAL = make_trial().model_copy(update={"dataset": "fer2013", "recipe": RECIPE, "procedure_version": 1})


def test_the_key_of_a_known_trial_does_not_change():
    """A change of keys would train every recorded trial again."""
    assert TRIAL.key == "a6b53240345cbaebaecbaf415c99b98d1b9477c986cce192e82ae8a0e7f382b9"


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": "vgg16"},
        {"source_digest": "c" * 64},
        {"dataset": "synthetic"},
        {"fingerprint": "c" * 64},
        {"protocol": "folds"},
        {"fold": 1},
        {"recipe": {**TRIAL.recipe, "epochs": 4}},
        {"recipe": {**TRIAL.recipe, "optimizer": {"name": "adamw", "learning_rate": 2e-3}}},
        {"recipe": {**TRIAL.recipe, "precision": "mixed_bfloat16"}},
        {"initial_weights": "imagenet:0123456789abcdef"},
        {"seed": 1},
        {"backend": "jax"},
        {"procedure_version": 2},
    ],
    ids=lambda change: "-".join(change),
)
def test_the_key_depends_on_every_field_that_determines_the_outcome(change):
    assert TRIAL.model_copy(update=change).key != TRIAL.key


def test_every_other_field_is_a_label():
    varied = TRIAL.model_copy(update={"recipe_name": "default, epochs=3"})
    assert varied.key == TRIAL.key
    outcome = set(Trial.model_fields) - {"recipe_name"}
    assert outcome == {
        *("architecture", "source_digest", "dataset", "fingerprint", "protocol", "fold", "recipe", "initial_weights"),
        *("seed", "backend", "procedure_version"),
    }, "add a new field to the test above or to the labels"


def test_the_key_does_not_depend_on_the_order_of_the_recipe():
    assert TRIAL.model_copy(update={"recipe": dict(reversed(TRIAL.recipe.items()))}).key == TRIAL.key


def test_a_record_read_from_json_is_equal_and_has_the_same_key():
    before = make_record(trial=TRIAL, history=[make_epoch(1, 0.3)], costs=COSTS)
    after = Record.model_validate_json(before.model_dump_json())
    assert after == before
    assert after.trial.key == TRIAL.key


def test_costs_that_were_not_measured_may_be_missing():
    text = make_record(costs=COSTS).model_dump_json(exclude={"costs": {"flops", "model_bytes", "predict_batch_size"}})
    costs = Record.model_validate_json(text).costs
    assert costs == COSTS and costs.flops is costs.model_bytes is costs.latency_p95_seconds is None


def test_wall_clock_is_training_and_validation_only():
    assert make_record(costs=COSTS).wall_clock_seconds == 35
    assert make_record(status="failed", reason="no memory").wall_clock_seconds is None


def test_a_trial_describes_itself():
    assert str(TRIAL) == "cnn on fer2013 (official, seed 0)"
    assert "fold 3" in str(TRIAL.model_copy(update={"fold": 3}))
    assert TRIAL.precision == "float32"


def test_a_record_without_notes_on_the_model_is_readable():
    """Records of earlier versions do not have the field."""
    content = make_record().model_dump(mode="json")
    del content["model_notes"]
    assert Record.model_validate(content).model_notes == []
