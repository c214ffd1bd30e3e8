"""RAF-DB (Real-world Affective Faces), its basic expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import FER2013_CLASSES, SPLITS, Dataset
from fer_bench.datasets.expected_counts import differences
from fer_bench.datasets.finding.rafdb import NAME
from fer_bench.datasets.images import left_out, named, read_images
from fer_bench.datasets.registry import DATASETS, DataConfig, register_dataset, require
from fer_bench.datasets.tree import is_image, look

SIDE = 48
CODES = {"1": "surprise", "2": "fear", "3": "disgust", "4": "happy", "5": "sad", "6": "angry", "7": "neutral"}
PARTS = {"train": "training", "test": "test"}

Problems = list[tuple[Path, str]]


@dataclass(frozen=True, order=True)
class _Picture:
    id: str  # train_00001
    emotion: str
    path: Path

    @property
    def part(self) -> str:
        return PARTS[self.id.split("_")[0]]


@register_dataset(
    "rafdb",
    title="RAF-DB",
    source="http://www.whdeng.cn/RAF/model1.html",
    agreement=True,
    finder="rafdb:find",
    layouts=(
        "basic/EmoLabel/list_patition_label.txt with basic/Image/aligned/train_00001_aligned.jpg",
        "DATASET/train/<1 to 7>/train_00001_aligned.jpg and DATASET/test/",
    ),
    samples=15339,
    classes=7,
    split="official",
    counts={
        "training": (705, 717, 281, 4772, 1982, 1290, 2524),
        "test": (162, 160, 74, 1185, 478, 329, 680),
    },
)
def rafdb(places: DataConfig) -> Dataset:
    """Faces found on the web, aligned, each labelled by about forty people, with the official training and test parts.

    images: (15339, 48, 48) uint8, grey and reduced from the aligned 100×100 in colour; FER2013's seven classes; there
    is no official validation part and no person is named. Li, Deng & Du, "Reliable Crowdsourcing and Deep
    Locality-Preserving Learning for Expression Recognition in the Wild", CVPR 2017.
    """
    path = require("rafdb", places)
    source = [path, _aligned(path)] if path.is_file() else path
    return cached(
        "rafdb",
        source,
        places.cache_dir,
        lambda: read_rafdb(path, places),
        skip_bad=places.skip_invalid,
        refresh=places.refresh,
    )


def read_rafdb(path: Path, places: DataConfig) -> Dataset:
    """Read from the label file or the folder of numbered class folders; the fingerprint is left empty.

    ids: `train_00001`, in order, the test part first. Raises UserError that names lines and images that cannot be
    used; with `places.skip_bad` they are left out and told in a note.
    """
    problems: Problems = []
    pictures = _pictures(path, problems)
    if problems and not (places.skip_invalid and pictures):
        raise UserError(f"{len(problems):,} of RAF-DB's labels or images cannot be used: {named(problems)}.")
    if not pictures:
        raise UserError(f"{path} names no images.")
    _check_single(pictures)
    files = [picture.path for picture in pictures]
    images = read_images(files, SIDE, places.progress, "RAF-DB", places.skip_invalid)
    pictures = [pictures[index] for index in images.kept]
    labels = np.array([FER2013_CLASSES.index(picture.emotion) for picture in pictures], np.int64)
    split = np.array([SPLITS.index(picture.part) for picture in pictures], np.int8)
    dataset = Dataset(
        name="rafdb",
        images=images.pixels,
        labels=labels,
        ids=np.array([picture.id for picture in pictures]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=split,
    )
    wrong = differences(dataset, DATASETS.get("rafdb").options)
    return replace(dataset, notes=(*left_out(problems + images.bad), *wrong))


def originals(name: str, places: DataConfig) -> Mapping[str, Path]:
    """The aligned image of each id, 100×100 pixels."""
    return {picture.id: picture.path for picture in _pictures(require(name, places), [])}


def _pictures(path: Path, problems: Problems) -> list[_Picture]:
    return sorted(_listed(path, problems) if path.is_file() else _numbered(path, problems))


def _aligned(path: Path) -> Path:
    """The folder of aligned images that belongs to a label file."""
    for root in (path.parent.parent, path.parent):
        for folder in (root / "Image" / "aligned", root / "aligned"):
            if folder.is_dir():
                return folder
    raise UserError(f"{path} has no images: there is no folder {path.parent.parent / 'Image' / 'aligned'}.")


def _listed(path: Path, problems: Problems) -> list[_Picture]:
    """The pictures of a label file, whose lines are such as `train_00001.jpg 5`."""
    folder, pictures = _aligned(path), []
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        name = NAME.fullmatch(Path(words[0]).stem)
        if len(words) != 2 or name is None:
            problems.append(
                (Path(f"{path}, line {number}"), f"{line.strip()[:40]!r} is not such as 'train_00001.jpg 5'")
            )
        elif words[1] not in CODES:
            problems.append((Path(f"{path}, line {number}"), f"unknown expression code {words[1][:20]!r}, not 1 to 7"))
        else:
            stem = name[1].lower()
            pictures.append(_Picture(stem, CODES[words[1]], folder / f"{stem}_aligned.jpg"))
    return pictures


def _numbered(root: Path, problems: Problems) -> list[_Picture]:
    """The pictures in train/ and test/, in class folders named 1 to 7."""
    pictures = []
    for part in PARTS:
        for code, emotion in CODES.items():
            folder = root / part / code
            inside = look(folder, most=None)
            paths = [folder / name for name in inside.files if is_image(name)] if inside else []
            if not paths:
                raise UserError(f"{folder} has no images: RAF-DB has some of every class in {part}.")
            for path in paths:
                name = NAME.fullmatch(path.stem)
                if name is None:
                    problems.append((path, "not named like train_00001_aligned.jpg"))
                elif name[2].lower() != part:
                    problems.append((path, f"an image of {name[2].lower()} in {part}"))
                else:
                    pictures.append(_Picture(name[1].lower(), emotion, path))
    return pictures


def _check_single(pictures: list[_Picture]) -> None:
    known: dict[str, _Picture] = {}
    for picture in pictures:
        if other := known.get(picture.id):
            raise UserError(f"{picture.id} is labelled twice, {other.emotion} and {picture.emotion}.")
        known[picture.id] = picture
