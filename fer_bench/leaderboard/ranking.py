"""A leaderboard ranked by another metric than the accuracy, with that metric's intervals and marks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import plural
from fer_bench.evaluation.checks import validated_predictions
from fer_bench.evaluation.metrics import METRICS, SampleMetric
from fer_bench.evaluation.resampling import (
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_metric,
    sample_values,
)
from fer_bench.evaluation.significance import ALPHA, bootstrap_p_values, holm, mcnemar_pairs
from fer_bench.leaderboard.filter import nearest
from fer_bench.leaderboard.leaderboard import SECTION, Leaderboard, sort_rows
from fer_bench.leaderboard.rows import LeaderboardRow, SeedResult
from fer_bench.records import Records
from fer_bench.records.store import READ_ERRORS
from fer_bench.report.columns import ALIKE, header

MCNEMAR = "McNemar"  # names the note on the test of accuracies, which another metric's takes the place of


@dataclass(frozen=True)
class _Drawn:
    """A metric of one row on one set of test samples: its value, and that in each draw."""

    id: str
    value: float
    draws: np.ndarray  # (repeats,)
    units: int  # see `_units`
    right: np.ndarray | None  # (seeds, samples) bool, of a metric that counts right samples


def rank_by(board: Leaderboard, metric: str, records: Records) -> Leaderboard:
    """The leaderboard ranked by one of METRICS, from the records that it was computed from.

    `rank` and `tied` become the metric's; `<metric>_low` and `<metric>_high` are its 95 % bootstrap interval over
    test samples, or whole subjects. A row is told from the best where the paired bootstrap rejects at 5 %, of the top-2
    accuracy McNemar's test too, Holm-corrected over all pairs of the section with the same test samples. AUC and
    calibration error get neither: `tied` is None. UserError for another name.
    """
    if metric not in METRICS:
        raise UserError(f"There is no metric '{metric}' to rank by: {nearest(metric, METRICS)}")
    if metric == "accuracy":
        return board
    frame = sort_rows(board.frame, metric)
    tied: dict[str, bool | None] = dict.fromkeys(frame.index)
    intervals, notes = {}, {}
    for section, rows in frame.groupby(SECTION, sort=False):
        sets = (
            _on_equal_samples([board.rows[i] for i in rows.index], metric, records)
            if METRICS[metric].has_interval
            else []
        )
        for members in sets:
            lows, highs = percentile_interval(np.stack([one.draws for one in members]), members[0].units)
            intervals |= {one.id: ends for one, *ends in zip(members, lows, highs, strict=True)}
        main = sets[0] if sets else []
        marks = _not_told_from_best(main, metric)
        tied |= marks
        kept = [note for note in board.notes.get(section, []) if MCNEMAR not in note]
        notes[section] = [*kept, _said(metric, marks), *_caution(metric, main)]
    frame["tied"] = frame.index.map(tied).astype(object)
    if METRICS[metric].has_interval:
        place = frame.columns.get_loc(f"{metric}_sd")
        for offset, end in enumerate(("low", "high")):
            values = [intervals[i][offset] if i in intervals else float("nan") for i in frame.index]
            frame.insert(place + 1 + offset, f"{metric}_{end}", values)
    return replace(board, frame=frame, notes=notes, view=replace(board.options, metric=metric))


def _on_equal_samples(rows: Iterable[LeaderboardRow], metric: str, records: Records) -> list[list[_Drawn]]:
    """Rows with the same test samples, drawn alike, the samples of most rows first.

    Of a row's seeds those count that have the samples of most of them, as for the accuracy.
    """
    chosen: dict[str, list[tuple[LeaderboardRow, list[SeedResult]]]] = defaultdict(list)
    for row in rows:
        if row.seeds:
            times = Counter(seed.sample_digest for seed in row.seeds)
            samples = max(row.seeds, key=lambda seed: (times[seed.sample_digest], len(seed.correct))).sample_digest
            chosen[samples].append((row, [seed for seed in row.seeds if seed.sample_digest == samples]))
    ordered = sorted(chosen.values(), key=lambda members: (len(members), len(members[0][1][0].correct)), reverse=True)
    return [found for members in ordered if (found := list(_drawn(members, metric, records)))]


def _drawn(members: list[tuple[LeaderboardRow, list[SeedResult]]], metric: str, records: Records) -> Iterable[_Drawn]:
    groups = next((seed.groups for _, seeds in members for seed in seeds if seed.groups is not None), None)
    samples = len(members[0][1][0].correct)
    weights = bootstrap_weights(samples if groups is None else groups)
    for row, seeds in members:
        try:
            labels, probabilities = _predictions(seeds, records)
        except READ_ERRORS:
            continue  # changed since the leaderboard was read
        draws = resampled_metric(METRICS[metric], labels, probabilities, weights)
        if np.isfinite(draws).all():
            value = float(np.mean([seed.scores[metric] for seed in seeds]))
            kind = METRICS[metric]
            counted = isinstance(kind, SampleMetric) and kind.counts_correct
            right = sample_values(kind, labels, probabilities) if counted else None
            yield _Drawn(row.id, value, draws, _units(metric, labels, groups), right)


def _units(metric: str, labels: np.ndarray, groups: np.ndarray | None) -> int:
    """The number of samples, or of groups; where all classes weigh alike, of the class that has fewest.

    Its recall then makes most of the variance, and has that many less one degrees of freedom. With those of all samples
    simulated tests rejected a true hypothesis in 9 of 100 cases.
    """
    if not METRICS[metric].macro:
        return num_resampling_units(len(labels), groups)
    classes = (labels == c for c in np.unique(labels))
    return min(num_resampling_units(int(mine.sum()), None if groups is None else groups[mine]) for mine in classes)


def _predictions(seeds: list[SeedResult], records: Records) -> tuple[np.ndarray, np.ndarray]:
    """Labels (samples,) and probabilities (seeds, samples, classes), in the order of `SeedResult.right`."""
    of_seeds = []
    for seed in seeds:
        folds = [records.stored[record.trial.key].predictions("test") for record in seed.records]
        ids, labels, probabilities = (
            np.concatenate([getattr(fold, name) for fold in folds]) for name in ("ids", "labels", "probabilities")
        )
        order = np.lexsort((labels, ids))
        labels = labels[order]
        of_seeds.append(probabilities[order])
    return validated_predictions(labels, np.stack(of_seeds))


def _not_told_from_best(members: list[_Drawn], metric: str) -> dict[str, bool | None]:
    """By row; nothing where there are no two to compare."""
    if len(members) < 2:
        return {}
    values, draws = np.array([one.value for one in members]), np.stack([one.draws for one in members])
    p = bootstrap_p_values(values, draws, members[0].units)
    if METRICS[metric].counts_correct:
        p = np.maximum(p, mcnemar_pairs([one.right for one in members]))
    upper = np.triu_indices(len(members), 1)
    corrected = np.ones_like(p)
    corrected[upper] = holm(p[upper])
    best = int((values if not METRICS[metric].lower_is_better else -values).argmax())
    alike = np.minimum(corrected, corrected.T)[best] > ALPHA
    return dict(zip([one.id for one in members], alike.tolist(), strict=True))


def _said(metric: str, marks: Mapping[str, bool | None]) -> str:
    name = header(metric)
    if not METRICS[metric].has_interval:
        return f"Ranked by {name}, of which neither interval nor test is computed: no row is marked."
    if not marks:
        return f"Ranked by {name}; the interval is of it."
    rivals = len(marks) - 1
    told, pairs = sum(not alike for alike in marks.values()), len(marks) * rivals // 2
    tests = (
        f"paired bootstrap and {MCNEMAR}'s exact test both reject"
        if METRICS[metric].counts_correct
        else "paired bootstrap rejects"
    )
    corrected = f", Holm-corrected over {pairs:,} pairs" if pairs > 1 else ""
    rest = f" {ALIKE} marks those that cannot." if told < rivals else ""
    return (
        f"Ranked by {name}, and the interval is of it. {told} of {plural(rivals, 'other row')} can be told from the "
        f"best by it: {tests} at 5 %{corrected}.{rest}"
    )


def _caution(metric: str, main: list[_Drawn]) -> list[str]:
    if not METRICS[metric].macro or not main:
        return []
    units = f"{main[0].units:,}"
    return [f"All classes weigh alike, so interval and test go by the images (or subjects) of the rarest: {units}."]
