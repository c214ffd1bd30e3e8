"""The expected time of a trial: from speeds measured on this machine, or else scaled from a reference machine."""

from dataclasses import replace

import pytest

from fer_bench.records.schema import Costs, Record
from fer_bench.registry.architectures import describe
from fer_bench.sweep import estimate
from fer_bench.sweep.calibrate import calibrate, recall, remember, shortened
from fer_bench.sweep.estimate import OVERHEAD_SECONDS, PREDICTION_SPEEDUP, Estimator

MACHINE = {"processor": "Example CPU", "cores": 2, "accelerator": "none", "memory_bytes": 1}


@pytest.fixture(autouse=True)
def this_machine(monkeypatch):
    """This machine is as fast as the reference machine."""
    monkeypatch.setattr(estimate, "matrix_product_gflops", lambda: estimate.REFERENCE_GFLOPS)


def recorded(planned, images_per_second: float, machine: dict = MACHINE) -> Record:
    costs = Costs(
        build_seconds=1,
        compile_seconds=1,
        train_seconds=1,
        validation_seconds=1,
        images_per_second=images_per_second,
        predict_images_per_second=None,
        peak_memory_bytes=None,
    )
    known = {"trial": planned.trial, "status": "finished", "started": "2025-01-01T00:00:00+00:00", "samples": {}}
    return Record(**known, machine=machine, classes=["no", "yes"], costs=costs)


@pytest.fixture
def planned(plan_of):
    return plan_of(models=["tiny"], epochs=4).trials[0]


def training_seconds(estimator, planned) -> float:
    return estimator.seconds(planned) - OVERHEAD_SECONDS


def test_without_any_speed_there_is_no_estimate(planned):
    assert Estimator([], MACHINE).seconds(planned) is None


def test_a_speed_measured_on_this_machine_is_used(planned):
    # 60 training, 21 validation and 18 test images
    expected = (4 * (60 + 21 / PREDICTION_SPEEDUP) + 18 / PREDICTION_SPEEDUP) / 10
    assert training_seconds(Estimator([recorded(planned, 10.0)], MACHINE), planned) == pytest.approx(expected)
    several = Estimator([recorded(planned, speed) for speed in (1.0, 10.0, 1000.0)], MACHINE)
    assert training_seconds(several, planned) == pytest.approx(expected)  # their median


def test_a_remembered_speed_is_used_until_there_is_a_record(planned, tmp_path):
    estimator = Estimator([], MACHINE)
    recall([planned], estimator, MACHINE, tmp_path)
    assert estimator.seconds(planned) is None
    remember([shortened(planned)], [10.0], MACHINE, tmp_path)
    recall([planned], estimator, MACHINE, tmp_path)
    recorded_one = Estimator([recorded(planned, 10.0)], MACHINE)
    assert estimator.seconds(planned) == recorded_one.seconds(planned) is not None
    remember([shortened(planned)], [99.0], MACHINE, tmp_path)
    remember([shortened(planned)], [0.0], MACHINE, tmp_path)  # a failed measurement
    recall([planned], recorded_one, MACHINE, tmp_path)
    assert estimator.seconds(planned) == recorded_one.seconds(planned)
    other = Estimator([], MACHINE | {"cores": 64})
    recall([planned], other, MACHINE | {"cores": 64}, tmp_path)
    assert other.seconds(planned) is None


def test_only_unknown_speeds_are_measured(plan_of, tmp_path, instant_executor, monkeypatch):
    monkeypatch.setattr("fer_bench.sweep.calibrate.images_per_second", lambda executor, trials: 10.0)
    trials, echoed, estimator = plan_of(models=["tiny"], seeds=2).trials, [], Estimator([], MACHINE)
    calibrate(trials, estimator, MACHINE, tmp_path, echoed.append, instant_executor)
    assert len(echoed) == 1 and "tiny" in echoed[0] and all(map(estimator.has_measured, trials))
    again = Estimator([], MACHINE)
    recall(trials, again, MACHINE, tmp_path)
    calibrate(trials, again, MACHINE, tmp_path, echoed.append, instant_executor)
    assert len(echoed) == 1 and again.seconds(trials[0]) == estimator.seconds(trials[0])


@pytest.mark.parametrize("other", [{"processor": "Another"}, {"cores": 64}, {"accelerator": "GPU"}])
def test_a_speed_of_another_machine_is_not_used(planned, other):
    assert Estimator([recorded(planned, 10.0, {**MACHINE, **other})], MACHINE).seconds(planned) is None


def test_a_speed_at_another_input_size_is_not_used(planned, plan_of):
    larger = plan_of(models=["tiny"], input_size=96).trials[0]
    assert Estimator([recorded(larger, 10.0)], MACHINE).seconds(planned) is None


def test_epochs_at_smaller_input_sizes_are_faster(planned, plan_of, monkeypatch):
    staged = plan_of(models=["tiny"], epochs=4, input_size=[[0, 48], [3, 96]]).trials[0]
    full = plan_of(models=["tiny"], epochs=4, input_size=96).trials[0]
    estimator = Estimator([recorded(full, 10.0)], MACHINE)  # the speed at the final input size
    assert estimator.has_measured(staged) and shortened(staged).trial.recipe["input_size"] == 96
    tested = 18 / PREDICTION_SPEEDUP / 10
    epochs = training_seconds(estimator, staged) - tested, training_seconds(estimator, full) - tested
    assert epochs[0] == pytest.approx((2 / 4 + 2) / 4 * epochs[1])


def test_a_failed_trial_has_no_speed(planned):
    failed = recorded(planned, 10.0).model_copy(update={"costs": None, "status": "failed"})
    assert Estimator([failed], MACHINE).seconds(planned) is None


def test_a_reference_speed_is_scaled_by_machine_and_input_size(planned, plan_of, monkeypatch):
    with_speed = replace(describe("tiny"), reference_images_per_second={48: 10.0})
    monkeypatch.setattr(estimate, "describe", lambda name: with_speed)
    usual = training_seconds(Estimator([], MACHINE), planned)
    assert usual == pytest.approx(training_seconds(Estimator([recorded(planned, 10.0)], MACHINE), planned))
    larger = plan_of(models=["tiny"], epochs=4, input_size=96).trials[0]
    assert training_seconds(Estimator([], MACHINE), larger) == pytest.approx(4 * usual)
    monkeypatch.setattr(estimate, "matrix_product_gflops", lambda: 2 * estimate.REFERENCE_GFLOPS)
    assert training_seconds(Estimator([], MACHINE), planned) == pytest.approx(usual / 2)
    measured = Estimator([recorded(planned, 5.0)], MACHINE)
    assert training_seconds(measured, planned) == pytest.approx(2 * usual)  # a measured speed takes precedence


def test_two_reference_speeds_tell_how_the_time_grows_with_the_input_size(planned, plan_of, monkeypatch):
    with_speeds = replace(describe("tiny"), reference_images_per_second={48: 10.0, 96: 5.0})
    monkeypatch.setattr(estimate, "describe", lambda name: with_speeds)
    usual = training_seconds(Estimator([], MACHINE), planned)
    for size, factor in {48: 1.0, 72: 1.5, 96: 2.0, 192: 4.0}.items():
        resized = plan_of(models=["tiny"], epochs=4, input_size=size).trials[0]
        assert training_seconds(Estimator([], MACHINE), resized) == pytest.approx(factor * usual)


def test_a_frozen_backbone_is_faster_and_test_time_augmentation_slower(planned, plan_of, monkeypatch):
    with_speed = replace(describe("tiny"), reference_images_per_second={48: 10.0})
    monkeypatch.setattr(estimate, "describe", lambda name: with_speed)

    def seconds(**changes):
        recipe = {**planned.trial.recipe, **changes}
        trial = planned.trial.model_copy(update={"recipe": recipe})
        return training_seconds(Estimator([], MACHINE), replace(planned, trial=trial))

    def with_trainable(blocks):
        return seconds(backbone={"trainable_blocks": blocks, "learning_rate_factor": 1.0}, initial_weights="imagenet")

    frozen, gradual, full = (with_trainable(blocks) for blocks in (0, [[0, 0], [0.5, "all"]], "all"))
    assert full == seconds()
    assert frozen == pytest.approx(estimate.FROZEN_COST * full)
    assert gradual == pytest.approx((frozen + full) / 2)
    frozen_once = {"trainable_blocks": 0, "learning_rate_factor": 1.0, "cached_augmentations": 2}
    assert seconds(backbone=frozen_once, initial_weights="imagenet") == pytest.approx(frozen / 2, rel=0.01)
    test, validation = len(planned.fold.test), len(planned.fold.validation)
    flip, ten_crop = (seconds(**views) - full for views in ({"tta": "flip"}, {"tta": "ten-crop", "crop": 8}))
    # Every view of both splits, where one view predicts test alone: validation was predicted in training
    assert ten_crop / flip == pytest.approx((9 * test + 10 * validation) / (test + 2 * validation))


def test_the_rate_of_matrix_products_is_positive(monkeypatch):
    monkeypatch.undo()
    assert estimate.matrix_product_gflops(side=64, repeats=2) > 0
