"""The image files of CK+ in the layouts that people have, with the information in their names. Opens no image."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.ckplus.locate import FRAME
from fer_bench.datasets.codes import LabelParser
from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.images import Problems
from fer_bench.datasets.tree import folders_below, list_images, require_folder

LABEL = re.compile(r"(S\d{3}_\d{3})_\d{8}_emotion", re.IGNORECASE)
# 0 is neutral, and is in no published file.
CODES = dict(enumerate(("angry", "contempt", "disgust", "fear", "happy", "sad", "surprise"), start=1))
NUM_PEAK_FRAMES = 3  # at the end of a sequence, which show its expression


@dataclass(frozen=True, order=True)
class Frame:
    """One image file and its class."""

    sequence: str  # S010_004
    number: int
    emotion: str
    path: Path

    @property
    def id(self) -> str:
        return f"{self.sequence}_{self.number:08d}"

    @property
    def subject(self) -> str:
        return self.sequence[:4]


def list_frames(root: Path, labels: Path | None, neutral: bool, problems: Problems) -> list[Frame]:
    """Return the sorted frames of class folders or of the original tree.

    Args:
        root: The folder of the class folders, as in CK+48, or cohn-kanade-images.
        labels: The folder Emotion of the original tree; None for class folders.
        neutral: Whether the first frame of each sequence of the original tree is returned, too, as neutral.
        problems: Files and folders that cannot be used are appended.

    Raises:
        UserError: A class folder is empty or unknown, there are no labels, a frame exists twice, or an image is in
            another sequence's folder or class.
    """
    frames = _list_labeled(root, labels, neutral, problems) if labels else _list_class_folders(root, problems)
    frames.sort()
    for one, other in pairwise(frames):
        if one.id == other.id:
            raise UserError(f"The frame {one.id} exists twice: {one.path} and {other.path}. Remove one of them.")
        if one.sequence == other.sequence and one.emotion not in (other.emotion, "neutral"):
            raise UserError(f"The sequence {one.sequence} is in two classes: {one.path} and {other.path}.")
    return frames


def _list_class_folders(root: Path, problems: Problems) -> list[Frame]:
    frames: list[Frame] = []
    seen: dict[tuple[Path, str], Path] = {}
    has_class_folders = any(map(canonical_emotion, require_folder(root).folders))
    for listing in islice(folders_below(root, max_entries=None), 1, None):
        folder, paths, emotion = listing.path, listing.images, canonical_emotion(listing.path.name)
        is_beside = has_class_folders and folder.parent == root
        if emotion is None and paths and (is_beside or any(FRAME.fullmatch(path.stem) for path in paths)):
            raise UserError(f"{folder} names no expression of CK+ (anger, contempt, disgust, …).")
        if emotion and not paths:
            raise UserError(f"{folder} has no images.")
        if emotion and (other := seen.setdefault((folder.parent, emotion), folder)) != folder:
            raise UserError(f"{folder.parent} has two folders for {emotion}, {other.name} and {folder.name}.")
        if emotion:
            frames += _parse_frames(paths, emotion, problems)
    if len({frame.emotion for frame in frames}) == 1:
        raise UserError(f"{root} has images of one class only, {frames[0].emotion}. CK+ has seven.")
    return frames


def _list_labeled(root: Path, labels: Path, neutral: bool, problems: Problems) -> list[Frame]:
    """Return the last three frames of each sequence that has a label, and its first if `neutral`."""
    frames, codes = [], LabelParser(labels, CODES)
    for path in _list_texts(labels):
        match = LABEL.fullmatch(path.stem)
        if match is None:
            problems.append((path, "not named like S005_001_00000011_emotion.txt"))
            continue
        emotion, problem = _read_label(path, codes)
        if problem:
            problems.append((path, problem))
            continue
        sequence = match[1].upper()
        folder = root / sequence[:4] / sequence[5:]
        images = sorted(_parse_frames(list_images(folder), emotion, problems))
        if len(images) < NUM_PEAK_FRAMES + neutral:
            problems.append((folder, f"{len(images) or 'no'} images for the label {path.name}"))
            continue
        if misplaced := [image for image in images if image.sequence != sequence]:
            raise UserError(f"{misplaced[0].path} is in the folder of the sequence {sequence}.")
        frames += [Frame(sequence, images[0].number, "neutral", images[0].path)] if neutral else []
        frames += images[-NUM_PEAK_FRAMES:]
    codes.check()
    if not frames and not problems:
        raise UserError(f"{labels} has no label files (S005/001/S005_001_00000011_emotion.txt).")
    return frames


def group_by_sequence(frames: list[Frame], problems: Problems) -> list[list[Frame]]:
    """Return the frames by sequence, in time order; append sequences without exactly three to `problems`."""
    by_sequence = defaultdict(list)
    for frame in sorted(frames):
        by_sequence[frame.sequence].append(frame)
    for name, members in by_sequence.items():
        if len(members) != NUM_PEAK_FRAMES:
            reason = f"the sequence {name} has {len(members)} frames instead of {NUM_PEAK_FRAMES}"
            problems.append((members[0].path, reason))
    return [members for members in by_sequence.values() if len(members) == NUM_PEAK_FRAMES]


def _list_texts(folder: Path) -> Iterator[Path]:
    """Yield the text files in a folder and below."""
    listing = require_folder(folder)
    yield from (folder / name for name in listing.files if name.lower().endswith(".txt"))
    for name in listing.folders:
        yield from _list_texts(folder / name)


def _parse_frames(paths: list[Path], emotion: str, problems: Problems) -> Iterator[Frame]:
    for path in paths:
        match = FRAME.fullmatch(path.stem)
        if match is None:
            problems.append((path, "not named like S010_004_00000017.png"))
        else:
            yield Frame(f"{match[1]}_{match[2]}".upper(), int(match[3]), emotion, path)


def _read_label(path: Path, codes: LabelParser) -> tuple[str, str]:
    """Return the class that an Emotion file names by a number such as 3.0000000e+00, and the problem with the file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        return "", error.strerror or str(error)
    if not text:
        return "", "an empty label file"
    with suppress(ValueError):
        text = f"{float(text):g}"
    emotion = codes.parse(text, f"file {path.name}")
    return emotion or "", "" if emotion else f"unknown expression code {text[:20]!r}, not {codes.expected}"
