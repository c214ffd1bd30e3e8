"""A leaderboard ranked by another metric than the accuracy, with that metric's intervals and ties."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean
from fer_bench.evaluation.checks import validated_predictions
from fer_bench.evaluation.metrics import METRICS, Metric, SampleMetric
from fer_bench.evaluation.resampling import (
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_metric,
    sample_values,
)
from fer_bench.evaluation.significance import ALPHA, compare_all_pairs
from fer_bench.leaderboard.confidence import significance_note
from fer_bench.leaderboard.leaderboard import Leaderboard, section_key, sort_rows
from fer_bench.leaderboard.row_warnings import suspicion
from fer_bench.leaderboard.rows import SECTION, LeaderboardRow, SeedResult, by_sample_set, groups_of
from fer_bench.records import Records
from fer_bench.records.store import READ_ERRORS

MCNEMAR = "McNemar"  # identifies the note on the comparison of accuracies, which the metric's note replaces


@dataclass(frozen=True)
class _Resampled:
    """A metric of one row on one set of test samples.

    Attributes:
        id: The row's id.
        value: Mean over seeds.
        draws: Its value in each bootstrap draw, (resamples,).
        units: See `_num_units`.
        correct: (seeds, samples) bool, of a metric that counts correct samples.
    """

    id: str
    value: float
    draws: np.ndarray
    units: int
    correct: np.ndarray | None


def rank_by(leaderboard: Leaderboard, metric_name: str, records: Records) -> Leaderboard:
    """Return the leaderboard ranked by a metric.

    `rank` and `tied` become the metric's; `<metric>_low` and `<metric>_high` are its 95 % bootstrap interval over test
    samples, or over whole subjects. A row is tied with the best unless the paired bootstrap (of the top-2 accuracy also
    McNemar's test) rejects at 5 %, Holm-corrected over all pairs of the section with the same test samples. AUC and
    calibration error have neither intervals nor tests: `tied` is None.

    Args:
        leaderboard: The leaderboard.
        metric_name: One of METRICS.
        records: The records that it was computed from.

    Raises:
        UserError: There is no such metric.
    """
    if metric_name not in METRICS:
        raise UserError(f"There is no metric '{metric_name}' to rank by. {did_you_mean(metric_name, METRICS)}")
    if metric_name == "accuracy":
        return leaderboard
    metric = METRICS[metric_name]
    frame = sort_rows(leaderboard.frame, metric_name)
    tied: dict[str, bool | None] = dict.fromkeys(map(str, frame.index))
    intervals: dict[str, tuple[float, float]] = {}
    notes = {}
    for _, section in frame.groupby(SECTION, sort=False):
        rows = [leaderboard.rows[str(row_id)] for row_id in section.index]
        sets = _resample(rows, metric, records) if metric.has_interval else []
        for members in sets:
            lows, highs = percentile_interval(np.stack([row.draws for row in members]), members[0].units)
            intervals |= {row.id: (low, high) for row, low, high in zip(members, lows, highs, strict=True)}
        main = [row for row in sets[0] if not suspicion(leaderboard.rows[row.id])] if sets else []
        tied_in_section = _tied_with_best(main, metric)
        tied |= tied_in_section
        remaining = [note for note in leaderboard.section_notes(section) if MCNEMAR not in note]
        notes[section_key(section)] = [*remaining, *_notes(metric, tied_in_section, main)]
    frame["tied"] = frame.index.map(tied).astype(object)
    if metric.has_interval:
        position = list(frame.columns).index(f"{metric_name}_sd") + 1
        missing = (float("nan"), float("nan"))
        for offset, end in enumerate(("low", "high")):
            values = [intervals.get(str(row_id), missing)[offset] for row_id in frame.index]
            frame.insert(position + offset, f"{metric_name}_{end}", values)
    options = replace(leaderboard.options, metric=metric_name)
    return replace(leaderboard, frame=frame, notes=notes, options=options)


def _resample(rows: Iterable[LeaderboardRow], metric: Metric, records: Records) -> list[list[_Resampled]]:
    """Return rows with equal test samples, resampled alike; the samples of most rows first."""
    return [found for members in by_sample_set(rows) if (found := list(_resample_set(members, metric, records)))]


def _resample_set(members: list[LeaderboardRow], metric: Metric, records: Records) -> Iterable[_Resampled]:
    groups = groups_of(members)
    weights = bootstrap_weights(len(members[0].comparable_seeds[0].correct) if groups is None else groups)
    for row in members:
        try:
            labels, probabilities = _predictions(row.comparable_seeds, records)
        except READ_ERRORS:
            continue  # the file changed after the leaderboard was read
        draws = resampled_metric(metric, labels, probabilities, weights)
        if np.isfinite(draws).all():
            value = float(np.mean([seed.scores[metric.name] for seed in row.comparable_seeds]))
            correct = None
            if isinstance(metric, SampleMetric) and metric.counts_correct:
                correct = sample_values(metric, labels, probabilities)
            yield _Resampled(row.id, value, draws, _num_units(metric, labels, groups), correct)


def _num_units(metric: Metric, labels: np.ndarray, groups: np.ndarray | None) -> int:
    """Return the number of samples or groups, of a macro metric those of the rarest class.

    The recall of the rarest class contributes most of the variance, and it has one degree of freedom less than that.
    With those of all samples, simulated tests rejected a true hypothesis in 9 of 100 cases.
    """
    if not metric.macro:
        return num_resampling_units(len(labels), groups)
    classes = (labels == c for c in np.unique(labels))
    return min(num_resampling_units(int(of.sum()), None if groups is None else groups[of]) for of in classes)


def _predictions(seeds: list[SeedResult], records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Return labels (samples,) and probabilities (seeds, samples, classes), in the order of `SeedResult.correct`."""
    by_seed = []
    for seed in seeds:
        folds = [records.stored[record.trial.key].predictions("test") for record in seed.records]
        ids, labels, probabilities = (
            np.concatenate([getattr(fold, name) for fold in folds]) for name in ("ids", "labels", "probabilities")
        )
        order = np.lexsort((labels, ids))
        labels = labels[order]
        by_seed.append(probabilities[order])
    return validated_predictions(labels, np.stack(by_seed))


def _tied_with_best(members: list[_Resampled], metric: Metric) -> dict[str, bool | None]:
    """Return whether each row is tied with the best, by row id; empty if there are no two rows."""
    if len(members) < 2:
        return {}
    values, draws = np.array([row.value for row in members]), np.stack([row.draws for row in members])
    correct = [row.correct for row in members if row.correct is not None]
    best = int((-values if metric.lower_is_better else values).argmax())
    tied = compare_all_pairs(values, draws, members[0].units, correct)[best] > ALPHA
    return dict(zip([row.id for row in members], tied.tolist(), strict=True))


def _notes(metric: Metric, tied: Mapping[str, bool | None], main: list[_Resampled]) -> list[str]:
    if not metric.has_interval:
        return [f"Ranked by {metric.title}, which has neither intervals nor tests: no row is marked."]
    notes = [f"Ranked by {metric.title}; the first interval is that of the {metric.title}."]
    if tied:
        both = f"paired bootstrap and {MCNEMAR}'s exact test both reject"
        tests = both if metric.counts_correct else "the paired bootstrap rejects"
        notes.append(significance_note(sum(not is_tied for is_tied in tied.values()), len(tied) - 1, tests))
    if metric.macro and main:
        rarest = f"{main[0].units:,}"
        notes.append(f"All classes have the same weight, so the rarest one limits interval and test: {rarest} images.")
    return notes
