"""The findings of an audit as a Markdown page, a CSV table of all duplicates, and an image of them."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from tabulate import tabulate

from fer_bench.core.errors import UserError
from fer_bench.core.files import write_output
from fer_bench.core.splits import SPLITS
from fer_bench.core.text import list_first
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.images import import_opencv
from fer_bench.protocols.audit.findings import NO_SPLIT, TEST, Findings, split_numbers
from fer_bench.protocols.audit.near_duplicates import MIN_SCORE
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.registry import ARROW

KINDS = {"subjects": "subject", "sequences": "sequence"}
MAX_LISTED = 20  # lines per list; the table has all
MAX_COPIES = 3  # of one image
MAX_GROUPS, MAX_COLUMNS = 60, 10  # on the contact sheet
TILE_SIZE, ROW_GAP = 96, 8  # pixels


def summary(findings: Findings) -> str:
    """Return the page without its lists, in Markdown: verdict, duplicates, subjects, classes and splits."""
    dataset = findings.dataset
    *frames, height, width = dataset.images.shape[1:]
    kind = f"sequences of {frames[0]} frames" if frames else "images"
    size = f"{len(dataset):,} {kind} of {width}×{height} in {len(dataset.classes)} classes"
    badges = [f"badge: {note}" for note in findings.notes]
    sections = [
        f"# Audit of {dataset.name} under {findings.protocol}",
        f"**{verdict(findings)}**",
        _bullets([*badges, f"{size}, data {dataset.fingerprint[:12]}", *dataset.notes]),
        "## Duplicates and labels",
        _bullets(_duplicates(findings)),
        "## Subjects and sequences",
        _bullets(_subjects(findings)),
        "## Classes and splits",
        _classes(findings),
    ]
    return "\n\n".join(sections) + "\n"


def verdict(findings: Findings) -> str:
    """Return the conclusion in one or two sentences."""
    tested, elsewhere = findings.num_tested, "in training or validation"
    leaks = [
        f"{_count(seen, tested)} have their {word} {elsewhere}"
        for kind, word in KINDS.items()
        if (seen := _seen(findings, kind))
    ]
    if count := findings.total("test_duplicates"):
        leaks.append(f"{_count(count, tested)} are pixel-identical to an image {elsewhere}")
    conclusion = "This split leaks" if leaks else "No leak was found"
    if count := findings.total("test_near_duplicates"):
        conclusion = "This split leaks" if leaks else "This split probably leaks"
        leaks.append(f"{_count(count, tested)} have a changed copy {elsewhere}")
    details = f" Of {tested:,} test images, {'; '.join(leaks)}." if leaks else ""
    unknown = "" if findings.dataset.subjects is not None else " The subjects are unknown and were not checked."
    return f"{conclusion}.{details}{unknown}"


def details(findings: Findings) -> str:
    """Return lists of the affected ids in Markdown, the first of each kind."""
    ids, classes, labels = findings.dataset.ids, findings.dataset.classes, findings.dataset.labels

    def line(group: np.ndarray) -> str:
        return list_first([f"{ids[i]} ({classes[labels[i]]})" for i in group], MAX_LISTED)

    leaking = np.unique(np.concatenate([fold.test_duplicates for fold in findings.folds]))
    across = [group for group in findings.duplicates if np.isin(group, leaking).any()]
    conflicting = [group for group in findings.duplicates if len(np.unique(labels[group])) > 1]
    return "\n\n".join(
        [
            *_listed("Test images with a changed copy in training or validation", _copies(findings)),
            *_listed("Identical images in the test split and in another split", map(line, across)),
            *_listed("Identical images with different labels", map(line, conflicting)),
            *_listed("Images of a single gray level", map(line, findings.constant[:, None])),
        ]
    )


def duplicates_csv(findings: Findings, folds: Sequence[Fold]) -> str:
    """Return all groups of duplicates and near duplicates: one row per image, with its split in each fold.

    `change` is what was done to the second image of two near duplicates compared with the first.
    """
    text, dataset = StringIO(), findings.dataset
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["kind", "group", "id", "class", "change", *(f"fold {number}" for number in range(len(folds)))])
    splits = [split_numbers(dataset, fold) for fold in folds]
    identical = [("identical", [(i, "") for i in group]) for group in findings.duplicates]
    near = [("near", [(first, ""), (second, str(change))]) for first, second, change in findings.near_duplicates]
    for kind, groups in groupby([*identical, *near], key=itemgetter(0)):
        for number, (_, group) in enumerate(groups):
            for i, change in group:
                names = ["" if fold[i] == NO_SPLIT else SPLITS[fold[i]] for fold in splits]
                table.writerow([kind, number, dataset.ids[i], dataset.classes[dataset.labels[i]], change, *names])
    return text.getvalue()


def write_contact_sheet(findings: Findings, path: Path) -> None:
    """Draw groups of duplicates and near duplicates as a PNG, those with a test image first.

    Raises UserError if there are none, or the file cannot be written.
    """
    leaking = np.concatenate([np.r_[fold.test_duplicates, fold.test_near_duplicates] for fold in findings.folds])
    near, identical = (
        sorted(groups, key=lambda group: not np.isin(group, leaking).any())
        for groups in ([np.array(pair[:2]) for pair in findings.near_duplicates], findings.duplicates)
    )
    groups = [*identical[: MAX_GROUPS - min(len(near), MAX_GROUPS // 2)], *near][:MAX_GROUPS]
    if not groups:
        raise UserError(f"'{findings.dataset.name}' has no duplicates to draw.")
    write_output(path, contact_sheet(findings.dataset, groups))


def contact_sheet(dataset: Dataset, groups: Sequence[np.ndarray]) -> bytes:
    """Return a PNG with the images of each group, as indices, in one row."""
    rows = [_tiles(dataset, group) for group in groups]
    width = max(row.shape[1] for row in rows)
    image = np.vstack([np.pad(row, ((0, ROW_GAP), (0, width - row.shape[1])), constant_values=255) for row in rows])
    _, png = import_opencv().imencode(".png", image)
    return bytes(png)


def _duplicates(findings: Findings) -> list[str]:
    tested = findings.num_tested
    validated = sum(int(fold.counts[SPLITS.index("validation")].sum()) for fold in findings.folds)
    across = _range([fold.groups_across_splits for fold in findings.folds])
    return [
        f"{len(findings.duplicates):,} groups of pixel-identical images ({findings.num_redundant:,} redundant), "
        f"{across} of them across splits, {findings.num_conflicting:,} with conflicting labels",
        f"test images with a duplicate in training or validation: {_of(findings.total('test_duplicates'), tested)}",
        f"validation images with a duplicate in training: {_of(findings.total('validation_duplicates'), validated)}",
        f"{len(findings.near_duplicates):,} pairs of near duplicates in different splits{_same_subject(findings)}: "
        "copies that are mirrored, rotated, shifted, zoomed, brightened, blurred or compressed (their aligned details "
        f"correlate by {MIN_SCORE} or more, which two photographs of one face in the same pose can reach, too)",
        f"test images without a duplicate, but with a changed copy in training or validation: "
        f"{_of(findings.total('test_near_duplicates'), tested)} "
        f"(in training: {sum(fold.num_near_in_training for fold in findings.folds):,}){_kinds(findings)}",
        f"validation images without a duplicate, but with a changed copy in training: "
        f"{_of(findings.total('validation_near_duplicates'), validated)}",
        f"{len(findings.constant):,} images of a single gray level",
    ]


def _same_subject(findings: Findings) -> str:
    subjects = findings.dataset.subjects
    if subjects is None:
        return ""
    return f" ({sum(subjects[one] == subjects[other] for one, other, _ in findings.near_duplicates):,} of one subject)"


def _kinds(findings: Findings) -> str:
    """Return how many test images have a copy of each kind of change, the most frequent first."""
    counts: Counter[str] = Counter()
    for fold in findings.folds:
        counts.update(fold.near_changes)
    return "; " + ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common()) if counts else ""


def _copies(findings: Findings) -> list[str]:
    """Return one line per test image with its copies and what was done to them."""
    dataset = findings.dataset
    copies: dict[int, list[str]] = {}
    listed = {int(i) for fold in findings.folds for i in fold.test_near_duplicates}
    for first, second, change in findings.near_duplicates:
        for image, copy, done in ((first, second, change), (second, first, change.reversed())):
            if image in listed:
                copies.setdefault(image, []).append(
                    f"{dataset.ids[copy]} ({dataset.classes[dataset.labels[copy]]}; {done})"
                )
    return [
        f"{dataset.ids[i]} ({dataset.classes[dataset.labels[i]]}): {list_first(lines, MAX_COPIES)}"
        for i, lines in sorted(copies.items())
    ]


def _subjects(findings: Findings) -> Iterator[str]:
    for kind, word in KINDS.items():
        names = getattr(findings.dataset, kind)
        if names is None:
            yield f"{kind} are unknown"
            continue
        in_training = sum(fold.subjects_in_training[kind] for fold in findings.folds)
        unknown = f", one per image if its {word} is unknown" if ARROW in findings.dataset.name else ""
        yield (
            f"{len(np.unique(names)):,} {kind}{unknown}; test images whose {word} is in training or validation: "
            f"{_of(_seen(findings, kind), findings.num_tested)} (in training: {in_training:,})"
        )


def _classes(findings: Findings) -> str:
    """Return a table of images by class and split with percentages of the split; ranges over folds."""
    counts = np.stack([fold.counts for fold in findings.folds])  # (folds, splits, classes)
    percentages = 100 * counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    splits = range(len(SPLITS))
    rows = [
        [name, *(f"{_range(counts[:, s, c])} ({_range(percentages[:, s, c], '.1f')} %)" for s in splits)]
        for c, name in enumerate(findings.dataset.classes)
    ]
    rows.append(["all", *(_range(counts[:, s].sum(axis=1)) for s in splits)])
    table = tabulate(rows, ["class", *SPLITS], tablefmt="pipe", colalign=["left", "right", "right", "right"])
    tested = counts[:, TEST].sum(axis=0)
    tested = tested[tested > 0]
    ranges = f"{len(findings.folds)} folds: minimum to maximum. " if len(findings.folds) > 1 else ""
    ratio = f"The most frequent class has {tested.max() / tested.min():.1f} × the test images of the rarest."
    unassigned = [fold.num_unassigned for fold in findings.folds]
    no_split = f" In no split: {_range(unassigned)}." if any(unassigned) else ""
    return f"{table}\n\n{ranges}{ratio}{no_split}"


def _seen(findings: Findings, kind: str) -> int:
    return sum(fold.subjects_seen.get(kind, 0) for fold in findings.folds)


def _count(count: int, total: int) -> str:
    return f"{count:,} ({100 * count / max(total, 1):.1f} %)"


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,} ({100 * count / max(total, 1):.1f} %)"


def _range(values: Iterable[float], form: str = ",.0f") -> str:
    texts = [format(value, form) for value in sorted(values)]
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]}–{texts[-1]}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _listed(heading: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    if not lines:
        return []
    more = [f"and {len(lines) - MAX_LISTED:,} more"] if len(lines) > MAX_LISTED else []
    return [f"## {heading} ({len(lines):,})", _bullets([*lines[:MAX_LISTED], *more])]


def _tiles(dataset: Dataset, group: np.ndarray) -> np.ndarray:
    """Return the first images of a group side by side."""
    cv2 = import_opencv()
    images = dataset.images[np.asarray(group)]
    images = images[:, -1] if images.ndim == 4 else images
    size = (TILE_SIZE, TILE_SIZE)
    return np.hstack([cv2.resize(image, size, interpolation=cv2.INTER_NEAREST) for image in images[:MAX_COLUMNS]])
