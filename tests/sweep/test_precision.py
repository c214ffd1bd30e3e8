"""The precision "auto": the faster one on this machine, measured once and remembered."""

import pytest

from fer_bench.config.experiment import Experiment
from fer_bench.datasets import DataConfig
from fer_bench.sweep.plan import make_plan
from fer_bench.sweep.precision import MIN_SPEEDUP

TWO = (
    '@register_architecture("gains", family="test")\ndef gains(inputs, recipe):\n    return inputs\n\n\n'
    '@register_architecture("loses", family="test")\ndef loses(inputs, recipe):\n    return inputs\n'
)


@pytest.fixture
def plan(made, scanned, tmp_path, monkeypatch):
    """Plan trials of two architectures with the precision "auto", on a machine that may have fast bfloat16."""
    scanned(TWO)
    monkeypatch.setattr("fer_bench.sweep.precision.may_have_fast_bfloat16", lambda: True)

    def plan(measure=None, **fields):
        fields = {"name": "tests", "models": ["gains", "loses"], "datasets": ["made"], **fields}
        experiment = Experiment(**fields, recipe={"precision": "auto"})
        return make_plan(experiment, DataConfig(tmp_path / "data", tmp_path / "cache"), None, "tensorflow", measure)

    return plan


class Measure:
    """Measures that `gains` trains faster with bfloat16 by more than the margin, and `loses` by less."""

    def __init__(self, failing: str = "") -> None:
        self.measured: list[tuple[str, str]] = []
        self.failing = failing

    def __call__(self, trials) -> list[float]:
        self.measured += [(p.trial.architecture, p.trial.precision) for p in trials]
        assert all(p.trial.recipe["epochs"] == 1 for p in trials)
        speedup = {"gains": MIN_SPEEDUP + 0.1, "loses": MIN_SPEEDUP - 0.05}
        return [
            0.0 if name == self.failing else 100 * (speedup[name] if precision == "mixed_bfloat16" else 1.0)
            for name, precision in ((p.trial.architecture, p.trial.precision) for p in trials)
        ]


def precisions(made_plan) -> dict[str, str]:
    return {planned.trial.architecture: planned.trial.precision for planned in made_plan.trials}


CHOSEN = {"gains": "mixed_bfloat16", "loses": "float32"}


def test_each_architecture_gets_the_precision_that_is_faster(plan):
    measure = Measure()
    made_plan = plan(measure, seeds=2)
    assert precisions(made_plan) == CHOSEN and len(made_plan.trials) == 4
    assert sorted(measure.measured) == [(m, p) for m in CHOSEN for p in ("float32", "mixed_bfloat16")]
    notes = [note for note in made_plan.notes if "Precision" in note]
    assert len(notes) == 2 and "mixed_bfloat16" in notes[0] and "gains (1.20)" in notes[0]


def test_one_note_names_all_that_get_a_precision(plan, monkeypatch):
    monkeypatch.setattr("fer_bench.sweep.precision.MIN_SPEEDUP", 0.5)
    (note,) = [note for note in plan(Measure()).notes if "Precision" in note]
    assert "gains (1.20), loses (1.05)" in note


def test_the_choice_is_remembered(plan):
    first, again = plan(Measure()), Measure()
    second, dry_run = plan(again), plan()
    assert again.measured == []
    keys = [planned.key for planned in first.trials]
    assert keys == [p.key for p in second.trials] == [p.key for p in dry_run.trials]


def test_another_machine_measures_again(plan, monkeypatch):
    plan(Measure())
    monkeypatch.setattr("fer_bench.sweep.precision.describe_hardware", lambda: {"processor": "another", "cores": 1})
    measure = Measure()
    plan(measure)
    assert len(measure.measured) == 4


def test_a_processor_without_bfloat16_measures_nothing(plan, monkeypatch):
    monkeypatch.setattr("fer_bench.sweep.precision.may_have_fast_bfloat16", lambda: False)
    measure = Measure()
    made_plan = plan(measure)
    assert measure.measured == [] and set(precisions(made_plan).values()) == {"float32"}
    assert any("no instructions" in note for note in made_plan.notes)


def test_without_measuring_float32_is_planned_and_said(plan):
    dry_run = plan()
    assert set(precisions(dry_run).values()) == {"float32"}
    notes = [note for note in dry_run.notes if "nothing was measured" in note]
    assert len(notes) == 1 and "gains" in notes[0] and "loses" in notes[0]
    assert precisions(plan(Measure())) == CHOSEN


def test_a_measurement_that_fails_decides_for_float32_and_is_not_remembered(plan):
    assert precisions(plan(Measure(failing="gains"))) == {"gains": "float32", "loses": "float32"}
    again = Measure()
    assert precisions(plan(again)) == CHOSEN
    assert {name for name, _ in again.measured} == {"gains"}


def test_recipes_that_come_to_the_same_precision_run_once(plan, tmp_path):
    file = tmp_path / "single.yaml"
    file.write_text("recipe: {dropout: 0.3}")
    made_plan = plan(Measure(), recipes=["default", str(file)])
    assert len(made_plan.trials) == 2
