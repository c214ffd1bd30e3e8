"""The names of expressions: one per class, for all spellings in folders and files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

# FER2013's classes in FER2013's order, then contempt.
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral", "contempt")

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

_CANONICAL = {synonym: name for name in EMOTIONS for synonym in (name, *SYNONYMS[name])}
_NUMBER = re.compile(r"^\d+\s*[-_.:)]*\s*")  # as in "0_angry" and "1 - Anger"


def canonical_emotion(name: str) -> str | None:
    """Return the name in EMOTIONS for a spelling in any case, with or without a number before it; else None."""
    return _CANONICAL.get(_NUMBER.sub("", name.strip().lower()))


def count_notes(
    labels: Iterable[int], classes: Sequence[str], expected: Sequence[int], prefix: str = ""
) -> tuple[str, ...]:
    """Compare the number of samples per class with the published counts.

    Args:
        labels: (samples,) indices into `classes`.
        classes: Names of the classes.
        expected: The published count of each class.
        prefix: The split with a space, such as "test ".

    Returns:
        One sentence with the classes that differ; empty if none does.
    """
    counts = Counter(map(int, labels))
    wrong = [
        f"{name} {counts[index]:,} instead of {count:,}"
        for index, (name, count) in enumerate(zip(classes, expected, strict=True))
        if counts[index] != count
    ]
    return (f"The {prefix}counts are not the published ones: {', '.join(wrong)}.",) if wrong else ()
