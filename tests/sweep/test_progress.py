"""What a user sees while a sweep runs."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from fer_bench.sweep.progress import ProgressDisplay
from fer_bench.sweep.queue import number_trials
from fer_bench.sweep.run import run


def estimator_of(seconds):
    """An estimator that expects the same seconds of every trial."""
    return SimpleNamespace(seconds=lambda planned: seconds)


def test_the_time_left_takes_concurrency_and_other_sweeps_into_account(plan_of):
    def display(**options):
        return ProgressDisplay(Console(file=io.StringIO()), trials, estimator_of(60.0), **options)

    trials = plan_of(models=["tiny", "tiny_dropout"], seeds=[0, 1]).trials
    assert display().seconds_left() == 240
    assert display(concurrency=2).seconds_left() == 120  # each on a device of its own
    assert display(concurrency=2, slowdown=2).seconds_left() == 240  # each on half of the cores
    shared = display()
    shared.on_trial_delegated(trials[3])
    assert shared.seconds_left() == 180
    shared.on_trial_begin(trials[3])  # the other sweep has ended without it
    assert 180 < shared.seconds_left() <= 240


@pytest.mark.parametrize("seconds", [60.0, None], ids=["with estimate", "without"])
@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "log"])
def test_a_sweep_is_shown_to_its_end_through_failures(plan_of, tmp_path, terminal, seconds, instant_executor):
    plan = plan_of(models=["tiny_raising", "tiny"], epochs=2)
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=200, color_system=None)
    display = ProgressDisplay(console, plan.trials, estimator_of(seconds))
    run(plan.trials, tmp_path, [display], executor=instant_executor)
    text = out.getvalue()
    assert "tiny_raising on made (official, seed 0)" in text
    assert "failed: ValueError: no room for this layer [/job:localhost]" in text  # brackets are no markup
    assert "tiny on made" in text and "random weights · 60 images" in text
    assert "tiny: validation" in text and "in total" in text
    assert ("epoch 2/2: loss" in text) == (not terminal)
    if not terminal:
        assert "\x1b" not in text


def test_trials_show_their_numbers(plan_of, tmp_path):
    out = io.StringIO()
    trials = number_trials(plan_of(models=["tiny", "tiny_dropout"]).trials, tmp_path)
    display = ProgressDisplay(Console(file=out, width=200), trials, estimator_of(60.0), concurrency=2)
    for planned in trials:
        display.on_trial_begin(planned)
    assert "trial 1 of 2 · tiny on" in out.getvalue() and "trial 2 of 2 · tiny_dropout on" in out.getvalue()


def test_a_trial_of_another_sweep_is_mentioned_once(plan_of):
    out = io.StringIO()
    trials = plan_of(models=["tiny", "tiny_dropout"]).trials
    display = ProgressDisplay(Console(file=out, width=200), trials, estimator_of(60.0))
    for planned in trials:
        display.on_trial_delegated(planned)
    assert out.getvalue().count("Another sweep") == 1


def test_a_narrow_terminal_shows_the_time_left(plan_of, tmp_path):
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=45, color_system=None)
    trials = number_trials(plan_of(models=["tiny", "tiny_dropout"], epochs=12).trials, tmp_path)
    display = ProgressDisplay(console, trials, estimator_of(60.0))
    display.on_sweep_begin(trials)
    display.on_trial_begin(trials[0])
    for step in (1, 2, 3):
        display.on_step_end(trials[0], step, 10, loss=1.5)
    display.on_sweep_end("finished")
    bars = out.getvalue().splitlines()
    assert any("trial 1 of 2 · 2 min left" in line for line in bars)
    assert any(line.startswith("tiny ") and "epoch 1/12 · " in line and " left" in line for line in bars)


def test_the_bar_of_a_single_trial_is_the_only_one(plan_of):
    out = io.StringIO()
    trials = plan_of(models=["tiny"]).trials
    display = ProgressDisplay(Console(file=out, force_terminal=True, width=80), trials, estimator_of(60.0))
    display.on_sweep_begin(trials)
    display.on_trial_begin(trials[0])
    display.on_sweep_end("finished")
    assert "preparing" in out.getvalue() and "sweep" not in out.getvalue()
