"""What a user sees while a sweep runs."""

import io

import pytest
from rich.console import Console

from fer_bench.sweep.progress import View, duration
from fer_bench.sweep.run import run


class Known:
    """An estimator that knows every trial to take a minute."""

    def seconds(self, planned) -> float:
        return 60.0


class Unknown:
    def seconds(self, planned) -> None:
        return None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (45, "45 s"),
        (89, "89 s"),
        (90, "2 min"),
        (720, "12 min"),
        (5340, "89 min"),
        (5400, "1 h 30 min"),
        (11_100, "3 h 05 min"),
    ],
)
def test_durations_are_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_the_time_left_counts_what_runs_beside_and_what_another_sweep_runs(plan_of):
    trials = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1]).trials
    console = Console(file=io.StringIO())
    alone = View(console, trials, Known())
    assert alone.seconds_left() == 240
    assert View(console, trials, Known(), side_by_side=2).seconds_left() == 120  # each on a device of its own
    assert View(console, trials, Known(), side_by_side=2, slowdown=2).seconds_left() == 240  # on half of the cores
    alone.elsewhere(trials[3])
    assert alone.seconds_left() == 180
    alone.trial_begins(trials[3], 4, 4)  # its sweep is gone
    assert alone.seconds_left() == pytest.approx(240, abs=1)


@pytest.mark.parametrize("estimator", [Known(), Unknown()], ids=["known", "unknown"])
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_a_sweep_is_followed_to_its_end_through_failures(plan_of, tmp_path, terminal, estimator):
    plan = plan_of(models=["tiny_raising", "tiny"], epochs=2)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, color_system=None)
    with View(console, plan.trials, estimator) as view:
        run(plan.trials, tmp_path, view)
    text = out.getvalue()
    assert "trial 1 of 2 · tiny_raising on made (official, seed 0)" in text
    assert "failed: ValueError: no room for this layer [/job:localhost]" in text  # as it is, brackets and all
    assert "trial 2 of 2 · tiny on made" in text and "random weights · 60 images" in text
    assert "tiny: validation" in text and "in all" in text
    assert ("epoch 2/2: loss" in text) == (not terminal)
    if not terminal:
        assert "\x1b" not in text
