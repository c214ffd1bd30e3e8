"""Names of expressions: one for each, whatever a folder or a file calls it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# FER2013's classes in FER2013's order, then contempt.
ORDER = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

SYNONYMS = {
    "angry": ("anger",),
    "disgust": ("disgusted",),
    "fear": ("fearful", "scared", "afraid"),
    "happy": ("happiness", "joy"),
    "sad": ("sadness",),
    "surprise": ("surprised",),
    "neutral": ("neutrality",),
    "contempt": ("contemptuous",),
}

_NAMES = {synonym: name for name in ORDER for synonym in (name, *SYNONYMS[name])}
_NUMBER = re.compile(r"^\d+\s*[-_.:)]*\s*")  # as in "0_angry" and "1 - Anger"


def canonical(name: str) -> str | None:
    """The name in ORDER that `name` stands for, in any case and with or without a number before it; None if none."""
    return _NAMES.get(_NUMBER.sub("", name.strip().lower()))


def count_notes(
    labels: Iterable[int], classes: Sequence[str], published: Sequence[int], part: str = ""
) -> tuple[str, ...]:
    """A sentence on how a copy's counts per class differ from the published ones; none where they are the same."""
    counts = Counter(map(int, labels))
    wrong = [
        f"{name} {counts[index]:,} instead of {of:,}"
        for index, (name, of) in enumerate(zip(classes, published, strict=True))
        if counts[index] != of
    ]
    return (f"The {part}counts are not the published ones: {', '.join(wrong)}.",) if wrong else ()
