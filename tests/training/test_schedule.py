"""Learning-rate schedules at known steps."""

import numpy as np
import pytest

from fer_bench.config.recipe import resolve
from fer_bench.training.schedule import learning_rate, num_reductions


def rates(recipe: dict, steps_per_epoch: int = 10, accuracies=()) -> np.ndarray:
    resolved = resolve({"optimizer.learning_rate": 0.1}, recipe)
    steps = range(resolved.epochs * steps_per_epoch)
    return np.array([learning_rate(resolved, step, steps_per_epoch, accuracies) for step in steps])


def test_cosine_with_warm_up():
    rate = rates({"epochs": 20, "schedule": {"warmup_epochs": 1, "final_lr_ratio": 0.05}})
    np.testing.assert_allclose(rate[:11], 0.1 * np.arange(1, 12) / 11)  # no step has a rate of 0
    assert (np.diff(rate[10:]) < 0).all()
    assert rate[105] == pytest.approx(0.1 * (1 + 0.05) / 2)  # halfway down the cosine
    assert rate[-1] == pytest.approx(0.005, rel=0.01)


def test_warm_up_takes_at_most_a_tenth_of_the_run():
    rate = rates({"epochs": 2, "schedule.warmup_epochs": 5})
    assert rate.argmax() == 2 and rate[2] == pytest.approx(0.1) and rate[0] > 0


def test_a_run_of_one_step_has_no_warm_up():
    assert rates({"epochs": 1}, steps_per_epoch=1) == pytest.approx([0.1])


def test_one_cycle_rises_and_falls_linearly():
    rate = rates({"epochs": 4, "schedule": {"name": "one_cycle", "warmup_fraction": 0.25, "final_lr_ratio": 0.1}})
    assert rate[:11] == pytest.approx(0.1 * np.arange(1, 12) / 11)  # ten of forty steps
    assert rate[[10, 20, 25]] == pytest.approx([0.1, 0.07, 0.055])
    assert rate[39] == pytest.approx(0.1 - 0.09 * 29 / 30)


@pytest.mark.parametrize("fraction", [0, 0.5, 0.99])
@pytest.mark.parametrize("steps", [1, 2, 10])
def test_one_cycle_reaches_its_peak_in_runs_of_any_length(fraction, steps):
    rate = rates({"epochs": 1, "schedule": {"name": "one_cycle", "warmup_fraction": fraction}}, steps_per_epoch=steps)
    assert rate.max() == pytest.approx(0.1) and rate.min() > 0


def test_linear_decay():
    rate = rates({"epochs": 2, "schedule": {"name": "linear", "warmup_epochs": 0, "final_lr_ratio": 0}})
    assert rate == pytest.approx(0.1 * np.arange(20, 0, -1) / 20)


def test_constant():
    assert set(rates({"epochs": 4, "schedule": {"name": "constant", "warmup_epochs": 0}})) == {0.1}
    warm = rates({"epochs": 20, "schedule.name": "constant"})
    assert warm[0] < 0.01 and set(warm[10:]) == {0.1}


def test_step_schedule():
    rate = rates(
        {"epochs": 9, "schedule": {"name": "step", "warmup_epochs": 0, "start": 3, "every": 2, "factor": 0.5}},
        steps_per_epoch=2,
    )
    by_epoch = rate.reshape(9, 2)
    assert (by_epoch[:, 0] == by_epoch[:, 1]).all()
    np.testing.assert_allclose(by_epoch[:, 0], 0.1 * 0.5 ** np.array([0, 0, 0, 0, 0, 1, 1, 2, 2]))


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([], 0),
        ([0.1, 0.2, 0.3, 0.4], 0),
        ([0.5, 0.4, 0.4], 1),
        ([0.5, 0.5, 0.5], 1),  # an equal accuracy is no improvement
        ([0.5, 0.4, 0.4, 0.4], 1),
        ([0.5, 0.4, 0.4, 0.4, 0.4], 2),
        ([0.5, 0.4, 0.6, 0.4], 0),
    ],
)
def test_num_reductions(accuracies, expected):
    assert num_reductions(accuracies, patience=2) == expected


def test_plateau_reduces_the_rate_to_its_minimum():
    recipe = {"epochs": 5, "schedule": {"name": "plateau", "warmup_epochs": 0, "patience": 2, "final_lr_ratio": 0.02}}
    assert set(rates(recipe, accuracies=[0.5, 0.6])) == {0.1}
    assert rates(recipe, accuracies=[0.5, 0.4, 0.4])[0] == pytest.approx(0.01)
    assert rates(recipe, accuracies=[0.5, *[0.4] * 8])[0] == pytest.approx(0.002)


@pytest.mark.parametrize("name", ["cosine", "linear", "step", "plateau", "constant"])
def test_every_schedule_warms_up(name):
    rate = rates({"epochs": 20, "schedule": {"name": name, "every": 20, "warmup_epochs": 2}})
    np.testing.assert_allclose(rate[:20], 0.1 * np.arange(1, 21) / 21)
