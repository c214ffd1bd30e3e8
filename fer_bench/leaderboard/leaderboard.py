"""The leaderboard as numbers: a pandas frame with one line per row, the best first within its section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pandas as pd

from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.average_ranks import compute_average_ranks
from fer_bench.leaderboard.columns import columns_for
from fer_bench.leaderboard.confidence import AccuracyInterval, accuracy_intervals
from fer_bench.leaderboard.corruption_notes import corruption_notes
from fer_bench.leaderboard.row_labels import label_rows
from fer_bench.leaderboard.row_values import count_machines, row_values
from fer_bench.leaderboard.row_warnings import is_trusted
from fer_bench.leaderboard.rows import SECTION, SYNTHETIC, LeaderboardRow, Section, SkippedRecord, build_rows
from fer_bench.records import StoredRecord
from fer_bench.records.time_to_target import DEFAULT_TARGETS


@dataclass(frozen=True)
class TableOptions:
    """How tables show a leaderboard.

    Attributes:
        metric: The metric that ranks.
        group_by: The column that groups the rows of a section, None for no groups.
        notes: Sentences on the whole leaderboard, such as what a filter omits.
    """

    metric: str = "accuracy"
    group_by: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Leaderboard:
    """The numbers of a leaderboard and what they were computed from.

    Attributes:
        frame: One line per row, see `compute_leaderboard`.
        rows: The rows, by id.
        skipped: Records that were skipped, with the reason.
        machines: The machines of all records, most used first; tables number them from 1.
        notes: By section, sentences on its intervals, on what was compared, and on classes without test images.
        ranks: See `compute_average_ranks`.
        options: How tables show it.
    """

    frame: pd.DataFrame
    rows: dict[str, LeaderboardRow]
    skipped: list[SkippedRecord]
    machines: list[str] = field(default_factory=list)
    notes: dict[Section, list[str]] = field(default_factory=dict)
    ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    options: TableOptions = TableOptions()

    def section_notes(self, section: pd.DataFrame) -> list[str]:
        """Return the notes of a section, given its lines of the frame."""
        return self.notes.get(section_key(section), [])

    def count_machines(self) -> list[tuple[int, str, int]]:
        """Return number, description and trials of each machine of the rows."""
        trials = count_machines(record for row in self.rows.values() for record in row.records)
        return [(number, text, trials[text]) for number, text in enumerate(self.machines, 1) if text in trials]


def compute_leaderboard(
    stored: Iterable[StoredRecord],
    skipped: Sequence[SkippedRecord] = (),
    targets: Sequence[float] = DEFAULT_TARGETS,
) -> Leaderboard:
    """Score records and rank them.

    The frame has the columns of `fer_bench.leaderboard.columns.columns_for` and the row's id as its index. Scores are
    computed on the pooled folds of a seed; they are fractions (the log loss is in nats), and times are in seconds.
    `<name>_sd` is the sample standard deviation over seeds, of `fold_accuracy` over folds, NaN for a single one.
    `accuracy_low` and `accuracy_high` are the 95 % bootstrap interval over test samples, or over whole subjects if
    `test_groups` is their number. `tied` is whether the row is tied with the best of its section, None if it was not
    compared. A row that may have been trained on the test images has a `suspicion` and no rank. A row without a
    finished trial has NaN for its numbers, is the last of its section, and has `status` and `reason`. Columns on
    duplicates, folds, corruptions, suspicions and warnings exist only if a row has a value, and the numbers of machines
    only if there are several. `seconds_to_60` is infinite if the median trial never reaches 60 %; `reached_60` says how
    many do.

    Args:
        stored: The records.
        skipped: Records that could not be loaded.
        targets: The validation accuracies of the columns `seconds_to_<percent>`.
    """
    rows, unreadable = build_rows(stored)
    labels = label_rows(rows)
    intervals, notes = _confidence(rows, {row_id: names["label"] for row_id, names in labels.items()})
    machines = list(count_machines(record for row in rows for record in row.records))
    values = [row_values(row, intervals.get(row.id), targets, machines) | labels[row.id] for row in rows]
    columns = columns_for(targets)
    frame = pd.DataFrame(values, columns=[key for column in columns for key in column.keys])
    frame.index = pd.Index([row.id for row in rows], name="row", dtype=str)
    floats = [key for column in columns if column.group in ("score", "cost", "data") for key in column.number_keys]
    frame[floats] = frame[floats].astype(float)
    frame = sort_rows(frame, "accuracy")
    ranks, frame["average_rank"] = compute_average_ranks(frame)
    empty = [column for column in columns if column.optional_in_csv and frame[column.key].isna().all()]
    frame = frame.drop(columns=[key for column in empty for key in column.keys])
    by_id = {row.id: row for row in rows}
    ranked = {row_id: by_id[row_id] for row_id in frame.index}
    return Leaderboard(frame, ranked, [*skipped, *unreadable], machines, notes, ranks)


def sort_rows(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the frame with the rows of each section from best to worst by a metric, and `rank` by it.

    Below them are the rows that may have been trained on the test images, without a rank, then those without a score.
    """
    lower, trusted = METRICS[metric].lower_is_better, is_trusted(frame)
    place = (~trusted).astype(int).where(frame[metric].notna(), 2)
    keys = [*SECTION, "_place", metric, "model", "recipe"]
    ascending = [lower if key == metric else True for key in keys]
    frame = frame.assign(_place=place).sort_values(keys, ascending=ascending, kind="stable").drop(columns="_place")
    scores = frame[metric].where(trusted)
    frame["rank"] = scores.groupby([frame[key] for key in SECTION]).rank(ascending=lower, method="min").astype("Int64")
    return frame


def _confidence(
    rows: list[LeaderboardRow], labels: dict[str, str]
) -> tuple[dict[str, AccuracyInterval], dict[Section, list[str]]]:
    sections: dict[Section, list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        sections[row.section].append(row)
    intervals: dict[str, AccuracyInterval] = {}
    notes = {}
    for section, members in sections.items():
        section_intervals, sentences = accuracy_intervals(members, labels)
        intervals |= section_intervals
        notes[section] = [*sentences, *corruption_notes(members)]
    return intervals, notes


def section_key(section: pd.DataFrame) -> Section:
    """Return dataset, protocol, fingerprint and benchmark version of a section's lines."""
    dataset, protocol, fingerprint, version = section[SECTION].iloc[0]
    return dataset, protocol, fingerprint, int(version)


def section_heading(dataset: str, protocol: str, versions: Iterable[str] = (), split_notes: str = "") -> str:
    """Return the heading of a section; it says so if faces are synthetic or a split is leaky.

    Args:
        dataset: The dataset's name.
        protocol: The protocol's name.
        versions: What distinguishes it from other sections of dataset and protocol.
        split_notes: The notes on the split.
    """
    name = f"{SYNTHETIC} (drawn faces, not a benchmark result)" if dataset == SYNTHETIC else dataset
    notes = [*versions, *filter(None, [split_notes])]
    return f"{name}, protocol {protocol}" + "".join(f" ({note})" for note in notes)


def sections(frame: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield heading, file name stem and lines of each section, in the frame's order."""
    groups = frame.groupby(["dataset", "protocol"])
    num_data, num_versions = groups["fingerprint"].nunique(), groups["benchmark_version"].nunique()
    for _, section in frame.groupby(SECTION, sort=False):
        dataset, protocol, fingerprint, version = section_key(section)
        versions = {"data": fingerprint[:8]} if num_data[dataset, protocol] > 1 else {}
        versions |= {"benchmark version": str(version)} if num_versions[dataset, protocol] > 1 else {}
        stem = "-".join([dataset, protocol, *versions.values()])
        notes = "; ".join(dict.fromkeys(text for text in section["split_notes"] if text))
        yield section_heading(dataset, protocol, map(" ".join, versions.items()), notes), stem, section


def benchmark_versions(frame: pd.DataFrame) -> str:
    """Return the benchmark versions of a leaderboard, in words."""
    numbers = [str(number) for number in sorted(frame["benchmark_version"].unique())]
    return f"benchmark version{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"
