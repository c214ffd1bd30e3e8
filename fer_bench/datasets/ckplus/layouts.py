"""The image files of CK+ in the layouts that people have, and what their names say. Opens no image."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import canonical
from fer_bench.datasets.finding.ckplus import FRAME
from fer_bench.datasets.tree import is_image, look

LABEL = re.compile(r"(S\d{3}_\d{3})_\d{8}_emotion", re.IGNORECASE)
CODES = {1: "angry", 2: "contempt", 3: "disgust", 4: "fear", 5: "happy", 6: "sad", 7: "surprise"}  # 0 is neutral
PEAK = 3  # frames at the end of a sequence that show its expression

Problems = list[tuple[Path, str]]  # files and folders that cannot be used, and why


@dataclass(frozen=True, order=True)
class Frame:
    """One image file, and the class that it is a sample of."""

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


def class_folder_frames(root: Path, problems: Problems) -> list[Frame]:
    """The frames in `root`/<class>/, as in CK+48, in order; what cannot be used is added to `problems`.

    Raises UserError for a folder without images, or of no known class, and for a sequence in two classes.
    """
    frames = []
    for folder in (root / name for name in look(root, most=None).folders):
        images, emotion = _images(folder), canonical(folder.name)
        if images and emotion is None:
            raise UserError(f"{folder} is named for no expression of CK+ (anger, contempt, disgust, …).")
        if emotion and not images:
            raise UserError(f"{folder} has no images.")
        frames += _frames(images, emotion, problems)
    frames.sort()
    _check_single(frames)
    return frames


def original_frames(root: Path, labels: Path, neutral: bool, problems: Problems) -> list[Frame]:
    """The last three frames of each sequence in cohn-kanade-images that has an Emotion label, in order.

    With `neutral` the first frame too, as neutral. What cannot be used is added to `problems`. Raises UserError where
    there are no labels, and for an image in another sequence's folder.
    """
    frames = []
    for path in _texts(labels):
        match = LABEL.fullmatch(path.stem)
        if match is None:
            problems.append((path, "not named like S005_001_00000011_emotion.txt"))
            continue
        emotion, wrong = _label(path)
        if wrong:
            problems.append((path, wrong))
            continue
        sequence = match[1].upper()
        folder = root / sequence[:4] / sequence[5:]
        images = sorted(_frames(_images(folder), emotion, problems))
        if len(images) < PEAK + neutral:
            problems.append((folder, f"{len(images) or 'no'} images for the label {path.name}"))
            continue
        if wrong := [image for image in images if image.sequence != sequence]:
            raise UserError(f"{wrong[0].path} is in the folder of the sequence {sequence}.")
        frames += [Frame(sequence, images[0].number, "neutral", images[0].path)] if neutral else []
        frames += images[-PEAK:]
    if not frames and not problems:
        raise UserError(f"{labels} has no label files (S005/001/S005_001_00000011_emotion.txt).")
    frames.sort()
    _check_single(frames)
    return frames


def sequences_of(frames: list[Frame], problems: Problems) -> list[list[Frame]]:
    """The frames by sequence, each in time order; a sequence without exactly three is added to `problems`."""
    by_sequence = defaultdict(list)
    for frame in sorted(frames):
        by_sequence[frame.sequence].append(frame)
    for name, members in by_sequence.items():
        if len(members) != PEAK:
            problems.append((members[0].path, f"the sequence {name} has {len(members)} frames instead of {PEAK}"))
    return [members for members in by_sequence.values() if len(members) == PEAK]


def _images(folder: Path) -> list[Path]:
    """The image files in a folder, by name; none where there is no such folder."""
    inside = look(folder, most=None)
    return [folder / name for name in inside.files if is_image(name)] if inside else []


def _texts(folder: Path) -> Iterator[Path]:
    """The text files in a folder and at any depth below."""
    inside = look(folder, most=None)
    if inside is None:
        raise UserError(f"{folder} cannot be read.")
    yield from (folder / name for name in inside.files if name.lower().endswith(".txt"))
    for name in inside.folders:
        yield from _texts(folder / name)


def _frames(paths: list[Path], emotion: str, problems: Problems) -> Iterator[Frame]:
    for path in paths:
        match = FRAME.fullmatch(path.stem)
        if match is None:
            problems.append((path, "not named like S010_004_00000017.png"))
        else:
            yield Frame(f"{match[1]}_{match[2]}".upper(), int(match[3]), emotion, path)


def _check_single(frames: list[Frame]) -> None:
    """Raise UserError for a sequence in two classes and for a frame that is there twice."""
    for one, other in pairwise(frames):
        if one.id == other.id:
            raise UserError(f"The frame {one.id} is there twice: {one.path} and {other.path}.")
        if one.sequence == other.sequence and one.emotion not in (other.emotion, "neutral"):
            raise UserError(f"The sequence {one.sequence} is of two classes: {one.path} and {other.path}.")


def _label(path: Path) -> tuple[str, str]:
    """The class that an Emotion file names by a number such as 3.0000000e+00, and what is wrong with it."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        return "", error.strerror or str(error)
    if not text:
        return "", "an empty label file"
    try:
        return CODES[float(text)], ""
    except (KeyError, ValueError):
        return "", f"unknown expression code {text[:20]!r}, not one from 1 (anger) to 7 (surprise)"
