"""What an audit found, as a page in Markdown, a table of all twins, and a sheet of pictures for the user's own eyes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from tabulate import tabulate

from fer_bench.core.errors import UserError, write_error
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.faces import opencv
from fer_bench.protocols.audit.findings import NO_SPLIT, TEST, Findings, split_numbers
from fer_bench.protocols.audit.near_duplicates import MAX_HASH_DISTANCE, MIN_CORRELATION
from fer_bench.protocols.fold import SPLITS, Fold
from fer_bench.protocols.registry import ARROW

KINDS = {"subjects": "person", "sequences": "sequence"}
LISTED = 20  # pairs on the page; all are in the table beside it
MANY, TILE, GAP = 60, 96, 8  # groups on the sheet of pictures, pixels of a picture, pixels between groups


def summary(found: Findings) -> str:
    """The page without its lists: verdict, classes and parts, duplicates, subjects. Markdown."""
    data = found.dataset
    *frames, height, width = data.images.shape[1:]
    kind = f"sequences of {frames[0]} frames" if frames else "images"
    known = f"{len(data):,} {kind} of {width}×{height} in {len(data.classes)} classes, data {data.fingerprint[:12]}"
    parts = [
        f"# Audit of {data.name} under {found.protocol}",
        f"**{verdict(found)}**",
        _bullets([*_badges(found), known, *data.notes]),
        "## Duplicates and labels",
        _bullets(_duplicates(found)),
        "## Persons and sequences",
        _bullets(_shared(found)),
        "## Classes and parts",
        _classes(found),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(found: Findings) -> str:
    """What to think of it, in a sentence or two."""
    tested, there = found.total("tested"), "of training or validation"
    told = [
        f"{_share(_seen(found, kind), tested)} show a {KINDS[kind]} {there}" for kind in KINDS if _seen(found, kind)
    ]
    if twins := found.total("twin_tests"):
        told.append(f"{_share(twins, tested)} are pixel-identical to one {there}")
    head = "This split leaks" if told else "No exact leak was found"
    if near := found.total("near_tests"):
        told.append(f"{_share(near, tested)} are nearly identical to one {there}")
    details = f" Of {tested:,} test images {'; '.join(told)}." if told else ""
    unknown = "" if found.dataset.subjects is not None else " Who is in which image is not known, and so not looked at."
    return f"{head}.{details}{unknown}"


def details(found: Findings) -> str:
    """The identifiers of what is wrong, the first of each kind. Markdown."""
    ids, names = found.dataset.ids, found.dataset.classes
    labels = found.dataset.labels

    def named(group: Sequence[int]) -> str:
        told = [f"{ids[i]} ({names[labels[i]]})" for i in group[:LISTED]]
        return ", ".join(told) + (f" and {len(group) - LISTED:,} more" if len(group) > LISTED else "")

    tested = np.unique(np.concatenate([fold.test_duplicates for fold in found.folds]))
    across = [group for group in found.duplicates if np.isin(group, tested).any()]
    conflicting = [group for group in found.duplicates if len(np.unique(labels[group])) > 1]
    return "\n\n".join(
        [
            *_listed("Identical images, of which one is tested and another one is not", map(named, across)),
            *_listed("Identical images with several labels", map(named, conflicting)),
            *_listed("Images of a single grey level", [named([i]) for i in found.constant]),
        ]
    )


def duplicates_csv(found: Findings, folds: list[Fold]) -> str:
    """Every group of identical images and every nearly identical pair: a line for each image, its part in each fold."""
    text, data = StringIO(), found.dataset
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["kind", "group", "id", "class", *(f"fold {number}" for number in range(len(folds)))])
    parts = [split_numbers(data, fold) for fold in folds]
    for kind, groups in (("identical", found.duplicates), ("near", found.near_duplicates)):
        for number, group in enumerate(groups):
            for i in group:
                where = ["" if part[i] == NO_SPLIT else SPLITS[part[i]] for part in parts]
                table.writerow([kind, number, data.ids[i], data.classes[data.labels[i]], *where])
    return text.getvalue()


def write_contact_sheet(found: Findings, path: Path) -> None:
    """Draw groups of twins, those with a test image first, as a PNG. UserError where there are none or it cannot."""
    if not len(found.duplicates) and not len(found.near_duplicates):
        raise UserError(f"'{found.dataset.name}' has no twins to draw.")
    tested = np.unique(np.concatenate([np.r_[fold.test_duplicates, fold.test_near_duplicates] for fold in found.folds]))
    groups = [*found.duplicates, *found.near_duplicates]
    groups.sort(key=lambda group: not np.isin(group, tested).any())
    rows = [_row(found.dataset, group) for group in groups[:MANY]]
    width = max(row.shape[1] for row in rows)
    picture = np.vstack([np.pad(row, ((0, GAP), (0, width - row.shape[1])), constant_values=255) for row in rows])
    _, png = opencv().imencode(".png", picture)
    write(path, png.tobytes())


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it. UserError where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise write_error(path, error) from None


def _badges(found: Findings) -> list[str]:
    return [f"badge: {remark}" for remark in found.notes]


def _duplicates(found: Findings) -> list[str]:
    tested, spanning = found.total("tested"), _range([fold.groups_across_splits for fold in found.folds])
    validated = sum(int(fold.counts[SPLITS.index("validation")].sum()) for fold in found.folds)
    return [
        f"{len(found.duplicates):,} groups of pixel-identical images ({found.num_redundant:,} surplus), "
        f"{spanning} of them across parts, {found.num_conflicting:,} with conflicting labels",
        f"test images with a twin in training or validation: {_of(found.total('twin_tests'), tested)}",
        f"validation images with a twin in training: {_of(found.total('twin_validations'), validated)}",
        f"{len(found.near_duplicates):,} pairs of nearly identical images (perceptual hashes within {MAX_HASH_DISTANCE} of 64 bits, pixels "
        f"correlated by {MIN_CORRELATION} or more, which two persons in the same pose can reach)",
        f"test images without a twin, but with a nearly identical image in training or validation: "
        f"{_of(found.total('near_tests'), tested)}",
        f"{len(found.constant):,} images of a single grey level",
    ]


def _shared(found: Findings) -> Iterator[str]:
    tested = found.total("tested")
    for kind, word in KINDS.items():
        names = getattr(found.dataset, kind)
        if names is None:
            yield f"{kind} are not known"
            continue
        trained = sum(fold.subjects_in_training[kind] for fold in found.folds)
        each = ", one for each image of whom nothing is known" if ARROW in found.dataset.name else ""
        yield (
            f"{len(np.unique(names)):,} {kind}{each}; test images whose {word} is in training or validation: "
            f"{_of(_seen(found, kind), tested)} (in training: {trained:,})"
        )


def _classes(found: Findings) -> str:
    """Images by class and part, and each class' share of it; ranges over folds."""
    counts = np.stack([fold.counts for fold in found.folds])  # (folds, parts, classes)
    shares = 100 * counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)
    rows = [
        [name, *(f"{_range(counts[:, p, c])} ({_range(shares[:, p, c], '.1f')} %)" for p in range(len(SPLITS)))]
        for c, name in enumerate(found.dataset.classes)
    ]
    rows.append(["all", *(_range(counts[:, p].sum(axis=1)) for p in range(len(SPLITS)))])
    table = tabulate(rows, ["class", *SPLITS], tablefmt="pipe", colalign=["left", "right", "right", "right"])
    present = counts[:, TEST].sum(axis=0)
    present = present[present > 0]
    ratio = f"The most frequent class has {present.max() / present.min():.1f} × the test images of the rarest."
    folds = f"{len(found.folds)} folds: from the least to the most. " if len(found.folds) > 1 else ""
    left_out = [fold.num_unassigned for fold in found.folds]
    without = f" Left out of all parts: {_range(left_out)}." if any(left_out) else ""
    return f"{table}\n\n{folds}{ratio}{without}"


def _seen(found: Findings, kind: str) -> int:
    return sum(fold.subjects_seen.get(kind, 0) for fold in found.folds)


def _share(count: int, total: int) -> str:
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
    more = [f"and {len(lines) - LISTED:,} more"] if len(lines) > LISTED else []
    return [f"## {heading} ({len(lines):,})", _bullets([*lines[:LISTED], *more])]


def _row(data: Dataset, group: np.ndarray) -> np.ndarray:
    cv2 = opencv()
    images = data.images[np.asarray(group)]
    images = images[:, -1] if images.ndim == 4 else images
    return np.hstack([cv2.resize(image, (TILE, TILE), interpolation=cv2.INTER_NEAREST) for image in images[:10]])
