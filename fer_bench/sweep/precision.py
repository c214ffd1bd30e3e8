"""Resolve `precision: auto`: bfloat16 where this machine was measured to train faster with it, else float32."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from fer_bench.sweep.calibrate import MeasurementCache, shortened
from fer_bench.sweep.estimate import speed_key
from fer_bench.sweep.resolved_pair import ResolvedPair
from fer_bench.training.machine import describe_hardware, may_have_fast_bfloat16
from fer_bench.training.planned_trial import PlannedTrial

PRECISIONS = ("float32", "mixed_bfloat16")
NUM_STEPS = 10  # per precision; fewer than for an estimate, because a large network takes seconds per step
MIN_SPEEDUP = 1.1  # so that noise does not decide
FILE = "bfloat16_speedups.json"

MeasureSpeeds = Callable[[Sequence[PlannedTrial]], list[float]]  # images per second; 0 for a trial that fails


def resolve_precisions(
    pairs: Sequence[ResolvedPair],
    samples: Mapping[int, PlannedTrial],
    backend: str,
    cache_dir: Path,
    measure: MeasureSpeeds | None,
) -> tuple[list[ResolvedPair], list[str]]:
    """Replace the precision "auto" by the faster one.

    Speed-ups are remembered, so that a later sweep makes the same choice and resumes the same trials.

    Args:
        pairs: Pairs of model and recipe.
        samples: A trial of each pair with the precision "auto", by the pair's position.
        backend: The Keras backend.
        cache_dir: Folder in which speed-ups are remembered.
        measure: Measures trials of a few steps; None takes float32 where nothing is remembered.

    Returns:
        The pairs, and a note on each choice with its architectures.
    """
    if not samples:
        return list(pairs), []
    cache = MeasurementCache(cache_dir / FILE, describe_hardware(), backend)
    speedups = cache.read()
    unknown = {_kind(planned): planned for planned in samples.values() if _kind(planned) not in speedups}
    if unknown and measure and may_have_fast_bfloat16():
        measured = _measure_speedups(unknown, measure)
        cache.update(measured)
        speedups |= measured
    resolved, names_by_choice = list(pairs), defaultdict[tuple[str, str], dict[str, None]](dict)
    for position, planned in samples.items():
        speedup = speedups.get(_kind(planned))
        precision = PRECISIONS[speedup is not None and speedup >= MIN_SPEEDUP]
        resolved[position] = _with_precision(pairs[position], precision)
        reason = _reason(speedup, measured_here=measure is not None)
        factor = "" if speedup is None else f" ({speedup:.2f})"
        names_by_choice[precision, reason][planned.trial.architecture + factor] = None
    notes = [
        f"Precision {precision}, because {reason}: {', '.join(names)}."
        for (precision, reason), names in names_by_choice.items()
    ]
    return resolved, notes


def _measure_speedups(trials: Mapping[str, PlannedTrial], measure: MeasureSpeeds) -> dict[str, float]:
    """Return the speed with bfloat16 over that with float32 by kind of trial, without kinds of which a trial fails."""
    speeds = measure(
        [_at(shortened(planned, NUM_STEPS), precision) for planned in trials.values() for precision in PRECISIONS]
    )
    pairs = zip(trials, speeds[::2], speeds[1::2], strict=True)
    return {kind: bfloat16 / float32 for kind, float32, bfloat16 in pairs if float32 and bfloat16}


def _at(planned: PlannedTrial, precision: str) -> PlannedTrial:
    recipe = planned.trial.recipe | {"precision": precision}
    return replace(planned, trial=planned.trial.model_copy(update={"recipe": recipe}))


def _with_precision(pair: ResolvedPair, precision: str) -> ResolvedPair:
    requested, before = pair.pair, pair.pair.pretraining
    if before:
        before = replace(before, recipe=before.recipe.model_copy(update={"precision": precision}))
    recipe = requested.recipe.model_copy(update={"precision": precision})
    return replace(pair, pair=replace(requested, recipe=recipe, pretraining=before))


def _kind(planned: PlannedTrial) -> str:
    recipe = planned.trial.recipe
    return json.dumps([*speed_key(planned.trial.architecture, recipe), recipe["batch_size"]])


def _reason(speedup: float | None, measured_here: bool) -> str:
    if speedup is not None:
        bound = "at least" if speedup >= MIN_SPEEDUP else "less than"
        return f"bfloat16 is {bound} {MIN_SPEEDUP} times as fast as float32 here"
    if not may_have_fast_bfloat16():
        return "this processor has no instructions for bfloat16"
    return "a measured trial failed" if measured_here else "nothing was measured yet; the sweep measures it first"
